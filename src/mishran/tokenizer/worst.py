"""The words that a tokenizer cuts worst, as people can look at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from mishran.tokenizer.alone import costs, in_context
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.open_bytes import utf8_bytes
from mishran.tokenizer.tally import is_mark

SHOWN = 40


@final
@dataclass(frozen=True)
class Cut:
    """A word and its parts, one per token; broken: the part begins with a mark or inside a character."""

    word: str
    count: int
    parts: tuple[str, ...]
    broken: tuple[bool, ...]


def worst_words(tokenizer: Tokenizer, texts: Sequence[str], shown: int = SHOWN) -> tuple[Cut, ...]:
    """Words by tokens that they cost beyond one, times how often they stand in the text."""
    from mishran.tokenizer.pretokens import splitter

    find = splitter().findall
    counts = Counter(
        word.strip() for text in texts for word in find(utf8_bytes(text).decode()) if word.strip()
    )
    words = sorted(word for word in counts if word[0].isalpha())
    cost = costs(tokenizer, words)
    order = sorted(
        range(len(words)), key=lambda i: (-(int(cost[i]) - 1) * counts[words[i]], words[i])
    )
    chosen = [words[i] for i in order[:shown] if cost[i] > 1]
    encoded = in_context(tokenizer, chosen)
    out = []
    for word, one in zip(chosen, encoded, strict=True):
        raw = f" {word}".encode()
        edges = [*one.starts.tolist(), len(raw)]
        pieces = [raw[a:b] for a, b in pairwise(edges) if b > a]
        parts = tuple(p.decode("utf-8", "replace") for p in pieces)
        broken = tuple(_broken(raw, start) for start, end in pairwise(edges) if end > start)
        out.append(Cut(word, counts[word], parts, broken))
    return tuple(out)


def _broken(raw: bytes, start: int) -> bool:
    """Whether a mark begins there, or no character."""
    character = raw[start : start + 4].decode("utf-8", "ignore")[:1]
    return (raw[start] & 0xC0) == 0x80 or is_mark(character)
