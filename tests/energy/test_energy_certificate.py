"""The certificate proves what is right and exposes what is not; repairs are named and sized."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from energy_cases import (
    DIALS,
    PROPERTY,
    SEEDS,
    SIZES,
    affinity_of,
    by_enumeration,
    matrix_of,
    some_constraints,
)
from hypothesis import given
from hypothesis import strategies as st

from mishran.energy import (
    Energy,
    Multipliers,
    certify,
    constraints,
    paper_solution,
    project_to_simplex,
    repair_tangent,
    simplex,
    solve,
    tangent_eigenvalues,
)
from mishran.errors import ConfigError, EnergyError


@PROPERTY
@given(SEEDS, st.integers(4, 12), DIALS, st.sampled_from(["none", "bounds", "groups", "both"]))
def test_anyone_can_recompute_it(seed: int, n: int, t: float, kind: str) -> None:
    """Stationarity, signs and complementary slackness by hand from the published multipliers."""
    rng = np.random.default_rng(seed)
    energy = Energy.coverage(affinity_of(matrix_of("definite", n, rng)), t)
    box = some_constraints(kind, n, rng) or simplex(energy.names)
    solution = solve(energy, box)
    p, proof = solution.weights, solution.certificate
    prices = np.full(n, proof.simplex) + proof.lower - proof.upper
    for name, row in box.rows.items():
        prices += (proof.floors.get(name, 0.0) - proof.caps.get(name, 0.0)) * row
    tolerance = 1e-10 * energy.scale
    assert np.abs(energy.matrix @ p - energy.unary - prices).max() <= tolerance
    assert min([*proof.floors.values(), *proof.caps.values()], default=0.0) >= 0.0
    assert min(proof.lower.min(), proof.upper.min()) >= 0.0
    slack = proof.lower @ (p - box.lower) + proof.upper @ (box.upper - p)
    for name, price in proof.floors.items():
        slack += price * (box.rows[name] @ p - box.floors[name])
    for name, price in proof.caps.items():
        slack += price * (box.caps[name] - box.rows[name] @ p)
    assert abs(slack) <= tolerance


@PROPERTY
@given(SEEDS, st.integers(2, 7), DIALS)
def test_gap_bounds_what_is_missing(seed: int, n: int, t: float) -> None:
    """For any mixture and any multipliers the gap is at least E(p) - E*."""
    rng = np.random.default_rng(seed)
    energy = Energy.coverage(affinity_of(matrix_of("kernel", n, rng)), t)
    best = energy.value(by_enumeration(energy.matrix, energy.unary))
    p = rng.dirichlet(np.ones(n))
    prices = Multipliers(np.zeros(n), np.zeros(n), float(rng.normal()))
    proof = certify(energy, simplex(energy.names), p, prices, "guess")
    assert proof.gap >= energy.value(p) - best - 1e-12
    assert proof.primal_residual <= 1e-15


def test_wrong_weights_and_wrong_multipliers_show() -> None:
    energy = Energy.coverage(affinity_of(np.diag([1.0, 2.0, 4.0])), 0.0)
    box = simplex(energy.names)
    right = np.array([4, 2, 1]) / 7
    zero = np.zeros(3)
    assert certify(energy, box, right, Multipliers(zero, zero, 4 / 7), "").gap < 1e-15
    assert certify(energy, box, right, Multipliers(zero, zero, 4 / 7), "").dual_residual < 1e-15
    assert certify(energy, box, right, Multipliers(zero, zero, 0.0), "").dual_residual > 0.5
    negative = Multipliers(np.array([-0.25, 0, 0]), zero, 4 / 7)
    proof = certify(energy, box, right, negative, "")
    assert proof.dual_residual == pytest.approx(0.25)
    assert proof.lower.tolist() == [0, 0, 0]
    uniform = certify(energy, box, np.full(3, 1 / 3), Multipliers(zero, zero, 4 / 7), "")
    assert uniform.gap == pytest.approx(7 / 9 - 1 / 3)
    heavy = certify(energy, box, right * 1.1, Multipliers(zero, zero, 4 / 7), "")
    assert heavy.primal_residual == pytest.approx(0.1)


@PROPERTY
@given(SEEDS, SIZES, DIALS, st.sampled_from([1e-12, 1e-6, 1e6]), st.sampled_from([0.0, 1e6]))
def test_units_do_not_matter(seed: int, n: int, t: float, unit: float, offset: float) -> None:
    matrix = matrix_of("singular", n, np.random.default_rng(seed))
    plain = solve(Energy.coverage(affinity_of(matrix), t))
    moved = solve(Energy.coverage(affinity_of(unit * matrix), t))
    assert moved.certificate.relative_gap <= 1e-9
    np.testing.assert_allclose(moved.weights, plain.weights, rtol=0, atol=1e-7)
    assert solve(Energy.coverage(affinity_of(matrix + offset), t)).certificate.relative_gap <= 1e-9


@PROPERTY
@given(SEEDS, SIZES)
def test_a_large_constant_costs_no_digits(seed: int, n: int) -> None:
    """1e9 is added to S and taken off again, which rounds S once; both are solved to the last digit."""
    large = matrix_of("kernel", n, np.random.default_rng(seed)) + 1e9
    with_it, without = (solve(Energy.coverage(affinity_of(m), 0.0)) for m in (large, large - 1e9))
    np.testing.assert_allclose(with_it.weights, without.weights, rtol=0, atol=1e-12)
    assert with_it.certificate.gap <= 1e-14 * without.certificate.scale
    uniform = certify(
        Energy.coverage(affinity_of(large), 0.0),
        simplex(with_it.names),
        np.full(n, 1 / n),
        Multipliers(np.zeros(n), np.zeros(n), 0.0),
        "",
    )
    gradient = (large - 1e9).mean(axis=1)
    assert uniform.gap == pytest.approx(gradient.mean() - gradient.min(), rel=1e-9, abs=1e-15)


@PROPERTY
@given(SEEDS, st.integers(4, 10))
def test_gap_holds_for_any_prices_of_groups(seed: int, n: int) -> None:
    """An allowed mixture with arbitrary prices: the bound holds, and is the Lagrangian's by hand."""
    rng = np.random.default_rng(seed)
    energy = Energy.coverage(affinity_of(matrix_of("definite", n, rng)), 0.5)
    p = rng.dirichlet(np.ones(n))
    share = float(p[:2].sum())
    box = constraints(
        energy.names, {"g": energy.names[:2]}, {"g": share / 2}, {"g": (1 + share) / 2}
    )
    floor, cap = rng.exponential(size=2)
    prices = Multipliers(np.zeros(n), np.zeros(n), 0.0, {"g": float(floor)}, {"g": float(cap)})
    gap = certify(energy, box, p, prices, "guess").gap
    assert gap >= energy.value(p) - solve(energy, box).energy - 1e-12
    reduced = energy.gradient(p) - (floor - cap) * (np.arange(n) < 2)
    slack = floor * share / 2 + cap * (1 - share) / 2
    assert gap == pytest.approx(reduced @ p - reduced.min() + slack, rel=1e-9)


