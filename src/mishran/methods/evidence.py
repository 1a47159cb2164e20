"""`Evidence`: everything that a run measured and that a way to a mixture may read.

Sizes are always there; whatever else a method lacks is an error that names the setting of mix.yaml that
measures it. Letters: n tasks, m probes, B replicas, K points of a curve, R examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mishran.energy import Constraints
from mishran.errors import ConfigError
from mishran.types import Affinity, Array, ScoreTable

T = TypeVar("T")

# What may be missing -> the setting that measures it.
SETTINGS = {
    "scores": "run `mishran fit`, which always writes scores.parquet",
    "curves": "run `mishran fit`, which always writes curves.parquet",
    "distributions": "set probes: {distributions: 2048} and run `mishran fit` again",
    "embeddings": "set probes: {embeddings: true} and run `mishran fit` again",
    "gradients": "set probes: {gradients: true} and run `mishran fit` again",
    "trials": "give short mixed runs as evidence.trials, or use transfer=affinity",
    "budget": "set mixture: {budget: {rows: 25000}} or {budget: {tokens: 1000000}}",
}


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """What a specialist's training bought: held-out nats per answer token after so many tokens.

    tokens: (K,) training tokens, rising, usually from 0. nats: (K,) means. examples: (R, K) of every
    held-out example, the same ones at every point; None where only means were kept. low, high: (K,) ends of
    95 % intervals, NaN where there is none.
    """

    task: str
    tokens: Array
    nats: Array
    examples: Array | None = None
    low: Array | None = None
    high: Array | None = None

    def __post_init__(self) -> None:
        num = len(np.atleast_1d(self.tokens))
        _own(self, "tokens", (num,))
        _own(self, "nats", (num,))
        for name in ("low", "high"):
            if getattr(self, name) is not None:
                _own(self, name, (num,))
        if self.examples is not None:
            _own(self, "examples", (len(self.examples), num))
        _check(bool((np.diff(self.tokens) > 0).all()), f"tokens of {self.task} that rise")


@final
@dataclass(frozen=True, eq=False)
class Distributions:
    """What n specialists predict at P answer tokens, as `mishran.specialists.samples` writes it.

    task, probe: (P,) of which probe of which task. offsets: (P + 1,) the tokens kept at position i are
    columns offsets[i] to offsets[i + 1] of probs, (n, K). tail: (n, P) probability of all others.
    """

    specialists: tuple[str, ...]
    task: tuple[str, ...]
    probe: NDArray[np.int64]
    offsets: NDArray[np.int64]
    probs: NDArray[np.float32]
    tail: NDArray[np.float32]


@final
@dataclass(frozen=True, eq=False)
class Embeddings:
    """(m, d) states of the base at m probes, and the task of each; tasks may be more than were trained."""

    task: tuple[str, ...]
    states: Array

    def __post_init__(self) -> None:
        width = np.shape(self.states)[1] if np.ndim(self.states) == 2 else 0
        _own(self, "states", (len(self.task), width))


@final
@dataclass(frozen=True, eq=False)
class Trials:
    """Short runs on mixtures: weights (R, n) shares of rows, tokens (R,) trained on, nats (R, n) per answer
    token of every task afterwards."""

    weights: Array
    tokens: Array
    nats: Array

    def __post_init__(self) -> None:
        num, n = np.shape(self.weights)
        _own(self, "weights", (num, n))
        _own(self, "tokens", (num,))
        _own(self, "nats", (num, n))


@final
@dataclass(frozen=True)
class Budget:
    """Size of the training set: rows or tokens, one of them; max_epochs: of any task."""

    rows: int | None = None
    tokens: int | None = None
    max_epochs: float | None = None

    def __post_init__(self) -> None:
        _check((self.rows is None) != (self.tokens is None), "a budget in rows or in tokens")


@final
@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of n tasks.

    rows, mean_tokens: (n,) training rows that each has, and tokens per row. affinities: kind ->
    affinity. constraints: bounds on shares of rows; None is the simplex. replicas: how many a
    method that resamples makes; affinities bring their own.

    Raises:
        ConfigError: parts that are about other tasks, in number or in order, a size that is not
            positive, or a number that is not finite.
    """

    names: tuple[str, ...]
    rows: Array
    mean_tokens: Array
    affinities: Mapping[str, Affinity] = field(default_factory=dict)
    scores: ScoreTable | None = None
    curves: tuple[Curve, ...] | None = None
    distributions: Distributions | None = None
    embeddings: Embeddings | None = None
    trials: Trials | None = None
    budget: Budget | None = None
    constraints: Constraints | None = None
    seed: int = 0
    replicas: int = 200

    def __post_init__(self) -> None:
        n = len(self.names)
        _check(n > 0, "at least one task")
        for name in ("rows", "mean_tokens"):
            _own(self, name, (n,))
            _check(bool((getattr(self, name) > 0).all()), f"{name} above 0 for every task")
        about: dict[str, tuple[str, ...]] = {
            f"affinity {kind}": affinity.names for kind, affinity in self.affinities.items()
        }
        if self.scores is not None:
            about["scores"] = self.scores.specialists
        if self.curves is not None:
            about["curves"] = tuple(curve.task for curve in self.curves)
        if self.distributions is not None:
            about["distributions"] = self.distributions.specialists
        if self.constraints is not None:
            about["constraints"] = self.constraints.names
        for part, names in about.items():
            _check(
                names == self.names, f"{part} of the {n} tasks {_some(self.names)}", _some(names)
            )
        if self.trials is not None:
            found = self.trials.weights.shape[1]
            _check(found == n, f"trials of {n} tasks", str(found))

    def affinity(self, kind: str, method: str) -> Affinity:
        """The affinity of that kind.

        Raises:
            ConfigError: it was not measured.
        """
        found = self.affinities.get(kind)
        if found is None:
            known = ", ".join(self.affinities) or "none"
            fix = (
                SETTINGS["gradients"]
                if kind.startswith("gradient-")
                else f"set mixture: {{affinity: {kind}}}, or give the method another affinity"
            )
            raise ConfigError(
                expected=f"the affinity {kind} for {method}", found=known, where="evidence", fix=fix
            )
        return found

    def need(self, part: T | None, name: str, method: str) -> T:
        """That part of the evidence.

        Raises:
            ConfigError: it is not there; the setting that measures it is named.
        """
        if part is None:
            raise ConfigError(
                expected=f"{name} for {method}",
                found="none",
                where="evidence",
                fix=SETTINGS[name],
            )
        return part


def _own(owner: Any, name: str, shape: tuple[int, ...]) -> None:
    """Make a field a read-only float64 array of this shape, of finite numbers but for ends of intervals."""
    array = np.array(getattr(owner, name), dtype=np.float64)
    kind = type(owner).__name__
    _check(array.shape == shape, f"{name} of shape {shape} in {kind}", str(array.shape))
    _check(
        name in ("low", "high") or _finite(array),
        f"finite {name} in {kind}",
        "NaN or infinity",
    )
    array.setflags(write=False)
    object.__setattr__(owner, name, array)


def _finite(array: ArrayLike) -> bool:
    return bool(np.isfinite(array).all())


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + ", ..." * (len(names) > 5) or "none"


def _check(right: bool, expected: str, found: str = "something else") -> None:
    if not right:
        raise ConfigError(
            expected=expected,
            found=found,
            where="evidence",
            fix="make it from one finished run, whose tables are all about the same tasks",
        )
