"""Weights and a budget -> whole rows per task: in rows or in tokens, under epoch caps.

What weights mean is said, never guessed: `shares="rows"`, a task's part of the rows (largest remainder:
within one row of its share), or `shares="tokens"`, its part of the tokens (the draws whose tokens come
nearest to its share: within half an example, or one where the size is in rows, which has to come out
exactly). So is the budget: rows or tokens, either way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mishran.errors import InfeasibleError
from mishran.mixture import quotas
from mishran.stream.supply import Draws
from mishran.types import Array

Unit = Literal["rows", "tokens"]


@dataclass(frozen=True)
class Wish:
    """What a stretch of training is to have.

    weights: (n,) >= 0, sum 1. amount: of rows or tokens, by `unit`. shares: what weights are shares of.
    """

    weights: Array
    amount: int
    unit: Unit
    shares: Unit


@dataclass(frozen=True)
class Apportioned:
    """counts: (n,) whole rows. capped: tasks at their cap that gave the rest away. moved: share of the
    weights that went elsewhere."""

    counts: np.ndarray
    capped: tuple[int, ...] = ()
    moved: float = 0.0


def apportion(
    wish: Wish,
    draws: Sequence[Draws],
    *,
    before: np.ndarray | None = None,
    max_epochs: float | None = None,
    redistribute: bool = False,
    where: str = "plan",
) -> Apportioned:
    """Whole rows per task.

    Args:
        draws: (n,) what the tasks have.
        before: (n,) rows that were drawn in earlier phases; they count for the caps.
        max_epochs: no task is drawn more often in all.
        redistribute: tasks at their cap keep it, and the others share what is left in proportion.

    Raises:
        InfeasibleError: a task would be drawn more often; the error names it, the best that is possible
            and what to change.
    """
    n = len(draws)
    old = np.zeros(n, dtype=np.int64) if before is None else np.asarray(before, dtype=np.int64)
    sizes = np.array([d.supply.rows for d in draws], dtype=np.int64)
    caps = np.full(n, 2.0**61)
    if max_epochs is not None:
        caps = np.minimum(caps, np.floor(max_epochs * sizes + 1e-9))
    room = np.maximum(caps.astype(np.int64) - old, 0)
    counts = _counts(wish, draws, old)
    if not counts.any():
        raise _too_small(wish, draws, old, where)
    over = counts > room
    if not over.any():
        return Apportioned(counts)
    if not redistribute or room[wish.weights > 0].sum() < 1:
        raise _refusal(wish, draws, old, room, counts, max_epochs, where)
    return _redistributed(wish, draws, old, room, max_epochs, where)


def _redistributed(
    wish: Wish,
    draws: Sequence[Draws],
    old: np.ndarray,
    room: np.ndarray,
    max_epochs: float | None,
    where: str,
) -> Apportioned:
    """Water-filling: caps are taken, and the others' weights grow in proportion until all fit."""
    capped = np.zeros(len(draws), dtype=bool)
    while True:
        fixed = np.where(capped, room, 0)
        left = wish.amount - _amount(wish.unit, draws, old, fixed)
        free = wish.weights * ~capped
        if left > 0 and free.sum() == 0:
            raise _no_more(wish, draws, old, room, max_epochs, where)
        counts = fixed
        if left > 0:
            rest = Wish(free / free.sum(), left, wish.unit, wish.shares)
            counts = fixed + _counts(rest, draws, old)
        over = (counts > room) & ~capped
        if not over.any():
            break
        capped |= over
    got = _shares(wish.shares, draws, old, counts)
    moved = float(np.abs(got - wish.weights).sum() / 2)
    return Apportioned(counts, tuple(map(int, np.flatnonzero(capped))), moved)


def _shares(unit: Unit, draws: Sequence[Draws], old: np.ndarray, counts: np.ndarray) -> np.ndarray:
    amounts = counts if unit == "rows" else _tokens(draws, old, counts)
    shares: np.ndarray = amounts / max(1, int(amounts.sum()))
    return shares