@PROPERTY
@given(SEEDS, SIZES)
def test_repairs_reach_exactly_zero_curvature(seed: int, n: int) -> None:
    matrix = matrix_of("indefinite", n, np.random.default_rng(seed)) - 3 * np.eye(n)
    energy = Energy.coverage(affinity_of(matrix), 0.5)
    values = tangent_eigenvalues(matrix)
    assert values[0] < 0
    size = np.abs(values).max()
    shifted, shift = repair_tangent(energy, "shift")
    assert shift is not None
    assert shift.amount == pytest.approx(-values[0])
    np.testing.assert_allclose(
        tangent_eigenvalues(shifted.matrix), values - values[0], atol=1e-12 * size
    )
    clipped, nearest = repair_tangent(energy, "nearest")
    assert nearest is not None
    assert nearest.amount == pytest.approx(np.linalg.norm(clipped.matrix - matrix))
    np.testing.assert_allclose(
        tangent_eigenvalues(clipped.matrix), np.sort(np.maximum(values, 0)), atol=1e-12 * size
    )
    for repaired in (shifted, clipped):
        np.testing.assert_allclose(repaired.matrix.sum(axis=1), matrix.sum(axis=1), atol=1e-10)
        assert repair_tangent(repaired, "refuse") == (repaired, None)


def test_refuse_and_unknown_repair() -> None:
    energy = Energy.coverage(affinity_of(-np.eye(3)), 0.5)
    with pytest.raises(
        EnergyError, match=r"lowest curvature -1 on .* 2 of 2 negative; set mixture"
    ):
        solve(energy, repair="refuse")
    with pytest.raises(ConfigError, match="one of shift, nearest, refuse, found 'clip'"):
        solve(energy, repair="clip")  # type: ignore[arg-type]


def test_negative_definite_becomes_flat_and_uniform() -> None:
    solution = solve(Energy.coverage(affinity_of(-np.eye(4)), 0.3))
    np.testing.assert_allclose(solution.weights, 0.25, atol=1e-12)
    assert not solution.unique
    assert solution.repairs[0].amount == pytest.approx(1.0)


