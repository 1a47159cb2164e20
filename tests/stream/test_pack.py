"""Packs: every token once, best fit decreasing as placed one by one, wrapped without a gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.stream.pack import pack


def one_by_one(lengths: list[int], capacity: int) -> list[int]:
    """Room left in each pack, placing rows one by one: the oracle."""
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [k for k, room in enumerate(rooms) if room >= length]
        if fitting:
            rooms[min(fitting, key=lambda k: rooms[k])] -= length
        else:
            rooms.append(capacity - length)
    return sorted(rooms)


@given(
    st.integers(1, 60),
    st.lists(st.integers(1, 200), max_size=60),
    st.sampled_from(["bfd", "wrapped"]),
)
def test_every_token_is_in_one_pack(capacity: int, lengths: list[int], how: str) -> None:
    rows = np.array(lengths, dtype=np.int64)
    packs = pack(rows, capacity, how)  # type: ignore[arg-type]
    seen = [np.zeros(n, dtype=int) for n in lengths]
    for k in range(len(packs)):
        part = slice(packs.first[k], packs.first[k + 1])
        pieces = list(zip(packs.row[part], packs.begin[part], packs.end[part], strict=True))
        assert 0 < sum(e - b for _, b, e in pieces) <= capacity
        assert [r for r, _, _ in pieces] == sorted(r for r, _, _ in pieces)
        for row, begin, end in pieces:
            seen[row][begin:end] += 1
    assert all((s == 1).all() for s in seen)


@given(st.integers(1, 60), st.lists(st.integers(1, 60), max_size=80))
def test_best_fit_is_that_of_rows_placed_one_by_one(capacity: int, lengths: list[int]) -> None:
    fitting = [n for n in lengths if n <= capacity]
    packs = pack(np.array(fitting, dtype=np.int64), capacity)
    used = [
        int((packs.end - packs.begin)[packs.first[k] : packs.first[k + 1]].sum())
        for k in range(len(packs))
    ]
    assert sorted(capacity - u for u in used) == one_by_one(fitting, capacity)


@given(st.integers(1, 60), st.lists(st.integers(1, 200), min_size=1, max_size=60))
def test_wrapped_packs_are_full_but_the_last(capacity: int, lengths: list[int]) -> None:
    packs = pack(np.array(lengths, dtype=np.int64), capacity, "wrapped")
    assert len(packs) == -(-sum(lengths) // capacity)


def test_rows_that_fit_are_not_cut_by_best_fit() -> None:
    lengths = np.random.default_rng(0).integers(1, 101, size=4096)
    packs = pack(lengths, 100)
    assert len(packs.row) == 4096 and (packs.begin == 0).all()
    assert lengths.sum() / (len(packs) * 100) > 0.99


def test_the_same_rows_in_another_order_need_as_many_packs() -> None:
    lengths = np.random.default_rng(1).integers(1, 60, size=500)
    mixed = np.random.default_rng(2).permutation(lengths)
    assert len(pack(lengths, 64)) == len(pack(mixed, 64))


@pytest.mark.parametrize("how", ["bfd", "wrapped"])
def test_no_rows_no_packs(how: str) -> None:
    assert len(pack(np.empty(0, dtype=np.int64), 10, how)) == 0  # type: ignore[arg-type]
