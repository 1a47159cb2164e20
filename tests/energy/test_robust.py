"""Robust mixtures: against Clarabel, against brute force, by certificate, and what they promise."""

from __future__ import annotations

import sys
from dataclasses import replace

import clarabel
import numpy as np
import pytest
from energy_cases import PROPERTY, SEEDS, affinity_of, matrix_of, names_of, some_constraints
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import minimize

from mishran.energy import Constraints, Energy, constraints, simplex, solve
from mishran.energy.robust import RobustMode, RobustSolution, _largest, _project, robust
from mishran.energy.tangent import repair_tangent
from mishran.errors import ConfigError, EnergyError, InfeasibleError

KINDS = ("kernel", "definite", "singular", "twins", "indefinite", "offset", "small")


def noisy(kind: str, n: int, count: int, seed: int = 0, noise: float = 0.03) -> Energy:
    rng = np.random.default_rng([seed, n, count])
    base = matrix_of(kind, n, rng)
    added = noise * np.ptp(base) * rng.normal(size=(count, n, n))
    return Energy.coverage(affinity_of(base, base + added + added.transpose(0, 2, 1)), 0.5)


def largest(regrets: np.ndarray, mode: str, kappa: float) -> float:
    """max of w'r by SLSQP or, for worst, at sight."""
    count = len(regrets)
    if mode == "worst" or count == 1:
        return float(regrets.max())
    size = np.ptp(regrets) or 1.0
    even = np.full(count, 1.0 / count)
    found = minimize(
        lambda w: -(w @ regrets) / size,
        even,
        jac=lambda w: -regrets / size,
        bounds=[(0, 1)] * count,
        constraints=[
            {"type": "eq", "fun": lambda w: w.sum() - 1},
            {"type": "ineq", "fun": lambda w: count * kappa**2 - np.square(count * w - 1).sum()},
        ],
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    return float(found.x @ regrets)


def by_clarabel(energy: Energy, box: Constraints | None, mode: str, kappa: float) -> float:
    """Least robust regret by its conic form; S of every replica as measured, so convex already.

    max of w'r over the ball and the simplex is min of s + mean(v) + kappa ||v|| / sqrt(B) over
    v >= r - s; each r_b <= v_b + s is a rotated cone. Worst: v = 0.
    """
    n, count = len(energy.names), len(energy.replica_matrices)
    box = box or simplex(energy.names)
    size = energy.scale
    num = n + 1 + count + 1  # p, s, v, length of v
    cost = np.zeros(num)
    cost[n] = 1.0
    if mode != "worst":
        cost[n + 1 : n + 1 + count] = 1.0 / count
        cost[-1] = kappa / np.sqrt(count)
    rows, sides, cones = [], [], []

    def add(matrix: np.ndarray, side: np.ndarray, cone: object) -> None:
        rows.append(matrix)
        sides.append(side)
        cones.append(cone)

    weights = np.eye(num)[:n]
    add(weights.sum(axis=0)[None], np.ones(1), clarabel.ZeroConeT(1))
    low, high = box.row_bounds
    bounded = np.vstack([weights, box.row_matrix @ weights])
    for sign, ends in (
        (-1.0, np.concatenate([box.lower, low])),
        (1.0, np.concatenate([box.upper, high])),
    ):
        on = np.isfinite(ends)
        add(sign * bounded[on], sign * ends[on], clarabel.NonnegativeConeT(int(on.sum())))
    if mode == "worst":
        add(np.eye(num)[n + 1 :], np.zeros(count + 1), clarabel.ZeroConeT(count + 1))
    else:
        add(-np.eye(num)[[-1, *range(n + 1, n + 1 + count)]], np.zeros(count + 1), None)
        cones[-1] = clarabel.SecondOrderConeT(count + 1)
    for b in range(count):
        one = energy.replica(b)
        least = solve(one, box).energy / size
        values, vectors = np.linalg.eigh(one.matrix / size)
        root = (np.sqrt(np.maximum(values, 0.0)) * vectors).T
        # p'Sp <= 2 a, a = v_b + s + u'p + least: || (2 root p, 2 a - 1) || <= 2 a + 1
        a = np.zeros(num)
        a[:n], a[n], a[n + 1 + b] = one.unary / size, 1.0, 1.0
        block = np.zeros((n + 2, num))
        block[0], block[1], block[2:, :n] = -2 * a, -2 * a, -2 * root
        side = np.concatenate([[2 * least + 1, 2 * least - 1], np.zeros(n)])
        add(block, side, clarabel.SecondOrderConeT(n + 2))
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-10
    found = clarabel.DefaultSolver(
        sparse.csc_matrix((num, num)),
        cost,
        sparse.csc_matrix(np.vstack(rows)),
        np.concatenate(sides),
        cones,
        options,
    ).solve()
    return float(found.obj_val * size)


def definite(n: int, count: int, seed: int) -> Energy:
    """Replicas that are kernels themselves."""
    rng = np.random.default_rng([seed, n])
    features = np.abs(rng.normal(size=(n, 6)))
    drawn = features + 0.2 * rng.normal(size=(count, n, 6))
    kernels = drawn @ drawn.transpose(0, 2, 1) + 0.05 * np.eye(n)
    return Energy.coverage(affinity_of(features @ features.T + 0.05 * np.eye(n), kernels), 0.4)


MODES: tuple[tuple[RobustMode, float], ...] = (
    ("mean-variance", 0.0),
    ("mean-variance", 0.5),
    ("mean-variance", 2.0),
    ("worst", 1.0),
)


@pytest.mark.parametrize("mode, kappa", MODES)
@pytest.mark.parametrize("n, count, bounds", [(2, 3, "none"), (5, 12, "bounds"), (9, 20, "both")])
def test_agrees_with_clarabel(
    n: int, count: int, bounds: str, mode: RobustMode, kappa: float
) -> None:
    energy = definite(n, count, seed=4)
    box = some_constraints(bounds, n, np.random.default_rng(n))
    found = robust(energy, box, mode, kappa)
    oracle = by_clarabel(energy, box, mode, kappa)
    assert found.objective == pytest.approx(oracle, abs=2e-7 * energy.scale)
    assert found.bound <= oracle + 2e-7 * energy.scale
    assert found.repaired == 0 and found.largest_repair == 0.0


def check(energy: Energy, box: Constraints | None, found: RobustSolution) -> None:
    """Everything the solution claims, from the energy alone."""
    count = len(energy.replica_matrices)
    fixed = [repair_tangent(energy.replica(b))[0] for b in range(count)]
    least = np.array([solve(one, box).energy for one in fixed])
    regrets = np.array([one.value(found.weights) for one in fixed]) - least
    size = max(np.abs(energy.replica_matrices).max(), energy.scale)
    np.testing.assert_allclose(found.regrets, regrets, atol=1e-12 * size)
    assert (box or simplex(energy.names)).violation(found.weights) <= 1e-12
    w = found.replica_weights
    assert w.min() >= 0 and w.sum() == pytest.approx(1.0)
    if found.mode == "mean-variance":
        assert np.square(count * w - 1).sum() <= count * found.kappa**2 + 1e-6
    assert found.objective >= found.regrets @ w - 1e-12 * size
    mixed = replace(
        energy,
        matrix=np.tensordot(w, [one.matrix for one in fixed], 1),
        unary=w @ np.array([one.unary for one in fixed]),
    )
    bound = solve(mixed, box).energy - w @ least
    assert found.bound == pytest.approx(bound, abs=1e-9 * found.scale + 1e-12 * size)
    assert -1e-12 <= found.relative_gap <= 1e-9
    assert found.gap == found.objective - found.bound
    assert found.plain_objective >= found.bound - 1e-12 * size


@PROPERTY
@given(
    SEEDS,
    st.sampled_from(KINDS),
    st.integers(1, 9),
    st.integers(1, 16),
    st.sampled_from(["none", "bounds", "groups", "both"]),
    st.sampled_from([*MODES, ("mean-variance", 10.0)]),
)
def test_proves_itself(
    seed: int, kind: str, n: int, count: int, bounds: str, mode: tuple[RobustMode, float]
) -> None:
    energy = noisy(kind, n, count, seed)
    box = some_constraints(bounds, n, np.random.default_rng(seed))
    check(energy, box, robust(energy, box, *mode))


def test_mean_variance_is_mean_plus_deviation() -> None:
    """For a small kappa, minimised by SLSQP; for a large one the ball is cut and less is charged."""
    energy = definite(5, 30, seed=1)
    found = robust(energy, kappa=0.3)
    least = np.array([solve(energy.replica(b)).energy for b in range(30)])

    def cost(p: np.ndarray) -> float:
        regrets = np.array([energy.replica(b).value(p) for b in range(30)]) - least
        return float(regrets.mean() + 0.3 * regrets.std())

    assert found.replica_weights.min() > 0 and found.is_mean_plus_deviation
    assert found.objective == pytest.approx(cost(found.weights), rel=1e-9)
    direct = minimize(
        cost,
        np.full(5, 0.2),
        bounds=[(0, 1)] * 5,
        constraints=[{"type": "eq", "fun": lambda p: p.sum() - 1}],
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert found.objective <= direct.fun + 1e-9
    assert found.objective == pytest.approx(direct.fun, rel=1e-4)
    cut = robust(energy, kappa=3.0)
    assert cut.replica_weights.min() == 0 and not cut.is_mean_plus_deviation
    assert cut.objective < cut.regrets.mean() + 3.0 * cut.regrets.std()
    assert not robust(energy, mode="worst").is_mean_plus_deviation


def test_more_kappa_costs_more_up_to_the_worst() -> None:
    energy = noisy("kernel", 8, 40)
    found = [robust(energy, kappa=k) for k in (0.0, 0.5, 1.0, 2.0, 4.0, 7.0)]
    objectives = [f.objective for f in found]
    means = [f.regrets.mean() for f in found]
    for more in (objectives, means):
        assert (np.diff(more) >= -1e-9 * energy.scale).all()
    worst = robust(energy, mode="worst")
    assert found[-1].objective == pytest.approx(worst.objective, abs=1e-9 * energy.scale)
    assert worst.regrets.max() == worst.objective
    assert worst.objective < found[0].regrets.max()
    assert worst.objective < worst.plain_objective


def test_without_kappa_it_is_the_mean_energy() -> None:
    energy = definite(6, 25, seed=3)
    mean = replace(
        energy,
        matrix=energy.replica_matrices.mean(axis=0),
        unary=energy.replica_unaries.mean(axis=0),
    )
    np.testing.assert_allclose(robust(energy, kappa=0).weights, solve(mean).weights, atol=1e-9)


def test_one_replica_and_equal_replicas() -> None:
    base = matrix_of("kernel", 6, np.random.default_rng(2))
    for count in (1, 30):
        energy = Energy.coverage(affinity_of(base, np.repeat(base[None], count, axis=0)), 0.5)
        for mode, kappa in MODES:
            found = robust(energy, None, mode, kappa)
            np.testing.assert_allclose(found.weights, solve(energy).weights, atol=1e-9)
            assert found.objective == pytest.approx(0.0, abs=1e-12)


def test_doubled_replicas_change_nothing() -> None:
    energy = definite(6, 10, seed=6)
    twice = replace(
        energy,
        replica_matrices=np.tile(energy.replica_matrices, (2, 1, 1)),
        replica_unaries=np.tile(energy.replica_unaries, (2, 1)),
    )
    for mode, kappa in MODES:
        one, two = robust(energy, None, mode, kappa), robust(twice, None, mode, kappa)
        np.testing.assert_allclose(two.weights, one.weights, atol=1e-5)
        assert two.objective == pytest.approx(one.objective, abs=1e-9 * energy.scale)


def test_permuted_tasks_and_replicas() -> None:
    energy = definite(7, 20, seed=8)
    rng = np.random.default_rng(0)
    order, shuffled = rng.permutation(7), rng.permutation(20)
    moved = replace(
        energy,
        matrix=energy.matrix[np.ix_(order, order)],
        unary=energy.unary[order],
        replica_matrices=energy.replica_matrices[shuffled][:, order][:, :, order],
        replica_unaries=energy.replica_unaries[shuffled][:, order],
    )
    for mode, kappa in MODES:
        straight = robust(energy, None, mode, kappa)
        other = robust(moved, None, mode, kappa)
        np.testing.assert_allclose(other.weights, straight.weights[order], atol=1e-5)
        assert other.objective == pytest.approx(straight.objective, abs=1e-9 * energy.scale)


def test_constants_and_units_change_nothing() -> None:
    """S + b in a replica, or its energy's zero, is not regretted; a S and a u scale everything."""
    energy = definite(6, 12, seed=9)
    lifted = replace(
        energy,
        replica_matrices=energy.replica_matrices + np.arange(12.0)[:, None, None],
        replica_unaries=energy.replica_unaries - np.arange(12.0)[:, None],
    )
    scaled = replace(
        energy,
        matrix=1e4 * energy.matrix,
        unary=1e4 * energy.unary,
        replica_matrices=1e4 * energy.replica_matrices,
        replica_unaries=1e4 * energy.replica_unaries,
    )
    for mode, kappa in MODES:
        plain = robust(energy, None, mode, kappa)
        for other, unit in ((lifted, 1.0), (scaled, 1e4)):
            found = robust(other, None, mode, kappa)
            np.testing.assert_allclose(found.weights, plain.weights, atol=1e-5)
            assert found.objective == pytest.approx(unit * plain.objective, rel=1e-7)


def test_repairs_are_counted() -> None:
    energy = noisy("indefinite", 6, 10)
    found = robust(energy, kappa=1.0)
    amounts = [solve(energy.replica(b)).repairs[0].amount for b in range(10)]
    assert (found.repaired, found.largest_repair) == (10, max(amounts))


@pytest.mark.parametrize("radius", [0.0, 0.1, 0.3, 0.6, 0.9, np.inf])
def test_projection_and_support_function(radius: float) -> None:
    rng = np.random.default_rng(round(10 * min(radius, 9)))
    for _ in range(40):
        count = int(rng.integers(1, 9))
        y = rng.normal(size=count).round(1) * 10 ** rng.uniform(-2, 2)
        found = _project(y, radius)
        even = np.full(count, 1.0 / count)
        assert found.w.sum() == pytest.approx(1.0) and found.w.min() >= 0
        assert np.linalg.norm(found.w - even) <= radius + 1e-9
        others = rng.dirichlet(np.full(count, 0.5), size=300)
        far = np.linalg.norm(others - even, axis=1)
        others = even + (others - even) * np.minimum(1, radius / np.maximum(far, 1e-300))[:, None]
        # nearest: (y - w)'(v - w) <= 0 for every allowed v
        assert ((others - found.w) @ (y - found.w)).max() <= 1e-9 * (1 + np.abs(y).max())
        assert (others @ y).max() <= _largest(y, radius) + 1e-9 * (1 + np.abs(y).max())
        attained = _project(1e9 * y / (np.ptp(y) or 1.0), radius).w @ y
        assert attained == pytest.approx(_largest(y, radius), abs=1e-6 * (1 + np.abs(y).max()))


def test_derivative_of_the_projection() -> None:
    rng = np.random.default_rng(0)
    for radius in (0.1, 0.4, np.inf):
        y = 0.2 * rng.normal(size=8)
        found = _project(y, radius)
        on = found.w > 0
        one = on / on.sum()
        jacobian = found.shrink * (
            np.diag(on * 1.0) - np.outer(on, one) - np.outer(found.direction, found.direction)
        )
        step = 1e-6 * rng.normal(size=8)
        moved = (_project(y + step, radius).w - _project(y - step, radius).w) / 2
        np.testing.assert_allclose(moved, jacobian @ step, atol=1e-12)


def test_support_function_against_slsqp() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        regrets = np.abs(rng.normal(size=6))
        for kappa in (0.2, 0.8, 1.5):
            expected = largest(regrets, "mean-variance", kappa)
            assert _largest(regrets, kappa / np.sqrt(6)) == pytest.approx(expected, abs=1e-7)


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    energy = noisy("kernel", 4, 5)
    where = "robust mixture: expected"
    cases = [
        (
            lambda: robust(Energy.coverage(affinity_of(np.eye(3)), 0.5)),
            f"{where} an affinity with bootstrap replicas, found none; "
            "solve a run that was fitted with mixture.replicas: 200 (a bare matrix has none), "
            "or leave robust out",
        ),
        (
            lambda: robust(energy, mode="best"),  # type: ignore[arg-type]
            f"{where} one of mean-variance, worst, found 'best'; mean-variance is the default",
        ),
        (lambda: robust(energy, kappa=-1.0), f"{where} a kappa >= 0, found -1.0; try 1"),
        (lambda: robust(energy, kappa=float("nan")), f"{where} a kappa >= 0, found nan; try 1"),
    ]
    for call, message in cases:
        with pytest.raises(ConfigError) as error:
            call()
        assert str(error.value) == message
    with pytest.raises(ConfigError, match="expected constraints on the 4 tasks of the energy"):
        robust(energy, simplex(names_of(3)))
    with pytest.raises(InfeasibleError):
        robust(energy, replace(simplex(energy.names), upper=np.full(4, 0.1)))
    with pytest.raises(EnergyError, match=r"mixture\.repair: refuse"):
        robust(noisy("indefinite", 4, 3), repair="refuse")
    monkeypatch.setattr(sys.modules["mishran.energy.robust"], "OUTER", 0)
    with pytest.raises(EnergyError) as failed:
        robust(energy, mode="worst")
    assert str(failed.value).startswith(
        "robust mixture, worst: expected a duality gap of at most 1e-06 of the energy's scale "
    )
    assert "add mixture.ridge: 1e-6, and please report the matrix" in str(failed.value)


def test_floors_are_kept() -> None:
    energy = noisy("kernel", 6, 30)
    box = constraints(energy.names, {"g": ["task0", "task1"]}, {"g": 0.6, "task2": 0.1})
    found = robust(energy, box)
    assert found.weights[:2].sum() >= 0.6 - 1e-12 and found.weights[2] >= 0.1 - 1e-12
