"""Rows of the order, copied out of the tasks that they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mishran.errors import ArtifactError
from mishran.stream.batch import RowBatch
from mishran.stream.order import Order, Rows
from mishran.stream.plan import Plan
from mishran.stream.tokens import TokenRows

CACHED = 1 << 16  # rows of the order made at a time
FOUND = 1 << 12  # and looked up at a time: fewer, for what is not in memory has to be read


def stores_for(
    plan: Plan, stores: Sequence[TokenRows], verify: bool = False
) -> tuple[TokenRows, ...]:
    """The rows of each task of a plan, checked.

    Args:
        verify: compare every token with what was planned (about a second for a gigabyte), as
            `open_tokens` does; numbers of rows and tokens are compared in any case.

    Raises:
        ArtifactError: they are not what was planned.
    """
    if len(stores) != len(plan.tasks):
        raise ArtifactError(
            expected=f"the rows of {len(plan.tasks)} tasks, as planned",
            found=f"those of {len(stores)}",
            where="stream",
            fix="give the rows of every task of the plan, in its order",
        )
    for task, rows in zip(plan.tasks, stores, strict=True):
        planned = f"{task.available_rows:,} rows and {task.available_tokens:,} tokens"
        found = f"{len(rows):,} rows and {int(rows.offsets[-1]):,} tokens"
        if found != planned:
            raise ArtifactError(
                expected=f"{planned} of {task.name}, as planned",
                found=found,
                where="stream",
                fix="give the rows that the plan was made of, or plan again",
            )
        if verify and task.token_content is not None and rows.content != task.token_content:
            raise ArtifactError(
                expected=f"the rows of {task.name} that the plan was made of",
                found=f"others, as many (sha256 {rows.content[:12]}, not {task.token_content[:12]})",
                where="stream",
                fix="give the rows that the plan was made of, or plan again",
            )
    return tuple(rows.plain for rows in stores)


@dataclass(frozen=True)
class _Part:
    """A stretch of something, from row `start` of the order on."""

    start: int
    stop: int
    rows: Rows
    found: Located | None = None


@dataclass
class Window:
    """The parts of the order that were made and found last; reading on costs a lookup.

    Each is replaced as a whole, so that threads may read one stream.
    """

    order: Order
    stores: tuple[TokenRows, ...]
    _made: _Part | None = None
    _found: _Part | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Window, (self.order, self.stores)  # what was found is found again

    def get(self, start: int, stop: int) -> RowBatch:
        """Rows [start, stop), copied out of their tasks."""
        part = self._found
        if part is None or not part.start <= start <= stop <= part.stop:
            until = min(max(stop, start + FOUND), len(self.order))
            rows = self._rows(start, until)
            part = self._found = _Part(start, until, rows, located(rows, self.stores))
        assert part.found is not None
        low, high = start - part.start, stop - part.start
        return gather(part.rows.part(low, high), self.stores, part.found.part(low, high))

    def _rows(self, start: int, stop: int) -> Rows:
        part = self._made
        if part is None or not part.start <= start <= stop <= part.stop:
            until = min(max(stop, start + CACHED), len(self.order))
            part = self._made = _Part(start, until, self.order.rows(start, until))
        return part.rows.part(start - part.start, stop - part.start)


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
    mine = (found.prompts.copy(), rows.task.copy(), rows.example.copy())  # not the window's
    return RowBatch(tokens, offsets, *mine, len(stores))
