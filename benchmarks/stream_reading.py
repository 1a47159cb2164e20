"""Cases of benchmarks/stream.py about tokens: rows read in a mixed order, and packed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import stream_peers as peers
from stream_case import (
    MEGA,
    Line,
    Runs,
    clock,
    gathered,
    lengths_of,
    line,
    mapped,
    medians,
    planned,
    rows_of,
    supplies_of,
    tried,
)

from mishran.stream.build import build_ordered, open_ordered
from mishran.stream.gather import FOUND, gather, located
from mishran.stream.order import Rows
from mishran.stream.pack import WINDOW, How, pack
from mishran.stream.pack_stream import PackStream
from mishran.stream.plan import Plan
from mishran.stream.row_stream import OrderedStream, RowStream
from mishran.stream.supply import Supply
from mishran.stream.tokens import TokenRows

WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])
LENGTH = 512
DATASETS, MOSAIC, TRL = "datasets", "MosaicML streaming", "TRL"


def consumed(batches: Iterator[Any]) -> int:
    """Read to the end; the number of batches."""
    return sum(1 for _ in batches)


@dataclass(frozen=True)
class Corpus:
    """Four tasks on disk in the forms of all: mapped rows, Arrow files and MDS folders; a word instead of
    those where the peer is not installed."""

    title: str
    supplies: list[Supply]
    stores: tuple[TokenRows, ...]
    arrow: list[Any] | str
    shards: list[Path] | str
    folder: Path

    @property
    def rows(self) -> int:
        return sum(len(of) for of in self.stores)

    def plan(self) -> Plan:
        return planned(self.supplies, WEIGHTS, self.rows)

    def flat(self, name: str) -> Any:
        """Interleaved by datasets, and written once more in that order."""
        mixed = peers.interleaved(self.arrow, WEIGHTS)
        return mixed.flatten_indices(cache_file_name=str(self.folder / f"{name}.arrow"))


def corpus(title: str, rows: int, folder: Path, equal: bool) -> Corpus:
    """equal: all rows have LENGTH tokens."""
    sizes = np.round(WEIGHTS * rows).astype(int).tolist()
    held = [
        rows_of(np.full(n, LENGTH) if equal else lengths_of(n, i), i) for i, n in enumerate(sizes)
    ]
    folder.mkdir()

    def arrow() -> list[Any]:
        return [
            peers.on_disk(peers.token_table(of.tokens, of.offsets), folder / f"arrow{i}")
            for i, of in enumerate(held)
        ]

    def shards() -> list[Path]:
        for i, of in enumerate(held):
            peers.write_mds(folder / f"mds{i}", of.tokens, of.offsets)
        return [folder / f"mds{i}" for i in range(len(held))]

    stores = tuple(mapped(of, folder / f"ours{i}") for i, of in enumerate(held))
    supplies = supplies_of([of.lengths for of in held])
    return Corpus(title, supplies, stores, tried(arrow), tried(shards), folder)


def batches_of(stream: RowStream | OrderedStream, equal: bool) -> Iterator[np.ndarray]:
    for number in range(len(stream)):
        tokens = stream[number].tokens
        yield tokens.reshape(-1, LENGTH) if equal else tokens


def loader(quick: bool, folder: Path) -> Iterator[Line]:
    """The same rows, mixed from four tasks, as arrays of ids."""
    rows = 20_000 if quick else 200_000
    for name, equal in (("of 512", True), ("of any length", False)):
        data = corpus(f"loader, rows {name}", rows, folder / name, equal)
        flat = data.arrow if isinstance(data.arrow, str) else data.flat("flat")
        build_ordered(data.plan(), data.stores, folder / name / "ordered")
        ordered = open_ordered(folder / name / "ordered")
        for batch in (1000, 32):
            yield from loader_of(data, equal, batch, flat, OrderedStream(*ordered, batch))
            yield from shares_of(data, batch)
        yield one_pass(data, equal)


def loader_of(
    data: Corpus, equal: bool, batch: int, flat: Any, ordered: OrderedStream
) -> Iterator[Line]:
    """flat: what `Corpus.flat` gives. ordered: the same rows, written in their order too."""
    stream = RowStream(data.plan(), data.stores, batch)
    runs: Runs = {
        "ordered": lambda: consumed(batches_of(ordered, equal)),
        "drawn": lambda: consumed(batches_of(stream, equal)),
    }
    count: dict[str, int] = {}

    def reader(read: Callable[[Any, int], Iterator[Any]]) -> Callable[[], object]:
        return lambda: consumed(read(flat, batch))

    if not isinstance(flat, str):
        for name, read in {**peers.READERS, "view": peers.arrow_views}.items():
            runs[f"{DATASETS}, {name}"] = reader(read)
            count[f"{DATASETS}, {name}"] = len(flat)
    found = medians(runs)
    if not isinstance(data.shards, str):
        # Once after a warm-up: many seconds at its rate, and it keeps threads of its own.
        mixed = peers.mds_mix(data.shards, WEIGHTS, data.rows, batch)
        clock(lambda: consumed(peers.mds_batches(mixed, batch)))
        found[MOSAIC] = clock(lambda: consumed(peers.mds_batches(mixed, batch)))
        count[MOSAIC] = data.rows
    ours = {kind: data.rows / 1e3 / found.pop(kind) for kind in ("ordered", "drawn")}
    title = f"{data.title}, batches of {batch}"
    for kind, rate in ours.items():
        for name, seconds in found.items():
            # Arrow's readers of a file that is in its order are matched by ours of such a file.
            same = not name.endswith("view") and (kind == "ordered" or "arrow" not in name)
            goal = "ratio >= 1" if same else "none"
            theirs = count[name] / 1e3 / seconds
            yield line(f"{title}, {kind} / {name}", rate, theirs, name, goal)
        for name, value in ((DATASETS, flat), (MOSAIC, data.shards)):
            if isinstance(value, str):
                yield line(f"{title}, {kind} / {name}", rate, value, name, "ratio >= 1")


def shares_of(data: Corpus, batch: int) -> Iterator[Line]:
    """Nanoseconds per row of each step of ours, alone."""
    stream = RowStream(data.plan(), data.stores, batch)
    order, stores = stream.plan.order, stream.stores
    rows = order.rows(0, data.rows)

    def part(start: int, size: int) -> Rows:
        return rows.part(start, start + size)

    places = [located(part(at, batch), stores) for at in range(0, data.rows, batch)]
    slices = [
        [stores[i].tokens[a:b] for i, a, b in zip(r.task, at.starts, at.stops, strict=True)]
        for r, at in ((part(k * batch, batch), at) for k, at in enumerate(places))
    ]
    flat = np.concatenate([run for some in slices for run in some])
    steps: Runs = {
        "the order": lambda: order.rows(0, data.rows),
        "looking rows up": lambda: [
            located(part(at, FOUND), stores) for at in range(0, data.rows, FOUND)
        ],
        "copying": lambda: [
            gather(part(k * batch, batch), stores, at) for k, at in enumerate(places)
        ],
        "of which np.concatenate": lambda: [np.concatenate(some) for some in slices],
        "all ids in one piece, copied": lambda: flat.copy(),
    }
    for name, seconds in medians(steps).items():
        kind = data.title.removeprefix("loader, ")
        yield line(f"steps, {kind}, batches of {batch}: {name}", 1e9 * seconds / data.rows)


def one_pass(data: Corpus, equal: bool) -> Line:
    """From weights to the last batch, what has to be made before included; once."""
    ours = clock(lambda: consumed(batches_of(RowStream(data.plan(), data.stores, 1000), equal)))
    theirs: Any = data.arrow
    if not isinstance(theirs, str):
        made: list[Any] = []
        seconds = clock(lambda: made.append(data.flat("again")))
        seconds += clock(lambda: consumed(peers.arrow_slices(made[0], 1000)))
        theirs = len(made[0]) / 1e3 / seconds
    name = f"{data.title}: one pass, from weights on"
    return line(name, data.rows / 1e3 / ours, theirs, f"{DATASETS}, flatten_indices and arrow")


def packing(quick: bool) -> Iterator[Line]:
    """Rows behind each other in memory to packs of ids."""
    lengths = lengths_of(8_000 if quick else 50_000, 1)
    for capacity in (512, 2048) if quick else (512, 2048, 8192):
        for strategy in ("bfd_split", "bfd", "wrapped"):
            # Its bfd drops what is longer than a pack: both get rows that are cut before.
            cut = np.minimum(lengths, capacity) if strategy == "bfd" else lengths
            held = rows_of(cut, 1)
            for window in (1000, WINDOW):
                yield from packing_of(held, capacity, strategy, window)
        yield ready(lengths, capacity)


def packing_of(held: TokenRows, capacity: int, strategy: str, window: int) -> Iterator[Line]:
    how: How = "wrapped" if strategy == "wrapped" else "bfd"
    count = len(held.tokens)
    runs: Runs = {"ours": lambda: packed(held, capacity, how, window)}

    def theirs() -> Any:
        return peers.packed(table, capacity, strategy, window)

    table = tried(lambda: peers.token_table(held.tokens, held.offsets))
    made = table if isinstance(table, str) else tried(theirs)
    if not isinstance(made, str):
        runs[TRL] = theirs
    found = medians(runs)
    title = f"{strategy} to {capacity}, {window} rows together"
    rate = made if isinstance(made, str) else count / MEGA / found[TRL]
    yield line(f"packing, {title}", count / MEGA / found["ours"], rate, TRL, "ratio >= 1")
    fill = count / (capacity * packed(held, capacity, how, window)[1])
    full = made if isinstance(made, str) else count / (capacity * len(made))
    yield line(f"fill, {title}", fill, full, TRL, "ratio >= 1")


def packed(held: TokenRows, capacity: int, how: How, window: int) -> tuple[list[np.ndarray], int]:
    """Ids pack by pack, a run for each window, and the number of packs."""
    out, num = [], 0
    lengths = held.lengths
    for start in range(0, len(held), window):
        packs = pack(lengths[start : start + window], capacity, how)
        out.append(gathered(held.tokens, held.offsets[start:], packs))
        num += len(packs)
    return out, num


def ready(lengths: np.ndarray, capacity: int) -> Line:
    """Best fit, with labels and positions: all that a trainer needs, from four tasks by a plan."""
    parts: Sequence[np.ndarray] = np.array_split(lengths, 4)
    stores = tuple(rows_of(of, i) for i, of in enumerate(parts))
    shares = np.array([len(of) / len(lengths) for of in parts])
    plan = planned(supplies_of(parts), shares, len(lengths))
    stream = PackStream(plan, stores, capacity, 32, 0)
    runs: Runs = {"ours": lambda: consumed(stream.batches())}

    def theirs() -> int:
        return consumed(peers.collated(peers.packed(wide, capacity, "bfd_split", 1000), 32))

    held = rows_of(lengths, 1)
    wide = tried(lambda: peers.token_table(held.tokens.astype(np.int64), held.offsets))
    made = wide if isinstance(wide, str) else tried(theirs)
    if not isinstance(made, str):
        runs[TRL] = theirs
    found = medians(runs)
    rate = made if isinstance(made, str) else len(held.tokens) / MEGA / found[TRL]
    name = f"packing, to {capacity}, with labels and positions"
    return line(name, plan.tokens / MEGA / found["ours"], rate, "TRL and its collator")
