"""The other solvers of min 1/2 p'Sp - u'p, 1'p = 1, lower <= p <= upper, each by its own interface.

Every function takes the arrays and a tolerance and returns a function without arguments that solves
from scratch and returns the weights. What can be prepared before the clock starts (sparse copies,
orders of memory) is, in the peers' favour. Tolerances are what each calls so; `benchmarks.energy`
tightens them until the gap that it measures itself is small enough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Solver = Callable[[], np.ndarray]
SHIFT = 1e-10  # of the mean diagonal: the solvers that need a definite matrix get it


def _definite(S: np.ndarray) -> np.ndarray:
    n = len(S)
    return S + (SHIFT * np.trace(S) / n) * np.eye(n)


def quadprog(S, u, lower, upper, tolerance) -> Solver:
    import quadprog as module

    n = len(u)
    matrix = _definite(S)
    columns = [np.ones((n, 1)), np.eye(n)]
    sides = [np.ones(1), lower]
    if (upper < 1).any():
        columns.append(-np.eye(n))
        sides.append(-upper)
    C, b = np.hstack(columns), np.concatenate(sides)
    return lambda: module.solve_qp(matrix, u, C, b, 1)[0]


def daqp(S, u, lower, upper, tolerance) -> Solver:
    import daqp as module

    n = len(u)
    matrix = _definite(S)
    A = np.ones((1, n))
    high, low = np.append(upper, 1.0), np.append(lower, 1.0)
    sense = np.append(np.zeros(n), 5).astype(np.int32)

    def run() -> np.ndarray:
        return np.asarray(
            module.solve(
                matrix, -u, A, high.copy(), low.copy(), sense.copy(),
                primal_tol=tolerance, dual_tol=tolerance, iter_limit=100000,
            )[0]
        )  # fmt: skip

    return run


def piqp(S, u, lower, upper, tolerance) -> Solver:
    import piqp as module

    matrix, A = np.asfortranarray(S), np.asfortranarray(np.ones((1, len(u))))
    high = np.where(upper < 1, upper, np.inf)

    def run() -> np.ndarray:
        solver = module.DenseSolver()
        solver.settings.eps_abs = solver.settings.eps_duality_gap_abs = tolerance
        solver.settings.eps_rel = solver.settings.eps_duality_gap_rel = 0.0
        solver.setup(matrix, -u, A, np.ones(1), x_l=lower, x_u=high)
        solver.solve()
        return np.array(solver.result.x)

    return run


def clarabel(S, u, lower, upper, tolerance) -> Solver:
    import clarabel as module
    import scipy.sparse as sparse

    n = len(u)
    P = sparse.triu(S, format="csc")
    rows, sides = [sparse.csc_matrix(np.ones((1, n))), -sparse.eye(n)], [np.ones(1), -lower]
    if (upper < 1).any():
        rows.append(sparse.eye(n))
        sides.append(upper)
    A, b = sparse.vstack(rows, format="csc"), np.concatenate(sides)
    cones = [module.ZeroConeT(1), module.NonnegativeConeT(A.shape[0] - 1)]
    settings = module.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance

    def run() -> np.ndarray:
        return np.asarray(module.DefaultSolver(P, -u, A, b, cones, settings).solve().x)

    return run


def osqp(S, u, lower, upper, tolerance) -> Solver:
    import osqp as module
    import scipy.sparse as sparse

    n = len(u)
    P = sparse.triu(S, format="csc")
    A = sparse.vstack([sparse.csc_matrix(np.ones((1, n))), sparse.eye(n)], format="csc")
    low, high = np.append(1.0, lower), np.append(1.0, np.where(upper < 1, upper, np.inf))

    def run() -> np.ndarray:
        solver = module.OSQP()
        solver.setup(
            P, -u, A, low, high, verbose=False, polishing=True, max_iter=200000,
            eps_abs=tolerance, eps_rel=tolerance,
        )  # fmt: skip
        return np.asarray(solver.solve().x)

    return run


def proxqp(S, u, lower, upper, tolerance) -> Solver:
    from proxsuite import proxqp as module

    n = len(u)
    A, high = np.ones((1, n)), np.where(upper < 1, upper, 1e20)

    def run() -> np.ndarray:
        solver = module.dense.QP(n, 1, 0, True)
        solver.settings.eps_abs, solver.settings.eps_rel = tolerance, 0.0
        solver.init(S, -u, A, np.ones(1), None, None, None, lower, high)
        solver.solve()
        return np.array(solver.results.x)

    return run


PEERS = {
    "quadprog": quadprog,
    "daqp": daqp,
    "piqp": piqp,
    "clarabel": clarabel,
    "osqp": osqp,
    "proxqp": proxqp,
}
