"""One token per byte of UTF-8: the baseline that no vocabulary is needed for (as in ByT5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.tokenizer.encoded import Encoded, Ints


def utf8_bytes(text: str) -> bytes:
    """UTF-8 of a text; half of a surrogate pair, which has none, as one replacement character."""
    return whole_text(text).encode()


def whole_text(text: str) -> str:
    """The text, with a replacement character for each half of a surrogate pair that stands alone."""
    try:
        text.encode()
    except UnicodeEncodeError:  # UTF-16 puts halves that belong together into one character
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


@final
@dataclass(frozen=True)
class Bytes:
    """Ids are the bytes themselves."""

    name: str
    size: int = 256

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """See `Tokenizer`."""
        found = [np.frombuffer(utf8_bytes(text), dtype=np.uint8) for text in texts]
        return [Encoded(ids.astype(np.int64), np.arange(ids.size)) for ids in found]

    def counts(self, texts: Sequence[str]) -> Ints:
        """See `Tokenizer`."""
        return np.array([len(utf8_bytes(text)) for text in texts], dtype=np.int64)

    def decode(self, ids: Sequence[int]) -> str:
        """See `Tokenizer`."""
        return bytes(ids).decode("utf-8", "replace")

    def piece(self, token: int) -> str:
        """See `Tokenizer`."""
        return chr(token) if token < 128 else f"<0x{token:02X}>"
