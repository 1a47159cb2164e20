"""The passes over a corpus: clean every shard, find exact duplicates, find near ones, write what is left.

Duplicates need three more looks (signatures, buckets, clusters), since no process ever holds more than
one shard; removal is a list of numbers per shard, applied when the shard is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from mishran.config_corpus import CorpusConfig
from mishran.corpus import duplicates as dedup
from mishran.corpus.executors import Pass
from mishran.corpus.files import Shard
from mishran.corpus.steps import EXACT, NEAR, Making, Models
from mishran.corpus.trove import Books, Clean, Counter, Exclusion, Held, Hold, Origin, Read, Write

PER_SHARD = ("clean", "signatures", "write")  # passes whose tasks are the shards


@dataclass(frozen=True)
class Work:
    """Where the files of a cleaning lie until it is done."""

    folder: Path

    @property
    def clean(self) -> Path:
        return self.folder / "clean"

    @property
    def dropped(self) -> Path:
        return self.folder / "dropped"

    @property
    def accounts(self) -> Path:
        return self.folder / "accounts"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"


def plan_passes(
    config: CorpusConfig,
    shards: tuple[Shard, ...],
    models: Models,
    work: Work,
    count: Counter | None = None,
    report: Callable[[float], None] | None = None,
) -> list[Pass]:
    """The passes that a configuration asks for.

    Args:
        count: tokens of a text; None where nobody counts.
        report: told the bytes that were cleaned.
    """
    origins = {
        s.name: Origin(s.name, s.provenance, s.language, s.text, s.id) for s in config.sources
    }
    sources = tuple(shard.source for shard in shards)
    tasks = len(shards)
    held, exact, near = work.folder / "held", work.folder / "exact", work.folder / "near"

    def lost(name: str) -> Path | None:
        return work.dropped / name if config.dropped else None

    books = Books(work.accounts / "clean", count)
    read = Read(shards, origins, config.limits.line, books)
    clean = Clean(Making(config, models), books, lost("clean"), report)
    if not config.exact and config.minhash is None:
        return [Pass("clean", [read, clean, Write(work.clean, sources, books)], tasks)]
    passes = [Pass("clean", [read, clean, Hold(held)], tasks)]
    silent = Exclusion(EXACT, "duplicate", None, None)
    if config.exact:
        passes[0].steps.append(dedup.exact_signatures(exact, list(origins)))
        passes.append(Pass("exact", [dedup.exact_find(exact)], 1))
    if config.minhash is not None:
        signatures = dedup.near_signatures(near, config.minhash)
        if config.exact:
            again = [Held(held), dedup.exact_filter(exact, silent), signatures]
            passes.append(Pass("signatures", again, tasks))
        else:
            passes[0].steps.append(signatures)
        buckets = dedup.near_buckets(near, config.minhash)
        passes.append(Pass("buckets", [buckets], config.minhash.buckets))
        passes.append(Pass("clusters", [dedup.near_clusters(near, config.minhash)], 1))
    last = Books(work.accounts / "write", None)
    steps: list[PipelineStep] = [Held(held, last)]
    if config.exact:
        exclusion = Exclusion(EXACT, "duplicate", last, lost(EXACT))
        steps.append(dedup.exact_filter(exact, exclusion))
    if config.minhash is not None:
        exclusion = Exclusion(NEAR, "near-duplicate", last, lost(NEAR))
        steps.append(dedup.near_filter(near, exclusion))
    passes.append(Pass("write", [*steps, Write(work.clean, sources, last)], tasks))
    return passes
