"""SMART: tasks in the order of what each adds to a set function, budgets from those gains.

Greedy maximisation of a submodular function over a task similarity s; a task whose gain is g gets a
share in proportion to 1 + g + g^2 / 2 (second-order Taylor softmax). Three functions of a set X of the
tasks V:

- graph-cut: sum over i in V, j in X of s_ij - cut * sum over i, j in X of s_ij, cut 0.4 as published.
- facility-location: sum over i in V of the largest s_ij, j in X.
- log-det: log det(I + s_X), the I so that gains are never negative (the rule grows again below g = -1).

Similarity: the affinity (1 - JSD), or, as its paper, cosines of mean embeddings of prompts, here states
of the base over prompt and answer. Gains depend on the size of s, so an affinity of other units gives
other shares.

When: as the main rival of TaskPGM. It is no optimum of anything: a task that comes second to its twin gets
less, and shares go with rank. With graph-cut they are near uniform once gains are much alike.

Source: Renduchintala et al., SMART, arXiv 2403.08370; greedy: Nemhauser, Wolsey, Fisher, 1978.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from mishran.affinity.bootstrap import resampled_means, task_generator
from mishran.errors import ConfigError, DataError, EnergyError
from mishran.methods.evidence import Embeddings, Evidence
from mishran.methods.method import Invariance, Proposal, Source, fixed
from mishran.types import Array

TIE = 1e-12  # of a gain: rounding
Kind = Literal["graph-cut", "facility-location", "log-det"]


@final
@dataclass(frozen=True)
class Smart:
    """over: "affinity", of the kind `affinity`, or "embeddings". tasks: how many get a share."""

    kind: Kind = "graph-cut"
    over: Literal["affinity", "embeddings"] = "affinity"
    affinity: str = "jsd"
    cut: float = 0.4
    tasks: int | None = None

    source: ClassVar[Source] = Source("SMART, arXiv 2403.08370", "task importance scores")
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation"})
    bounded: ClassVar[bool] = False
    sized: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (
            not 0.0 <= self.cut <= 0.5
        ):  # beyond, gains may be negative and the function not monotone
            raise ConfigError(
                expected="a cut between 0 and 0.5, where the graph cut is monotone",
                found=f"{self.cut:g}",
                where="method smart",
                fix="write cut=0.4",
            )
        if self.tasks is not None and self.tasks < 1:
            raise ConfigError(
                expected="at least one task",
                found=str(self.tasks),
                where="method smart",
                fix="tasks=8",
            )

    @property
    def needs(self) -> tuple[str, ...]:
        return ("embeddings",) if self.over == "embeddings" else (f"affinity {self.affinity}",)

    def solve(self, evidence: Evidence) -> Proposal:
        if self.over == "embeddings":
            states = evidence.need(evidence.embeddings, "embeddings", "smart")
            similar, drawn = cosines(states, evidence)
        else:
            affinity = evidence.affinity(self.affinity, "smart")
            similar, drawn = affinity.matrix, affinity.replicas
        found = fixed(evidence, self._shares(similar), "smart")
        replicas = np.array([self._shares(one) for one in drawn]).reshape(-1, len(similar))
        return Proposal(found.names, found.weights, replicas=replicas)

    def _shares(self, similar: Array) -> Array:
        order, gains = greedy(similar, self.kind, self.cut, self.tasks or len(similar))
        shares = np.zeros(len(similar))
        shares[order] = 1.0 + gains + np.square(gains) / 2.0
        return np.asarray(shares / shares.sum())


def greedy(similar: Array, kind: Kind, cut: float, num: int) -> tuple[list[int], Array]:
    """The first `num` tasks, each of largest gain to those before, and the gains.

    Ties go to the task that is most like all: with log-det and a diagonal of 1 the first is one.

    Raises:
        EnergyError: a log-det of a similarity that is not positive definite with 1 on top.
    """
    n = len(similar)
    order: list[int] = []
    gains = np.empty(min(num, n))
    for step in range(len(gains)):
        new = marginal_gains(similar, kind, cut, order)
        new[order] = -np.inf
        most = float(new.max())
        if not np.isfinite(most):
            raise EnergyError(
                expected="a positive semi-definite similarity for log-det",
                found="one that is not",
                where="method smart",
                fix="use the affinity jsd, over=embeddings or another kind",
            )
        tied = new >= most - TIE * max(1.0, abs(most))
        best = int(np.where(tied, similar.sum(axis=1), -np.inf).argmax())
        gains[step] = new[best]
        order.append(best)
    return order, gains


def marginal_gains(similar: Array, kind: Kind, cut: float, chosen: list[int]) -> Array:
    """(n,) what each task adds to the function of the chosen ones."""
    if kind == "graph-cut":
        inside = similar[:, chosen].sum(axis=1)
        return np.asarray(similar.sum(axis=1) - cut * (2.0 * inside + np.diagonal(similar)))
    if kind == "facility-location":
        if not chosen:
            return np.asarray(similar.sum(axis=0))
        nearest = similar[:, chosen].max(axis=1)
        return np.asarray(np.maximum(similar - nearest[:, None], 0.0).sum(axis=0))
    left = np.eye(len(similar)) + similar
    if chosen:
        with np.errstate(invalid="ignore"):
            block = np.linalg.solve(left[np.ix_(chosen, chosen)], left[chosen])
        left = left - left[:, chosen] @ block
    rest = np.diagonal(left)
    return np.where(rest > 0, np.log(np.where(rest > 0, rest, 1.0)), -np.inf)


def cosines(found: Embeddings, evidence: Evidence) -> tuple[Array, Array]:
    """(n, n) cosines of the tasks' mean states, and (B, n, n) over resampled probes.

    Raises:
        DataError: a task without probes, or whose mean is 0.
    """
    means, drawn = [], []
    for name in evidence.names:
        own = found.states[[k for k, task in enumerate(found.task) if task == name]]
        if len(own) == 0 or not own.mean(axis=0).any():
            raise DataError(
                expected="embeddings of every task",
                found="none" if len(own) == 0 else "a mean of 0",
                where=f"embeddings.npz, task {name}",
                fix="run `mishran fit` again",
            )
        means.append(own.mean(axis=0))
        weights = resampled_means(len(own), evidence.replicas, task_generator(name, evidence.seed))
        drawn.append(weights @ own)
    return _cosine(np.array(means)), _cosine(np.stack(drawn, axis=1))


def _cosine(means: Array) -> Array:
    unit = means / np.linalg.norm(means, axis=-1, keepdims=True)
    return np.asarray(unit @ np.swapaxes(unit, -1, -2))
