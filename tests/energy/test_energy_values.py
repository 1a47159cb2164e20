"""How energies are made from affinities, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from energy_cases import affinity_of, matrix_of, names_of

from mishran.energy import Energy, project_to_simplex, solve
from mishran.errors import ConfigError, EnergyError

RNG = np.random.default_rng(0)
MATRIX = matrix_of("kernel", 4, RNG)
REPLICAS = np.array([matrix_of("kernel", 4, RNG) for _ in range(3)])
AFFINITY = affinity_of(MATRIX, REPLICAS)


def test_unaries_by_hand() -> None:
    coverage = Energy.coverage(AFFINITY, 0.6)
    np.testing.assert_allclose(coverage.unary, 0.6 / 4 * MATRIX.sum(axis=1))
    np.testing.assert_allclose(coverage.replica_unaries[2], 0.6 / 4 * REPLICAS[2].sum(axis=1))
    target = Energy.target(AFFINITY, ["task1", "task3"], strength=2.0)
    np.testing.assert_allclose(target.unary, MATRIX[:, 1] + MATRIX[:, 3])
    np.testing.assert_allclose(target.replica_unaries[0], REPLICAS[0][:, 1] + REPLICAS[0][:, 3])
    values = {"task2": 3.0, "task0": 1.0, "task1": 2.0, "task3": 4.0}
    np.testing.assert_allclose(Energy.given(AFFINITY, values, 0.5).unary, [0.5, 1.0, 1.5, 2.0])
    utility = Energy.utility(AFFINITY, [1, 2, 3, 4], np.arange(12).reshape(3, 4), strength=2.0)
    np.testing.assert_allclose(utility.unary, [2, 4, 6, 8])
    np.testing.assert_allclose(utility.replica_unaries[1], [8, 10, 12, 14])
    assert target.parameters == {
        "affinity": "matrix",
        "unary": "target",
        "targets": ["task1", "task3"],
        "strength": 2.0,
    }


def test_value_gradient_and_ridge() -> None:
    energy = Energy.target(AFFINITY, ["task1"])
    p = np.array([0.1, 0.2, 0.3, 0.4])
    step = 1e-6 * np.array([1.0, -1.0, 0.5, 0.0])
    slope = (energy.value(p + step) - energy.value(p - step)) / 2
    assert slope == pytest.approx(energy.gradient(p) @ step, rel=1e-6)
    ridged = energy.with_ridge(0.1)
    pull = 0.1 * energy.scale / 2 * np.square(p - 0.25).sum()
    assert ridged.value(p) - energy.value(p) == pytest.approx(pull)
    assert ridged.replica(1).value(p) - energy.replica(1).value(p) == pytest.approx(pull)
    assert ridged.parameters["ridge"] == 0.1
    assert "ridge" not in energy.parameters
    assert energy.with_ridge(0.0) is energy


def test_parts_of_the_solution_add_up() -> None:
    energy = Energy.coverage(affinity_of(matrix_of("indefinite", 6, RNG)), 0.4)
    solution = solve(energy)
    p = solution.weights
    parts = solution.representativeness + solution.diversity
    assert solution.energy_unrepaired == pytest.approx(-parts)
    assert solution.energy_unrepaired == pytest.approx(energy.value(p))
    repair = solution.repairs[0]
    assert repair.energy_cost == pytest.approx(solution.energy - solution.energy_unrepaired)
    assert repair.energy_cost == pytest.approx(repair.amount / 2 * np.square(p - 1 / 6).sum())
    assert solution.effective_tasks == pytest.approx(1 / np.square(p).sum())


def test_arrays_cannot_be_changed() -> None:
    energy = Energy.coverage(AFFINITY, 0.6)
    with pytest.raises(ValueError, match="read-only"):
        energy.matrix[0, 0] = 2.0


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Energy.coverage(AFFINITY, np.nan), ConfigError, "expected a finite t"),
        (lambda: Energy.target(AFFINITY, []), ConfigError, "at least one target task"),
        (lambda: Energy.target(AFFINITY, ["tsk1"]), ConfigError, "did you mean 'task1'?"),
        (
            lambda: Energy.given(AFFINITY, {"task0": 1.0}),
            ConfigError,
            "a value for every task, found none for task1, task2, task3; add task1: 0",
        ),
        (
            lambda: Energy.given(AFFINITY, {"zzz": 1.0}),
            ConfigError,
            "found 'zzz'; use one of these names",
        ),
        (lambda: Energy.utility(AFFINITY, [1, 2, 3]), EnergyError, r"unary of shape \(4,\)"),
        (
            lambda: Energy.utility(AFFINITY, [1, 2, 3, np.inf]),
            EnergyError,
            r"finite numbers in unary, found inf at \(3,\) \(task task3\)",
        ),
        (
            lambda: Energy.coverage(affinity_of(1e308 * np.ones((2, 2))), 0.5),
            EnergyError,
            r"finite numbers in matrix up to 1e\+300, found 1e\+308 at \(0, 0\) \(task task0\); "
            "divide S and u by the same number",
        ),
        *(
            (
                lambda bad=bad: Energy.coverage(affinity_of(np.where(np.eye(4), bad, MATRIX)), 0.5),
                EnergyError,
                rf"finite numbers in matrix, found {bad} at \(0, 0\) \(task task0\); measure that",
            )
            for bad in (np.nan, np.inf, -np.inf)
        ),
        (lambda: project_to_simplex(np.array([])), EnergyError, r"numbers, found shape \(0,\)"),
        (lambda: project_to_simplex(np.array([np.inf])), EnergyError, "one that is not finite"),
        (
            lambda: Energy.coverage(affinity_of(MATRIX + np.triu(MATRIX, 1)), 0.5),
            EnergyError,
            "a symmetric matrix, found .* average the two",
        ),
        (lambda: Energy.coverage(AFFINITY, 1.0).with_ridge(-1.0), ConfigError, "a ridge >= 0"),
        (
            lambda: Energy((), np.empty((0, 0)), [], np.empty((0, 0, 0)), np.empty((0, 0))),
            EnergyError,
            "at least one task",
        ),
    ],
)
def test_refused(make, error: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        make()


def test_a_single_task_takes_all() -> None:
    for t in (0.0, 1.0, 5.0):
        solution = solve(Energy.coverage(affinity_of(np.array([[2.0]])), t))
        assert solution.weights.tolist() == [1.0]
        assert solution.unique
    assert names_of(1) == solution.names
