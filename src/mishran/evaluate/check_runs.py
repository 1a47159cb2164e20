"""Whether runs can be compared at all: the same tasks, the same examples, the same tokens, uniform there.

Nothing is aligned, dropped or repaired here. Two runs whose examples differ were not evaluated alike, and
any difference between them means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mishran.errors import ConfigError, DataError
from mishran.evaluate.results import UNIFORM, Candidate, RunResult, Setting


def check_runs(
    candidates: Sequence[Candidate],
    results: Sequence[RunResult],
    setting: Setting,
    curve: Mapping[int, Sequence[RunResult]],
) -> tuple[str, ...]:
    """The tasks of all runs, in the order of the first that finished.

    Raises:
        ConfigError, DataError: as `mishran.evaluate.compare.compare`.
    """
    names = [c.method for c in candidates]
    _once(names, "every method once")
    _once([f"seed {seed}" for seed in setting.seeds], "every seed once")
    if UNIFORM not in names or len(names) < 2:
        raise ConfigError(
            expected=f"{UNIFORM!r} and at least one method beside it",
            found=", ".join(names) or "none",
            where="methods",
            fix="compare with uniform; it is what everything is measured against",
        )
    _once([f"{r.method}, seed {r.seed}" for r in results], "one result per method and seed")
    for run in results:
        if run.method not in names or run.seed not in setting.seeds:
            raise ConfigError(
                expected=f"runs of {', '.join(names)} with seeds {_listed(setting.seeds)}",
                found=_where(run),
                fix="give the method and its weights among the candidates, the seed in the setting",
            )
    _check_curve(curve, setting)
    finished = [run for run in results if not run.failed]
    if not finished:
        raise DataError(
            expected="at least one run that finished",
            found=f"{len(results)} that failed" if results else "no runs",
            fix="read the errors of the runs; there is nothing to compare",
        )
    first = finished[0]
    for run in [*finished[1:], *(r for runs in curve.values() for r in runs if not r.failed)]:
        _same_tasks(first, run)
        for name in first.tasks:
            _same_examples(name, first, run)
    return tuple(first.tasks)


def _check_curve(curve: Mapping[int, Sequence[RunResult]], setting: Setting) -> None:
    for budget, runs in curve.items():
        place = f"uniform's curve at {budget} tokens"
        _once([f"{place}, seed {run.seed}" for run in runs], "one run per seed")
        other = [run.method for run in runs if run.method != UNIFORM]
        if other or budget < 1 or budget == setting.budget_tokens:
            raise ConfigError(
                expected=f"runs of uniform with a budget other than {setting.budget_tokens} tokens",
                found=other[0] if other else f"a budget of {budget}",
                where=place,
                fix="the runs at the budget itself come from the results",
            )


def _once(items: Sequence[str], expected: str) -> None:
    twice = [item for item in dict.fromkeys(items) if items.count(item) > 1]
    if twice:
        raise ConfigError(expected=expected, found=f"{twice[0]} twice", fix="leave one of them out")


def _same_tasks(first: RunResult, run: RunResult) -> None:
    odd = sorted(set(first.tasks) ^ set(run.tasks))
    if odd:
        has, lacks = (first, run) if odd[0] in first.tasks else (run, first)
        raise DataError(
            expected="the same tasks in every run",
            found=f"{odd[0]!r} in {_where(has)} and not in {_where(lacks)}",
            fix="evaluate both on the same tasks",
        )


def _same_examples(name: str, first: RunResult, run: RunResult) -> None:
    a, b = first.tasks[name], run.tasks[name]
    _same(name, first, run, "examples", a.ids, b.ids)
    _same(name, first, run, "answer tokens", a.tokens, b.tokens)
    for what, one, two in (
        ("answer bytes", a.bytes, b.bytes),
        ("right and wrong answers", a.correct, b.correct),
    ):
        if (one is None) != (two is None):
            has, lacks = (first, run) if two is None else (run, first)
            raise DataError(
                expected=f"{what} in every run or in none",
                found=f"them in {_where(has)} and not in {_where(lacks)}",
                where=f"task {name!r}",
                fix="evaluate both in the same way",
            )
    if a.bytes is not None and b.bytes is not None:
        _same(name, first, run, "answer bytes", a.bytes, b.bytes)


def _same(name: str, first: RunResult, run: RunResult, what: str, one: Any, two: Any) -> None:
    if len(one) != len(two):
        found = f"{len(one)} in {_where(first)} and {len(two)} in {_where(run)}"
    else:
        differ = np.flatnonzero(np.array(one) != np.array(two))
        if len(differ) == 0:
            return
        i = int(differ[0])
        found = f"{one[i]!s} in {_where(first)} and {two[i]!s} in {_where(run)} at place {i + 1}"
    raise DataError(
        expected=f"the same {what} in every run",
        found=found,
        where=f"task {name!r}",
        fix="evaluate both on the same held-out rows with the same tokenizer",
    )


def _where(run: RunResult) -> str:
    return f"{run.method} (seed {run.seed})"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"
