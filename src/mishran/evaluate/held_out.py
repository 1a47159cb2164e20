"""The held-out examples that a model is measured on, as rows of tokens.

In an order decided by their content, so that `limit` draws from the whole split and the order of a file
changes nothing. Examples longer than the model can read are left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mishran.errors import DataError
from mishran.tasks.render import Rendered, Renderer, render_all
from mishran.tasks.splits import by_content
from mishran.tasks.task import Example, Split, Task


@dataclass(frozen=True)
class HeldOut:
    """Examples of one task and their rows, in the same order.

    split: where they are from. available: examples of the split. too_long: of those that were looked
    at, left out.
    """

    task: str
    split: Split
    examples: tuple[Example, ...]
    rows: tuple[Rendered, ...]
    available: int
    too_long: int

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(example.id for example in self.examples)


def held_out(
    task: Task, splits: Sequence[Split], limit: int | None, seed: int, render: Renderer
) -> HeldOut:
    """The examples of the first of `splits` that the task has; at most `limit` of them.

    Raises:
        DataError: the task has none of them, none fits the model, or see `Renderer.render`.
    """
    found = next((split for split in splits if getattr(task, split)), None)
    if found is None:
        has = [s for s in ("valid", "test", "train") if getattr(task, s)]
        raise DataError(
            expected=f"examples of split {' or '.join(splits)}",
            found=f"examples of {' and '.join(has)} only",
            where=f"task {task.name!r}",
            fix=f"measure on {has[0]} (--split {has[0]}), or hold out some examples",
        )
    examples = by_content(getattr(task, found), seed)[:limit]
    kept, too_long = render_all(examples, render, task.name)
    return HeldOut(
        task=task.name,
        split=found,
        examples=tuple(examples[i] for i, _ in kept),
        rows=tuple(row for _, row in kept),
        available=len(getattr(task, found)),
        too_long=too_long,
    )
