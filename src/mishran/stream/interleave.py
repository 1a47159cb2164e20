"""The order of tasks inside one phase: a tree of two-way interleavings, evaluated anywhere at once.

Counts c_1 .. c_n of sum N are the leaves of a Huffman tree. A node with a rows on its left and A in all
gives its left child floor(l a / A + 1/2) of its first l rows (a Beatty sequence) and its right child the
others, each within 1/2 of its share. What a node has too much or too little, its children share in
proportion, so that a leaf of share p, below nodes of shares p_1 <= p_2 <= .., is off by at most
1/2 (1 + p / p_1 + p / p_2 + ..). In a Huffman tree every second ancestor is at least the sum of the two
before it, so that the sum is at most that of the reciprocal Fibonacci numbers, 3.36:

    in every prefix of L rows a task has its share of L to within 1.68 rows (the most that was found: 1.37).

The sequence has period N; in N rows every count is exact. No state: rows [start, stop) take time in
proportion to their number and to the entropy of the shares, wherever they lie.

Rejected: sorting rows by (j + 1/2) / c_i is as fast, but one task of half the rows beside 255 equal ones
is off by 64 rows there, and it cannot begin in the middle. The greedy choice of the task that lags most
(Megatron) takes n steps per row and has to be replayed from the first.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

WIDEST = 2**20  # rows of a window
LARGEST = 2**41  # rows of a period, so that products with a window's rows fit into 64 bits


@dataclass(frozen=True)
class _Node:
    """A leaf (`task`), or two children, left and right; `total` rows in a period."""

    total: int
    task: int = -1
    children: tuple[_Node, _Node] | None = None


@dataclass(frozen=True)
class Interleave:
    """Rows of n tasks in the proportions of whole counts.

    counts: (n,) rows per task in a period, >= 0, at least one of them > 0; tasks with 0 do not come.
    """

    counts: tuple[int, ...]
    _root: _Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        total = sum(self.counts)
        if min(self.counts, default=-1) < 0 or not 0 < total <= LARGEST:
            raise ValueError(f"counts >= 0 of sum 1 to {LARGEST} are needed, got {self.counts}")
        object.__setattr__(self, "_root", _huffman(self.counts))

    def counts_before(self, index: int) -> np.ndarray:
        """(n,) rows of each task among the first `index`, exact; in time proportional to n."""
        out = np.zeros(len(self.counts), dtype=np.int64)
        stack = [(self._root, index)]
        while stack:
            node, rows = stack.pop()
            if node.children is None:
                out[node.task] = rows
            else:
                small, large = node.children
                left = _left(node.total, small.total, rows)
                stack += [(small, left), (large, rows - left)]
        return out

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows [start, stop): (m,) int32 task of each, (m,) int64 how often it came before."""
        if stop - start > WIDEST:
            raise ValueError(f"at most {WIDEST:,} rows at a time, got {stop - start:,}")
        task = np.empty(stop - start, dtype=np.int32)
        occurrence = np.empty(stop - start, dtype=np.int64)
        numbers = np.arange(stop - start)
        steps = numbers.astype(np.float64)
        stack: list[tuple[_Node, int, int, np.ndarray]] = [(self._root, start, stop, numbers)]
        while stack:
            node, low, high, places = stack.pop()
            if low == high:
                continue
            if node.children is None:
                task[places] = node.task
                occurrence[places] = numbers[: high - low] + low
                continue
            left, right = node.children
            first, last = (_left(node.total, left.total, index) for index in (low, high))
            sides = ((left, first, last, 1), (right, low - first, high - last, 0))
            for child, begin, end, less in sides:
                # The j-th row of a child with c of A rows is row floor((A (2j + 1) - less) / 2c).
                numerator = node.total * (2 * begin + 1) - less
                at = _floors(numerator, node.total, child.total, steps[: end - begin], low)
                stack.append((child, begin, end, at if places is numbers else places[at]))
        return task, occurrence


def _left(total: int, left: int, rows: int) -> int:
    """Rows of the left child, which has `left` of `total`, among the first `rows` of a node."""
    return (2 * left * rows + total) // (2 * total)


def _floors(start: int, step: int, part: int, steps: np.ndarray, low: int) -> np.ndarray:
    """floor((start + 2 step k) / (2 part)) - low for k = 0 .. len(steps) - 1, exact.

    In double precision where the distance of these fractions to the next whole number, at least
    1 / (4 part) once half a unit is added, is far above its rounding; else in whole numbers.
    """
    whole, rest = divmod(start, 2 * part)
    if part * (len(steps) * step // part + 1) < 2**49:
        at = steps * (step / part)
        at += (rest + 0.5) / (2 * part) + (whole - low)
        return at.astype(np.int64)
    out = (rest + (2 * step) * np.arange(len(steps))) // (2 * part)
    out += whole - low
    return out


def _huffman(counts: Sequence[int]) -> _Node:
    """The two smallest are joined until one is left; ties go to whoever is earlier."""
    heap = [(int(count), i, _Node(int(count), i)) for i, count in enumerate(counts) if count]
    heapq.heapify(heap)
    number = len(counts)
    while len(heap) > 1:
        small, _, left = heapq.heappop(heap)
        large, _, right = heapq.heappop(heap)
        joined = _Node(small + large, children=(left, right))
        heapq.heappush(heap, (joined.total, number, joined))
        number += 1
    return heap[0][2]
