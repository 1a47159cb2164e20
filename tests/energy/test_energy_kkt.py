"""Conditions of optimality on 2,000 drawn instances, a second solver, and brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import piqp
import pytest
from energy_cases import (
    DIALS,
    KINDS,
    SEEDS,
    affinity_of,
    instance,
    matrix_of,
    shortest,
    some_constraints,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mishran.energy import Energy, constraints, repair_tangent, simplex, solve
from mishran.energy.active_set import pivot
from mishran.energy.solver import minimise

BOUNDS = ("none", "bounds", "groups", "both", "rows")
MANY = settings(
    derandomize=True,
    deadline=None,
    max_examples=2000,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
FEW = settings(MANY, max_examples=60)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Energy, object]:
    """An energy of any kind, with duplicated rows and any unary, and bounds of any kind."""
    rng = np.random.default_rng(draw(SEEDS))
    n = draw(st.integers(1, 14))
    matrix = matrix_of(draw(st.sampled_from(KINDS)), n, rng)
    if draw(st.booleans()) and n > 2:
        copies = rng.integers(0, n, n)
        matrix = matrix[np.ix_(copies, copies)]
    affinity = affinity_of(matrix)
    if draw(st.booleans()):
        energy = Energy.coverage(affinity, draw(DIALS))
    else:
        size = (float(np.ptp(matrix)) or 1.0) * 10.0 ** draw(st.integers(-3, 2))
        energy = Energy.utility(affinity, size * rng.normal(size=n))
    return energy, some_constraints(draw(st.sampled_from(BOUNDS)), n, rng)


@MANY
@given(problems())
def test_every_solution_is_optimal(problem: tuple[Energy, object]) -> None:
    """Feasible, stationary, right signs, nothing paid for slack: by hand, not by the certificate."""
    energy, given_box = problem
    solution = solve(energy, given_box)  # type: ignore[arg-type]
    box = given_box or simplex(energy.names)
    convex, _ = repair_tangent(energy)
    p, proof = solution.weights, solution.certificate
    size = max(convex.scale, float(np.ptp(convex.unary)), 1e-300)
    loose = 1e-9 * size + 64 * np.finfo(float).eps * np.abs(convex.matrix).max()
    if convex.scale == 0.0:  # nothing to choose: rounding in a unit of 1
        loose += 1e-15

    assert box.violation(p) <= 1e-11 * max(1.0, *(np.abs(r).max() for r in box.rows.values()), 1.0)
    prices = np.zeros(len(p))
    paid = 0.0
    for name, price in proof.floors.items():
        assert price >= 0 and name in box.floors
        prices += price * box.rows[name]
        paid += price * (box.rows[name] @ p - box.floors[name])
    for name, price in proof.caps.items():
        assert price >= 0 and name in box.caps
        prices -= price * box.rows[name]
        paid += price * (box.caps[name] - box.rows[name] @ p)
    assert proof.lower.min() >= 0 and proof.upper.min() >= 0
    inner = convex.matrix - convex.matrix[0, 0]
    slope = inner @ p - convex.unary - prices - proof.lower + proof.upper
    assert np.ptp(slope) <= 4 * loose  # stationary: equal to the price of the sum
    paid += proof.lower @ (p - box.lower) + proof.upper @ (box.upper - p)
    assert paid <= loose
    assert proof.gap <= loose


def by_piqp(energy: Energy, box: object) -> np.ndarray:
    """The same problem by an interior-point method that shares nothing with ours."""
    n = len(energy.names)
    centre = np.eye(n) - 1.0 / n
    inner = energy.matrix - energy.matrix[0, 0]
    size = energy.scale or 1.0
    H = centre @ inner @ centre / size
    c = (inner.mean(axis=1) - energy.unary) / size
    bounds = box or simplex(energy.names)
    low, high = bounds.row_bounds  # type: ignore[attr-defined]
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_duality_gap_abs = 1e-11
    solver.settings.eps_rel = solver.settings.eps_duality_gap_rel = 0.0
    solver.settings.max_iter = 1000
    rows = bounds.row_matrix  # type: ignore[attr-defined]
    extra = {"G": np.asfortranarray(rows), "h_l": low, "h_u": high} if len(rows) else {}
    solver.setup(
        np.asfortranarray((H + H.T) / 2),
        c - c.mean(),
        np.asfortranarray(np.ones((1, n))),
        np.ones(1),
        x_l=bounds.lower,  # type: ignore[attr-defined]
        x_u=bounds.upper,  # type: ignore[attr-defined]
        **extra,
    )
    solver.solve()
    return np.array(solver.result.x)


@pytest.mark.parametrize("first", range(0, 440, 55))
def test_a_second_solver_agrees(first: int) -> None:
    for number in range(first, first + 55):
        case = instance(number)
        convex, _ = repair_tangent(case.energy)
        p = solve(case.energy, case.box).weights
        q = by_piqp(convex, case.box)
        inner = convex.matrix - convex.matrix[0, 0]
        step = q - p
        better = (inner @ p - convex.unary) @ step + 0.5 * step @ inner @ step
        # What PIQP's point violates of the bounds may buy it that much.
        room = np.abs(inner @ p - convex.unary).max() * (
            case.box or simplex(convex.names)
        ).violation(q)
        assert better >= -1e-9 * (convex.scale or 1.0) - 4 * room, number


def test_of_many_optima_the_shortest_under_any_bounds() -> None:
    """Against the limit of a small ridge, solved by PIQP; singular, twins, rank one, zero."""
    met = 0
    for number in range(440):
        case = instance(number)
        convex, _ = repair_tangent(case.energy)
        solution = solve(case.energy, case.box)
        if solution.unique or case.kind == "tiny and huge":
            continue
        n, size = case.n, convex.scale or 1.0
        ridged = replace(convex, matrix=convex.matrix + 3e-6 * size * (np.eye(n) - 1.0 / n))
        p, q = solution.weights, by_piqp(ridged, case.box)
        assert p @ p <= q @ q + 1e-5, number
        met += case.box is not None
    assert met >= 50


@pytest.mark.parametrize("n", [15, 40, 130])
@pytest.mark.parametrize("bounds", ["none", "bounds", "groups", "both"])
def test_of_many_optima_the_shortest_exactly(n: int, bounds: str) -> None:
    """Whatever the start: at n = 130 a ridge of 1e-10 is too little to tell by."""
    for kind in ("singular", "twins", "rank one"):
        for t in (0.3, 0.6, 1.5):
            rng = np.random.default_rng([7, len(kind), len(bounds)])
            energy = Energy.coverage(affinity_of(matrix_of(kind, n, rng)), t)
            box = some_constraints(bounds, n, rng)
            solution = solve(energy, box)
            expected = shortest(energy, box, solution.weights)
            assert np.abs(solution.weights - expected).max() <= 1e-7
            assert solution.certificate.relative_gap <= 1e-11
            other = solve(energy, box, warm=rng.dirichlet(np.ones(n)))
            assert np.abs(other.weights - solution.weights).max() <= 1e-9


@FEW
@given(SEEDS, st.integers(4, 10), DIALS)
def test_a_higher_floor_never_lowers_the_energy(seed: int, n: int, t: float) -> None:
    rng = np.random.default_rng(seed)
    energy = Energy.coverage(affinity_of(matrix_of("kernel", n, rng)), t)
    names = [energy.names[i] for i in rng.choice(n, 3, replace=False)]
    task, group = names[0], {"group": names[1:]}
    last = [-np.inf, -np.inf]
    for floor in (0.0, 0.1, 0.25, 0.5, 0.8, 1.0):
        for k, box in enumerate(
            (
                constraints(energy.names, None, {task: floor}),
                constraints(energy.names, group, {"group": floor}),
            )
        ):
            value = solve(energy, box).energy
            assert value >= last[k] - 1e-12 * energy.scale
            last[k] = value


def by_force(energy: Energy, lower: np.ndarray, upper: np.ndarray) -> float:
    """Least energy over all 3^n ways to put every task on a bound or off both."""
    n, best = len(lower), np.inf
    for ways in product((0, 1, 2), repeat=n):
        where = np.array(ways)
        free = np.flatnonzero(where == 2)
        p = np.where(where == 0, lower, np.where(where == 1, upper, 0.0))
        if len(free):
            m = len(free)
            system = np.ones((m + 1, m + 1))
            system[:m, :m] = energy.matrix[np.ix_(free, free)]
            system[m, m] = 0.0
            side = np.append(energy.unary[free] - energy.matrix[free] @ p, 1.0 - p.sum())
            try:
                p[free] = np.linalg.solve(system, side)[:m]
            except np.linalg.LinAlgError:
                continue
        inside = (p >= lower - 1e-12).all() and (p <= upper + 1e-12).all()
        if inside and abs(p.sum() - 1.0) <= 1e-9:
            best = min(best, energy.value(p))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_no_active_set_does_better(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    n = 7
    matrix = matrix_of("definite", n, rng)
    energy = Energy.utility(affinity_of(matrix), rng.normal(size=n) * np.ptp(matrix) / 3)
    inside = rng.dirichlet(np.ones(n))
    lower = inside * rng.uniform(0, 1, n) * (rng.random(n) < 0.6)
    upper = np.where(rng.random(n) < 0.6, np.minimum(1.0, inside * rng.uniform(1, 2, n)), 1.0)
    box = replace(simplex(energy.names), lower=lower, upper=upper)
    found = solve(energy, box)
    assert abs(found.energy - by_force(energy, lower, upper)) <= 1e-10 * energy.scale


def test_what_the_own_method_cannot_do_is_done_by_daqp_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mishran.energy import active_set

    rng = np.random.default_rng(1)
    energy = Energy.utility(affinity_of(matrix_of("definite", 30, rng)), rng.normal(size=30))
    own = solve(energy)
    assert own.certificate.method.startswith("active set, ")
    monkeypatch.setattr(active_set, "ROUNDS", 1)
    other = solve(energy)
    assert other.certificate.method.startswith("DAQP, ridge")
    assert other.certificate.relative_gap <= 1e-12
    assert np.abs(other.weights - own.weights).max() <= 1e-10


def test_the_own_method_ends_by_itself_nearly_always() -> None:
    """On what is not degenerate; vertices and flat directions may be left to DAQP."""
    own = 0
    for seed in range(300):
        rng = np.random.default_rng([3, seed])
        n = int(rng.integers(2, 80))
        kind = ("definite", "kernel", "singular")[seed % 3]
        energy = Energy.utility(affinity_of(matrix_of(kind, n, rng)), rng.normal(size=n))
        box = some_constraints(("none", "bounds", "groups", "rows")[seed % 4], n, rng)
        found = pivot(energy, box or simplex(energy.names), energy.scale)
        own += found is not None
    assert own >= 280, own


def test_warm_weights_that_are_wrong_do_no_harm() -> None:
    rng = np.random.default_rng(9)
    energy = Energy.utility(affinity_of(matrix_of("kernel", 25, rng)), rng.normal(size=25))
    fresh = minimise(energy, simplex(energy.names))[0]
    for start in (np.eye(25)[3], np.zeros(25), np.full(25, 7.0), -np.ones(25)):
        assert np.abs(minimise(energy, simplex(energy.names), start)[0] - fresh).max() <= 1e-12
