"""A SentencePiece model as a `Tokenizer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from mishran.tokenizer.encoded import Encoded, Ints
from mishran.tokenizer.open_bytes import whole_text

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
        from sentencepiece import sentencepiece_model_pb2

        self.name = name
        self._model: Any = sentencepiece.SentencePieceProcessor()
        if not content.strip(b"\0"):
            raise RuntimeError("no model in it")
        self._model.LoadFromSerializedProto(content)
        # The library takes a file that ends after its pieces, and normalises as it likes.
        message = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
        message.ParseFromString(content)
        if not (message.HasField("trainer_spec") and message.HasField("normalizer_spec")):
            raise RuntimeError("the model ends before its normalizer")
        self.size: int = self._model.vocab_size()
        self._space: int = self._model.piece_to_id(SPACE)

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """See `Tokenizer`."""
        found = self._model.encode([whole_text(text) for text in texts], return_type="proto")
        out = []
        for one in found:
            rows = [(piece.id, piece.begin, piece.end) for piece in one.pieces]
            ids, starts, ends = np.array(rows, dtype=np.int64).reshape(-1, 3).T
            out.append(Encoded(ids, spread(starts, ends, ids == self._space)))
        return out

    def counts(self, texts: Sequence[str]) -> Ints:
        """See `Tokenizer`."""
        found = self._model.encode([whole_text(text) for text in texts], return_type=int)
        return np.array([len(ids) for ids in found], dtype=np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer`."""
        return str(self._model.decode(list(map(int, ids))))

    def piece(self, token: int) -> str:
        """See `Tokenizer`."""
        return str(self._model.id_to_piece(token)).replace(SPACE, " ")


def spread(starts: Ints, ends: Ints, space: NDArray[np.bool_]) -> Ints:
    """Tokens of one character's bytes each at a byte of it.

    Byte tokens of a character all carry its beginning; the k-th gets the k-th byte, and so does the k-th
    of those that a normaliser made of a character. A lone space that shares its place was put in front
    of a word by the tokenizer: it takes no byte, and the word begins where the space does.

    Args:
        starts, ends: (T,) of each token, in bytes. space: (T,) whether it is a space and nothing more.
    """
    size = starts.size
    if size == 0 or (starts[1:] > starts[:-1]).all():
        return starts
    new = np.diff(starts, prepend=-1) != 0
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    taken: Ints = np.cumsum(~space) - ~space
    nth: Ints = taken - taken[first][group]
    # A group ends where its last token does; inside a character at most its last byte is reached.
    end = ends[np.append(first[1:], size) - 1][group]
    return np.maximum.accumulate(np.minimum(starts + nth, np.maximum(end - 1, starts)))
