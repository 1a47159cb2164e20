"""Steps to equal loss: known curves, the inverted test, coverage, and what is never reached."""

from __future__ import annotations

import numpy as np
import pytest
from comparison_cases import BUDGET, TASKS, candidate, task_result, world
from scipy import stats

from mishran.evaluate.compare import compare
from mishran.evaluate.equal_loss import equal_loss, falling
from mishran.evaluate.results import RunResult, Setting

TOKENS = np.array([1e5, 2e5, 4e5, 8e5, 16e5])
JITTER = np.array([0.01, 0.0, -0.01])


def straight(tokens):
    """A loss that falls by 0.3 with every doubling."""
    return 6 - 0.3 * np.log2(np.asarray(tokens) / 1e5)


@pytest.mark.parametrize("where", [1e5, 1.7e5, 4e5, 1.3e6, 16e5])
def test_a_straight_curve_is_read_back_exactly(where):
    found = equal_loss(TOKENS, straight(TOKENS)[None], np.array([straight(where)]))
    assert found.side == "reached"
    assert found.tokens == pytest.approx(where, rel=1e-9)
    assert (found.low, found.high) == (None, None)  # one seed


def test_beyond_the_curve_nothing_is_made_up():
    uniform = straight(TOKENS) + np.array([[0.01], [-0.01], [0.0]])
    lower = equal_loss(TOKENS, uniform, straight(32e5) + JITTER)
    assert (lower.side, lower.tokens) == ("never", None)
    assert lower.low == pytest.approx(16e5) and lower.high is None
    higher = equal_loss(TOKENS, uniform, straight(5e4) + JITTER)
    assert (higher.side, higher.tokens) == ("before", None)
    assert higher.low is None and higher.high == pytest.approx(1e5)


def test_a_curve_that_turns_up_is_made_falling():
    assert falling(np.array([3.0, 1.0, 2.0])) == pytest.approx([3.0, 1.5, 1.5])
    rng = np.random.default_rng(0)
    for _ in range(50):
        y = rng.normal(size=6)
        oracle = [  # the min-max formula of isotonic regression
            min(max(y[i : j + 1].mean() for j in range(k, 6)) for i in range(k + 1))
            for k in range(6)
        ]
        assert falling(y) == pytest.approx(np.array(oracle))


def test_a_plateau_is_entered_at_its_first_point():
    found = equal_loss(TOKENS, np.array([[3.0, 2.0, 2.0, 2.0, 1.0]]), np.array([2.0]))
    assert found.tokens == pytest.approx(2e5)


def test_at_the_ends_of_the_interval_the_t_test_just_fails():
    rng = np.random.default_rng(1)
    uniform = straight(TOKENS) + rng.normal(0, 0.05, (4, 5))
    final = straight(5e5) + rng.normal(0, 0.05, 4)
    found = equal_loss(TOKENS, uniform, final)
    assert found.low < 5e5 < found.high
    for end in (found.low, found.high):
        there = [np.interp(np.log(end), np.log(TOKENS), row) for row in uniform]
        assert stats.ttest_rel(final, there).pvalue == pytest.approx(0.05, abs=1e-9)


def test_the_interval_covers():
    rng, hits = np.random.default_rng(2), 0
    for _ in range(2000):
        shared = rng.normal(0, 0.1, (3, 1))
        uniform = straight(TOKENS) + shared + rng.normal(0, 0.05, (3, 5))
        final = straight(5e5) + shared[:, 0] + rng.normal(0, 0.05, 3)
        found = equal_loss(TOKENS, uniform, final)
        hits += (found.low or 0) <= 5e5 <= (found.high or np.inf)
    assert 0.93 <= hits / 2000 <= 0.975  # the hull of the set of tokens may hold a little more


def test_through_compare():
    """Runs of uniform at three budgets; a clever mixture ends where uniform would after twice as many."""

    def run(method: str, seed: int, tokens: int, loss: float) -> RunResult:
        jitter = 0.001 * ((seed * 7 + len(method)) % 3)
        return RunResult(
            method, seed, {t: task_result(np.full(4, loss + jitter)) for t in TASKS}, tokens, 1
        )

    curve = {
        b: [run("uniform", s, b, float(straight(b))) for s in (0, 1, 2)]
        for b in (BUDGET // 2, 4 * BUDGET)
    }
    methods = {"uniform": BUDGET, "clever": 2 * BUDGET, "genius": 100 * BUDGET}
    runs = [run(m, s, BUDGET, float(straight(b))) for m, b in methods.items() for s in (0, 1, 2)]
    setting = Setting(BUDGET, "m", (0, 1, 2), eval_only=("sums",))
    result = compare([candidate(m) for m in methods], runs, setting, curve)
    clever, genius = (e for e in result.equal_loss if e.group == "all tasks")
    assert clever.ratio == pytest.approx(2.0, rel=0.01)
    assert clever.low < clever.tokens < clever.high
    assert (genius.side, genius.ratio, genius.last_tokens) == ("never", None, 4 * BUDGET)
    assert {e.group for e in result.equal_loss} == {g.name for g in result.groups}
    points = result.curves[0].points
    assert [p.tokens for p in points] == [BUDGET // 2, BUDGET, 4 * BUDGET]
    assert [p.loss for p in points] == sorted((p.loss for p in points), reverse=True)

    lost = {b: [r for r in rows if r.seed != 1] for b, rows in curve.items()}
    result = compare([candidate(m) for m in methods], runs, setting, lost)
    assert result.curves[0].seeds == (0, 2)
    assert {e.seeds for e in result.equal_loss} == {2}
    none = {
        b: [RunResult("uniform", r.seed, failed="NaN") for r in rows] for b, rows in curve.items()
    }
    found = compare([candidate(m) for m in methods], runs, setting, none)
    assert (found.curves, found.equal_loss) == ((), ())
    assert {(m.method, m.tokens, m.reason) for m in found.missing} == {
        ("uniform", BUDGET // 2, "NaN"),
        ("uniform", 4 * BUDGET, "NaN"),
    }
    half = {BUDGET // 2: none[BUDGET // 2], 4 * BUDGET: curve[4 * BUDGET]}
    found = compare([candidate(m) for m in methods], runs, setting, half)
    assert [p.tokens for p in found.curves[0].points] == [BUDGET, 4 * BUDGET]
    assert len(found.missing) == 3


def test_without_a_curve_nothing_is_said():
    assert world().compare(replicas=0).equal_loss == ()
