"""`Face`: all optima, from one of them: whether it is the only one, and the shortest.

All optima have the same active multipliers, so only tasks and rows without a price can move, and only
along directions without curvature. Of these the optimum of least norm is a projection, which does
not depend on how the first was found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.energy.certificate import Multipliers
from mishran.energy.constraints import Constraints
from mishran.energy.kkt import Problem, by_daqp, split
from mishran.energy.matrices import generic
from mishran.types import Array

FLAT = 1e-9  # of the unit: below, a price or a distance is 0
STILL = 1e-13  # weights that are this close do not move


@final
@dataclass(frozen=True, eq=False)
class Face:
    """p + flat y for the movable tasks, while low <= walls y <= high.

    movable: indices of the tasks that may move. flat: (movable, d) orthonormal directions. walls:
    (movable + rows, d), the first of them `flat`; low, high: how far each may go from p.
    """

    p: Array
    movable: NDArray[np.intp]
    flat: Array
    walls: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, problem: Problem, constraints: Constraints, p: Array, prices: Multipliers) -> Face:
        """Args: p: an optimum. prices: its multipliers."""
        priced = FLAT * problem.unit
        movable = np.flatnonzero(
            (prices.lower <= priced)
            & (prices.upper <= priced)
            & (constraints.lower < constraints.upper)
        )
        low, high = constraints.row_bounds
        strict = np.array(
            [
                prices.floors.get(g, 0.0) > priced or prices.caps.get(g, 0.0) > priced or l == h
                for g, l, h in zip(constraints.rows, low, high, strict=True)
            ],
            dtype=bool,
        )
        rows = problem.rows[np.concatenate([[True], strict])][:, movable]
        _, basis = split(rows) if len(movable) else (None, np.empty((0, 0)))
        inner = basis.T @ problem.hessian[np.ix_(movable, movable)] @ basis
        values, vectors = np.linalg.eigh(inner)
        flat = basis @ vectors[:, values <= problem.flat]
        loose = problem.rows[1:][~strict]
        at, sums = p[movable], loose @ p
        return cls(
            p=p,
            movable=movable,
            flat=flat,
            walls=np.vstack([flat, loose[:, movable] @ flat]),
            low=np.concatenate([constraints.lower[movable] - at, low[~strict] - sums]),
            high=np.concatenate([constraints.upper[movable] - at, high[~strict] - sums]),
        )

    def shortest(self) -> Face | None:
        """The same seen from the optimum of least norm; None where that is p, or is not found."""
        dimension = self.flat.shape[1]
        pull = self.flat.T @ self.p[self.movable]
        if np.abs(pull).max(initial=0.0) <= STILL:
            return None
        low, high = np.minimum(self.low, 0.0), np.maximum(self.high, 0.0)
        found = by_daqp(np.eye(dimension), pull, self.walls, low, high, STILL)
        if found is None:
            return None
        way = self.walls @ found[0]
        m, p = len(self.movable), self.p.copy()
        if np.abs(way[:m]).max() <= STILL:
            return None
        p[self.movable] += np.clip(way[:m], low[:m], high[:m])
        return replace(self, p=p, low=self.low - way, high=self.high - way)

    def is_point(self) -> bool:
        """p is the only optimum. Where some tasks sit on a bound, a linear programme in a generic
        direction tells whether the bounds let them move."""
        if self.flat.shape[1] == 0:
            return True
        wall = np.vstack([-self.walls[self.low >= -FLAT], self.walls[self.high <= FLAT]])
        if not len(wall):
            return False
        from scipy.optimize import linprog

        cost = generic(self.flat.shape[1])
        reach = [
            -linprog(sign * cost, A_ub=wall, b_ub=np.zeros(len(wall)), bounds=(-1, 1)).fun
            for sign in (1.0, -1.0)
        ]
        return bool(max(reach) < 1e-6)
