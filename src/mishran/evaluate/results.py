"""What a comparison is made of: finished runs, the mixtures they trained on, and the setting.

Plain values; whoever trained fills them. They are checked when they are made, so a NaN or an example
without an answer token never gets as far as a mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mishran.errors import ConfigError, DataError
from mishran.types import Array

UNIFORM = "uniform"
ALL, TRAINED, UNTRAINED = "all tasks", "tasks trained on", "tasks not trained on"


def _vector(values: Any, dtype: type, count: int, what: str) -> NDArray[Any]:
    given = np.asarray(values)
    out: NDArray[Any] = given.astype(dtype)
    if dtype is np.int64 and not np.array_equal(out, given):
        i = int((out != given).argmax())
        raise DataError(
            expected=f"whole numbers for {what}",
            found=str(given.ravel()[i]),
            fix="count them; means of runs are not runs",
        )
    if out.shape != (count,):
        raise DataError(
            expected=f"{what} of each of {count} examples",
            found=f"an array of shape {out.shape}",
            fix="give one number per example, in the order of the ids",
        )
    out.setflags(write=False)
    return out


@dataclass(frozen=True)
class TaskResult:
    """A task's held-out examples under one trained model.

    ids: (m,) which examples; the same in every run. nats: (m,) of the whole answer. tokens, bytes:
    (m,) answer tokens and answer bytes (UTF-8). correct: (m,) 0 or 1.

    Raises:
        DataError: no example, lengths that differ, nats that are not finite, an example without
            answer tokens or bytes, a `correct` that is neither 0 nor 1.
    """

    ids: tuple[str, ...]
    nats: Array
    tokens: NDArray[np.int64]
    bytes: NDArray[np.int64] | None = None
    correct: Array | None = None

    def __post_init__(self) -> None:
        count = len(self.ids)
        if count == 0:
            raise DataError(
                expected="at least one held-out example of every task",
                found="none",
                fix="hold out examples of it, or leave the task out of the comparison",
            )
        if len(set(self.ids)) < count:
            twice = next(name for i, name in enumerate(self.ids) if name in self.ids[:i])
            raise DataError(
                expected="an id per example",
                found=f"{twice!r} twice",
                fix="give every held-out example an id of its own",
            )
        put = object.__setattr__
        put(self, "ids", tuple(self.ids))
        put(self, "nats", _vector(self.nats, np.float64, count, "nats"))
        put(self, "tokens", _vector(self.tokens, np.int64, count, "answer tokens"))
        self._refuse(~np.isfinite(self.nats), "finite nats", self.nats, "call the run failed")
        at_least = "at least 1 answer"
        self._refuse(self.tokens < 1, f"{at_least} token", self.tokens, "leave the example out")
        if self.bytes is not None:
            put(self, "bytes", _vector(self.bytes, np.int64, count, "answer bytes"))
            assert self.bytes is not None
            self._refuse(self.bytes < 1, f"{at_least} byte", self.bytes, "leave the example out")
        if self.correct is not None:
            put(self, "correct", _vector(self.correct, np.float64, count, "0 or 1"))
            assert self.correct is not None
            other = (self.correct != 0) & (self.correct != 1)
            self._refuse(other, "0 or 1 for correct", self.correct, "give 1 for a right answer")

    def _refuse(self, bad: NDArray[np.bool_], expected: str, values: Any, fix: str) -> None:
        if bad.any():
            i = int(bad.argmax())
            raise DataError(
                expected=expected, found=str(values[i]), where=f"example {self.ids[i]!r}", fix=fix
            )


@dataclass(frozen=True)
class RunResult:
    """One training on a method's mixture with one seed: what came of it, or why nothing did.

    tasks: by name. train_tokens: tokens it was trained on. failed: the one line of the error; then
    there are no tasks, and the run is shown as missing.
    """

    method: str
    seed: int
    tasks: Mapping[str, TaskResult] = field(default_factory=dict)
    train_tokens: int = 0
    steps: int = 0
    failed: str = ""

    def __post_init__(self) -> None:
        where = f"{self.method}, seed {self.seed}"
        if bool(self.failed) == bool(self.tasks):
            raise DataError(
                expected="results of at least one task, or why the run failed",
                found="both" if self.failed else "neither",
                where=where,
                fix="give `tasks` for a run that ended and `failed` for one that did not",
            )
        if self.tasks and self.train_tokens < 1:
            raise DataError(
                expected="the tokens it was trained on",
                found=str(self.train_tokens),
                where=where,
                fix="give train_tokens",
            )


@dataclass(frozen=True)
class Candidate:
    """A mixture to compare. method: its id in the results; label: its name for people.

    weights: by task; none where `failed` says why no mixture was found, and then it has no runs
    either. find_trained, find_forward: tokens that were trained on, and only read, to find
    the weights, of the model that is compared (tokens of a smaller one: fewer, by its size). notes:
    what they were spent on.
    """

    method: str
    label: str
    weights: Mapping[str, float]
    find_trained: float = 0.0
    find_forward: float = 0.0
    notes: tuple[str, ...] = ()
    failed: str = ""

    def __post_init__(self) -> None:
        shares = list(self.weights.values())
        if self.failed and shares:
            raise ConfigError(
                expected="weights, or why there are none",
                found="both",
                where=f"the mixture of {self.method}",
                fix="give one of them",
            )
        sums = bool(shares) and min(shares) >= 0 and abs(sum(shares) - 1) <= 1e-6
        if not self.failed and not sums:
            raise ConfigError(
                expected="weights >= 0 that sum to 1",
                found=f"a sum of {sum(shares):.6g}" if shares else "none",
                where=f"the mixture of {self.method}",
                fix="give the weights that were trained on",
            )
        if not (0 <= self.find_trained < np.inf and 0 <= self.find_forward < np.inf):
            raise ConfigError(
                expected="costs of 0 tokens or more",
                found=f"{self.find_trained} trained, {self.find_forward} read",
                where=f"the mixture of {self.method}",
                fix="count the tokens that were spent to find it",
            )


@dataclass(frozen=True)
class Setting:
    """What all runs have in common.

    budget_tokens: training tokens of a run. model: its name for people. seeds: those that were meant to
    run; a run that is not there counts as missing. eval_only: tasks nobody trained on. groups: further
    groups of tasks by name. primary: the group that the overall verdict is about. replicas: of the
    bootstrap over examples, 0 for none. curve: whether the points of uniform's curve are runs that
    end there, or checkpoints of longer ones.
    """

    budget_tokens: int
    model: str
    seeds: tuple[int, ...]
    eval_only: tuple[str, ...] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    primary: str = ALL
    replicas: int = 2000
    bootstrap_seed: int = 0
    curve: Literal["runs", "checkpoints"] = "runs"

    def __post_init__(self) -> None:
        wrong = {
            "a budget of at least 1 token": (self.budget_tokens, 1),
            "0 replicas or more": (self.replicas, 0),
        }
        for expected, (found, least) in wrong.items():
            if found < least:
                raise ConfigError(expected=expected, found=str(found), fix=f"give {expected}")

    def task_groups(self, tasks: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Group -> its tasks, in the order of `tasks`; all tasks first.

        Raises:
            ConfigError: a task that nobody measured, an empty group, a name that is taken, a primary
                group that does not exist.
        """
        wanted = {ALL: tuple(tasks)}
        if self.eval_only:
            wanted[TRAINED] = tuple(name for name in tasks if name not in self.eval_only)
            wanted[UNTRAINED] = tuple(self.eval_only)
        taken = [name for name in self.groups if name in (ALL, TRAINED, UNTRAINED)]
        if taken:
            raise ConfigError(
                expected="a group's own name",
                found=f"{taken[0]!r}, which is made by itself",
                fix="call the group something else",
            )
        wanted |= {name: tuple(members) for name, members in self.groups.items()}
        for group, members in wanted.items():
            strange = [name for name in members if name not in tasks]
            if strange or not members:
                raise ConfigError(
                    expected=f"tasks of the comparison in {group!r}",
                    found=repr(strange[0]) if strange else "none",
                    fix=f"name some of {', '.join(tasks)}",
                )
        if self.primary not in wanted:
            raise ConfigError(
                expected=f"one of the groups {', '.join(wanted)}",
                found=repr(self.primary),
                where="primary",
                fix="name the group that the verdict is to be about",
            )
        return {
            group: tuple(name for name in tasks if name in members)
            for group, members in wanted.items()
        }
