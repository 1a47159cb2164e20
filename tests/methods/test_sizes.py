"""Methods that read sizes alone: their rules, their limits, and who they agree with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_cases import evidence_of_tasks
from hypothesis import given, settings
from hypothesis import strategies as st

from mishran.errors import ConfigError, InfeasibleError
from mishran.methods import Budget, Evidence, parse

SIZES = st.lists(st.integers(1, 10**6), min_size=1, max_size=12)
PROPERTY = settings(derandomize=True, deadline=None, max_examples=60, database=None)


def of_sizes(rows, tokens=None, **more) -> Evidence:
    names = tuple(f"t{i}" for i in range(len(rows)))
    return Evidence(
        names, np.array(rows, float), np.ones(len(rows)) if tokens is None else tokens, **more
    )


def weights(spec: str, evidence: Evidence) -> np.ndarray:
    return parse(spec).solve(evidence).weights


@given(SIZES, st.floats(0.05, 1.0), st.floats(0.5, 8.0))
@PROPERTY
def test_unimax_is_water_filling(rows, part, epochs):
    """The level found by bisection: min(level, epochs * size) adds up to the budget."""
    size = np.array(rows, dtype=float)
    budget = max(1, int(part * epochs * size.sum()))
    if budget > epochs * size.sum():
        return
    low, high = 0.0, float(epochs * size.max())
    for _ in range(200):
        level = (low + high) / 2
        low, high = (
            (low, level) if np.minimum(level, epochs * size).sum() > budget else (level, high)
        )
    filled = np.minimum(high, epochs * size)
    found = weights(f"unimax:epochs={epochs!r}", of_sizes(rows, budget=Budget(rows=budget)))
    np.testing.assert_allclose(found, filled / filled.sum(), atol=1e-9)
    assert (found * budget <= epochs * size * (1 + 1e-9)).all()


def test_unimax_by_hand():
    """100 for three: 10 are all there are of the first, 45 each for the others; of tokens the same."""
    found = weights("unimax:epochs=1", of_sizes([500, 10, 60], budget=Budget(rows=100)))
    np.testing.assert_allclose(found, [0.45, 0.1, 0.45])
    tokens = np.array([2.0, 5.0, 4.0])
    by_tokens = of_sizes([500, 10, 60], tokens, budget=Budget(tokens=300))
    shares = weights("unimax:epochs=1", by_tokens) * tokens
    np.testing.assert_allclose(shares / shares.sum(), np.array([125, 50, 125]) / 300)
    capped = of_sizes([500, 10, 60], budget=Budget(rows=100, max_epochs=1))
    np.testing.assert_allclose(weights("unimax", capped), [0.45, 0.1, 0.45])
    usual = weights("unimax", of_sizes([500, 10, 60], budget=Budget(rows=150)))
    np.testing.assert_allclose(usual, np.array([55, 40, 55]) / 150)  # four epochs of the small one


def test_unimax_refuses_more_than_there_is():
    with pytest.raises(
        InfeasibleError,
        match=r"at most 570 rows, 1 epochs of all, found 600 rows; write unimax:epochs=1\.05",
    ):
        weights("unimax:epochs=1", of_sizes([500, 10, 60], budget=Budget(rows=600)))
    with pytest.raises(ConfigError, match="epochs above 0, found -1"):
        parse("unimax:epochs=-1")


@given(SIZES, st.floats(0.2, 50))
@PROPERTY
def test_temperature_between_proportional_and_uniform(rows, tau):
    evidence = of_sizes(rows)
    size = np.array(rows, dtype=float)
    found = weights(f"temperature:tau={tau!r}", evidence)
    np.testing.assert_allclose(found, size ** (1 / tau) / (size ** (1 / tau)).sum(), rtol=1e-9)
    np.testing.assert_allclose(weights("temperature:tau=1", evidence), size / size.sum(), rtol=1e-9)
    np.testing.assert_allclose(weights("proportional", evidence), size / size.sum(), rtol=1e-12)
    np.testing.assert_allclose(weights("temperature:tau=1e9", evidence), 1 / len(rows), rtol=1e-6)
    assert (np.diff(found[np.argsort(size, kind="stable")]) >= -1e-12).all()


def test_units_are_shares_of_tokens():
    evidence = evidence_of_tasks()
    size, per_row = evidence.rows, evidence.mean_tokens
    even = weights("uniform:unit=tokens", evidence) * per_row
    np.testing.assert_allclose(even / even.sum(), 0.2)
    soft = weights("temperature:unit=tokens", evidence) * per_row
    wanted = (size * per_row) ** (1 / 3.33)
    np.testing.assert_allclose(soft / soft.sum(), wanted / wanted.sum())
    # In proportion is in proportion, in whatever unit: every row once is every token once.
    np.testing.assert_allclose(
        weights("temperature:tau=1:unit=tokens", evidence), weights("proportional", evidence)
    )
    with pytest.raises(ConfigError, match="a tau above 0"):
        parse("temperature:tau=0")


def test_random_mixtures_are_dirichlet_and_do_not_depend_on_company():
    evidence = evidence_of_tasks(4)
    assert np.array_equal(weights("random", evidence), weights("random:seed=0", evidence))
    assert not np.array_equal(weights("random", evidence), weights("random:seed=1", evidence))
    drawn = np.array([weights(f"random:seed={seed}", evidence) for seed in range(400)])
    np.testing.assert_allclose(drawn.mean(axis=0), 0.25, atol=0.04)
    # Of Dirichlet(1, 1, 1, 1) each has the variance 3 / 80.
    np.testing.assert_allclose(drawn.var(axis=0), 3 / 80, rtol=0.25)
    near = [weights(f"random:concentration=50:seed={seed}", evidence) for seed in range(50)]
    assert np.abs(np.array(near) - 0.25).max() < 0.2
    few = replace(
        evidence_of_tasks(4),
        **{"names": ("task0", "task1"), "rows": np.ones(2), "mean_tokens": np.ones(2)},
        affinities={},
        scores=None,
        curves=None,
        distributions=None,
        trials=None,
    )
    pair, all_four = weights("random", few), weights("random", evidence)
    assert pair[0] / pair[1] == pytest.approx(all_four[0] / all_four[1])
    with pytest.raises(ConfigError, match=r"a concentration of at least 0\.01"):
        parse("random:concentration=0")
    with pytest.raises(ConfigError, match="a seed of at least 0, found -2"):
        parse("random:seed=-2")
