"""What `benchmarks/stream.py` measures: weights, sizes and rows of the cases, and a clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mishran.stream.apportion import Wish
from mishran.stream.pack import Packs
from mishran.stream.plan import Plan, make_plan
from mishran.stream.supply import Supply
from mishran.stream.tokens import TokenRows

Line = dict[str, Any]
Runs = dict[str, Callable[[], object]]
MEGA = 1e6
HF = "interleave_datasets"
REPEATS = 5
TOO_LONG = 20.0  # seconds; what takes longer is run once


class Missing(Exception):
    """A peer that is not installed."""


def tried(make: Callable[[], Any]) -> Any:
    """What a peer gives, or in words that it is not installed."""
    try:
        return make()
    except Missing as error:
        print(f"  {error}", flush=True)
        return "not installed"


def line(
    name: str,
    ours: float,
    peer: float | str | None = None,
    peer_name: str | None = None,
    goal: str = "none",
    less: bool = False,
) -> Line:
    """One result. peer: a word where it could not run. less: small numbers are good."""
    known = peer if isinstance(peer, float) else None
    ratio = None if not known else known / ours if less else ours / known
    if isinstance(peer, str):
        peer_name = f"{peer_name}: {peer}"
    said = "" if known is None else f", {peer_name} {known:.4g}, ratio {ratio:.3g}"
    print(f"{name}: {ours:.4g}{said}", flush=True)
    return {
        "name": name,
        "ours": ours,
        "peer": known,
        "peer_name": peer_name,
        "ratio": ratio,
        "goal": goal,
    }


@dataclass(frozen=True)
class Mix:
    """Tasks by weight and how often their examples come.

    weights: (n,) sum 1. epochs: (n,) rows of the plan per example of the task, about.
    """

    name: str
    weights: np.ndarray
    epochs: np.ndarray

    def sizes(self, rows: int) -> np.ndarray:
        """(n,) examples of each, at least one."""
        return np.ceil(self.weights * rows / self.epochs).astype(np.int64)


def mix(n: int, kind: str = "once") -> Mix:
    """n tasks: each read 0.5 to 1.5 times ("once"), the smaller up to 100 times ("often"), or one task of
    half the rows beside equal ones ("half")."""
    rng = np.random.default_rng(n)
    weights = np.sort(rng.lognormal(0.0, 0.7, n))[::-1]
    epochs = rng.uniform(0.5, 1.5, n)
    if kind == "often":
        epochs = np.geomspace(1.0, 100.0, n)
    if kind == "half":
        weights, epochs = np.full(n, 0.5 / (n - 1)), np.ones(n)
        weights[0] = 0.5
    words = {"once": "", "often": ", small ones up to 100 times", "half": ", one of half the rows"}
    return Mix(f"N={n}{words[kind]}", weights / weights.sum(), epochs)


def lengths_of(rows: int, seed: int, longest: int = 8192) -> np.ndarray:
    """(rows,) log-normal lengths in tokens: median 245, mean about 360, of 8 to `longest`."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.lognormal(5.5, 0.9, rows), 8, longest).astype(np.int64)


def rows_of(lengths: np.ndarray, seed: int) -> TokenRows:
    """Rows of random ids."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.random.default_rng([seed, 1]).integers(0, 50_000, offsets[-1], dtype=np.uint16)
    return TokenRows(tokens, offsets, (lengths // 4).astype(np.int32))


def mapped(rows: TokenRows, folder: Path) -> TokenRows:
    """The same rows, mapped from files."""
    folder.mkdir(parents=True)
    rows.write(folder)
    return TokenRows.open(folder)


def supplies_of(lengths: Sequence[np.ndarray]) -> list[Supply]:
    return [Supply(f"task{i}", of, f"content {i}") for i, of in enumerate(lengths)]


def planned(supplies: Sequence[Supply], weights: np.ndarray, rows: int) -> Plan:
    return make_plan(supplies, [Wish(weights, rows, "rows", "rows")], max_epochs=None)


def deviation(task: np.ndarray, weights: np.ndarray) -> float:
    """The largest |count - p L| over tasks and prefixes of L rows."""
    order = np.argsort(task.astype(np.int16), kind="stable")
    counts = np.bincount(task, minlength=len(weights))
    worst = 0.0
    for places, p in zip(np.split(order, counts.cumsum()[:-1]), weights, strict=True):
        count = np.arange(len(places))
        before, after = count - p * places, count + 1 - p * (places + 1)  # around each of its rows
        ends = abs(len(places) - p * len(task))
        worst = max(worst, ends, *(np.abs(x).max(initial=0.0) for x in (before, after)))
    return float(worst)


def gathered(tokens: np.ndarray, offsets: np.ndarray, packs: Packs) -> np.ndarray:
    """Ids in the order of their packs; offsets: where the rows of the window begin."""
    begin = offsets[packs.row]
    starts, stops = begin + packs.begin, begin + packs.end
    if (starts[1:] == stops[:-1]).all():  # pieces in their order: one copy
        return tokens[starts[0] : stops[-1]].copy()
    pieces = zip(starts.tolist(), stops.tolist(), strict=True)
    return np.concatenate([tokens[start:stop] for start, stop in pieces])


def clock(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def medians(runs: Runs, repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of each, in turn after a warm-up, so that what else runs disturbs all alike."""
    times = {name: [clock(run)] for name, run in runs.items()}
    for _ in range(repeats):
        for name, run in runs.items():
            if times[name][0] < TOO_LONG:
                times[name].append(clock(run))
    return {name: statistics.median(of[1:] or of) for name, of in times.items()}
