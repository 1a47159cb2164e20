"""What an export is: predict, write, count.

By default the data is *materialised*: every row of the plan, in its order, and a configuration that says
no more than where it lies; proportions cannot go wrong then. With `config_only` each task's rows are
written once, in a file of its own, and the trainer mixes by the weights in its configuration, where it
has weights that it honours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from mishran.stream.plan import Plan
from mishran.stream.texts import Kind, TextRows
from mishran.stream.tokens import TokenRows


@dataclass(frozen=True)
class Job:
    """What is to be exported.

    texts, tokens: rows of each task, in one numbering. model: folder of the model, seen from the folder of
    the export, or a hub name. bos, eos: what begins a prompt and ends an answer as text, "" for nothing;
    eos_id: the id of the latter. max_tokens: longest row.
    """

    plan: Plan
    texts: TextRows
    tokens: tuple[TokenRows, ...]
    model: str
    bos: str
    eos: str
    eos_id: int | None
    config_only: bool

    @property
    def kind(self) -> Kind:
        return self.texts.kind

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest row of the tasks that are drawn."""
        drawn = zip(self.plan.tasks, self.tokens, strict=True)
        return max(int(rows.lengths.max()) for task, rows in drawn if task.rows)

    @property
    def used(self) -> tuple[int, ...]:
        """Numbers of the tasks that get rows; the others must not appear (zero weights hang or raise)."""
        return tuple(i for i, task in enumerate(self.plan.tasks) if task.rows)

    def in_order(self) -> Iterator[dict[str, Any]]:
        """Every row of the plan, as records of `TextRows`."""
        return self.texts.in_order(self.plan.order)


@dataclass(frozen=True)
class Prediction:
    """What the trainer will see in one pass over the export.

    rows: (n,) rows of each task, expected ones where `exact` is False. unit: rows, or tokens where the
    trainer counts those. note: why, in words; "" where there is nothing to say.
    """

    rows: tuple[float, ...]
    exact: bool
    unit: str = "rows"
    note: str = ""


class Target(Protocol):
    """An export to one trainer.

    title: its name for people. versions: that the format was read back with. config_only: whether it
    honours weights of its own. kinds: rows it can take.
    """

    title: ClassVar[str]
    versions: ClassVar[str]
    config_only: ClassVar[bool]
    kinds: ClassVar[tuple[Kind, ...]]

    def predict(self, job: Job) -> Prediction:
        """What the trainer will make of it."""
        ...

    def write(self, job: Job, folder: Path) -> str:
        """Write data and configuration into an empty folder; returns the command that trains on them."""
        ...

    def count(self, job: Job, folder: Path) -> Counter[str]:
        """Rows of each task that the trainer will see, from the files as they were written.

        Follows the configuration that was written, not the job: a check of the files, not of the plan.
        """
        ...
