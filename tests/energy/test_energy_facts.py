"""What is known about the energy, each as a property of the solution."""

from __future__ import annotations

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
    names_of,
    symmetric,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from mishran.affinity import pairwise_jsd
from mishran.energy import (
    Energy,
    closed_form,
    constraints,
    effective_tasks,
    paper_solution,
    solve,
    t_grid,
    tangent_eigenvalues,
)

EXACT = 1e-9


def weights(matrix: np.ndarray, t: float) -> np.ndarray:
    return solve(Energy.coverage(affinity_of(matrix), t)).weights


def close(left: np.ndarray, right: np.ndarray, atol: float = EXACT) -> None:
    np.testing.assert_allclose(left, right, rtol=0, atol=atol)


def kernel(seed: int, n: int) -> np.ndarray:
    return matrix_of("kernel", n, np.random.default_rng(seed))


@PROPERTY
@given(SEEDS, SIZES, DIALS, st.floats(0.1, 50.0))
def test_only_the_ratio_of_beta_and_lambda_matters(seed: int, n: int, t: float, k: float) -> None:
    """(beta, lambda) and (k beta, k lambda): catches a beta that is applied twice."""
    matrix = kernel(seed, n)
    lam, beta = 1.5, 1.5 * t / n
    none = np.empty((0, n, n)), np.empty((0, n))
    once = Energy(names_of(n), lam * matrix, beta * matrix.sum(axis=1), *none)
    scaled = Energy(names_of(n), k * lam * matrix, k * beta * matrix.sum(axis=1), *none)
    close(solve(once).weights, solve(scaled).weights)
    close(solve(once).weights, weights(matrix, n * beta / lam))


@PROPERTY
@given(SEEDS, SIZES, DIALS)
def test_energy_is_distance_to_t_times_uniform(seed: int, n: int, t: float) -> None:
    matrix = kernel(seed, n)
    energy = Energy.coverage(affinity_of(matrix), t)
    mixtures = np.random.default_rng(seed).dirichlet(np.ones(n), size=2)
    values = [energy.value(p) for p in mixtures]
    squares = [0.5 * (p - t / n) @ matrix @ (p - t / n) for p in mixtures]
    assert values[0] - values[1] == pytest.approx(squares[0] - squares[1], abs=1e-12)


@PROPERTY
@given(SEEDS, SIZES)
def test_t_one_is_uniform(seed: int, n: int) -> None:
    close(weights(kernel(seed, n), 1.0), np.full(n, 1 / n))


def test_floors_may_exclude_uniform_at_t_one() -> None:
    energy = Energy.coverage(affinity_of(kernel(3, 5)), 1.0)
    p = solve(energy, constraints(energy.names, floors={"task0": 0.4})).weights
    assert p[0] == pytest.approx(0.4, abs=1e-12)


@PROPERTY
@given(SEEDS, st.integers(2, 7))
def test_t_zero_is_the_least_redundant_mixture(seed: int, n: int) -> None:
    matrix = kernel(seed, n)
    p = weights(matrix, 0.0)
    close(p, by_enumeration(matrix, np.zeros(n)))
    for q in np.random.default_rng(seed).dirichlet(np.full(n, 0.3), size=50):
        assert p @ matrix @ p <= q @ matrix @ q + 1e-12


@PROPERTY
@given(SEEDS, st.integers(2, 7), DIALS)
def test_every_support_tried_finds_nothing_better(seed: int, n: int, t: float) -> None:
    matrix = kernel(seed, n)
    close(weights(matrix, t), by_enumeration(matrix, t * matrix.mean(axis=1)))


@PROPERTY
@given(SEEDS, SIZES)
def test_large_t_takes_the_task_with_the_largest_row_sum(seed: int, n: int) -> None:
    matrix = kernel(seed, n)
    rows = np.sort(matrix.sum(axis=1))
    assume(rows[-1] - rows[-2] > 1e-3)
    close(weights(matrix, 1e5), np.eye(n)[matrix.sum(axis=1).argmax()])


@PROPERTY
@given(SEEDS, SIZES, DIALS)
def test_closed_form_is_the_stationary_point(seed: int, n: int, t: float) -> None:
    """(t/n) 1 + (1 - t) w, and the solution itself where nothing is negative."""
    matrix = matrix_of("definite", n, np.random.default_rng(seed))
    energy = Energy.coverage(affinity_of(matrix), t)
    one = np.ones(n)
    inverse = np.linalg.solve(matrix, one)
    expected = (t / n) * one + (1 - t) * inverse / (one @ inverse)
    close(closed_form(energy), expected, atol=1e-8 * max(1.0, np.abs(expected).max()))
    if expected.min() >= 0:
        close(solve(energy).weights, expected)


