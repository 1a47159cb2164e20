"""One JSON-lines file with a task in every record -> a folder with a file for each task.

    python recipes/tasks_from_table.py collection.jsonl tasks/ [--task FIELD]

Records are copied as they are. Characters that a task's name may not have become `_`; two tasks that would
share a file, and a folder that is not empty, are refused.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TextIO


def split(table: Path, out: Path, field: str = "task") -> dict[str, int]:
    """Task -> how many records it has.

    Raises:
        ValueError: a record without the field, names that share a file, or a folder with something in it.
    """
    if out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out}: expected a new or empty folder; give another one")
    out.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    with open(table, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            task = json.loads(line).get(field)
            if not isinstance(task, str) or not task:
                raise ValueError(f"{table}:{number}: expected a task's name in {field!r}")
            file = re.sub(r"[^\w.+-]", "_", task)
            if names.setdefault(file, task) != task:
                raise ValueError(
                    f"{names[file]!r} and {task!r} would share {file}.jsonl; rename one"
                )
            counts[file] = counts.get(file, 0) + 1
            _append(out / f"{file}.jsonl", line)
    return counts


def _append(path: Path, line: str) -> None:
    handle: TextIO
    with open(path, "a", encoding="utf-8") as handle:
        handle.write(line.rstrip("\n") + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", default="task", help="field that names the task")
    given = parser.parse_args()
    try:
        counts = split(given.table, given.out, given.task)
    except (OSError, ValueError) as error:
        sys.exit(f"tasks_from_table: {error}")
    print(f"{len(counts):,} tasks, {sum(counts.values()):,} records in {given.out}")


if __name__ == "__main__":
    main()
