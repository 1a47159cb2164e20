"""Block pivoting: the active bounds of a convex energy over the simplex, bounds and a few rows.

Guess which tasks are off their bounds and which rows bind, solve the linear system that is left,
exchange everything that has the wrong sign, repeat: some 5 to 10 rounds whatever n is, each as dear
as a Cholesky factor of the free tasks. Exchanging all at once can cycle; while the number of wrong
signs does not fall they are exchanged one at a time, the last first. There is no proof that this
ends with rows or without curvature, so rounds are limited; `solver` then falls back and says so.
What comes out is judged by its certificate, never by how it was found.

Source: Judice and Pires, "A block principal pivoting algorithm for large-scale strictly monotone
linear complementarity problems", Computers & OR 21 (1994); the single exchanges are Murty's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import final

import numpy as np

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.matrices import EPS, Form, backward, cholesky, forward
from mishran.types import Array

ROUNDS = 80
PATIENCE = 5
RIDGE = 1e-10  # of the unit: makes singular blocks definite; refinement takes it out again
NEAR = 1e-12  # weights this close are equal
CURVED = 1e-7  # of the unit: curvature from which refinement is exact
REFINEMENTS = 4
_GENERIC = np.sin(np.arange(1.0, 1025.0) ** 2)  # a start for inverse iteration, no symmetry in it


@final
@dataclass(frozen=True, eq=False)
class Pivoted:
    """Weights that are stationary, within bounds and of the right signs, to rounding.

    free: (n,) bool, off its bounds. held: (1 + rows,) bool, rows that bind, the sum first. prices:
    multiplier of every row, 0 unless it binds. curved: the free block is far from singular, so that
    p is exact and no other optimum has the same free tasks.
    """

    p: Array
    free: np.ndarray
    held: np.ndarray
    prices: Array
    curved: bool
    sure: bool
    rounds: int


def pivot(
    energy: Energy, constraints: Constraints, unit: float, warm: Array | None = None
) -> Pivoted | None:
    """The active set, from all tasks free or those free in `warm`; None when it is not found.

    Args:
        energy: convex on the tangent. unit: what is large for its slopes and curvatures.
    """
    lower, upper = constraints.lower, constraints.upper
    rows, low, high = bordered(constraints)
    n, many = len(lower), len(rows) > 1
    # What the other tasks leave bounds a task by itself.
    capped = upper < lower + (1.0 - NEAR - float(np.add.reduce(lower)))
    caps = np.count_nonzero(capped) > 0
    moved = many or caps or np.count_nonzero(lower) > 0
    least, most = lower - NEAR, np.where(capped, upper + NEAR, np.inf) if caps else upper
    room, equal = lower < upper, low == high
    sizes = np.abs(rows).max(axis=1) if many else high
    form, slope = energy.form, energy.slope
    steep = max(form.rounding, 16 * EPS * unit)
    solid = form.factor is not None and least_pivot(form.factor) >= CURVED * unit
    ridge = 0.0 if solid else RIDGE * unit
    free, top = room, room ^ room
    side = equal.astype(np.int8)  # -1 held at its low, 1 at its high, 0 not binding
    if warm is not None:
        top = capped & (warm >= upper - NEAR)
        free = room & (warm > lower + NEAR) & ~top
        value = rows @ warm
        side[~equal & (value <= low + NEAR * sizes)] = -1
        side[~equal & (value >= high - NEAR * sizes)] = 1
    held, active, target, missing = equal, rows, high, high
    fixed, right = np.zeros(n), np.concatenate((-slope[None], rows))
    fewest, patience = n + len(side) + 1, PATIENCE
    for number in range(1, ROUNDS + 1):
        if many:
            held = side != 0
            active, target = rows[held], np.where(side < 0, low, high)[held]
        if moved:
            fixed = np.where(free, 0.0, np.where(top, upper, lower))
            # The block does not see that 1'p moves from 1'fixed to 1.
            pull = energy.unary - form.relative @ fixed - ridge * fixed
            pull -= (1.0 - float(np.add.reduce(fixed))) * form.half
            right, missing = np.concatenate((pull[None], active)), target - active @ fixed
        system = _System.of(form, free, right, ridge)
        if system is None:
            return None
        step, prices = system.solve(missing)
        p = fixed.copy()
        p[system.index] = step
        reduced = _reduced(form.block, slope, p, prices, active, system.index, ridge)
        if caps:
            enter = np.where(top, reduced > steep, reduced < -steep)
            wrong = np.where(free, (p < least) | (p > most), enter)
        else:
            wrong = np.where(free, p < least, reduced < -steep)
        wrong &= room
        count = int(np.count_nonzero(wrong))
        if many:
            value, paid = rows @ p, np.zeros(len(side))
            paid[held] = prices
            short = ~held & (value < low - NEAR * sizes)
            over = ~held & (value > high + NEAR * sizes)
            strange = short | over | (~equal & (paid * side * sizes > steep))
            count += int(np.count_nonzero(strange))
        if count == 0:
            curved = solid or system.curvature() >= CURVED * unit
            left = float(np.maximum.reduce(np.abs(reduced.take(system.index))))
            if curved and (ridge or left > steep / 16):
                p, prices = _refined(energy, system, p, prices, active, target, steep / 16)
            paid = np.zeros(len(side))
            paid[held] = prices
            p = np.minimum(np.maximum(p, lower), upper)
            return Pivoted(p, free, held, paid, curved, curved and solid, number)
        fewest, patience = (count, PATIENCE) if count < fewest else (fewest, patience - 1)
        if patience < 0:
            if many and strange.any():
                strange[: np.flatnonzero(strange)[-1]] = False
                wrong[:] = False
            else:
                wrong[: np.flatnonzero(wrong)[-1]] = False
        if caps:
            top = np.where(wrong, p > most, top)
        free = free ^ wrong
        if many:
            side[strange] = np.where(short, -1, np.where(over, 1, 0))[strange]
    return None


def bordered(constraints: Constraints) -> tuple[Array, Array, Array]:
    """Rows with 1'p = 1 first, and their bounds."""
    ones = np.ones((1, len(constraints.names)))
    if not constraints.rows:
        return ones, np.ones(1), np.ones(1)
    low, high = constraints.row_bounds
    rows = np.concatenate([ones, constraints.row_matrix])
    return rows, np.concatenate([[1.0], low]), np.concatenate([[1.0], high])


