"""Plan and rows of tokens -> batches, for any number of ranks and workers in the same global order.

`RowStream` is a function: batch number -> batch. Any map-style loader reads it, with any number of workers
(`DataLoader(stream, batch_size=None, num_workers=3, sampler=range(start, len(stream)))`), and what a rank
reads is a slice of each global batch. `PackStream` hands out packs; its state is `(window, pack)`.

Either way a checkpoint is the plan's fingerprint and one or two numbers; resuming reads nothing of what was
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from mishran.errors import ArtifactError, ConfigError
from mishran.stream.batch import IGNORED, PackBatch, RowBatch
from mishran.stream.order import Order, Rows
from mishran.stream.pack import WINDOW, How, Packs, pack
from mishran.stream.plan import Plan
from mishran.stream.tokens import TokenRows

CACHED = 1 << 16  # rows of the order made at a time
FOUND = 1 << 12  # and looked up at a time: fewer, for what is not in memory has to be read


@dataclass(frozen=True)
class State:
    """Where training is: the plan and how much of it was read.

    index: rows of the global order (RowStream), or the first row of the window (PackStream).
    pack: packs of the window that were read; 0 in a RowStream. packing: how that window was packed, ""
    where none was begun.
    """

    plan: str
    index: int
    pack: int = 0
    packing: str = ""

    def as_dict(self) -> dict[str, str | int]:
        return {"plan": self.plan, "index": self.index, "pack": self.pack, "packing": self.packing}

    @classmethod
    def from_dict(cls, data: object) -> State:
        """Raises ArtifactError: not what `as_dict` gave."""
        kinds = {"plan": str, "index": int, "pack": int, "packing": str}
        if (
            isinstance(data, dict)
            and set(data) == set(kinds)
            and all(type(data[k]) is kind for k, kind in kinds.items())
            and min(data["index"], data["pack"]) >= 0
        ):
            return cls(**data)
        raise ArtifactError(
            expected="the state of a stream: plan, index, pack and packing",
            found=str(data)[:100],
            where="checkpoint",
            fix="give the state that was saved with the checkpoint",
        )


def check_state(state: State, plan: Plan, saved: Plan | None = None) -> None:
    """Nothing if a state belongs to a plan, or to the one that it continues.

    Args:
        saved: the plan of the checkpoint, where it is at hand, to say what changed.

    Raises:
        ArtifactError: it belongs to another one.
    """
    if state.plan == plan.fingerprint and state.index <= plan.rows:
        return
    before = plan.continues
    # Inside a window of packs some of its rows were read and some were not: no place to change weights.
    here = before is not None and (state.plan, state.index) == (before.plan, before.index)
    if here and state.pack == 0:
        return
    if here:
        found = f"pack {state.pack} of the window there, of which some rows were not read"
    elif state.plan == plan.fingerprint:
        found = f"row {state.index:,} of a plan of {plan.rows:,} rows"
    else:
        found = f"the state of plan {state.plan[:12]}"
        if saved is not None and saved.fingerprint == state.plan:
            found += f": {_changes(saved, plan)}"
    raise ArtifactError(
        expected=f"a state of plan {plan.fingerprint[:12]}"
        + (f", or row {before.index:,} of plan {before.plan[:12]}" if before else ""),
        found=found,
        where="checkpoint",
        fix="resume with the plan and the data of the checkpoint, or begin anew; to change weights from "
        "there on, plan with history= and index=",
    )


def _changes(old: Plan, new: Plan) -> str:
    """The differences between two plans, in words."""
    if old.seed != new.seed:
        return f"its seed was {old.seed}, now {new.seed}"
    names = [t.name for t in old.tasks], [t.name for t in new.tasks]
    if names[0] != names[1]:
        gone = [n for n in names[0] if n not in names[1]]
        more = [n for n in names[1] if n not in names[0]]
        said = [f"task {n} is gone" for n in gone[:2]] + [f"task {n} is new" for n in more[:2]]
        return ", ".join(said) or "its tasks were in another order"
    changed = [a.name for a, b in zip(old.tasks, new.tasks, strict=True) if a.content != b.content]
    if changed:
        return f"the rows of {', '.join(changed[:3])}{', ...' * (len(changed) > 3)} have changed"
    return "the data is the same, the weights or the budget have changed"


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
    # Plain arrays of the same memory: a slice of a mapped one takes five times as long.
    return tuple(TokenRows(*map(np.asarray, (s.tokens, s.offsets, s.prompts))) for s in stores)


@dataclass
class _Window:
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


def _part(total: int, rank: int, ranks: int) -> tuple[int, int]:
    """The slice of a rank: sizes differ by at most one."""
    return total * rank // ranks, total * (rank + 1) // ranks


@dataclass(frozen=True)
class RowStream:
    """Batches of rows, by number.

    batch_rows: of a global batch, over all ranks; the last batch of a plan has what is left.
    """

    plan: Plan
    stores: tuple[TokenRows, ...]
    batch_rows: int
    rank: int = 0
    ranks: int = 1
    _window: _Window = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_ranks(self.batch_rows, "batch_rows", self.rank, self.ranks)
        object.__setattr__(self, "stores", stores_for(self.plan, self.stores))
        object.__setattr__(self, "_window", _Window(self.plan.order, self.stores))

    def __len__(self) -> int:
        return -(-self.plan.rows // self.batch_rows)

    def __getitem__(self, number: int) -> RowBatch:
        """This rank's rows of a global batch."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        start = number * self.batch_rows
        low, high = _part(min(self.batch_rows, self.plan.rows - start), self.rank, self.ranks)
        return self._window.get(start + low, start + high)

    def state(self, batches: int) -> State:
        """The state after so many batches."""
        return State(self.plan.fingerprint, min(batches * self.batch_rows, self.plan.rows))

    def batch_after(self, state: State, saved: Plan | None = None) -> int:
        """Number of the first batch that was not read.

        Raises:
            ArtifactError: the state is of another plan, or inside a batch of this size.
        """
        check_state(state, self.plan, saved)
        _check_packing(state, "")
        if state.index % self.batch_rows and state.index != self.plan.rows:
            raise ArtifactError(
                expected=f"a state at the end of a batch of {self.batch_rows} rows",
                found=f"row {state.index:,}",
                where="checkpoint",
                fix="resume with a batch size that divides it, the one of the checkpoint for example",
            )
        return -(-state.index // self.batch_rows)


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
        _check_ranks(self.batch_packs, "batch_packs", self.rank, self.ranks)
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
        _check_packing(at, self.packing)
        for number, (parts, after) in enumerate(self._global(at)):
            if number % workers == worker:
                low, high = _part(len(parts), self.rank, self.ranks)
                yield self._batch(parts[low:high]), after

    def _global(self, state: State) -> Iterator[tuple[list[tuple[_Packed, int]], State]]:
        """Packs of each global batch, and the state after it."""
        order, total, plan = self.plan.order, self.plan.rows, self.plan.fingerprint
        index, skip = state.index, state.pack
        batch: list[tuple[_Packed, int]] = []
        while index < total:
            stop = min(index + self.window, total)
            packed = self._packed(order.rows(index, stop))
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


def _check_packing(state: State, packing: str) -> None:
    """Nothing if a state lies between two windows, or in one that was packed like this."""
    if state.pack and state.packing != packing:
        raise ArtifactError(
            expected=f"a state of packs made as {packing!r} (how, capacity, window)"
            if packing
            else "a state between two rows",
            found=f"pack {state.pack} of a window packed as {state.packing!r}",
            where="checkpoint",
            fix="resume with the packing of the checkpoint, or from a checkpoint at the end of a window",
        )


def _check_ranks(batch: int, name: str, rank: int, ranks: int) -> None:
    if batch < 1 or not 0 <= rank < ranks:
        raise ConfigError(
            expected=f"{name} >= 1 and a rank from 0 to ranks - 1",
            found=f"{name} {batch}, rank {rank} of {ranks}",
            where="stream",
            fix="correct the numbers",
        )
