"""Batches of rows, for any number of ranks and workers in the same global order.

A stream is a function: batch number -> batch. Any map-style loader reads it, with any number of workers
(`DataLoader(stream, batch_size=None, num_workers=3, sampler=range(start, len(stream)))`), and what a rank
reads is a slice of each global batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mishran.errors import ArtifactError
from mishran.stream.batch import RowBatch
from mishran.stream.gather import Window, stores_for
from mishran.stream.plan import Plan
from mishran.stream.state import State, batch_of, check_ranks, span_of, spans, state_after
from mishran.stream.tokens import TokenRows


@dataclass(frozen=True)
class RowStream:
    """Batches of rows, by number.

    batch_rows: of a global batch, over all ranks; the last batch of a plan has what is left. verify:
    compare every token with the plan first, see `stores_for`. May be read from several threads.
    """

    plan: Plan
    stores: tuple[TokenRows, ...]
    batch_rows: int
    rank: int = 0
    ranks: int = 1
    verify: bool = False
    _window: Window = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_ranks(self.batch_rows, "batch_rows", self.rank, self.ranks)
        object.__setattr__(self, "stores", stores_for(self.plan, self.stores, self.verify))
        object.__setattr__(self, "_window", Window(self.plan.order, self.stores))

    def __len__(self) -> int:
        return spans(self.plan, self.batch_rows)[2]

    def __getitem__(self, number: int) -> RowBatch:
        """This rank's rows of a global batch."""
        return self._window.get(*span_of(self.plan, self.batch_rows, number, self.rank, self.ranks))

    def state(self, batches: int) -> State:
        """The state after so many batches."""
        return state_after(self.plan, self.batch_rows, batches)

    def batch_after(self, state: State, saved: Plan | None = None) -> int:
        """Number of the first batch that was not read, see `batch_of`."""
        return batch_of(state, self.plan, self.batch_rows, saved)


@dataclass(frozen=True)
class OrderedRows:
    """Every row of a plan, in its order. task, example: (m,) what each of the rows is."""

    tokens: TokenRows
    task: np.ndarray
    example: np.ndarray


@dataclass(frozen=True)
class OrderedStream:
    """Batches of rows, by number, from a file in which they lie in the order of the plan.

    What `RowStream` gives, read from one end to the other: as fast as memory or disk, at the price of
    writing repeated rows again and of weights that cannot change on the way.
    """

    plan: Plan
    rows: OrderedRows
    batch_rows: int
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        check_ranks(self.batch_rows, "batch_rows", self.rank, self.ranks)
        lengths = {len(a) for a in (self.rows.tokens, self.rows.task, self.rows.example)}
        if lengths != {self.plan.rows}:
            raise ArtifactError(
                expected=f"{self.plan.rows:,} rows, as planned",
                found=" and ".join(f"{n:,}" for n in sorted(lengths)),
                where="stream",
                fix="build it again",
            )
        plain = map(np.asarray, (self.rows.task, self.rows.example))
        object.__setattr__(self, "rows", OrderedRows(self.rows.tokens.plain, *plain))

    def __len__(self) -> int:
        return spans(self.plan, self.batch_rows)[2]

    def __getitem__(self, number: int) -> RowBatch:
        """This rank's rows of a global batch."""
        low, high = span_of(self.plan, self.batch_rows, number, self.rank, self.ranks)
        tokens = self.rows.tokens
        offsets = tokens.offsets[low : high + 1]
        return RowBatch(
            tokens.tokens[offsets[0] : offsets[-1]].copy(),
            offsets - offsets[0],
            tokens.prompts[low:high].copy(),
            self.rows.task[low:high].copy(),
            self.rows.example[low:high].copy(),
            len(self.plan.tasks),
        )

    def state(self, batches: int) -> State:
        """The state after so many batches."""
        return state_after(self.plan, self.batch_rows, batches)

    def batch_after(self, state: State, saved: Plan | None = None) -> int:
        """Number of the first batch that was not read, see `batch_of`."""
        return batch_of(state, self.plan, self.batch_rows, saved)
