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
from typing import final

import numpy as np

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.matrices import lapack
from mishran.types import Array

ROUNDS = 80
PATIENCE = 5
RIDGE = 1e-10  # of the unit: makes singular blocks definite; refinement takes it out again
NEAR = 1e-12  # weights this close are equal
CURVED = 1e-7  # of the unit: curvature from which refinement is exact
REFINEMENTS = 4
EPS = float(np.finfo(float).eps)


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
    sizes, equal, room = np.abs(rows).max(axis=1), low == high, lower < upper
    # What the other tasks leave bounds a task by itself.
    capped = upper < 1.0 - lower.sum() + lower - NEAR
    caps, many = bool(capped.any()), len(rows) > 1
    least, most = lower - NEAR, np.where(capped, upper + NEAR, np.inf)
    steep = max(energy.rounding, 16 * EPS * unit)
    whole = energy.factor
    ridge = 0.0 if whole is not None and least_pivot(whole) >= CURVED * unit else RIDGE * unit
    slope = energy.slope
    free, top = room, np.zeros(len(lower), bool)
    side = np.where(equal, 1, 0)  # -1 held at its low, 1 at its high, 0 not binding
    if warm is not None:
        top = capped & (warm >= upper - NEAR)
        free = room & (warm > lower + NEAR) & ~top
        value = rows @ warm
        side[~equal & (value <= low + NEAR * sizes)] = -1
        side[~equal & (value >= high - NEAR * sizes)] = 1
    fewest, patience = len(free) + len(side) + 1, PATIENCE
    for number in range(1, ROUNDS + 1):
        held = side != 0
        fixed = np.where(free, 0.0, np.where(top, upper, lower) if caps else lower)
        system = _System.of(energy, free, rows[held] if many else rows, ridge)
        if system is None:
            return None
        target = np.where(side < 0, low, high)[held] if many else high
        pull = energy.centred @ fixed + slope if fixed.any() else slope
        p, prices, reduced = system.solve(fixed, pull, target)
        enter = np.where(top, reduced > steep, reduced < -steep) if caps else reduced < -steep
        above = p > most if caps else False
        wrong = np.where(free, (p < least) | above, enter) & room
        count = int(np.count_nonzero(wrong))
        if many:
            value, paid = rows @ p, np.zeros(len(side))
            paid[held] = prices
            short = ~held & (value < low - NEAR * sizes)
            over = ~held & (value > high + NEAR * sizes)
            strange = short | over | (~equal & (paid * side * sizes > steep))
            count += int(np.count_nonzero(strange))
        if count == 0:
            curved = system.curvature() >= CURVED * unit
            if curved:
                p, prices = system.refine(p, prices, reduced, target, steep)
            paid = np.zeros(len(side))
            paid[held] = prices
            return Pivoted(np.clip(p, lower, upper), free, held, paid, curved, number)
        fewest, patience = (count, PATIENCE) if count < fewest else (fewest, patience - 1)
        if patience < 0:
            if many and strange.any():
                strange[: np.flatnonzero(strange)[-1]] = False
                wrong[:] = False
            else:
                wrong[: np.flatnonzero(wrong)[-1]] = False
        if caps:
            top = np.where(wrong, above, top)
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


@dataclass(frozen=True, eq=False)
class _System:
    """The KKT system of some free tasks and binding rows, its block of S factored.

    free: indices of the tasks. rows: (k, n). inside: (k, free) of them.
    """

    energy: Energy
    free: np.ndarray
    rows: Array
    inside: Array
    factor: Array

    @classmethod
    def of(cls, energy: Energy, free: np.ndarray, rows: Array, ridge: float) -> _System | None:
        """None where nothing is free or the block has no factor."""
        index = free.nonzero()[0]
        if len(index) == 0:
            return None
        if len(index) == len(free) and ridge == 0.0 and energy.factor is not None:
            return cls(energy, index, rows, rows, energy.factor)
        block = energy.centred.take(index, 0).take(index, 1)
        if ridge:
            block.ravel()[:: len(index) + 1] += ridge
        factor, failed = lapack().dpotrf(block.T, lower=1, clean=0, overwrite_a=1)
        return None if failed else cls(energy, index, rows, rows.take(index, 1), factor)

    def solve(self, p: Array, slope: Array, target: Array) -> tuple[Array, Array, Array]:
        """From p, where the slope is given, to where it is what the rows are worth on free tasks.

        Returns weights, prices of the rows and the slope less what they are worth.
        """
        right = np.concatenate([-slope.take(self.free)[None], self.inside])
        solved = lapack().dpotrs(self.factor, right.T, lower=1, overwrite_b=1)[0]
        seen = self.inside @ solved
        missing = target - self.rows @ p - seen[:, 0]
        one = len(missing) == 1
        prices = missing / seen[0, 1] if one else np.linalg.lstsq(seen[:, 1:], missing)[0]
        out = p.copy()
        out[self.free] += solved[:, 0] + solved[:, 1:] @ prices
        after = self.energy.centred @ out
        after += self.energy.slope
        return out, prices, after - prices @ self.rows

    def refine(
        self, p: Array, prices: Array, reduced: Array, target: Array, enough: float
    ) -> tuple[Array, Array]:
        """Weights and prices after iterative refinement, which takes the ridge out again."""
        for _ in range(REFINEMENTS):
            if np.abs(reduced[self.free]).max() <= enough / 16:
                break
            slope = reduced + prices @ self.rows
            p, prices, reduced = self.solve(p, slope, target)
        return p, prices

    def curvature(self) -> float:
        """About the smallest eigenvalue of the free block, by inverse iteration."""
        x = np.sin(np.arange(1.0, len(self.free) + 1.0) ** 2)
        size = float(np.sqrt(x @ x))
        for _ in range(4):
            x = lapack().dpotrs(self.factor, x / size, lower=1, overwrite_b=1)[0]
            size = float(np.sqrt(x @ x))
        return 1.0 / size


def least_pivot(factor: Array) -> float:
    """The smallest pivot of a factored matrix, at least its smallest eigenvalue."""
    return float(np.minimum.reduce(factor.diagonal())) ** 2
