"""`solve`: the mixture of least energy, exactly, with its certificate.

Convex energy over the simplex, bounds and group sums, for 1 to a few hundred tasks in milliseconds:

1. Repair: negative curvature on the tangent is dealt with as asked, and recorded.
2. Normalise: rows and columns centred (adds linear terms only), divided by the scale.
3. Find the active bounds: DAQP, a dual active-set method, on the problem plus 1e-10 / 2 ||p||^2.
   That term makes singular problems definite and, in its limit, picks the optimum of least norm, so
   exact twins get equal weights.
4. Polish: with the active bounds known the problem without that term is linear; it is solved in an
   orthonormal basis with iterative refinement, directions without curvature left at least norm.
5. Certify from scratch. A gap above 1e-9 of the scale after all fall-backs is an error.

PIQP, the other permissive choice, is an interior-point method: it stops near the middle of a face
of optima, from where active bounds must be guessed.

Source: DAQP: Arnstroem, Bemporad, Axehill, IEEE TAC 67 (2022), arXiv 2106.10191; least norm as the
limit of the ridge: Tikhonov; constants measured on the grid of tests/energy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import daqp
import numpy as np
from scipy.optimize import linprog

from mishran.energy.certificate import Multipliers, certify, relative_gradient
from mishran.energy.constraints import Constraints, allowed, check_feasible
from mishran.energy.energy import Energy
from mishran.energy.tangent import RepairMode, centred, repair_tangent, rounding
from mishran.errors import EnergyError
from mishran.types import Array, Certificate, Solution

TOLERANCE = 1e-9
PRIMAL = 1e-12
RIDGES = (1e-10, 1e-11, 1e-9, 1e-8, 1e-7)
FLAT = 1e-9
EQUALITY = 5


@dataclass(frozen=True, eq=False)
class _Problem:
    """min 1/2 p'Hp + c'p, H and c of size about 1; rows: 1'p = 1 first, then the groups.

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
class _Active:
    """Which tasks are off their bounds, which rows bind, and the rows' multipliers by DAQP."""

    p: Array
    free: np.ndarray
    binding: np.ndarray
    prices: Array


def solve(
    energy: Energy, constraints: Constraints | None = None, repair: RepairMode = "shift"
) -> Solution:
    """The mixture of least energy; the one of least norm where several are.

    Args:
        energy: what to minimise.
        constraints: bounds; the bare simplex when None.
        repair: "shift", "nearest" or "refuse", for negative curvature on the tangent.

    Raises:
        EnergyError: negative curvature and repair="refuse", or no weights found whose gap is within
            1e-9 of the scale D.
        InfeasibleError: no mixture satisfies the bounds.
    """
    box = allowed(constraints, energy.names)
    convex, repaired = repair_tangent(energy, repair)
    p, certificate, unique = minimise(convex, box)
    after, before = convex.value(p), energy.value(p)
    return Solution(
        names=energy.names,
        weights=p,
        energy=after,
        energy_unrepaired=before,
        representativeness=float(energy.unary @ p),
        diversity=float(-0.5 * p @ energy.matrix @ p),
        certificate=certificate,
        unique=unique,
        repairs=() if repaired is None else (replace(repaired, energy_cost=before - after),),
    )


def minimise(energy: Energy, constraints: Constraints) -> tuple[Array, Certificate, bool]:
    """Weights, certificate and uniqueness for an energy that is convex on the tangent.

    Raises:
        EnergyError, InfeasibleError: as `solve`.
    """
    problem = _normalise(energy, constraints)
    limit = max(TOLERANCE * energy.scale, 64 * np.finfo(float).eps * problem.unit)
    best: tuple[Array, Certificate, Multipliers] | None = None
    for ridge in RIDGES:
        active = _active_set(problem, ridge)
        if active is None:
            continue
        for polish in (True, False):
            p = _weights(problem, active, polish)
            if p is None or constraints.violation(p) > PRIMAL:
                continue
            prices = _multipliers(problem, energy, constraints, p, active)
            method = f"DAQP, ridge {ridge:.0e}" + (", polished" if polish else "")
            certificate = certify(energy, constraints, p, prices, method)
            if polish and certificate.gap <= limit:
                return p, certificate, _is_unique(problem, constraints, p, prices)
            if best is None or certificate.gap < best[1].gap:
                best = p, certificate, prices
    if best is None:
        check_feasible(constraints)
    elif best[1].gap <= limit:
        return best[0], best[1], _is_unique(problem, constraints, best[0], best[2])
    raise EnergyError(
        expected=f"a duality gap of at most {TOLERANCE:g} of the energy's scale {energy.scale:.3g}",
        found="no weights" if best is None else f"a gap of {best[1].gap:.3g}",
        where="mishran solve",
        fix="add mixture.ridge: 1e-6, and please report the matrix",
    )


def _normalise(energy: Energy, constraints: Constraints) -> _Problem:
    hessian = centred(energy.matrix)
    linear = relative_gradient(energy, np.full(len(energy.names), 1.0 / len(energy.names)))
    unit = max(energy.scale, float(np.ptp(linear))) or 1.0
    low, high = constraints.group_bounds
    return _Problem(
        hessian=hessian / unit,
        linear=linear / unit,
        rows=np.vstack([np.ones(len(linear)), constraints.group_matrix]),
        low=np.concatenate([constraints.lower, [1.0], low]),
        high=np.concatenate([constraints.upper, [1.0], high]),
        unit=unit,
        flat=max(rounding(energy.matrix) / unit, np.finfo(float).eps),
    )


