"""A comparison of runs: definitions, pairing, order, what is missing, bytes."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison_cases import BUDGET, TASKS, candidate, task_result, world
from scipy import stats

from mishran.comparison import Comparison
from mishran.errors import ArtifactError
from mishran.evaluate import measured
from mishran.evaluate.compare import compare
from mishran.evaluate.results import RunResult, Setting

METHODS = ("uniform", "clever", "अनुपात", "poor")
SHIFT = {"clever": -0.4, "poor": 0.5}


def several(seed: int = 0, **more):
    place = world(seed, methods=METHODS, shift=SHIFT, with_correct=True, **more)
    return place, place.draw()[0]


def constant(method: str, seed: int, losses: dict[str, float], **more) -> RunResult:
    return RunResult(
        method, seed, {t: task_result(np.full(3, v), **more) for t, v in losses.items()}, BUDGET, 10
    )


def test_definitions_by_hand():
    """Loss: examples the same, whatever their length. Bits per byte: sum over sum."""
    result = task_result([1.0, 3.0], tokens=[4, 1], correct=[1, 0], num_bytes=[10, 4])
    other = task_result([1.5, 3.0], tokens=[4, 1], correct=[0, 0], num_bytes=[10, 4])
    runs = [
        RunResult("uniform", 7, {"a": result, "b": other}, BUDGET, 10),
        RunResult("clever", 7, {"a": other, "b": other}, BUDGET, 10),
    ]
    pair = [candidate(m, ("a", "b")) for m in ("uniform", "clever")]
    found = compare(pair, runs, Setting(BUDGET, "m", (7,)))
    assert found.effect("uniform").mean == pytest.approx((2.0 + 2.25) / 2)
    assert found.effect("clever").difference.mean == pytest.approx(0.25 / 2)
    bits = [7 / 14 / math.log(2), 9 / 14 / math.log(2)]
    assert found.effect("uniform", measure="bits_per_byte").mean == pytest.approx(np.mean(bits))
    assert found.effect("uniform", measure="accuracy").mean == 0.25
    assert found.effect("clever", measure="accuracy").difference.mean == -0.25


def test_the_difference_of_every_group_is_that_of_scipy():
    place, runs = several(seeds=(0, 1, 2, 3))
    found = place.compare(
        runs, eval_only=("sums",), groups={"words": ["plurals", "विलोम"]}, replicas=0
    )
    members = {g.name: g.tasks for g in found.groups}
    assert members == {
        "all tasks": TASKS,
        "tasks trained on": TASKS[:3],
        "tasks not trained on": TASKS[3:],
        "words": ("plurals", "विलोम"),
    }
    assert [g.examples for g in found.groups] == [32, 24, 8, 16]
    by = {(r.method, r.seed): r for r in runs}
    for group, tasks in members.items():
        losses = {
            m: [
                np.mean([(by[m, s].tasks[t].nats / by[m, s].tasks[t].tokens).mean() for t in tasks])
                for s in place.seeds
            ]
            for m in METHODS
        }
        p = []
        for method in METHODS[1:]:
            oracle = stats.ttest_rel(losses[method], losses["uniform"])
            difference = found.effect(method, group).difference
            interval = oracle.confidence_interval()
            assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
            assert difference.p == pytest.approx(oracle.pvalue)
            p.append(oracle.pvalue)
        first, second, third = np.argsort(p)
        steps = np.maximum.accumulate([3 * p[first], 2 * p[second], p[third]])
        holm = [found.effect(m, group).difference.p_holm for m in METHODS[1:]]
        assert [holm[i] for i in (first, second, third)] == pytest.approx(np.minimum(steps, 1))


def test_what_a_seed_does_to_all_methods_cancels_exactly():
    """Losses are multiples of 1/64, so that not even rounding is left."""
    rng = np.random.default_rng(0)
    shifts = {0: 0.0, 1: 2.0, 2: -1.0}
    drawn = {
        (m, s): {t: rng.integers(200, 400, 4) / 64 for t in TASKS}
        for m in ("uniform", "clever")
        for s in shifts
    }

    def runs(shift: dict[int, float]) -> list[RunResult]:
        return [
            RunResult(
                m,
                s,
                {t: task_result(v + shift[s]) for t, v in tasks.items()},
                BUDGET,
                BUDGET // 1000,
            )
            for (m, s), tasks in drawn.items()
        ]

    pair = [candidate("uniform"), candidate("clever")]
    plain, shifted = (
        compare(pair, runs(s), Setting(BUDGET, "m", (0, 1, 2)))
        for s in (dict.fromkeys(shifts, 0.0), shifts)
    )
    assert plain.effect("clever").difference == shifted.effect("clever").difference
    assert plain.effect("clever").by_seed != shifted.effect("clever").by_seed
    assert plain.verdicts == shifted.verdicts


@pytest.mark.parametrize("what", ["methods", "tasks", "seeds", "runs"])
def test_the_order_of_anything_changes_no_number(what):
    place, runs = several()
    plain = place.compare(runs, eval_only=("sums",))
    candidates, setting = place.candidates(), place.setting(eval_only=("sums",))
    shuffle = random.Random(1).shuffle
    if what == "methods":
        shuffle(candidates)
    elif what == "tasks":
        order = list(TASKS)
        shuffle(order)
        runs = [replace(r, tasks={t: r.tasks[t] for t in order}) for r in runs]
    elif what == "seeds":
        setting = replace(setting, seeds=(2, 0, 1))
    else:
        runs = list(runs)
        shuffle(runs)
    other = compare(candidates, runs, setting)

    def numbers(c: Comparison) -> dict:
        return {(e.method, e.group, e.measure): e.model_dump() for e in c.effects} | {
            (e.method, e.task, e.measure): e.model_dump() for e in c.tasks
        }

    assert numbers(other) == numbers(plain)
    assert {v.text for v in other.verdicts} == {v.text for v in plain.verdicts}


def test_names_of_seeds_and_methods_mean_nothing():
    place, runs = several()
    plain = place.compare(runs)
    renamed = [
        replace(r, seed=10 + r.seed, method="other" if r.method == "clever" else r.method)
        for r in runs
    ]
    candidates = [candidate("other" if m == "clever" else m) for m in METHODS]
    found = compare(candidates, renamed, Setting(BUDGET, "base-6m", (10, 11, 12)))
    one, other = plain.effect("clever").difference, found.effect("other").difference
    assert list(one.by_seed.values()) == list(other.by_seed.values())
    assert one.model_dump(exclude={"by_seed"}) == other.model_dump(exclude={"by_seed"})


def test_a_failed_run_is_missing_and_never_zero():
    place, runs = several(seeds=(0, 1, 2, 3))
    failed = [
        RunResult(r.method, r.seed, failed="the loss is NaN at step 12")
        if (r.method, r.seed) == ("clever", 1)
        else r
        for r in runs
    ]
    found, whole = place.compare(failed), place.compare(runs)
    (missing,) = found.missing
    assert (missing.method, missing.seed) == ("clever", 1)
    assert missing.reason == "the loss is NaN at step 12"
    effect, before = found.effect("clever"), whole.effect("clever")
    assert set(effect.by_seed) == set(effect.difference.by_seed) == {0, 2, 3}
    assert all(effect.by_seed[s] == before.by_seed[s] for s in (0, 2, 3))
    assert effect.mean == pytest.approx(np.mean([before.by_seed[s] for s in (0, 2, 3)]))
    assert "3 seeds, indicative" in found.verdict("clever").text
    alone, all_of_them = found.effect("poor").difference, whole.effect("poor").difference
    assert (alone.low, alone.p, alone.by_seed) == (
        all_of_them.low,
        all_of_them.p,
        all_of_them.by_seed,
    )
    gone = place.compare([r for r in failed if not r.failed])
    assert gone.missing[0].reason == "there is no result"
    assert gone.effects == found.effects


def test_a_method_without_any_run_stays_in_view():
    place, runs = several()
    found = place.compare([r for r in runs if r.method != "clever"])
    assert [(m.method, m.seed) for m in found.missing] == [("clever", s) for s in (0, 1, 2)]
    effect = found.effect("clever")
    assert (effect.mean, effect.by_seed, effect.difference) == (None, {}, None)
    assert found.verdict("clever").outcome == "missing"
    facts = next(m for m in found.methods if m.method == "clever")
    assert (facts.train_tokens, facts.total_tokens) == (None, None)
    assert all(t.mean is None and t.outcome is None for t in found.tasks if t.method == "clever")
    assert "1 could not be tested" in found.overall
    two = found.effect("poor").difference
    assert two.detectable == pytest.approx(
        stats.t.ppf(1 - 0.05 / 4, 2) * np.std(list(two.by_seed.values()), ddof=1) / math.sqrt(3)
    )  # two methods were tested, not three


def test_a_method_without_a_mixture_is_missing_with_its_reason():
    place, runs = several()
    none = candidate("clever", weights={}, failed="no curves were measured")
    candidates = [none if c.method == "clever" else c for c in place.candidates()]
    rest = [r for r in runs if r.method != "clever"]
    found = compare(candidates, rest, place.setting())
    assert {m.reason for m in found.missing} == {"no curves were measured"}
    assert len(found.missing) == 3
    assert found.verdict("clever").outcome == "missing"
    assert next(m for m in found.methods if m.method == "clever").weights == {}


def test_without_uniform_nothing_is_compared():
    place, runs = several()
    found = place.compare([r for r in runs if r.method != "uniform"])
    assert found.overall == "Nothing can be compared: uniform finished no run."
    assert {v.outcome for v in found.verdicts} == {"missing"}
    assert all(e.difference is None for e in found.effects)
    assert found.effect("clever").mean is not None


def test_pairs_are_seeds_that_both_finished():
    place, runs = several(seeds=(0, 1, 2, 3))
    gone = {("uniform", 0), ("clever", 3)}
    found = place.compare([r for r in runs if (r.method, r.seed) not in gone])
    assert set(found.effect("clever").difference.by_seed) == {1, 2}
    assert set(found.effect("poor").difference.by_seed) == {1, 2, 3}
    assert set(found.effect("clever").by_seed) == {0, 1, 2}


def test_one_seed_has_no_interval_and_no_wins():
    place, runs = several(seeds=(5,))
    found = place.compare(runs)
    difference = found.effect("clever").difference
    assert difference.mean < 0
    assert (difference.low, difference.p, difference.p_holm, difference.detectable) == (None,) * 4
    assert difference.example_low < difference.mean < difference.example_high
    effect = found.effect("clever")
    assert (effect.wins, effect.ties, effect.losses, effect.untold) == (0, 0, 0, 4)
    assert {v.outcome for v in found.verdicts} == {"not tested"}


def test_wins_and_losses_are_tasks_whose_interval_excludes_zero():
    place, runs = several(3, seed_noise=0.1)
    found = place.compare(runs, replicas=0)
    seen = set()
    for effect in found.effects:
        if effect.method == "uniform":
            continue
        rows = [t for t in found.tasks if (t.method, t.measure) == (effect.method, effect.measure)]
        better = {t.task for t in rows if t.low is not None and t.high < 0}
        worse = {t.task for t in rows if t.low is not None and t.low > 0}
        if effect.measure == "accuracy":
            better, worse = worse, better
        assert {t.task for t in rows if t.outcome == "win"} == better
        assert {t.task for t in rows if t.outcome == "loss"} == worse
        assert (effect.wins, effect.losses) == (len(better), len(worse))
        assert effect.wins + effect.ties + effect.losses + effect.untold == 4
        seen |= {t.outcome for t in rows}
    assert seen >= {"win", "tie", "loss"}


def test_the_same_runs_under_another_name_are_no_difference():
    losses = {"a": 1.0, "b": 2.5}
    runs = [constant(m, s, losses) for m in ("uniform", "copy") for s in (0, 1, 2)]
    pair = [candidate(m, ("a", "b")) for m in ("uniform", "copy")]
    found = compare(pair, runs, Setting(BUDGET, "m", (0, 1, 2)))
    assert found.verdict("copy").outcome == "no difference"
    assert "its runs equal those of uniform" in found.verdict("copy").text
    assert found.effect("copy").ties == 2
    assert found.warnings == ()


def test_seeds_that_change_nothing_are_pointed_out():
    runs = [constant("uniform", s, {"a": 2.0}) for s in (0, 1)]
    runs += [constant("clever", s, {"a": 1.5}) for s in (0, 1)]
    pair = [candidate(m, ("a",)) for m in ("uniform", "clever")]
    found = compare(pair, runs, Setting(BUDGET, "m", (0, 1)))
    assert found.verdict("clever").outcome == "not tested"
    assert found.effect("clever").difference.p is None
    assert found.warnings == (
        "Clever differs from uniform by the same on every seed: did the seed change anything?",
    )


def test_unequal_budgets_are_pointed_out():
    place, runs = several()
    assert place.compare(runs, replicas=0).warnings == ()
    more = [replace(r, train_tokens=2 * BUDGET) if r.method == "clever" else r for r in runs]
    (warning,) = place.compare(more, replicas=0).warnings
    assert "runs were trained on 1,000,000 to 2,000,000 tokens" in warning


def test_costs_are_in_training_tokens_and_reading_counts_a_third():
    place, runs = several()
    dear = candidate("clever", find_trained=600_000, find_forward=300_000, notes=("specialists",))
    candidates = [dear if c.method == "clever" else c for c in place.candidates()]
    found = compare(candidates, runs, place.setting(replicas=0))
    costs = {m.method: (m.find_tokens, m.total_tokens) for m in found.methods}
    assert costs["clever"] == (pytest.approx(700_000), pytest.approx(1_700_000))
    assert costs["uniform"] == (0, BUDGET)


def test_the_bootstrap_agrees_with_its_variance():
    """For many examples the percentile interval is the normal one with the variance of the plug-in."""
    place = world(5, examples=400, seeds=(0, 1), example_noise=0.4)
    runs, _, _ = place.draw()
    found = place.compare(runs, replicas=4000).effect("clever").difference
    by = {(r.method, r.seed): r.tasks for r in runs}
    variance = 0.0
    for task in TASKS:
        apart = np.mean(
            [
                by["clever", s][task].nats / by["clever", s][task].tokens
                - by["uniform", s][task].nats / by["uniform", s][task].tokens
                for s in (0, 1)
            ],
            axis=0,
        )
        variance += apart.var() / len(apart) / len(TASKS) ** 2
    half = 1.96 * math.sqrt(variance)
    assert found.example_low == pytest.approx(found.mean - half, abs=0.08 * half)
    assert found.example_high == pytest.approx(found.mean + half, abs=0.08 * half)


def test_tasks_too_large_for_one_table_of_draws_give_the_same_bits(monkeypatch):
    place, runs = several()
    whole = place.compare(runs, replicas=50)
    monkeypatch.setattr(measured, "CELLS", 60)
    assert place.compare(runs, replicas=50) == whole


def test_the_bootstrap_depends_on_its_seed_alone():
    place, runs = several()
    one, same = (place.compare(runs, bootstrap_seed=1).effect("clever").difference for _ in "ab")
    other = place.compare(runs, bootstrap_seed=2).effect("clever").difference
    assert one == same and one.example_low != other.example_low
    assert (one.low, one.p) == (other.low, other.p)
    none = place.compare(runs, replicas=0).effect("clever").difference
    assert (none.example_low, none.example_high) == (None, None)


def test_a_method_beside_changes_only_what_holm_knows_of():
    place, runs = several()
    alone = compare(
        place.candidates()[:2], [r for r in runs if r.method in METHODS[:2]], place.setting()
    )
    among = place.compare(runs)
    one, other = alone.effect("clever").difference, among.effect("clever").difference
    assert one.p_holm == one.p and one.detectable == pytest.approx((one.high - one.low) / 2)
    assert other.p_holm >= one.p_holm and other.detectable > one.detectable
    changed = {"p_holm", "detectable"}
    assert one.model_dump(exclude=changed) == other.model_dump(exclude=changed)


SCRIPT = """
from comparison_cases import world
place = world(0, methods=("uniform", "clever", "b"), with_correct=True)
print(place.compare(eval_only=("sums",), groups={"g": ["capitals"]}).to_json())
"""


def test_two_processes_write_the_same_bytes():
    texts = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={
                **os.environ,
                "PYTHONHASHSEED": str(seed),
                "PYTHONPATH": str(Path(__file__).parent),
            },
            capture_output=True,
            check=True,
        ).stdout
        for seed in (0, 1)
    }
    (text,) = texts
    assert Comparison.from_json(text).effect("clever").difference is not None


def test_json_is_read_back_as_it_was(tmp_path):
    place, runs = several()
    found = place.compare(runs[:-1], eval_only=("sums",))
    text = found.to_json()
    assert Comparison.from_json(text) == found and Comparison.from_json(text).to_json() == text
    (tmp_path / "comparison.json").write_text(text, encoding="utf-8")
    assert Comparison.read(tmp_path / "comparison.json") == found
    assert "अनुपात" in text


def test_what_is_no_comparison_is_refused(tmp_path):
    place, runs = several()
    facts = json.loads(place.compare(runs, replicas=0).to_json())
    with pytest.raises(
        ArtifactError, match=r"comparison\.json: .*Extra inputs .*at extra; delete it"
    ):
        Comparison.from_json(json.dumps({**facts, "extra": 1}))
    with pytest.raises(ArtifactError, match="Invalid JSON"):
        Comparison.from_json("{")
    with pytest.raises(ArtifactError, match="expected a comparison, found No such file"):
        Comparison.read(tmp_path / "none.json")


def test_asking_for_what_is_not_there():
    found = world().compare(replicas=0)
    with pytest.raises(KeyError, match="no accuracy of 'clever' on 'all tasks'"):
        found.effect("clever", measure="accuracy")
    with pytest.raises(KeyError, match="no verdict on 'uniform' on 'all tasks'"):
        found.verdict("uniform")
