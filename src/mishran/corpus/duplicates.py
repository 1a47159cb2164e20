"""Exact and near duplicates by datatrove's signatures, with four choices of ours.

**The first copy stays.** datatrove keeps whichever member of a cluster its union-find ends up at; here it
is the one from the source that is named first, so that a native text outlives its copy in a synthetic
source that is listed below it.

**Vowel signs count.** datatrove's normalisation strips every nonspacing mark (Unicode category Mn) for
accents' sake; in Devanagari those are most vowel signs, the virama and the anusvara, and words that differ
become one. Marks stay.

**Numbers count**, unless the recipe says otherwise. datatrove writes every number as 0, and two tables of
other years, a register of villages and its neighbour become one text.

**Words are what whitespace separates**, in every language.

Two documents of shingle similarity s share a bucket with probability 1 - (1 - s^hashes)^buckets (Broder
1997; Leskovec et al., Mining of Massive Datasets, 3.4): 0.56 at 0.7, 0.77 at 0.75, 0.92 at 0.8, 0.99 at
0.85 with the defaults of 14 buckets of 8.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.pipeline.dedup.exact_dedup import (
    ExactDedupConfig,
    ExactDedupFilter,
    ExactDedupSignature,
    ExactFindDedups,
)
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.utils.binaryio import read_tuples_from_file
from datatrove.utils.text import TextNormConfig
from datatrove.utils.word_tokenizers import WordTokenizer

from mishran.config_corpus import MinhashConfig as Settings
from mishran.corpus.trove import Exclusion


class Words(WordTokenizer):
    """Words between whitespace: datatrove's own of that name asks spaCy."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


_WORDS = Words()


def content(document: Any) -> str:
    """What exact duplicates share: the text without regard to case and whitespace."""
    return " ".join(document.text.casefold().split())


class InOrder:
    """Priority of a document: the higher, the earlier its source is named; datatrove keeps the highest."""

    def __init__(self, sources: Sequence[str]) -> None:
        top = np.iinfo(np.uint16).max
        self._of = {name: max(1, top - i) for i, name in enumerate(sources)}

    def __call__(self, document: Any) -> int:
        return self._of[document.metadata["source"]]


def _exact(priority: InOrder | None = None) -> ExactDedupConfig:
    return ExactDedupConfig(content_getter=content, document_priority=priority)


def exact_signatures(folder: Path, sources: Sequence[str]) -> ExactDedupSignature:
    """sources: in the order of the recipe."""
    return ExactDedupSignature(str(folder / "signatures"), config=_exact(InOrder(sources)))


def exact_find(folder: Path) -> FindExact:
    return FindExact(
        str(folder / "signatures"), str(folder / "found"), config=_exact(), lines_to_buffer=4096
    )


def exact_filter(folder: Path, exclusion: Exclusion) -> ExactDedupFilter:
    return ExactDedupFilter(str(folder / "found"), config=_exact(), exclusion_writer=exclusion)


def _minhash(settings: Settings) -> MinhashConfig:
    return MinhashConfig(
        n_grams=settings.n_grams,
        num_buckets=settings.buckets,
        hashes_per_bucket=settings.hashes,
        seed=settings.seed,
        norm_config=TextNormConfig(
            norm_unicode_diacritics=False, norm_numbers=not settings.numbers
        ),
    )


def near_signatures(folder: Path, settings: Settings) -> InParts:
    return InParts(str(folder / "signatures"), config=_minhash(settings), language=_WORDS)


def near_buckets(folder: Path, settings: Settings) -> FindNear:
    return FindNear(
        str(folder / "signatures"),
        str(folder / "pairs"),
        config=_minhash(settings),
        lines_to_buffer=4096,
    )


def near_clusters(folder: Path, settings: Settings) -> KeepFirst:
    return KeepFirst(str(folder / "pairs"), str(folder / "remove"), config=_minhash(settings))


def near_filter(folder: Path, exclusion: Exclusion) -> MinhashDedupFilter:
    return MinhashDedupFilter(str(folder / "remove"), exclusion_writer=exclusion)


class InParts(MinhashDedupSignature):
    """The same signatures in memory that does not grow with a document.

    datatrove hashes all shingles at once, 8 bytes for each of 112 functions and each word: 15 GB for a
    document of 50 MB.
    """

    PART = 2**14

    def get_signature(self, shingles: Any) -> list[list[int]]:
        if len(shingles) <= self.PART:
            whole: list[list[int]] = super().get_signature(shingles)
            return whole
        parts = [
            super(InParts, self).get_signature(shingles[at : at + self.PART])
            for at in range(0, len(shingles), self.PART)
        ]
        least = np.min(np.array(parts, dtype=self.config.hash_config.np_dtype), axis=0)
        found: list[list[int]] = least.tolist()
        return found


def _open_many() -> None:
    """As many open files as the system lets us have: the finders hold one of every shard."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class FindExact(ExactFindDedups):
    """datatrove's, for any number of shards."""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        _open_many()
        super().run(data, rank, world_size)


class FindNear(MinhashDedupBuckets):
    """datatrove's, for any number of shards."""

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        _open_many()
        super().run(data, rank, world_size)


class KeepFirst(MinhashDedupCluster):
    """Clusters of duplicate pairs, of which the first document in the order of shards stays."""

    name = "keep the first of every cluster"

    def run(self, data: Any = None, _: int = 0, world_size: int = 1) -> None:
        first: dict[tuple[int, int], tuple[int, int]] = {}
        for name in sorted(self.input_folder.list_files(glob_pattern="*.dups")):
            with self.input_folder.open(name, "rb") as file:
                for f1, d1, f2, d2 in read_tuples_from_file(file, "4I", lines_to_buffer=4096):
                    a, b = _root(first, (f1, d1)), _root(first, (f2, d2))
                    if a != b:
                        first[max(a, b)] = min(a, b)
        with self.output_folder.get_output_file_manager(mode="wb") as output:
            for node in sorted(first):
                if _root(first, node) != node:
                    output.write(f"{node[0]:06d}.remove", struct.pack("<I", node[1]))


def _root(first: dict[tuple[int, int], tuple[int, int]], node: tuple[int, int]) -> tuple[int, int]:
    path = []
    while (above := first.get(node, node)) != node:
        path.append(node)
        node = above
    for below in path:
        first[below] = node
    return node
