"""Intervals of S, selection frequency, and pairs of tasks that cannot be told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from energy_cases import PROPERTY, SEEDS, affinity_of, matrix_of, names_of
from hypothesis import given
from hypothesis import strategies as st

from mishran.energy import Energy, constraints, solve, weight_intervals
from mishran.energy.intervals import WeightIntervals, affinity_intervals, indistinguishable
from mishran.errors import ConfigError


def noisy(kind: str, n: int, count: int, size: float = 0.03) -> Energy:
    base = matrix_of(kind, n, np.random.default_rng(0))
    noise = np.random.default_rng(1).normal(scale=size, size=(count, n, n))
    return Energy.coverage(affinity_of(base, base + noise + noise.transpose(0, 2, 1)), 0.6)


def draws(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    """(B, n) weights, many of them exactly 0 and some tied."""
    weights = np.maximum(rng.normal(loc=rng.normal(size=n), size=(count, n)).round(1), 0.0)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1.0)


def test_ends_have_the_expected_level() -> None:
    """B uniform values: the share of them between the expected ends is the level, on average."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(300):
        replicas = rng.random((40, 4, 4))
        low, high = affinity_intervals(affinity_of(np.eye(4), replicas), 0.9)
        inside.append((high - low).mean())  # probability of a new draw between them
    assert np.mean(inside) == pytest.approx(0.9, abs=0.005)  # NumPy's default quantile: 0.878


def test_affinity_intervals_by_hand() -> None:
    replicas = np.arange(1.0, 20.0)[:, None, None] * np.ones((2, 2))
    low, high = affinity_intervals(affinity_of(np.eye(2), replicas), 0.8)
    np.testing.assert_allclose([low[0, 1], high[0, 1]], [2.0, 18.0])  # 2nd and 18th of 19
    assert low.shape == high.shape == (2, 2)


def test_selection_frequency() -> None:
    energy = noisy("kernel", 8, 60)
    found = weight_intervals(energy)
    expected = [(solve(energy.replica(b)).weights > 1e-9).tolist() for b in range(60)]
    np.testing.assert_allclose(found.selection_frequency, np.mean(expected, axis=0), atol=1e-12)
    assert 0 < found.selection_frequency.min() < 1 == found.selection_frequency.max()
    floor = constraints(energy.names, floors={energy.names[1]: 0.01})
    assert weight_intervals(energy, floor).selection_frequency[1] == 1.0
    crumbs = WeightIntervals(np.zeros(2), np.zeros(2), np.array([[1, 1e-10], [1, 1e-8]]), 0, 0.0)
    np.testing.assert_array_equal(crumbs.selection_frequency, [1.0, 0.5])


@PROPERTY
@given(SEEDS, st.integers(3, 120), st.integers(1, 7), st.sampled_from([0.5, 0.8, 0.95]))
def test_pairs_by_order_statistics(seed: int, count: int, n: int, level: float) -> None:
    weights = draws(np.random.default_rng(seed), count, n)
    found = indistinguishable(weights, names_of(n), level)
    k = int(np.floor((count + 1) * (1 - level) / 2 + 1e-9))
    for i in range(n):
        for j in range(n):
            ordered = np.sort(weights[:, i] - weights[:, j])
            contains = k == 0 or (ordered[k - 1] <= 1e-9 and ordered[count - k] >= -1e-9)
            assert found.pairs[i, j] == (contains and i != j)
            ties = np.abs(weights[:, i] - weights[:, j]) <= 1e-9
            more = (weights[:, i] - weights[:, j] > 1e-9) + ties / 2
            assert found.more[i, j] == pytest.approx(more.mean())
    np.testing.assert_allclose(found.more + found.more.T, 1.0)
    upper = found.pairs[np.triu_indices(n, 1)]
    assert found.share == pytest.approx(upper.mean() if n > 1 else 0.0)


def test_twins_cannot_be_told_apart_and_others_can() -> None:
    base = np.eye(5) + 0.1
    base[0, 1] = base[1, 0] = 0.9  # twins, nearly
    base[4] += 0.5
    base[:, 4] += 0.5
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.01, size=(200, 5, 5))
    noise += noise.transpose(0, 2, 1)
    energy = Energy.coverage(affinity_of(base, base + noise), 0.0)
    found = indistinguishable(weight_intervals(energy), energy.names)
    assert found.of("task0") == ("task1",)
    assert found.of("task2") == ("task3",)
    assert found.of("task4") == ()
    assert found.share == pytest.approx(0.2)
    assert found.more[2, 0] == 1.0 and found.more[0, 2] == 0.0


def test_equal_weights_are_told_apart_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    told = []
    for _ in range(400):
        truth = rng.normal(scale=0.01, size=4)  # the estimate's error, shared by its replicas
        weights = 0.25 + truth + rng.normal(scale=0.01, size=(200, 4))
        told.append(1.0 - indistinguishable(weights, names_of(4)).share)
    assert 0.03 <= np.mean(told) <= 0.07


def test_few_replicas_tell_nothing_apart() -> None:
    weights = np.repeat([[0.9, 0.1]], 38, axis=0)
    assert indistinguishable(weights, ("a", "b")).share == 1.0
    assert indistinguishable(np.repeat(weights, 2, axis=0), ("a", "b")).share == 0.0


def test_permuted_tasks() -> None:
    weights = draws(np.random.default_rng(3), 80, 6)
    order = np.random.default_rng(4).permutation(6)
    names = names_of(6)
    straight = indistinguishable(weights, names)
    moved = indistinguishable(weights[:, order], [names[i] for i in order])
    np.testing.assert_array_equal(moved.pairs, straight.pairs[np.ix_(order, order)])
    assert set(moved.of("task3")) == set(straight.of("task3"))


def test_replicas_do_not_depend_on_the_point_they_start_from() -> None:
    """Another energy with the same replicas has the same intervals."""
    energy = noisy("definite", 9, 20)
    far = replace(energy, matrix=np.eye(9), unary=np.arange(9.0))
    np.testing.assert_allclose(
        weight_intervals(far).weights, weight_intervals(energy).weights, atol=1e-9
    )


def test_errors() -> None:
    bare = affinity_of(np.eye(3))
    some = affinity_of(np.eye(3), np.ones((5, 3, 3)))
    no_replicas = (
        "mixture.replicas: expected an affinity with bootstrap replicas, found none; "
        "set mixture.replicas: 200, or leave the intervals out"
    )
    for call in (
        lambda: affinity_intervals(bare),
        lambda: indistinguishable(np.empty((0, 3)), names_of(3)),
        lambda: weight_intervals(Energy.coverage(bare, 0.5)),
    ):
        with pytest.raises(ConfigError) as error:
            call()
        assert str(error.value) == no_replicas
    for call in (
        lambda: affinity_intervals(some, 1.0),
        lambda: indistinguishable(np.ones((5, 3)), names_of(3), 1.0),
        lambda: weight_intervals(Energy.coverage(some, 0.5), level=1.0),
    ):
        with pytest.raises(ConfigError) as error:
            call()
        assert str(error.value) == "level: expected a level between 0 and 1, found 1.0; use 0.95"
    with pytest.raises(ConfigError) as error:
        indistinguishable(np.ones((5, 3)), names_of(2))
    assert str(error.value) == (
        "indistinguishable: expected 3 names, one per weight, found 2; pass the names of the energy"
    )
    with pytest.raises(
        ConfigError, match=r"task: expected the name of a task .*did you mean 'task2'"
    ):
        indistinguishable(np.ones((5, 3)), names_of(3)).of("tusk2")
