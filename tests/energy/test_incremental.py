"""Adding and removing tasks: a warm start changes the work, never the answer."""

from __future__ import annotations

import numpy as np
import pytest
from energy_cases import affinity_of, matrix_of, some_constraints
from hypothesis import given
from hypothesis import strategies as st

from mishran.energy import Energy, carried, solve, without
from mishran.energy.solver import minimise
from mishran.errors import ConfigError


@given(st.integers(0, 2**31), st.integers(3, 40), st.sampled_from((0.0, 0.6, 1.5)))
def test_a_warm_start_finds_the_energy_of_a_fresh_one(seed: int, n: int, t: float) -> None:
    rng = np.random.default_rng(seed)
    whole = affinity_of(matrix_of("definite", n, rng))
    gone = [whole.names[i] for i in rng.choice(n, size=int(rng.integers(1, n)), replace=False)]
    fewer = without(whole, gone) if len(gone) < n else whole
    for old, new in ((whole, fewer), (fewer, whole)):
        before = solve(Energy.coverage(old, t))
        energy = Energy.coverage(new, t)
        start = dict(zip(old.names, before.weights, strict=True))
        warm = solve(energy, warm=carried(start, new.names))
        fresh = solve(energy)
        assert abs(warm.energy - fresh.energy) <= 1e-12 * energy.scale
        assert np.abs(warm.weights - fresh.weights).max() <= 1e-9
        assert warm.certificate.relative_gap <= 1e-12


@pytest.mark.parametrize("kind", ["bounds", "groups", "both"])
def test_any_start_gives_the_same_answer_under_bounds(kind: str) -> None:
    rng = np.random.default_rng(5)
    energy = Energy.coverage(affinity_of(matrix_of("kernel", 20, rng)), 0.6)
    box = some_constraints(kind, 20, rng)
    assert box is not None
    fresh = minimise(energy, box)[0]
    for _ in range(20):
        start = rng.dirichlet(np.full(20, 0.3))
        assert np.abs(minimise(energy, box, start)[0] - fresh).max() <= 1e-9


def test_one_task_more_takes_fewer_rounds_than_starting_with_all_tasks() -> None:
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(300, 150))
    whole = affinity_of(factors @ factors.T / 150)
    fewer = without(whole, [whole.names[7]])
    values = {name: float(v) for name, v in zip(whole.names, rng.normal(size=300), strict=True)}
    old = solve(Energy.given(fewer, {n: values[n] for n in fewer.names}, 0.1))
    energy = Energy.given(whole, values, 0.1)
    start = carried(dict(zip(old.names, old.weights, strict=True)), whole.names)

    def rounds(method: str) -> int:
        assert method.startswith("active set, ")
        return int(method.split()[2])

    warm, cold = solve(energy, warm=start), solve(energy, warm=np.full(300, 1 / 300))
    assert rounds(warm.certificate.method) < rounds(cold.certificate.method) / 2


def test_without_keeps_order_and_replicas() -> None:
    rng = np.random.default_rng(0)
    affinity = affinity_of(matrix_of("definite", 5, rng))
    kept = without(affinity, [affinity.names[3], affinity.names[0]])
    assert kept.names == tuple(affinity.names[i] for i in (1, 2, 4))
    assert np.array_equal(kept.matrix, affinity.matrix[np.ix_([1, 2, 4], [1, 2, 4])])
    assert kept.replicas.shape == (len(affinity.replicas), 3, 3)


def test_what_cannot_leave_is_said() -> None:
    affinity = affinity_of(np.eye(2))
    with pytest.raises(ConfigError, match=r"did you mean 'task0'\?"):
        without(affinity, ["tsk0"])
    with pytest.raises(ConfigError, match="at least one task that stays, found all 2 to leave"):
        without(affinity, affinity.names)
    assert carried({"other": 1.0}, affinity.names) is None
    with pytest.raises(ConfigError, match=r"one weight for each of the 2 tasks .* shape \(3,\)"):
        solve(Energy.coverage(affinity, 0.5), warm=np.ones(3) / 3)
