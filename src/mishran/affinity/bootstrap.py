"""Resampling of probe examples within each task, as weights: one matrix product per table.

Which examples of a task were probed is chance; which tasks are probed is not. So every replica
draws, for each task by itself, one example fewer than it has, with replacement, and counts them:
m - 1 draws give means the variance s^2 / m that the mean of m examples has, m draws only (m - 1)/m
of it. Intervals cover less than they say without that (docs/results/intervals.md). The draws of a
task depend on the seed, the task's name and its examples in order of their ids alone: they are the
same in every process, for every order of tasks and rows, and when another task joins.

Source: stratified bootstrap, Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 8;
m - 1 draws: Rao and Wu, "Resampling inference with complex survey data", JASA 83 (1988).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from mishran.types import Array


def probes_by_task(probe_task: Sequence[str], probe_id: Sequence[str]) -> dict[str, np.ndarray]:
    """Task -> rows of its probes, ordered by id; tasks in order of first appearance."""
    rows: dict[str, list[int]] = {}
    for row, task in enumerate(probe_task):
        rows.setdefault(task, []).append(row)
    return {
        task: np.array(sorted(found, key=lambda row: probe_id[row])) for task, found in rows.items()
    }


def task_generator(task: str, seed: int) -> np.random.Generator:
    """The generator of one task's draws."""
    digest = hashlib.sha256(task.encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4").tolist()])


def resampled_means(num_probes: int, replicas: int, rng: np.random.Generator) -> Array:
    """(B, num_probes) weights, each row the counts of one resampling divided by their sum.

    A single probe has the weight 1 in all: its noise cannot be told.
    """
    draws = max(1, num_probes - 1)
    even = np.full(num_probes, 1.0 / num_probes)
    return np.asarray(rng.multinomial(draws, even, size=replicas) / draws)


def bootstrap_weights(
    probe_task: Sequence[str], probe_id: Sequence[str], replicas: int, seed: int
) -> Array:
    """(B, m) weights of every probe in the mean over tasks of the means over their examples."""
    tasks = probes_by_task(probe_task, probe_id)
    out = np.zeros((replicas, len(probe_task)))
    for task, rows in tasks.items():
        out[:, rows] = resampled_means(len(rows), replicas, task_generator(task, seed)) / len(tasks)
    return out


def even_weights(probe_task: Sequence[str]) -> Array:
    """(m,) weights that let every task count the same, and every example of a task."""
    counts: dict[str, int] = {}
    for task in probe_task:
        counts[task] = counts.get(task, 0) + 1
    return np.array([1.0 / (counts[task] * len(counts)) for task in probe_task])
