"""Learning curves with transfer: the mixture after which the mean held-out loss is least, by the curves.

min over p of the mean over tasks of f_i(N sum_j A_ij z_j), z the shares of tokens, f_i the curve of
specialist i (`decay`) and A what a token of one task is worth to another (`transfer`). Convex, solved
to its certificate. It is the utility that coverage and redundancy lack: what each task has left to gain
within the budget.

When: the budget is known, and every task counts. A task without transfer whose curve is flat gets
nothing: give a floor. Beyond the tokens that a specialist saw its curve is an extrapolation, and the
notes say for whom.

One specialist and a few dozen held-out examples say little about a single task's curve, and the mixture
looks for those that happen to be steep. pool: each f_i becomes this part of the mean curve of all tasks,
which is known better; 0 trusts every curve, 1 spends tokens evenly over tasks within the bounds.

transfer: "off" (A = 1), "affinity" (scale times the affinity's, an assumption), "scores" (measured on
the score table), "fitted" (the scale from short mixed runs).

Source: ours. Without transfer: the optimum allocation of resources, Everett, Operations Research 11 (1963);
curves as what a token buys: ADO, arXiv 2410.11820; pool: shrinkage, Efron and Morris, JASA 70 (1975).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from mishran.affinity.bootstrap import (
    bootstrap_weights,
    even_weights,
    resampled_means,
    task_generator,
)
from mishran.energy import simplex
from mishran.energy.threads import one_thread
from mishran.errors import ConfigError
from mishran.methods.convex import minimise, start
from mishran.methods.decay import Decay, decays, pooled
from mishran.methods.evidence import Curve, Evidence
from mishran.methods.method import Invariance, Proposal, Source
from mishran.methods.shares import bounds_on_tokens, rows_of
from mishran.methods.transfer import Scale, fitted_scale, from_affinity, from_scores
from mishran.types import Array

Transfer = Literal["off", "affinity", "scores", "fitted"]
SCALE = 0.02  # measured: what best repeats transfer=scores on 13 tasks is 0.016 (docs/log.md)


@final
@dataclass(frozen=True)
class Curves:
    """scale: of transfer=affinity, in [0, 1]; affinity: its kind, and that of transfer=fitted. pool: in
    [0, 1], how far curves are drawn towards their mean."""

    transfer: Transfer = "off"
    affinity: str = "jsd"
    scale: float = SCALE
    pool: float = 0.0

    source: ClassVar[Source] = Source("Mishran", "learning curves with transfer")
    bounded: ClassVar[bool] = True
    sized: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.scale <= 1.0 or (self.scale != SCALE and self.transfer != "affinity"):
            raise ConfigError(
                expected="a scale in [0, 1] beside transfer=affinity, and none beside another",
                found=f"scale={self.scale:g}, transfer={self.transfer}",
                where="method curves",
                fix="write curves:transfer=affinity:scale=0.05",
            )
        if not 0.0 <= self.pool <= 1.0:
            raise ConfigError(
                expected="pool in [0, 1]",
                found=f"{self.pool:g}",
                where="method curves",
                fix="write curves:pool=0.5",
            )

    @property
    def invariances(self) -> frozenset[Invariance]:
        same: frozenset[Invariance] = frozenset({"permutation", "loss-shift", "loss-scale"})
        if self.transfer in ("affinity", "fitted"):
            same |= {"affinity-shift", "affinity-scale"}
        return same | {"twins"} if self.transfer != "fitted" else same

    @property
    def needs(self) -> tuple[str, ...]:
        more = {
            "off": (),
            "affinity": (f"affinity {self.affinity}",),
            "scores": ("scores",),
            "fitted": (f"affinity {self.affinity}", "trials"),
        }
        return ("curves", "budget", *more[self.transfer])

    @one_thread
    def solve(self, evidence: Evidence) -> Proposal:
        budget = evidence.need(evidence.budget, "budget", "curves")
        curves = _checked(evidence.need(evidence.curves, "curves", "curves"))
        names, per_row = evidence.names, evidence.mean_tokens
        box = evidence.constraints or simplex(names)
        by_rows = budget.rows is not None
        if not by_rows:
            box = bounds_on_tokens(box, per_row)
        tokens = per_row * budget.rows if budget.rows else np.full(len(names), budget.tokens)
        fitted = decays([(c.tokens, c.nats) for c in curves])
        scale = self._scale(evidence, fitted)
        worths = self._worths(evidence, fitted, scale)
        worth = next(worths)
        loss = Expected(pooled(fitted, self.pool), worth * tokens)
        # Where everything is learned every mixture is as good: then uniform over tokens.
        even = start(names, box, per_row if by_rows else None)
        p, proof = minimise(loss, names, box, "curves", even)
        replicas = []
        points = [_redrawn(c, evidence.replicas, evidence.seed) for c in curves]
        for b, there in enumerate(worths):
            again = decays([(c.tokens, own[b]) for c, own in zip(curves, points, strict=True)])
            drawn_loss = Expected(pooled(again, self.pool), there * tokens)
            replicas.append(minimise(drawn_loss, names, box, "curves", p)[0])
        drawn = np.array(replicas).reshape(-1, len(p))
        beyond = [
            c.task
            for c, exposed in zip(curves, worth * tokens @ p, strict=True)
            if exposed > c.tokens[-1]
        ]
        notes = []
        if scale is not None:
            notes.append(
                f"scale of transfer {scale.value:.3g} (95 %: {scale.low:.3g} to {scale.high:.3g})"
            )
        if beyond:
            more = f" and {len(beyond) - 5} more" if len(beyond) > 5 else ""
            notes.append(f"beyond the measured part of the curve: {', '.join(beyond[:5])}{more}")
        return Proposal(
            names=names,
            weights=p if by_rows else rows_of(p, per_row),
            objective=loss.value(p),
            certificate=proof,
            replicas=drawn if by_rows else rows_of(drawn, per_row),
            notes=tuple(notes),
        )

    def _scale(self, evidence: Evidence, fitted: Decay) -> Scale | None:
        if self.transfer != "fitted":
            return None
        return fitted_scale(
            evidence.need(evidence.trials, "trials", "curves:transfer=fitted"),
            fitted,
            evidence.affinity(self.affinity, "curves").matrix,
            evidence.mean_tokens,
            evidence.replicas,
            np.random.default_rng([evidence.seed, 6]),
        )

    def _worths(self, evidence: Evidence, fitted: Decay, scale: Scale | None) -> Iterator[Array]:
        """(n, n) A, then that of every replica: of the affinity, the scale or the probes drawn for it."""
        drawn = range(evidence.replicas)
        if self.transfer == "off":
            yield from (np.eye(len(evidence.names)) for _ in range(1 + len(drawn)))
        elif self.transfer == "scores":
            scores = evidence.need(evidence.scores, "scores", "curves:transfer=scores")
            trained = np.array([curve.tokens[-1] for curve in evidence.curves or ()])
            probes = scores.probe_task, scores.probe_id
            yield from_scores(scores, fitted, trained, even_weights(scores.probe_task))
            for weights in bootstrap_weights(*probes, len(drawn), evidence.seed):
                yield from_scores(scores, fitted, trained, weights)
        else:
            affinity = evidence.affinity(self.affinity, "curves")
            sizes = np.full(len(drawn), self.scale) if scale is None else scale.drawn
            yield from_affinity(affinity.matrix, self.scale if scale is None else scale.value)
            among = affinity.replicas if len(affinity.replicas) else affinity.matrix[None]
            for b in drawn:
                yield from_affinity(among[b % len(among)], float(sizes[b]))


@final
@dataclass(frozen=True, eq=False)
class Expected:
    """Mean over tasks of the loss that the curves say, in nats per answer token.

    tokens: (n, n) what task i sees of a mixture is tokens @ p.
    """

    curves: Decay
    tokens: Array

    def value(self, p: Array) -> float:
        return float(self.curves.value(self.tokens @ p).mean())

    def slopes(self, p: Array) -> tuple[Array, Array]:
        seen = self.tokens @ p
        n = len(p)
        gradient = self.tokens.T @ self.curves.slope(seen) / n
        hessian = (self.tokens.T * (self.curves.curvature(seen) / n)) @ self.tokens
        return gradient, hessian


def _checked(curves: tuple[Curve, ...]) -> tuple[Curve, ...]:
    for curve in curves:
        if len(curve.tokens) < 3 or curve.tokens[-1] <= 0:
            raise ConfigError(
                expected="at least three points of every learning curve",
                found=f"{len(curve.tokens)} for {curve.task}",
                where="curves.parquet",
                fix="set specialists.curve_points: 5, train a specialist instead of bringing an adapter, "
                "or write mixture.method: taskpgm",
            )
    return curves


def _redrawn(curve: Curve, replicas: int, seed: int) -> Array:
    """(B, K) the points measured on other held-out examples: redrawn ones, the same at every point,
    where they were kept; else normal noise of the width of the intervals, point by point."""
    rng = task_generator(curve.task, seed)
    if curve.examples is not None:
        return resampled_means(len(curve.examples), replicas, rng) @ curve.examples
    noise = rng.standard_normal((replicas, len(curve.nats)))
    if curve.low is None or curve.high is None:
        return np.asarray(curve.nats + 0.0 * noise)
    deviation = np.nan_to_num((curve.high - curve.low) / 3.92, nan=0.0)
    return np.asarray(np.maximum(curve.nats + deviation * noise, 0.0))
