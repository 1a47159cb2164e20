"""The words of a comparison, case by case, and that they say what the numbers do."""

from __future__ import annotations

import pytest
from comparison_cases import BUDGET, candidate, task_result

from mishran.comparison import Comparison
from mishran.evaluate.compare import compare
from mishran.evaluate.results import RunResult, Setting
from mishran.evaluate.verdict import amount, chance, signed

JITTER = (0.0, 0.012, -0.008, 0.003, -0.009)


def made(shifts: dict[str, tuple[float, ...]], find: float = 0.0, groups=None) -> Comparison:
    """Two tasks; the differences to uniform are given seed by seed."""
    count = max(len(row) for row in shifts.values())
    runs = []
    for method, row in {"uniform": (0.0,) * count, **shifts}.items():
        for seed, shift in enumerate(row):
            losses = {"a": 2.0 + 0.1 * seed + shift, "b": 3.0 + shift}
            tasks = {t: task_result([v, v]) for t, v in losses.items()}
            runs.append(RunResult(method, seed, tasks, BUDGET, 10))
    candidates = [candidate("uniform", ("a", "b"))]
    candidates += [candidate(m, ("a", "b"), find_trained=find) for m in shifts]
    return compare(candidates, runs, Setting(BUDGET, "m", tuple(range(count)), groups=groups or {}))


def around(mean: float, seeds: int = 5) -> tuple[float, ...]:
    return tuple(mean + j for j in JITTER[:seeds])


def test_better_and_worse():
    found = made({"clever": around(-0.1), "poor": around(0.2)}, find=2.5 * BUDGET)
    clever, poor = found.verdict("clever"), found.verdict("poor")
    assert (clever.outcome, poor.outcome) == ("better", "worse")
    assert clever.text.startswith(
        "Clever: better than uniform by 0.100 nats per answer token (95 %"
    )
    assert "5 seeds, p < 0.001 after Holm over 2)." in clever.text
    assert poor.text.startswith("Poor: worse than uniform by 0.200 nats per answer token")
    assert not clever.indicative
    assert found.overall == (
        "1 of 2 tested methods is better than uniform on all tasks at this budget: Clever (0.100), in "
        "nats per answer token. Finding it cost 2.5 times what training on it does. "
        "1 of 2 tested methods is worse: Poor (0.200)."
    )


def test_no_difference_says_what_could_not_have_been_seen():
    found = made({"clever": around(-0.001)})
    verdict, difference = found.verdict("clever"), found.effect("clever").difference
    assert verdict.outcome == "no difference"
    assert (
        "no difference at this budget; 0.0014 nats per answer token below uniform" in verdict.text
    )
    assert f"Less than {amount(difference.detectable)} could not have been told" in verdict.text
    assert difference.detectable == pytest.approx((difference.high - difference.low) / 2)
    assert found.overall == (
        "No method is better than uniform on all tasks at this budget. The one method that was tested "
        f"is not told apart from uniform; differences below {amount(difference.detectable)} would have "
        "been missed. Uniform costs nothing to find."
    )


def test_fewer_than_five_seeds_are_indicative():
    found = made({"clever": around(-0.1, 3)})
    assert found.verdict("clever").indicative
    assert "3 seeds, indicative" in found.verdict("clever").text
    assert "Indicative: fewer than 5 seeds." in found.overall
    assert "Finding it cost nothing." in found.overall


def test_luck_among_many_methods_is_no_verdict():
    """Its own interval excludes 0; seven others stand beside it."""
    lucky = tuple(-0.011 + j for j in JITTER)
    others = {f"m{i}": tuple(0.001 * i + 1.3 * j for j in JITTER[::-1]) for i in range(7)}
    alone, among = made({"lucky": lucky}), made({"lucky": lucky, **others})
    assert alone.verdict("lucky").outcome == "better"
    verdict = among.verdict("lucky")
    assert verdict.outcome == "no difference"
    assert "Its own interval excludes 0, which luck does easily among 8 methods." in verdict.text
    difference = among.effect("lucky").difference
    assert difference.high < 0 and difference.detectable > abs(difference.mean)


def test_several_better_ones_are_not_ranked():
    found = made({f"m{i}": around(-0.1 * (i + 1)) for i in range(5)})
    assert found.overall == (
        "All 5 tested methods are better than uniform on all tasks at this budget: M4 (0.500), M3 "
        "(0.400), M2 (0.300) and 2 more, in nats per answer token. "
        "Which of the better ones is best was not tested."
    )


def test_one_seed():
    found = made({"clever": (-0.5,)})
    assert found.verdict("clever").text == (
        "Clever: not tested; 0.500 nats per answer token below uniform on the one seed there is, and "
        "one seed has no interval."
    )
    assert found.overall == (
        "Nothing was tested on all tasks: an interval takes two seeds that differ, and more than an "
        "indication takes 5."
    )


def test_no_spread():
    found = made({"clever": (-0.5, -0.5)})
    assert (
        "below uniform on every seed alike, so there is no spread" in found.verdict("clever").text
    )


def test_missing_and_zero():
    found = made({"clever": around(-0.1), "gone": (), "copy": (0.0,) * 5})
    assert found.verdict("gone").text == "Gone: missing; no seed has both this method and uniform."
    assert found.verdict("copy").text == (
        "Copy: no difference at this budget; its runs equal those of uniform (5 seeds)."
    )
    assert found.overall.endswith(
        "1 of 2 tested methods is not told apart from uniform. 1 could not be tested."
    )


def test_the_verdict_is_about_the_primary_group():
    """The mixture is better on one group and worse on the other."""
    runs = []
    for seed, jitter in enumerate(JITTER):
        for method, sign in (("uniform", 0), ("clever", 1)):
            losses = {"a": 3 - sign * (0.3 + jitter), "b": 3 + sign * (0.1 + jitter / 2)}
            tasks = {t: task_result([v, v]) for t, v in losses.items()}
            runs.append(RunResult(method, seed, tasks, BUDGET, 1))
    pair = [candidate("uniform", ("a", "b")), candidate("clever", ("a", "b"))]
    words = {}
    for primary in ("tasks trained on", "tasks not trained on"):
        setting = Setting(BUDGET, "m", tuple(range(5)), eval_only=("b",), primary=primary)
        found = compare(pair, runs, setting)
        words[primary] = found.overall
        assert found.verdict("clever").group == primary
        assert found.verdict("clever", "tasks trained on").outcome == "better"
        assert found.verdict("clever", "tasks not trained on").outcome == "worse"
    assert "is better than uniform on tasks trained on at this budget" in words["tasks trained on"]
    assert words["tasks not trained on"].startswith(
        "No method is better than uniform on tasks not trained on at this budget. The one method that "
        "was tested is worse: Clever (0.100). Uniform costs nothing to find."
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (1.23456, "1.235"),
        (-0.0123, "0.012"),
        (0.00123, "0.0012"),
        (3e-7, "0.00000030"),
    ],
)
def test_amounts(value, text):
    assert amount(value) == text
    assert signed(-abs(value) or 0.0) == ("−" + text if value else text)


def test_chances():
    assert [chance(p) for p in (0.05, 0.0009, 1.0)] == ["= 0.050", "< 0.001", "= 1.000"]
