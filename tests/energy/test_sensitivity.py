"""dp/du and the influence of a pair, against finite differences of the solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from energy_cases import (
    PROPERTY,
    SEEDS,
    affinity_of,
    instance,
    matrix_of,
    names_of,
    some_constraints,
    symmetric,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from mishran.energy import Constraints, Energy, constraints, repair_tangent, solve
from mishran.energy.constraints import Row
from mishran.energy.sensitivity import pair_influence, sensitivity
from mishran.errors import ConfigError, EnergyError

RELATIVE = 1e-5


def response(energy: Energy, box: Constraints | None = None) -> np.ndarray:
    return sensitivity(energy, box, solve(energy, box))


def with_unary(energy: Energy, change: np.ndarray) -> Energy:
    return replace(energy, unary=energy.unary + change)


def same_face(box: Constraints | None, n: int, *mixtures: np.ndarray) -> bool:
    """The same tasks at the same bounds, the same rows tight."""
    low = np.zeros(n) if box is None else box.lower
    high = np.ones(n) if box is None else box.upper

    def face(p: np.ndarray) -> list[bool]:
        at = [*(p - low < 1e-10), *(high - p < 1e-10)]
        if box is not None and box.rows:
            sums = box.row_matrix @ p
            least, most = box.row_bounds
            at += [*(sums - least < 1e-9), *(most - sums < 1e-9)]
        return [bool(x) for x in at]

    return all(face(p) == face(mixtures[0]) for p in mixtures)


def must(condition: bool) -> None:
    assert condition


def central(energy_at, box: Constraints | None, step: float, need=must) -> np.ndarray:
    """(n,) derivative of the weights by central differences within one face."""
    middle, up, down = (solve(energy_at(h), box).weights for h in (0.0, step, -step))
    need(same_face(box, len(middle), middle, up, down))
    return (up - down) / (2 * step)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    size = max(float(np.abs(expected).max()), 1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=RELATIVE * size)


@pytest.mark.parametrize("number", range(0, 320, 3))
def test_symmetric_semi_definite_and_it_moves_nothing_that_is_held(number: int) -> None:
    case = instance(number)
    solution = solve(case.energy, case.box)
    got = sensitivity(case.energy, case.box, solution)
    size = max(float(np.abs(got).max()), 1e-300)
    p, box = solution.weights, case.box
    np.testing.assert_array_equal(got, got.T)
    assert np.abs(got.sum(axis=0)).max() <= 1e-10 * case.n * size
    assert np.linalg.eigvalsh(got).min() >= -1e-12 * case.n * size
    low, high = (0.0, 1.0) if box is None else (box.lower, box.upper)
    assert not got[(p == low) | (p == high)].any()
    if box is not None and box.rows:
        sums = box.row_matrix @ p
        least, most = box.row_bounds
        tight = (sums - least < 1e-12) | (most - sums < 1e-12)
        assert np.abs(box.row_matrix[tight] @ got).max(initial=0.0) <= 1e-9 * case.n * size


@PROPERTY
@given(
    SEEDS,
    st.integers(2, 12),
    st.sampled_from([0.0, 0.6, 0.9, 2.0]),
    st.sampled_from(["none", "bounds", "groups", "both"]),
)
def test_finite_differences_of_the_solver(seed: int, n: int, t: float, bounds: str) -> None:
    rng = np.random.default_rng(seed)
    energy = Energy.coverage(affinity_of(matrix_of("kernel", n, rng)), t)
    box = some_constraints(bounds, n, rng)
    j = int(rng.integers(n))
    expected = central(lambda h: with_unary(energy, h * np.eye(n)[j]), box, 1e-5, assume)
    close(response(energy, box)[:, j], expected)


def test_a_row_in_large_units_is_held() -> None:
    rng = np.random.default_rng(4)
    energy = Energy.coverage(affinity_of(matrix_of("definite", 6, rng)), 0.9)
    tokens = {
        name: float(v) for name, v in zip(energy.names, rng.uniform(1e3, 9e3, 6), strict=True)
    }
    free = float(np.array(list(tokens.values())) @ solve(energy).weights)
    box = constraints(energy.names, rows={"tokens": Row(tokens, high=0.98 * free)})
    got = response(energy, box)
    assert np.abs(box.row_matrix @ got).max() <= 1e-8 * 9e3 * np.abs(got).max()
    for j in range(6):
        step = 1e-4
        close(got[:, j], central(lambda h, j=j: with_unary(energy, h * np.eye(6)[j]), box, step))


def test_the_repaired_energy_answers() -> None:
    rng = np.random.default_rng(5)
    energy = Energy.utility(affinity_of(matrix_of("indefinite", 7, rng)), rng.normal(size=7))
    convex = repair_tangent(energy)[0]
    got = response(energy)
    np.testing.assert_allclose(got, response(convex), rtol=0, atol=1e-12 * np.abs(got).max())
    with pytest.raises(EnergyError, match=r"mixture\.repair: refuse: expected a similarity"):
        sensitivity(energy, None, solve(energy), repair="refuse")


@PROPERTY
@given(SEEDS, st.integers(2, 10), st.floats(0.1, 20.0), st.floats(-5.0, 5.0))
def test_scale_shift_and_order(seed: int, n: int, a: float, b: float) -> None:
    """S -> aS + b11' divides it by a; another order of tasks reorders it."""
    rng = np.random.default_rng(seed)
    matrix = matrix_of("kernel", n, rng)
    first = Energy.coverage(affinity_of(matrix), 0.8)
    got, solution = response(first), solve(first)
    assume(same_face(None, n, solution.weights))
    assume(np.min(solution.weights[solution.weights > 0]) > 1e-6)
    size = np.abs(got).max()
    scaled = response(Energy.coverage(affinity_of(a * matrix + b), 0.8))
    np.testing.assert_allclose(a * scaled, got, rtol=0, atol=1e-8 * size)
    order = rng.permutation(n)
    turned = response(Energy.coverage(affinity_of(matrix[np.ix_(order, order)]), 0.8))
    np.testing.assert_allclose(turned, got[np.ix_(order, order)], rtol=0, atol=1e-9 * size)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_task_that_just_touches_its_floor_answers_on_one_side(sign: float) -> None:
    """Uniform meets a floor of 1/n at no price: right for changes that push it down, not up."""
    energy = Energy.coverage(affinity_of(matrix_of("definite", 4, np.random.default_rng(6))), 1.0)
    box = constraints(energy.names, floors={"task0": 0.25})
    got = response(energy, box)
    assert not got[0].any()
    change = np.array([-sign, 0.0, 0.0, 0.0]) * 1e-6
    moved = solve(with_unary(energy, change), box).weights - solve(energy, box).weights
    if sign > 0:
        close(moved / 1e-6, got @ change / 1e-6)
    else:
        assert moved[0] > 0


