"""MixMin: the mixture of specialists that would predict the target answers best.

min over p of - sum_j q_j E over answers of task j of log sum_i p_i p_i(answer): a model that answers as
specialist i with probability p_i, which is what training on the mixture would give if data decided and
capacity did not. Convex; solved to its certificate.

When: one cares for certain tasks (`targets`, also ones that are only evaluated), and specialists answer
better or worse, not only differently. With all tasks as targets every specialist is best at its own,
and the result is near uniform.

`per`: the paper mixes probabilities of whole examples, where one specialist usually takes all of an
answer of many tokens. `token` mixes geometric means per answer token instead, and counts every example
once; ours.

Source: MixMin, arXiv 2502.10510, its convex objective, with weights q of the targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from mishran.affinity.bootstrap import probes_by_task, resampled_means, task_generator
from mishran.energy import simplex
from mishran.energy.names import unknown
from mishran.energy.threads import one_thread
from mishran.errors import ConfigError, DataError
from mishran.methods.convex import minimise
from mishran.methods.convex import start as nearest
from mishran.methods.evidence import Evidence
from mishran.methods.method import Invariance, Proposal, Source
from mishran.types import Array

UNLIKELY = 1e-8  # of what the best specialist says: where the search does not go


@final
@dataclass(frozen=True)
class MixMin:
    """targets: tasks that count, "exam" or "exam*3"; all trained tasks alike by default.

    per: "answer", as published, or "token".
    """

    targets: tuple[str, ...] = ()
    per: Literal["answer", "token"] = "answer"

    source: ClassVar[Source] = Source("MixMin, arXiv 2502.10510", "the convex objective")
    invariances: ClassVar[frozenset[Invariance]] = frozenset({"permutation", "twins", "loss-shift"})
    bounded: ClassVar[bool] = True
    sized: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("scores",)

    @property
    def weights(self) -> dict[str, float]:
        """Target -> q, unnormalised; empty for all trained tasks.

        Raises:
            ConfigError: a weight that is no positive number.
        """
        found: dict[str, float] = {}
        for text in self.targets:
            name, star, number = text.partition("*")
            if name in found:
                raise ConfigError(
                    expected="every target once",
                    found=f"{name} twice",
                    where="method mixmin: targets",
                    fix=f"write targets={name}*2 for twice the weight",
                )
            try:
                found[name] = float(number) if star else 1.0
            except ValueError:
                found[name] = np.nan
            if not 0.0 < found[name] < np.inf:
                raise ConfigError(
                    expected="a target, or target*weight with a weight above 0",
                    found=repr(text),
                    where="method mixmin: targets",
                    fix=f"write targets={name}*2",
                )
        return found

    def __post_init__(self) -> None:
        _ = self.weights

    @one_thread
    def solve(self, evidence: Evidence) -> Proposal:
        scores = evidence.need(evidence.scores, "scores", "mixmin")
        wanted = self.weights or dict.fromkeys(evidence.names, 1.0)
        rows = probes_by_task(scores.probe_task, scores.probe_id)
        for name in wanted:
            if name not in rows:
                raise unknown(name, rows, "method mixmin: targets", kind="probed task")
        used = np.concatenate([rows[name] for name in wanted])
        nats = scores.nats[:, used]
        if not np.isfinite(nats).all():
            i, x = (int(k) for k in np.argwhere(~np.isfinite(nats))[0])
            raise DataError(
                expected="finite scores in nats",
                found=f"{nats[i, x]} from {scores.specialists[i]}",
                where=f"score table, example {scores.probe_id[used[x]]}",
                fix="train that specialist again with a lower learning rate, or leave it out",
            )
        if self.per == "token":
            nats = nats / scores.tokens[used]
        total = sum(wanted.values())
        shares = {name: q / total for name, q in wanted.items()}
        even = np.concatenate([np.full(len(rows[n]), q / len(rows[n])) for n, q in shares.items()])
        box = evidence.constraints or simplex(evidence.names)
        begin = nearest(evidence.names, box)
        fit = Likelihood.of(nats, even, box.upper > 0, begin)
        p, proof = minimise(fit, evidence.names, box, "mixmin", begin)
        drawn = np.concatenate(
            [
                q
                * resampled_means(len(rows[n]), evidence.replicas, task_generator(n, evidence.seed))
                for n, q in shares.items()
            ],
            axis=1,
        )
        replicas = []
        for weights in drawn:
            again = Likelihood.of(nats, weights, box.upper > 0, begin)
            replicas.append(minimise(again, evidence.names, box, "mixmin", (p + begin) / 2)[0])
        return Proposal(
            names=evidence.names,
            weights=p,
            objective=fit.value(p),
            certificate=proof,
            replicas=np.array(replicas).reshape(-1, len(p)),
        )


@final
@dataclass(frozen=True, eq=False)
class Likelihood:
    """- sum_x w_x log sum_i p_i L_ix, in nats.

    likelihood: (n, m) relative to the best specialist that may have a share. least: nats of that one, (m,).
    weights: (m,), sum 1. floor: least sum_i p_i L_ix that is looked at.
    """

    likelihood: Array
    least: Array
    weights: Array
    floor: float

    @classmethod
    def of(
        cls, nats: Array, weights: Array, allowed: NDArray[np.bool_], begin: Array
    ) -> Likelihood:
        """Of (n, m) nats; a task that may have no share counts as impossible. Examples of weight 0 go."""
        used = weights > 0
        nats, weights = nats[:, used], weights[used]
        least = nats[allowed].min(axis=0)
        likelihood = np.where(allowed[:, None], np.exp(np.minimum(least - nats, 0.0)), 0.0)
        floor = min(UNLIKELY, float((begin @ likelihood).min()) / 10.0)
        return cls(likelihood, least, weights, floor)

    @cached_property
    def offset(self) -> float:
        return float(self.weights @ self.least)

    def value(self, p: Array) -> float:
        mixed = p @ self.likelihood
        if float(mixed.min()) < self.floor:
            return np.inf
        return self.offset - float(self.weights @ np.log(mixed))

    def slopes(self, p: Array) -> tuple[Array, Array]:
        ratios = self.likelihood / (p @ self.likelihood)
        weighted = ratios * self.weights
        return -weighted.sum(axis=1), weighted @ ratios.T
