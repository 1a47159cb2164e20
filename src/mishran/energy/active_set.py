"""Block pivoting: the active bounds of a convex energy over the simplex, bounds and a few rows.

Guess which tasks are off their bounds and which rows bind, solve the linear system that is left,
exchange everything that has the wrong sign, repeat: some 5 to 10 rounds from all tasks free, 1 to 5
from where `guess` comes to, each as dear as a Cholesky factor of the free tasks. Exchanging all at
once can cycle; while the number of wrong signs does not fall they are exchanged one at a time, the
last first. There is no proof that this ends with rows or without curvature, so rounds are limited;
`solver` then falls back and says so. What comes out is judged by its certificate, never by how it was
found.

Source: Judice and Pires, "A block principal pivoting algorithm for large-scale strictly monotone
linear complementarity problems", Computers & OR 21 (1994); the single exchanges are Murty's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import final

import numpy as np

from mishran.energy.bordered import NEAR, Bordered, bordered
from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.guess import guess
from mishran.energy.matrices import EPS, Form, backward, cholesky, forward, generic, lifted
from mishran.types import Array

ROUNDS = 80
PATIENCE = 5
RIDGE = 1e-10  # of the unit: makes singular blocks definite; refinement takes it out again
CURVED = 1e-7  # of the unit: curvature from which refinement is exact
REFINEMENTS = 4
REFINEMENTS_SINGLE = 12
GUESSED = 100  # tasks from which a guess is cheaper than the rounds that it saves


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
    """The active set, from those free in `warm` or in a guess; None when it is not found.

    Args:
        energy: convex on the tangent. unit: what is large for its slopes and curvatures.
    """
    box = bordered(constraints)
    form, n = energy.form, len(box.lower)
    steep = max(form.rounding, 16 * EPS * unit)
    solid = form.factor is not None and least_pivot(form.factor) >= CURVED * unit
    ridge = 0.0 if solid else RIDGE * unit
    if warm is None and n >= GUESSED:
        warm = guess(energy, box.lower, box.upper, box.caps)
    free, top, side = _start(box, warm)
    held, active, target, missing = box.equal, box.rows, box.high, box.high
    fixed, right = np.zeros(n), np.concatenate((-energy.slope[None], box.rows))
    base = -energy.unary
    fewest, patience = n + len(side) + 1, PATIENCE
    for number in range(1, ROUNDS + 1):
        if box.many:
            held = side != 0
            active, target = box.rows[held], np.where(side < 0, box.low, box.high)[held]
        if box.moved:
            fixed = np.where(free, 0.0, np.where(top, box.upper, box.lower))
            base = form.relative.dot(fixed) - energy.unary
            # The block does not see that 1'p moves from 1'fixed to 1.
            pull = (float(np.add.reduce(fixed)) - 1.0) * form.half - base - ridge * fixed
            right, missing = np.concatenate((pull[None], active)), target - active @ fixed
        system = _System.of(form, free, right, ridge)
        if system is None:
            return None
        p = fixed.copy()
        p[system.index], prices = system.solve(missing)
        reduced = None
        if system.single:
            p, prices, reduced = _refined(
                system, base, p, prices, active, target, steep / 16, REFINEMENTS_SINGLE
            )
            if reduced is None:
                system = _System.of(replace(form, factor=form.exact()), free, right, ridge)
                if system is None:
                    return None
                p[system.index], prices = system.solve(missing)
        if reduced is None:
            reduced = _reduced(system, base, p, prices, active, ridge)
        if box.caps:
            enter = np.where(top, reduced > steep, reduced < -steep)
            wrong = np.where(free, (p < box.least) | (p > box.most), enter)
        else:
            wrong = np.where(free, p < box.least, reduced < -steep)
        wrong &= box.room
        count = int(np.count_nonzero(wrong))
        if box.many:
            value, paid = box.rows @ p, np.zeros(len(side))
            paid[held] = prices
            short = ~held & (value < box.low - box.slack)
            over = ~held & (value > box.high + box.slack)
            strange = short | over | (~box.equal & (paid * side * box.sizes > steep))
            count += int(np.count_nonzero(strange))
        if count == 0:
            curved = solid or system.curvature() >= CURVED * unit
            left = float(np.maximum.reduce(np.abs(reduced.take(system.index))))
            if curved and (ridge or left > steep / 16):
                p, prices, _ = _refined(system, base, p, prices, active, target, steep / 16)
            paid = np.zeros(len(side))
            paid[held] = prices
            p = np.minimum(np.maximum(p, box.lower), box.upper)
            return Pivoted(p, free, held, paid, curved, curved and solid, number)
        fewest, patience = (count, PATIENCE) if count < fewest else (fewest, patience - 1)
        if patience < 0:
            if box.many and strange.any():
                strange[: np.flatnonzero(strange)[-1]] = False
                wrong[:] = False
            else:
                wrong[: np.flatnonzero(wrong)[-1]] = False
        if box.caps:
            top = np.where(wrong, p > box.most, top)
        free = free ^ wrong
        if box.many:
            side[strange] = np.where(short, -1, np.where(over, 1, 0))[strange]
    return None


def _start(box: Bordered, warm: Array | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tasks are free and which at their upper bound, (n,) bool; and (1 + k,) for every row -1
    where it is held at its low, 1 at its high, 0 where it does not bind."""
    free, top, side = box.room, box.room ^ box.room, box.equal.astype(np.int8)
    if warm is None:
        return free, top, side
    free = free & (warm > box.lower + NEAR)
    if box.caps:
        top = box.capped & (warm >= box.upper - NEAR)
        free &= ~top
    if box.many:
        value = box.rows @ warm
        side[~box.equal & (value <= box.low + box.slack)] = -1
        side[~box.equal & (value >= box.high - box.slack)] = 1
    return free, top, side


