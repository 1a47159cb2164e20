"""The JSD: a divergence in [0, 1], zero only between equals, and a kernel on a shared pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affinity_cases import PROPERTY, SEEDS, divergence_table, log_probs, names_of, pool
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from mishran.affinity import jsd, jsd_affinity, pairwise_jsd
from mishran.errors import DataError
from mishran.types import DivergenceTable


@PROPERTY
@given(SEEDS, st.integers(2, 6), st.integers(2, 50))
def test_equal_to_scipy_pair_by_pair(seed: int, n: int, vocab: int) -> None:
    logs = log_probs(np.random.default_rng(seed), n, 3, vocab)
    found = pairwise_jsd(logs)
    pairs = list(zip(*np.triu_indices(n, 1), strict=True))
    for token in range(3):
        for k, (i, j) in enumerate(pairs):
            p, q = np.exp(logs[i, token]), np.exp(logs[j, token])
            with np.errstate(invalid="ignore"):
                expected = jensenshannon(p, q, base=2) ** 2
            # SciPy's sum can fall below 0 between equals, whose root is NaN.
            expected = 0.0 if np.isnan(expected) else expected
            assert found[token, k] == pytest.approx(expected, abs=1e-12)


@PROPERTY
@given(SEEDS, st.integers(2, 6), st.integers(2, 50))
def test_between_zero_and_one(seed: int, n: int, vocab: int) -> None:
    found = pairwise_jsd(log_probs(np.random.default_rng(seed), n, 4, vocab))
    assert found.min() >= 0.0
    assert found.max() <= 1.0


@PROPERTY
@given(SEEDS, st.integers(2, 30), st.floats(1e-12, 1e-3))
def test_zero_only_between_equals(seed: int, vocab: int, change: float) -> None:
    """Equal distributions give exactly 0; a change of 1e-12 nats already does not."""
    one = log_probs(np.random.default_rng(seed), 1, 2, vocab)[0]
    assert (pairwise_jsd(np.array([one, one])) == 0.0).all()
    p = np.full(vocab, 1.0 / vocab)
    tilt = np.where(np.arange(vocab) % 2, change, -change)
    tilt -= tilt.mean()
    found = pairwise_jsd(np.log(np.array([[p], [p * (1 + tilt)]])))[0, 0]
    expected = (p * tilt**2).sum() / 8 / np.log(2)
    assert found == pytest.approx(expected, rel=5e-3)
    assert found > 0


@PROPERTY
@given(SEEDS, st.integers(2, 6))
def test_symmetric_and_permutation_equivariant(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    logs, order = log_probs(rng, n, 2, 20), rng.permutation(n)
    rows, columns = np.triu_indices(n, 1)
    square = np.zeros((2, n, n))
    square[:, rows, columns] = pairwise_jsd(logs)
    square += square.transpose(0, 2, 1)
    moved = pairwise_jsd(logs[order])
    np.testing.assert_allclose(moved, square[:, order[rows], order[columns]], rtol=0, atol=1e-15)


def test_opposites_are_one_and_far_tails_count() -> None:
    with np.errstate(divide="ignore"):
        opposed = np.log(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    assert pairwise_jsd(opposed)[0, 0] == 1.0
    tails = np.array([[[0.0, -40.0]], [[0.0, -70.0]]])
    expected = np.exp(-40.0) / 2  # all of it in one word, in units of ln 2
    assert pairwise_jsd(tails)[0, 0] == pytest.approx(expected, rel=1e-6), "no clipping at e^-27.6"


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = log_probs(np.random.default_rng(0), 4, 5, 97)
    whole = pairwise_jsd(logs)
    monkeypatch.setattr(jsd, "TILE", 4 * 5 * 7)
    np.testing.assert_allclose(pairwise_jsd(logs), whole, rtol=1e-13)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: x * 1.5, "a sum of .* for specialist 0 at token 0; apply log_softmax"),
        (
            lambda x: np.where(x == x[1, 2, 0], np.nan, x),
            "a sum of nan for specialist 1 at token 2",
        ),
    ],
)
def test_logits_and_nan_are_refused(spoil, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=words):
        pairwise_jsd(spoil(log_probs(np.random.default_rng(1), 2, 3, 9)))


@PROPERTY
@given(SEEDS, st.integers(2, 12), st.integers(2, 40))
def test_kernel_on_a_shared_pool(seed: int, n: int, vocab: int) -> None:
    logs = log_probs(np.random.default_rng(seed), n, 2 * n, vocab)
    tasks, ids = pool(n, 2)
    affinity = jsd_affinity(DivergenceTable(names_of(n), tasks, ids, pairwise_jsd(logs)), 5)
    for matrix in (affinity.matrix, *affinity.replicas):
        assert np.linalg.eigvalsh(matrix)[0] >= -1e-9
        assert (np.diag(matrix) == 1.0).all()
        np.testing.assert_array_equal(matrix, matrix.T)
    assert affinity.repairs == ()
    assert affinity.kind == "jsd"


def test_every_task_weighs_the_same() -> None:
    """Task a has one probe and b three: J is the mean of the two means, by hand."""
    table = DivergenceTable(
        ("a", "b"), ("a", "b", "b", "b"), ("1", "1", "2", "3"), [[0.2], [0.4], [0.5], [0.9]]
    )
    assert jsd_affinity(table).matrix[0, 1] == pytest.approx(1 - (0.2 + 0.6) / 2)


def test_tasks_that_are_only_probed_count() -> None:
    tasks, ids = ("a", "b", "judge"), ("1", "1", "1")
    table = DivergenceTable(("a", "b"), tasks, ids, [[0.0], [0.0], [0.9]])
    assert jsd_affinity(table, 0).matrix[0, 1] == pytest.approx(0.7)


@PROPERTY
@given(SEEDS, st.integers(2, 6))
def test_order_of_tasks_and_probes_does_not_matter(seed: int, n: int) -> None:
    """Neither for the matrix nor for the replicas, which are drawn by name and id."""
    rng = np.random.default_rng(seed)
    table = divergence_table(rng, n)
    base = jsd_affinity(table, 7, seed=3)
    order, shuffle = rng.permutation(n), rng.permutation(len(table.probe_id))
    rows, columns = np.triu_indices(n, 1)
    column_of = np.zeros((n, n), dtype=int)
    column_of[rows, columns] = column_of[columns, rows] = np.arange(len(rows))
    moved = jsd_affinity(
        DivergenceTable(
            tuple(table.specialists[i] for i in order),
            tuple(table.probe_task[i] for i in shuffle),
            tuple(table.probe_id[i] for i in shuffle),
            table.jsd[shuffle][:, column_of[order[rows], order[columns]]],
        ),
        7,
        seed=3,
    )
    np.testing.assert_allclose(moved.matrix, base.matrix[np.ix_(order, order)], atol=1e-14)
    np.testing.assert_allclose(moved.replicas, base.replicas[:, order][:, :, order], atol=1e-14)


def test_rounding_is_clipped_and_recorded_and_more_is_left_alone() -> None:
    """Two specialists that agree, and a third: float32 noise of 3e-7 against a wrong table."""
    tasks, ids = pool(3, 1)

    def table(noise: float) -> DivergenceTable:
        return DivergenceTable(names_of(3), tasks, ids, [[0.0, 0.5 - noise, 0.5 + noise]] * 3)

    clipped = jsd_affinity(table(1e-4), 4)
    assert [r.name for r in clipped.repairs] == ["rounding"]
    repair = clipped.repairs[0]
    raw = np.array([[1, 1, 0.5 + 1e-4], [1, 1, 0.5 - 1e-4], [0.5 + 1e-4, 0.5 - 1e-4, 1]])
    lowest = np.linalg.eigvalsh(raw)[0]
    assert -3e-6 < lowest < 0
    assert repair.amount == pytest.approx(-lowest)
    assert "set to 0, diagonal scaled back to 1" in repair.detail
    for matrix in (clipped.matrix, *clipped.replicas):
        assert np.linalg.eigvalsh(matrix)[0] >= -1e-14
        assert (np.diag(matrix) == 1.0).all()
    wrong = jsd_affinity(table(0.1), 0)
    assert wrong.repairs == ()
    assert np.linalg.eigvalsh(wrong.matrix)[0] < -1e-3


def test_impossible_divergences_are_refused() -> None:
    table = divergence_table(np.random.default_rng(0), 3)
    for value in (1.1, -0.1, np.nan):
        spoilt = table.jsd.copy()
        spoilt[5, 1] = value
        with pytest.raises(
            DataError,
            match=f"example id001 of task1: expected divergences between 0 and 1 .* found {value} "
            "between task0 and task2",
        ):
            jsd_affinity(replace(table, jsd=spoilt))
    with pytest.raises(DataError, match="at least one probe example, found none"):
        jsd_affinity(DivergenceTable(("a", "b"), (), (), np.empty((0, 1))))


def test_a_single_specialist() -> None:
    affinity = jsd_affinity(DivergenceTable(("a",), ("a",), ("1",), np.empty((1, 0))), 3)
    assert affinity.matrix.tolist() == [[1.0]]
    assert affinity.replicas.shape == (3, 1, 1)