def test_a_row_that_is_just_touched_answers_on_one_side() -> None:
    energy = Energy.coverage(affinity_of(matrix_of("definite", 5, np.random.default_rng(7))), 1.0)
    box = constraints(energy.names, {"g": ["task0", "task1"]}, floors={"g": 0.4})
    got = response(energy, box)
    assert np.abs(got[:2].sum(axis=0)).max() < 1e-12 * np.abs(got).max() * 5
    change = 1e-6 * np.array([-1.0, -0.5, 0.0, 0.0, 0.2])
    moved = solve(with_unary(energy, change), box).weights - 0.2
    close(moved / 1e-6, got @ change / 1e-6)


def test_without_curvature_it_answers_changes_that_choose_nothing_else() -> None:
    """Twins share what the single would get; a change that prefers one of them is not answered."""
    rng = np.random.default_rng(8)
    which = np.array([0, 1, 2, 2])
    matrix = matrix_of("definite", 3, rng)[np.ix_(which, which)]
    energy = Energy.coverage(affinity_of(matrix), 0.9)
    got = response(energy)
    both = np.array([0.0, 0.0, 1.0, 1.0])
    close(got @ both, central(lambda h: with_unary(energy, h * both), None, 1e-5))
    np.testing.assert_allclose(got @ np.array([0.0, 0.0, 1.0, -1.0]), 0.0, atol=1e-12)


def test_nothing_moves_where_nothing_can() -> None:
    one = Energy.coverage(affinity_of(np.array([[2.0]])), 0.5)
    assert response(one).tolist() == [[0.0]]
    zero = Energy.coverage(affinity_of(np.zeros((3, 3))), 0.5)
    assert not response(zero).any()
    full = Energy.coverage(affinity_of(np.eye(3)), 0.5)
    box = constraints(full.names, floors={"task0": 0.5, "task1": 0.3, "task2": 0.2})
    assert not response(full, box).any()
    influence = pair_influence(full, box, solve(full, box))
    assert not influence.movement.any()
    assert influence.strongest() == ()


def pair_change(n: int, i: int, j: int) -> np.ndarray:
    out = np.zeros((n, n))
    out[i, j] = out[j, i] = 1.0
    return out


