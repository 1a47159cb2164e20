"""A fresh order of a task's examples for every epoch, as a function: place in the epoch -> example.

A keyed permutation of [0, 2^bits), six rounds of multiply, add, shift and exclusive or, each of which can
be undone; a value beyond the number of examples goes round again until it lies within (cycle walking,
Black and Rogaway 2002). So any place of any epoch is known without a table: resuming costs nothing and
state is a number. Keys come from SplitMix64 (Steele, Lea and Flood 2014) of seed, name and epoch, those of
the rounds from it by a congruential generator with folded bits; no random generator of a library is used,
whose streams may change with its version.

Six rounds on at least 64 values: with fewer, orders of 3 to 50 examples were visibly not uniform over
seeds (chi-square of all orders of 3 to 6 examples, of value by place and of neighbours; docs/log.md).
"""

from __future__ import annotations

import hashlib

import numpy as np

ROUNDS = 6
LEAST_BITS = 6
PART = 1 << 15  # values mixed at a time, for the caches (measured)


def task_key(seed: int, name: str) -> int:
    """64 bits of a seed and a name: tasks that come or go leave the order of the others alone."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def epoch_keys(keys: np.ndarray, epochs: np.ndarray) -> np.ndarray:
    """(k,) uint64, one for each pair of a task's key and an epoch."""
    state = (epochs.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state += keys
    state ^= state >> np.uint64(30)
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return state


def permuted(
    places: np.ndarray, which: np.ndarray, sizes: np.ndarray, keys: np.ndarray
) -> np.ndarray:
    """The examples at places of epochs.

    Args:
        places: (m,) integers in [0, sizes[which]).
        which: (m,) number of the epoch that each is of, among k epochs of any tasks.
        sizes: (k,) examples in each of them. keys: (k,) uint64, see `epoch_keys`.

    Returns:
        (m,) in [0, sizes[which]), uint32 or uint64; for each epoch a permutation.
    """
    bits = np.array([max(LEAST_BITS, (size - 1).bit_length()) for size in sizes.tolist()])
    kind = np.uint32 if bits.max(initial=0) <= 32 else np.uint64
    table = [
        (sizes - 1).astype(kind),
        (np.uint64(2**64 - 1) >> (64 - bits).astype(np.uint64)).astype(kind),
        ((bits + 1) // 2).astype(kind),
        (keys & np.uint64(2**32 - 1)).astype(np.uint32),
        (keys >> np.uint64(32)).astype(np.uint32),
    ]
    out = places.astype(kind)
    outside = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(out), PART):
        part = out[start : start + PART]
        last, *how = (column[which[start : start + PART]] for column in table)
        _mix(part, *how)
        outside.append(np.flatnonzero(part > last) + start)
    left = np.concatenate(outside)
    some, which = out[left], which[left]
    while len(left):
        last, *how = (column[which] for column in table)
        _mix(some, *how)
        out[left] = some
        again = np.flatnonzero(some > last)
        left, some, which = left[again], some[again], which[again]
    return out


def _mix(
    values: np.ndarray, mask: np.ndarray, shift: np.ndarray, one: np.ndarray, two: np.ndarray
) -> None:
    """The rounds, in place; `one` and `two` are used up.

    Keys have 32 bits whatever the values have: an order does not depend on who else is in the window.
    """
    spare, factor = np.empty_like(values), np.empty_like(one)
    for _ in range(ROUNDS):
        for state, times in ((one, 0x2C1B3C6D), (two, 0x297A2D39)):
            state *= np.uint32(times)
            state += np.uint32(0x6A09E667)
            np.right_shift(state, np.uint32(15), out=factor)
            state ^= factor
        np.bitwise_or(one, np.uint32(1), out=factor)
        values *= factor
        values += two
        values &= mask
        np.right_shift(values, shift, out=spare)
        values ^= spare
