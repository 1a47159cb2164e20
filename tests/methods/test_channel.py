"""Capacity against a fine grid, Blahut and Arimoto's iteration, and channels whose capacity is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_cases import bounds_of, evidence_of_tasks

from mishran.energy import constraints
from mishran.errors import DataError
from mishran.methods import Distributions, Evidence, parse


def evidence_of(cells: np.ndarray) -> Evidence:
    """One probe, (n, P, V) distributions, all but the last token kept."""
    n, num, size = cells.shape
    names = tuple(f"t{i}" for i in range(n))
    found = Distributions(
        names,
        (names[0],) * num,
        np.zeros(num, dtype=np.int64),
        np.arange(num + 1) * (size - 1),
        cells[:, :, :-1].reshape(n, -1).astype(np.float32),
        cells[:, :, -1].astype(np.float32),
    )
    return Evidence(names, np.ones(n), np.ones(n), distributions=found)


def information(p: np.ndarray, cells: np.ndarray) -> float:
    """Mean over positions of sum_i p_i KL(P_i || mixture), in nats."""
    mixed = np.tensordot(p, cells, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(cells > 0, cells * np.log(cells / mixed), 0.0)
    return float(p @ terms.sum(axis=2).mean(axis=1))


def test_three_specialists_against_a_fine_grid():
    cells = np.random.default_rng(4).dirichlet(np.full(6, 0.5), (3, 5)).astype(np.float32)
    cells = cells.astype(float) / cells.sum(axis=2, keepdims=True, dtype=float)
    found = parse("capacity").solve(evidence_of(cells))
    steps = 200
    grid = [
        (information(np.array([i, j, steps - i - j]) / steps, cells), i / steps, j / steps)
        for i in range(steps + 1)
        for j in range(steps + 1 - i)
    ]
    best, *p = max(grid)
    assert best <= -found.objective + 1e-9 and best == pytest.approx(-found.objective, abs=1e-4)
    np.testing.assert_allclose(found.weights[:2], p, atol=0.02)
    assert information(found.weights, cells) == pytest.approx(-found.objective, abs=1e-6)


@pytest.mark.parametrize("n", [2, 6, 12])
def test_the_iteration_of_blahut_and_arimoto_ends_there(n):
    cells = np.random.default_rng(n).dirichlet(np.full(8, 0.3), (n, 9)).astype(np.float32)
    cells = cells.astype(float) / cells.sum(axis=2, keepdims=True, dtype=float)
    found = parse("capacity").solve(evidence_of(cells))
    p = np.full(n, 1.0 / n)
    for _ in range(20000):
        mixed = np.tensordot(p, cells, 1)
        terms = np.where(cells > 0, cells * np.log(np.where(cells > 0, cells, 1) / mixed), 0.0)
        p = p * np.exp(terms.sum(axis=2).mean(axis=1))
        p /= p.sum()
    assert information(p, cells) == pytest.approx(-found.objective, abs=1e-7)
    np.testing.assert_allclose(p, found.weights, atol=1e-4)


def test_specialists_who_never_agree_and_two_who_always_do():
    apart = np.repeat(np.eye(4)[:, None], 3, axis=1)
    found = parse("capacity").solve(evidence_of(apart))
    np.testing.assert_allclose(found.weights, 0.25, atol=1e-9)
    assert -found.objective == pytest.approx(np.log(4), abs=1e-12)
    alike = parse("capacity").solve(evidence_of(apart[[0, 0, 1]]))
    np.testing.assert_allclose(alike.weights, [0.25, 0.25, 0.5], atol=1e-9)
    same = parse("capacity").solve(evidence_of(apart[[0, 0, 0]]))
    np.testing.assert_allclose(same.weights, 1 / 3, atol=1e-9)
    assert same.objective == pytest.approx(0.0, abs=1e-12)


def test_at_the_optimum_all_who_have_a_share_are_equally_far():
    evidence = evidence_of_tasks(6, seed=2)
    found = parse("capacity").solve(evidence)
    sample = evidence.distributions
    cells = np.concatenate(
        [sample.probs.reshape(6, 12, 4), sample.tail[:, :, None]], axis=2, dtype=float
    )
    cells /= cells.sum(axis=2, keepdims=True)
    mixed = np.tensordot(found.weights, cells, 1)
    # Each task weighs the same, and so each probe: 12 positions, 2 a task.
    far = (cells * np.log(cells / mixed)).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(far[found.weights > 1e-6], -found.objective, atol=1e-9)
    assert far.max() <= -found.objective + 1e-9


def test_merging_tokens_only_lowers_it():
    cells = np.random.default_rng(0).dirichlet(np.full(7, 0.4), (4, 6))
    merged = np.concatenate([cells[:, :, :3], cells[:, :, 3:].sum(axis=2, keepdims=True)], axis=2)
    whole, part = (parse("capacity").solve(evidence_of(one)).objective for one in (cells, merged))
    assert part > whole
    rare = cells.copy()
    rare[:, :, 0] = 1e-10
    rare[:, :, -1] += 1.0 - rare.sum(axis=2)
    found = parse("capacity").solve(evidence_of(rare))
    assert -found.objective == pytest.approx(information(found.weights, rare), abs=1e-6)
    assert "at least" in found.notes[0] and "6 answer positions" in found.notes[0]


def test_tokens_that_only_one_knows_and_nobody_else():
    """A share of 0 where a specialist alone gives a token a chance: the search does not leave numbers."""
    cells = np.full((3, 2, 4), 1e-30)
    cells[0, :, 0], cells[1, :, 1], cells[2, :, :2] = 1.0, 1.0, 0.5
    cells[2, :, 2] = 1e-6
    cells[:, :, 3] = np.maximum(0.0, 1.0 - cells[:, :, :3].sum(axis=2))
    found = parse("capacity").solve(evidence_of(cells))
    np.testing.assert_allclose(found.weights[:2], 0.5, atol=1e-5)


def test_bounds_cost_information():
    evidence = evidence_of_tasks(5, seed=1)
    free = parse("capacity").solve(evidence).objective
    assert (
        parse("capacity").solve(replace(evidence, constraints=bounds_of(evidence))).objective > free
    )
    names = evidence.names
    none = constraints(names, caps={names[0]: 0.0, names[3]: 0.0})
    found = parse("capacity").solve(replace(evidence, constraints=none))
    assert found.weights[0] == found.weights[3] == 0.0


@pytest.mark.parametrize("field", ["probs", "tail"])
def test_distributions_that_are_none(field):
    evidence = evidence_of_tasks()
    array = getattr(evidence.distributions, field).copy()
    array[1, 8] += 0.1
    broken = replace(evidence, distributions=replace(evidence.distributions, **{field: array}))
    position = 8 if field == "tail" else 2
    with pytest.raises(DataError, match=rf"a sum of 1\.1 for task1 at position {position}"):
        parse("capacity").solve(broken)
    array[1, 8] = -0.05
    broken = replace(evidence, distributions=replace(evidence.distributions, **{field: array}))
    with pytest.raises(DataError, match="expected probabilities that sum to 1"):
        parse("capacity").solve(broken)
