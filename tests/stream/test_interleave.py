"""The order of tasks: evenness in every prefix, exact counts, the same anywhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.stream import interleave
from mishran.stream.interleave import LARGEST, Interleave

COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=24).filter(any)


def deviation(counts: list[int], tasks: np.ndarray) -> float:
    """Largest |count - p L| over all prefixes and tasks."""
    shares = np.array(counts) / sum(counts)
    lengths = np.arange(1, len(tasks) + 1)
    seen = np.cumsum(tasks[:, None] == np.arange(len(counts)), axis=0)
    return float(np.abs(seen - shares * lengths[:, None]).max())


def oracle(counts: list[int], num: int) -> list[tuple[int, int]]:
    """The same tree, walked row by row with fractions."""
    tree = [(c, i, None, None) for i, c in enumerate(counts) if c]
    number = len(counts)
    while len(tree) > 1:
        tree.sort(key=lambda node: node[:2])
        (a, b), tree = tree[:2], tree[2:]
        tree.append((a[0] + b[0], number, a, b))
        number += 1
    seen: dict[int, int] = {}
    out = []
    for _ in range(num):
        node = tree[0]
        while node[2] is not None:
            row = seen.get(node[1], 0)
            share = Fraction(node[2][0], node[0])
            left = int(share * (row + 1) + Fraction(1, 2)) > int(share * row + Fraction(1, 2))
            seen[node[1]] = row + 1
            node = node[2] if left else node[3]
        out.append((node[1], seen.get(node[1], 0)))
        seen[node[1]] = seen.get(node[1], 0) + 1
    return out


@given(COUNTS)
def test_rows_are_those_of_the_tree_walked_with_fractions(counts: list[int]) -> None:
    num = min(300, 2 * sum(counts))
    task, occurrence = Interleave(tuple(counts)).rows(0, num)
    assert list(zip(task.tolist(), occurrence.tolist(), strict=True)) == oracle(counts, num)


@given(COUNTS)
def test_every_prefix_has_its_shares_to_within_two_rows(counts: list[int]) -> None:
    task, _ = Interleave(tuple(counts)).rows(0, sum(counts))
    assert deviation(counts, task) <= 1.68
    assert np.bincount(task, minlength=len(counts)).tolist() == counts


@pytest.mark.parametrize(
    "counts",
    [
        [255]
        + [1] * 255,  # one of a half beside 255 equal ones: sorting by (j + 1/2) / c is off by 64
        [2**k for k in range(16)],
        [1] * 300,
        [10_000, 1],
        [89, 55, 34, 21, 13, 8, 5, 3, 2, 1, 1],  # Fibonacci: the deepest Huffman tree
        [1000, 999, 998, 3, 2, 1],
    ],
    ids=["half", "doubling", "equal", "rare", "fibonacci", "mixed"],
)
def test_hard_cases_stay_within_two_rows(counts: list[int]) -> None:
    task, _ = Interleave(tuple(counts)).rows(0, min(200_000, sum(counts)))
    assert deviation(counts, task) < 1.68


@given(COUNTS, st.integers(0, 400), st.integers(0, 60))
def test_a_window_is_the_part_of_the_whole(counts: list[int], start: int, num: int) -> None:
    part = Interleave(tuple(counts))
    task, occurrence = part.rows(0, start + num)
    window = part.rows(start, start + num)
    assert window[0].tolist() == task[start:].tolist()
    assert window[1].tolist() == occurrence[start:].tolist()
    before = np.bincount(task[:start], minlength=len(counts))
    assert part.counts_before(start).tolist() == before.tolist()


def test_beyond_its_period_the_order_begins_again() -> None:
    counts = (3, 5, 1)
    task, occurrence = Interleave(counts).rows(0, 27)
    assert task[:9].tolist() == task[9:18].tolist() == task[18:].tolist()
    assert occurrence[18:].tolist() == (occurrence[:9] + 2 * np.array(counts)[task[:9]]).tolist()


@pytest.mark.parametrize("scale", [10**5, 10**9, 3 * 10**11])
def test_large_counts_are_exact(scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whole numbers and in double precision alike, a billion rows into the order."""
    counts = (3 * scale + 1, 2 * scale + 7, scale - 5, 11)
    part = Interleave(counts)
    start = sum(counts) // 3 * 2
    task, occurrence = part.rows(start, start + 3000)
    for index in (0, 1, 1500, 2999, 3000):
        before = part.counts_before(start + index)
        seen = part.counts_before(start) + np.bincount(task[:index], minlength=4)
        assert before.tolist() == seen.tolist()
    for i in range(4):
        mine = occurrence[task == i]
        assert mine.tolist() == list(range(before[i] - len(mine), before[i]))
    exact = [interleave._floors(7 * scale, scale, scale // 3, np.arange(50.0), 0)]
    exact += [[(7 * scale + 2 * scale * k) // (2 * (scale // 3)) for k in range(50)]]
    assert exact[0].tolist() == exact[1]


def test_tasks_without_rows_do_not_come() -> None:
    task, _ = Interleave((0, 4, 0, 2)).rows(0, 60)
    assert set(task.tolist()) == {1, 3}


@pytest.mark.parametrize("counts", [(), (0, 0), (-1, 2), (LARGEST, 1)])
def test_counts_that_are_none_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="counts >= 0 of sum 1 to"):
        Interleave(counts)
