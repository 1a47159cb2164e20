"""Memory of a whole `mishran corpus clean`, main process and workers, as the input grows.

The input is real text, repeated in a new order each time with every tenth word replaced by another of its
language: the copies have about the rules', the language's and the tokenizer's numbers of real text, and are
no near duplicates (5 words in a row stay whole in 0.59 of cases, which leaves two copies a Jaccard
similarity of 0.21, found with probability below 0.0001).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from corpus_case import LANGUAGES, MEGA, documents
from corpus_whole import RECIPE
from stream_case import Line, line

from mishran.config import read_config
from mishran.config_corpus import CorpusConfig

CHANGED = 0.1  # of the words
EVERY_S = 0.2  # between two looks at the processes
FLAT = "ratio >= 0.85"  # peak of the small input / peak of the large one
# Off for the second recipe: what takes hours on gigabytes and holds no more for them.
RULES_ONLY = {
    "html": False, "boilerplate": False, "normalise": False, "pii": [], "gibberish": False,
    "mixing": None, "decontaminate": None, "facts": None, "tokenizer": None, "dropped": False,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A finished run. peak_mib: of all processes together; largest_mib: of one of them."""

    megabytes: float
    seconds: float
    peak_mib: float
    largest_mib: float
    processes: int
    kept: int
    arrived: int


def mutated(text: str, words: np.ndarray, rng: np.random.Generator) -> str:
    """The text with some words replaced."""
    parts = text.split(" ")
    number = max(1, int(CHANGED * len(parts)))
    places = rng.integers(0, len(parts), number).tolist()
    for place, new in zip(places, words[rng.integers(0, len(words), number)], strict=True):
        parts[place] = new
    return " ".join(parts)


def grow(folder: Path, megabytes: float, seed: int = 0) -> float:
    """A file of JSON lines per language, in equal parts; returns megabytes of text."""
    import orjson

    folder.mkdir(parents=True)
    total = 0
    for number, language in enumerate(LANGUAGES):
        texts = documents(language)
        rng = np.random.default_rng([seed, number])
        some = " ".join(texts[i] for i in rng.integers(0, len(texts), 200)).split()
        words = np.array(some, dtype=object)
        size = count = 0
        wanted = megabytes * MEGA / len(LANGUAGES)
        with (folder / f"{language}.jsonl").open("wb") as file:
            while size < wanted:
                for i in rng.permutation(len(texts)).tolist():
                    text = mutated(texts[i], words, rng)
                    row = {"id": str(count), "text": text}
                    file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                    size += len(text.encode("utf-8"))
                    count += 1
                    if size >= wanted:
                        break
        total += size
    return total / MEGA


def recipe(raw: Path, folder: Path, only_rules: bool, seeds: int | None = None) -> Path:
    """The worked example's languages and steps, over the grown text; `seeds` documents of a seed file."""
    config = read_config(RECIPE, CorpusConfig).model_dump(mode="json")
    config |= RULES_ONLY if only_rules else {}
    config["run"] = str(folder / "run")
    config["sources"] = [
        {
            "name": language,
            "path": str(raw / f"{language}.jsonl"),
            "language": language,
            "provenance": "native",
        }
        for language in LANGUAGES
    ]
    if only_rules:  # the two languages of the text, and no others to be told from
        config["languages"] = {tag: config["languages"][tag] for tag in LANGUAGES}
    for language in config["languages"].values():
        for file in language["seed"]:
            file["limit"] = seeds if seeds is not None else file["limit"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return path


def clean(path: Path, megabytes: float) -> Run:
    """Run the command and watch its processes."""
    command = [sys.executable, "-m", "mishran", "corpus", "clean", str(path), "--quiet"]
    start = time.perf_counter()
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE) as process:
        watch = Watch(process.pid)
        out, _ = process.communicate()
        seconds = time.perf_counter() - start
        watch.stop()
    if process.returncode:
        sys.exit(f"`mishran corpus clean` ended with {process.returncode}")
    accounts = json.loads(out)["accounts"]
    arrived, kept = (sum(row["documents"] for row in accounts[k]) for k in ("arrived", "kept"))
    return Run(megabytes, seconds, *watch.found(), kept, arrived)


class Watch:
    """Looks at a process and all its children, a few times a second, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid, self._end = pid, threading.Event()
        self._peak, self._largest, self._pids = 0, 0, set()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def found(self) -> tuple[float, float, int]:
        """MiB of all at once, MiB of one, and how many processes there were."""
        return self._peak / 2**20, self._largest / 2**20, len(self._pids)

    def _look(self) -> None:
        while not self._end.wait(EVERY_S):
            sizes = dict(resident(self._pid))
            self._peak = max(self._peak, sum(sizes.values()))
            self._largest = max(self._largest, *sizes.values(), 0)
            self._pids.update(sizes)


def resident(pid: int) -> Iterator[tuple[int, int]]:
    """(process, resident bytes) of a process and all below it; shared pages count in each."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        below = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, IndexError):  # it has just ended
        return
    yield pid, pages * os.sysconf("SC_PAGE_SIZE")
    for child in below:
        yield from resident(child)


def memory(folder: Path, sizes: tuple[float, float], only_rules: bool) -> Iterator[Line]:
    """Peak memory on a small and a large input."""
    what = "read, language, rules, duplicates, write" if only_rules else "the whole example"
    runs = []
    for megabytes in sizes:
        place = folder / f"{'rules' if only_rules else 'all'}-{megabytes:g}"
        got = grow(place / "raw", megabytes)
        run = clean(recipe(place / "raw", place, only_rules), got)
        print(run, flush=True)
        runs.append(run)
        for file in sorted(place.rglob("*"), reverse=True):
            file.unlink() if not file.is_dir() or file.is_symlink() else file.rmdir()
    small, large = runs
    name = f"memory, {what}, {large.megabytes:,.0f} MB"
    beside = f"{small.megabytes:,.0f} MB"
    yield line(f"{name}: MiB of all processes", large.peak_mib, small.peak_mib, beside, FLAT, True)
    yield line(
        f"{name}: MiB of the largest process",
        large.largest_mib,
        small.largest_mib,
        beside,
        FLAT,
        True,
    )
    yield line(f"{name}: processes", float(large.processes), float(small.processes), beside)
    yield line(
        f"{name}: MB/s, all cores",
        large.megabytes / large.seconds,
        small.megabytes / small.seconds,
        beside,
    )
    shares = [run.kept / run.arrived for run in runs]
    yield line(f"{name}: documents kept, share", shares[1], shares[0], beside)
