"""Rows of the order, copied out of the tasks that they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mishran.errors import ArtifactError
from mishran.stream.batch import RowBatch
from mishran.stream.order import Order, Rows
from mishran.stream.plan import Plan
from mishran.stream.tokens import TokenRows

CACHED = 1 << 16  # rows of the order made at a time
FOUND = 1 << 12  # and looked up at a time: fewer, for what is not in memory has to be read


def stores_for(plan: Plan, stores: Sequence[TokenRows]) -> tuple[TokenRows, ...]:
    """The rows of each task of a plan, checked.

    Raises:
        ArtifactError: one has another number of rows.
    """
    for task, rows in zip(plan.tasks, stores, strict=True):
        if len(rows) != task.available_rows:
            raise ArtifactError(
                expected=f"{task.available_rows:,} rows of {task.name}, as planned",
                found=f"{len(rows):,}",
                where="stream",
                fix="give the rows that the plan was made of, or plan again",
            )
    return tuple(rows.plain for rows in stores)


@dataclass
class Window:
    """The parts of the order that were made and found last; reading on costs a lookup."""

    order: Order
    stores: tuple[TokenRows, ...]
    start: int = 0
    rows: Rows | None = None
    found_start: int = 0
    found: Located | None = None

    def get(self, start: int, stop: int) -> RowBatch:
        """Rows [start, stop), copied out of their tasks."""
        first = self.found_start
        if self.found is None or not first <= start <= stop <= first + len(self.found.starts):
            self.found_start = first = start
            self.found = located(self._rows(start, max(stop, start + FOUND)), self.stores)
        return gather(
            self._rows(start, stop), self.stores, self.found.part(start - first, stop - first)
        )

    def _rows(self, start: int, stop: int) -> Rows:
        stop = min(stop, len(self.order))
        if self.rows is None or not self.start <= start <= stop <= self.start + len(self.rows.task):
            self.start = start
            self.rows = self.order.rows(start, max(stop, start + CACHED))
        part = slice(start - self.start, stop - self.start)
        return Rows(self.rows.task[part], self.rows.example[part], self.rows.epoch[part])


@dataclass(frozen=True)
class Located:
    """(m,) each: where the tokens of rows begin and end in their tasks, and the prompts."""

    starts: np.ndarray
    stops: np.ndarray
    prompts: np.ndarray

    def part(self, start: int, stop: int) -> Located:
        return Located(self.starts[start:stop], self.stops[start:stop], self.prompts[start:stop])


def located(rows: Rows, stores: Sequence[TokenRows]) -> Located:
    """Look rows of the order up in their tasks."""
    num = len(rows.task)
    out = Located(np.empty(num, np.int64), np.empty(num, np.int64), np.empty(num, np.int32))
    # 16 bits are sorted by their digits, in a fraction of the time.
    task = rows.task if len(stores) > 2**15 else rows.task.astype(np.int16)
    by_task = np.argsort(task, kind="stable")
    borders = np.searchsorted(task[by_task], np.arange(len(stores) + 1))
    for i in np.flatnonzero(np.diff(borders)).tolist():
        at = by_task[borders[i] : borders[i + 1]]
        example, store = rows.example[at], stores[i]
        out.starts[at], out.stops[at] = store.offsets[example], store.offsets[example + 1]
        out.prompts[at] = store.prompts[example]
    return out


def gather(rows: Rows, stores: Sequence[TokenRows], found: Located | None = None) -> RowBatch:
    """Copy rows of the order out of their tasks; found: what `located` says of them."""
    found = found or located(rows, stores)
    offsets = np.zeros(len(rows.task) + 1, dtype=np.int64)
    np.cumsum(found.stops - found.starts, out=offsets[1:])
    flat = [store.tokens for store in stores]
    places = zip(rows.task.tolist(), found.starts.tolist(), found.stops.tolist(), strict=True)
    kind = np.result_type(np.uint16, *{tokens.dtype for tokens in flat})
    pieces = [flat[i][start:stop] for i, start, stop in places]
    tokens = np.concatenate(pieces, dtype=kind) if pieces else np.empty(0, dtype=kind)
    return RowBatch(tokens, offsets, found.prompts, rows.task, rows.example, len(stores))
