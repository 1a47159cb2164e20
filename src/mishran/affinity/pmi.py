"""PMI affinity: how well two specialists answer each other's task.

With L_ij the mean over examples of task j of the log-likelihood under specialist i, in nats:

- mean (default) and sum: S_ij = 1/2 [(L_ij - L_jj) + (L_ji - L_ii)], minus the symmetrised excess
  loss; S_ii = 0, usually S_ij < 0. mean divides by the number of answer tokens, sum does not: there
  most of the variance is answer length and difficulty, not affinity.
- base: S_ij = 1/2 [L_ij + L_ji] with log p_i - log p_base per answer token for l_i: what specialist
  i gains on task j. The only one of the three that is a pointwise mutual information in form.

Probes of tasks without a specialist are ignored. Not a kernel: the energy usually has to repair it.

Source: TaskPGM, arXiv 2507.12612, PMI affinity (sum); mean and base are derived from it.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from mishran.affinity.bootstrap import probes_by_task, resampled_means, task_generator
from mishran.errors import ConfigError, DataError
from mishran.types import Affinity, Array, ScoreTable

Variant = Literal["mean", "sum", "base"]


def pmi_affinity(
    scores: ScoreTable, variant: Variant = "mean", replicas: int = 200, seed: int = 0
) -> Affinity:
    """S in nats (per answer token for mean and base), and its replicas over resampled probes.

    Raises:
        DataError: a specialist without probes of its task, an example without answer tokens, or a
            score that is not finite.
        ConfigError: another variant.
    """
    if variant not in get_args(Variant):
        raise ConfigError(
            expected=f"one of {', '.join(get_args(Variant))}",
            found=repr(variant),
            where="mixture.affinity",
            fix="pmi-mean is the usual one",
        )
    rows = probes_by_task(scores.probe_task, scores.probe_id)
    for task in scores.specialists:
        if task not in rows:
            raise DataError(
                expected="probe examples of every task that has a specialist",
                found="none",
                where=f"score table, task {task}",
                fix="probe that task too, or leave its specialist out",
            )
    own = {task: rows[task] for task in scores.specialists}
    _check(scores, np.concatenate(list(own.values())))
    likelihood = -scores.nats if variant != "base" else scores.base_nats - scores.nats
    if variant != "sum":
        likelihood = likelihood / scores.tokens
    n = len(scores.specialists)
    mean, drawn = np.empty((n, n)), np.empty((replicas, n, n))
    for j, (task, probes) in enumerate(own.items()):
        examples = likelihood[:, probes]
        mean[:, j] = examples.mean(axis=1)
        weights = resampled_means(len(probes), replicas, task_generator(task, seed))
        drawn[:, :, j] = weights @ examples.T
    relative = variant != "base"
    return Affinity(
        names=scores.specialists,
        matrix=_symmetric(mean[None], relative)[0],
        kind=f"pmi-{variant}",
        replicas=_symmetric(drawn, relative),
    )


def _symmetric(likelihood: Array, relative: bool) -> Array:
    """(B, n, n) of S from (B, n, n) of L."""
    if relative:
        own = np.diagonal(likelihood, axis1=1, axis2=2)
        likelihood = likelihood - own[:, None, :]
    return np.asarray((likelihood + likelihood.transpose(0, 2, 1)) / 2)


def _check(scores: ScoreTable, probes: np.ndarray) -> None:
    """Raises for the first probe without tokens or with a score that is not finite."""
    everyone = np.vstack([scores.nats, scores.base_nats])[:, probes]
    for row in probes[(scores.tokens[probes] < 1) | ~np.isfinite(everyone).all(axis=0)]:
        where = f"score table, example {scores.probe_id[row]} of {scores.probe_task[row]}"
        if scores.tokens[row] < 1:
            raise DataError(
                expected="at least one answer token",
                found=str(scores.tokens[row]),
                where=where,
                fix="remove the example, its answer is empty",
            )
        bad = int(np.flatnonzero(~np.isfinite([*scores.nats[:, row], scores.base_nats[row]]))[0])
        raise DataError(
            expected="a finite score in nats",
            found=f"{[*scores.nats[:, row], scores.base_nats[row]][bad]} "
            f"from {[*scores.specialists, 'the base model'][bad]}",
            where=where,
            fix="train that specialist again with a lower learning rate, or leave it out",
        )
