"""The path along t, wished numbers of effective tasks, and intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from energy_cases import affinity_of, matrix_of, names_of

from mishran.energy import (
    Energy,
    Side,
    constraints,
    effective_tasks,
    solve,
    t_grid,
    weight_intervals,
)
from mishran.errors import ConfigError, InfeasibleError
from mishran.types import Affinity

RNG = np.random.default_rng(4)
KERNEL = affinity_of(matrix_of("kernel", 8, RNG))


@pytest.mark.parametrize("kind", ["kernel", "indefinite"])
@pytest.mark.parametrize("repair", ["shift", "nearest"])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_grid_is_what_solve_gives(kind: str, repair: str, ridge: float) -> None:
    affinity = affinity_of(matrix_of(kind, 7, np.random.default_rng(1)))
    box = constraints(affinity.names, {"g": ["task0", "task1"]}, {"g": 0.4})
    ts = [0.0, 0.5, 1.0, 2.5]
    grid = t_grid(affinity, ts, box, ridge, repair)  # type: ignore[arg-type]
    assert grid.shape == (4, 7)
    assert t_grid(affinity, []).shape == (0, 7)
    for t, row in zip(ts, grid, strict=True):
        energy = Energy.coverage(affinity, t).with_ridge(ridge)
        np.testing.assert_allclose(row, solve(energy, box, repair).weights, atol=1e-9)  # type: ignore[arg-type]


def test_effective_tasks_takes_the_t_nearest_to_one() -> None:
    for side, sign in (("diverse", -1.0), ("central", 1.0)):
        t = effective_tasks(KERNEL, 7.0, side)  # type: ignore[arg-type]
        nearer = t_grid(KERNEL, list(1.0 + (t - 1.0) * np.linspace(0.0, 0.999, 200)))
        assert (1 / np.square(nearer).sum(axis=1) > 7.0).all()
        assert sign * (t - 1.0) > 0
    assert effective_tasks(KERNEL, 8.0) == 1.0
    floor = constraints(KERNEL.names, floors={"task0": 0.5})
    t = effective_tasks(KERNEL, 3.15, "diverse", floor)
    p = solve(Energy.coverage(KERNEL, t), floor).weights
    assert 1 / np.square(p).sum() == pytest.approx(3.15)
    assert p[0] >= 0.5 - 1e-12


def effective(affinity: Affinity, t: float, ridge: float = 0.0) -> float:
    return solve(Energy.coverage(affinity, t).with_ridge(ridge)).effective_tasks


@pytest.mark.parametrize("side", ["diverse", "central"])
def test_effective_tasks_are_reached_or_the_jump_is_named(side: Side) -> None:
    """A repair by exactly the lowest eigenvalue leaves a flat direction, where the path jumps; a
    ridge closes the jump."""
    jumps = 0
    for seed in range(12):
        affinity = affinity_of(matrix_of("indefinite", 6, np.random.default_rng(seed)))
        try:
            t = effective_tasks(affinity, 4.0, side)
        except InfeasibleError as error:
            if "jumps from" not in error.expected:
                continue  # out of reach altogether
            jumps += 1
            ends = [
                float(w.strip(",")) for w in error.expected.split() if w.strip(",")[0].isdigit()
            ]
            assert min(ends) < 4.0 < max(ends)
            assert max(ends) == pytest.approx(effective(affinity, 1.0)) == pytest.approx(6.0)
            t = effective_tasks(affinity, 5.5, side, ridge=0.05)
            assert effective(affinity, t, 0.05) == pytest.approx(5.5, rel=1e-5)
        else:
            assert effective(affinity, t) == pytest.approx(4.0, rel=1e-5)
    assert jumps >= 2


def test_a_ridge_works_where_the_affinity_was_repaired() -> None:
    """Ridge on top of the repair: more of it is nearer to uniform, from the smallest on."""
    affinity = affinity_of(matrix_of("indefinite", 8, np.random.default_rng(3)))
    reached = [effective(affinity, 0.0, ridge) for ridge in (0.0, 1e-3, 1e-2, 0.1, 1.0)]
    assert (np.diff(reached) > 1e-4).all()
    plain, ridged = (
        solve(Energy.coverage(affinity, 0.5).with_ridge(rho)).repairs for rho in (0.0, 0.1)
    )
    assert plain[0].amount == pytest.approx(ridged[0].amount)


def test_effective_tasks_out_of_reach() -> None:
    least = np.ceil(1e3 / np.square(t_grid(KERNEL, [0.0])[0]).sum()) / 1e3
    with pytest.raises(
        InfeasibleError,
        match=f"between {least:g} and 8 effective tasks, which the diverse side reaches",
    ):
        effective_tasks(KERNEL, 1.5)
    with pytest.raises(InfeasibleError, match=r"found 9; ask for 8$"):
        effective_tasks(KERNEL, 9, "central")
    fixed = constraints(("a", "b", "c"), floors={"a": 0.2, "b": 0.3, "c": 0.5})
    identity = affinity_of(np.eye(3))
    only = r"expected 2.63157895 effective tasks, the only number that the diverse side reaches, "
    with pytest.raises(
        InfeasibleError, match=only + "found 3; give t instead or loosen the bounds"
    ):
        effective_tasks(replace(identity, names=("a", "b", "c")), 3, "diverse", fixed)
    assert (
        effective_tasks(replace(identity, names=("a", "b", "c")), 1 / 0.38, "central", fixed) == 1.0
    )
    with pytest.raises(ConfigError, match=r"diverse \(t < 1\) or central \(t > 1\), found 'both'"):
        effective_tasks(KERNEL, 3, "both")  # type: ignore[arg-type]


def replicated(kind: str, n: int, count: int) -> Energy:
    base = matrix_of(kind, n, np.random.default_rng(0))
    noise = np.random.default_rng(1).normal(scale=0.03, size=(count, n, n))
    return Energy.coverage(affinity_of(base, base + noise + noise.transpose(0, 2, 1)), 0.6)


def test_intervals_are_quantiles_of_solved_replicas() -> None:
    energy = replicated("kernel", 6, 40)
    box = constraints(energy.names, floors={"task0": 0.3})
    found = weight_intervals(energy, box, level=0.9)
    assert found.weights.shape == (40, 6)
    np.testing.assert_allclose(found.weights[7], solve(energy.replica(7), box).weights)
    np.testing.assert_allclose(
        found.low, np.quantile(found.weights, 0.05, axis=0, method="weibull")
    )
    np.testing.assert_allclose(
        found.high, np.quantile(found.weights, 0.95, axis=0, method="weibull")
    )
    low, high, weights = found
    assert low is found.low and high is found.high and weights is found.weights
    assert (low[0], high[0]) == (pytest.approx(0.3), pytest.approx(0.3, abs=0.1))
    narrower = weight_intervals(energy, box, level=0.5)
    assert (narrower.high - narrower.low <= high - low + 1e-15).all()


def test_intervals_count_repairs() -> None:
    assert weight_intervals(replicated("definite", 6, 10)).repaired == 0
    energy = replicated("indefinite", 6, 10)
    found = weight_intervals(energy)
    assert found.repaired == 10
    amounts = [solve(energy.replica(b)).repairs[0].amount for b in range(10)]
    assert found.largest_repair == max(amounts)


def test_intervals_need_replicas_and_a_level() -> None:
    with pytest.raises(
        ConfigError, match=r"bootstrap replicas, found none; set mixture.replicas: 200"
    ):
        weight_intervals(Energy.coverage(KERNEL, 0.5))
    with pytest.raises(ConfigError, match="a level between 0 and 1, found 95"):
        weight_intervals(replicated("kernel", 3, 2), level=95)


def test_permuted_tasks_permute_intervals() -> None:
    energy = replicated("kernel", 6, 20)
    order = np.random.default_rng(9).permutation(6)
    base = affinity_of(
        energy.matrix[np.ix_(order, order)], energy.replica_matrices[:, order][:, :, order]
    )
    moved = weight_intervals(Energy.coverage(base, 0.6))
    np.testing.assert_allclose(moved.low, weight_intervals(energy).low[order], atol=1e-9)
    assert names_of(6) == base.names
