"""The index of evaluation items: numbers in sorted arrays, and how a text is looked up in it.

A text's words become numbers of the index's vocabulary; where a word is unknown no n-gram can match, which
alone dismisses most text in another language. Hashes of all n-grams of one length come from two running
sums (a polynomial of the words' xxHash values modulo 2^64, so that a window is a difference), are looked up
in a bit table and then in the sorted hashes, and every hit is compared word for word.

When: through contamination.py, which says what counts as a match, and from what paper. Trade-off: the
vocabulary lives in memory as a dictionary (about 100 bytes a word), the rest as arrays.

Source: the rolling hash of Karp and Rabin 1987, IBM J. Res. Dev. 31(2), with hashed words as digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from mishran.corpus.comparable import comparable

LEAST_QUESTION = 4  # words of a question, the shortest n-gram of all; assumption
NEAR = 50  # words on either side of a question in which its answer is looked for; assumption
COMMON = 10  # items or training documents; GPT-3, appendix C, for training documents

How = Literal["n-gram", "whole item", "question and answer"]
Int = NDArray[np.int64]
Hashes = NDArray[np.uint64]
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that its powers have inverses modulo 2^64


@dataclass(frozen=True)
class Item:
    """One item of an evaluation set; without an answer only the prompt counts."""

    set: str
    id: str
    prompt: str
    answer: str = ""


@dataclass(frozen=True)
class Match:
    """Where a document meets an item. ngram: the common words. word: the first of them in the document."""

    set: str
    item: str
    ngram: str
    how: How
    word: int


@dataclass(frozen=True)
class Grams:
    """N-grams of one length: hashes ascending, and for each where it stands in the tokens of the items.

    question: whether the answer must stand near it.
    """

    length: int
    hashes: NDArray[np.uint64]
    at: Int
    question: NDArray[np.bool_]


@dataclass(frozen=True)
class _Filter:
    """A table over the upper bits of hashes: False where no n-gram has them."""

    shift: np.uint64
    table: NDArray[np.bool_]

    def maybe(self, hashes: Hashes) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.table[hashes >> self.shift]
        return found


def _filter(parts: Sequence[Hashes], sparse: int) -> _Filter:
    """At most one place in 2^(sparse - 1) is set, and at most 64 MiB are taken."""
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *parts])
    bits = min(max(len(hashes).bit_length() + sparse, 8), 26)
    shift, table = np.uint64(64 - bits), np.zeros(1 << bits, dtype=np.bool_)
    table[hashes >> shift] = True
    return _Filter(shift, table)


@dataclass(frozen=True)
class Index:
    """The items as numbers. Equal items in equal order give equal arrays.

    n: words of an n-gram. vocabulary: words in order of first occurrence; the number of a word is its place
    plus 1. tokens: (T,) of all items in order, prompt then answer. starts: (items + 1,) of each item in it.
    answers: (items,) where its answer begins. sets: names. set_of: (items,). ids: of the items.
    """

    n: int
    vocabulary: tuple[str, ...]
    tokens: NDArray[np.uint32]
    starts: Int
    answers: Int
    sets: tuple[str, ...]
    set_of: Int
    ids: tuple[str, ...]
    grams: tuple[Grams, ...]

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.vocabulary, 1)}

    @cached_property
    def _hash(self) -> NDArray[np.uint64]:
        return word_hashes(self.vocabulary)

    @cached_property
    def _long(self) -> _Filter:
        """Of the n-grams of n words."""
        return _filter([g.hashes for g in self.grams if g.length == self.n], sparse=4)

    @cached_property
    def _short(self) -> _Filter:
        """Of how all shorter ones begin, so that one look decides for all their lengths."""
        sums, factors = running_sums(self._hash[self.tokens])
        at = [g.at for g in self.grams if g.length < self.n]
        return _filter([windows(sums, factors, where, LEAST_QUESTION) for where in at], sparse=7)

    def _hits(self, words: Sequence[str]) -> list[tuple[int, int, int]]:
        """(position in the text, which of `grams`, row in it) of all n-grams, questions too, by place."""
        number = self._number
        ids = np.fromiter(map(number.get, words, repeat(0)), dtype=np.uint32, count=len(words))
        room = _room(ids)
        at = np.flatnonzero(room >= LEAST_QUESTION)
        if not len(at):
            return []
        sums, factors = running_sums(self._hash[ids])
        short = at[self._short.maybe(windows(sums, factors, at, LEAST_QUESTION))]
        found = []
        for which, grams in enumerate(self.grams):
            long = grams.length == self.n
            here = at if long else short
            here = here[room[here] >= grams.length]
            if not len(here):
                continue
            hashes = windows(sums, factors, here, grams.length)
            if long:
                maybe = self._long.maybe(hashes)
                here, hashes = here[maybe], hashes[maybe]
            low = np.searchsorted(grams.hashes, hashes, "left")
            high = np.searchsorted(grams.hashes, hashes, "right")
            hit = np.flatnonzero(high > low)
            for position, first, last in zip(
                here[hit].tolist(), low[hit].tolist(), high[hit].tolist(), strict=True
            ):
                span = ids[position : position + grams.length]
                for row in range(first, last):
                    there = int(grams.at[row])
                    if np.array_equal(span, self.tokens[there : there + grams.length]):
                        found.append((position, which, row))
        return sorted(found)

    def match(self, text: str) -> Match | None:
        """The first place in the text that condemns it, None if there is none."""
        words = comparable(text).split()
        for position, which, row in self._hits(words):
            grams = self.grams[which]
            item = self._item(int(grams.at[row]))
            question, length = bool(grams.question[row]), grams.length
            if question and not self._answered(words, position, length, item):
                continue
            how: How = "n-gram" if length == self.n else "whole item"
            return Match(
                self.sets[int(self.set_of[item])],
                self.ids[item],
                " ".join(words[position : position + length]),
                "question and answer" if question else how,
                position,
            )
        return None

    def _item(self, token: int) -> int:
        return int(np.searchsorted(self.starts, token, "right")) - 1

    def _answered(self, words: Sequence[str], position: int, length: int, item: int) -> bool:
        """Whether the item's answer stands near its question, before or after."""
        span = slice(int(self.answers[item]), int(self.starts[item + 1]))
        answer = [self.vocabulary[token - 1] for token in self.tokens[span].tolist()]
        end = position + length
        sides = words[max(position - NEAR, 0) : position], words[end : end + NEAR]
        return any(
            list(side[i : i + len(answer)]) == answer
            for side in sides
            for i in range(len(side) - len(answer) + 1)
        )


