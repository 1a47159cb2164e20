"""tasks.json and run.yaml: what a run knows, so that solving again needs neither data nor model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter

from mishran.config import FitConfig, parse_config
from mishran.errors import ArtifactError
from mishran.places import check_name
from mishran.run import Run, atomic_write, canonical_json
from mishran.tasks.duplicates import Overlap

if TYPE_CHECKING:  # the real import would load torch
    from mishran.pipeline.prepare import PreparedTask


NO_OVERLAP = Overlap((), ())


@dataclass(frozen=True)
class TaskFacts:
    """One task in numbers.

    train_rows: rows that may be drawn. mean_tokens: tokens per training row, prompt and answer.
    counts: what happened while loading (dropped, duplicates, splits). shared: other task -> texts in
    common. leaks: other task -> training examples of this one that are held out there. keys: what
    measuring it depends on, see `stages.task_keys`; solving compares them with those of the tables.
    """

    name: str
    groups: tuple[str, ...]
    eval_only: bool
    train_rows: int
    mean_tokens: float
    counts: dict[str, int]
    shared: dict[str, int] = field(default_factory=dict)
    leaks: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        prepared: PreparedTask,
        overlap: Overlap = NO_OVERLAP,
        keys: Mapping[str, str] | None = None,
    ) -> TaskFacts:
        name = prepared.task.name
        return cls(
            name=name,
            groups=prepared.task.groups,
            eval_only=prepared.task.eval_only,
            train_rows=len(prepared.train.rows),
            mean_tokens=prepared.mean_tokens,
            counts={**prepared.task.counts, "too_long": prepared.train.too_long},
            shared={s.tasks[1]: s.num for s in overlap.shared if s.tasks[0] == name},
            leaks={leak.held_out: leak.num for leak in overlap.leaks if leak.trained == name},
            keys=dict(keys or {}),
        )


_FACTS = TypeAdapter(tuple[TaskFacts, ...])


def write_facts(run: Run, facts: Sequence[TaskFacts]) -> None:
    text = json.dumps([asdict(f) for f in facts], indent=1, ensure_ascii=False)
    atomic_write(run.path("tasks.json"), text + "\n")


def read_facts(run: Run) -> tuple[TaskFacts, ...]:
    """Raises ArtifactError when the directory is not a run."""
    try:
        facts = _FACTS.validate_json(run.path("tasks.json").read_bytes())
        for fact in facts:
            check_name(fact.name)  # names become paths, and a run may come from anywhere
        return facts
    except (OSError, ValueError) as error:
        raise ArtifactError(
            expected="a run directory",
            found="no readable tasks.json in it",
            where=str(run.root),
            fix="give the directory that `mishran fit` made",
        ) from error


def measured_keys(facts: Sequence[TaskFacts]) -> dict[str, Any]:
    """What the pool's manifest says of the tasks, in order, that its tables were measured on."""
    return {"tasks": [f.name for f in facts], "keys": {f.name: f.keys for f in facts}}


def check_measured(run: Run, facts: Sequence[TaskFacts]) -> None:
    """Nothing if the tables of a run were measured on the tasks of its tasks.json.

    A fit writes tasks.json first; until it ends the tables are those of the fit before.

    Raises:
        ArtifactError: they are of other tasks, data, models or settings, or there are none yet.
    """
    before, now = run.finished("pool")["params"], measured_keys(facts)
    if canonical_json(before) == canonical_json(now):
        return
    keys = before.get("keys")
    changed = [f.name for f in facts if not isinstance(keys, dict) or keys.get(f.name) != f.keys]
    raise ArtifactError(
        expected="measurements of the tasks as they are now",
        found=f"those from before task {changed[0]!r}, or how it is measured, changed"
        + f" ({len(changed) - 1} more tasks too)" * (len(changed) > 1)
        if changed
        else "those from before the list of tasks changed",
        where=str(run.root),
        fix="run `mishran fit` on the same configuration to the end first",
    )


def read_run(run: Run) -> FitConfig:
    """The configuration that a run was made from.

    Raises:
        ArtifactError: the folder is not a run. ConfigError: its run.yaml was damaged.
    """
    read_facts(run)
    path = run.path("run.yaml")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ArtifactError(
            expected="a run directory with its run.yaml",
            found=str(error).splitlines()[0],
            where=str(path),
            fix="run `mishran fit` on the same configuration again",
        ) from error
    return parse_config(data, str(path))


def groups_of(facts: Sequence[TaskFacts]) -> dict[str, tuple[str, ...]]:
    """Group -> tasks of the mixture, in order of first use."""
    out: dict[str, list[str]] = {}
    for fact in facts:
        for group in fact.groups if not fact.eval_only else ():
            out.setdefault(group, []).append(fact.name)
    return {group: tuple(names) for group, names in out.items()}
