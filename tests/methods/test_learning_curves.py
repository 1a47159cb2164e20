"""Fitted curves are convex and fall; the mixture they ask for against a conic solver and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from convex_oracles import best_decay, mixtures
from evidence_cases import POINTS, bounds_of, evidence_of_tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from mishran.energy import simplex
from mishran.errors import ConfigError
from mishran.methods import Budget, Curve, Trials, parse
from mishran.methods.convex import minimise
from mishran.methods.curves import Expected
from mishran.methods.decay import CONSTANTS, decays, fit_decay, pooled
from mishran.methods.shares import bounds_on_tokens, rows_of, tokens_of
from mishran.methods.transfer import fitted_scale, from_affinity, from_scores, relative
from mishran.types import ScoreTable

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60, database=None)
NATS = st.lists(st.floats(0.0, 20.0), min_size=len(POINTS), max_size=len(POINTS))


@given(NATS)
@PROPERTY
def test_whatever_was_measured_the_curve_is_convex_and_falls(nats):
    curve = decays([(POINTS, np.array(nats))])
    grid = np.concatenate([[0.0], np.geomspace(1.0, 1e6, 200)])
    values = np.array([curve.value(np.array([x]))[0] for x in grid])
    slopes = np.array([curve.slope(np.array([x]))[0] for x in grid])
    assert (values >= 0).all() and (np.diff(values) <= 1e-12).all()
    assert (slopes <= 0).all() and (np.diff(slopes) >= -1e-15).all()
    assert (curve.curvature(grid[:1]) >= 0).all()


@given(NATS)
@PROPERTY
def test_the_fit_is_the_least_squares_one(nats):
    """Another solver of the same problem leaves no smaller residual."""
    constant, amounts, times = fit_decay(POINTS, np.array(nats))
    weights = np.maximum(POINTS, POINTS[1] / 2) / POINTS[-1]
    atoms = np.column_stack([np.ones(6), np.exp(-POINTS[:, None] / times)]) * weights[:, None]
    other = lsq_linear(atoms, np.array(nats) * weights, bounds=(0, np.inf), method="bvls")
    ours = np.sum((atoms @ np.array([constant, *amounts]) - np.array(nats) * weights) ** 2)
    assert ours <= 2 * other.cost + 1e-9


def test_a_curve_of_the_family_is_found_again():
    times = np.geomspace(1e-3, 1.0, CONSTANTS) * POINTS[-1]
    nats = 1.5 + 2.0 * np.exp(-POINTS / times[20]) + 1.0 * np.exp(-POINTS / times[35])
    curve = decays([(POINTS, nats)])
    for tokens in (0.0, 50.0, 700.0, 5000.0, 20000.0):
        wanted = 1.5 + 2.0 * np.exp(-tokens / times[20]) + np.exp(-tokens / times[35])
        assert curve.value(np.array([tokens]))[0] == pytest.approx(wanted, abs=0.03)
    step = 1e-3
    for tokens in (10.0, 3000.0):
        at, after = (curve.value(np.array([x]))[0] for x in (tokens, tokens + step))
        assert curve.slope(np.array([tokens]))[0] == pytest.approx((after - at) / step, rel=1e-3)
        low, high = (curve.slope(np.array([x]))[0] for x in (tokens, tokens + step))
        assert curve.curvature(np.array([tokens]))[0] == pytest.approx(
            (high - low) / step, rel=1e-3
        )


def test_a_flat_or_rising_curve_is_flat_and_gets_only_its_floor():
    rising = decays([(POINTS, np.linspace(2.0, 3.0, 6))])
    assert rising.slope(np.array([0.0]))[0] == pytest.approx(0.0, abs=1e-12)
    evidence = evidence_of_tasks(4, replicas=0)
    flat = Curve("task2", POINTS, np.full(6, 2.0))
    curves = (*evidence.curves[:2], flat, evidence.curves[3])
    found = parse("curves").solve(replace(evidence, curves=curves))
    assert found.weights[2] == 0.0
    floored = parse("curves:floor=0.2").solve(replace(evidence, curves=curves))
    assert floored.weights[2] == pytest.approx(0.05)


@pytest.mark.parametrize("transfer", ["off", "affinity:scale=0.5", "scores", "off:pool=0.3"])
@pytest.mark.parametrize("budget", [Budget(rows=300), Budget(tokens=9000)])
@pytest.mark.parametrize("bounded", [False, True])
def test_the_mixture_is_what_a_conic_solver_finds(transfer, budget, bounded):
    n = 4
    evidence = replace(evidence_of_tasks(n, seed=5, replicas=0), budget=budget)
    box = bounds_of(evidence, 0.1) if bounded else simplex(evidence.names)
    found = parse(f"curves:transfer={transfer}").solve(replace(evidence, constraints=box))
    curve = decays([(c.tokens, c.nats) for c in evidence.curves])
    if transfer == "off:pool=0.3":
        curve = pooled(curve, 0.3)
    if transfer.startswith("off"):
        worth = np.eye(n)
    elif transfer == "scores":
        m = len(evidence.scores.probe_task)
        worth = from_scores(evidence.scores, curve, np.full(n, POINTS[-1]), np.full(m, 1.0 / m))
    else:
        worth = from_affinity(evidence.affinities["jsd"].matrix, 0.5)
    per_row = evidence.mean_tokens
    size = n + int((curve.amounts > 0).sum())
    if budget.rows:
        tokens = worth * per_row * budget.rows
        rows = mixtures(box, size)
    else:
        tokens = worth * budget.tokens
        equal, upper = mixtures(simplex(evidence.names), size)
        # low <= a'p <= high with p_i in proportion to z_i / m_i, written out by itself.
        for row, low, high in (
            *((np.eye(n)[i], box.lower[i], box.upper[i]) for i in range(n)),
            *((r, box.floors.get(k, -99), box.caps.get(k, 99)) for k, r in box.rows.items()),
        ):
            wide = np.zeros(size)
            wide[:n] = (low - row) / per_row
            upper.append((wide, 0.0))
            wide = np.zeros(size)
            wide[:n] = (row - high) / per_row
            upper.append((wide, 0.0))
        rows = equal, upper
    best = best_decay(curve.constant, curve.amounts, curve.times, tokens, rows, n)
    assert found.objective == pytest.approx(best, abs=1e-8)
    share = found.weights if budget.rows else tokens_of(found.weights, per_row)
    assert curve.value(tokens @ share).mean() == pytest.approx(found.objective, abs=1e-12)
    assert box.violation(found.weights) <= 1e-9


def test_pooled_curves_are_their_own_and_the_mean():
    evidence = evidence_of_tasks(4, seed=5)
    own = decays([(c.tokens, c.nats) for c in evidence.curves])
    both = pooled(own, 0.3)
    at = np.array([0.0, 70.0, 900.0, 4000.0])
    every = np.array([own.value(np.full(4, x)) for x in at])  # (task i's tokens, curve j)
    np.testing.assert_allclose(both.value(at), 0.7 * own.value(at) + 0.3 * every.mean(axis=1))
    step = 1e-3
    rise = (both.value(at + step) - both.value(at - step)) / (2 * step)
    np.testing.assert_allclose(both.slope(at), rise, rtol=1e-5)


@pytest.mark.parametrize("bounded", [False, True])
def test_wholly_pooled_curves_give_uniform_over_tokens_within_the_bounds(bounded):
    """No curve speaks for its own task any more: exchanging them changes nothing."""
    evidence = replace(evidence_of_tasks(4, replicas=0), budget=Budget(tokens=3000))
    box = bounds_of(evidence, 0.1) if bounded else simplex(evidence.names)
    found = parse("curves:pool=1").solve(replace(evidence, constraints=box))
    shares = tokens_of(found.weights, evidence.mean_tokens)
    if not bounded:
        np.testing.assert_allclose(shares, 0.25, atol=1e-6)
    swapped = tuple(
        replace(c, task=name) for c, name in zip(evidence.curves[::-1], evidence.names, strict=True)
    )
    other = parse("curves:pool=1").solve(replace(evidence, curves=swapped, constraints=box))
    np.testing.assert_allclose(found.weights, other.weights, atol=1e-6)


@pytest.mark.parametrize("rows", [10**5, 10**6, 10**9])
def test_far_beyond_what_specialists_saw_rows_are_spent_evenly_over_tokens(rows):
    """Every mixture is as good there to the last digit, and the evenest is taken."""
    evidence = replace(evidence_of_tasks(6, replicas=0), budget=Budget(rows=rows))
    sizes = 30.0 * 1.6 ** np.arange(6)
    found = parse("curves:pool=0.5").solve(replace(evidence, mean_tokens=sizes))
    shares = 6 * tokens_of(found.weights, sizes)
    assert np.abs(shares - 1.0).max() < (0.2 if rows == 10**5 else 0.02), shares


def test_two_tasks_by_hand():
    """One exponential each: at the optimum both slopes are equal."""
    evidence = evidence_of_tasks(2, replicas=0)
    times = np.geomspace(1e-3, 1.0, CONSTANTS) * POINTS[-1]
    curves = tuple(
        Curve(name, POINTS, 1.0 + top * np.exp(-POINTS / times[k]))
        for name, top, k in (("task0", 4.0, 25), ("task1", 2.0, 30))
    )
    one = replace(
        evidence, curves=curves, budget=Budget(tokens=1500), mean_tokens=np.array([10.0, 30.0])
    )
    found = parse("curves").solve(one)
    spent = tokens_of(found.weights, one.mean_tokens) * 1500
    slopes = [
        4 / times[25] * np.exp(-spent[0] / times[25]),
        2 / times[30] * np.exp(-spent[1] / times[30]),
    ]
    assert slopes[0] == pytest.approx(slopes[1], rel=0.02)


def test_transfer_moves_weight_to_what_helps_others():
    """Five equal tasks, of which the first helps all others and nobody helps the first."""
    names = tuple(f"task{i}" for i in range(5))
    curve = decays([(POINTS, 1.0 + 4.0 / (1.0 + POINTS / 500.0))] * 5)
    shares, losses = [], []
    for scale in (0.0, 0.05, 0.1, 0.2):
        worth = np.eye(5)
        worth[1:, 0] = scale
        p, proof = minimise(Expected(curve, worth * 2000.0), names)
        assert proof.gap <= 1e-9
        shares.append(p[0])
        losses.append(Expected(curve, worth * 2000.0).value(p))
    assert shares[0] == pytest.approx(0.2, abs=1e-9)
    assert (np.diff(shares) > 0.01).all() and (np.diff(losses) < 0.0).all()


def test_transfer_of_an_affinity():
    similar = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.6], [0.2, 0.6, 1.0]])
    by_hand = np.array([[0.0, 0.875, 0.0], [0.875, 0.0, 0.5], [0.0, 0.5, 0.0]])
    np.testing.assert_allclose(relative(similar), by_hand)
    np.testing.assert_allclose(from_affinity(similar, 0.2), np.eye(3) + 0.2 * by_hand)
    np.testing.assert_array_equal(relative(np.full((3, 3), 0.4)), 0.0)
    assert relative(np.ones((1, 1))).tolist() == [[0.0]]
    evidence = evidence_of_tasks(5, replicas=0)
    off = parse("curves").solve(evidence).weights
    none = parse("curves:transfer=affinity:scale=0").solve(evidence).weights
    np.testing.assert_allclose(none, off, atol=1e-9)


def test_transfer_is_read_off_the_scores():
    """Specialists that answer as if they had seen so many tokens of the other task."""
    n, rng = 4, np.random.default_rng(3)
    names = tuple(f"task{i}" for i in range(n))
    evidence = evidence_of_tasks(n)
    curve = decays([(c.tokens, c.nats) for c in evidence.curves])
    trained = np.full(n, POINTS[-1])
    true = rng.uniform(0.02, 0.4, (n, n))
    true[2, 1] = 0.0
    np.fill_diagonal(true, 1.0)
    said = np.stack([curve.value(true[:, j] * trained) for j in range(n)])  # (specialist, task)
    begin = curve.value(np.zeros(n))
    tokens = np.array([3, 5])
    scores = ScoreTable(
        names,
        tuple(name for name in names for _ in tokens),
        tuple(map(str, range(2 * n))),
        np.repeat(said, 2, axis=1) * np.tile(tokens, n),
        np.repeat(begin, 2) * np.tile(tokens, n),
        np.tile(tokens, n),
    )
    found = from_scores(scores, curve, trained, np.full(2 * n, 1 / (2 * n)))
    np.testing.assert_allclose(found, true, atol=1e-6)
    worse = replace(scores, nats=np.where(scores.nats > 0, scores.nats + 40.0, 0.0))
    np.testing.assert_array_equal(from_scores(worse, curve, trained, np.full(8, 1 / 8)), np.eye(n))


@pytest.mark.parametrize("true", [0.0, 0.016, 0.25, 0.8])
def test_the_scale_of_transfer_is_found_again(true):
    n, rng = 6, np.random.default_rng(7)
    evidence = evidence_of_tasks(n, replicas=100)
    curve = decays([(c.tokens, c.nats) for c in evidence.curves])
    similar = evidence.affinities["jsd"].matrix
    mixed = rng.dirichlet(np.ones(n), 4)
    tokens = np.full(4, 4000.0)
    seen = tokens_of(mixed, evidence.mean_tokens) * tokens[:, None] @ from_affinity(similar, true).T
    nats = np.array([curve.value(one) for one in seen]) + 0.3  # another schedule, another level
    exact = Trials(mixed, tokens, nats)
    found = fitted_scale(exact, curve, similar, evidence.mean_tokens, 50, rng)
    for one in (found.value, found.low, found.high):  # without noise, the nearest on the grid
        assert one == pytest.approx(true, abs=0.006)
    noisy = Trials(mixed, tokens, nats + 0.02 * rng.normal(size=nats.shape))
    found = fitted_scale(noisy, curve, similar, evidence.mean_tokens, 200, rng)
    assert found.low <= true <= found.high and found.high - found.low < 0.6
    proposal = parse("curves:transfer=fitted").solve(replace(evidence, trials=noisy))
    assert proposal.notes[0].startswith("scale of transfer ")


def test_intervals_come_from_the_examples_or_from_the_intervals_of_the_curve():
    evidence = evidence_of_tasks(4, replicas=40)
    own = parse("curves").solve(evidence)
    assert own.replicas.std(axis=0).max() > 1e-4
    means = tuple(replace(c, examples=None) for c in evidence.curves)
    assert parse("curves").solve(replace(evidence, curves=means)).replicas.std(axis=0).max() > 1e-4
    bare = tuple(replace(c, low=None, high=None) for c in means)
    known = parse("curves").solve(replace(evidence, curves=bare))
    np.testing.assert_allclose(known.replicas, np.tile(known.weights, (40, 1)), atol=1e-7)


def test_what_lies_beyond_the_curve_is_said():
    evidence = evidence_of_tasks(7, replicas=0)
    far = parse("curves").solve(replace(evidence, budget=Budget(tokens=10**7)))
    assert far.notes[0].startswith("beyond the measured part of the curve: task0, task1")
    assert far.notes[0].endswith("and 2 more")
    near = parse("curves").solve(replace(evidence, budget=Budget(tokens=5000)))
    assert near.notes == ()


def test_what_it_refuses():
    evidence = evidence_of_tasks(2)
    short = (evidence.curves[0], Curve("task1", np.array([0.0, 10.0]), np.array([2.0, 1.0])))
    with pytest.raises(
        ConfigError, match="three points of every learning curve, found 2 for task1"
    ):
        parse("curves").solve(replace(evidence, curves=short))
    none = (evidence.curves[0], Curve("task1", np.empty(0), np.empty(0)))
    with pytest.raises(ConfigError, match="found 0 for task1"):
        parse("curves").solve(replace(evidence, curves=none))
    for text in ("curves:scale=0.5", "curves:transfer=affinity:scale=2"):
        with pytest.raises(ConfigError, match=r"a scale in \[0, 1\] beside transfer=affinity"):
            parse(text)
    with pytest.raises(ConfigError, match=r"pool in \[0, 1\], found 2"):
        parse("curves:pool=2")
    one = Trials(np.full((1, 2), 0.5), np.ones(1), np.ones((1, 2)))
    with pytest.raises(ConfigError, match=r"at least two trials, to fit the scale.*found 1"):
        parse("curves:transfer=fitted").solve(replace(evidence, trials=one))


@given(st.integers(0, 2**32 - 1))
@PROPERTY
def test_bounds_on_tokens_allow_the_same_mixtures(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    evidence = evidence_of_tasks(n)
    box = bounds_of(evidence, float(rng.uniform(0, 0.4 / n)))
    box = replace(box, upper=np.where(rng.random(n) < 0.2, 0.0, box.upper))
    per_row = rng.uniform(2.0, 90.0, n)
    over = bounds_on_tokens(box, per_row)
    for _ in range(20):
        p = rng.dirichlet(np.ones(n))
        p = np.where(box.upper > 0, p, 0.0)
        p /= p.sum()
        z = tokens_of(p, per_row)
        np.testing.assert_allclose(rows_of(z, per_row), p, atol=1e-12)
        assert (box.violation(p) <= 1e-12) == (over.violation(z) <= 1e-12)
