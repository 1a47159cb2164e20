"""The global order: nothing dropped or repeated inside an epoch, across phases, windows and changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mishran.stream import order as module
from mishran.stream.order import Order, Phase

NAMES = ("a", "b", "c")


def same(one, other) -> bool:  # type: ignore[no-untyped-def]
    return all(
        getattr(one, name).tolist() == getattr(other, name).tolist()
        for name in ("task", "example", "epoch")
    )


@st.composite
def orders(draw: st.DrawFn) -> Order:
    sizes = tuple(draw(st.lists(st.integers(1, 30), min_size=3, max_size=3)))
    phases = []
    for _ in range(draw(st.integers(1, 3))):
        counts = tuple(draw(st.lists(st.integers(0, 25), min_size=3, max_size=3).filter(any)))
        phases.append(Phase(counts, draw(st.integers(0, 2 * sum(counts)))))
    return Order(NAMES, sizes, tuple(phases), draw(st.integers(0, 5)))


@given(orders())
def test_inside_an_epoch_nothing_is_dropped_or_repeated(order: Order) -> None:
    rows = order.rows(0, len(order))
    for i, size in enumerate(order.sizes):
        mine = rows.example[rows.task == i].tolist()
        epochs = rows.epoch[rows.task == i].tolist()
        assert epochs == [j // size for j in range(len(mine))]
        for start in range(0, len(mine), size):
            part = mine[start : start + size]
            assert len(set(part)) == len(part) and max(part) < size
    assert order.counts_before(len(order)).tolist() == np.bincount(rows.task, minlength=3).tolist()


@given(orders(), st.integers(0, 120), st.integers(0, 120))
def test_any_window_is_a_part_of_the_whole(order: Order, start: int, num: int) -> None:
    rows, part = order.rows(0, len(order)), order.rows(start, start + num)
    for name in ("task", "example", "epoch"):
        assert getattr(part, name).tolist() == getattr(rows, name)[start : start + num].tolist()


@settings(max_examples=30)
@given(orders(), st.integers(1, 9))
def test_the_size_of_the_windows_does_not_matter(order: Order, window: int) -> None:
    whole = order.rows(0, len(order))
    before = module.WINDOW, module.LEAST
    try:
        module.WINDOW, module.LEAST = window, 1
        assert same(order.rows(0, len(order)), whole)
    finally:
        module.WINDOW, module.LEAST = before


@given(orders(), st.integers(0, 100))
def test_weights_can_change_on_the_way(order: Order, index: int) -> None:
    index = min(index, len(order))
    changed = order.changed(index, [Phase((1, 0, 3), 40)])
    assert len(changed) == index + 40
    assert same(changed.rows(0, index), order.rows(0, index))
    rows = changed.rows(0, len(changed))
    assert np.bincount(rows.task[index:], minlength=3).tolist() == [10, 0, 30]
    for i, size in enumerate(order.sizes):  # what was read stays read
        mine = rows.example[rows.task == i]
        assert all(
            len(set(mine[s : s + size].tolist())) == len(mine[s : s + size])
            for s in range(0, len(mine), size)
        )


def test_every_epoch_has_an_order_of_its_own() -> None:
    order = Order(("a",), (40,), (Phase((1,), 120),))
    examples = order.rows(0, 120).example.reshape(3, 40).tolist()
    assert len({tuple(e) for e in examples}) == 3


def test_other_tasks_do_not_touch_the_order_of_a_task() -> None:
    """Only its own name, its size and the seed do."""
    one = Order(("a", "b"), (40, 9), (Phase((40, 9), 49),), seed=3).rows(0, 49)
    two = Order(("x", "a"), (5, 40), (Phase((20, 40), 60),), seed=3).rows(0, 60)
    other = Order(("a",), (40,), (Phase((1,), 40),), seed=4).rows(0, 40)
    mine = one.example[one.task == 0].tolist()
    assert mine == two.example[two.task == 1].tolist() != other.example.tolist()


@pytest.mark.parametrize("phase", [Phase((1, 1), 4), Phase((1, 0), -1)])
def test_phases_that_cannot_be_are_refused(phase: Phase) -> None:
    with pytest.raises(ValueError, match="tasks with examples are needed"):
        Order(("a", "b"), (3, 0), (phase,))


def test_golden() -> None:
    order = Order(("gsm8k", "nli"), (5, 3), (Phase((2, 1), 9),), seed=1)
    rows = order.rows(0, 9)
    found = list(zip(rows.task.tolist(), rows.example.tolist(), rows.epoch.tolist(), strict=True))
    assert found == [
        (0, 2, 0),
        (1, 0, 0),
        (0, 3, 0),
        (0, 4, 0),
        (1, 2, 0),
        (0, 0, 0),
        (0, 1, 0),
        (1, 1, 0),
        (0, 1, 1),
    ]