@PROPERTY
@given(
    SEEDS,
    st.integers(2, 10),
    st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    st.sampled_from(["none", "bounds", "both"]),
)
def test_a_pair_moves_the_mixture_as_finite_differences_say(
    seed: int, n: int, t: float, bounds: str
) -> None:
    rng = np.random.default_rng(seed)
    matrix = matrix_of("kernel", n, rng)
    box = some_constraints(bounds, n, rng)
    i, j = (int(k) for k in rng.choice(n, 2, replace=False))
    energy = Energy.coverage(affinity_of(matrix), t)

    def at(h: float) -> Energy:
        return Energy.coverage(affinity_of(matrix + h * pair_change(n, i, j)), t)

    expected = central(at, box, 1e-5, assume)
    found = pair_influence(energy, box, solve(energy, box))
    names = energy.names
    close(found.derivative(names[i], names[j]), expected)
    np.testing.assert_array_equal(
        found.derivative(names[i], names[j]), found.derivative(names[j], names[i])
    )
    half = np.abs(expected).sum() / 2 * 0.01
    assert found.movement[i, j] == pytest.approx(half, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("unary", ["target", "utility"])
def test_other_unaries_change_with_the_pair_as_far_as_they_come_from_it(unary: str) -> None:
    rng = np.random.default_rng(9)
    n = 6
    matrix = matrix_of("kernel", n, rng) + 0.5 * np.eye(n)
    gains = 0.1 * rng.normal(size=n)

    def at(h: float, i: int = 0, j: int = 0) -> Energy:
        affinity = affinity_of(matrix + (h * pair_change(n, i, j) if h else 0.0))
        if unary == "target":
            return Energy.target(affinity, ["task1", "task4", "task1"], strength=0.7)
        return Energy.utility(affinity, gains)

    found = pair_influence(at(0.0), None, solve(at(0.0)))
    tried = 0
    for i in range(n):
        for j in range(i + 1, n):
            mixtures = [solve(at(h, i, j)).weights for h in (0.0, 1e-5, -1e-5)]
            if same_face(None, n, *mixtures):
                tried += 1
                expected = (mixtures[1] - mixtures[2]) / 2e-5
                close(found.derivative(f"task{i}", f"task{j}"), expected)
    assert tried > 10


def test_every_pair_at_once_is_every_pair_by_itself() -> None:
    rng = np.random.default_rng(10)
    energy = Energy.coverage(affinity_of(matrix_of("kernel", 9, rng)), 0.7)
    box = constraints(energy.names, floors={"task2": 0.2}, caps={"task5": 0.01})
    found = pair_influence(energy, box, solve(energy, box))
    names = energy.names
    single = np.array(
        [
            [
                0.0 if i == j else 0.005 * np.abs(found.derivative(names[i], names[j])).sum()
                for j in range(9)
            ]
            for i in range(9)
        ]
    )
    np.testing.assert_allclose(found.movement, single, rtol=1e-12, atol=1e-15)
    strongest = found.strongest(4)
    largest = np.sort(single[np.triu_indices(9, 1)])[::-1][:4]
    assert [m for _, _, m in strongest] == pytest.approx(largest)
    first, second, most = strongest[0]
    assert found.movement[names.index(first), names.index(second)] == most


def test_a_ridge_and_a_repair_are_kept_as_they_are() -> None:
    rng = np.random.default_rng(11)
    n, t = 6, 0.8
    matrix = symmetric(rng.normal(size=(n, n))) + 0.5 * np.eye(n)
    energy = Energy.coverage(affinity_of(matrix), t).with_ridge(0.05)
    convex = repair_tangent(energy)[0]
    found = pair_influence(energy, None, solve(energy))

    def at(h: float) -> Energy:
        change = h * pair_change(n, i, j)
        return replace(
            convex,
            matrix=convex.matrix + change,
            unary=convex.unary + t * change.mean(axis=1),
            ridge=0.0,
        )

    free = np.flatnonzero(solve(energy).weights > 1e-3)
    i, j = (int(k) for k in free[:2])
    close(found.derivative(f"task{i}", f"task{j}"), central(at, None, 1e-6))


def test_errors() -> None:
    energy = Energy.coverage(affinity_of(np.eye(3)), 0.5)
    solution = solve(energy)
    influence = pair_influence(energy, None, solution)
    with pytest.raises(ConfigError) as unknown:
        influence.derivative("task0", "task9")
    assert str(unknown.value).startswith(
        "pair: expected the name of a task (task0, task1, task2), found 'task9'; did you mean 'task"
    )
    with pytest.raises(ConfigError) as twice:
        influence.derivative("task1", "task1")
    assert str(twice.value) == (
        "pair: expected two different tasks, found 'task1' twice; name another task as the second"
    )
    other = solve(Energy.coverage(affinity_of(np.eye(2)), 0.5))
    with pytest.raises(ConfigError) as wrong:
        sensitivity(energy, None, other)
    assert str(wrong.value) == (
        "solution: expected a solution for the 3 tasks of the energy, in their order, "
        "found a solution for 2 tasks; solve this energy first"
    )
    with pytest.raises(ConfigError, match="expected constraints on the 3 tasks of the energy"):
        sensitivity(energy, constraints(names_of(2)), solution)
    poor = replace(solution, certificate=replace(solution.certificate, gap=1.0))
    with pytest.raises(EnergyError) as bad:
        pair_influence(energy, None, poor)
    assert str(bad.value) == (
        "solution: expected optimal weights, with a gap of at most 1e-06 of the scale, "
        "found a gap of 0.5 of it; use the exact solution (mixture.solution: exact)"
    )
