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
SOLVES = 5_000  # sets after which greedy ends, and that swapping may try: 1 to 2 s each


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
    while chosen.sum() < problem.max_tasks and evaluate.solves < SOLVES:
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


def swap(evaluate: Evaluator, chosen: Mask, max_solves: int = SOLVES) -> tuple[Mask, Best, int]:
    """Takes each task out in turn for the best that could stand in, until none helps.

    Adding and dropping count as swaps. Ends early, in the middle, after `max_solves` sets.
    Returns the set, its best mixture and how many moves were made.
    """
    problem = evaluate.problem
    best = _possible(evaluate, chosen)
    limit = evaluate.solves + max_solves
    moves, since, turn = 0, 0, 0
    while since <= len(chosen) and evaluate.solves < limit:
        leaving: int | None = None
        turn, since = (turn + 1) % (len(chosen) + 1), since + 1
        if turn < len(chosen):
            if not chosen[turn] or problem.forced[turn]:
                continue
            leaving = turn
        elif chosen.sum() >= problem.max_tasks:
            continue
        found = _best_move(evaluate, chosen, best, leaving)
        if found is not None:
            chosen, best = found
            moves, since = moves + 1, 0
    return chosen, best, moves


def _best_move(
    evaluate: Evaluator, chosen: Mask, best: Best, leaving: int | None
) -> tuple[Mask, Best] | None:
    """The best set with this task dropped and at most one added; None if no better than `best`."""
    problem = evaluate.problem
    gain, target = 0.1 * problem.tolerance, None
    without = chosen.copy()
    if leaving is not None:
        without[leaving] = False
    base = evaluate(without)
    bounds = np.full(len(chosen), np.inf)
    if base is not None:
        bounds = best.value - base.value + evaluate.gains(base)
        if best.value - base.value > gain and problem.complete(without):
            gain, target = best.value - base.value, (without, base)
    bounds = np.where(problem.usable & ~chosen, bounds, -np.inf)
    for j in np.argsort(-bounds, kind="stable"):
        if bounds[j] <= gain:
            break
        trial = without.copy()
        trial[j] = True
        option = evaluate(trial) if problem.complete(trial) else None
        if option is not None and best.value - option.value > gain:
            gain, target = best.value - option.value, (trial, option)
    return target


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
