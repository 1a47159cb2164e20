"""What `benchmarks/corpus.py` measures: real text in two languages, a clock, and lines of results."""

from __future__ import annotations

import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stream_case import Line, line

from mishran.places import data_root

LANGUAGES = ("en", "hi")
MEGABYTES = {False: 4.0, True: 0.15}  # of text per language in a case; True: --quick
REPEATS = 5
MEGA = 1e6
NOT_SLOWER = "ratio >= 1"
TIE = "ratio >= 0.95"  # the same code of a library on both sides; runs differ by 3 %

Runs = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Sample:
    """Documents of one language, in a random order."""

    language: str
    texts: tuple[str, ...]

    @property
    def megabytes(self) -> float:
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in self.texts) / MEGA

    def changed(self, change: Callable[[str], str]) -> Sample:
        return Sample(self.language, tuple(map(change, self.texts)))


class Seconds(NamedTuple):
    """Of one run: of the process, and on the wall."""

    cpu: float
    wall: float


@cache
def documents(language: str, part: str = "train") -> tuple[str, ...]:
    """Every text of a language in $MISHRAN_DATA/pretrain, file by file."""
    folder = data_root() / "pretrain"
    paths = sorted(folder.glob(f"{language}_*.{part}.jsonl.gz"))
    if not paths:
        sys.exit(f"no text in {folder}: set MISHRAN_DATA to the folder with the data")
    return tuple(row["text"] for path in paths for row in rows(path))


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def sample(language: str, megabytes: float, seed: int = 0) -> Sample:
    """Documents drawn at random from all genres, of so many megabytes together."""
    texts = documents(language)
    chosen, size = [], 0
    for i in np.random.default_rng(seed).permutation(len(texts)).tolist():
        chosen.append(texts[i])
        size += len(texts[i].encode("utf-8", "surrogatepass"))
        if size >= megabytes * MEGA:
            break
    return Sample(language, tuple(chosen))


def clock(run: Callable[[], object]) -> Seconds:
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def medians(runs: Runs, repeats: int = REPEATS) -> dict[str, Seconds]:
    """Median seconds of each, in turn after a warm-up, so that what else runs disturbs all alike."""
    for run in runs.values():
        run()
    times: dict[str, list[Seconds]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(clock(run))
    return {
        name: Seconds(*(statistics.median(of) for of in zip(*found, strict=True)))
        for name, found in times.items()
    }


def rates(
    name: str,
    of: Sample,
    ours: Seconds,
    peer: Seconds | None = None,
    peer_name: str | None = None,
    goal: str = "none",
) -> Iterator[Line]:
    """Three lines: MB/s and documents/s of processor time, MB/s on the wall. The bar is on the first."""
    units = (
        ("MB/s", of.megabytes, "cpu", goal),
        ("documents/s", len(of.texts), "cpu", "none"),
        ("MB/s, wall", of.megabytes, "wall", "none"),
    )
    for unit, amount, kind, bar in units:
        theirs = None if peer is None else amount / getattr(peer, kind)
        yield line(f"{name}: {unit}", amount / getattr(ours, kind), theirs, peer_name, bar)
