"""Which of a task's held-out examples are measured: the first that fit, in an order of their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mishran.run import sha256_value
from mishran.tasks.render import Rendered, Renderer, render_all
from mishran.tasks.splits import by_content
from mishran.tasks.task import Task


@dataclass(frozen=True)
class Rows:
    """Rendered rows with the ids of their examples and a hash of their tokens."""

    rows: tuple[Rendered, ...]
    ids: tuple[str, ...]
    too_long: int

    @property
    def tokens(self) -> int:
        return sum(len(row.input_ids) for row in self.rows)

    @property
    def sha256(self) -> str:
        return sha256_value([[list(r.input_ids), r.num_prompt_tokens] for r in self.rows])

    def first(self, count: int) -> Rows:
        return Rows(self.rows[:count], self.ids[:count], 0)


def held_out_rows(
    task: Task,
    splits: Sequence[Literal["valid", "test"]],
    seed: int,
    wanted: int,
    render: Renderer,
) -> Rows:
    """Up to `wanted` rows that fit, from the splits in this order; where they are empty, from any.

    Raises:
        DataError: none of them fits.
    """
    held = [
        example for split in splits for example in by_content(getattr(task, split), seed)
    ] or by_content(task.held_out, seed)
    rows: list[Rendered] = []
    ids: list[str] = []
    too_long = 0
    for start in range(0, len(held), wanted):
        part = held[start : start + wanted]
        for example, row in zip(part, render.render_many(part), strict=True):
            if len(rows) == wanted:
                break
            if len(row.input_ids) > render.max_tokens:
                too_long += 1
            else:
                rows.append(row)
                ids.append(example.id)
        if len(rows) == wanted:
            break
    if not rows:
        render_all(held, render, task.name)  # says how long they are
    return Rows(tuple(rows), tuple(ids), too_long)
