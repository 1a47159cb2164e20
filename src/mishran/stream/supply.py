"""What there is of each task: tokens of its rows, and of any number of draws from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mishran.stream.shuffle import epoch_keys, permuted, task_key


PART = 1 << 17  # rows added up at a time


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

    @cached_property
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
    """Tokens of the first draws from a supply, in the order in which `Order` draws.

    Of the epochs that were asked about it remembers the sums: the first question is answered by adding up
    what it needs, a second one about the same epoch by the running sums of all of it.
    """

    supply: Supply
    seed: int
    _first: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)
    _sums: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def tokens(self, count: int) -> int:
        """Tokens of the first `count` draws, exact."""
        epochs, rest = divmod(count, self.supply.rows)
        return epochs * self.supply.tokens + (self._begin(epochs, rest) if rest else 0)

    def count(self, tokens: float) -> int:
        """The number of draws whose tokens come nearest to a number; the fewer where two do."""
        epochs = int(tokens // self.supply.tokens)
        sums = self._cumulative(epochs)
        left = tokens - epochs * self.supply.tokens
        at = int(np.searchsorted(sums, left))
        near = [k for k in (at - 1, at) if 0 <= k < len(sums)]
        return epochs * self.supply.rows + min(near, key=lambda k: abs(sums[k] - left))

    def _begin(self, epoch: int, rest: int) -> int:
        """Tokens of the first `rest` draws of an epoch."""
        if epoch not in self._sums and self._first.get(epoch, (rest, 0))[0] == rest:
            if epoch not in self._first:
                self._first[epoch] = (
                    rest,
                    sum(int(part.sum()) for part in self._parts(epoch, rest)),
                )
            return self._first[epoch][1]
        return int(self._cumulative(epoch)[rest])

    def _cumulative(self, epoch: int) -> np.ndarray:
        """(n + 1,) tokens of the first 0 .. n draws of an epoch."""
        if epoch not in self._sums:
            if len(self._sums) > 4:
                self._sums.clear()
            sums = np.zeros(self.supply.rows + 1, dtype=np.int64)
            at = 0
            for part in self._parts(epoch, self.supply.rows):
                np.cumsum(part, out=sums[at + 1 : at + len(part) + 1])
                sums[at + 1 : at + len(part) + 1] += sums[at]
                at += len(part)
            self._sums[epoch] = sums
        return self._sums[epoch]

    def _parts(self, epoch: int, num: int) -> Iterator[np.ndarray]:
        """Lengths of the first `num` draws of an epoch, in order."""
        key = np.array([task_key(self.seed, self.supply.name)], dtype=np.uint64)
        keys = epoch_keys(key, np.array([epoch]))
        size = np.array([self.supply.rows])
        for start in range(0, num, PART):
            places = np.arange(start, min(start + PART, num))
            which = np.zeros(len(places), dtype=np.int64)
            yield self.supply.lengths[permuted(places, which, size, keys)]
