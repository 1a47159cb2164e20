"""The worst words as people can look at them: each part legible alone, whatever it holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mishran.report import numbers as say

SHOWN = 12  # words that are open; the rest is folded
CIRCLE, SPACE = "◌", "␣"
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
_JOINERS = "\u200c\u200d"  # they shape what stands beside them


@dataclass(frozen=True)
class Part:
    """A token of a word. broken: why it is no whole piece of writing, or ""."""

    text: str
    broken: str


@dataclass(frozen=True)
class Word:
    """A word, how often it stands in the text, and its parts. rtl: it is written from right to left."""

    text: str
    count: int
    parts: tuple[Part, ...]
    rtl: bool


@dataclass(frozen=True)
class Words:
    """The worst words of a tokenizer in a language."""

    tokenizer: str
    words: tuple[Word, ...]

    @property
    def first(self) -> tuple[Word, ...]:
        return self.words[:SHOWN]

    @property
    def rest(self) -> tuple[Word, ...]:
        return self.words[SHOWN:]


def worst(tokenizers: Sequence[Mapping[str, Any]], language: str) -> tuple[Words, ...]:
    """Of each tokenizer, costliest first."""
    return tuple(
        Words(one["name"], tuple(map(word, one.get("worst", {}).get(language, ()))))
        for one in tokenizers
    )


def languages(tokenizers: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for one in tokenizers for tag in one.get("worst", {})))


def word(cut: Mapping[str, Any]) -> Word:
    text = cut["word"]
    parts = tuple(
        Part(visible(part), _why(part) if broken else "")
        for part, broken in zip(cut["parts"], cut["broken"], strict=True)
    )
    return Word(visible(text), cut["count"], parts, _right_to_left(text))


def _why(part: str) -> str:
    return "begins inside a character" if part[:1] == "\ufffd" else "begins with a mark"


def visible(part: str) -> str:
    """Legible alone: a circle before a mark, a sign for a space, the number of what cannot be seen.

    The space before a word belongs to its first part; it is left out where the part has more than it.
    """
    text = part.removeprefix(" ") or SPACE
    shown = "".join(
        f"[U+{ord(c):04X}]"
        if unicodedata.category(c) in _HIDDEN and (c not in _JOINERS or len(text) == 1)
        else c
        for c in text
    )
    return CIRCLE + shown if unicodedata.category(shown[0]).startswith("M") else shown


def _right_to_left(text: str) -> bool:
    first = next((unicodedata.bidirectional(c) for c in text if c.isalpha()), "L")
    return first in ("R", "AL")


def told(found: Word) -> str:
    """For those who hear the page."""
    times = f"{say.integer(found.count)} time{'' if found.count == 1 else 's'}"
    return f"{found.text}: {len(found.parts)} tokens, {times}"
