"""A word as it stands in a text: behind another one, whatever a tokenizer puts in front of the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mishran.tokenizer.encoded import Encoded, Ints, Tokenizer

_BEFORE = "a"  # one byte, after which a word begins with a space


def in_context(tokenizer: Tokenizer, words: Sequence[str]) -> list[Encoded]:
    """The tokens of each word, and where they begin in the bytes of the word with a space in front.

    Tokenizers that put a space in front of a text (SentencePiece by default) write the first word otherwise
    than the others.
    """
    out = []
    for one in tokenizer.encode([f"{_BEFORE} {word}" for word in words]):
        own = one.starts >= len(_BEFORE)
        out.append(Encoded(one.ids[own], one.starts[own] - len(_BEFORE)))
    return out


def costs(tokenizer: Tokenizer, words: Sequence[str]) -> Ints:
    """(n,) tokens of each word with the space in front."""
    return np.array([one.ids.size for one in in_context(tokenizer, words)], dtype=np.int64)
