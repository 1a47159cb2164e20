"""`load_tasks`: from the configuration to `Task` values.

In order: records (`parts.py`, `readers.py`), text (`fields.py`), splits (`splits.py`), limit.
Everything that was left out is counted in `Task.counts`:

records: rows read. other_split: rows of the file in none of the `splits:`. cut_messages: examples
with messages after the last answer. repeated_ids: examples whose id another one had; they get "#2",
... dropped_leaked: training examples whose text is in valid or test. dropped_leaked_valid: valid
examples whose text is in test. duplicates: repeats inside train, kept. train_unused: training rows
of an `eval_only` task. over_limit: training examples beyond `limit`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mishran.config import FitConfig, TaskConfig
from mishran.config_errors import FieldProblem
from mishran.errors import ConfigError, DataError
from mishran.places import check_name
from mishran.tasks.choices import choice_field
from mishran.tasks.fields import TemplateFields, choose_fields, valid_unicode
from mishran.tasks.parts import Part, read_parts
from mishran.tasks.readers import SUFFIXES
from mishran.tasks.splits import hash_splits, named_split, separate
from mishran.tasks.task import Example, Split, Task

FOLDER_SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
COUNTS = (
    "records",
    "other_split",
    "cut_messages",
    "repeated_ids",
    "dropped_leaked",
    "dropped_leaked_valid",
    "duplicates",
    "train_unused",
    "over_limit",
)


def load_tasks(config: FitConfig, base: Path, online: bool = False) -> tuple[Task, ...]:
    """Every task of a configuration; paths are relative to `base`, the folder of the file.

    Raises:
        ConfigError, DataError: see `task_configs` and `load_task`.
    """
    return tuple(load_task(task, base, config.seed, online) for task in task_configs(config, base))


class HasTasks(Protocol):
    """A configuration with tasks, listed or in a folder."""

    @property
    def tasks(self) -> str | tuple[TaskConfig, ...] | None: ...


def task_configs(config: HasTasks, base: Path) -> tuple[TaskConfig, ...]:
    """The tasks of a configuration; `tasks: folder/` means one per data file in it, by name."""
    if not isinstance(config.tasks, str):
        return config.tasks or ()
    folder = base / config.tasks
    if not folder.is_dir():
        raise ConfigError(
            expected="a folder of data files, or a list of tasks",
            found="a file" if folder.exists() else "no such folder",
            where=f"tasks: {folder}",
            fix="correct the path, or write tasks: [{name: ..., path: ...}]",
        )
    files = sorted(
        path
        for path in folder.iterdir()
        if path.name.lower().endswith(FOLDER_SUFFIXES) and not path.name.startswith(".")
    )
    if not files:
        raise DataError(
            expected=f"files that end in {', '.join(FOLDER_SUFFIXES)}",
            found="none",
            where=str(folder),
            fix="put one file per task there, or write tasks: [{name: ..., path: ...}]",
        )
    tasks: dict[str, TaskConfig] = {}
    for path in files:
        name = path.name[: -len(next(s for s in SUFFIXES if path.name.lower().endswith(s)))]
        try:
            check_name(name)
        except FieldProblem as error:
            raise DataError(
                expected=error.expected,
                found=error.found,
                where=str(path),
                fix="rename the file, or write tasks: [{name: ..., path: ...}]",
            ) from error
        if name.casefold() in tasks:
            raise DataError(
                expected="one file per task name",
                found=f"{tasks[name.casefold()].path} and {path}",
                where=str(folder),
                fix="rename one of them",
            )
        tasks[name.casefold()] = TaskConfig(name=name, path=str(Path(config.tasks) / path.name))
    return tuple(tasks.values())


def load_task(
    task: TaskConfig,
    base: Path,
    seed: int = 0,
    online: bool = False,
    *,
    trained: bool = True,
) -> Task:
    """One task, read, written out, split.

    seed chooses which training examples `limit` keeps; nothing else depends on it. trained: whoever
    trains on the task needs examples for it.

    Raises:
        DataError: a file, record or split that is not what the task needs; nothing to train on, or
            nothing held out. ConfigError: a template that does not parse.
    """
    parts = read_parts(task, base, online)
    records = [record for part in parts for record in part.records]
    if not records:
        raise DataError(
            expected="at least one record",
            found="none",
            where=f"task {task.name!r}: {_place(task)}",
            fix="check the file, or remove the task",
        )
    fields = choose_fields(
        records[0].fields,
        records[0].where,
        task=task.name,
        prompt=task.prompt,
        answer=task.answer,
        messages=task.messages,
        separator=task.separator,
    )
    template = fields.answer if isinstance(fields, TemplateFields) else None
    offered = choice_field(task.name, task.choices, template)
    counts = Counter(records=len(records))
    examples: list[Example] = []
    splits: list[Split | None] = []
    seen: Counter[str] = Counter()
    for part in parts:
        counts["other_split"] += part.num_other
        for number, record in enumerate(part.records, start=1):
            texts = fields.texts(record.fields, record.where)
            counts["cut_messages"] += texts.cut > 0
            own = record.fields.get("id")
            prefix = f"{part.split}-" if len(parts) > 1 else ""
            name = str(own) if isinstance(own, str | int) else f"{prefix}{number}"
            valid_unicode(name, record.where)
            seen[name] += 1
            counts["repeated_ids"] += seen[name] > 1
            identity = name if seen[name] == 1 else f"{name}#{seen[name]}"
            examples.append(
                Example(
                    id=identity,
                    prompt=texts.prompt,
                    answer=texts.answer,
                    where=record.where,
                    messages=texts.messages,
                    choices=offered.of(record.fields, record.where) if offered else (),
                )
            )
        splits += [part.split] * len(part.records) if part.split else _own_splits(part)
    if None in splits:
        splits = list(hash_splits(examples)) if not task.eval_only else ["valid"] * len(examples)
    return _assemble(task, examples, splits, counts, fields.rendering, seed, trained)


def _own_splits(part: Part) -> list[Split | None]:
    """What the `split` field says, or None for every record when no record has that field."""
    records = part.records
    first = next((r for r in records if "split" in r.fields), None)
    if first is None:
        return [None] * len(records)
    without = next((r for r in records if "split" not in r.fields), None)
    if without is not None:
        raise DataError(
            expected=f"a field 'split', as at {first.where}",
            found=f"the fields {', '.join(map(str, without.fields)) or '(none)'}",
            where=without.where,
            fix="give every record a split, or none",
        )
    return [named_split(record.fields["split"], record.where) for record in records]


def _assemble(
    task: TaskConfig,
    examples: Sequence[Example],
    splits: Sequence[Split],
    counts: Counter[str],
    rendering: str,
    seed: int,
    trained: bool,
) -> Task:
    numbers = ", ".join(f"{splits.count(s)} in {s}" for s in ("train", "valid", "test"))
    parts = separate(examples, splits)
    train, valid, test = parts.train, parts.valid, parts.test
    counts["dropped_leaked_valid"] = parts.num_leaked_valid
    if task.eval_only:
        counts["train_unused"] = splits.count("train")
        train = ()
    else:
        counts["dropped_leaked"] = parts.num_leaked_train
        counts["duplicates"] = parts.num_duplicates
    if task.limit is not None and len(train) > task.limit:
        counts["over_limit"] = len(train) - task.limit
        train = _sample(train, task.limit, seed)
    where = f"task {task.name!r}: {_place(task)}"
    if not valid and not test:
        raise DataError(
            expected="held-out examples, to validate on and to probe with",
            found=f"none ({numbers})",
            where=where,
            fix="put some records into split valid, or name no splits: then a hash of the "
            "text decides (needs two different records)",
        )
    if trained and not train and not task.eval_only:
        leaked = parts.num_leaked_train
        raise DataError(
            expected="examples to train on",
            found=f"{leaked} whose text is all in valid or test" if leaked else f"none ({numbers})",
            where=where,
            fix="split the records anew"
            if leaked
            else "add records of split train, or set eval_only: true",
        )
    return Task(
        name=task.name,
        train=train,
        valid=valid,
        test=test,
        groups=task.groups,
        eval_only=task.eval_only,
        counts={name: counts[name] for name in COUNTS},
        rendering=rendering,
    )


def _sample(train: Sequence[Example], limit: int, seed: int) -> tuple[Example, ...]:
    """`limit` rows drawn by the hash of their place, in file order: files are often sorted."""
    order = sorted(range(len(train)), key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest())
    return tuple(train[i] for i in sorted(order[:limit]))


def _place(task: TaskConfig) -> str:
    return task.path or ", ".join((task.splits or {}).values())
