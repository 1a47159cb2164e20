"""What there is of each task: tokens of its rows, and of any number of draws from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mishran.stream.shuffle import epoch_keys, permuted, task_key


@dataclass(frozen=True)
class Supply:
    """The rows of one task or source.

    lengths: (n,) tokens of each row, all of them, prompt included. content: sha256 of the rows.
    groups, license, origin: for people, see `TaskConfig`.
    """

    name: str
    lengths: np.ndarray
    content: str
    groups: tuple[str, ...] = ()
    license: str | None = None
    origin: str | None = None

    @property
    def rows(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())


def content_sha256(rows: Sequence[bytes]) -> str:
    """sha256 over rows in order, each with its length, so that no two lists have the same."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(len(row).to_bytes(8, "big"))
        digest.update(row)
    return digest.hexdigest()


@dataclass(frozen=True)
class Draws:
    """Tokens of the first draws from a supply, in the order in which `Order` draws."""

    supply: Supply
    seed: int
    _sums: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def tokens(self, count: int) -> int:
        """Tokens of the first `count` draws, exact."""
        epochs, rest = divmod(count, self.supply.rows)
        return epochs * self.supply.tokens + int(self._cumulative(epochs)[rest] if rest else 0)

    def count(self, tokens: float) -> int:
        """The number of draws whose tokens come nearest to a number; the fewer where two do."""
        epochs = int(tokens // self.supply.tokens)
        sums = self._cumulative(epochs)
        left = tokens - epochs * self.supply.tokens
        at = int(np.searchsorted(sums, left))
        best = min(
            (k for k in (at - 1, at) if 0 <= k < len(sums)), key=lambda k: abs(sums[k] - left)
        )
        return epochs * self.supply.rows + best

    def _cumulative(self, epoch: int) -> np.ndarray:
        """(n + 1,) tokens of the first 0 .. n draws of an epoch."""
        if epoch not in self._sums:
            if len(self._sums) > 4:
                self._sums.clear()
            size = self.supply.rows
            key = epoch_keys(
                np.array([task_key(self.seed, self.supply.name)], dtype=np.uint64),
                np.array([epoch]),
            )
            at = permuted(np.arange(size), np.zeros(size, np.int64), np.array([size]), key)
            sums = np.zeros(size + 1, dtype=np.int64)
            np.cumsum(self.supply.lengths[at], out=sums[1:])
            self._sums[epoch] = sums
        return self._sums[epoch]
