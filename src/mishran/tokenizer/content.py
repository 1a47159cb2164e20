"""Tokens, bytes and content: what a share means in each unit, under a tokenizer.

The unit of content is what parallel text shares: one unit is the content of one byte of the reference
language. A text of b bytes in a language that takes r times the reference's bytes to say the same has b /
r units. Tokens follow by the tokenizer's bytes per token, on the corpus where there is one and else on
the parallel text.

Why: at a parity of 1.66, 25 % of the tokens are 17 % of the content; a quota has to say which it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.tokenizer.encoded import Ints, Tokenizer
from mishran.tokenizer.measures import REPLICAS, Estimate, Floats, drawn, interval
from mishran.tokenizer.open_bytes import utf8_bytes
from mishran.tokenizer.parallel import Parallel

UNITS = ("tokens", "bytes", "content")


@final
@dataclass(frozen=True)
class Rates:
    """What one unit of content costs in each language, with replicas over the parallel texts.

    tokens, bytes: language -> (1 + B,) per unit of content; the first is the value, the others replicas.
    reference: the language whose bytes are the unit.
    """

    reference: str
    tokens: Mapping[str, Floats]
    bytes: Mapping[str, Floats]

    def of(self, unit: str, language: str) -> Floats:
        """(1 + B,) of the unit for one unit of content."""
        if unit == "content":
            return np.ones(1 + REPLICAS)
        return self.tokens[language] if unit == "tokens" else self.bytes[language]


def rates(tokenizer: Tokenizer, texts: Parallel, reference: str, seed: int = 0) -> Rates:
    """Measured on parallel text that has the reference language."""
    draws = np.vstack([np.ones(texts.num), drawn(texts.num, REPLICAS, seed)])
    sizes = {k: _sizes(v) for k, v in texts.texts.items()}
    tokens = {k: tokenizer.counts(v) for k, v in texts.texts.items()}
    base = draws @ sizes[reference]
    return Rates(
        reference,
        {k: (draws @ v) / base for k, v in tokens.items()},
        {k: (draws @ v) / base for k, v in sizes.items()},
    )


def _sizes(lines: tuple[str, ...]) -> Ints:
    return np.array([len(utf8_bytes(line)) for line in lines], dtype=np.int64)


def convert(shares: Mapping[str, float], given: str, wanted: str, at: Rates) -> dict[str, Estimate]:
    """Shares of languages in another unit.

    Args:
        shares: language -> share in the unit `given`; they sum to 1.
        given, wanted: "tokens", "bytes" or "content".

    Returns:
        language -> share in the unit `wanted`, with its interval.
    """
    amounts = {
        k: share * at.of(wanted, k) / at.of(given, k) for k, share in shares.items() if share > 0
    }
    total = np.sum(list(amounts.values()), axis=0)
    out = {}
    for language in shares:
        found = amounts[language] / total if language in amounts else np.zeros(1 + REPLICAS)
        out[language] = interval(float(found[0]), found[1:])
    return out


@final
@dataclass(frozen=True)
class Account:
    """A language's part of a corpus in all units. content: in bytes of the reference language."""

    language: str
    documents: int
    num_bytes: int
    num_tokens: int
    content: Estimate
    share_bytes: float
    share_tokens: float
    share_content: Estimate


def account(counted: Mapping[str, tuple[int, int, int]], at: Rates) -> tuple[Account, ...]:
    """The corpus as it is: counted bytes and tokens, content by the rates.

    Args:
        counted: language -> documents, bytes, tokens.
    """
    content = {k: row[1] / at.bytes[k] for k, row in counted.items()}
    whole = np.sum(list(content.values()), axis=0)
    num_bytes = sum(row[1] for row in counted.values())
    num_tokens = sum(row[2] for row in counted.values())
    return tuple(
        Account(
            language=k,
            documents=documents,
            num_bytes=size,
            num_tokens=tokens,
            content=interval(float(content[k][0]), content[k][1:]),
            share_bytes=size / num_bytes,
            share_tokens=tokens / num_tokens,
            share_content=interval(float(content[k][0] / whole[0]), content[k][1:] / whole[1:]),
        )
        for k, (documents, size, tokens) in counted.items()
    )
