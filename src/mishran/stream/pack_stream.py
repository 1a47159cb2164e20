"""Batches of packs, for any number of ranks and workers in the same global order.

Which packs there are is known window by window only, so this is an iterator, and its state is
`(window, pack)`: a window is packed again when training resumes in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import get_args

import numpy as np

from mishran.errors import ArtifactError, ConfigError
from mishran.stream.batch import IGNORED, PackBatch
from mishran.stream.gather import located, stores_for
from mishran.stream.order import Rows
from mishran.stream.pack import WINDOW, How, Packs, pack
from mishran.stream.plan import Plan
from mishran.stream.state import State, check_packing, check_ranks, check_state, part_of
from mishran.stream.tokens import TokenRows


@dataclass(frozen=True)
class PackStream:
    """Batches of packs, in order.

    capacity: tokens of a pack. batch_packs: of a global batch, over all ranks; the last has what is left.
    window: rows of the global order that are packed together.
    """

    plan: Plan
    stores: tuple[TokenRows, ...]
    capacity: int
    batch_packs: int
    pad_id: int
    how: How = "bfd"
    window: int = WINDOW
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        check_ranks(self.batch_packs, "batch_packs", self.rank, self.ranks)
        if self.capacity < 1 or self.window < 1 or self.how not in get_args(How):
            raise ConfigError(
                expected=f"capacity >= 1, window >= 1 and how of {', '.join(get_args(How))}",
                found=f"capacity {self.capacity}, window {self.window}, how {self.how!r}",
                where="stream",
                fix="correct them",
            )
        object.__setattr__(self, "stores", stores_for(self.plan, self.stores))

    @property
    def start(self) -> State:
        return State(self.plan.fingerprint, 0)

    @property
    def packing(self) -> str:
        """What decides the packs of a window, beside the plan."""
        return f"{self.how} {self.capacity} {self.window}"

    def batches(
        self,
        state: State | None = None,
        *,
        saved: Plan | None = None,
        worker: int = 0,
        workers: int = 1,
    ) -> Iterator[tuple[PackBatch, State]]:
        """This rank's part of each global batch, and the state after it.

        Args:
            state: where to go on; the beginning by default. saved: see `check_state`.
            worker, workers: of `workers` loaders, number `worker` makes every workers-th batch.

        Raises:
            ArtifactError: the state is of another plan.
        """
        at = state or self.start
        check_state(at, self.plan, saved)
        check_packing(at, self.packing)
        if not 0 <= worker < workers:
            raise ConfigError(
                expected="a worker from 0 to workers - 1",
                found=f"worker {worker} of {workers}",
                where="stream",
                fix="correct the numbers",
            )
        for number, (parts, after) in enumerate(self._global(at)):
            if number % workers == worker:
                low, high = part_of(len(parts), self.rank, self.ranks)
                yield self._batch(parts[low:high]), after

    def _global(self, state: State) -> Iterator[tuple[list[tuple[_Packed, int]], State]]:
        """Packs of each global batch, and the state after it."""
        order, total, plan = self.plan.order, self.plan.rows, self.plan.fingerprint
        index, skip = state.index, state.pack
        batch: list[tuple[_Packed, int]] = []
        while index < total:
            stop = min(index + self.window, total)
            packed = self._packed(order.rows(index, stop))
            if skip > len(packed.packs):
                raise ArtifactError(
                    expected=f"a state in a window of {len(packed.packs):,} packs",
                    found=f"pack {skip:,}",
                    where="checkpoint",
                    fix="give the state that was saved with the checkpoint",
                )
            for number in range(skip, len(packed.packs)):
                batch.append((packed, number))
                if len(batch) == self.batch_packs:
                    if number + 1 == len(packed.packs):
                        yield batch, State(plan, stop)
                    else:
                        yield batch, State(plan, index, number + 1, self.packing)
                    batch = []
            index, skip = stop, 0
        if batch:
            yield batch, State(plan, total)

    def _packed(self, rows: Rows) -> _Packed:
        found = located(rows, self.stores)
        lengths = found.stops - found.starts
        return _Packed(rows, found.starts, found.prompts, pack(lengths, self.capacity, self.how))

    def _batch(self, parts: Sequence[tuple[_Packed, int]]) -> PackBatch:
        # Packs of one window follow each other.
        runs = [list(run) for _, run in groupby(parts, key=lambda part: id(part[0]))]
        pieces = [run[0][0].pieces(run[0][1], run[-1][1] + 1) for run in runs]
        each = [piece.each for piece in pieces]
        line = np.repeat(np.arange(len(parts)), np.concatenate(each) if each else [])
        task, example, start, begin, prompt, length = (
            np.concatenate([getattr(piece, name) for piece in pieces] or [np.empty(0, np.int64)])
            for name in ("task", "example", "start", "begin", "prompt", "length")
        )
        # Where each piece lies in the flattened lines.
        before = np.cumsum(length) - length
        number = np.arange(len(line)) - np.searchsorted(line, line)  # in its line
        at = line * self.capacity + before - before[np.arange(len(line)) - number]
        size = len(parts) * self.capacity
        ids = np.full(size, self.pad_id, dtype=np.int64)
        flat = [store.tokens for store in self.stores]
        copies = zip(task.tolist(), start.tolist(), at.tolist(), length.tolist(), strict=True)
        for i, source, place, num in copies:
            ids[place : place + num] = flat[i][source : source + num]
        # Borders of pieces and of the padding behind them.
        ends = (np.arange(len(parts)) + 1) * self.capacity
        borders = np.unique(np.concatenate([at, at + length, ends, [0]]))
        spans = np.diff(borders)
        positions = np.arange(size) - np.repeat(borders[:-1], spans)
        # The first token of a piece has nothing before it that it could be predicted from.
        first = np.minimum(np.maximum(prompt - begin, 1), length)
        mine = np.searchsorted(borders, at)
        segment = np.zeros(len(spans), dtype=np.int32)
        segment[mine] = number + 1
        untrained = spans.copy()  # leading tokens of each span; all of the padding
        untrained[mine] = first
        labels = np.where(positions < np.repeat(untrained, spans), IGNORED, ids)
        shape = (len(parts), self.capacity)
        return PackBatch(
            input_ids=ids.reshape(shape),
            labels=labels.reshape(shape),
            position_ids=positions.reshape(shape),
            segments=np.repeat(segment, spans).reshape(shape),
            piece_task=task,
            piece_example=example,
            piece_tokens=length,
            piece_trained=length - first,
            cu_seqlens=borders.astype(np.int32),
            num_tasks=len(self.stores),
        )


@dataclass(frozen=True)
class _Pieces:
    """Pieces of some packs: whose they are, where their tokens begin in the task and in their row, the
    prompt of the row, and how many there are; (s,). each: (p,) pieces of a pack."""

    each: np.ndarray
    task: np.ndarray
    example: np.ndarray
    start: np.ndarray
    begin: np.ndarray
    prompt: np.ndarray
    length: np.ndarray


@dataclass(frozen=True)
class _Packed:
    """A window of rows, where they begin in their tasks, their prompts, and its packs."""

    rows: Rows
    starts: np.ndarray
    prompts: np.ndarray
    packs: Packs

    def pieces(self, low: int, high: int) -> _Pieces:
        """Of packs [low, high)."""
        packs = self.packs
        part = slice(packs.first[low], packs.first[high])
        row, begin, end = packs.row[part], packs.begin[part], packs.end[part]
        return _Pieces(
            np.diff(packs.first[low : high + 1]),
            self.rows.task[row],
            self.rows.example[row],
            self.starts[row] + begin,
            begin,
            self.prompts[row],
            end - begin,
        )
