"""What is counted in each text under a tokenizer: tokens, bytes, words, and tokens that cut an akshara.

Every measure is a ratio of sums of these, so that intervals come from drawing texts anew.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.tokenizer.encoded import Ints, Tokenizer
from mishran.tokenizer.open_bytes import whole_text

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
    parts = [
        _counted(tokenizer, [whole_text(text) for text in texts[at : at + _SLICE]])
        for at in range(0, len(texts), _SLICE)
    ]
    if not parts:
        return Tally(*(np.zeros((9, 0), dtype=np.int64)))
    places = np.concatenate([one.text + i * _SLICE for i, one in enumerate(parts)])
    table = {f.name: np.concatenate([getattr(one, f.name) for one in parts]) for f in fields(Tally)}
    return Tally(**{**table, "text": places})


def _counted(tokenizer: Tokenizer, texts: Sequence[str]) -> Tally:
    """All texts at once, a line each: a line break is no mark and ends a word."""
    encoded = tokenizer.encode(texts)
    points = np.frombuffer("".join(f"{text}\n" for text in texts).encode("utf-32-le"), np.uint32)
    num_characters = np.array([len(text) for text in texts], dtype=np.int64)
    marks, space = _of_points(points, is_mark), _of_points(points, str.isspace)
    # Bytes by character, and back.
    width = 1 + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF).astype(np.int64)
    place = np.cumsum(width) - width
    line = np.cumsum(num_characters + 1)  # where the next text begins
    num_bytes = np.diff(np.append(place, place[-1] + 1)[line], prepend=0) - 1
    first = np.zeros(place[-1] + 1, dtype=bool)
    first[place] = True
    mark = np.zeros(first.size, dtype=bool)
    mark[place[marks]] = True

    num_tokens = np.array([one.ids.size for one in encoded], dtype=np.int64)
    text = np.repeat(np.arange(len(texts)), num_tokens)
    ids = np.concatenate([one.ids for one in encoded])
    starts = np.concatenate([one.starts for one in encoded])
    starts = starts + (np.cumsum(num_bytes + 1) - num_bytes - 1)[text]
    begins, ends = words(space)
    # Tokens that begin inside a word, not with it.
    within = np.searchsorted(starts, place[ends], "left") - np.searchsorted(
        starts, place[begins], "right"
    )
    of_word = np.searchsorted(line, begins, "right")

    def sums(of: Ints) -> Ints:
        return np.bincount(of, minlength=len(texts))

    return Tally(
        num_tokens,
        num_bytes,
        num_characters,
        num_words=sums(of_word),
        num_split=sums(of_word[within > 0]),
        num_broken=sums(text[mark[starts]]),
        num_inside=sums(text[~first[starts]]),
        ids=ids,
        text=text,
    )


def _of_points(points: NDArray[np.uint32], holds: Callable[[str], bool]) -> NDArray[np.bool_]:
    """(C,) whether it holds of each character; asked once for each different one."""
    seen = np.flatnonzero(np.bincount(points))
    table = np.zeros(seen[-1] + 1, dtype=bool)
    table[seen] = [holds(chr(point)) for point in seen]
    return np.asarray(table[points])


def words(space: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Where words begin and end, in characters, of (C,) whether each is whitespace."""
    change = np.diff(np.concatenate([[True], space, [True]]).astype(np.int8))
    return np.flatnonzero(change == -1), np.flatnonzero(change == 1)


@lru_cache(maxsize=2**16)
def is_mark(character: str) -> bool:
    """A combining mark: general category M of Unicode."""
    return unicodedata.category(character).startswith("M")