@dataclass(slots=True)
class _System:
    """The block of S on some free tasks as LL', and L^-1 of right-hand sides.

    index: of the free tasks. seen: (free, n) their rows of S. halfway: (1 + k, free) L^-1 of the
    negative slope and of the rows.
    """

    index: np.ndarray
    seen: Array
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
        whole = len(index) == len(free)
        seen = form.relative if whole else form.relative.take(index, 0)
        factor = form.factor
        if not whole or ridge or factor is None:
            block, lift = seen.take(index, 1), form.lift.take(index)
            factor = cholesky(lifted(block, lift), ridge)
            if factor is None:
                return None
        halfway = right.take(index, 1)
        for row in halfway:
            forward(factor, row)
        return cls(index, seen, factor, halfway)

    def solve(self, missing: Array) -> tuple[Array, Array]:
        """Step of the free tasks after which rows have what was missing, and the rows' prices."""
        if len(missing) == 1:
            slope, row = self.halfway
            prices = (missing - row.dot(slope)) / row.dot(row)
            return backward(self.factor, slope + prices * row), prices
        seen = self.halfway[1:] @ self.halfway.T
        prices = np.asarray(np.linalg.lstsq(seen[:, 1:], missing - seen[:, 0])[0], np.float64)
        return backward(self.factor, self.halfway[0] + prices.dot(self.halfway[1:])), prices

    def again(self, slope: Array, missing: Array) -> tuple[Array, Array]:
        """The same for another slope on the free tasks."""
        self.halfway[0] = -slope
        forward(self.factor, self.halfway[0])
        return self.solve(missing)

    @property
    def single(self) -> bool:
        """The factor is one in single precision, of somewhat less than the block."""
        return self.factor.dtype != np.float64

    def curvature(self) -> float:
        """About the smallest eigenvalue of the free block, by inverse iteration."""
        x, size = generic(len(self.index)), 1.0
        for _ in range(3):
            x = x / size
            x = backward(self.factor, forward(self.factor, x))
            size = sqrt(x.dot(x)) or 1.0  # 0 where entries are so large that their inverses vanish
        return 1.0 / size


def _reduced(
    system: _System, base: Array, p: Array, prices: Array, rows: Array, ridge: float = 0.0
) -> Array:
    """(n,) slope at p less what the rows are worth; their common price is that of the free tasks.

    Args:
        base: (n,) the slope with the free tasks at 0.
    """
    out: Array = p.take(system.index).dot(system.seen)
    out += base
    if ridge:
        out += ridge * p
    if len(prices) > 1:
        out -= prices[1:].dot(rows[1:])
    out -= float(np.add.reduce(out.take(system.index))) / len(system.index)
    return out


def _refined(
    system: _System,
    base: Array,
    p: Array,
    prices: Array,
    rows: Array,
    target: Array,
    enough: float,
    most: int = REFINEMENTS,
) -> tuple[Array, Array, Array | None]:
    """Weights and prices after iterative refinement, which takes the ridge out again, and what is
    left, as `_reduced`; None where it did not come to an end."""
    index = system.index
    for _ in range(most):
        reduced = _reduced(system, base, p, prices, rows)
        missing = target - rows @ p
        left = reduced.take(index)
        if np.abs(left).max() <= enough and np.abs(missing).max() <= NEAR / 64:
            return p, prices, reduced
        step, more = system.again(left, missing)
        p = p.copy()
        p[index] += step
        prices = prices + more
    return p, prices, None


def least_pivot(factor: Array) -> float:
    """The smallest pivot of a factored matrix, at least its smallest eigenvalue."""
    return float(np.minimum.reduce(factor.diagonal())) ** 2
