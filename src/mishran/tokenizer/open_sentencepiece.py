"""A SentencePiece model as a `Tokenizer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from mishran.tokenizer.encoded import Encoded, Ints
from mishran.tokenizer.open_bytes import utf8_bytes

SPACE = "\u2581"  # SentencePiece writes a space so


@final
class SentencePiece:
    """Of a serialised model."""

    def __init__(self, content: bytes, name: str) -> None:
        """Read it.

        Raises:
            RuntimeError: the library cannot read it.
        """
        import sentencepiece

        self.name = name
        self._model: Any = sentencepiece.SentencePieceProcessor()
        if not content.strip(b"\0"):
            raise RuntimeError("no model in it")
        self._model.LoadFromSerializedProto(content)
        self.size: int = self._model.vocab_size()

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """See `Tokenizer`."""
        found = self._model.encode([_whole(text) for text in texts], return_type="proto")
        out = []
        for one in found:
            ids = np.array([piece.id for piece in one.pieces], dtype=np.int64)
            starts = np.array([piece.begin for piece in one.pieces], dtype=np.int64)
            ends = np.array([piece.end for piece in one.pieces], dtype=np.int64)
            out.append(Encoded(ids, spread(starts, ends)))
        return out

    def counts(self, texts: Sequence[str]) -> Ints:
        """See `Tokenizer`."""
        found = self._model.encode([_whole(text) for text in texts], return_type="numpy")
        return np.array([ids.size for ids in found], dtype=np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer`."""
        return str(self._model.decode(list(map(int, ids))))

    def piece(self, token: int) -> str:
        """See `Tokenizer`."""
        return str(self._model.id_to_piece(token)).replace(SPACE, " ")


def _whole(text: str) -> str:
    return text if text.isascii() else utf8_bytes(text).decode()


def spread(starts: Ints, ends: Ints) -> Ints:
    """Tokens of one character's bytes each at a byte of it.

    Byte tokens of a character all carry its beginning; the k-th gets the k-th byte. What a normaliser
    put in without a place in the text stays where it is.

    Args:
        starts, ends: (T,) of each token, in bytes.
    """
    size = starts.size
    if size == 0:
        return starts
    new = np.diff(starts, prepend=-1) != 0
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    nth = np.arange(size) - first[group]
    # A group ends where its last token does; inside a character at most its last byte is reached.
    end = ends[np.append(first[1:], size) - 1][group]
    return np.maximum.accumulate(np.minimum(starts + nth, np.maximum(end - 1, starts)))
