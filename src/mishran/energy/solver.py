"""`solve`: the mixture of least energy, exactly, with its certificate.

Convex energy over the simplex, bounds and rows, for 1 to a few thousand tasks:

1. Repair: negative curvature on the tangent is dealt with as asked, and recorded.
2. Find what binds by block pivoting, `active_set`, our own; where its rounds run out by DAQP, a dual
   active-set method, and the certificate says which. Both solve the problem plus 1e-10 / 2 ||p||^2
   where it is singular: that makes it definite and picks, in the limit, the optimum of least norm,
   so exact twins get equal weights.
3. Polish: with what binds known the problem without that term is linear. Where curvature leaves no
   doubt iterative refinement solves it, elsewhere an eigenbasis of the free tasks, directions
   without curvature left at least norm.
4. Where there may be other optima, move to the shortest (`unique`): for many tasks that term is too
   small to tell by, and a larger one would bend the optimum.
5. Certify from scratch. A gap above 1e-9 of the scale after all fall-backs is an error.

Source: DAQP: Arnstroem, Bemporad, Axehill, "A dual active-set solver for embedded quadratic
programming using recursive LDL' updates", IEEE TAC 67 (2022); least norm as the limit of the ridge:
Tikhonov; constants measured on the instances of tests/energy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import frexp, ldexp

import numpy as np

from mishran.energy.active_set import Pivoted, pivot
from mishran.energy.certificate import Multipliers, certify
from mishran.energy.constraints import Constraints, allowed, check_feasible
from mishran.energy.energy import Energy
from mishran.energy.kkt import (
    PRIMAL,
    ActiveSet,
    Problem,
    find_active_set,
    nearest,
    normalise,
    stationary,
)
from mishran.energy.matrices import EPS
from mishran.energy.tangent import RepairMode, repair_tangent
from mishran.energy.unique import FLAT, Face
from mishran.errors import ConfigError, EnergyError
from mishran.types import Array, Certificate, Solution

TOLERANCE = 1e-9
SNAP = 1e-14  # weights this close to a bound are on it: some 45 roundings of 1
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


def solve(
    energy: Energy,
    constraints: Constraints | None = None,
    repair: RepairMode = "shift",
    warm: Array | None = None,
    ask_unique: bool = True,
) -> Solution:
    """The mixture of least energy; the one of least norm where several are.

    Args:
        energy: what to minimise.
        constraints: bounds; the bare simplex when None.
        repair: "shift", "nearest" or "refuse", for negative curvature on the tangent.
        warm: (n,) weights near the solution, of a similar problem say; where the search starts.
        ask_unique: whether to find out if there are other optima; without, `unique` says nothing.

    Raises:
        EnergyError: negative curvature and repair="refuse", or no weights found whose gap is within
            1e-9 of the scale D.
        InfeasibleError: no mixture satisfies the bounds.
    """
    box = allowed(constraints, energy.names)
    if warm is not None and np.shape(warm) != energy.unary.shape:
        raise ConfigError(
            expected=f"one weight for each of the {len(energy.names)} tasks to start from",
            found=f"an array of shape {np.shape(warm)}",
            where="warm",
            fix="use mishran.energy.carried(old_weights, energy.names)",
        )
    convex, repaired = repair_tangent(energy, repair)
    p, certificate, unique = minimise(convex, box, warm, ask_unique)
    gain, redundancy = float(energy.unary.dot(p)), float(p.dot(energy.matrix.dot(p))) / 2
    before = redundancy - gain
    after = before if repaired is None else convex.value(p)
    return Solution(
        names=energy.names,
        weights=p,
        energy=after,
        energy_unrepaired=before,
        representativeness=gain,
        diversity=-redundancy,
        certificate=certificate,
        unique=unique,
        repairs=() if repaired is None else (replace(repaired, energy_cost=after - before),),
    )


def judged(
    energy: Energy,
    constraints: Constraints,
    p: Array,
    method: str,
    repair: RepairMode = "shift",
) -> Solution:
    """Weights that something else found, with the certificate of how far from optimal they are.

    Raises:
        EnergyError: as `solve`.
    """
    convex, repaired = repair_tangent(energy, repair)
    gradient = convex.gradient(p)
    level = float(gradient @ p)
    prices = Multipliers(
        lower=np.where(p == constraints.lower, np.maximum(gradient - level, 0.0), 0.0),
        upper=np.where(p == constraints.upper, np.maximum(level - gradient, 0.0), 0.0),
        simplex=level,
    )
    after, before = convex.value(p), energy.value(p)
    return Solution(
        names=energy.names,
        weights=p,
        energy=after,
        energy_unrepaired=before,
        representativeness=float(energy.unary @ p),
        diversity=float(-0.5 * p @ energy.matrix @ p),
        certificate=certify(convex, constraints, p, prices, method),
        repairs=() if repaired is None else (replace(repaired, energy_cost=after - before),),
    )


def minimise(
    energy: Energy, constraints: Constraints, warm: Array | None = None, ask_unique: bool = False
) -> tuple[Array, Certificate, bool]:
    """Weights, certificate and uniqueness for an energy that is convex on the tangent.

    Args:
        ask_unique: whether to find out if there are other optima, which takes longer than to solve
            where S is singular; the third value says nothing otherwise.

    Raises:
        EnergyError, InfeasibleError: as `solve`.
    """
    slope = energy.slope
    unit = max(energy.scale, float(np.maximum.reduce(slope) - np.minimum.reduce(slope))) or 1.0
    # Where the slope dwarfs D nothing below its own rounding can be certified.
    limit = max(TOLERANCE * energy.scale, 64 * EPS * unit)
    box, sizes = _even(constraints)
    found = pivot(energy, box, unit, warm)
    out = None
    if found is not None and found.curved:
        out = _certified(energy, box, found, limit)
    if out is None:
        out = _general(energy, box, limit, found, constraints)
    p, certificate, prices = out
    unique = True
    if found is None or not _only(found, prices, unit):
        face = Face.of(normalise(energy, box), box, p, prices)
        if (moved := face.shortest()) is not None:
            q = _snapped(moved.p, box)
            proof = certify(energy, box, q, _at_rest(prices, box, q), certificate.method)
            if proof.gap <= limit / 100 and proof.primal_residual <= PRIMAL:
                p, certificate, face = q, proof, moved
        unique = not ask_unique or face.is_point()
    return p, _in_units(certificate, sizes), unique


def _at_rest(prices: Multipliers, constraints: Constraints, p: Array) -> Multipliers:
    """Prices of bounds where p is, none where it is not."""
    return replace(
        prices,
        lower=np.where(p == constraints.lower, prices.lower, 0.0),
        upper=np.where(p == constraints.upper, prices.upper, 0.0),
    )


def _only(found: Pivoted, prices: Multipliers, unit: float) -> bool:
    """It is plain that there is no other optimum: S is far from singular, or it is so on the free
    tasks and all others have a price."""
    if found.sure or not found.curved:
        return found.sure
    priced = np.maximum(prices.lower, prices.upper) > FLAT * unit
    return int(np.count_nonzero(priced | found.free)) == len(priced)


def _snapped(p: Array, constraints: Constraints) -> Array:
    """Weights that differ from a bound by rounding put on it, and what that frees given to the
    largest: a task with 1e-16 of the mixture has none of it."""
    out = np.where(p <= constraints.lower + SNAP, constraints.lower, p)
    out = np.where(out >= constraints.upper - SNAP, constraints.upper, out)
    freed = float(np.add.reduce(p - out))
    if freed:
        most = int((out * (constraints.lower < out) * (out < constraints.upper)).argmax())
        if constraints.lower[most] < out[most] + freed < constraints.upper[most]:
            out[most] += freed
    return out


def _even(constraints: Constraints) -> tuple[Constraints, dict[str, float]]:
    """The same with rows whose largest entry is about 1, and what each was divided by: a power of
    two, which rounds nothing. Tolerances are in weight, and people write rows in any unit."""
    largest = {name: float(np.abs(row).max()) for name, row in constraints.rows.items()}
    sizes = {
        n: ldexp(1.0, frexp(x)[1] - 1) for n, x in largest.items() if not (x == 0 or 1 <= x < 2)
    }
    if not sizes:
        return constraints, sizes
    even = replace(
        constraints,
        rows={name: row / sizes.get(name, 1.0) for name, row in constraints.rows.items()},
        floors={name: bound / sizes.get(name, 1.0) for name, bound in constraints.floors.items()},
        caps={name: bound / sizes.get(name, 1.0) for name, bound in constraints.caps.items()},
    )
    return even, sizes


def _in_units(proof: Certificate, sizes: dict[str, float]) -> Certificate:
    """The certificate with the prices of rows in their own units."""
    if not sizes:
        return proof
    return replace(
        proof,
        floors={name: price / sizes.get(name, 1.0) for name, price in proof.floors.items()},
        caps={name: price / sizes.get(name, 1.0) for name, price in proof.caps.items()},
    )


def _certified(
    energy: Energy, constraints: Constraints, found: Pivoted, limit: float
) -> tuple[Array, Certificate, Multipliers] | None:
    """The answer where the free tasks leave no doubt; None when the proof is not good enough."""
    p = _snapped(found.p, constraints)
    gradient = reduced, common = energy.relative_gradient(p)
    floors: dict[str, float] = {}
    caps: dict[str, float] = {}
    for name, price in zip(constraints.rows, found.prices[1:], strict=True):
        reduced = reduced - price * constraints.rows[name] if price else reduced
        if price > 0:
            floors[name] = float(price)
        elif price < 0:
            caps[name] = float(-price)
    on = found.free.nonzero()[0]
    simplex = float(np.add.reduce(reduced.take(on))) / len(on)
    reduced = reduced - simplex
    reduced[on] = 0.0
    prices = Multipliers(
        lower=np.maximum(reduced, 0.0) * (p == constraints.lower),
        upper=np.maximum(-reduced, 0.0) * (p == constraints.upper),
        simplex=simplex + common,
        floors=floors,
        caps=caps,
    )
    method = f"active set, {found.rounds} rounds"
    certificate = certify(energy, constraints, p, prices, method, gradient)
    if certificate.gap > limit / 100 or certificate.primal_residual > PRIMAL:
        return None
    return p, certificate, prices


def _general(
    energy: Energy,
    constraints: Constraints,
    limit: float,
    found: Pivoted | None,
    written: Constraints,
) -> tuple[Array, Certificate, Multipliers]:
    """The answer by eigenbasis from our own active set, or else by DAQP.

    written: the constraints in their own units, for the message where they conflict."""
    problem = normalise(energy, constraints)
    best: tuple[Array, Certificate, Multipliers] | None = None
    for active, name in _active_sets(problem, found):
        for polished in (True, False):
            p = stationary(problem, active) if polished else nearest(problem, active.p)
            if p is None or constraints.violation(p) > PRIMAL:
                continue
            p = _snapped(p, constraints)
            prices = _multipliers(problem, energy, constraints, p, active)
            method = name + (", polished" if polished else "")
            certificate = certify(energy, constraints, p, prices, method)
            if polished and certificate.gap <= limit / 100:
                return p, certificate, prices
            if best is None or certificate.gap < best[1].gap:
                best = p, certificate, prices
    if best is None:
        check_feasible(written)
    elif best[1].gap <= limit:
        return best
    raise EnergyError(
        expected=f"a duality gap of at most {TOLERANCE:g} of the energy's scale {energy.scale:.3g}",
        found="no weights" if best is None else f"a gap of {best[1].gap:.3g}",
        where="mishran solve",
        fix="add mixture.ridge: 1e-6, and please report the matrix",
    )


def _active_sets(problem: Problem, found: Pivoted | None) -> Iterator[tuple[ActiveSet, str]]:
    """What may bind, the likeliest first, and who says so."""
    if found is not None:
        active = ActiveSet(
            p=found.p,
            free=np.flatnonzero(found.free),
            binding=found.held,
            target=problem.rows @ found.p,
            prices=found.prices / problem.unit,
        )
        yield active, f"active set, {found.rounds} rounds"
    for ridge, tolerance in ATTEMPTS:
        by_daqp = find_active_set(problem, ridge, tolerance)
        if by_daqp is not None:
            yield by_daqp, f"DAQP, ridge {ridge:.0e}"


def _multipliers(
    problem: Problem, energy: Energy, constraints: Constraints, p: Array, active: ActiveSet
) -> Multipliers:
    """Prices of sum and groups by least squares on the free tasks, starting from DAQP's."""
    relative, common = energy.relative_gradient(p)
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
    return Multipliers(
        lower=np.where(p == constraints.lower, np.maximum(reduced, 0.0), 0.0),
        upper=np.where(p == constraints.upper, np.maximum(-reduced, 0.0), 0.0),
        simplex=float(prices[0] * problem.unit) + common,
        floors={name: v for name, v in groups.items() if v > 0 and name in constraints.floors},
        caps={name: -v for name, v in groups.items() if v < 0 and name in constraints.caps},
    )
