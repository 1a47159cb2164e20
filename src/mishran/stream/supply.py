"""What there is of each task: tokens of its rows, and of any number of draws from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mishran.stream.shuffle import epoch_keys, permuted, task_key
from mishran.stream.threads import in_threads

PART = 1 << 17  # rows added up at a time


@dataclass(frozen=True)
class Supply:
    """The rows of one task or source.

    lengths: (n,) tokens of each row, all of them, prompt included. content: sha256 of the rows.
    token_content: that of their tokens alone, `TokenRows.content`.
    groups, license, origin: for people, see `TaskConfig`.
    """

    name: str
    lengths: np.ndarray
    content: str
    token_content: str | None = None
    groups: tuple[str, ...] = ()
    license: str | None = None
    origin: str | None = None

    @property
    def rows(self) -> int:
        return len(self.lengths)

    @cached_property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @cached_property
    def length(self) -> int | None:
        """Tokens of every row, where all have the same; None elsewhere."""
        one = int(self.lengths[0]) if self.rows else 0
        return one if (self.lengths == one).all() else None


def content_sha256(rows: Sequence[bytes]) -> str:
    """sha256 over rows in order, each with its length, so that no two lists have the same."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(len(row).to_bytes(8, "big"))
        digest.update(row)
    return digest.hexdigest()


def drawn_tokens(supplies: Sequence[Supply], seed: int, counts: np.ndarray) -> np.ndarray:
    """(n,) int64 tokens of the first counts[i] draws from each supply, exact.

    Whole epochs are known; the draws of the last ones are looked up for all tasks together, since a call
    for each would take longer than the work.
    """
    sizes = np.array([supply.rows for supply in supplies], dtype=np.int64)
    epochs, rest = np.divmod(np.asarray(counts, dtype=np.int64), np.maximum(sizes, 1))
    whole: np.ndarray = epochs * np.array([supply.tokens for supply in supplies], dtype=np.int64)
    same = [supply.length for supply in supplies]  # of packed sequences, say: nothing to look up
    whole += np.array([0 if n is None else r * n for r, n in zip(rest.tolist(), same, strict=True)])
    rest = np.where([n is None for n in same], rest, 0)
    ends = np.cumsum(rest)
    if not len(ends) or ends[-1] == 0:
        return whole
    keys = np.array([task_key(seed, supply.name) for supply in supplies], dtype=np.uint64)
    keys = epoch_keys(keys, epochs)

    begins = ends - rest

    def part(start: int) -> np.ndarray:
        """Tokens of each task among draws start .. start + PART - 1 of all of them behind each other."""
        low = np.clip(start - begins, 0, rest)
        high = np.clip(start + PART - begins, 0, rest)
        some = np.flatnonzero(high > low)
        num = (high - low)[some]
        task = np.repeat(some, num)
        place = np.arange(len(task)) + np.repeat(low[some] - (np.cumsum(num) - num), num)
        example = permuted(place, task, sizes, keys)
        out = np.zeros(len(supplies), dtype=np.int64)
        for i, stop, count in zip(
            some.tolist(), np.cumsum(num).tolist(), num.tolist(), strict=True
        ):
            out[i] = supplies[i].lengths[example[stop - count : stop]].sum()
        return out

    for partial in in_threads(part, range(0, int(ends[-1]), PART)):
        whole += partial
    return whole


@dataclass(frozen=True)
class Draws:
    """How many draws from a supply have so many tokens, in the order in which `Order` draws.

    For a search, which asks again and again: the running sums of the epochs that it needs are kept.
    """

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
        near = [k for k in (at - 1, at) if 0 <= k < len(sums)]
        return epochs * self.supply.rows + min(near, key=lambda k: abs(sums[k] - left))

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
