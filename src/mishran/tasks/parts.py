"""Where a task's records are: one file, a file per split, a folder, or a data set of the hub.

`path` alone is a file, or a data set whose splits are kept (one called "train" alone says nothing,
so the records are split like those of a file). `splits` alone gives a file for each split. Both
together choose: splits of a data set, files in a folder, or values of the `split` field of a file.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from mishran.config import TaskConfig
from mishran.errors import ConfigError, DataError
from mishran.tasks.readers import Record, is_data_file, read_dataset, read_file
from mishran.tasks.splits import named_split
from mishran.tasks.task import Split


@dataclass(frozen=True)
class Part:
    """Records of one file or split. num_other: rows of the file that no split asked for."""

    split: Split | None
    records: list[Record]
    num_other: int = 0


def read_parts(task: TaskConfig, base: Path, online: bool) -> list[Part]:
    """All records of a task, by split where the task or its data set names splits.

    Raises:
        DataError: a file, data set or split that is missing or cannot be read.
        ConfigError: subset or revision of a file.
    """
    wanted = {s: task.splits[s] for s in ("train", "valid", "test") if s in (task.splits or {})}
    if task.path is None:
        return [Part(split, _one(value, task, base, online)) for split, value in wanted.items()]
    path = _locate(task.path, task, base, online)
    if path is not None and path.is_file():
        if task.subset is not None or task.revision is not None:
            raise ConfigError(
                expected="subset and revision only with a folder or a hub name",
                found=f"the file {task.path}",
                where=f"task {task.name!r}",
                fix="remove subset and revision",
            )
        records = read_file(path)
        return _by_value(records, wanted, path) if wanted else [Part(None, records)]
    name = task.path if path is None else str(path)
    if wanted:
        return [
            Part(split, read_file(path / value))
            if path is not None and (path / value).is_file()
            else Part(split, _dataset(name, task, online, value)[value])
            for split, value in wanted.items()
        ]
    parts = _dataset(name, task, online, None)
    if set(parts) == {"train"}:
        return [Part(None, parts["train"])]
    return [Part(named_split(split, name), records) for split, records in parts.items()]


def _one(value: str, task: TaskConfig, base: Path, online: bool) -> list[Record]:
    path = _locate(value, task, base, online)
    if path is not None and path.is_file():
        return read_file(path)
    parts = _dataset(value if path is None else str(path), task, online, None)
    if len(parts) > 1:
        raise DataError(
            expected="one split",
            found=f"the splits {', '.join(parts)}",
            where=f"task {task.name!r}: {value}",
            fix=f"write path: {value} and splits: {{train: {next(iter(parts))}, ...}}",
        )
    return next(iter(parts.values()))


def _dataset(
    name: str, task: TaskConfig, online: bool, split: str | None
) -> dict[str, list[Record]]:
    return read_dataset(
        name, subset=task.subset, revision=task.revision, split=split, online=online
    )


def _by_value(records: list[Record], wanted: dict[Split, str], path: Path) -> list[Part]:
    """`splits:` over one file: the values of its `split` field that mean train, valid and test."""
    values = list(dict.fromkeys(str(r.fields.get("split")) for r in records))
    num_other = sum(str(r.fields.get("split")) not in wanted.values() for r in records)
    sources = []
    for split, value in wanted.items():
        rows = [r for r in records if str(r.fields.get("split")) == value]
        if not rows:
            raise DataError(
                expected=f"records whose field 'split' is {value!r} (splits: {split})",
                found=f"the values {', '.join(values)}"
                if any("split" in r.fields for r in records)
                else "no field 'split'",
                where=str(path),
                fix="correct splits:, or remove path and give a file for each split",
            )
        sources.append(Part(split, rows, 0 if sources else num_other))
    return sources


def _locate(value: str, task: TaskConfig, base: Path, online: bool) -> Path | None:
    """The local file or folder, or None for a hub name (online only)."""
    path, found, siblings = base / value, "no such file", []
    try:
        path = base / Path(value).expanduser()
        if path.exists():
            return path
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except (OSError, RuntimeError) as error:
        # A name too long, a folder that may not be read, the home of a user that is none.
        found = getattr(error, "strerror", None) or str(error)
    near = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.7)
    like_file = is_data_file(path) or value.startswith((".", "/", "~")) or value.count("/") > 1
    if online and not like_file:
        return None
    hub = "" if like_file else "; for a data set of the hub, use --online"
    raise DataError(
        expected="a data file or folder",
        found=found,
        where=f"task {task.name!r}: {path}",
        fix=(f"did you mean {near[0]!r}?" if near else "correct the path") + hub,
    )
