"""A Hugging Face `tokenizer.json` as a `Tokenizer`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, final

import numpy as np

from mishran.tokenizer.encoded import Encoded, Ints
from mishran.tokenizer.open_bytes import whole_text
from mishran.tokenizer.open_sentencepiece import SPACE, spread


@final
class HuggingFace:
    """Of the text of tokenizer.json."""

    def __init__(self, content: str, name: str) -> None:
        """Read it.

        Raises:
            Exception: the library cannot read it; it raises plain ones.
        """
        from tokenizers import Tokenizer

        self.name = name
        self._model: Any = Tokenizer.from_str(content)
        self._model.no_truncation()
        self._model.no_padding()
        self._model.encode_special_tokens = True  # "<s>" in a text is text
        self.size: int = self._model.get_vocab_size(with_added_tokens=True)
        data = json.loads(content)
        parts = json.dumps([data.get("pre_tokenizer"), data.get("decoder")])
        self._by_bytes = '"ByteLevel"' in parts
        named = self._model.token_to_id("\u0120" if self._by_bytes else SPACE)
        self._space: int = -1 if named is None else named

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """See `Tokenizer`."""
        whole = [whole_text(text) for text in texts]
        found = self._model.encode_batch(whole, add_special_tokens=False)
        return [self._encoded(text, one) for text, one in zip(whole, found, strict=True)]

    def _encoded(self, text: str, one: Any) -> Encoded:
        ids = np.array(one.ids, dtype=np.int64)
        flat = np.fromiter(chain.from_iterable(one.offsets), np.int64, 2 * ids.size)
        if not text.isascii():  # from characters to bytes
            raw = np.frombuffer(text.encode(), dtype=np.uint8)
            flat = np.append(np.flatnonzero((raw & 0xC0) != 0x80), raw.size)[flat]
        return Encoded(ids, spread(flat[::2], flat[1::2], ids == self._space))

    def counts(self, texts: Sequence[str]) -> Ints:
        """See `Tokenizer`."""
        whole = [whole_text(text) for text in texts]
        found = self._model.encode_batch_fast(whole, add_special_tokens=False)
        return np.array([len(one) for one in found], dtype=np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer`."""
        return str(self._model.decode(list(map(int, ids)), skip_special_tokens=False))

    def piece(self, token: int) -> str:
        """See `Tokenizer`."""
        text = self._model.id_to_token(token)
        if text is None:
            return ""
        if self._by_bytes:
            of = _byte_of()
            if all(c in of for c in text):
                return shown_bytes(bytes(of[c] for c in text))
        return str(text).replace(SPACE, " ")


def shown_bytes(piece: bytes) -> str:
    """Text, where the bytes are; each other byte as <0xE0>."""
    return piece.decode("utf-8", "backslashreplace") if not _broken(piece) else _marked(piece)


def _broken(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False


def _marked(piece: bytes) -> str:
    out = ""
    while piece:
        for end in range(min(4, len(piece)), 0, -1):
            if not _broken(piece[:end]):
                out, piece = out + piece[:end].decode(), piece[end:]
                break
        else:
            out, piece = out + f"<0x{piece[0]:02X}>", piece[1:]
    return out


@cache
def _byte_of() -> dict[str, int]:
    """Character of the byte-level alphabet -> byte.

    Source: GPT-2's encoder: printable bytes of Latin-1 stand for themselves, the others for characters
    from 256 on, in order.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}
