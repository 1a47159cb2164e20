"""Capacity: the mixture under which an answer says most about the task that it came from.

max over p of I(task; answer token | what stands before it) = the mean over positions of
sum_i p_i KL(p_i || sum_j p_j p_j), the generalised Jensen-Shannon divergence of the specialists and the
capacity of the channel from tasks to answers: the "mutual information" objective that pairs alone do
not determine. Concave; solved to its certificate. At the optimum every task with a share is equally far
from the mixture.

Read from a sample of answer positions, with the most likely tokens of everybody and one bucket for the
rest: merging tokens can only lower the information, so what is reported is a lower bound for those
positions.

When: tasks should be told apart, none explained by the others. Like minimum redundancy it knows nothing of
what a task has left to gain. No intervals: a replica costs as much as the whole.

Source: Blahut, "Computation of channel capacity", and Arimoto, IEEE Trans. Inf. Theory 18 (1972); mutual
information in TaskPGM, arXiv 2507.12612.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mishran.energy import simplex
from mishran.errors import DataError
from mishran.methods.convex import minimise
from mishran.methods.evidence import Distributions, Evidence
from mishran.methods.method import Invariance, Proposal, Source
from mishran.types import Array

NORMALISED = 1e-4  # what float32 leaves of sums over a vocabulary
RARE = 1e-9  # cells less likely than that under everybody join the bucket
CURVED = 1e12  # where a cell's curvature is beyond, the search does not go
BLOCK = 2**15  # cells at a time: temporaries of some 10 MB for 40 tasks


@final
@dataclass(frozen=True)
class Capacity:
    source: ClassVar[Source] = Source(
        "Blahut; Arimoto, IEEE Trans. Inf. Theory 18 (1972)", "capacity"
    )
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation", "twins"})
    bounded: ClassVar[bool] = True
    sized: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("distributions",)

    def solve(self, evidence: Evidence) -> Proposal:
        found = evidence.need(evidence.distributions, "distributions", "capacity")
        box = evidence.constraints or simplex(evidence.names)
        channel = Channel.of(found)
        p, proof = minimise(channel, evidence.names, box, "capacity")
        note = (
            f"information of at least {-channel.value(p):.6g} nats at {len(found.task)} answer "
            "positions: rare tokens are one bucket, which can only lower it"
        )
        return Proposal(evidence.names, p, channel.value(p), proof, notes=(note,))


@final
@dataclass(frozen=True, eq=False)
class Channel:
    """Minus the information, in nats, over C cells: a token, or the bucket, at a position.

    probs: (n, C), sum 1 over the cells of a position. weights: (C,) of the cell's position. certain: (n,)
    sum_c w_c P_ic log P_ic. least: (C,) probability in the mixture below which is not looked.
    """

    probs: Array
    weights: Array
    certain: Array
    least: Array

    @classmethod
    def of(cls, found: Distributions) -> Channel:
        """Every task weighs the same, every probe of a task, every position of a probe.

        Sums that float32 leaves near 1 are divided out.

        Raises:
            DataError: probabilities that are negative or do not sum to 1.
        """
        starts, num = found.offsets[:-1], len(found.task)
        position = np.repeat(np.arange(num), np.diff(found.offsets))
        kept, tail = (np.asarray(a, dtype=np.float64) for a in (found.probs, found.tail))
        sums = np.add.reduceat(kept, starts, axis=1) + tail
        wrong = ~(np.abs(sums - 1.0) <= NORMALISED) | (tail < 0)
        wrong |= np.minimum.reduceat(kept, starts, axis=1) < 0
        if wrong.any():
            i, at = (int(k) for k in np.argwhere(wrong)[0])
            raise DataError(
                expected="probabilities that sum to 1 with the bucket of the rest",
                found=f"a sum of {sums[i, at]:.6g} for {found.specialists[i]} at position {at}",
                where="distributions.npz",
                fix="delete it and run `mishran fit` again",
            )
        rare = kept.max(axis=0) < RARE
        tail = tail + np.add.reduceat(np.where(rare, kept, 0.0), starts, axis=1)
        probs = np.concatenate([kept[:, ~rare] / sums[:, position[~rare]], tail / sums], axis=1)
        weights = _even(found)[np.concatenate([position[~rare], np.arange(num)])]
        certain = (probs * np.log(np.where(probs > 0, probs, 1.0))) @ weights
        least = np.maximum(weights * np.square(probs.max(axis=0)) / CURVED, 1e-300)
        return cls(probs, weights, certain, least)

    def value(self, p: Array) -> float:
        mixed = p @ self.probs
        if (mixed < self.least)[self.least > 1e-300].any():
            return np.inf
        logs = np.log(np.where(mixed > 0, mixed, 1.0))
        return float((mixed * logs) @ self.weights - p @ self.certain)

    def slopes(self, p: Array) -> tuple[Array, Array]:
        mixed = np.maximum(p @ self.probs, 1e-300)
        gradient = self.probs @ (self.weights * np.log(mixed)) + 1.0
        hessian = np.zeros((len(p), len(p)))
        for start in range(0, len(mixed), BLOCK):
            part = slice(start, start + BLOCK)
            block = self.probs[:, part]
            hessian += (block * (self.weights[part] / mixed[part])) @ block.T
        return gradient - self.certain, hessian


def _even(found: Distributions) -> Array:
    """(P,) weights of the positions, sum 1."""
    asked = Counter(zip(found.task, found.probe.tolist(), strict=True))
    probes = Counter(task for task, _ in asked)
    return np.array(
        [
            1.0 / (len(probes) * probes[task] * asked[task, probe])
            for task, probe in zip(found.task, found.probe.tolist(), strict=True)
        ]
    )