@PROPERTY
@given(SEEDS, SIZES, DIALS, st.sampled_from(["clip", "project"]))
def test_paper_mode_is_never_better(seed: int, n: int, t: float, projection: str) -> None:
    energy = Energy.coverage(affinity_of(kernel(seed, n)), t)
    exact, paper = solve(energy), paper_solution(energy, projection)
    assert paper.energy >= exact.energy - 1e-12
    assert paper.certificate.gap >= paper.energy - exact.energy - 1e-12
    if closed_form(energy).min() >= 0:
        close(paper.weights, exact.weights)


@PROPERTY
@given(SEEDS, SIZES, DIALS, st.floats(-100, 100))
def test_only_curvature_on_the_tangent_counts(seed: int, n: int, t: float, c: float) -> None:
    """c 11' makes S indefinite and changes nothing: no repair, the same mixture."""
    matrix = kernel(seed, n)
    moved = solve(Energy.coverage(affinity_of(matrix - abs(c) - 1.0), t))
    assert moved.repairs == ()
    assert np.linalg.eigvalsh(matrix - abs(c) - 1.0)[0] < 0
    close(moved.weights, weights(matrix, t))


@PROPERTY
@given(SEEDS, SIZES, DIALS, st.floats(0.01, 100), st.floats(-100, 100))
def test_scale_and_constant_leave_the_minimiser(
    seed: int, n: int, t: float, a: float, b: float
) -> None:
    matrix = kernel(seed, n)
    close(weights(matrix, t), weights(a * matrix + b, t))


@PROPERTY
@given(SEEDS, SIZES, DIALS)
def test_one_minus_j_and_minus_j_give_the_same(seed: int, n: int, t: float) -> None:
    similarity = kernel(seed, n) / 1.1
    close(weights(similarity, t), weights(similarity - 1.0, t))


@PROPERTY
@given(SEEDS, SIZES, DIALS)
def test_additive_effects_add_one_minus_t_times_a(seed: int, n: int, t: float) -> None:
    rng = np.random.default_rng(seed)
    matrix, a = kernel(seed, n), rng.normal(size=n)
    plain = Energy.coverage(affinity_of(matrix), t)
    biased = Energy.coverage(affinity_of(matrix + a[:, None] + a[None, :]), t)
    p, q = rng.dirichlet(np.ones(n), size=2)
    extra = (biased.value(p) - plain.value(p)) - (biased.value(q) - plain.value(q))
    assert extra == pytest.approx((1 - t) * a @ (p - q), abs=1e-11)


@PROPERTY
@given(SEEDS, st.sampled_from(["definite", "kernel", "singular", "indefinite"]))
def test_shifting_by_the_lowest_eigenvalue_makes_s_singular(seed: int, kind: str) -> None:
    """The paper's |lambda_min| I ends at an S that has no inverse; our shift is never larger."""
    n = 9
    matrix = matrix_of(kind, n, np.random.default_rng(seed)) - 2.0
    lowest = np.linalg.eigvalsh(matrix)[0]
    assume(lowest < -1e-6)
    shifted = matrix - lowest * np.eye(n)
    assert abs(np.linalg.eigvalsh(shifted)[0]) < 1e-12 * np.abs(matrix).max() * n
    repairs = solve(Energy.coverage(affinity_of(matrix), 0.5)).repairs
    assert sum(repair.amount for repair in repairs) <= -lowest + 1e-9


@settings(PROPERTY, max_examples=15)
@given(SEEDS, st.integers(3, 8))
def test_path_is_piecewise_linear(seed: int, n: int) -> None:
    affinity = affinity_of(kernel(seed, n))
    ts = np.linspace(0.0, 3.0, 121)
    path = t_grid(affinity, list(ts))
    support = path > 1e-12
    same = (support[:-2] == support[1:-1]).all(axis=1) & (support[2:] == support[1:-1]).all(axis=1)
    assert same.sum() > 60
    bend = path[:-2] - 2 * path[1:-1] + path[2:]
    assert np.abs(bend[same]).max() < 1e-9


@PROPERTY
@given(SEEDS, st.integers(2, 9), st.sampled_from([0.0, 0.4, 1.0, 1.6]))
def test_twins_share(seed: int, n: int, t: float) -> None:
    """Equal weights; together what the single had at t = 0, and 2 / (n + 1) at t = 1."""
    single = kernel(seed, n)
    which = [*range(n), 0]
    p = weights(single[np.ix_(which, which)], t)
    assert p[0] == pytest.approx(p[n], abs=1e-12)
    if t == 0.0:
        assert p[0] + p[n] == pytest.approx(weights(single, 0.0)[0], abs=1e-9)
    if t == 1.0:
        assert p[0] + p[n] == pytest.approx(2 / (n + 1), abs=1e-12)


@PROPERTY
@given(SEEDS, SIZES, DIALS)
def test_permutation_equivariance(seed: int, n: int, t: float) -> None:
    matrix = kernel(seed, n)
    order = np.random.default_rng(seed).permutation(n)
    close(weights(matrix, t)[order], weights(matrix[np.ix_(order, order)], t))