def _tokens(draws: Sequence[Draws], old: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(n,) tokens of the next rows of each task."""
    pairs = zip(draws, old.tolist(), counts.tolist(), strict=True)
    return np.array(
        [d.tokens(o + c) - d.tokens(o) if c else 0 for d, o, c in pairs], dtype=np.int64
    )


def _amount(unit: Unit, draws: Sequence[Draws], old: np.ndarray, counts: np.ndarray) -> int:
    return int((counts if unit == "rows" else _tokens(draws, old, counts)).sum())


def _counts(wish: Wish, draws: Sequence[Draws], old: np.ndarray) -> np.ndarray:
    """Whole rows without caps."""
    if wish.shares == "rows":
        if wish.unit == "rows":
            return quotas(wish.weights, wish.amount)
        mean = sum(
            w * d.supply.tokens / d.supply.rows for w, d in zip(wish.weights, draws, strict=True)
        )
        return _search(
            lambda rows: quotas(wish.weights, rows),
            lambda counts: _amount("tokens", draws, old, counts),
            wish.amount,
            round(wish.amount / mean),
        )

    def of_tokens(tokens: int) -> np.ndarray:
        out = np.zeros(len(draws), dtype=np.int64)
        for i, (d, before, weight) in enumerate(
            zip(draws, old.tolist(), wish.weights, strict=True)
        ):
            if weight > 0:
                out[i] = max(0, d.count(d.tokens(before) + weight * tokens) - before)
        return out

    if wish.unit == "tokens":
        return of_tokens(wish.amount)
    per_row = sum(
        w * d.supply.rows / d.supply.tokens for w, d in zip(wish.weights, draws, strict=True)
    )
    counts = _search(
        of_tokens, lambda counts: int(counts.sum()), wish.amount, round(wish.amount / per_row)
    )
    return _exactly(counts, wish, draws, old)


def _exactly(counts: np.ndarray, wish: Wish, draws: Sequence[Draws], old: np.ndarray) -> np.ndarray:
    """The number of rows that was asked for: the last few go to whoever is furthest from its share."""
    counts, tokens = counts.copy(), _tokens(draws, old, counts)
    while (missing := wish.amount - int(counts.sum())) != 0:
        step = int(np.sign(missing))
        short = (wish.weights * tokens.sum() - tokens) * step
        short[(wish.weights == 0) | ((step < 0) & (counts == 0))] = -np.inf
        i = int(np.argmax(short))
        at = int(old[i] + counts[i])
        tokens[i] += draws[i].tokens(at + step) - draws[i].tokens(at)
        counts[i] += step
    return counts


def _search(
    counts_at: Callable[[int], np.ndarray],
    amount_of: Callable[[np.ndarray], int],
    wanted: int,
    guess: int,
) -> np.ndarray:
    """Counts whose amount comes nearest to what is wanted; amounts grow with the number searched for."""
    low, high = 0, max(1, guess)
    while amount_of(counts_at(high)) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if amount_of(counts_at(middle)) < wanted else (low, middle)
    under, over = counts_at(low), counts_at(high)
    nearer = under.any() and abs(amount_of(under) - wanted) <= abs(amount_of(over) - wanted)
    return under if nearer else over


def _too_small(wish: Wish, draws: Sequence[Draws], old: np.ndarray, where: str) -> InfeasibleError:
    pairs = zip(draws, wish.weights, old.tolist(), strict=True)
    needed = min((d.tokens(o + 1) - d.tokens(o)) / w for d, w, o in pairs if w > 0)
    return InfeasibleError(
        expected=f"a size of at least one row (about {math.ceil(needed):,} tokens here)",
        found=f"{wish.amount:,} {wish.unit}",
        where=where,
        fix="ask for more",
    )


def _refusal(
    wish: Wish,
    draws: Sequence[Draws],
    old: np.ndarray,
    room: np.ndarray,
    counts: np.ndarray,
    max_epochs: float | None,
    where: str,
) -> InfeasibleError:
    """Goal, best achievable, culprit, remedies."""
    assert max_epochs is not None
    sizes = np.array([d.supply.rows for d in draws])
    culprit = int(np.argmax((counts + old) / sizes))
    best = _largest(wish, draws, old, room)
    needed = _rounded_up(float(((counts + old) / sizes).max()))
    name, size = draws[culprit].supply.name, int(sizes[culprit])
    times = int(counts[culprit] + old[culprit])
    others = int((counts > room).sum()) - 1
    most = _amount(wish.unit, draws, old, np.where(wish.weights > 0, room, 0))
    share = ", or let the others take the rest with redistribute" if most >= wish.amount else ""
    ask = f"ask for {best:,} {wish.unit} or fewer, " if best else ""
    return InfeasibleError(
        expected=f"at most {max_epochs:g} epochs of every task, which allow {best:,} {wish.unit} in these "
        f"proportions",
        found=f"{wish.amount:,} {wish.unit}, for which {name} with its {size:,} rows is drawn "
        f"{times:,} times ({times / size:.2f} epochs)"
        + (f"; {others} more tasks too" if others > 1 else "; one more task too" if others else ""),
        where=where,
        fix=f"{ask}{'' if share else 'or '}set max_epochs to {needed}{share}",
    )


def _no_more(
    wish: Wish,
    draws: Sequence[Draws],
    old: np.ndarray,
    room: np.ndarray,
    max_epochs: float | None,
    where: str,
) -> InfeasibleError:
    used = wish.weights > 0
    most = _amount(wish.unit, draws, old, np.where(used, room, 0))
    sizes = np.array([d.supply.rows for d in draws])
    total = _amount(wish.unit, draws, old, np.where(used, sizes, 0))
    needed = _rounded_up(
        (max_epochs or 0) * wish.amount / max(1, most) * (1 + 1e-3) + 1 / sizes[used].min()
    )
    return InfeasibleError(
        expected=f"a budget of at most {most:,} {wish.unit}, {max_epochs:g} epochs of every task",
        found=f"{wish.amount:,} {wish.unit} ({wish.amount / max(1, total):.2f} epochs of everything)",
        where=where,
        fix=f"ask for {most:,} {wish.unit} or fewer, or set max_epochs to {needed}",
    )


def _largest(wish: Wish, draws: Sequence[Draws], old: np.ndarray, room: np.ndarray) -> int:
    """The largest amount in these proportions whose counts fit."""

    def fits(amount: int) -> bool:
        smaller = Wish(wish.weights, amount, wish.unit, wish.shares)
        return amount == 0 or not (_counts(smaller, draws, old) > room).any()

    low, high = 0, wish.amount
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _rounded_up(epochs: float) -> str:
    """To two decimals, so that it can be typed in."""
    return f"{math.ceil(epochs * 100 - 1e-9) / 100:.2f}".rstrip("0").rstrip(".")