def _active_set(problem: _Problem, ridge: float) -> _Active | None:
    """DAQP's answer with a ridge; None when it finds none."""
    n = len(problem.linear)
    equal = problem.low == problem.high
    p, _, flag, info = daqp.solve(
        problem.hessian + ridge * np.eye(n) + 1.0 / n,  # 1/n: 11'p is constant
        problem.linear.copy(),
        problem.rows.copy(),
        problem.high.copy(),
        problem.low.copy(),
        np.where(equal, EQUALITY, 0).astype(np.int32),
        primal_tol=PRIMAL,
        dual_tol=PRIMAL,
        iter_limit=100 * (len(problem.low) + 10),
    )
    if flag != 1 or not np.isfinite(p).all():
        return None
    prices = -np.asarray(info["lam"])
    binding = equal | (prices != 0)
    at_bound = np.where(prices < 0, problem.high, problem.low)[:n]
    free = np.flatnonzero(~binding[:n])
    p = np.where(binding[:n], at_bound, p)
    return _Active(p, free, binding[n:], prices[n:])


def _weights(problem: _Problem, active: _Active, polish: bool) -> Array | None:
    """Weights with the binding rows met exactly; with `polish` stationary on the free tasks too.

    None when they leave their bounds, that is, when the active set was not the right one.
    """
    n, free = len(problem.linear), active.free
    rows = problem.rows[active.binding]
    target = np.where(active.prices < 0, problem.high[n:], problem.low[n:])[active.binding]
    p = active.p.copy()
    if len(free):
        row_space, basis = _split(rows[:, free])
        if polish:
            p[free] = 0.0
        for _ in range(2):
            p[free] += row_space @ (target - rows @ p)
        if polish and basis.shape[1]:
            values, vectors = np.linalg.eigh(basis.T @ problem.hessian[np.ix_(free, free)] @ basis)
            curved = values > problem.flat
            directions = basis @ vectors[:, curved]
            for _ in range(3):
                gradient = (problem.hessian @ p + problem.linear)[free]
                p[free] -= directions @ ((directions.T @ gradient) / values[curved])
    clipped = np.clip(p, problem.low[:n], problem.high[:n])
    return clipped if np.abs(clipped - p).max() <= PRIMAL else None


def _split(rows: Array) -> tuple[Array, Array]:
    """Pseudo-inverse of the rows and an orthonormal basis of what they do not feel."""
    left, sizes, right = np.linalg.svd(rows, full_matrices=True)
    rank = int((sizes > 1e-10 * sizes.max(initial=0.0)).sum())
    inverse = right[:rank].T @ (left[:, :rank] / sizes[:rank]).T
    return np.asarray(inverse), np.asarray(right[rank:].T)


def _multipliers(
    problem: _Problem, energy: Energy, constraints: Constraints, p: Array, active: _Active
) -> Multipliers:
    """Prices of sum and groups by least squares on the free tasks, starting from DAQP's."""
    relative = relative_gradient(energy, p)
    gradient = relative / problem.unit
    rows, prices = problem.rows[active.binding], active.prices[active.binding]
    if len(active.free):
        on_free = rows[:, active.free].T
        prices = prices + np.linalg.lstsq(on_free, gradient[active.free] - on_free @ prices)[0]
    else:
        reduced = gradient - rows.T @ prices
        room = constraints.upper > constraints.lower
        below = np.max(reduced[room & (p == constraints.upper)], initial=-np.inf)
        above = np.min(reduced[room & (p == constraints.lower)], initial=np.inf)
        prices = prices + np.eye(len(prices))[0] * np.clip(0.0, below, max(below, above))
    reduced = (gradient - rows.T @ prices) * problem.unit
    named = dict(zip(np.array(["", *constraints.groups])[active.binding], prices, strict=True))
    groups = {str(name): float(v * problem.unit) for name, v in named.items() if name}
    common = float((energy.gradient(p) - relative).mean())
    return Multipliers(
        lower=np.where(p == constraints.lower, np.maximum(reduced, 0.0), 0.0),
        upper=np.where(p == constraints.upper, np.maximum(-reduced, 0.0), 0.0),
        simplex=float(prices[0] * problem.unit) + common,
        floors={name: v for name, v in groups.items() if v > 0},
        caps={name: -v for name, v in groups.items() if v < 0},
    )


def _is_unique(problem: _Problem, constraints: Constraints, p: Array, prices: Multipliers) -> bool:
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
    low, high = constraints.group_bounds
    sums = problem.rows[1:] @ p
    strict = np.array(
        [
            prices.floors.get(g, 0.0) > priced or prices.caps.get(g, 0.0) > priced or l == h
            for g, l, h in zip(constraints.groups, low, high, strict=True)
        ],
        dtype=bool,
    )
    rows = problem.rows[np.concatenate([[True], strict])][:, movable]
    _, basis = _split(rows) if len(movable) else (None, np.empty((0, 0)))
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
    generic = np.sin(np.arange(1.0, flat.shape[1] + 1.0) ** 2)
    reach = [
        -linprog(sign * generic, A_ub=wall, b_ub=np.zeros(len(wall)), bounds=(-1, 1)).fun
        for sign in (1.0, -1.0)
    ]
    return bool(max(reach) < 1e-6)
