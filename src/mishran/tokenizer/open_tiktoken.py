"""Byte-pair ranks of tiktoken (and Mistral's tekken.json) as a `Tokenizer`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cached_property
from typing import Any, final

import numpy as np

from mishran.tokenizer.encoded import Encoded, Ints
from mishran.tokenizer.open_bytes import whole_text
from mishran.tokenizer.open_hugging_face import shown_bytes

# A file of ranks does not say how text is cut before; the number of ranks tells which release it is.
# Source: the published definitions of these encodings.
_WORDS = r"|\p{N}{%s}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+" + _WORDS % "1,3"
_QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+" + _WORDS % "1"
_CASES = (
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]%s[\p{Ll}\p{Lm}\p{Lo}\p{M}]%s(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
)
_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_CASES % ('*', '+')}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_CASES % ('+', '*')}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {
    100256: _CL100K,  # cl100k_base
    128000: _CL100K,  # Llama 3
    151643: _QWEN,  # Qwen
    199998: _O200K,  # o200k_base
    200000: _O200K,  # Llama 4
}


@final
class Tiktoken:
    """Of an encoding of tiktoken."""

    def __init__(self, encoding: Any, name: str, size: int | None = None) -> None:
        """size: where the encoding leaves special tokens out."""
        self.name = name
        self._encoding = encoding
        self.size: int = encoding.n_vocab if size is None else size

    @cached_property
    def _lengths(self) -> Ints:
        """(V,) bytes of each token."""
        out = np.zeros(self.size, dtype=np.int64)
        for piece in self._encoding.token_byte_values():
            out[self._encoding.encode_single_token(piece)] = len(piece)
        return out

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """See `Tokenizer`."""
        out = []
        for ids in self._ids(texts):
            array = np.array(ids, dtype=np.int64)
            out.append(Encoded(array, np.cumsum(self._lengths[array]) - self._lengths[array]))
        return out

    def counts(self, texts: Sequence[str]) -> Ints:
        """See `Tokenizer`."""
        return np.array([len(ids) for ids in self._ids(texts)], dtype=np.int64)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        whole = [whole_text(text) for text in texts]
        found: list[list[int]] = self._encoding.encode_ordinary_batch(whole, num_threads=1)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer`."""
        return str(self._encoding.decode(list(map(int, ids)), errors="replace"))

    def piece(self, token: int) -> str:
        """See `Tokenizer`."""
        try:
            return shown_bytes(self._encoding.decode_single_token_bytes(token))
        except KeyError:
            return ""


def open_ranks(content: bytes, name: str) -> Tiktoken:
    """A .tiktoken file: lines of a piece in base64 and its rank.

    Raises:
        ValueError: a line that is none, or a number of ranks of no release that is known.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        piece, _, rank = line.partition(b" ")
        try:
            ranks[base64.b64decode(piece, validate=True)] = int(rank)
        except ValueError as error:
            raise ValueError(f"line {number} is no piece with its rank") from error
    if len(ranks) not in _PATTERNS:
        known = ", ".join(map(str, sorted(_PATTERNS)))
        raise ValueError(f"{len(ranks)} ranks, of no release whose cut is known ({known} ranks)")
    return _encoding(ranks, _PATTERNS[len(ranks)], name)


def open_tekken(data: dict[str, Any], name: str) -> Tiktoken:
    """Mistral's tekken.json: pieces in order, their pattern, and how many are used.

    Raises:
        KeyError, ValueError: fields that are missing or damaged.
    """
    config = data["config"]
    size = int(config["default_vocab_size"])
    used = size - int(config["default_num_special_tokens"])
    pieces = [base64.b64decode(one["token_bytes"]) for one in data["vocab"][:used]]
    if len(pieces) < used:
        raise ValueError(f"{len(pieces):,} pieces of {used:,}")
    return _encoding({p: i for i, p in enumerate(pieces)}, str(config["pattern"]), name, size)


def _encoding(
    ranks: dict[bytes, int], pattern: str, name: str, size: int | None = None
) -> Tiktoken:
    import tiktoken

    # The library does not raise where these fail: it ends the thread, here or at the first text.
    if len(set(ranks.values())) < len(ranks):
        raise ValueError("two pieces of one rank")
    missing = [b for b in range(256) if bytes([b]) not in ranks]
    if missing:
        raise ValueError(f"no rank for {len(missing)} of the 256 bytes")
    made = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return Tiktoken(made, name, size)
