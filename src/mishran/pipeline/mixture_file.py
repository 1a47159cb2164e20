"""An answer of the solver -> `Mixture`: names, rows and tokens, intervals, certificate, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from mishran.config import MixtureConfig
from mishran.energy import Energy, WeightIntervals
from mishran.mixture import Budget, Mixture, RepairFile, TaskShare, certificate_file
from mishran.pipeline.answer import Answer
from mishran.pipeline.budget import rows_of
from mishran.pipeline.facts import TaskFacts
from mishran.types import Repair, Solution

SOURCE = "arXiv 2507.12612"
_PACKAGES = ("mishran", "numpy", "scipy", "daqp", "torch", "transformers", "peft")


def mixture_of(
    found: Answer,
    intervals: WeightIntervals | None,
    *,
    parameters: dict[str, Any],
    groups: Mapping[str, Sequence[str]],
    facts: Mapping[str, TaskFacts] | None = None,
    budget: Budget | None = None,
    repairs: Sequence[Repair] = (),
    inputs: Mapping[str, str] | None = None,
) -> Mixture:
    """The mixture of an answer, with rows and tokens where there is a budget, and its provenance."""
    facts, energy, solution = facts or {}, found.energy, found.solution
    counts = None if budget is None else rows_of(solution, budget, facts)
    return Mixture(
        method=found.method,
        source=SOURCE,
        affinity=str(energy.parameters.get("affinity", "matrix")),
        parameters=parameters,
        tasks=tuple(
            _share(i, name, solution, intervals, counts, facts, groups)
            for i, name in enumerate(energy.names)
        ),
        effective_tasks=solution.effective_tasks,
        energy=solution.energy,
        representativeness=solution.representativeness,
        diversity=solution.diversity,
        unique=solution.unique,
        replicas=0 if intervals is None else len(intervals.weights),
        certificate=certificate_file(
            solution, None if found.selection is None else found.selection.chosen
        ),
        repairs=tuple(
            RepairFile(**asdict(r))
            for r in (*repairs, *solution.repairs, *_replica_repairs(intervals))
        ),
        warnings=solution.warnings,
        budget=budget,
        selection=found.selection,
        robust=found.robust,
        inputs=dict(inputs or {}),
        versions=versions(),
    )


def parameters_of(
    energy: Energy, settings: MixtureConfig, groups: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Everything that was chosen, for the record."""
    return {
        **energy.parameters,
        "floors": dict(settings.floors),
        "caps": dict(settings.caps),
        "repair": settings.repair,
        "groups": {g: list(tasks) for g, tasks in groups.items()},
        **{
            kind: {name: bound.model_dump(exclude_none=True) for name, bound in bounds.items()}
            for kind, bounds in (("quotas", settings.quotas), ("limits", settings.limits))
            if bounds
        },
        **(
            {"effective_tasks_wanted": settings.effective_tasks, "side": settings.side}
            if settings.effective_tasks is not None
            else {}
        ),
        **({"targets": list(settings.unary.targets)} if settings.unary.kind == "utility" else {}),
        **({"max_epochs": settings.max_epochs} if settings.max_epochs is not None else {}),
        **({"min_tasks": dict(settings.min_tasks)} if settings.min_tasks else {}),
        **({"least_share": settings.least_share} if settings.least_share else {}),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on, where installed."""
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _replica_repairs(intervals: WeightIntervals | None) -> list[Repair]:
    """What had to be repaired before the replicas behind the intervals could be solved."""
    if intervals is None or intervals.repaired == 0:
        return []
    detail = f"{intervals.repaired} of {len(intervals.weights)} replicas needed the same repair"
    return [Repair("replicas", intervals.largest_repair, f"{detail}; the largest is given")]


def _share(
    i: int,
    name: str,
    solution: Solution,
    intervals: WeightIntervals | None,
    counts: np.ndarray | None,
    facts: Mapping[str, TaskFacts],
    groups: Mapping[str, Sequence[str]],
) -> TaskShare:
    fact = facts.get(name)
    share = TaskShare(
        name=name,
        weight=float(solution.weights[i]),
        low=None if intervals is None else float(intervals.low[i]),
        high=None if intervals is None else float(intervals.high[i]),
        selected=None if intervals is None else float(intervals.selection_frequency[i]),
        groups=fact.groups if fact else tuple(g for g, tasks in groups.items() if name in tasks),
        available_rows=fact.train_rows if fact else None,
    )
    if counts is None or fact is None:
        return share
    return share.model_copy(
        update={
            "rows": int(counts[i]),
            "epochs": float(counts[i] / fact.train_rows),
            "tokens": round(counts[i] * fact.mean_tokens),
        }
    )
