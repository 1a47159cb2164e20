"""MixMin against a conic solver and against expectation maximisation; what it does with targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from convex_oracles import best_likelihood
from evidence_cases import bounds_of, evidence_of_tasks

from mishran.energy import constraints, simplex
from mishran.errors import ConfigError, DataError
from mishran.methods import Evidence, parse
from mishran.types import ScoreTable


def own_nats(evidence: Evidence, per: str) -> tuple[np.ndarray, np.ndarray]:
    """Nats at the probes of trained tasks, and even weights."""
    scores = evidence.scores
    used = [k for k, task in enumerate(scores.probe_task) if task in evidence.names]
    nats = scores.nats[:, used]
    if per == "token":
        nats = nats / scores.tokens[used]
    return nats, np.full(len(used), 1.0 / len(used))


@pytest.mark.parametrize("per", ["answer", "token"])
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("n", [2, 5, 9])
def test_mixmin_is_what_a_conic_solver_finds(n, bounded, per):
    evidence = evidence_of_tasks(n, seed=3, replicas=0)
    box = bounds_of(evidence, 0.4 / n) if bounded else simplex(evidence.names)
    found = parse(f"mixmin:per={per}").solve(replace(evidence, constraints=box))
    nats, weights = own_nats(evidence, per)
    value, p = best_likelihood(nats, weights, box)
    assert found.objective == pytest.approx(value, abs=1e-8)
    np.testing.assert_allclose(found.weights, p, atol=1e-4)
    mixed = -weights @ np.log(found.weights @ np.exp(-nats))
    assert found.objective == pytest.approx(mixed, abs=1e-12)


def test_mixmin_is_a_fixed_point_of_expectation_maximisation():
    evidence = evidence_of_tasks(6, seed=1, replicas=0)
    found = parse("mixmin").solve(evidence)
    nats, weights = own_nats(evidence, "answer")
    shares = found.weights[:, None] * np.exp(-nats)
    again = (shares / shares.sum(axis=0)) @ weights
    np.testing.assert_allclose(again, found.weights, atol=1e-9)
    p = np.full(6, 1 / 6)
    for _ in range(3000):
        shares = p[:, None] * np.exp(-nats)
        p = (shares / shares.sum(axis=0)) @ weights
    np.testing.assert_allclose(p, found.weights, atol=1e-6)


def test_answers_that_others_find_impossible():
    """Differences of hundreds of nats, which no exponential holds."""
    n, m = 3, 4
    names = ("a", "b", "c")
    tasks = tuple(name for name in names for _ in range(m))
    nats = np.where(np.repeat(np.eye(n), m, axis=1) > 0, 3.0, 900.0)
    scores = ScoreTable(
        names, tasks, tuple(map(str, range(n * m))), nats, nats.max(axis=0), np.ones(n * m)
    )
    evidence = Evidence(names, np.ones(3), np.ones(3), scores=scores, replicas=3)
    found = parse("mixmin:targets=a*3:targets=b").solve(evidence)
    np.testing.assert_allclose(found.weights, [0.75, 0.25, 0.0], atol=1e-12)
    assert found.objective == pytest.approx(3.0 - 0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    np.testing.assert_allclose(found.replicas, np.tile([0.75, 0.25, 0.0], (3, 1)), atol=1e-9)
    none = constraints(names, caps={"a": 0.0})
    found = parse("mixmin").solve(replace(evidence, constraints=none))
    np.testing.assert_allclose(found.weights, [0.0, 0.5, 0.5], atol=1e-9)


def test_replicas_are_mixtures_of_other_probes():
    evidence = evidence_of_tasks(5, replicas=60)
    found = parse("mixmin:per=token").solve(evidence)
    assert found.replicas.std(axis=0).max() > 1e-3
    low, high = found.intervals
    assert (low <= high).all() and ((low <= found.weights) & (found.weights <= high)).mean() >= 0.8
    alone = parse("mixmin:per=token").solve(replace(evidence, replicas=0))
    assert alone.intervals is None and np.array_equal(alone.weights, found.weights)


def test_targets_that_are_no_probed_tasks():
    evidence = evidence_of_tasks()
    with pytest.raises(ConfigError, match=r"found 'wached'; did you mean 'watched'\?"):
        parse("mixmin:targets=wached").solve(evidence)
    with pytest.raises(ConfigError, match="expected every target once, found task0 twice"):
        parse("mixmin:targets=task0:targets=task0*2")
    for text in ("task0*0", "task0*x", "task0*-1", "task0*inf"):
        with pytest.raises(ConfigError, match="a target, or target\\*weight with a weight above 0"):
            parse(f"mixmin:targets={text}")


def test_scores_that_are_not_finite():
    evidence = evidence_of_tasks()
    nats = evidence.scores.nats.copy()
    nats[2, 7] = np.nan
    broken = replace(evidence, scores=replace(evidence.scores, nats=nats))
    with pytest.raises(DataError, match=r"example task1-1: expected finite scores.*nan from task2"):
        parse("mixmin").solve(broken)
