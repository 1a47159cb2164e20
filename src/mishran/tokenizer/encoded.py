"""What a tokenizer made of a text, whatever kind of tokenizer it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@final
@dataclass(frozen=True)
class Encoded:
    """The tokens of one text.

    ids: (T,). starts: (T,) where each token begins, in bytes of the text's UTF-8; it never falls. A token
    that begins inside a character (a byte of it) has the place of that byte. The token ends where the
    next one begins, the last one at the end of the text.
    """

    ids: Ints
    starts: Ints


class Tokenizer(Protocol):
    """A tokenizer that can be measured. No special tokens are added, none are looked for in the text."""

    @property
    def name(self) -> str:
        """For people: of its file or folder."""
        ...

    @property
    def size(self) -> int:
        """Tokens of the vocabulary, special ones counted."""
        ...

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Tokens and where they begin."""
        ...

    def counts(self, texts: Sequence[str]) -> Ints:
        """(n,) tokens of each text; faster than `encode` where the library has a way."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens."""
        ...

    def piece(self, token: int) -> str:
        """A token as people read it: a space shows as a space, a byte that is no character as <0xE0>."""
        ...
