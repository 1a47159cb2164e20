"""tasks.json: what a run knows of each task, so that solving again needs neither data nor model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mishran.errors import ArtifactError
from mishran.run import Run, atomic_write

if TYPE_CHECKING:  # the real import would load torch
    from mishran.pipeline.prepare import PreparedTask


@dataclass(frozen=True)
class TaskFacts:
    """One task in numbers.

    train_rows: rows that may be drawn. mean_tokens: tokens per training row, prompt and answer.
    counts: what happened while loading (dropped, duplicates, splits).
    """

    name: str
    groups: tuple[str, ...]
    eval_only: bool
    train_rows: int
    mean_tokens: float
    counts: dict[str, int]

    @classmethod
    def of(cls, prepared: PreparedTask) -> TaskFacts:
        return cls(
            name=prepared.task.name,
            groups=prepared.task.groups,
            eval_only=prepared.task.eval_only,
            train_rows=len(prepared.train.rows),
            mean_tokens=prepared.mean_tokens,
            counts={**prepared.task.counts, "too_long": prepared.train.too_long},
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TaskFacts:
        return cls(**{**data, "groups": tuple(data["groups"])})


def write_facts(run: Run, facts: Sequence[TaskFacts]) -> None:
    text = json.dumps([asdict(f) for f in facts], indent=1, ensure_ascii=False)
    atomic_write(run.path("tasks.json"), text + "\n")


def read_facts(run: Run) -> tuple[TaskFacts, ...]:
    """Raises ArtifactError when the directory is not a run."""
    path = run.path("tasks.json")
    try:
        return tuple(TaskFacts.from_dict(d) for d in json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            expected="a run directory",
            found="no readable tasks.json in it",
            where=str(run.root),
            fix="give the directory that `mishran fit` made",
        ) from error


def groups_of(facts: Sequence[TaskFacts]) -> dict[str, tuple[str, ...]]:
    """Group -> tasks of the mixture, in order of first use."""
    out: dict[str, list[str]] = {}
    for fact in facts:
        for group in fact.groups if not fact.eval_only else ():
            out.setdefault(group, []).append(fact.name)
    return {group: tuple(names) for group, names in out.items()}
