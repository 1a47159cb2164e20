"""The global order of training: index -> (task, example, epoch), a pure function of a few numbers.

Phases follow each other, each with its own proportions (`interleave.py`). A task goes on through them: its
j-th occurrence, counted from the beginning of training, is example `permuted(j mod size)` of epoch
`j div size` (`shuffle.py`), so that inside an epoch nothing is dropped or repeated, whatever the phases.
The order knows nothing of ranks, workers or batches; those only say who reads which rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from mishran.stream.interleave import WIDEST, Interleave
from mishran.stream.shuffle import epoch_keys, permuted, task_key
from mishran.stream.threads import cores, in_threads

WINDOW = WIDEST  # rows made at a time; the best power of 2 at 4 to 256 tasks (measured)
LEAST = 1 << 17  # rows that are worth a thread


@dataclass(frozen=True)
class Phase:
    """A stretch of training with fixed proportions.

    counts: (n,) proportions as whole rows per task. rows: length of the phase; with the sum of the
    counts, each task has exactly its count.
    """

    counts: tuple[int, ...]
    rows: int


@dataclass(frozen=True)
class Rows:
    """Rows of the order, one entry each.

    task: (m,) int32 number of the task. example: (m,) int64 number of the example in the task.
    epoch: (m,) int64, from 0.
    """

    task: np.ndarray
    example: np.ndarray
    epoch: np.ndarray

    def part(self, start: int, stop: int) -> Rows:
        return Rows(self.task[start:stop], self.example[start:stop], self.epoch[start:stop])


@dataclass(frozen=True)
class Order:
    """Which example comes when.

    names: (n,) tasks; part of the key of the shuffle. sizes: (n,) examples of each.
    phases: in order. seed: of the shuffle.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    phases: tuple[Phase, ...]
    seed: int = 0
    _parts: tuple[Interleave, ...] = field(init=False, repr=False, compare=False)
    _keys: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for phase in self.phases:
            used = [size for size, c in zip(self.sizes, phase.counts, strict=True) if c]
            if phase.rows < 0 or min(used, default=0) < 1:
                raise ValueError(f"tasks with examples are needed, got {self.sizes} and {phase}")
        object.__setattr__(self, "_parts", tuple(Interleave(p.counts) for p in self.phases))
        keys = [task_key(self.seed, name) for name in self.names]
        object.__setattr__(self, "_keys", np.array(keys, dtype=np.uint64))

    def __len__(self) -> int:
        return sum(phase.rows for phase in self.phases)

    def counts_before(self, index: int) -> np.ndarray:
        """(n,) rows of each task among the first `index` of the order."""
        out = np.zeros(len(self.names), dtype=np.int64)
        for phase, part in zip(self.phases, self._parts, strict=True):
            out += part.counts_before(min(index, phase.rows))
            index -= phase.rows
            if index <= 0:
                break
        return out

    def rows(self, start: int, stop: int) -> Rows:
        """Rows [start, stop), cut to the length of the order."""
        stop = min(stop, len(self))
        num = max(0, stop - start)
        out = Rows(np.empty(num, np.int32), np.empty(num, np.int64), np.empty(num, np.int64))
        before = np.zeros(len(self.names), dtype=np.int64)
        begin = 0
        for phase, part in zip(self.phases, self._parts, strict=True):
            end = begin + phase.rows
            low, high = max(start, begin), min(stop, end)
            fill = partial(self._fill, part, begin, before, out, start)
            step = min(WINDOW, max(LEAST, -(-(high - low) // cores())))
            in_threads(fill, [(at, min(at + step, high)) for at in range(low, high, step)])
            if end >= stop:
                break
            before = before + part.counts_before(phase.rows)
            begin = end
        return out

    def _fill(
        self,
        part: Interleave,
        begin: int,
        before: np.ndarray,
        out: Rows,
        first_out: int,
        span: tuple[int, int],
    ) -> None:
        """Rows of a span of the order, all in one phase.

        Args:
            begin: where the phase begins. before: (n,) rows of each task in the phases before.
            out: where they go; it begins at row first_out of the order.
        """
        window = slice(span[0] - first_out, span[1] - first_out)
        start, stop = span[0] - begin, span[1] - begin
        task, occurrence = part.rows(start, stop)
        sizes = np.asarray(self.sizes)
        low, high = (before + part.counts_before(index) for index in (start, stop))
        oldest, newest = low // np.maximum(sizes, 1), (high - 1) // np.maximum(sizes, 1)
        epochs = np.where(high > low, newest - oldest + 1, 0)  # that each task has a part of here
        first = np.cumsum(epochs) - epochs  # number of its oldest, among all of them
        place = occurrence + (before - oldest * sizes)[task]
        which, epoch = first[task], oldest[task]
        later = np.flatnonzero(place >= sizes[task])
        if len(later):
            rounds, place[later] = np.divmod(place[later], sizes[task[later]])
            which[later] += rounds
            epoch[later] += rounds
        owner = np.repeat(np.arange(len(sizes)), epochs)
        keys = epoch_keys(self._keys[owner], np.arange(len(owner)) - (first - oldest)[owner])
        out.task[window] = task
        out.example[window] = permuted(place, which, sizes[owner], keys)
        out.epoch[window] = epoch

    def changed(self, index: int, phases: Sequence[Phase]) -> Order:
        """The same order up to `index`, other phases from there on; what was read stays read."""
        kept = []
        for phase in self.phases:
            rows = min(phase.rows, index)
            index -= rows
            if rows:
                kept.append(Phase(phase.counts, rows))
        return Order(self.names, self.sizes, (*kept, *phases), self.seed)
