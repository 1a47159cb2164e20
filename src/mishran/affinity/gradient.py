"""First-order affinities: how alike the base model's gradients of two tasks are. No specialist is needed.

With g_i the mean gradient of task i's probes (projected: `mishran.specialists.gradients`):

- kernel (default): S_ij = exp(-|g_i - g_j|^2 / c), c the median squared distance of two tasks. To first
  order, a specialist that went -g_i answers task j worse than one that went -g_j by |g_j|^2 - g_i g_j;
  both ways together that is |g_i - g_j|^2, twice what the PMI affinity measures. The kernel lets it
  saturate, as the JSD does.
- cosine: of g_i and g_j. Blind to how far a task moves the model.
- centred: cosine after the mean over all tasks is taken out, so that what all tasks have in common
  (the form of an answer) does not count. Its rows depend on which tasks there are; so does c.

All three are positive semi-definite by construction and have a diagonal of 1. None replaces
specialists: docs/results/first-order.md has the rank correlations with the JSD affinity.

Source: gradient-based task affinity, Li et al., arXiv 2409.06091 (Grad-TAG); the first-order form of the
PMI affinity: derived; Gaussian kernel with the median heuristic: Gretton et al., JMLR 13 (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from mishran.affinity.bootstrap import probes_by_task, resampled_means, task_generator
from mishran.errors import ConfigError, DataError
from mishran.types import Affinity, Array

BLOCK = 2**22  # numbers of replicas held at a time
ROUNDING = 1e-7  # of float32, relative: lengths below it are none

GradientVariant = Literal["kernel", "cosine", "centred"]


@final
@dataclass(frozen=True, eq=False)
class GradientTable:
    """Probe example x projected gradient of the base model's loss.

    tasks: those to compare; probes of others are ignored. probe_task, probe_id: (m,) task and example of
    each probe. gradients: (m, k) float32, of mean nats per answer token.
    """

    tasks: tuple[str, ...]
    probe_task: tuple[str, ...]
    probe_id: tuple[str, ...]
    gradients: NDArray[np.float32]

    def __post_init__(self) -> None:
        gradients = np.array(self.gradients, dtype=np.float32)
        m = len(self.probe_task)
        if gradients.ndim != 2 or len(gradients) != m:
            raise ValueError(f"gradients must have shape ({m}, k), got {gradients.shape}")
        if len(self.probe_id) != m:
            raise ValueError(f"probe_id must have {m} entries, got {len(self.probe_id)}")
        gradients.setflags(write=False)
        object.__setattr__(self, "gradients", gradients)


def gradient_affinity(
    table: GradientTable,
    variant: GradientVariant = "kernel",
    replicas: int = 200,
    seed: int = 0,
) -> Affinity:
    """S with diagonal 1 and no negative eigenvalue, and its replicas over resampled probes.

    Replicas keep the scale c of the kernel, which is a unit and no measurement.

    Raises:
        DataError: a task without probes, a gradient that is not finite, or one of length 0.
        ConfigError: another variant.
    """
    if variant not in get_args(GradientVariant):
        raise ConfigError(
            expected=f"one of {', '.join(get_args(GradientVariant))}",
            found=repr(variant),
            where="mixture.affinity",
            fix="gradient-kernel is the one nearest to jsd",
        )
    gram, drawn = _grams(table, replicas, seed)
    scale = _median_distance(gram)
    n = len(table.tasks)
    similar = [_similarity(g, variant, scale, table.tasks) for g in (gram, *drawn)]
    return Affinity(
        names=table.tasks,
        matrix=similar[0],
        kind=f"gradient-{variant}",
        replicas=np.array(similar[1:]).reshape(replicas, n, n),
    )


def task_gradients(table: GradientTable) -> Array:
    """(n, k) mean gradient of each task's probes.

    Raises:
        DataError: a task without probes, or a gradient that is not finite.
    """
    rows = _rows(table)
    return np.array([_of(table, rows[task]).mean(axis=0) for task in table.tasks])


def _rows(table: GradientTable) -> dict[str, NDArray[np.int64]]:
    rows = probes_by_task(table.probe_task, table.probe_id)
    for task in table.tasks:
        if task not in rows:
            raise DataError(
                expected="probe examples of every task that is compared",
                found="none",
                where=f"gradients, task {task}",
                fix="probe that task too, or leave it out",
            )
    return rows


def _of(table: GradientTable, rows: NDArray[np.int64]) -> Array:
    """(m_i, k) float64 gradients of one task."""
    found = table.gradients[rows].astype(np.float64)
    wrong = ~np.isfinite(found).all(axis=1)
    if wrong.any():
        row = rows[int(np.argmax(wrong))]
        raise DataError(
            expected="finite gradients",
            found="NaN or infinity",
            where=f"gradients, example {table.probe_id[row]} of {table.probe_task[row]}",
            fix="take them again in dtype: float32",
        )
    return found


def _grams(table: GradientTable, replicas: int, seed: int) -> tuple[Array, Array]:
    """(n, n) inner products of the tasks' mean gradients, and (B, n, n) those of each replica."""
    mean = task_gradients(table)
    n, k = mean.shape
    rows = _rows(table)
    weights = [
        resampled_means(len(rows[task]), replicas, task_generator(task, seed))
        for task in table.tasks
    ]
    drawn = np.empty((replicas, n, n))
    block = max(1, BLOCK // (n * k))
    for start in range(0, replicas, block):
        part = slice(start, min(start + block, replicas))
        means = np.empty((part.stop - start, n, k))
        for i, task in enumerate(table.tasks):
            means[:, i] = weights[i][part] @ _of(table, rows[task])
        drawn[part] = means @ means.transpose(0, 2, 1)
    return mean @ mean.T, drawn


def _distance(gram: Array) -> Array:
    """(n, n) squared distances."""
    length = np.diag(gram)
    return np.asarray(np.maximum(length[:, None] + length[None, :] - 2 * gram, 0.0))


def _median_distance(gram: Array) -> float:
    """1 where all gradients are equal, or there is one task."""
    pairs = _distance(gram)[np.triu_indices(len(gram), 1)]
    return float(np.median(pairs)) if pairs.any() else 1.0


def _similarity(gram: Array, variant: str, scale: float, tasks: tuple[str, ...]) -> Array:
    if variant == "kernel":
        out = np.exp(-_distance(gram) / scale)
    else:
        rounding = ROUNDING * float(np.sqrt(np.diag(gram).max(initial=0.0)))
        if variant == "centred":
            gram = gram - gram.mean(axis=0)
            gram = gram - gram.mean(axis=1)[:, None]
        length = np.sqrt(np.maximum(np.diag(gram), 0.0))
        if length.min() <= rounding:
            raise DataError(
                expected="gradients with a direction",
                found=f"one of length 0 (variant {variant})",
                where=f"gradients, task {tasks[int(np.argmin(length))]}",
                fix="use the variant kernel, or leave the task out",
            )
        out = gram / length[:, None] / length[None, :]
    out = (out + out.T) / 2
    np.fill_diagonal(out, 1.0)
    return np.asarray(out)
