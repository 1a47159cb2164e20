"""PMI affinity by hand, its range, and what it ignores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affinity_cases import PROPERTY, SEEDS, score_table
from hypothesis import given
from hypothesis import strategies as st

from mishran.affinity import pmi_affinity
from mishran.errors import ConfigError, DataError
from mishran.types import ScoreTable

# Three tasks, one probe each but two of b; nats by specialist (row) and probe (column).
BY_HAND = ScoreTable(
    specialists=("a", "b", "c"),
    probe_task=("a", "b", "b", "c"),
    probe_id=("1", "1", "2", "1"),
    nats=[[2.0, 6.0, 9.0, 5.0], [4.0, 2.0, 3.0, 8.0], [10.0, 8.0, 6.0, 1.0]],
    base_nats=[12.0, 8.0, 9.0, 10.0],
    tokens=[2, 2, 3, 1],
)


def test_mean_by_hand() -> None:
    """L per token: a on a -1, on b -(3+3)/2, on c -5; b: -2, -1, -8; c: -5, -(4+2)/2, -1."""
    matrix = pmi_affinity(BY_HAND, "mean").matrix
    np.testing.assert_allclose(np.diag(matrix), 0.0)
    assert matrix[0, 1] == pytest.approx(((-3 + 1) + (-2 + 1)) / 2)
    assert matrix[0, 2] == pytest.approx(((-5 + 1) + (-5 + 1)) / 2)
    assert matrix[1, 2] == pytest.approx(((-8 + 1) + (-3 + 1)) / 2)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_sum_by_hand() -> None:
    """L: a on a -2, on b -7.5, on c -5; b: -4, -2.5, -8; c: -10, -7, -1."""
    matrix = pmi_affinity(BY_HAND, "sum").matrix
    assert matrix[0, 1] == pytest.approx(((-7.5 + 2.5) + (-4 + 2)) / 2)
    assert matrix[0, 2] == pytest.approx(((-5 + 1) + (-10 + 2)) / 2)
    assert matrix[1, 2] == pytest.approx(((-8 + 1) + (-7 + 2.5)) / 2)


def test_base_by_hand() -> None:
    """Gains per token over the base, 6, (4, 3), 10: a 5, (1 + 0)/2, 5; b 4, (3+2)/2, 2; c 1, .5, 9."""
    matrix = pmi_affinity(BY_HAND, "base").matrix
    np.testing.assert_allclose(np.diag(matrix), [5.0, 2.5, 9.0])
    assert matrix[0, 1] == pytest.approx((0.5 + 4) / 2)
    assert matrix[0, 2] == pytest.approx((5 + 1) / 2)
    assert matrix[1, 2] == pytest.approx((2 + 0.5) / 2)
    assert pmi_affinity(BY_HAND, "base").kind == "pmi-base"


@pytest.mark.parametrize(("variant", "expected"), [("mean", 3.75), ("sum", 7.5), ("base", 3.75)])
@pytest.mark.parametrize("start", [0.0, 40.0, 400.0])
def test_thirty_nats_more_move_s_as_they_should(variant, expected, start) -> None:  # type: ignore[no-untyped-def]
    """Probabilities are never formed: 40 and 70 nats differ as much as 0 and 30 do.

    Of b's two probes, one of 2 tokens costs specialist a 30 nats more: L_ab falls by 15 nats, or
    7.5 per token, and S_ab by half of that.
    """
    nats = BY_HAND.nats.copy()
    nats[0, 1] += start
    before = pmi_affinity(replace(BY_HAND, nats=nats), variant, 0).matrix
    nats[0, 1] += 30.0
    after = pmi_affinity(replace(BY_HAND, nats=nats), variant, 0).matrix
    shift = np.zeros((3, 3))
    shift[0, 1] = shift[1, 0] = -expected
    np.testing.assert_allclose(after - before, shift, atol=1e-12)


@PROPERTY
@given(SEEDS, st.integers(1, 6), st.sampled_from(["mean", "sum", "base"]))
def test_tasks_without_a_specialist_are_ignored(seed: int, n: int, variant: str) -> None:
    table = score_table(np.random.default_rng(seed), n, extra=2)
    kept = [i for i, task in enumerate(table.probe_task) if task in table.specialists]
    alone = ScoreTable(
        table.specialists,
        tuple(table.probe_task[i] for i in kept),
        tuple(table.probe_id[i] for i in kept),
        table.nats[:, kept],
        table.base_nats[kept],
        table.tokens[kept],
    )
    full, part = pmi_affinity(table, variant, 5), pmi_affinity(alone, variant, 5)  # type: ignore[arg-type]
    np.testing.assert_array_equal(full.matrix, part.matrix)
    np.testing.assert_array_equal(full.replicas, part.replicas)


@PROPERTY
@given(SEEDS, st.integers(2, 6), st.sampled_from(["mean", "sum", "base"]))
def test_order_does_not_matter(seed: int, n: int, variant: str) -> None:
    rng = np.random.default_rng(seed)
    table = score_table(rng, n)
    order, shuffle = rng.permutation(n), rng.permutation(len(table.probe_id))
    moved = ScoreTable(
        tuple(table.specialists[i] for i in order),
        tuple(table.probe_task[i] for i in shuffle),
        tuple(table.probe_id[i] for i in shuffle),
        table.nats[order][:, shuffle],
        table.base_nats[shuffle],
        table.tokens[shuffle],
    )
    base, other = (pmi_affinity(t, variant, 6, seed=2) for t in (table, moved))  # type: ignore[arg-type]
    np.testing.assert_allclose(other.matrix, base.matrix[np.ix_(order, order)], atol=1e-12)
    np.testing.assert_allclose(other.replicas, base.replicas[:, order][:, :, order], atol=1e-12)


def test_best_own_specialist_means_no_positive_entry() -> None:
    """When each specialist is the best on its own task, S is at most 0 and twins are at 0."""
    nats = np.array([[1.0, 1.0, 5.0], [1.0, 1.0, 5.0], [4.0, 4.0, 1.0]])
    table = ScoreTable(
        ("a", "b", "c"), ("a", "b", "c"), ("1",) * 3, nats, np.full(3, 6.0), [1, 1, 1]
    )
    matrix = pmi_affinity(table).matrix
    assert matrix.max() == 0.0
    assert matrix[0, 1] == 0.0
    assert matrix[0, 2] == pytest.approx(-3.5)


def test_refused() -> None:
    with pytest.raises(ConfigError, match="one of mean, sum, base, found 'median'"):
        pmi_affinity(BY_HAND, "median")  # type: ignore[arg-type]
    table = replace(BY_HAND, probe_task=("a", "b", "b", "b"))
    with pytest.raises(
        DataError, match="score table, task c: expected probe examples of every task"
    ):
        pmi_affinity(table)
    with pytest.raises(
        DataError, match="example 2 of b: expected at least one answer token, found 0"
    ):
        pmi_affinity(replace(BY_HAND, tokens=[2, 2, 0, 1]))
    nats = BY_HAND.nats.copy()
    nats[1, 3] = np.inf
    with pytest.raises(
        DataError, match=r"example 1 of c: expected a finite score .* found inf from b"
    ):
        pmi_affinity(replace(BY_HAND, nats=nats))
    base = [12.0, 8.0, np.nan, 10.0]
    with pytest.raises(DataError, match="found nan from the base model"):
        pmi_affinity(replace(BY_HAND, base_nats=base))
