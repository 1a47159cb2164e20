"""Everything that cannot be compared is refused, in words that say what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comparison_cases import BUDGET, TASKS, candidate, task_result, world

from mishran.errors import ConfigError, DataError
from mishran.evaluate.compare import compare
from mishran.evaluate.results import Candidate, RunResult, Setting, TaskResult

IDS = ("x", "y")
TWO = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (((), [], []), "expected at least one held-out example of every task, found none"),
        ((("x", "x"), TWO, [1, 1]), "expected an id per example, found 'x' twice"),
        (
            (IDS, [1.0], [1, 1]),
            r"expected nats of each of 2 examples, found an array of shape \(1,\)",
        ),
        ((IDS, [1.0, float("nan")], [1, 1]), "example 'y': expected finite nats, found nan"),
        ((IDS, [float("inf"), 1.0], [1, 1]), "example 'x': expected finite nats, found inf"),
        ((IDS, TWO, [1, 0]), "example 'y': expected at least 1 answer token, found 0"),
        ((IDS, TWO, [1]), "expected answer tokens of each of 2 examples"),
        ((IDS, TWO, [1, 2.5]), "expected whole numbers for answer tokens, found 2.5; count them"),
        ((IDS, TWO, [1, 1], [0, 3]), "example 'x': expected at least 1 answer byte, found 0"),
        ((IDS, TWO, [1, 1], [1, 3, 3]), "expected answer bytes of each of 2 examples"),
        ((IDS, TWO, [1, 1], None, [1, 0.5]), "example 'y': expected 0 or 1 for correct, found 0.5"),
        ((IDS, TWO, [1, 1], None, [1]), "expected 0 or 1 of each of 2 examples"),
    ],
)
def test_tasks(values, words):
    with pytest.raises(DataError, match=words):
        TaskResult(*values)


def test_results_cannot_be_changed():
    result = TaskResult(IDS, TWO, np.array([1, 1]))
    with pytest.raises(ValueError, match="read-only"):
        result.nats[0] = 5.0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {},
            "clever, seed 3: expected results of at least one task, or why the run failed, found neither",
        ),
        ({"tasks": {"a": task_result(TWO)}, "failed": "x"}, "why the run failed, found both"),
        ({"tasks": {"a": task_result(TWO)}}, "expected the tokens it was trained on, found 0"),
    ],
)
def test_runs(more, words):
    with pytest.raises(DataError, match=words):
        RunResult("clever", 3, **more)


@pytest.mark.parametrize(
    ("weights", "more", "words"),
    [
        ({}, {}, "the mixture of m: expected weights >= 0 that sum to 1, found none"),
        ({"a": 0.5}, {}, "found a sum of 0.5"),
        ({"a": 1.5, "b": -0.5}, {}, "expected weights >= 0 that sum to 1, found a sum of 1"),
        ({"a": float("nan")}, {}, "found a sum of nan"),
        ({"a": 1.0}, {"failed": "no"}, "expected weights, or why there are none, found both"),
        ({}, {"failed": "no", "find_forward": -2.0}, "expected costs of 0 tokens or more"),
        (
            {"a": 1.0},
            {"find_trained": -1.0},
            "expected costs of 0 tokens or more, found -1.0 trained",
        ),
        ({"a": 1.0}, {"find_forward": float("nan")}, "found 0.0 trained, nan read"),
    ],
)
def test_candidates(weights, more, words):
    with pytest.raises(ConfigError, match=words):
        Candidate("m", "M", weights, **more)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"groups": {"all tasks": ["sums"]}}, "found 'all tasks', which is made by itself"),
        ({"groups": {"words": []}}, "expected tasks of the comparison in 'words', found none"),
        ({"groups": {"words": ["plural"]}}, "in 'words', found 'plural'; name some of capitals,"),
        ({"eval_only": TASKS}, "in 'tasks trained on', found none"),
        ({"eval_only": ("exam",)}, "in 'tasks not trained on', found 'exam'"),
        ({"primary": "words"}, "primary: expected one of the groups all tasks, found 'words'"),
        ({"seeds": (0, 1, 1, 2)}, "expected every seed once, found seed 1 twice"),
    ],
)
def test_settings(more, words):
    place = world()
    setting = replace(place.setting(replicas=0), **more)
    with pytest.raises(ConfigError, match=words):
        compare(place.candidates(), place.draw()[0], setting)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0, "m", (0,)), "expected a budget of at least 1 token, found 0"),
        ((5, "m", (0,), (), {}, "all tasks", -1), "expected 0 replicas or more, found -1"),
    ],
)
def test_settings_by_themselves(values, words):
    with pytest.raises(ConfigError, match=words):
        Setting(*values)


def test_methods():
    place = world()
    runs, setting = place.draw()[0], place.setting(replicas=0)
    uniform, clever = place.candidates()
    with pytest.raises(ConfigError, match="expected every method once, found clever twice"):
        compare([uniform, clever, clever], runs, setting)
    with pytest.raises(
        ConfigError, match="expected 'uniform' and at least one method beside it, found clever"
    ):
        compare([clever], [r for r in runs if r.method == "clever"], setting)
    with pytest.raises(ConfigError, match="beside it, found uniform; compare with uniform"):
        compare([uniform], runs[:3], setting)
    with pytest.raises(ConfigError, match="beside it, found none"):
        compare([], [], setting)
    stranger = replace(runs[0], method="other")
    with pytest.raises(ConfigError, match=r"with seeds 0, 1, 2, found other \(seed 0\)"):
        compare([uniform, clever], [*runs, stranger], setting)
    with pytest.raises(ConfigError, match=r"found uniform \(seed 9\)"):
        compare([uniform, clever], [*runs, replace(runs[0], seed=9)], setting)
    with pytest.raises(ConfigError, match="per method and seed, found uniform, seed 0 twice"):
        compare([uniform, clever], [*runs, runs[0]], setting)
    with pytest.raises(DataError, match="expected at least one run that finished, found no runs"):
        compare([uniform, clever], [], setting)
    failed = [RunResult(r.method, r.seed, failed="out of memory") for r in runs]
    with pytest.raises(DataError, match="found 6 that failed"):
        compare([uniform, clever], failed, setting)


def changed(result: TaskResult, **more) -> TaskResult:
    return replace(result, **more)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda r: changed(r, ids=("other", *r.ids[1:])),
            r"task 'plurals': expected the same examples in every run, found e0 in uniform \(seed 0\) "
            r"and other in clever \(seed 2\) at place 1; evaluate both",
        ),
        (
            lambda r: changed(r, ids=(r.ids[1], r.ids[0], *r.ids[2:])),
            r"same examples in every run, found e0 in .* and e1 in .* at place 1",
        ),
        (
            lambda r: TaskResult(r.ids[1:], r.nats[1:], r.tokens[1:], r.bytes[1:], r.correct[1:]),
            r"same examples in every run, found 8 in uniform \(seed 0\) and 7 in clever",
        ),
        (
            lambda r: changed(r, tokens=r.tokens + 1),
            "expected the same answer tokens in every run, found .* with the same tokenizer",
        ),
        (lambda r: changed(r, bytes=r.bytes + 1), "expected the same answer bytes in every run"),
        (
            lambda r: changed(r, bytes=None),
            r"expected answer bytes in every run or in none, found them in uniform \(seed 0\) and not in",
        ),
        (
            lambda r: changed(r, correct=None),
            "expected right and wrong answers in every run or in none",
        ),
    ],
)
@pytest.mark.parametrize("where", ["results", "curve"])
def test_runs_that_were_not_evaluated_alike(change, words, where):
    place = world(with_correct=True)
    runs = place.draw()[0]
    odd = runs[-1]
    broken = replace(odd, tasks=dict(odd.tasks) | {"plurals": change(odd.tasks["plurals"])})
    curve = {}
    if where == "results":
        runs[-1] = broken
    else:
        curve = {BUDGET // 2: [replace(broken, method="uniform")]}
        words = words.replace("clever", "uniform")
    with pytest.raises(DataError, match=words):
        compare(place.candidates(), runs, place.setting(replicas=0), curve)


def test_runs_on_other_tasks():
    place = world()
    runs = place.draw()[0]
    fewer = {name: runs[-1].tasks[name] for name in TASKS[:-1]}
    words = r"found 'sums' in uniform \(seed 0\) and not in clever \(seed 2\)"
    with pytest.raises(DataError, match=f"expected the same tasks in every run, {words}"):
        compare(place.candidates(), [*runs[:-1], replace(runs[-1], tasks=fewer)], place.setting())
    more = dict(runs[-1].tasks) | {"extra": runs[-1].tasks["sums"]}
    with pytest.raises(DataError, match=r"found 'extra' in clever \(seed 2\) and not in uniform"):
        compare(place.candidates(), [*runs[:-1], replace(runs[-1], tasks=more)], place.setting())


@pytest.mark.parametrize(
    ("budget", "method", "words"),
    [
        (
            BUDGET // 2,
            "clever",
            r"uniform's curve at 500000 tokens: expected runs of uniform.*clever",
        ),
        (BUDGET, "uniform", "found a budget of 1000000; the runs at the budget itself come from"),
        (0, "uniform", "found a budget of 0"),
    ],
)
def test_curves(budget, method, words):
    place = world()
    runs = place.draw()[0]
    with pytest.raises(ConfigError, match=words):
        compare(
            place.candidates(), runs, place.setting(), {budget: [replace(runs[0], method=method)]}
        )
    with pytest.raises(ConfigError, match=r"one run per seed, found .* seed 0 twice"):
        compare(place.candidates(), runs, place.setting(), {BUDGET // 2: [runs[0], runs[0]]})


def test_a_seed_of_the_curve_that_nobody_planned_takes_no_part():
    place = world()
    runs = place.draw()[0]
    curve = {BUDGET // 2: [replace(r, seed=r.seed + 1) for r in runs[:3]]}
    found = compare([candidate("uniform"), candidate("clever")], runs, place.setting(), curve)
    assert found.curves[0].seeds == (1, 2)
