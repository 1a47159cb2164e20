"""The normalised problem, its active set by DAQP, and the linear algebra that makes weights exact.

Everything here is in units where curvature and slope are about 1: rows and columns of S centred,
which adds linear terms only, and all divided by the scale. `solver` puts the pieces together.

Source: DAQP: Arnstroem, Bemporad, Axehill, IEEE TAC 67 (2022); the polish is derived.
"""

from __future__ import annotations

from dataclasses import dataclass

import daqp
import numpy as np

from mishran.energy.constraints import Constraints
from mishran.energy.energy import Energy
from mishran.energy.tangent import centred, rounding
from mishran.types import Array

PRIMAL = 1e-12
FAR = 1e30  # no bound, in DAQP
EQUALITY = 5  # DAQP's code for a row that holds with equality


@dataclass(frozen=True, eq=False)
class Problem:
    """min 1/2 p'Hp + c'p, H and c of size about 1; rows: 1'p = 1 first, then those of the constraints.

    low, high: bounds of tasks, then of rows. flat: curvature at or below this is rounding.
    """

    hessian: Array
    linear: Array
    rows: Array
    low: Array
    high: Array
    unit: float
    flat: float


@dataclass(frozen=True, eq=False)
class ActiveSet:
    """Which tasks are off their bounds and which rows bind (the sum first).

    free: indices. binding: (rows,) bool. target: (rows,) what a binding row is held at. prices:
    (rows,) multipliers, or a first guess of them.
    """

    p: Array
    free: np.ndarray
    binding: np.ndarray
    target: Array
    prices: Array


def normalise(energy: Energy, constraints: Constraints) -> Problem:
    """The problem of an energy that is convex on the tangent."""
    hessian = centred(energy.matrix)
    linear = energy.relative_gradient(np.full(len(energy.names), 1.0 / len(energy.names)))[0]
    unit = max(energy.scale, float(np.ptp(linear))) or 1.0
    low, high = constraints.row_bounds
    return Problem(
        hessian=hessian / unit,
        linear=linear / unit,
        rows=np.vstack([np.ones(len(linear)), constraints.row_matrix]),
        low=np.concatenate([constraints.lower, [1.0], low]),
        high=np.concatenate([constraints.upper, [1.0], high]),
        unit=unit,
        flat=max(rounding(energy.matrix) / unit, np.finfo(float).eps),
    )


def find_active_set(problem: Problem, ridge: float, tolerance: float) -> ActiveSet | None:
    """DAQP's answer to the problem plus ridge / 2 ||p||^2; None when it finds none."""
    n = len(problem.linear)
    # 1/n adds a multiple of 11', constant on mixtures, so that curvature is positive along 1 too.
    found = by_daqp(
        problem.hessian + ridge * np.eye(n) + 1.0 / n,
        problem.linear,
        problem.rows,
        problem.low,
        problem.high,
        tolerance,
    )
    if found is None:
        return None
    p, prices = found
    binding = (problem.low == problem.high) | (prices != 0)
    at_bound = np.where(prices < 0, problem.high, problem.low)[:n]
    return ActiveSet(
        p=np.where(binding[:n], at_bound, p),
        free=np.flatnonzero(~binding[:n]),
        binding=binding[n:],
        target=np.where(prices < 0, problem.high, problem.low)[n:],
        prices=prices[n:],
    )


def stationary(problem: Problem, active: ActiveSet) -> Array | None:
    """The weights of least norm that are stationary on the free tasks and meet the binding rows.

    None when they leave their bounds, that is, when the active set was not the right one.
    """
    n, free = len(problem.linear), active.free
    p = active.p.copy()
    if len(free):
        rows = problem.rows[active.binding]
        target = active.target[active.binding]
        inverse, basis = split(rows[:, free])
        p[free] = 0.0
        for _ in range(2):
            p[free] += inverse @ (target - rows @ p)
        values, vectors = np.linalg.eigh(basis.T @ problem.hessian[np.ix_(free, free)] @ basis)
        curved = values > problem.flat
        directions = basis @ vectors[:, curved]
        for _ in range(3):
            slope = (problem.hessian @ p + problem.linear)[free]
            p[free] -= directions @ ((directions.T @ slope) / values[curved])
    clipped = np.clip(p, problem.low[:n], problem.high[:n])
    return clipped if np.abs(clipped - p).max() <= PRIMAL else None


def nearest(problem: Problem, p: Array) -> Array | None:
    """The allowed weights nearest to p; None when DAQP finds none."""
    n = len(p)
    found = by_daqp(np.eye(n), -p, problem.rows, problem.low, problem.high, PRIMAL / 10)
    return None if found is None else np.clip(found[0], problem.low[:n], problem.high[:n])


def split(rows: Array) -> tuple[Array, Array]:
    """Pseudo-inverse of the rows and an orthonormal basis of what they do not feel."""
    left, sizes, right = np.linalg.svd(rows, full_matrices=True)
    rank = int((sizes > 1e-10 * sizes.max(initial=0.0)).sum())
    inverse = right[:rank].T @ (left[:, :rank] / sizes[:rank]).T
    return np.asarray(inverse), np.asarray(right[rank:].T)


def by_daqp(
    hessian: Array, linear: Array, rows: Array, low: Array, high: Array, tolerance: float
) -> tuple[Array, Array] | None:
    """Least 1/2 x'Hx + c'x, low <= (x, rows x) <= high, or rows x alone where there are no more
    bounds: x and the prices of all bounds, positive at lower ones, negative at upper. None when DAQP
    finds none."""
    x, _, flag, info = daqp.solve(
        hessian,
        linear.copy(),
        rows.copy(),
        np.clip(high, -FAR, FAR),
        np.clip(low, -FAR, FAR),
        np.where(low == high, EQUALITY, 0).astype(np.int32),
        primal_tol=tolerance,
        dual_tol=tolerance,
        iter_limit=100 * (len(low) + 10),
    )
    if flag != 1 or not np.isfinite(x).all():
        return None
    return np.asarray(x), -np.asarray(info["lam"])
