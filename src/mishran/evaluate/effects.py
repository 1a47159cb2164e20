"""One method on one task or group: values by seed, and the paired difference to uniform.

Missing runs are absent: a seed counts in a difference only where the method and uniform both finished it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mishran.comparison import DifferenceFile, EffectFile, Measure, TaskEffectFile
from mishran.evaluate import measured
from mishran.evaluate.paired import ALPHA, holm, mean, paired
from mishran.evaluate.results import UNIFORM, RunResult, Setting
from mishran.types import Array


@dataclass(frozen=True)
class RunTable:
    """The finished runs. values: (method, seed, task, measure) -> value."""

    methods: Sequence[str]
    seeds: Sequence[int]
    tasks: Sequence[str]
    runs: Mapping[tuple[str, int], RunResult]
    values: Mapping[tuple[str, int, str, Measure], float]

    @property
    def any_run(self) -> RunResult:
        """What does not depend on the run is read off this one."""
        return next(iter(self.runs.values()))

    def seeds_of(self, method: str) -> list[int]:
        return [seed for seed in self.seeds if (method, seed) in self.runs]

    def pairs_of(self, method: str) -> list[int]:
        """Seeds that the method and uniform both finished; none for uniform itself."""
        if method == UNIFORM:
            return []
        return [seed for seed in self.seeds_of(method) if (UNIFORM, seed) in self.runs]

    def tasks_with(self, measure: Measure, among: Sequence[str]) -> list[str]:
        return [name for name in among if measured.known(self.any_run.tasks[name], measure)]

    def by_seed(self, method: str, measure: Measure, tasks: Sequence[str]) -> dict[int, float]:
        """Seed -> mean over tasks, for finished runs only."""
        return {
            seed: mean([self.values[method, seed, name, measure] for name in tasks])
            for seed in self.seeds_of(method)
        }

    def group_losses(
        self, groups: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, dict[int, float]]]:
        """Group -> method -> seed -> loss."""
        return {
            group: {m: self.by_seed(m, "loss", members) for m in self.methods}
            for group, members in groups.items()
        }


def run_values(
    runs: Mapping[tuple[str, int], RunResult],
) -> dict[tuple[str, int, str, Measure], float]:
    return {
        (method, seed, name, measure): measured.value(result, measure)
        for (method, seed), run in runs.items()
        for name, result in run.tasks.items()
        for measure in measured.MEASURES
        if measured.known(result, measure)
    }


def example_samples(table: RunTable, measure: Measure, setting: Setting) -> dict[str, Array]:
    """Task -> (replicas, methods) differences on resampled examples, averaged over paired seeds.

    Columns are `table.methods`; those without a pair are nan.
    """
    if setting.replicas == 0 or not table.seeds_of(UNIFORM):
        return {}
    out = {}
    for name in table.tasks_with(measure, table.tasks):
        below = None
        columns = []
        for method in table.methods:
            seeds = sorted(table.pairs_of(method))
            both = [
                (table.runs[method, s].tasks[name], table.runs[UNIFORM, s].tasks[name])
                for s in seeds
            ]
            apart = [
                measured.numerator(a, measure) - measured.numerator(b, measure) for a, b in both
            ]
            if both:
                below = measured.denominator(both[0][0], measure)
            columns.append(np.mean(apart, axis=0) if apart else None)
        if below is None:
            continue
        empty = np.full(len(below), np.nan)
        above = np.column_stack([empty if c is None else c for c in columns])
        out[name] = measured.resampled(name, above, below, setting.replicas, setting.bootstrap_seed)
    return out


def group_effects(
    table: RunTable,
    measure: Measure,
    group: str,
    members: Sequence[str],
    samples: Mapping[str, Array],
) -> list[EffectFile]:
    """A row per method, none where no task of the group has the measure."""
    tasks = table.tasks_with(measure, members)
    if not tasks:
        return []
    values = {method: table.by_seed(method, measure, tasks) for method in table.methods}
    apart = {
        method: {s: values[method][s] - values[UNIFORM][s] for s in table.pairs_of(method)}
        for method in table.methods
    }
    tests = {m: paired(list(d.values())) for m, d in apart.items() if d}
    tested = [m for m, test in tests.items() if test.n > 1]
    adjusted = dict(zip(tested, holm([tests[m].p for m in tested]), strict=True))
    mean_samples = _mean_over(samples, tasks)
    effects = []
    for column, method in enumerate(table.methods):
        difference = None
        if method in tests:
            test = tests[method]
            low, high = None, None
            if mean_samples is not None:
                low, high = measured.percentile_interval(mean_samples[:, column], ALPHA)
            difference = DifferenceFile(
                by_seed=apart[method],
                mean=test.mean,
                low=test.low,
                high=test.high,
                p=test.p,
                p_holm=adjusted.get(method),
                detectable=test.half_width(ALPHA / max(len(tested), 1)),
                example_low=low,
                example_high=high,
            )
        effects.append(
            EffectFile(
                method=method,
                group=group,
                measure=measure,
                tasks=len(tasks),
                by_seed=values[method],
                mean=mean(list(values[method].values())) if values[method] else None,
                difference=difference,
            )
        )
    return effects


def _mean_over(samples: Mapping[str, Array], tasks: Sequence[str]) -> Array | None:
    if not samples:
        return None
    total = np.zeros_like(samples[tasks[0]])
    for name in sorted(tasks):  # one order of summing, whatever the order of the tasks
        total += samples[name]
    return np.asarray(total / len(tasks), dtype=np.float64)


def task_effects(table: RunTable, measure: Measure) -> list[TaskEffectFile]:
    out = []
    for name in table.tasks_with(measure, table.tasks):
        uniform = table.by_seed(UNIFORM, measure, [name])
        for method in table.methods:
            values = table.by_seed(method, measure, [name])
            apart = [values[seed] - uniform[seed] for seed in table.pairs_of(method)]
            test = paired(apart) if apart else None
            out.append(
                TaskEffectFile(
                    method=method,
                    task=name,
                    measure=measure,
                    by_seed=values,
                    mean=mean(list(values.values())) if values else None,
                    difference=test.mean if test else None,
                    low=test.low if test else None,
                    high=test.high if test else None,
                    outcome=_outcome(measure, test.low, test.high, test.p) if test else None,
                )
            )
    return out


def _outcome(
    measure: Measure, low: float | None, high: float | None, p: float | None
) -> Literal["win", "tie", "loss"] | None:
    """A task counts where its own interval over seeds excludes 0."""
    if low is None or high is None:
        return "tie" if p == 1.0 else None
    if low <= 0 <= high:
        return "tie"
    return "win" if (low > 0) == (measure == "accuracy") else "loss"


def with_counts(
    effect: EffectFile,
    outcomes: Mapping[tuple[str, Measure, str], str | None],
    members: Sequence[str],
) -> EffectFile:
    """The effect with its wins, ties and losses over the tasks of its group."""
    if effect.difference is None:
        return effect
    keys = [(effect.method, effect.measure, name) for name in members]
    found = [outcomes[key] for key in keys if key in outcomes]
    return effect.model_copy(
        update={
            "wins": found.count("win"),
            "ties": found.count("tie"),
            "losses": found.count("loss"),
            "untold": found.count(None),
        }
    )
