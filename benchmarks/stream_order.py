"""Cases of benchmarks/stream.py about the order of training: made from weights, even, and resumed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import stream_peers as peers
from stream_case import (
    HF,
    MEGA,
    Line,
    Mix,
    Runs,
    deviation,
    lengths_of,
    line,
    mapped,
    medians,
    mix,
    planned,
    rows_of,
    supplies_of,
    tried,
)

from mishran.stream.interleave import Interleave
from mishran.stream.order import WINDOW
from mishran.stream.pack import WINDOW as PACKED
from mishran.stream.pack_stream import PackStream
from mishran.stream.plan import Plan
from mishran.stream.row_stream import RowStream
from mishran.stream.state import State
from mishran.stream.tokens import TokenRows

START, BATCH, MORE = 100_000_000, 1000, 5_000_000


def index(quick: bool) -> Iterator[Line]:
    """Weights to task, example and epoch of every row."""
    cases = [mix(n) for n in ((4, 256) if quick else (4, 16, 64, 256))]
    for case in [*cases, mix(64, "often"), mix(256, "half")]:
        yield from index_of(case, *((1_000_000, 200_000) if quick else (10_000_000, 2_000_000)))


def index_of(case: Mix, rows: int, fewer: int) -> Iterator[Line]:
    """fewer: rows that datasets makes, about."""
    weights = case.weights
    supplies = supplies_of([lengths_of(int(s), i) for i, s in enumerate(case.sizes(rows))])
    plan = planned(supplies, weights, rows)
    runs: Runs = {
        "plan": lambda: planned(supplies, weights, rows),
        "rows": lambda: plan.order.rows(0, rows),
        "tasks": lambda: tasks(plan.phases[0].counts, rows),
    }
    parts = tried(lambda: peers.numbered(case.sizes(fewer)))
    made = parts if isinstance(parts, str) else peers.interleaved(parts, weights)
    if not isinstance(parts, str):
        runs["datasets"] = lambda: peers.interleaved(parts, weights)
    lagging = tried(lambda: peers.blended(weights, rows))
    if not isinstance(lagging, str):
        runs["megatron"] = lambda: peers.blended(weights, rows)
    found = medians(runs)
    rate = {name: rows / MEGA / seconds for name, seconds in found.items()}
    both = rows / MEGA / (found["plan"] + found["rows"])
    theirs = made if isinstance(made, str) else len(made) / MEGA / found["datasets"]
    title = f"index, {case.name}:"
    yield line(f"{title} plan and rows", both, goal="ours >= 20")
    yield line(f"{title} plan and rows / {HF}", both, theirs, HF, "ratio >= 15")
    yield line(f"{title} plan alone", rate["plan"])
    yield line(f"{title} rows alone", rate["rows"], theirs, HF)
    compiled = rate.get("megatron", lagging)
    yield line(f"{title} tasks alone", rate["tasks"], compiled, "Megatron-Core")
    off = deviation(plan.order.rows(0, rows).task, weights)
    random = made if isinstance(made, str) else deviation(peers.column(made, "task"), weights)
    lag = lagging if isinstance(lagging, str) else deviation(lagging, weights)
    title = f"deviation, {case.name}"
    yield line(f"{title} / {HF}", off, random, HF, "ours <= 2", less=True)
    yield line(f"{title} / Megatron-Core", off, lag, "Megatron-Core", less=True)


def tasks(counts: tuple[int, ...], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) task of each row and how often it came before, as `Order` makes them."""
    part = Interleave(counts)
    task, before = np.empty(rows, np.int32), np.empty(rows, np.int64)
    for start in range(0, rows, WINDOW):
        stop = min(start + WINDOW, rows)
        task[start:stop], before[start:stop] = part.rows(start, stop)
    return task, before


def resume(quick: bool, folder: Path) -> Iterator[Line]:
    """From weights to the first batch after row 10^8."""
    case = mix(256)
    for examples in (1_000_000,) if quick else (1_000_000, 10_000_000):
        sizes = np.maximum(1, np.round(case.weights * examples)).astype(int)
        places = [folder / f"{examples}" / str(i) for i in range(len(sizes))]
        rng = np.random.default_rng(0)
        for i, (n, place) in enumerate(zip(sizes, places, strict=True)):
            mapped(rows_of(rng.integers(2, 30, n), i), place)
        # Ours cost the same however long it has trained, a peer's by the rows.
        theirs = tried(lambda: again(case)) if examples == 1_000_000 else None
        yield from resume_of(case, f"resume, {examples // 10**6} M examples:", places, theirs)


def resume_of(
    case: Mix, title: str, places: Sequence[Path], theirs: tuple[float, float] | str | None
) -> Iterator[Line]:
    stores = tuple(TokenRows.open(place) for place in places)
    supplies = supplies_of([of.lengths for of in stores])
    plan = planned(supplies, case.weights, START + MORE)
    saved = places[0].parent / "plan.json"
    saved.write_text(plan.to_json())

    def batch(of: Plan) -> object:
        return RowStream(of, stores, BATCH)[START // BATCH]

    def packs() -> object:
        stream = PackStream(plan, stores, 512, 32, 0)
        state = State(plan.fingerprint, START // PACKED * PACKED, 5, stream.packing)
        return next(stream.batches(state))

    found = medians(
        {
            "anew": lambda: batch(planned(supplies, case.weights, START + MORE)),
            "read": lambda: batch(Plan.read(saved)),
            "batch": lambda: batch(plan),
            "packs": packs,
            "open": lambda: [TokenRows.open(place) for place in places],
        }
    )
    made, skip = theirs if isinstance(theirs, tuple) else (theirs, theirs)
    rebuilt = f"{HF} of 100 M rows, by its rate for fewer" if made else None
    skipped = "datasets, skip of flattened rows" if skip else None
    first = "plan made anew, first batch"
    yield line(f"{title} {first}", found["anew"], made, rebuilt, "ours <= 0.1", less=True)
    yield line(f"{title} plan read, first batch", found["read"])
    yield line(f"{title} first batch alone", found["batch"], skip, skipped, less=True)
    yield line(f"{title} first packs alone", found["packs"])
    yield line(f"{title} files mapped", found["open"])


def again(case: Mix) -> tuple[float, float]:
    """Seconds in which datasets interleaves 10^8 rows anew, in proportion, and of a skip with a batch."""
    parts = peers.numbered(case.sizes(200_000))
    flat = peers.interleaved(parts, case.weights).flatten_indices()
    found = medians(
        {
            "made": lambda: peers.interleaved(parts, case.weights),
            "skip": lambda: flat.skip(len(flat) // 2).with_format("numpy")[:BATCH],
        }
    )
    return found["made"] * START / len(flat), found["skip"]
