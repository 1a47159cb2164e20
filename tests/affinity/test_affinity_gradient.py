"""First-order affinities by hand, their invariances, and that no eigenvalue is negative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affinity_cases import PROPERTY, SEEDS, names_of
from hypothesis import given
from hypothesis import strategies as st

from mishran.affinity import gradient
from mishran.affinity.gradient import GradientTable, gradient_affinity, task_gradients
from mishran.errors import ConfigError, DataError

VARIANTS = ("kernel", "cosine", "centred")

# Means: a (3, 0), b (0, 4), c (0, 1). Squared distances: ab 25, ac 10, bc 9; their median is 10.
BY_HAND = GradientTable(
    tasks=("a", "b", "c"),
    probe_task=("a", "b", "other", "b", "c", "a"),
    probe_id=("1", "1", "1", "2", "1", "2"),
    gradients=[[2, 1], [0, 5], [9, 9], [0, 3], [0, 1], [4, -1]],
)


def table_of(
    seed: int, n: int, probes: int = 4, size: int = 7, common: float = 1.0
) -> GradientTable:
    rng = np.random.default_rng(seed)
    names = names_of(n)
    shift = common * rng.normal(size=size) + np.repeat(rng.normal(size=(n, size)), probes, axis=0)
    return GradientTable(
        tasks=names,
        probe_task=tuple(name for name in names for _ in range(probes)),
        probe_id=tuple(str(i) for _ in names for i in range(probes)),
        gradients=shift + rng.normal(size=(n * probes, size)),
    )


def test_means_are_of_each_tasks_own_probes() -> None:
    np.testing.assert_allclose(task_gradients(BY_HAND), [[3, 0], [0, 4], [0, 1]])


def test_kernel_by_hand() -> None:
    found = gradient_affinity(BY_HAND, "kernel")
    want = np.exp(-np.array([[0, 25, 10], [25, 0, 9], [10, 9, 0]]) / 10)
    np.testing.assert_allclose(found.matrix, want, rtol=1e-12)
    assert found.kind == "gradient-kernel" and found.names == ("a", "b", "c")
    assert found.repairs == ()


def test_cosine_by_hand() -> None:
    matrix = gradient_affinity(BY_HAND, "cosine").matrix
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, 1, 1], [0, 1, 1]], atol=1e-12)


def test_centred_by_hand() -> None:
    """Less their mean (1, 5/3): a (2, -5/3), b (-1, 7/3), c (-1, -2/3)."""
    matrix = gradient_affinity(BY_HAND, "centred").matrix
    a, b, c = np.array([6.0, -5.0]), np.array([-3.0, 7.0]), np.array([-3.0, -2.0])
    for i, j, left, right in ((0, 1, a, b), (0, 2, a, c), (1, 2, b, c)):
        want = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
        assert matrix[i, j] == matrix[j, i] == pytest.approx(want)


def test_the_kernels_distance_is_the_excess_loss_to_first_order() -> None:
    """Losses L_j(w) = g_j w and specialists at w_i = -g_i: L_ij - L_jj, both ways together."""
    g = task_gradients(table_of(3, 5))
    loss = -g @ g.T
    excess = loss - np.diag(loss)[None, :]
    kernel = gradient_affinity(table_of(3, 5), "kernel", 0).matrix
    scale = np.median((excess + excess.T)[np.triu_indices(5, 1)])
    np.testing.assert_allclose(-scale * np.log(kernel), excess + excess.T, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
@given(seed=SEEDS, n=st.integers(3, 12), probes=st.integers(1, 4), size=st.integers(2, 9))
@PROPERTY
def test_no_eigenvalue_is_negative(variant, seed, n, probes, size) -> None:  # type: ignore[no-untyped-def]
    found = gradient_affinity(table_of(seed, n, probes, size), variant, 3)
    for matrix in (found.matrix, *found.replicas):
        assert np.linalg.eigvalsh(matrix)[0] > -1e-12 * n
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(np.diag(matrix), 1.0)
        assert np.abs(matrix).max() <= 1 + 1e-12


@pytest.mark.parametrize("variant", VARIANTS)
@given(seed=SEEDS)
@PROPERTY
def test_neither_unit_rotation_nor_order_matters(variant, seed) -> None:  # type: ignore[no-untyped-def]
    table = table_of(seed, 6)
    want = gradient_affinity(table, variant, 5)
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    turned = replace(table, gradients=3.0 * table.gradients.astype(np.float64) @ turn)
    np.testing.assert_allclose(gradient_affinity(turned, variant, 5).matrix, want.matrix, atol=1e-4)
    rows, tasks = rng.permutation(24), rng.permutation(6)
    mixed = GradientTable(
        tuple(table.tasks[i] for i in tasks),
        tuple(table.probe_task[i] for i in rows),
        tuple(table.probe_id[i] for i in rows),
        table.gradients[rows],
    )
    found = gradient_affinity(mixed, variant, 5)
    np.testing.assert_allclose(found.matrix, want.matrix[np.ix_(tasks, tasks)], atol=1e-9)
    np.testing.assert_allclose(found.replicas, want.replicas[:, tasks][:, :, tasks], atol=1e-9)


def test_what_all_tasks_share_counts_for_the_cosine_only() -> None:
    table = table_of(0, 6, common=0.0)
    shifted = replace(table, gradients=table.gradients + np.float32(64.0))
    for variant in ("kernel", "centred"):
        want = gradient_affinity(table, variant, 0).matrix
        np.testing.assert_allclose(gradient_affinity(shifted, variant, 0).matrix, want, atol=1e-3)
    assert gradient_affinity(shifted, "cosine", 0).matrix.min() > 0.99


def test_replicas_spread_as_probes_do() -> None:
    """Their standard deviation is that of the affinity over fresh probes, within a quarter."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(2, 6))

    def pool() -> GradientTable:
        return GradientTable(
            ("a", "b"),
            ("a",) * 30 + ("b",) * 30,
            tuple(str(i) for i in range(30)) * 2,
            np.repeat(centre, 30, axis=0) + 0.5 * rng.normal(size=(60, 6)),
        )

    fresh = [gradient_affinity(pool(), "cosine", 0).matrix[0, 1] for _ in range(400)]
    told = [gradient_affinity(pool(), "cosine", 100, s).replicas[:, 0, 1].std() for s in range(40)]
    assert np.mean(told) == pytest.approx(np.std(fresh), rel=0.25)


