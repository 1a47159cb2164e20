"""The convex problems of the methods as conic programmes, for an independent solver."""

from __future__ import annotations

import clarabel
import numpy as np
from scipy import sparse

from mishran.energy import Constraints


def conic(
    cost: np.ndarray, equal: list, upper: list, cones: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, float]:
    """min cost'x; equal: (row, value); upper: (row, value), row'x <= value; cones: (A, b) with b - Ax in
    the exponential cone, y exp(x/y) <= z."""
    blocks = [np.array([row for row, _ in equal]), np.array([row for row, _ in upper])]
    sides = [np.array([value for _, value in equal]), np.array([value for _, value in upper])]
    kinds = [clarabel.ZeroConeT(len(equal)), clarabel.NonnegativeConeT(len(upper))]
    for matrix, side in cones:
        blocks.append(matrix)
        sides.append(side)
        kinds.append(clarabel.ExponentialConeT())
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
    size = len(cost)
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix((size, size)),
        cost,
        sparse.csc_matrix(np.vstack(blocks)),
        np.concatenate(sides),
        kinds,
        settings,
    )
    found = solver.solve()
    assert str(found.status) in ("Solved", "AlmostSolved"), found.status
    return np.array(found.x), float(found.obj_val)


def mixtures(box: Constraints, size: int) -> tuple[list, list]:
    """Rows of a mixture within bounds, its weights the first of `size` variables."""
    n = len(box.names)
    unit = np.eye(size)
    equal = [(unit[:n].sum(axis=0), 1.0)]
    upper = [(-unit[i], -box.lower[i]) for i in range(n)]
    upper += [(unit[i], box.upper[i]) for i in range(n)]
    for name, row in box.rows.items():
        wide = np.concatenate([row, np.zeros(size - n)])
        if name in box.floors:
            upper.append((-wide, -box.floors[name]))
        if name in box.caps:
            upper.append((wide, box.caps[name]))
    return equal, upper


def best_likelihood(
    nats: np.ndarray, weights: np.ndarray, box: Constraints
) -> tuple[float, np.ndarray]:
    """min - sum_x w_x log sum_i p_i exp(-nats_ix), one cone an example."""
    n, m = nats.shape
    least = nats.min(axis=0)
    likelihood = np.exp(least - nats)
    size = n + m
    equal, upper = mixtures(box, size)
    cones = []
    for x in range(m):
        matrix = np.zeros((3, size))
        matrix[0, n + x] = -1.0
        matrix[2, :n] = -likelihood[:, x]
        cones.append((matrix, np.array([0.0, 1.0, 0.0])))
    cost = np.concatenate([np.zeros(n), -weights])
    found, value = conic(cost, equal, upper, cones)
    return value + float(weights @ least), found[:n]


def best_decay(
    constant: np.ndarray,
    amounts: np.ndarray,
    times: np.ndarray,
    tokens: np.ndarray,
    equal_upper: tuple[list, list],
    n: int,
) -> float:
    """min mean_i c_i + sum_k a_ik exp(-(tokens_i z) / tau_ik), one cone an exponential that counts."""
    pairs = [(i, k) for i, k in np.argwhere(amounts > 0)]
    size = n + len(pairs)
    equal, upper = equal_upper
    cones = []
    for place, (i, k) in enumerate(pairs):
        matrix = np.zeros((3, size))
        matrix[0, :n] = tokens[i] / times[i, k]
        matrix[2, n + place] = -1.0
        cones.append((matrix, np.array([0.0, 1.0, 0.0])))
    cost = np.concatenate([np.zeros(n), [amounts[i, k] / n for i, k in pairs]])
    return conic(cost, equal, upper, cones)[1] + float(constant.mean())
