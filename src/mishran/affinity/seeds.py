"""Several seeds of the specialists: their mean affinity, with replicas over probes and seeds.

A seed is one whole set of specialists, trained again with other randomness; all seeds answer the
same probes. So there are two sources of chance. A replica takes the mean over seeds on one
resampling of the probes, the same resampling for every seed, and adds what other seeds would have
changed: with R seeds, s_r the affinity of seed r and M their mean,

    sum_r e_r (s_r - M) / sqrt(R (R - 1)) / sqrt(chi2 / (R - 1)),

e normal and chi2 chi-squared with R - 1 degrees of freedom, drawn per replica: Student's t with the
standard error of M. With three to five seeds nothing less will do (docs/results/intervals.md).
Resampling seeds with replacement has only (R - 1) / R of the variance, and even made up for that it
never leaves the range of the seeds, which holds the truth in 75 % of cases for three seeds; and
resampling the probes anew for each seed averages out probe noise that is common to all.

Replicas of a jsd affinity are clipped to [0, 1], where it lives. Replicas need not be positive
semi-definite; the energy repairs and counts those that are not.

Source: Behrens-Fisher problem, Student's part as the posterior under Jeffreys' prior (Box and Tiao,
Bayesian Inference in Statistical Analysis, 1973, section 2.5); its application here is derived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mishran.errors import ConfigError
from mishran.types import Affinity, Array


@final
@dataclass(frozen=True)
class SeedVariance:
    """What the mean over `num_seeds` seeds owes to chance, as a mean over all pairs of tasks.

    seeds, probes: variances, in squared units of S, due to which seeds were trained and to which
    probes were answered. Noise of a seed on its own probes is counted with the probes.
    """

    num_seeds: int
    seeds: float
    probes: float

    @property
    def share(self) -> float | None:
        """Share of the variance that is due to seeds; None where there is no variance at all."""
        total = self.seeds + self.probes
        return self.seeds / total if total > 0 else None


def combine_seeds(
    affinities: Sequence[Affinity], replicas: int | None = None, seed: int = 0
) -> Affinity:
    """Mean affinity of several seeds, tasks in the order of the first, and its replicas.

    Replica b rests on the b-th probe replica of every seed (from the start again when there are
    fewer), so the seeds' replicas must come from the same probes and the same draws, as those of
    `jsd_affinity` and `pmi_affinity` do for one `seed`. A single seed keeps its own replicas.

    Args:
        affinities: one per seed.
        replicas: how many; as many as the seeds have when None.
        seed: of the draws here.

    Raises:
        ConfigError: no affinity; tasks, kinds or numbers of replicas that differ.
    """
    stack = _aligned(affinities)
    first, count = affinities[0], len(affinities)
    matrices = np.array([a.matrix for a in stack])
    mean = matrices.mean(axis=0)
    num_probe_replicas = len(first.replicas)
    num = num_probe_replicas if replicas is None else replicas
    drawn = np.repeat(mean[None], num, axis=0)
    if num_probe_replicas:
        probes = np.mean([a.replicas for a in stack], axis=0)
        drawn = probes[np.arange(num) % num_probe_replicas]
    if count > 1:
        drawn = drawn + np.tensordot(_student(num, count, seed), matrices - mean, 1)
        drawn = np.clip(drawn, 0.0, 1.0) if first.kind == "jsd" else drawn
    return Affinity(
        names=first.names,
        matrix=mean,
        kind=first.kind,
        replicas=drawn,
        repairs=tuple(
            replace(repair, detail=f"seed {r + 1} of {count}: {repair.detail}")
            for r, one in enumerate(affinities)
            for repair in one.repairs
        ),
    )


def seed_variance(affinities: Sequence[Affinity]) -> SeedVariance:
    """How much of the noise of the mean over seeds is due to seeds, and how much to probes.

    Differences between seeds on the probes at hand contain probe noise that is each seed's own; its
    size is known from the replicas and taken off, no further than to 0.

    Raises:
        ConfigError: fewer than two affinities or tasks, no replicas, or as `combine_seeds`.

    Source: two-way variance components, Searle, Casella and McCulloch, Variance Components, 1992.
    """
    stack = _aligned(affinities)
    count, n = len(stack), len(stack[0].names)
    for expected, found, fix in (
        ("at least two seeds", count, "train the specialists with another seed"),
        ("at least two tasks", n, "add a task"),
        ("replicas over probes", len(stack[0].replicas), "set mixture.replicas: 200"),
    ):
        if found < (1 if "replicas" in expected else 2):
            raise ConfigError(expected=expected, found=str(found), where="seed variance", fix=fix)
    rows, columns = np.triu_indices(n, 1)
    pairs = np.array([a.matrix[rows, columns] for a in stack])
    drawn = np.array([a.replicas[:, rows, columns] for a in stack])
    common = drawn.mean(axis=0)
    own = np.square(drawn - common - (pairs - pairs.mean(axis=0))[:, None]).mean(axis=1)
    between = pairs.var(axis=0, ddof=1).mean() - own.sum(axis=0).mean() / (count - 1)
    return SeedVariance(
        num_seeds=count,
        seeds=float(max(0.0, between) / count),
        probes=float(common.var(axis=0).mean()),
    )


def _student(num: int, count: int, seed: int) -> Array:
    """(num, R) coefficients whose sum with deviations from the mean is t times its standard error."""
    rng = np.random.default_rng([seed, count])
    normal = rng.standard_normal((num, count))
    wide = np.sqrt(rng.chisquare(count - 1, (num, 1)) / (count - 1))
    return np.asarray(normal / wide / np.sqrt(count * (count - 1)))


def _aligned(affinities: Sequence[Affinity]) -> list[Affinity]:
    """The affinities with the tasks of all in the order of the first, checked to belong together."""
    if not affinities:
        raise ConfigError(
            expected="at least one affinity", found="none", where="seeds", fix="add a seed"
        )
    first = affinities[0]
    out = []
    for r, one in enumerate(affinities):
        where = f"seed {r + 1} of {len(affinities)}"
        if set(one.names) != set(first.names):
            missing = [name for name in first.names if name not in one.names]
            added = [name for name in one.names if name not in first.names]
            raise ConfigError(
                expected="the tasks of the first seed",
                found=" and ".join(
                    f"{len(names)} {word} ({', '.join(names[:5])}{', ...' * (len(names) > 5)})"
                    for word, names in (("missing", missing), ("more", added))
                    if names
                ),
                where=where,
                fix="fit every seed on the same tasks",
            )
        if one.kind != first.kind:
            raise ConfigError(
                expected=f"the affinity {first.kind} of the first seed",
                found=one.kind,
                where=where,
                fix="measure every seed with the same affinity",
            )
        if len(one.replicas) != len(first.replicas):
            raise ConfigError(
                expected=f"{len(first.replicas)} replicas like the first seed",
                found=str(len(one.replicas)),
                where=where,
                fix="resample every seed with the same replicas and the same seed of the draws",
            )
        order = [one.names.index(name) for name in first.names]
        out.append(
            replace(
                one,
                names=first.names,
                matrix=one.matrix[np.ix_(order, order)],
                replicas=one.replicas[:, order][:, :, order],
            )
        )
    return out