@dataclass(slots=True)
class _System:
    """The block of S on some free tasks as LL', and L^-1 of right-hand sides.

    index: of the free tasks. halfway: (1 + k, free) L^-1 of the negative slope and of the rows.
    """

    index: np.ndarray
    factor: Array
    halfway: Array

    @classmethod
    def of(cls, form: Form, free: np.ndarray, right: Array, ridge: float) -> _System | None:
        """None where nothing is free or the block has no factor.

        Args:
            free: (n,) bool. right: (1 + k, n) negative slope and binding rows.
        """
        index = free.nonzero()[0]
        if len(index) == 0:
            return None
        factor = form.factor
        if len(index) < len(free) or ridge or factor is None:
            factor = cholesky(form.block.take(index, 0).take(index, 1), ridge)
            if factor is None:
                return None
        halfway = right.take(index, 1)
        for row in halfway:
            forward(factor, row)
        return cls(index, factor, halfway)

    def solve(self, missing: Array) -> tuple[Array, Array]:
        """Step of the free tasks after which rows have what was missing, and the rows' prices."""
        seen = self.halfway[1:] @ self.halfway.T
        if len(missing) == 1:
            prices = (missing - seen[0, 0]) / seen[0, 1]
        else:
            prices = np.asarray(np.linalg.lstsq(seen[:, 1:], missing - seen[:, 0])[0], np.float64)
        return backward(self.factor, self.halfway[0] + prices.dot(self.halfway[1:])), prices

    def again(self, slope: Array, missing: Array) -> tuple[Array, Array]:
        """The same for another slope on the free tasks."""
        self.halfway[0] = -slope
        forward(self.factor, self.halfway[0])
        return self.solve(missing)

    def curvature(self) -> float:
        """About the smallest eigenvalue of the free block, by inverse iteration."""
        m = len(self.index)
        x, size = _GENERIC[:m] if m <= len(_GENERIC) else np.resize(_GENERIC, m), 1.0
        for _ in range(3):
            x = x / size
            x = backward(self.factor, forward(self.factor, x))
            size = sqrt(x.dot(x)) or 1.0  # 0 where entries are so large that their inverses vanish
        return 1.0 / size


def _reduced(
    matrix: Array,
    slope: Array,
    p: Array,
    prices: Array,
    rows: Array,
    index: np.ndarray,
    ridge: float = 0.0,
) -> Array:
    """(n,) slope at p less what the rows are worth; their common price is that of the free tasks."""
    out: Array = matrix.dot(p)
    out += slope
    if ridge:
        out += ridge * p
    if len(prices) > 1:
        out -= prices[1:].dot(rows[1:])
    out -= float(np.add.reduce(out.take(index))) / len(index)
    return out


def _refined(
    energy: Energy,
    system: _System,
    p: Array,
    prices: Array,
    rows: Array,
    target: Array,
    enough: float,
) -> tuple[Array, Array]:
    """Weights and prices after iterative refinement, which takes the ridge out again."""
    index = system.index
    for _ in range(REFINEMENTS):
        reduced = _reduced(energy.form.relative, -energy.unary, p, prices, rows, index)
        missing = target - rows @ p
        left = reduced.take(index)
        if np.abs(left).max() <= enough and np.abs(missing).max() <= NEAR / 64:
            break
        step, more = system.again(left, missing)
        p = p.copy()
        p[index] += step
        prices = prices + more
    return p, prices


def least_pivot(factor: Array) -> float:
    """The smallest pivot of a factored matrix, at least its smallest eigenvalue."""
    return float(np.minimum.reduce(factor.diagonal())) ** 2
