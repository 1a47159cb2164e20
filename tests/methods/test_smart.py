"""SMART: its set functions from their definitions, greedy against brute force, its shares."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from evidence_cases import evidence_of_tasks

from mishran.errors import ConfigError, DataError, EnergyError
from mishran.methods import Embeddings, parse
from mishran.methods.smart import cosines, greedy, marginal_gains
from mishran.types import Affinity

KINDS = ["graph-cut", "facility-location", "log-det"]


def value(kind: str, similar: np.ndarray, chosen: tuple[int, ...], cut: float) -> float:
    """The set function as its paper writes it."""
    n, chosen = len(similar), list(chosen)
    if not chosen:
        return 0.0
    if kind == "graph-cut":
        between = sum(similar[i, j] for i in range(n) for j in chosen)
        return between - cut * sum(similar[i, j] for i in chosen for j in chosen)
    if kind == "facility-location":
        return sum(max(similar[i, j] for j in chosen) for i in range(n))
    return float(np.linalg.slogdet(np.eye(len(chosen)) + similar[np.ix_(chosen, chosen)])[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [4, 8, 10])
def test_greedy_against_brute_force(kind, n):
    similar = evidence_of_tasks(n, seed=n).affinities["jsd"].matrix
    order, gains = greedy(similar, kind, 0.4, n)
    assert sorted(order) == list(range(n))
    for k in range(n):
        before = tuple(order[:k])
        here = value(kind, similar, before, 0.4)
        others = [value(kind, similar, (*before, j), 0.4) - here for j in order[k:]]
        assert gains[k] == pytest.approx(others[0], abs=1e-9)
        assert gains[k] >= max(others) - 1e-9
        best = max(value(kind, similar, some, 0.4) for some in combinations(range(n), k + 1))
        assert here + gains[k] >= (1 - np.exp(-1)) * best - 1e-9
    assert (gains >= -1e-12).all() and (np.diff(gains) <= 1e-9).all()


@pytest.mark.parametrize("kind", KINDS)
def test_marginal_gains_of_any_set(kind):
    similar = evidence_of_tasks(7).affinities["jsd"].matrix
    for chosen in ([], [3], [5, 0, 2]):
        found = marginal_gains(similar, kind, 0.25, chosen)
        for j in set(range(7)) - set(chosen):
            more = value(kind, similar, (*chosen, j), 0.25)
            assert found[j] == pytest.approx(more - value(kind, similar, tuple(chosen), 0.25))


def test_shares_follow_the_gains():
    evidence = evidence_of_tasks()
    similar = evidence.affinities["jsd"].matrix
    order, gains = greedy(similar, "graph-cut", 0.4, 5)
    shares = np.empty(5)
    shares[order] = 1 + gains + gains**2 / 2
    found = parse("smart").solve(evidence)
    np.testing.assert_allclose(found.weights, shares / shares.sum(), rtol=1e-12)
    few = parse("smart:tasks=2").solve(evidence)
    assert set(np.flatnonzero(few.weights)) == set(order[:2])
    other = replace(evidence.affinities["jsd"], matrix=evidence.affinities["jsd"].replicas[1])
    again = parse("smart").solve(replace(evidence, affinities={"jsd": other}))
    np.testing.assert_array_equal(found.replicas[1], again.weights)


def test_cosines_of_mean_states():
    evidence = evidence_of_tasks(4)
    similar, drawn = cosines(evidence.embeddings, evidence)
    states, task = evidence.embeddings.states, np.array(evidence.embeddings.task)
    a, b = (states[task == name].mean(axis=0) for name in ("task1", "task3"))
    assert similar[1, 3] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)))
    np.testing.assert_allclose(np.diagonal(similar), 1.0)
    assert drawn.shape == (4, 4, 4) and drawn.std(axis=0)[0, 1] > 0
    far = replace(evidence, embeddings=Embeddings(evidence.embeddings.task, states * 50))
    np.testing.assert_allclose(cosines(far.embeddings, far)[0], similar)


def test_what_it_refuses():
    with pytest.raises(ConfigError, match=r"a cut between 0 and 0\.5.*found 0\.7"):
        parse("smart:cut=0.7")
    with pytest.raises(ConfigError, match="at least one task, found 0"):
        parse("smart:tasks=0")
    evidence = evidence_of_tasks(3)
    states = evidence.embeddings
    less = replace(evidence, embeddings=Embeddings(("task0",) * 21, states.states[:21]))
    with pytest.raises(
        DataError, match="task task1: expected embeddings of every task, found none"
    ):
        parse("smart:over=embeddings").solve(less)
    zero = Embeddings(states.task, states.states * (np.array(states.task) != "task2")[:, None])
    with pytest.raises(DataError, match=r"task task2: .*found a mean of 0"):
        parse("smart:over=embeddings").solve(replace(evidence, embeddings=zero))
    wild = Affinity(evidence.names, -3.0 * np.eye(3), "jsd", np.empty((0, 3, 3)))
    with pytest.raises(EnergyError, match="a positive semi-definite similarity for log-det"):
        parse("smart:kind=log-det").solve(replace(evidence, affinities={"jsd": wild}))