def word_hashes(vocabulary: Sequence[str]) -> Hashes:
    """(words + 1,) by number; 0 for the unknown word."""
    hashes = (xxhash.xxh3_64_intdigest(word.encode("utf-8")) for word in vocabulary)
    return np.fromiter((0, *hashes), dtype=np.uint64, count=len(vocabulary) + 1)


def running_sums(hashes: Hashes) -> tuple[Hashes, Hashes]:
    """(m + 1,) sums and (m,) factors: n words from i hash to (sums[i + n] - sums[i]) * factors[i]."""
    sums = np.zeros(len(hashes) + 1, dtype=np.uint64)
    np.cumsum(hashes * _powers(_MULTIPLIER, len(hashes)), out=sums[1:])
    return sums, _powers(pow(_MULTIPLIER, -1, 1 << 64), len(hashes))


def windows(sums: Hashes, factors: Hashes, at: Int, length: int) -> Hashes:
    """The hashes of n-grams that begin at these words, from `running_sums`."""
    hashes: Hashes = (sums[at + length] - sums[at]) * factors[at]
    return hashes


def _powers(base: int, count: int) -> Hashes:
    factors = np.full(count, base, dtype=np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


def _room(ids: NDArray[np.uint32]) -> Int:
    """How many known words follow each other from each word on."""
    places = np.arange(len(ids), dtype=np.int64)
    unknown = np.where(ids == 0, places, len(ids))
    return np.minimum.accumulate(unknown[::-1])[::-1] - places
