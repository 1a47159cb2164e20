"""The order of examples: a permutation each epoch, uniform over seeds as far as tests can see."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.stream.shuffle import epoch_keys, permuted, task_key


def orders(size: int, seeds: int, epoch: int = 0) -> np.ndarray:
    """(seeds, size) the order of each seed."""
    keys = np.array([task_key(seed, "t") for seed in range(seeds)], dtype=np.uint64)
    which = np.repeat(np.arange(seeds), size)
    found = permuted(
        np.tile(np.arange(size), seeds),
        which,
        np.full(seeds, size),
        epoch_keys(keys, np.full(seeds, epoch)),
    )
    return found.reshape(seeds, size).astype(np.int64)


@given(st.integers(1, 3000), st.integers(0, 2**63), st.integers(0, 10**6))
def test_every_epoch_is_a_permutation(size: int, key: int, epoch: int) -> None:
    keys = epoch_keys(np.array([key], dtype=np.uint64), np.array([epoch]))
    found = permuted(np.arange(size), np.zeros(size, np.int64), np.array([size]), keys)
    assert sorted(found.tolist()) == list(range(size))


def test_a_place_alone_is_the_place_in_the_whole() -> None:
    """Mixed sizes and epochs at once, one of which needs 64 bits, give what each gives by itself."""
    sizes = np.array([1, 7, 100, 65, 5000, 2**33])
    keys = epoch_keys(np.arange(6, dtype=np.uint64), np.arange(6))
    rng = np.random.default_rng(0)
    which = rng.integers(0, 6, size=400)
    places = rng.integers(0, sizes[which])
    together = permuted(places, which, sizes, keys)
    for k in range(6):
        alone = permuted(
            places[which == k],
            np.zeros((which == k).sum(), np.int64),
            sizes[k : k + 1],
            keys[k : k + 1],
        )
        assert alone.tolist() == together[which == k].tolist()
        assert (alone < sizes[k]).all()


def test_more_than_four_billion_examples() -> None:
    size = 2**33 + 1
    keys = epoch_keys(np.array([5], dtype=np.uint64), np.array([0]))
    places = np.arange(size - 2000, size)
    found = permuted(places, np.zeros(2000, np.int64), np.array([size]), keys)
    assert len(set(found.tolist())) == 2000 and (found < size).all()
    assert found.max() > 2**32


def test_epochs_tasks_and_seeds_differ() -> None:
    base = orders(50, 1)[0].tolist()
    assert base != orders(50, 1, epoch=1)[0].tolist()
    assert base != orders(50, 2)[1].tolist()
    assert task_key(0, "a") != task_key(0, "b")


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_all_orders_of_few_examples_are_equally_likely(size: int) -> None:
    seeds = 12_000
    counts = Counter(map(tuple, orders(size, seeds).tolist()))
    expected = seeds / math.factorial(size)
    chi = sum((counts[p] - expected) ** 2 / expected for p in itertools.permutations(range(size)))
    freedom = math.factorial(size) - 1
    assert chi < freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("size", [10, 64, 97, 200])
def test_places_and_neighbours_are_uniform(size: int) -> None:
    """Chi-square of value by place, and of the step between neighbours."""
    seeds = 2000
    found = orders(size, seeds, epoch=1)
    table = np.zeros((size, size))
    np.add.at(table, (np.tile(np.arange(size), seeds), found.ravel()), 1)
    expected = seeds / size
    chi = ((table - expected) ** 2 / expected).sum()
    freedom = (size - 1) ** 2
    assert chi < freedom + 5 * math.sqrt(2 * freedom)
    steps = np.bincount((np.diff(found, axis=1) % size).ravel(), minlength=size)[1:]
    expected = steps.mean()
    chi = ((steps - expected) ** 2 / expected).sum()
    assert chi < (size - 2) + 5 * math.sqrt(2 * (size - 2))


def test_golden() -> None:
    """The order is a promise: a checkpoint of today resumes with the code of tomorrow."""
    assert task_key(0, "gsm8k") == 0x8F9E9A0C259C17AA
    assert orders(10, 1)[0].tolist() == [8, 6, 5, 0, 7, 4, 3, 9, 1, 2]
    assert orders(1000, 1, epoch=3)[0, :8].tolist() == [893, 265, 736, 249, 974, 220, 960, 204]
