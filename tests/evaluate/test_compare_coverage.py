"""What the intervals and tests of a comparison promise, by simulation through `compare` itself."""

from __future__ import annotations

import numpy as np
import pytest
from comparison_cases import world

SIMULATIONS = 2000


def covered(low: float | None, truth: float, high: float | None) -> bool:
    assert low is not None and high is not None
    return low <= truth <= high


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_t_intervals_cover_the_difference_that_other_seeds_would_show(num_seeds):
    place = world(
        num_seeds, seeds=tuple(range(num_seeds)), shift={"clever": -0.03}, tasks=("a", "b", "c")
    )
    hits = 0
    for _ in range(SIMULATIONS):
        runs, truth, _ = place.draw()
        found = place.compare(runs, replicas=0).effect("clever").difference
        hits += covered(found.low, truth["clever"], found.high)
    assert 0.93 <= hits / SIMULATIONS <= 0.97  # 4 standard errors of the simulation


def test_holm_keeps_the_chance_of_any_false_verdict():
    """Six methods that are no different from uniform, whose runs they share."""
    methods = ("uniform", *(f"m{i}" for i in range(6)))
    place = world(1, methods=methods, tasks=("a", "b"), examples=4, example_noise=0.0)
    wrong = unadjusted = 0
    for _ in range(SIMULATIONS):
        runs, _, _ = place.draw()
        result = place.compare(runs, replicas=0)
        wrong += any(v.outcome != "no difference" for v in result.verdicts)
        unadjusted += any(
            result.effect(m).difference.p <= 0.05  # type: ignore[union-attr, operator]
            for m in methods[1:]
        )
    assert wrong / SIMULATIONS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SIMULATIONS)
    assert unadjusted / SIMULATIONS > 0.12  # so there was something to adjust


def test_the_example_bootstrap_covers_other_examples_and_not_other_seeds():
    """Of the same runs it knows what other examples would show; of other trainings, nothing."""
    place = world(2, examples=24, seed_noise=0.1, tasks=("a", "b"))
    seeds = examples = 0
    for _ in range(500):
        runs, other_seeds, other_examples = place.draw()
        found = place.compare(runs, replicas=400).effect("clever").difference
        seeds += covered(found.example_low, other_seeds["clever"], found.example_high)
        examples += covered(found.example_low, other_examples["clever"], found.example_high)
    assert 0.91 <= examples / 500 <= 0.98
    assert seeds / 500 < 0.75


def test_the_t_interval_covers_other_seeds_and_not_other_examples():
    """A mixture that suits these examples by luck is better on them, seed after seed."""
    place = world(4, seeds=(0, 1, 2, 3, 4), seed_noise=0.02, example_noise=0.5, tasks=("a", "b"))
    seeds = examples = 0
    for _ in range(1000):
        runs, other_seeds, _ = place.draw()
        found = place.compare(runs, replicas=0).effect("clever").difference
        seeds += covered(found.low, other_seeds["clever"], found.high)
        examples += covered(found.low, 0.0, found.high)  # no mixture is better on all examples
    assert 0.92 <= seeds / 1000 <= 0.98
    assert examples / 1000 < 0.75


def test_intervals_of_few_seeds_are_wide_not_wrong():
    """With two seeds the interval is 12.7 standard errors to each side, and still covers."""
    place = world(3, seeds=(0, 1), tasks=("a", "b"), examples=4)
    hits, widths = 0, []
    for _ in range(600):
        runs, truth, _ = place.draw()
        found = place.compare(runs, replicas=0).effect("clever").difference
        hits += covered(found.low, truth["clever"], found.high)
        widths.append(found.high - found.low)
    assert 0.92 <= hits / 600 <= 0.98
    assert np.median(widths) > 0.5
