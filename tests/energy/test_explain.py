"""Leaving tasks out, substitutes, clusters, the map, and all of it together."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from energy_cases import (
    PROPERTY,
    SEEDS,
    affinity_of,
    by_enumeration,
    instance,
    matrix_of,
    names_of,
)
from hypothesis import given
from hypothesis import strategies as st

from mishran.energy import Constraints, Energy, constraints, solve
from mishran.energy.clusters import Cluster, redundancy_clusters
from mishran.energy.explain import explain
from mishran.energy.leave_out import LeftOut, leave_one_out, substitutes
from mishran.energy.prices import entry_prices, shadow_prices
from mishran.energy.sensitivity import pair_influence
from mishran.energy.taskmap import task_map
from mishran.errors import ConfigError, EnergyError
from mishran.types import Affinity


def close(left: np.ndarray, right: np.ndarray, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(left, right, rtol=0, atol=atol)


def named(matrix: np.ndarray, names: tuple[str, ...]) -> Affinity:
    n = len(names)
    return Affinity(names, matrix, "matrix", np.empty((0, n, n)))


def left_out(energy: Energy, box: Constraints | None = None, **options) -> tuple[LeftOut, ...]:
    return leave_one_out(energy, box, solve(energy, box), **options)


# Leaving a task out


@PROPERTY
@given(SEEDS, st.integers(2, 7), st.sampled_from([0.0, 0.6, 0.9, 2.0]))
def test_without_a_task_as_by_trying_every_support(seed: int, n: int, t: float) -> None:
    matrix = matrix_of("definite", n, np.random.default_rng(seed))
    energy = Energy.coverage(affinity_of(matrix), t)
    best = solve(energy)
    for i, one in enumerate(left_out(energy)):
        keep = np.arange(n) != i
        expected = np.zeros(n)
        expected[keep] = by_enumeration(matrix[np.ix_(keep, keep)], energy.unary[keep])
        close(one.after, expected)
        cost = energy.value(expected) - energy.value(best.weights)
        assert one.cost == pytest.approx(cost, abs=1e-9 * energy.scale)
        assert (one.name, one.weight, one.reason) == (f"task{i}", best.weights[i], "")
        assert one.cost >= 0


@PROPERTY
@given(SEEDS, st.integers(3, 8), st.sampled_from([0.0, 0.6, 0.9, 2.0]))
def test_dropping_the_task_is_the_energy_of_the_others(seed: int, n: int, t: float) -> None:
    """Ridge included: on the others it is the same ridge."""
    matrix = matrix_of("definite", n, np.random.default_rng(seed))
    energy = Energy.coverage(affinity_of(matrix), t).with_ridge(0.1)
    for i, one in enumerate(left_out(energy, drop="task")):
        keep = np.arange(n) != i
        small = Energy.coverage(affinity_of(matrix[np.ix_(keep, keep)]), t)
        ridge = energy.ridge * (np.eye(n - 1) - 1.0 / (n - 1))
        expected = solve(replace(small, matrix=small.matrix + ridge, ridge=energy.ridge))
        close(one.after[keep], expected.weights)
        assert one.after[i] == 0.0


def test_only_coverage_forgets_a_task() -> None:
    rng = np.random.default_rng(1)
    affinity = affinity_of(matrix_of("definite", 5, rng))
    for energy in (
        Energy.target(affinity, ["task1"]),
        Energy.utility(affinity, rng.normal(size=5)),
    ):
        for one, two in zip(left_out(energy), left_out(energy, drop="task"), strict=True):
            close(one.after, two.after)
    energy = Energy.coverage(affinity, 0.9)
    one, two = left_out(energy)[0], left_out(energy, drop="task")[0]
    assert np.abs(one.after - two.after).max() > 1e-3


def twins(rng: np.random.Generator) -> np.ndarray:
    """Four different tasks, the last one twice."""
    which = np.array([0, 1, 2, 3, 3])
    return matrix_of("kernel", 4, rng)[np.ix_(which, which)]


@pytest.mark.parametrize("seed", range(5))
def test_a_twin_gives_everything_to_its_twin_at_t_zero(seed: int) -> None:
    energy = Energy.coverage(affinity_of(twins(np.random.default_rng(seed))), 0.0)
    solution = solve(energy)
    one = leave_one_out(energy, None, solution, tasks=["task4"])[0]
    if solution.weights[4] == 0:
        pytest.skip("twins without weight")
    assert one.cost == pytest.approx(0.0, abs=1e-12)
    ((taker, gain),) = one.takers
    assert taker == "task3"
    assert gain == pytest.approx(one.weight, abs=1e-9)
    close(np.delete(one.after, [3, 4]), np.delete(solution.weights, [3, 4]))


def test_a_task_without_weight_leaves_for_nothing() -> None:
    energy = Energy.coverage(affinity_of(np.array([[1.0, 0.9], [0.9, 0.8]])), 0.0)
    one, two = left_out(energy)
    assert (one.weight, one.cost, one.takers) == (0.0, 0.0, ())
    close(one.after, [0.0, 1.0])
    assert two.takers == (("task0", 1.0),)
    assert two.cost == pytest.approx(0.1, abs=1e-12)


def test_bounds_that_keep_a_task_are_named() -> None:
    energy = Energy.coverage(affinity_of(np.eye(3)), 0.0)
    box = constraints(
        energy.names, {"g": ["task1", "task2"]}, {"task0": 0.1, "g": 0.5}, {"task2": 0.2}
    )
    first, second, third = left_out(energy, box)
    assert first.reason == "its own floor of 10 % keeps it in"
    assert (first.after, first.cost, first.takers) == (None, None, ())
    assert second.reason == "the other bounds leave it at least 30 %"
    assert third.reason == ""
    assert third.after is not None and third.after[2] == 0.0
    caps = constraints(energy.names, caps={"task0": 0.3, "task1": 0.4})
    assert [one.reason for one in left_out(energy, caps)] == [
        "",
        "",
        "the other bounds leave it at least 30 %",
    ]
    (alone,) = left_out(Energy.coverage(affinity_of(np.array([[2.0]])), 0.5))
    assert (alone.reason, alone.after) == ("there is no other task", None)
    assert alone.takers == ()
    (again,) = left_out(Energy.coverage(affinity_of(np.array([[2.0]])), 0.5), drop="task")
    assert again.reason == "there is no other task"


def test_where_nothing_can_leave_that_is_found_at_once() -> None:
    """Caps that hardly leave room: 38 reasons without 38 searches for the smallest conflict."""
    energy = Energy.coverage(affinity_of(matrix_of("kernel", 38, np.random.default_rng(2))), 0.8)
    groups = {"g": list(energy.names[:19])}
    box = constraints(energy.names, groups, {"g": 0.5}, dict.fromkeys(energy.names, 1 / 38 + 1e-4))
    solution = solve(energy, box)
    start = time.perf_counter()
    found = leave_one_out(energy, box, solution)
    assert time.perf_counter() - start < 3.0
    assert all(one.after is None for one in found)
    assert found[0].reason == "the other bounds leave it at least 2.45 %"


@pytest.mark.parametrize("number", range(5, 300, 17))
def test_never_cheaper_without_a_task(number: int) -> None:
    case = instance(number)
    solution = solve(case.energy, case.box)
    for one in leave_one_out(
        case.energy, case.box, solution, tasks=[f"task{i}" for i in range(min(case.n, 4))]
    ):
        if one.after is None:
            continue
        i = case.energy.names.index(one.name)
        assert one.after[i] == 0.0
        assert one.cost >= 0.0
        if case.box is not None:
            assert case.box.violation(one.after) < 1e-10
        gains = [gain for _, gain in one.takers]
        assert sum(gains) >= one.weight - 1e-8
        assert gains == sorted(gains, reverse=True)


# Substitutes


def test_takers_and_nearest() -> None:
    """On a line: 0, 1, 1.5, 5; at t = 1 all count the same."""
    points = np.array([[0.0], [1.0], [1.5], [5.0]])
    energy = Energy.coverage(affinity_of(points @ points.T + 0.2 * np.eye(4)), 1.0)
    found = substitutes(energy, None, solve(energy), "task1", k=2)
    assert found.name == "task1"
    assert [name for name, _ in found.nearest] == ["task2", "task0"]
    assert [d for _, d in found.nearest] == pytest.approx([0.25 + 0.4, 1.0 + 0.4])
    one = left_out(energy)[1]
    assert found.takers == one.takers[:2]
    ridged = substitutes(energy.with_ridge(0.5), None, solve(energy.with_ridge(0.5)), "task1", k=9)
    assert [name for name, _ in ridged.nearest] == ["task2", "task0", "task3"]
    assert [d for _, d in ridged.nearest[:2]] == pytest.approx([0.25 + 0.4, 1.0 + 0.4])


def test_nobody_stands_in_where_there_is_nobody() -> None:
    one = Energy.coverage(affinity_of(np.array([[1.0]])), 0.5)
    found = substitutes(one, None, solve(one), "task0")
    assert (found.takers, found.nearest) == ((), ())


# Clusters


def blocks(sizes: tuple[int, ...], inside: float, between: float = 0.0) -> np.ndarray:
    label = np.repeat(np.arange(len(sizes)), sizes)
    matrix = np.where(label[:, None] == label[None, :], inside, between)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def sets(clusters: tuple[Cluster, ...]) -> list[set[str]]:
    return [set(cluster.tasks) for cluster in clusters]


@pytest.mark.parametrize("sizes", [(3, 2, 1, 1), (4, 4), (2, 2, 2), (9, 1), (5, 1, 1)])
def test_blocks_are_found(sizes: tuple[int, ...]) -> None:
    matrix = blocks(sizes, 0.95)
    ends = np.cumsum((0, *sizes))
    expected = [{f"task{i}" for i in range(a, b)} for a, b in pairwise(ends) if b - a > 1]
    found = redundancy_clusters(affinity_of(matrix))
    assert sets(found) == expected
    for cluster in found:
        assert cluster.mean_distance == pytest.approx(0.1)
        assert cluster.driver_distance == pytest.approx(0.1)
        assert cluster.relative_distance <= 0.5


def test_the_pair_that_drives_is_the_nearest() -> None:
    matrix = blocks((3, 3), 0.8)
    matrix[1, 2] = matrix[2, 1] = 0.9
    first = redundancy_clusters(affinity_of(matrix))[0]
    assert first.tasks == ("task0", "task1", "task2")
    assert first.driver == ("task1", "task2")
    assert first.driver_distance == pytest.approx(0.2)
    assert first.mean_distance == pytest.approx((0.2 + 0.4 + 0.4) / 3)
    mean = ((0.2 + 0.4 + 0.4) + 3 * 0.4 + 9 * 2.0) / 15
    assert first.relative_distance == pytest.approx(first.mean_distance / mean)


def test_tasks_that_are_all_alike_far_from_each_other_form_none() -> None:
    assert redundancy_clusters(affinity_of(np.eye(6))) == ()
    assert redundancy_clusters(affinity_of(np.eye(2))) == ()
    assert redundancy_clusters(affinity_of(np.array([[3.0]]))) == ()


def test_the_threshold_is_a_share_of_the_mean_distance() -> None:
    matrix = blocks((2, 1), 0.7)  # distances .6, 2, 2
    share = 0.6 / (4.6 / 3)
    assert redundancy_clusters(affinity_of(matrix), threshold=share - 1e-6) == ()
    found = redundancy_clusters(affinity_of(matrix), threshold=share + 1e-6)
    assert sets(found) == [{"task0", "task1"}]
    assert found[0].relative_distance == pytest.approx(share)
    everything = redundancy_clusters(affinity_of(matrix), threshold=9.0)
    assert sets(everything) == [{"task0", "task1", "task2"}]


def test_copies_are_one_cluster_at_any_threshold() -> None:
    which = np.array([0, 1, 0, 2])
    found = redundancy_clusters(affinity_of(np.eye(3)[np.ix_(which, which)]), threshold=0.0)
    assert sets(found) == [{"task0", "task2"}]
    assert (found[0].driver_distance, found[0].relative_distance) == (0.0, 0.0)
    (zero,) = redundancy_clusters(affinity_of(np.zeros((4, 4))))
    assert zero.tasks == names_of(4)
    assert (zero.driver, zero.relative_distance) == (("task0", "task1"), 0.0)


@PROPERTY
@given(SEEDS, st.integers(3, 12), st.floats(0.5, 20.0), st.floats(-2.0, 2.0))
def test_order_copies_scale_and_shift_change_no_cluster(
    seed: int, n: int, a: float, b: float
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3)) + 3.0 * rng.normal(size=(4, 3))[rng.integers(0, 4, n)]
    matrix, names = features @ features.T, names_of(n)
    found = redundancy_clusters(affinity_of(matrix))
    order = rng.permutation(n)
    turned = named(matrix[np.ix_(order, order)], tuple(names[i] for i in order))
    assert sets(redundancy_clusters(turned)) == sets(found)
    for one, two in zip(redundancy_clusters(turned), found, strict=True):
        assert set(one.driver) == set(two.driver)
    assert sets(redundancy_clusters(affinity_of(a * matrix + b))) == sets(found)
    which = [*range(n), 0]
    more = redundancy_clusters(named(matrix[np.ix_(which, which)], (*names, "copy")))
    with_copy = [tasks - {"copy"} for tasks in sets(more)]
    assert {frozenset(s) for s in with_copy if len(s) > 1} == {frozenset(s) for s in sets(found)}
    assert sum({"copy", names[0]} <= tasks for tasks in sets(more)) == 1


def test_ties_do_not_depend_on_the_order() -> None:
    """A chain of equal links: which of them closes first is a matter of names, not of places."""
    points = np.array([0.0, 1.0, 2.0, 3.0, 9.0])[:, None]
    matrix, names = points @ points.T, names_of(5)
    expected = sets(redundancy_clusters(affinity_of(matrix), threshold=0.12))
    for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [1, 2, 3, 4, 0]):
        turned = named(matrix[np.ix_(order, order)], tuple(names[i] for i in order))
        assert sets(redundancy_clusters(turned, threshold=0.12)) == expected


def test_distances_of_an_indefinite_affinity() -> None:
    matrix = np.array([[0.0, 0.5, -1.0], [0.5, 0.0, -1.0], [-1.0, -1.0, 0.0]])
    (found,) = redundancy_clusters(affinity_of(matrix))
    assert (found.tasks, found.driver_distance) == (("task0", "task1"), 0.0)


# The map


def gaps(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 40])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_points_in_the_plane_come_back(n: int, offset: float) -> None:
    points = np.random.default_rng(n).normal(size=(n, 2))
    found = task_map(affinity_of(points @ points.T + offset))
    close(gaps(found.points), gaps(points), 1e-9 if offset == 0 else 1e-6)
    close(found.points.mean(axis=0), 0.0, 1e-12)
    assert found.shown == pytest.approx(1.0, abs=1e-9)


@PROPERTY
@given(SEEDS, st.integers(3, 15))
def test_as_principal_components_of_the_features(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 6)) * np.array([9.0, 5.0, 2.0, 1.0, 1.0, 0.5])
    centred = features - features.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2] * sizes[:2]
    found = task_map(affinity_of(features @ features.T))
    for axis in range(2):
        got, want = found.points[:, axis], expected[:, axis]
        close(got * np.sign(got @ want), want, 1e-7)
        assert got[np.abs(got).argmax()] > 0
    assert found.shown == pytest.approx((sizes[:2] ** 2).sum() / (sizes**2).sum(), abs=1e-9)


@PROPERTY
@given(SEEDS, st.integers(1, 12), st.sampled_from(["kernel", "twins", "indefinite", "rank one"]))
def test_the_map_does_not_depend_on_the_order(seed: int, n: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    matrix, names = matrix_of(kind, n, rng), names_of(n)
    found = task_map(affinity_of(matrix))
    order = rng.permutation(n)
    turned = task_map(named(matrix[np.ix_(order, order)], tuple(names[i] for i in order)))
    np.testing.assert_array_equal(turned.points, found.points[order])
    assert turned.shown == found.shown
    assert 0.0 <= found.shown <= 1.0 + 1e-12
    assert np.isfinite(found.points).all()


@pytest.mark.parametrize("n", [3, 4, 7])
def test_equal_eigenvalues_have_axes_too(n: int) -> None:
    """S = I: every plane is as good; the first task lies on the first axis, whatever rounding does."""
    found = task_map(affinity_of(np.eye(n)))
    first = found.points[0]
    assert first[0] == pytest.approx(np.sqrt(1 - 1 / n), abs=1e-9)
    assert first[1] == pytest.approx(0.0, abs=1e-9)
    assert found.points[1, 1] > 0
    assert found.shown == pytest.approx(2 / (n - 1))
    noise = 1e-13 * np.random.default_rng(n).normal(size=(n, n))
    close(task_map(affinity_of(np.eye(n) + noise + noise.T)).points, found.points, 1e-6)


def test_what_no_plane_can_show_counts_as_not_shown() -> None:
    """Eigenvalues 3, 1 and -2: negative ones, of an affinity that is no kernel, are not shown."""
    axes = np.linalg.qr(np.column_stack([np.ones(4), np.arange(12.0).reshape(4, 3) ** 2]))[0][:, 1:]
    found = task_map(affinity_of((axes * [3.0, 1.0, -2.0]) @ axes.T))
    assert found.shown == pytest.approx(4 / 6)
    close(np.linalg.norm(found.points, axis=0), np.sqrt([3.0, 1.0]))


def test_nothing_to_show() -> None:
    for matrix in (np.array([[4.0]]), np.zeros((3, 3)), np.full((5, 5), 0.7)):
        found = task_map(affinity_of(matrix))
        assert found.points.shape == (len(matrix), 2)
        assert not found.points.any()
        assert found.shown == 1.0
    pair = task_map(affinity_of(np.eye(2)))
    close(pair.points, [[np.sqrt(0.5), 0.0], [-np.sqrt(0.5), 0.0]])
    assert pair.shown == 1.0


# All of it


@pytest.mark.parametrize("number", [0, 3, 12, 15, 21, 35, 38, 46, 71, 233, 304, 350])
def test_the_explanation_is_its_parts(number: int) -> None:
    case = instance(number)
    affinity = affinity_of(case.energy.matrix)
    solution = solve(case.energy, case.box)
    found = explain(case.energy, affinity, case.box, solution)
    arguments = (case.energy, case.box, solution)
    assert found.names == case.energy.names
    assert found.prices == shadow_prices(*arguments)
    assert found.entry_prices == entry_prices(*arguments)
    np.testing.assert_array_equal(found.pairs.movement, pair_influence(*arguments).movement)
    assert found.clusters == redundancy_clusters(affinity)
    np.testing.assert_array_equal(found.map.points, task_map(affinity).points)
    for one, two in zip(found.left_out, leave_one_out(*arguments), strict=True):
        assert (one.name, one.cost, one.takers, one.reason) == (
            two.name,
            two.cost,
            two.takers,
            two.reason,
        )
    task = case.energy.names[-1]
    assert found.substitutes[-1] == substitutes(*arguments, task)


def test_thirty_eight_tasks_are_explained_in_a_moment() -> None:
    """Measured 0.05 s; the bar is for a busy machine."""
    rng = np.random.default_rng(38)
    features = np.abs(rng.normal(size=(38, 60)))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    affinity = affinity_of(features @ features.T)
    energy = Energy.coverage(affinity, 0.8)
    box = constraints(energy.names, {"g": list(energy.names[:5])}, {"g": 0.3}, {"task9": 0.004})
    solution = solve(energy, box)
    explain(energy, affinity, box, solution)
    start = time.perf_counter()
    found = explain(energy, affinity, box, solution)
    assert time.perf_counter() - start < 1.0
    assert [price.name for price in found.prices] == ["g", "task9"]


def test_errors() -> None:
    energy = Energy.coverage(affinity_of(np.eye(3)), 0.5)
    solution = solve(energy)
    with pytest.raises(ConfigError) as wrong:
        explain(energy, affinity_of(np.eye(2)), None, solution)
    assert str(wrong.value) == (
        "affinity: expected an affinity of the 3 tasks of the energy, in their order, "
        "found an affinity of 2 tasks; take the affinity that the energy was made from"
    )
    with pytest.raises(ConfigError) as drop:
        leave_one_out(energy, None, solution, drop="row")  # type: ignore[arg-type]
    assert str(drop.value) == "drop: expected weight or task, found 'row'; weight is the default"
    with pytest.raises(ConfigError, match=r"^tasks: expected the name of a task .* found 'tusk0'"):
        leave_one_out(energy, None, solution, tasks=["tusk0"])
    with pytest.raises(ConfigError, match=r"^tasks: expected the name of a task .* found 'tusk0'"):
        substitutes(energy, None, solution, "tusk0")
    with pytest.raises(ConfigError) as few:
        substitutes(energy, None, solution, "task0", k=0)
    assert str(few.value) == "k: expected k of at least 1, found 0; 3 is usual"
    for bad in (-0.1, np.nan):
        with pytest.raises(ConfigError) as cut:
            redundancy_clusters(affinity_of(np.eye(3)), threshold=bad)
        assert str(cut.value) == (
            "threshold: expected a threshold of at least 0 (a share of the mean distance), "
            f"found {bad}; 0.5 is the default"
        )
    with pytest.raises(ConfigError, match=r"^solution: expected a solution for the 3 tasks"):
        leave_one_out(energy, None, solve(Energy.coverage(affinity_of(np.eye(2)), 0.5)))
    poor = replace(solution, certificate=replace(solution.certificate, gap=1.0))
    with pytest.raises(EnergyError, match=r"^solution: expected optimal weights"):
        explain(energy, affinity_of(np.eye(3)), None, poor)


def test_negative_distances_make_no_heap() -> None:
    """Of a random indefinite S all squared distances were clipped to 0, and all tasks were alike."""
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(8, 8))
    matrix = (matrix + matrix.T) / 2
    assert (np.diag(matrix)[:, None] + np.diag(matrix) - 2 * matrix).min() < -1
    found = redundancy_clusters(affinity_of(matrix))
    assert sum(len(cluster.tasks) for cluster in found) <= 4
    assert all(cluster.relative_distance > 0 for cluster in found)