def test_replicas_are_the_same_however_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(0, 5)
    want = gradient_affinity(table, "kernel", 9).replicas
    assert want.shape == (9, 5, 5) and len(np.unique(want[:, 0, 1])) > 1
    for block in (1, 5 * 7 * 2):
        monkeypatch.setattr(gradient, "BLOCK", block)
        np.testing.assert_allclose(gradient_affinity(table, "kernel", 9).replicas, want, atol=1e-12)
    np.testing.assert_array_equal(
        gradient_affinity(table, "kernel", 9, 1).replicas.shape, want.shape
    )
    assert not np.array_equal(gradient_affinity(table, "kernel", 9, 1).replicas, want)


def test_equal_tasks_are_equal_to_the_kernel_and_have_no_centre() -> None:
    same = GradientTable(("a", "b"), ("a", "b"), ("1", "1"), [[0.1, 2.0], [0.1, 2.0]])
    np.testing.assert_array_equal(gradient_affinity(same, "kernel").matrix, 1.0)
    with pytest.raises(
        DataError, match=r"task a: .* one of length 0 \(variant centred\); use .* kernel"
    ):
        gradient_affinity(same, "centred")


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(ConfigError, match="kernel, cosine, centred, found 'dot'"):
        gradient_affinity(BY_HAND, "dot")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="gradients, task d: expected probe examples"):
        gradient_affinity(replace(BY_HAND, tasks=("a", "d")))
    broken = BY_HAND.gradients.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match="example 2 of b: expected finite gradients"):
        gradient_affinity(replace(BY_HAND, gradients=broken))
    still = BY_HAND.gradients.copy()
    still[4] = 0
    with pytest.raises(DataError, match=r"task c: .* length 0 \(variant cosine\)"):
        gradient_affinity(replace(BY_HAND, gradients=still), "cosine")


def test_a_table_of_another_shape_is_no_table() -> None:
    with pytest.raises(ValueError, match=r"gradients must have shape \(6, k\), got \(5, 2\)"):
        replace(BY_HAND, gradients=BY_HAND.gradients[:5])
    with pytest.raises(ValueError, match="probe_id must have 6 entries, got 1"):
        replace(BY_HAND, probe_id=("1",))
    with pytest.raises(ValueError, match="read-only"):
        BY_HAND.gradients[0, 0] = 1.0
