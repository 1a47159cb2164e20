"""Greedy choice of tasks and swaps to a local optimum.

Greedy adds the task with the largest gain, one at a time. A task is tried only if the bound on its
gain, from the duality gap of the present set, exceeds the best gain found so far: the choice is the
same as if all were tried. Lazy evaluation also takes an old gain as a bound on a new one, which is
right only under diminishing returns; these are tested on the energy at hand and fail for
many (two tasks that only together balance a third gain more later).

Source: Minoux 1978, accelerated greedy; the bound is derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.energy.subsets import Best, Evaluator, Index, Mask
from mishran.types import Array

TRIPLES = 64  # tested for diminishing returns
WORTH_TESTING = 4000  # candidates x tasks to add, from which the test costs less than it can save
SWAPS = 1000


@final
@dataclass(frozen=True, eq=False)
class Greedy:
    """path: the sets in the order of growth, the start first. lazy: how, and why in words."""

    path: tuple[Mask, ...]
    best: Best
    lazy: bool
    why: str


def grow(evaluate: Evaluator, start: Mask, seed: int, lazy: bool | None = None) -> Greedy:
    """Adds tasks to the start, which must be possible, while one improves it and there is room.

    lazy: None tests whether diminishing returns allow it; True and False decide it.
    """
    problem = evaluate.problem
    chosen = start.copy()
    best = _possible(evaluate, chosen)
    path = [chosen.copy()]
    why = "as asked"
    if lazy is None:
        lazy, why = _diminishing(evaluate, start, seed)
    stale = np.full(len(chosen), np.inf)
    while chosen.sum() < problem.max_tasks:
        bounds = np.where(problem.usable & ~chosen, evaluate.gains(best), -np.inf)
        if lazy:
            bounds = np.minimum(bounds, stale)
        gain, task, found = 0.1 * problem.tolerance, -1, best
        for j in np.argsort(-bounds, kind="stable"):
            if bounds[j] <= gain:
                break
            trial = chosen.copy()
            trial[j] = True
            option = evaluate(trial)
            stale[j] = -np.inf if option is None else best.value - option.value
            if stale[j] > gain:
                assert option is not None
                gain, task, found = float(stale[j]), int(j), option
        if task < 0:
            break
        chosen[task] = True
        best = found
        path.append(chosen.copy())
    return Greedy(tuple(path), best, lazy, why)


def swap(evaluate: Evaluator, chosen: Mask) -> tuple[Mask, Best, int]:
    """Best swap of one task after the other until none helps; adding and dropping count as swaps.

    Returns the set, its best mixture and how many moves were made.
    """
    problem = evaluate.problem
    best = _possible(evaluate, chosen)
    for moves in range(SWAPS):
        gain, target, found = 0.1 * problem.tolerance, None, best
        room = chosen.sum() < problem.max_tasks
        leaving: list[int | None] = [int(i) for i in np.flatnonzero(chosen & ~problem.forced)]
        for i in [*leaving, *([None] if room else [])]:
            without = chosen.copy()
            if i is not None:
                without[i] = False
            base = evaluate(without)
            if base is None:
                bounds = np.where(problem.usable & ~chosen, np.inf, -np.inf)
            else:
                reach = best.value - base.value + evaluate.gains(base)
                bounds = np.where(problem.usable & ~chosen, reach, -np.inf)
                if best.value - base.value > gain and problem.complete(without):
                    gain, target, found = best.value - base.value, without, base
            for j in np.argsort(-bounds, kind="stable"):
                if bounds[j] <= gain:
                    break
                trial = without.copy()
                trial[j] = True
                option = evaluate(trial) if problem.complete(trial) else None
                if option is not None and best.value - option.value > gain:
                    gain, target, found = best.value - option.value, trial, option
        if target is None:
            return chosen, best, moves
        chosen, best = target, found
    return chosen, best, SWAPS


def _possible(evaluate: Evaluator, chosen: Mask) -> Best:
    best = evaluate(chosen)
    assert best is not None, "the start allows a mixture"
    return best


def _diminishing(evaluate: Evaluator, start: Mask, seed: int) -> tuple[bool, str]:
    """Whether a task gained at most as much later as earlier, wherever that was looked."""
    problem = evaluate.problem
    if not problem.monotone:
        return False, "naive: a least share makes further tasks cost something"
    candidates: Index = np.flatnonzero(problem.usable & ~start)
    room = problem.max_tasks - int(start.sum())
    if len(candidates) * room < WORTH_TESTING or room < 2 or len(candidates) < 3:
        return False, "naive: too few candidates for the test of diminishing returns to pay"
    rng = np.random.default_rng(seed)
    for tested in range(1, TRIPLES + 1):
        order = rng.permutation(candidates)
        large = int(rng.integers(1, min(room, len(order) - 1) + 1))
        small = int(rng.integers(0, large))
        values = []
        for size in (small, large):
            for extra in ([], [order[-1]]):
                trial = start.copy()
                trial[order[:size]] = True
                trial[np.array(extra, dtype=np.intp)] = True
                values.append(_possible(evaluate, trial).value)
        early, late = values[0] - values[1], values[2] - values[3]
        if late > early + problem.tolerance:
            return False, (
                f"naive: returns do not diminish, {problem.names[order[-1]]} gained "
                f"{late * problem.unit:.3g} later and {early * problem.unit:.3g} earlier "
                f"(test {tested} of {TRIPLES})"
            )
    return True, f"lazy: returns diminished in all of {TRIPLES} seeded tests"


def single_energies(evaluate: Evaluator) -> Array:
    """(n,) energy of every task alone; inf where that is not allowed."""
    n = len(evaluate.problem.linear)
    out = np.full(n, np.inf)
    for i in np.flatnonzero(evaluate.problem.usable):
        alone = np.zeros(n, dtype=bool)
        alone[i] = True
        best = evaluate(alone)
        out[i] = np.inf if best is None else best.value
    return out
