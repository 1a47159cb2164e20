"""What is counted in each text under a tokenizer: tokens, bytes, words, and tokens that cut an akshara.

Every measure is a ratio of sums of these, so that intervals come from drawing texts anew.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.tokenizer.encoded import Ints, Tokenizer
from mishran.tokenizer.open_bytes import utf8_bytes

_SLICE = 2000  # texts at once


@final
@dataclass(frozen=True)
class Tally:
    """Counts of n texts, each (n,).

    num_words: between whitespace. num_split: words of more than one token. num_broken: tokens that begin
    with a combining mark (dependent vowel sign, virama, nukta, any of Unicode M), apart from their
    base. num_inside: tokens that begin inside a character. ids, text: (T,) of all tokens, and which text
    each stands in.
    """

    num_tokens: Ints
    num_bytes: Ints
    num_characters: Ints
    num_words: Ints
    num_split: Ints
    num_broken: Ints
    num_inside: Ints
    ids: Ints
    text: Ints


def tally(tokenizer: Tokenizer, texts: Sequence[str]) -> Tally:
    """Count.

    Args:
        texts: half of a surrogate pair counts as the replacement character.
    """
    rows: list[tuple[int, ...]] = []
    ids: list[Ints] = []
    for at in range(0, len(texts), _SLICE):
        some = [utf8_bytes(text).decode() for text in texts[at : at + _SLICE]]
        for text, encoded in zip(some, tokenizer.encode(some), strict=True):
            rows.append(_row(text, encoded.starts))
            ids.append(encoded.ids)
    table = np.array(rows, dtype=np.int64).reshape(len(texts), 7)
    sizes = [one.size for one in ids]
    flat = np.concatenate(ids) if ids else np.empty(0, dtype=np.int64)
    tokens, size, characters, num_words, split, broken, inside = table.T
    places = np.repeat(np.arange(len(texts)), sizes)
    return Tally(tokens, size, characters, num_words, split, broken, inside, flat, places)


def _row(text: str, starts: Ints) -> tuple[int, ...]:
    raw = np.frombuffer(text.encode(), dtype=np.uint8)
    first = (raw & 0xC0) != 0x80  # a character begins here
    begins = np.flatnonzero(first)
    marks = np.fromiter((is_mark(c) for c in text), bool, len(text))
    space = np.fromiter((c.isspace() for c in text), bool, len(text))
    inside = first.size and ~first[np.minimum(starts, raw.size - 1)]
    broken = np.zeros(raw.size, dtype=bool)
    broken[begins[marks]] = True
    word_begins, word_ends = words(space)
    cuts = np.unique(starts)
    place = np.append(begins, raw.size)  # byte of each character
    # Tokens that begin inside a word, not with it.
    within = np.searchsorted(cuts, place[word_ends], "left") - np.searchsorted(
        cuts, place[word_begins], "right"
    )
    return (
        starts.size,
        raw.size,
        len(text),
        word_begins.size,
        int(np.count_nonzero(within)),
        int(np.count_nonzero(broken[starts])) if starts.size else 0,
        int(np.count_nonzero(inside)) if starts.size else 0,
    )


def words(space: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Where words begin and end, in characters, of (C,) whether each is whitespace."""
    change = np.diff(np.concatenate([[True], space, [True]]).astype(np.int8))
    return np.flatnonzero(change == -1), np.flatnonzero(change == 1)


@lru_cache(maxsize=2**16)
def is_mark(character: str) -> bool:
    """A combining mark: general category M of Unicode."""
    return unicodedata.category(character).startswith("M")
