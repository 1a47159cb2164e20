"""Resampling: stratified, fair, the same in every process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from affinity_cases import divergence_table, pool, score_table

from mishran.affinity import bootstrap_weights, jsd_affinity, pmi_affinity

TASKS, IDS = ("a",) * 3 + ("b",) * 5, tuple("12312345")


def test_weights_are_counts_within_tasks() -> None:
    weights = bootstrap_weights(TASKS, IDS, 500, seed=0)
    assert weights.shape == (500, 8)
    np.testing.assert_allclose(weights[:, :3].sum(axis=1), 0.5)
    np.testing.assert_allclose(weights[:, 3:].sum(axis=1), 0.5)
    counts = weights * np.array([4] * 3 + [8] * 5)  # 2 tasks, one draw fewer than probes
    np.testing.assert_allclose(counts, counts.round(), atol=1e-12)
    np.testing.assert_allclose(weights.mean(axis=0), [1 / 6] * 3 + [1 / 10] * 5, atol=0.02)
    variance = 0.25 * (1 / 5) * (4 / 5) / 4  # of a multinomial share, four draws of b's five
    np.testing.assert_allclose(weights[:, 3:].var(axis=0), variance, rtol=0.3)


def test_tasks_are_drawn_independently() -> None:
    weights = bootstrap_weights(("a",) * 4 + ("b",) * 4, tuple("12341234"), 400, seed=0)
    assert abs(np.corrcoef(weights[:, 0], weights[:, 4])[0, 1]) < 0.2


def test_seed_decides() -> None:
    first = bootstrap_weights(TASKS, IDS, 20, seed=0)
    np.testing.assert_array_equal(first, bootstrap_weights(TASKS, IDS, 20, seed=0))
    assert (first != bootstrap_weights(TASKS, IDS, 20, seed=1)).any()


def test_a_new_task_leaves_the_others_draws() -> None:
    before = bootstrap_weights(TASKS, IDS, 20, seed=0)
    after = bootstrap_weights(("new", *TASKS), ("1", *IDS), 20, seed=0)
    np.testing.assert_allclose(after[:, 1:] * 3, before * 2)


@pytest.mark.parametrize("kind", ["jsd", "pmi"])
def test_replicas_scatter_as_the_mean_does(kind: str) -> None:
    """Standard deviation over replicas against the standard error of the mean, by formula."""
    rng = np.random.default_rng(0)
    if kind == "jsd":
        table = divergence_table(rng, 2, each=30)
        replicas = jsd_affinity(table, 2000).replicas[:, 0, 1]
        parts = table.jsd[:30, 0].var(ddof=1) / 30, table.jsd[30:, 0].var(ddof=1) / 30
    else:
        scores = score_table(rng, 2, each=30)
        replicas = pmi_affinity(scores, "sum", 2000).replicas[:, 0, 1]
        worse = scores.nats[0] - scores.nats[1]
        parts = worse[:30].var(ddof=1) / 30, worse[30:].var(ddof=1) / 30
    assert replicas.std() == pytest.approx(0.5 * np.sqrt(sum(parts)), rel=0.1)


def test_the_variance_of_a_mean_is_not_too_small() -> None:
    """Over all ways to draw: s^2 / m with the unbiased s^2; m draws would give (m - 1) / m of it."""
    values = np.array([0.0, 1.0, 4.0])
    means = bootstrap_weights(("a",) * 3, tuple("123"), 200_000, seed=0) @ values
    assert means.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.02)


def test_few_probes() -> None:
    np.testing.assert_array_equal(bootstrap_weights(("a",), ("1",), 5, seed=0), np.ones((5, 1)))
    two = bootstrap_weights(("a",) * 2, ("1", "2"), 100, seed=0)
    assert set(two.ravel()) == {0.0, 1.0} and (two.sum(axis=1) == 1).all()


def test_no_replicas() -> None:
    assert jsd_affinity(divergence_table(np.random.default_rng(0), 3), 0).replicas.shape == (
        0,
        3,
        3,
    )
    assert pmi_affinity(score_table(np.random.default_rng(0), 3), "mean", 0).replicas.shape == (
        0,
        3,
        3,
    )
    assert pool(2, 1)[0] == ("task0", "task1")


SCRIPT = """
import numpy as np, sys
from mishran.affinity import jsd_affinity
from mishran.types import DivergenceTable
rng = np.random.default_rng(0)
tasks = tuple(t for t in ("hindi", "english", "maths", "code") for _ in range(6))
ids = tuple(str(i) for i in range(24))
table = DivergenceTable(("hindi", "english", "maths"), tasks, ids, rng.random((24, 3)))
sys.stdout.buffer.write(jsd_affinity(table, 50).replicas.tobytes())
"""


def test_same_bytes_whatever_the_hash_seed() -> None:
    digests = set()
    for hash_seed in ("0", "12345"):
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        digests.add(hashlib.sha256(run.stdout).hexdigest())
    assert len(digests) == 1
