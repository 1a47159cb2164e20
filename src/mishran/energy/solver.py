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

Source: DAQP: Arnstroem, Bemporad, Axehill, "A dual active-set solver for embedded quadratic
programming using recursive LDL' updates", IEEE TAC 67 (2022); least norm as the limit of the ridge:
Tikhonov; constants measured on the 500 instances of tests/energy.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mishran.energy.certificate import Multipliers, certify, relative_gradient
from mishran.energy.constraints import Constraints, allowed, check_feasible
from mishran.energy.energy import Energy
from mishran.energy.kkt import (
    PRIMAL,
    ActiveSet,
    Problem,
    find_active_set,
    nearest,
    normalise,
    split,
    stationary,
)
from mishran.energy.tangent import RepairMode, repair_tangent
from mishran.errors import EnergyError
from mishran.types import Array, Certificate, Solution

TOLERANCE = 1e-9
# Ridge and tolerance of DAQP, in the order tried. The tight ones suffice but for degenerate
# vertices (every multiplier 0: a mixture that is exactly its target), where they cycle.
ATTEMPTS = (
    (1e-10, 1e-12),
    (1e-11, 1e-12),
    (1e-9, 1e-12),
    (1e-8, 1e-12),
    (1e-9, 1e-9),
    (1e-8, 1e-8),
    (1e-7, 1e-7),
)
FLAT = 1e-9


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
    problem = normalise(energy, constraints)
    # Where the slope dwarfs D nothing below its own rounding can be certified.
    limit = max(TOLERANCE * energy.scale, 64 * np.finfo(float).eps * problem.unit)
    best: tuple[Array, Certificate, Multipliers] | None = None
    for ridge, tolerance in ATTEMPTS:
        active = find_active_set(problem, ridge, tolerance)
        if active is None:
            continue
        for polished in (True, False):
            p = stationary(problem, active) if polished else nearest(problem, active.p)
            if p is None or constraints.violation(p) > PRIMAL:
                continue
            prices = _multipliers(problem, energy, constraints, p, active)
            method = f"DAQP, ridge {ridge:.0e}" + (", polished" if polished else "")
            certificate = certify(energy, constraints, p, prices, method)
            if polished and certificate.gap <= limit / 100:
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


def _multipliers(
    problem: Problem, energy: Energy, constraints: Constraints, p: Array, active: ActiveSet
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
    names = list(constraints.rows)
    groups = {
        names[row - 1]: float(price * problem.unit)
        for row, price in zip(np.flatnonzero(active.binding), prices, strict=True)
        if row > 0
    }
    common = float((energy.gradient(p) - relative).mean())
    return Multipliers(
        lower=np.where(p == constraints.lower, np.maximum(reduced, 0.0), 0.0),
        upper=np.where(p == constraints.upper, np.maximum(-reduced, 0.0), 0.0),
        simplex=float(prices[0] * problem.unit) + common,
        floors={name: v for name, v in groups.items() if v > 0},
        caps={name: -v for name, v in groups.items() if v < 0},
    )


def _is_unique(problem: Problem, constraints: Constraints, p: Array, prices: Multipliers) -> bool:
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
