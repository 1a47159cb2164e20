"""Rows into packs of one length, within fixed windows of the global order.

*Best fit decreasing* (`bfd`): the longest row first, each into the fullest pack that still has room (Ding
et al. 2404.10830); no row is cut but those longer than a pack. *Wrapped*: rows behind each other, cut
wherever a pack ends: no padding, at the price of rows without their beginning.

A window is so many rows of the global order, so which rows share a pack depends on the plan alone, and
`(window, pack)` says where training is. The last packs of a window may not be full: with windows of 4,096
rows and packs of a few rows to a hundred that costs far below 1 % (docs/results/stream.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

How = Literal["bfd", "wrapped"]
WINDOW = 4096


@dataclass(frozen=True)
class Packs:
    """Packs of a window: pack k holds pieces first[k] .. first[k + 1] - 1.

    row: (s,) which row of the window a piece is of. begin, end: (s,) which of its tokens.
    first: (p + 1,) where the pieces of each pack begin.
    """

    row: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.first) - 1


def pack(lengths: np.ndarray, capacity: int, how: How = "bfd") -> Packs:
    """Every token of every row in exactly one pack of at most `capacity` tokens.

    Args:
        lengths: (m,) tokens of each row, > 0. capacity: tokens of a pack, > 0.
    """
    return _wrapped(lengths, capacity) if how == "wrapped" else _best_fit(lengths, capacity)


def _wrapped(lengths: np.ndarray, capacity: int) -> Packs:
    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    borders = np.arange(0, total + capacity, capacity)
    borders[-1] = total
    # Both are in order, which a stable sort sees; np.union1d does not.
    cuts = np.sort(np.concatenate([borders, ends]), kind="stable") if total else borders[:1]
    cuts = cuts[np.append(True, cuts[1:] != cuts[:-1])]
    starts, stops = cuts[:-1], cuts[1:]
    row = np.searchsorted(ends, starts, side="right")
    offset = ends[row] - lengths[row]
    return Packs(row, starts - offset, stops - offset, np.searchsorted(starts, borders))


def _best_fit(lengths: np.ndarray, capacity: int) -> Packs:
    """Best fit decreasing over counts of lengths and of rooms, not over rows.

    All rows of one length are placed at once: into the packs with the least room that takes one, of
    which each takes as many as fit, then into new packs. That is what placing them one by one does,
    since a pack that took a row has less room than its like and is the best for the next one.
    """
    pieces = -(
        -lengths // capacity
    )  # a row longer than a pack fills packs of its own, and leaves a rest
    row = np.repeat(np.arange(len(lengths)), pieces)
    number = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begin = number * capacity
    end = np.minimum(begin + capacity, lengths[row])
    size = end - begin
    order = np.argsort(-size, kind="stable")
    pack_of = np.empty(len(row), dtype=np.int64)
    packs_with: dict[int, list[int]] = {}  # room -> packs, the latest last
    rooms = 0  # bit r: some pack has room r
    num = at = 0
    longest, how_many = np.unique(size, return_counts=True)
    for length, left in zip(longest[::-1].tolist(), how_many[::-1].tolist(), strict=True):
        while left:
            fitting = rooms >> length
            room = length + (fitting & -fitting).bit_length() - 1 if fitting else capacity
            each = room // length
            wanted = -(-left // each)
            if fitting:
                waiting = packs_with[room]
                taken = waiting[-wanted:]
                del waiting[-wanted:]
                rooms &= ~(0 if waiting else 1 << room)
            else:
                taken = list(range(num, num + wanted))
                num += wanted
            placed = min(len(taken) * each, left)
            pack_of[order[at : at + placed]] = np.repeat(taken, each)[:placed]
            at, left = at + placed, left - placed
            in_last = placed - (len(taken) - 1) * each
            for some, rest in (
                (taken[:-1], room - each * length),
                (taken[-1:], room - in_last * length),
            ):
                if some and rest:
                    packs_with.setdefault(rest, []).extend(some)
                    rooms |= 1 << rest
    by_pack = np.argsort(pack_of, kind="stable")  # rows of a pack in the global order
    first = np.searchsorted(pack_of[by_pack], np.arange(num + 1))
    return Packs(row[by_pack], begin[by_pack], end[by_pack], first)
