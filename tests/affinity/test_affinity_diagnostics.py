"""Diagnostics against planted structure."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from affinity_cases import PROPERTY, SEEDS, names_of
from hypothesis import given
from hypothesis import strategies as st

from mishran.affinity import AffinityDiagnostics, family_auc
from mishran.errors import DataError
from mishran.types import Affinity


def affinity_of(
    matrix: np.ndarray, kind: str = "jsd", replicas: np.ndarray | None = None
) -> Affinity:
    n = len(matrix)
    return Affinity(
        names_of(n), matrix, kind, np.empty((0, n, n)) if replicas is None else replicas
    )


def kernel(seed: int, n: int) -> np.ndarray:
    features = np.abs(np.random.default_rng(seed).normal(size=(n, 5)))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return 0.9 * features @ features.T + 0.1 * np.eye(n)


@PROPERTY
@given(SEEDS, st.integers(2, 12))
def test_tangent_spectrum(seed: int, n: int) -> None:
    """Against the eigenvalues of PSP, which has one 0 more; a constant in S changes nothing."""
    matrix = kernel(seed, n)
    centre = np.eye(n) - 1 / n
    found = AffinityDiagnostics.of(affinity_of(matrix))
    every = np.linalg.eigvalsh(centre @ matrix @ centre)
    np.testing.assert_allclose(np.sort([*found.tangent_eigenvalues, 0.0]), every, atol=1e-12)
    assert found.condition == pytest.approx(
        found.tangent_eigenvalues[-1] / found.tangent_eigenvalues[0]
    )
    moved = AffinityDiagnostics.of(affinity_of(matrix + 5.0)).tangent_eigenvalues
    np.testing.assert_allclose(moved, found.tangent_eigenvalues, atol=1e-12)


@PROPERTY
@given(SEEDS, st.integers(4, 10))
def test_additive_share_is_that_of_least_squares(seed: int, n: int) -> None:
    matrix = kernel(seed, n)
    rows, columns = np.triu_indices(n, 1)
    pairs = matrix[rows, columns]
    design = np.eye(n)[rows] + np.eye(n)[columns]
    fit = design @ np.linalg.lstsq(design, pairs, rcond=None)[0]
    expected = 1 - np.square(pairs - fit).sum() / np.square(pairs - pairs.mean()).sum()
    share = AffinityDiagnostics.of(affinity_of(matrix)).additive_share
    assert share == pytest.approx(expected, abs=1e-10)
    a = np.random.default_rng(seed).normal(size=n)
    additive = AffinityDiagnostics.of(affinity_of(a[:, None] + a[None, :] + 3.0))
    assert additive.additive_share == pytest.approx(1.0)


def test_known_cases() -> None:
    found = AffinityDiagnostics.of(affinity_of(np.eye(5)))
    assert found.effective_rank == pytest.approx(4.0)
    assert found.condition == pytest.approx(1.0)
    assert found.floor_rate == 1.0, "every pair at J = 1"
    assert found.zero_rate == 1.0
    assert found.additive_share is None, "no variance to explain"
    np.testing.assert_array_equal(found.row_sums, np.ones(5))
    line = np.outer([0, 1, 2.0], [0, 1, 2.0])
    found = AffinityDiagnostics.of(affinity_of(line, "matrix"))
    assert found.additive_share is None, "three numbers explain three pairs"
    assert found.effective_rank == pytest.approx(1.0)
    assert found.condition is not None and found.condition > 1e12
    assert found.floor_rate is None, "only jsd has a least possible similarity"
    assert found.zero_rate == pytest.approx(2 / 3)
    flat = AffinityDiagnostics.of(affinity_of(np.ones((3, 3))))
    assert flat.effective_rank is None
    assert flat.condition == np.inf


def test_single_task_has_no_pairs() -> None:
    found = AffinityDiagnostics.of(affinity_of(np.ones((1, 1))))
    assert (found.condition, found.zero_rate, found.effective_rank) == (None, None, None)
    assert (found.nearest, found.twins) == ({}, ())
    assert found.tangent_eigenvalues.shape == (0,)


def test_zero_rate_reads_the_replicas() -> None:
    matrix = np.array([[0.0, -1.0, -0.1], [-1.0, 0.0, -1.0], [-0.1, -1.0, 0.0]])
    noise = 0.2 * np.random.default_rng(0).normal(size=(100, 1, 1)) * (1 - np.eye(3))
    found = AffinityDiagnostics.of(affinity_of(matrix, "pmi-mean", matrix + noise))
    assert found.zero_rate == pytest.approx(1 / 3)


def test_twins_and_neighbours() -> None:
    matrix = np.full((5, 5), 0.4)
    np.fill_diagonal(matrix, 1.0)
    matrix[1, 3] = matrix[3, 1] = 0.95
    matrix[0, 2] = matrix[2, 0] = 0.5
    found = AffinityDiagnostics.of(affinity_of(matrix))
    assert found.twins == (("task1", "task3"),), "0 and 2 are near, but not near enough"
    assert found.nearest == {
        "task0": "task2",
        "task1": "task3",
        "task2": "task0",
        "task3": "task1",
        "task4": "task0",
    }


@PROPERTY
@given(SEEDS, st.integers(4, 10))
def test_permutation_equivariance(seed: int, n: int) -> None:
    matrix, order = kernel(seed, n), np.random.default_rng(seed).permutation(n)
    plain = AffinityDiagnostics.of(affinity_of(matrix))
    names = tuple(names_of(n)[i] for i in order)
    moved = AffinityDiagnostics.of(
        Affinity(names, matrix[np.ix_(order, order)], "jsd", np.empty((0, n, n)))
    )
    assert moved.nearest == plain.nearest
    assert {frozenset(pair) for pair in moved.twins} == {frozenset(pair) for pair in plain.twins}
    np.testing.assert_allclose(moved.row_sums, plain.row_sums[order])
    assert moved.additive_share == pytest.approx(plain.additive_share)
    assert moved.effective_rank == pytest.approx(plain.effective_rank)


def by_counting(matrix: np.ndarray, families: list[str]) -> float:
    n = len(families)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    same = [matrix[p] for p in pairs if families[p[0]] == families[p[1]]]
    other = [matrix[p] for p in pairs if families[p[0]] != families[p[1]]]
    wins = [1.0 if s > o else 0.5 if s == o else 0.0 for s, o in product(same, other)]
    return sum(wins) / len(wins)


@PROPERTY
@given(SEEDS, st.integers(4, 10))
def test_auc_is_the_share_of_pairs_in_order(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.round(kernel(seed, n), 1)  # ties
    families = [f"f{i % 2}" for i in rng.permutation(n)]
    names = dict(zip(names_of(n), families, strict=True))
    found = family_auc(affinity_of(matrix), names, replicas=20)
    assert found.auc == pytest.approx(by_counting(matrix, families))
    assert found.num_same + found.num_other == n * (n - 1) // 2


def test_auc_of_planted_families_and_of_none() -> None:
    families = {name: f"f{i // 4}" for i, name in enumerate(names_of(20))}
    labels = np.repeat(np.arange(5), 4)
    noise = np.random.default_rng(0).normal(size=(20, 20))
    noise = (noise + noise.T) / 2
    planted = 3.0 * (labels[:, None] == labels[None, :]) + noise
    found = family_auc(affinity_of(planted), families)
    assert found.auc > 0.95
    assert 0.8 < found.low <= found.auc <= found.high <= 1.0
    chance = family_auc(affinity_of(noise), families)
    assert chance.low < 0.5 < chance.high
    assert (found.num_same, found.num_other) == (30, 160)
    assert family_auc(affinity_of(noise), families) == chance, "same seed, same interval"


def test_auc_interval_uses_replicas_and_ignores_copies() -> None:
    """Two families of two; exact order in the matrix. Copies of one task would be their own, most
    similar, pair: the diagonal is made huge to show that it is never read."""
    matrix = np.array([[9e9, 1, 0, 0], [1, 9e9, 0, 0], [0, 0, 9e9, 1], [0, 0, 1, 9e9]])
    families = dict(zip(names_of(4), "aabb", strict=True))
    found = family_auc(affinity_of(matrix), families)
    assert (found.auc, found.low, found.high) == (1.0, 1.0, 1.0)
    replicas = np.array([matrix, -matrix])
    both = family_auc(affinity_of(matrix, replicas=replicas), families)
    assert (both.auc, both.low, both.high) == (1.0, 0.0, 1.0)


def test_auc_needs_both_kinds_of_pairs() -> None:
    for families in ({}, dict.fromkeys(names_of(4), "x"), {"task0": "a", "task1": "b"}):
        with pytest.raises(
            DataError, match="families: expected pairs of tasks of one family and of two"
        ):
            family_auc(affinity_of(np.eye(4)), families)
    partial = family_auc(affinity_of(kernel(0, 4)), {"task0": "a", "task1": "a", "task3": "b"})
    assert (partial.num_same, partial.num_other) == (1, 2)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_additive_share_in_any_unit(unit, recwarn):
    matrix = np.array(
        [[1, 0.5, 0.2, 0.1], [0.5, 1, 0.3, 0.4], [0.2, 0.3, 1, 0.6], [0.1, 0.4, 0.6, 1]]
    )
    plain = AffinityDiagnostics.of(affinity_of(matrix)).additive_share
    scaled = AffinityDiagnostics.of(affinity_of(unit * matrix)).additive_share
    assert scaled == pytest.approx(plain, rel=1e-9)
    assert not recwarn.list
