"""`is_unique`: whether a solution is the only one."""

from __future__ import annotations

import numpy as np

from mishran.energy.certificate import Multipliers
from mishran.energy.constraints import Constraints
from mishran.energy.kkt import Problem, split
from mishran.types import Array

FLAT = 1e-9  # of the unit: below, a price or a distance is 0


def is_unique(problem: Problem, constraints: Constraints, p: Array, prices: Multipliers) -> bool:
    """No direction leads from p to another optimum.

    All optima have the same active multipliers, so only tasks and groups without a price can move,
    and only along directions without curvature. Where some of those tasks sit on a bound, a linear
    programme in a generic direction tells whether the bound lets them.
    """
    priced = FLAT * problem.unit
    movable = np.flatnonzero(
        (prices.lower <= priced)
        & (prices.upper <= priced)
        & (constraints.lower < constraints.upper)
    )
    low, high = constraints.row_bounds
    sums = problem.rows[1:] @ p
    strict = np.array(
        [
            prices.floors.get(g, 0.0) > priced or prices.caps.get(g, 0.0) > priced or l == h
            for g, l, h in zip(constraints.rows, low, high, strict=True)
        ],
        dtype=bool,
    )
    rows = problem.rows[np.concatenate([[True], strict])][:, movable]
    _, basis = split(rows) if len(movable) else (None, np.empty((0, 0)))
    values, vectors = np.linalg.eigh(basis.T @ problem.hessian[np.ix_(movable, movable)] @ basis)
    flat = basis @ vectors[:, values <= problem.flat]
    if flat.shape[1] == 0:
        return True
    groups = problem.rows[1:][:, movable]
    at = p[movable]
    walls = [
        -flat[at - constraints.lower[movable] <= FLAT],
        flat[constraints.upper[movable] - at <= FLAT],
        -(groups @ flat)[~strict & (sums - low <= FLAT)],
        (groups @ flat)[~strict & (high - sums <= FLAT)],
    ]
    wall = np.vstack(walls)
    if not len(wall):
        return False
    from scipy.optimize import linprog

    generic = np.sin(np.arange(1.0, flat.shape[1] + 1.0) ** 2)
    reach = [
        -linprog(sign * generic, A_ub=wall, b_ub=np.zeros(len(wall)), bounds=(-1, 1)).fun
        for sign in (1.0, -1.0)
    ]
    return bool(max(reach) < 1e-6)