@settings(PROPERTY, max_examples=12)
@given(SEEDS, st.integers(3, 10), st.floats(0.05, 0.95))
def test_effective_tasks_is_reached_on_both_sides(seed: int, n: int, share: float) -> None:
    affinity = affinity_of(kernel(seed, n))
    for side, inside in (("diverse", lambda t: 0 <= t <= 1), ("central", lambda t: t >= 1)):
        end = t_grid(affinity, [0.0 if side == "diverse" else 1000.0])[0]
        least = 1 / np.square(end).sum()
        wanted = least + share * (n - least)
        t = effective_tasks(affinity, wanted, side)
        assert inside(t)
        assert 1 / np.square(weights(affinity.matrix, t)).sum() == pytest.approx(wanted, rel=1e-6)


@PROPERTY
@given(SEEDS, st.integers(3, 10), st.integers(1, 3), DIALS)
def test_of_many_optima_the_one_of_least_norm(seed: int, n: int, rank: int, t: float) -> None:
    """S = FF': all optima have the same F'p: the shortest of those, and how far they reach."""
    assume(rank + 1 < n)
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, rank))
    solution = solve(Energy.coverage(affinity_of(symmetric(features @ features.T)), t))
    p = solution.weights
    equal = np.column_stack([features, np.ones(n)]).T
    shortest = minimize(
        lambda q: q @ q,
        rng.dirichlet(np.ones(n)),
        jac=lambda q: 2 * q,
        bounds=[(0, 1)] * n,
        constraints={"type": "eq", "fun": lambda q: equal @ (q - p), "jac": lambda q: equal},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert p @ p <= shortest.fun + 1e-7
    reach = [
        linprog(sign * np.sin(np.arange(n)), A_eq=equal, b_eq=equal @ p, bounds=(0, 1))
        for sign in (1, -1)
    ]
    width = -(reach[0].fun + reach[1].fun)
    assert solution.unique == (width < 1e-7), width


def test_unique_says_whether_another_optimum_exists() -> None:
    assert not solve(Energy.coverage(affinity_of(np.zeros((4, 4))), 0.5)).unique
    assert solve(Energy.coverage(affinity_of(np.eye(4)), 0.5)).unique
    none = np.empty((0, 3, 3)), np.empty((0, 3))
    linear = Energy(names_of(3), np.zeros((3, 3)), np.array([1.0, 1.0, 0.0]), *none)
    tied = solve(linear)
    close(tied.weights, np.array([0.5, 0.5, 0.0]))
    assert not tied.unique
    capped = solve(linear, constraints(names_of(3), caps={"task0": 0.5, "task1": 0.5}))
    close(capped.weights, np.array([0.5, 0.5, 0.0]))
    assert capped.unique, "the caps leave one point, though S is flat"


def test_pair_specific_inputs_make_jsd_indefinite() -> None:
    """Three specialists, one input per pair: 1 and 2 agree on theirs, 1 and 3 on theirs, 2 and 3
    are opposed on theirs. On the pool of all three inputs the same answers give a kernel."""
    with np.errstate(divide="ignore"):
        yes, no = np.log([1.0, 0.0]), np.log([0.0, 1.0])
    inputs = np.array(
        [
            [yes, yes, yes],  # specialist 1 on the inputs of pairs (1,2), (1,3), (2,3)
            [yes, yes, yes],
            [yes, yes, no],
        ]
    )
    divergence = pairwise_jsd(inputs)
    close(divergence, np.array([[0.0, 0, 0], [0, 0, 0], [0, 1, 1]]))

    def similarity(pairs: np.ndarray) -> np.ndarray:
        out = np.eye(3)
        rows, columns = np.triu_indices(3, 1)
        out[rows, columns] = out[columns, rows] = 1 - pairs
        return out

    specific = similarity(np.diag(divergence))
    assert tangent_eigenvalues(specific)[0] == pytest.approx(-1 / 3)
    shared = similarity(divergence.mean(axis=0))
    assert np.linalg.eigvalsh(shared)[0] >= -1e-12
    assert solve(Energy.coverage(affinity_of(shared), 0.5)).repairs == ()
    assert [r.name for r in solve(Energy.coverage(affinity_of(specific), 0.5)).repairs] == ["shift"]


@PROPERTY
@given(SEEDS, SIZES)
def test_scale_ignores_constants(seed: int, n: int) -> None:
    matrix = kernel(seed, n)
    energy = Energy.target(affinity_of(matrix), ["task0"])
    moved = Energy.target(affinity_of(matrix + 7.0), ["task0"])
    assert energy.scale == pytest.approx(moved.scale, rel=1e-12)
    diagonal = np.diag(matrix)
    spread = (diagonal[:, None] + diagonal[None, :] - 2 * matrix).max()
    assert energy.scale == pytest.approx(spread + np.ptp(matrix[0]), rel=1e-12)


def test_rounding_has_no_scale() -> None:
    matrix = np.full((3, 3), 1e6)
    matrix[0, 0] += 1e-10
    energy = Energy.coverage(affinity_of(matrix), 0.0)
    assert energy.scale == 0.0
    assert solve(energy).certificate.relative_gap == 0.0
