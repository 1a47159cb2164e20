"""Rows as text: what is written to files, in the same numbering as the rows of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mishran.stream.order import Order

Kind = Literal["prompt", "chat", "text"]

# Columns of each kind beside `task`, `id` and `epoch`.
COLUMNS: dict[Kind, tuple[str, ...]] = {
    "prompt": ("prompt", "answer"),
    "chat": ("messages",),
    "text": ("text",),
}


@dataclass(frozen=True)
class Texts:
    """Rows of one task: (n,) ids, and (n,) what the columns of its kind hold.

    prompt: (prompt, answer); chat: a list of {role, content}; text: the document.
    """

    name: str
    ids: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class TextRows:
    """Rows of all tasks of one kind, in the numbering of a plan."""

    kind: Kind
    tasks: tuple[Texts, ...]

    def record(self, task: int, example: int, epoch: int) -> dict[str, Any]:
        """One row of the files: task, id, epoch, and the columns of the kind."""
        of = self.tasks[task]
        values = dict(zip(COLUMNS[self.kind], of.values[example], strict=True))
        return {"task": of.name, "id": of.ids[example], "epoch": epoch, **values}

    def in_order(self, order: Order, part: int = 1 << 16) -> Iterator[dict[str, Any]]:
        """Every row of an order, as records."""
        for start in range(0, len(order), part):
            rows = order.rows(start, start + part)
            places = zip(
                rows.task.tolist(), rows.example.tolist(), rows.epoch.tolist(), strict=True
            )
            for task, example, epoch in places:
                yield self.record(task, example, epoch)

    def once(self, task: int) -> Iterator[dict[str, Any]]:
        """Every row of one task, once."""
        for example in range(len(self.tasks[task].ids)):
            yield self.record(task, example, 0)
