"""Texts that tasks share: twins that a mixture counts twice, training text that another task tests.

Compared by the hash of prompt and answer (NFC, whitespace folded), so the work is linear in the
number of examples. Nothing is dropped here: across tasks, sharing may be wanted; it is counted and
shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from mishran.tasks.task import Task, text_key


@dataclass(frozen=True)
class SharedTexts:
    """num: distinct texts that both tasks have, in any split. tasks: in the order of the run."""

    tasks: tuple[str, str]
    num: int


@dataclass(frozen=True)
class Leak:
    """num: training examples of `trained` whose text is held out (valid or test) in `held_out`."""

    trained: str
    held_out: str
    num: int


@dataclass(frozen=True)
class Overlap:
    """What the tasks of a run share; empty tuples when nothing."""

    shared: tuple[SharedTexts, ...]
    leaks: tuple[Leak, ...]


def overlaps(tasks: Sequence[Task]) -> Overlap:
    """Count shared texts for every pair of tasks, and training text held out in another."""
    trained = [Counter(text_key(e) for e in task.train) for task in tasks]
    held = [{text_key(e) for e in (*task.valid, *task.test)} for task in tasks]
    owners: dict[bytes, list[int]] = {}
    for i in range(len(tasks)):
        for key in trained[i].keys() | held[i]:
            owners.setdefault(key, []).append(i)
    shared: Counter[tuple[int, int]] = Counter()
    leaks: Counter[tuple[int, int]] = Counter()
    for key, indices in owners.items():
        for a, b in combinations(indices, 2):
            shared[a, b] += 1
            for one, other in ((a, b), (b, a)):
                if key in held[other]:
                    leaks[one, other] += trained[one][key]
    names = [task.name for task in tasks]
    return Overlap(
        shared=tuple(SharedTexts((names[a], names[b]), n) for (a, b), n in sorted(shared.items())),
        leaks=tuple(Leak(names[a], names[b], n) for (a, b), n in sorted(leaks.items()) if n),
    )
