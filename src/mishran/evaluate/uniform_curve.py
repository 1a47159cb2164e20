"""Uniform's curve and the tokens it takes to each method's final loss, group by group.

`mishran.evaluate.equal_loss` has the mathematics; here runs become arrays. A seed takes part when uniform
finished it at every point of the curve; a point that no run of uniform finished is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mishran.comparison import CurveFile, CurvePointFile, EqualLossFile
from mishran.evaluate import measured
from mishran.evaluate.equal_loss import equal_loss, falling
from mishran.evaluate.paired import mean
from mishran.evaluate.results import UNIFORM, RunResult, Setting
from mishran.types import Array


def curve_files(
    losses: Mapping[str, Mapping[str, Mapping[int, float]]],
    curve: Mapping[int, Sequence[RunResult]],
    groups: Mapping[str, Sequence[str]],
    setting: Setting,
) -> tuple[tuple[CurveFile, ...], tuple[EqualLossFile, ...]]:
    """Curves and steps to equal loss; both empty where no seed has all points, two at least.

    Args:
        losses: group -> method -> seed -> final loss, uniform's too.
        curve: budget in tokens -> runs of uniform.
        groups: group -> its tasks.
        setting: the budget of the final losses.
    """
    if not curve:
        return (), ()
    curves, equal = [], []
    for group, members in groups.items():
        points = {
            budget: {r.seed: _loss(r, members) for r in runs if not r.failed}
            for budget, runs in curve.items()
        }
        points[setting.budget_tokens] = dict(losses[group][UNIFORM])
        budgets = sorted(budget for budget, found in points.items() if found)
        seeds = [s for s in setting.seeds if all(s in points[b] for b in budgets)]
        if not seeds or len(budgets) < 2:
            continue
        table = np.array([[points[b][s] for b in budgets] for s in seeds])
        means = table.mean(axis=0)
        curves.append(
            CurveFile(
                group=group,
                seeds=tuple(seeds),
                points=tuple(
                    CurvePointFile(tokens=b, loss=float(m), fitted=float(f))
                    for b, m, f in zip(budgets, means, falling(means), strict=True)
                ),
            )
        )
        for method, finals in losses[group].items():
            rows = [i for i, seed in enumerate(seeds) if seed in finals]
            if method != UNIFORM and rows:
                final = np.array([finals[seeds[i]] for i in rows])
                equal.append(_equal(method, group, budgets, table[rows], final, setting))
    return tuple(curves), tuple(equal)


def _equal(
    method: str, group: str, budgets: Sequence[int], uniform: Array, final: Array, setting: Setting
) -> EqualLossFile:
    found = equal_loss(np.array(budgets, dtype=np.float64), uniform, final)
    budget = setting.budget_tokens
    return EqualLossFile(
        method=method,
        group=group,
        loss=mean(final.tolist()),
        seeds=len(final),
        side=found.side,
        tokens=found.tokens,
        ratio=None if found.tokens is None else found.tokens / budget,
        low=found.low,
        high=found.high,
        first_tokens=budgets[0],
        last_tokens=budgets[-1],
        method_tokens=budget,
    )


def _loss(run: RunResult, tasks: Sequence[str]) -> float:
    return mean([measured.value(run.tasks[name], "loss") for name in tasks])
