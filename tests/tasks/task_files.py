"""Records on disk in every form, for the tests of tasks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mishran.config import TaskConfig
from mishran.errors import MishranError
from mishran.tasks.load import load_task
from mishran.tasks.task import Task

Row = dict[str, Any]


def write_jsonl(path: Path, rows: list[Row]) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def pairs(num: int, split: str | None = None, word: str = "q") -> list[Row]:
    """Records with input and target, all different."""
    extra = {} if split is None else {"split": split}
    return [{"input": f"{word} {i}", "target": f"a {i}", **extra} for i in range(num)]


def load(base: Path, seed: int = 0, online: bool = False, **fields: Any) -> Task:
    fields.setdefault("name", "t")
    return load_task(TaskConfig(**fields), base, seed, online)


def content(task: Task) -> list[tuple[Any, ...]]:
    """All that can influence a run: splits, ids, texts and their order, not where they came from."""
    parts = (task.train, task.valid, task.test)
    return [(k, e.id, e.prompt, e.answer, e.messages) for k, part in enumerate(parts) for e in part]


def message(kind: type[MishranError], call: Callable[[], Any]) -> str:
    """The one line that a person reads."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    text = str(caught.value)
    assert "\n" not in text
    return text
