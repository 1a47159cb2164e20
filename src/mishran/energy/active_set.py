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
from mishran.energy.matrices import EPS, cholesky, solve_factored
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
    many = len(rows) > 1
    # What the other tasks leave bounds a task by itself.
    capped = upper < lower + (1.0 - NEAR - float(np.add.reduce(lower)))
    caps = bool(np.logical_or.reduce(capped))
    least, most = lower - NEAR, np.where(capped, upper + NEAR, np.inf) if caps else upper
    room = lower < upper
    sizes, equal = np.abs(rows).max(axis=1) if many else high, low == high
    form = energy.form
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
    held, active, target = equal, rows, high
    fewest, patience = len(free) + len(side) + 1, PATIENCE
    for number in range(1, ROUNDS + 1):
        if many:
            held = side != 0
            active, target = rows[held], np.where(side < 0, low, high)[held]
        fixed = (~free) * (np.where(top, upper, lower) if caps else lower)
        system = _System.of(energy, free, fixed, active, target, ridge)
        if system is None:
            return None
        p, reduced = system.p, system.reduced
        if caps:
            enter = np.where(top, reduced > steep, reduced < -steep)
            wrong = np.where(free, (p < least) | (p > most), enter)
        else:
            wrong = np.where(free, p < least, reduced < -steep)
        wrong &= room
        count = int(np.count_nonzero(wrong))
        if many:
            value, paid = rows @ p, np.zeros(len(side))
            paid[held] = system.prices
            short = ~held & (value < low - NEAR * sizes)
            over = ~held & (value > high + NEAR * sizes)
            strange = short | over | (~equal & (paid * side * sizes > steep))
            count += int(np.count_nonzero(strange))
        if count == 0:
            curved = system.curvature() >= CURVED * unit
            if curved:
                system.refine(steep / 16)
            paid = np.zeros(len(side))
            paid[held] = system.prices
            p = np.minimum(np.maximum(system.p, lower), upper)
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


class _System:
    """The KKT system of some free tasks and binding rows: its block of S factored, and solved.

    p: weights with the rows at their target and the tasks that are not free as they were fixed.
    prices: of the rows. reduced: (n,) slope less what the rows are worth, 0 on free tasks.
    """

    __slots__ = (
        "energy", "factor", "free", "inside", "p", "prices", "reduced", "ridge", "rows", "target"
    )  # fmt: skip

    def __init__(
        self,
        energy: Energy,
        free: np.ndarray,
        factor: Array,
        rows: Array,
        target: Array,
        ridge: float,
    ) -> None:
        self.energy, self.free, self.factor, self.ridge = energy, free, factor, ridge
        self.rows, self.target, self.inside = rows, target, rows.take(free, 1)
        self.prices = np.zeros(len(rows))

    @classmethod
    def of(
        cls,
        energy: Energy,
        free: np.ndarray,
        fixed: Array,
        rows: Array,
        target: Array,
        ridge: float,
    ) -> _System | None:
        """None where nothing is free or the block has no factor.

        Args:
            free: (n,) bool. fixed: (n,) weights of the others. rows, target: (k, n) and (k,).
        """
        index, form = free.nonzero()[0], energy.form
        if len(index) == 0:
            return None
        factor = form.factor
        if len(index) < len(free) or ridge or factor is None:
            block = form.block.take(index, 0).take(index, 1)
            factor = cholesky(block, ridge)
            if factor is None:
                return None
        out = cls(energy, index, factor, rows, target, ridge)
        # The block does not see that 1'p moves from 1'fixed to 1.
        slope, missing = energy.slope, target
        if np.count_nonzero(fixed):
            missing = target - rows @ fixed
            slope = form.relative @ fixed - energy.unary + (1.0 - fixed.sum()) * form.half
            slope += ridge * fixed
        out._move(fixed, slope, missing)
        return out

    def refine(self, enough: float) -> None:
        """Iterative refinement, which takes the ridge out again."""
        if self.ridge:
            self.reduced -= self.ridge * self.p
            self.ridge = 0.0
        for _ in range(REFINEMENTS):
            left = float(np.maximum.reduce(np.abs(self.reduced.take(self.free))))
            missing = self.target - self.rows @ self.p
            if left <= enough and np.abs(missing).max() <= NEAR / 64:
                break
            self._move(self.p, self.reduced, missing)

    def curvature(self) -> float:
        """About the smallest eigenvalue of the free block, by inverse iteration."""
        m = len(self.free)
        x, size = _GENERIC[:m] if m <= len(_GENERIC) else np.resize(_GENERIC, m), 1.0
        for _ in range(3):
            x = solve_factored(self.factor, x / size)
            size = sqrt(x.dot(x)) or 1.0  # 0 where entries are so large that their inverses vanish
        return 1.0 / size

    def _move(self, p: Array, slope: Array, missing: Array) -> None:
        """From p with its slope to where the slope is what the rows are worth on free tasks."""
        right = np.concatenate((slope.take(self.free)[None], self.inside))
        solved = solve_factored(self.factor, right.T)
        seen = self.inside @ solved
        if len(missing) == 1:
            price = (missing[0] + seen[0, 0]) / seen[0, 1]
            step = solved[:, 1] * price
            self.prices = self.prices + price
        else:
            more = np.linalg.lstsq(seen[:, 1:], missing + seen[:, 0])[0]
            step = solved[:, 1:] @ more
            self.prices = self.prices + more
        step -= solved[:, 0]
        self.p = p.copy()
        self.p[self.free] += step
        self.reduced = self.energy.form.relative.dot(self.p)
        self.reduced -= self.energy.unary
        if self.ridge:
            self.reduced += self.ridge * self.p
        self.reduced -= self.prices.dot(self.rows)
        # What the block left out is the same for all, so a part of the price of the sum.
        common = float(np.add.reduce(self.reduced.take(self.free))) / len(self.free)
        self.prices[0] += common
        self.reduced -= common


def least_pivot(factor: Array) -> float:
    """The smallest pivot of a factored matrix, at least its smallest eigenvalue."""
    return float(np.minimum.reduce(factor.diagonal())) ** 2
