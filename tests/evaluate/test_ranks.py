"""Rank agreement: SciPy's rho, invariance to anything monotone, intervals that cover, and none at all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mishran.evaluate import ranks
from mishran.evaluate.ranks import Agreement, advantage, agreement, spearman


def pair(rng, n: int, r: float) -> tuple[np.ndarray, np.ndarray]:
    one, noise = rng.standard_normal((2, n))
    return one, r * one + np.sqrt(1 - r * r) * noise


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_rho_is_scipys_with_ties_and_without(n, levels):
    rng = np.random.default_rng(n)
    for _ in range(20):
        one, other = rng.integers(0, levels, (2, n)).astype(float)
        constant = np.ptp(one) == 0 or np.ptp(other) == 0
        found = float(spearman(one, other))
        if constant:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)


def test_many_at_once_are_each_alone():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 3, 4, 9))
    found = spearman(one, other)
    assert found.shape == (3, 4)
    assert found[2, 1] == spearman(one[2, 1], other[2, 1])


def test_only_the_order_counts():
    rng = np.random.default_rng(1)
    one, other = pair(rng, 15, 0.7)
    found = agreement(one, other)
    assert found == agreement(np.exp(3 * one), other**3)
    turned = agreement(-one, other)
    assert turned.rho == -found.rho
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert agreement(one, other) == agreement(other, one)


def test_the_interval_covers(monkeypatch):
    """95 % of 150 samples, three standard errors below; the true rho of normal pairs is known."""
    monkeypatch.setattr(ranks, "REPLICAS", 400)
    rng = np.random.default_rng(2)
    for r in (0.0, 0.9):
        true, hits = 6 / np.pi * np.arcsin(r / 2), 0
        for seed in range(150):
            found = agreement(*pair(rng, 20, r), seed=seed)
            hits += found.low <= true <= found.high
        assert hits / 150 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 150)


def test_a_difference_is_paired():
    """Between twins it is 0 without any width, and far narrower between kin than between strangers."""
    rng = np.random.default_rng(3)
    one, true = pair(rng, 20, 0.6)
    assert advantage(one, one, true) == Agreement(0.0, None, None, 20)
    kin, stranger = one + 0.1 * rng.standard_normal(20), pair(rng, 20, 0.0)[0]
    near, far = advantage(one, kin, true), advantage(one, stranger, true)
    assert near.high - near.low < 0.5 * (far.high - far.low)
    assert far.rho == pytest.approx(agreement(one, true).rho - agreement(stranger, true).rho)
    back = advantage(stranger, one, true)
    assert (back.low, back.high) == pytest.approx((-far.high, -far.low))


def test_where_there_is_none():
    """A constant prediction has no order; few things have draws without one; a perfect one no spread."""
    up = np.arange(4.0)
    assert agreement(np.ones(4), up) == Agreement(None, None, None, 4)
    assert advantage(np.ones(4), up, up) == Agreement(None, None, None, 4)
    assert agreement(up, up[[0, 1, 3, 2]]) == Agreement(pytest.approx(0.8), None, None, 4)
    many = np.arange(30.0)
    assert agreement(many, many) == Agreement(1.0, None, None, 30)


def test_the_same_draws_every_time(monkeypatch):
    rng = np.random.default_rng(4)
    one, other = pair(rng, 12, 0.5)
    assert agreement(one, other, seed=5) == agreement(one, other, seed=5)
    assert agreement(one, other, seed=5) != agreement(one, other, seed=6)
    monkeypatch.setattr(ranks, "REPLICAS", 20000)
    more = agreement(one, other, seed=7)
    monkeypatch.undo()
    assert agreement(one, other).low == pytest.approx(more.low, abs=0.1)