def test_paper_mode_says_what_it_loses() -> None:
    """A planted pair of near-twins makes the closed form negative; numbers checked by hand here."""
    matrix = np.array([[1.0, 0.9, 0.5], [0.9, 1.0, 0.9], [0.5, 0.9, 1.0]])
    energy = Energy.coverage(affinity_of(matrix), 0.0)
    exact, paper = solve(energy), paper_solution(energy, "clip")
    np.testing.assert_allclose(exact.weights, [0.5, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(paper.weights, [0.5, 0, 0.5], atol=1e-12)
    assert "reaches 100.0 % of the energy drop" in paper.warnings[0]
    matrix = matrix_of("kernel", 30, np.random.default_rng(1))
    energy = Energy.coverage(affinity_of(matrix), 0.5)
    exact = solve(energy)
    for projection in ("clip", "project"):
        paper = paper_solution(energy, projection)
        start = energy.value(np.full(30, 1 / 30))
        share = 100 * (start - paper.energy) / (start - exact.energy)
        assert 0 < share < 99.9
        words = f"with {projection} reaches {share:.1f} % of the energy drop from uniform"
        assert words in paper.warnings[0]
        assert f"uses {(paper.weights > 0).sum()} tasks, the optimum " in paper.warnings[0]
        assert paper.certificate.gap >= paper.energy - exact.energy > 0
        assert paper.weights.sum() == pytest.approx(1.0)


def test_paper_mode_at_uniform_loses_nothing() -> None:
    energy = Energy.coverage(affinity_of(matrix_of("definite", 5, np.random.default_rng(0))), 1.0)
    assert "uniform is already optimal" in paper_solution(energy, "clip").warnings[0]


def test_paper_mode_repairs_as_the_paper_does_and_refuses_singular() -> None:
    matrix = matrix_of("indefinite", 6, np.random.default_rng(2))
    paper = paper_solution(Energy.coverage(affinity_of(matrix), 0.5), "project")
    assert paper.repairs[0].name == "paper-shift"
    lowest = np.linalg.eigvalsh(matrix)[0]
    assert paper.repairs[0].amount == pytest.approx(-lowest)
    system = np.block([[matrix - lowest * np.eye(6), np.ones((6, 1))], [np.ones((1, 6)), 0.0]])
    signed = np.linalg.solve(system, np.append(0.5 * matrix.mean(axis=1), 1.0))[:6]
    np.testing.assert_allclose(paper.weights, project_to_simplex(signed), atol=1e-9)
    twins = np.ones((2, 2))
    with pytest.raises(EnergyError, match=r"two tasks that answer alike .* use solution: exact"):
        paper_solution(Energy.coverage(affinity_of(twins), 0.5), "clip")
    with pytest.raises(ConfigError, match="expected clip or project, found 'sort'"):
        paper_solution(Energy.coverage(affinity_of(np.eye(2)), 0.5), "sort")  # type: ignore[arg-type]


@PROPERTY
@given(SEEDS, SIZES)
def test_projection_is_the_nearest_mixture(seed: int, n: int) -> None:
    v = 2 * np.random.default_rng(seed).normal(size=n)
    p = project_to_simplex(v)
    # Optimality of min |p - v|^2: v - p is largest, and constant, on the support.
    assert (v - p)[p > 0] == pytest.approx(float((v - p).max()), abs=1e-12)
    if n < 8:
        np.testing.assert_allclose(p, by_enumeration(np.eye(n), v), atol=1e-12)
    assert p.min() >= 0
    assert p.sum() == pytest.approx(1.0, abs=1e-12)


def test_no_answer_is_an_error_not_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    from mishran.energy import kkt, solver

    energy = Energy.coverage(affinity_of(np.diag([1.0, 2.0, 4.0])), 0.0)
    monkeypatch.setattr(solver, "pivot", lambda *a: None)
    monkeypatch.setattr(kkt.daqp, "solve", lambda *a, **k: (np.full(3, np.nan), 0.0, -2, {}))
    with pytest.raises(EnergyError, match=r"duality gap of at most 1e-09 .* found no weights"):
        solve(energy)
    monkeypatch.undo()
    monkeypatch.setattr(solver, "pivot", lambda *a: None)

    def stuck(problem: kkt.Problem, *settings: float) -> kkt.ActiveSet:
        uniform = np.full(3, 1 / 3)
        return kkt.ActiveSet(uniform, np.arange(0), np.array([True]), np.ones(1), np.zeros(1))

    monkeypatch.setattr(solver, "find_active_set", stuck)
    with pytest.raises(EnergyError, match=r"found a gap of 0.4"):
        solve(energy)


def test_replace_keeps_shapes() -> None:
    energy = Energy.coverage(affinity_of(np.eye(3)), 0.5)
    with pytest.raises(EnergyError, match=r"matrix of shape \(3, 3\) for 3 tasks"):
        replace(energy, matrix=np.eye(2))
