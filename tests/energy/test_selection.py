"""Budgeted selection against brute force, under transformations, and every error."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import clarabel
import numpy as np
import pytest
from energy_cases import KINDS, affinity_of, matrix_of, names_of, some_constraints, symmetric
from scipy import sparse

from mishran.energy.constraints import Constraints, Row, constraints, simplex
from mishran.energy.energy import Energy
from mishran.energy.selection import Selection, default_nodes, select
from mishran.energy.solver import minimise
from mishran.energy.tangent import repair_tangent
from mishran.errors import ConfigError, EnergyError, InfeasibleError

UNARIES = (0.0, 0.3, 1.0, 2.0, "utility")


def energy_of(matrix: np.ndarray, unary: float | str, rng: np.random.Generator) -> Energy:
    affinity = affinity_of(matrix)
    if unary == "utility":
        size = float(np.ptp(matrix)) or 1.0
        return Energy.utility(affinity, size * rng.normal(size=len(matrix)))
    return Energy.coverage(affinity, float(unary))


def brute_simplex(energy: Energy, k: int) -> float:
    """Least energy of k tasks at most: every support that has one stationary point, all at once.

    Supports whose system is singular are left out: an optimum of fewest tasks never needs one.
    """
    n = len(energy.names)
    centre = np.eye(n) - 1.0 / n
    flat = energy.matrix - energy.matrix[0, 0]
    size = float(np.abs(centre @ flat @ centre).max()) or 1.0
    hessian = symmetric(centre @ flat @ centre) / size
    linear = centre @ (flat.mean(axis=1) - energy.unary) / size
    best, best_p = np.inf, np.zeros(n)
    for m in range(1, k + 1):
        sets = np.array(list(combinations(range(n), m)))
        system = np.ones((len(sets), m + 1, m + 1))
        system[:, :m, :m] = hessian[sets[:, :, None], sets[:, None, :]]
        system[:, m, m] = 0.0
        sets = sets[keep := np.linalg.cond(system) < 1e10]
        if not len(sets):
            continue
        right = np.concatenate([-linear[sets], np.ones((len(sets), 1))], axis=1)
        p = np.linalg.solve(system[keep], right[..., None])[:, :m, 0]
        inside = p.min(axis=1) >= -1e-13
        for tasks, weights in zip(sets[inside], p[inside], strict=True):
            inner = hessian[np.ix_(tasks, tasks)]
            value = 0.5 * weights @ inner @ weights + linear[tasks] @ weights
            if value < best:
                best, best_p = value, np.zeros(n)
                best_p[tasks] = weights
    return energy.value(best_p)


def by_interior_point(energy: Energy, box: Constraints) -> float:
    """Least energy by Clarabel on S centred and divided by the scale; inf when there is none."""
    n, size = len(energy.names), energy.scale or 1.0
    centre = np.eye(n) - 1.0 / n
    hessian = symmetric(centre @ energy.matrix @ centre) / size
    linear = centre @ (energy.matrix.mean(axis=1) - energy.unary) / size
    low, high = box.row_bounds
    rows = np.vstack([np.ones((1, n)), -np.eye(n), np.eye(n), -box.row_matrix, box.row_matrix])
    sides = np.concatenate([[1.0], -box.lower, box.upper, -low, high])
    keep = np.isfinite(sides)
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-11
    found = clarabel.DefaultSolver(
        sparse.csc_matrix(np.triu(hessian)),
        linear,
        sparse.csc_matrix(rows[keep]),
        sides[keep],
        [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(int(keep.sum()) - 1)],
        options,
    ).solve()
    if "Infeasible" in str(found.status):
        return np.inf
    return energy.value(np.array(found.x))


def brute_rules(
    energy: Energy,
    box: Constraints,
    k: int,
    minimums: tuple[tuple[np.ndarray, int], ...] = (),
    least_share: float = 0.0,
) -> float:
    """Least energy over all sets that the rules allow; inf when there is none."""
    n, best = len(energy.names), np.inf
    for m in range(1, k + 1):
        for tasks in combinations(range(n), m):
            chosen = np.isin(np.arange(n), tasks)
            lower = np.where(chosen, np.maximum(box.lower, least_share), 0.0)
            upper = np.where(chosen, box.upper, 0.0)
            if (
                (box.lower[~chosen] > 0).any()
                or (box.upper[chosen] <= 0).any()
                or (lower > upper).any()
                or any(chosen[members].sum() < least for members, least in minimums)
            ):
                continue
            best = min(best, by_interior_point(energy, replace(box, lower=lower, upper=upper)))
    return best


def tolerance(energy: Energy) -> float:
    """1e-9 D, and the rounding of an energy whose entries are much larger than D."""
    rounding = 64 * np.finfo(float).eps * float(np.abs(energy.matrix).max())
    return 1e-9 * energy.scale + rounding + 1e-20


def agrees(got: Selection, least: float, energy: Energy) -> None:
    slack = tolerance(energy)
    assert got.proven and got.ended_by == "proven"
    assert abs(got.value + least) <= 2 * slack
    assert got.upper_bound >= -least - slack
    assert 0.0 <= got.gap <= slack
    assert got.upper_bound == got.value + got.gap
    weights = got.solution.weights
    outside = [name not in got.chosen for name in got.solution.names]
    assert not weights[outside].any()
    assert abs(weights.sum() - 1.0) <= 1e-12
    assert got.solution.certificate.gap <= slack
    assert abs(got.solution.energy + got.value) <= 1e-15 * abs(got.value)
    if got.single_value is not None:
        assert got.single_value <= got.value + slack


@pytest.mark.parametrize("number", range(100))
def test_no_set_is_better_on_the_simplex(number: int) -> None:
    rng = np.random.default_rng([3, number])
    n = int(rng.integers(1, 13))
    energy = energy_of(matrix_of(KINDS[number % 10], n, rng), UNARIES[number % 5], rng)
    k = int(rng.integers(1, n + 2))
    convex, repaired = repair_tangent(energy)
    got = select(energy, k)
    assert len(got.chosen) <= k
    agrees(got, brute_simplex(convex, min(k, n)), convex)
    assert len(got.solution.repairs) == (repaired is not None)
    assert got.single is not None


@pytest.mark.parametrize("number", range(36))
def test_no_set_is_better_under_rules(number: int) -> None:
    """Bounds, group sums, minimums of overlapping groups and a least share, feasible or not."""
    rng = np.random.default_rng([5, number])
    n = int(rng.integers(4, 7))
    kind = ("definite", "singular", "kernel", "twins", "zero", "indefinite")[number % 6]
    energy = energy_of(matrix_of(kind, n, rng), UNARIES[int(rng.integers(5))], rng)
    box = some_constraints(("none", "bounds", "groups", "both")[number // 6 % 4], n, rng)
    k, least_share = int(rng.integers(2, n + 1)), float(rng.choice([0.0, 0.0, 0.1]))
    groups, minimums = {}, {}
    for g in range(2 * int(rng.integers(2))):
        members = np.sort(rng.choice(n, size=int(rng.integers(2, n)), replace=False))
        groups[f"group{g}"] = members
        minimums[f"group{g}"] = int(rng.integers(0, 3))
    convex, _ = repair_tangent(energy)
    counted = tuple((groups[g], minimums[g]) for g in groups)
    least = brute_rules(convex, box or simplex(energy.names), k, counted, least_share)
    named = {g: [energy.names[i] for i in members] for g, members in groups.items()}

    def run() -> Selection:
        return select(energy, k, box, groups=named, minimums=minimums, least_share=least_share)

    if least == np.inf:
        with pytest.raises(InfeasibleError):
            run()
        return
    got = run()
    agrees(got, least, convex)
    chosen = [energy.names.index(name) for name in got.chosen]
    assert len(chosen) <= k
    assert (got.solution.weights[chosen] >= least_share - 1e-12).all()
    for members, minimum in counted:
        assert len(set(chosen) & set(members.tolist())) >= minimum
    if box is not None:
        assert box.violation(got.solution.weights) <= 1e-11
        floored = np.flatnonzero(box.lower > 0)
        assert set(floored.tolist()) <= set(chosen)


@pytest.mark.parametrize("kind", ["definite", "kernel", "singular"])
@pytest.mark.parametrize("k", [3, 7, 10])
def test_twenty_tasks_are_proven(kind: str, k: int) -> None:
    rng = np.random.default_rng(k)
    got = select(energy_of(matrix_of(kind, 20, rng), 0.3, rng), k, time_limit=np.inf)
    assert got.proven and got.relative_gap <= 1e-9
    assert got.nodes < default_nodes(20) / 2


def hard(n: int = 26, k: int = 5, **options: object) -> Selection:
    rng = np.random.default_rng(1)
    energy = energy_of(matrix_of("definite", n, rng), 0.3, rng)
    return select(energy, k, **options)  # type: ignore[arg-type]


def test_limits_leave_an_honest_gap() -> None:
    full = hard(time_limit=np.inf, node_limit=100_000)
    few = hard(node_limit=20)
    none = hard(time_limit=0.0)
    assert full.proven
    assert few.ended_by == "node limit" and few.nodes in (20, 21) and not few.proven
    assert none.ended_by == "time limit" and none.nodes == 1
    for part in (few, none):
        assert part.value <= full.value + 1e-12 <= part.upper_bound
        assert part.gap > 1e-6
        assert part.greedy_value <= part.value + 1e-12
    assert few.upper_bound <= none.upper_bound
    again = hard(node_limit=20)
    assert again.chosen == few.chosen and again.upper_bound == few.upper_bound
    assert again.solution.weights.tobytes() == few.solution.weights.tobytes()


def test_constants_in_s_and_u_change_nothing() -> None:
    rng = np.random.default_rng(8)
    affinity = affinity_of(matrix_of("definite", 9, rng))
    gains = rng.normal(size=9)
    one = select(Energy.utility(affinity, gains), 3)
    lifted = affinity_of(affinity.matrix + 7.0)
    two = select(Energy.utility(lifted, gains + 3.0), 3)
    assert one.chosen == two.chosen
    assert two.value == pytest.approx(one.value - 3.5 + 3.0, abs=1e-11)
    assert one.single_value is not None and two.single_value is not None
    gain = one.value - one.single_value
    assert two.value - two.single_value == pytest.approx(gain, abs=1e-11)
    assert np.allclose(one.solution.weights, two.solution.weights, atol=1e-9)


def test_the_order_of_the_tasks_changes_nothing() -> None:
    rng = np.random.default_rng(9)
    matrix, order = matrix_of("definite", 10, rng), rng.permutation(10)
    one = select(energy_of(matrix, 0.3, rng), 4)
    two = select(energy_of(matrix[np.ix_(order, order)], 0.3, rng), 4)
    assert {f"task{order[int(name[4:])]}" for name in two.chosen} == set(one.chosen)
    assert two.value == pytest.approx(one.value, abs=1e-11)


def test_more_tasks_never_hurt_and_enough_of_them_are_no_limit() -> None:
    rng = np.random.default_rng(10)
    energy = energy_of(matrix_of("kernel", 10, rng), 0.3, rng)
    values = [select(energy, k).value for k in range(1, 13)]
    assert (np.diff(values) >= -1e-12).all()
    free = -energy.value(minimise(energy, simplex(energy.names))[0])
    assert values[-1] == pytest.approx(free, abs=1e-12)


def test_one_task_is_the_best_single_one() -> None:
    rng = np.random.default_rng(11)
    energy = energy_of(matrix_of("definite", 10, rng), 0.3, rng)
    got = select(energy, 1)
    values = energy.unary - np.diag(energy.matrix) / 2
    assert got.chosen == (energy.names[int(values.argmax())],) == (got.single,)
    assert got.value == got.single_value == pytest.approx(values.max())
    assert got.found_by == "greedy" and got.vacuous


def test_shortsighted_greedy_is_mended() -> None:
    """The best single task is in no best pair: swaps, or the search, find that pair."""
    matrix = np.array([[1.0, 0.9, 0.9], [0.9, 1.05, -0.9], [0.9, -0.9, 1.05]])
    got = select(energy_of(symmetric(matrix), 0.0, np.random.default_rng(0)), 2)
    assert got.single == "task0" and got.chosen == ("task1", "task2")
    assert got.greedy_value < got.value - 0.1
    assert got.found_by in ("swaps", "branch and bound")
    assert got.proven


def test_a_floor_forces_its_task_and_leaves_no_single_one() -> None:
    rng = np.random.default_rng(12)
    names = names_of(8)
    energy = energy_of(matrix_of("definite", 8, rng), 0.3, rng)
    free = select(energy, 2)
    other = next(name for name in names if name not in free.chosen)
    got = select(energy, 2, constraints(names, floors={other: 0.1}))
    assert other in got.chosen and got.value < free.value
    assert got.single == other  # with its floor it may be the whole mixture
    two = [name for name in names if name not in free.chosen][:2]
    got = select(energy, 2, constraints(names, floors={two[0]: 0.1, two[1]: 0.2}))
    assert got.chosen == tuple(sorted(two)) and got.single is None
    assert got.gamma_theory is None and got.vacuous
    assert got.guarantee_in_words.startswith("none: ")


def test_general_rows_are_kept() -> None:
    rng = np.random.default_rng(13)
    names = names_of(7)
    energy = energy_of(matrix_of("definite", 7, rng), 0.3, rng)
    cost = {name: float(i) for i, name in enumerate(names)}
    box = constraints(names, rows={"cost": Row(cost, low=2.5, high=3.5)})
    got = select(energy, 3, box)
    assert 2.5 - 1e-9 <= np.arange(7) @ got.solution.weights <= 3.5 + 1e-9
    agrees(got, brute_rules(energy, box, 3), energy)


def test_rows_in_large_units_and_caps_a_rounding_short_of_one() -> None:
    names = names_of(8)
    energy = energy_of(
        matrix_of("definite", 8, np.random.default_rng(14)), 0.3, np.random.default_rng(0)
    )
    tokens = {name: 1e6 * (1 + i) for i, name in enumerate(names)}
    small = {name: value / 1e6 for name, value in tokens.items()}
    one, two = (
        select(energy, 3, constraints(names, rows={"r": Row(values, low=low)}))
        for values, low in ((tokens, 5.5e6), (small, 5.5))
    )
    assert one.chosen == two.chosen and one.value == pytest.approx(two.value, abs=1e-9)
    assert one.proven and two.proven
    short = constraints(names, caps=dict.fromkeys(names, 0.3333333))
    got = select(energy, 5, short)
    assert got.proven and len(got.chosen) in (4, 5)
    with pytest.raises(InfeasibleError, match="the smallest feasible max_tasks is 4"):
        select(energy, 3, short)


def test_rows_that_a_single_mixture_meets_to_rounding() -> None:
    names = names_of(3)
    rows = {
        "first": np.array([-1.217165838052, -1.105978187426, 1.006168692036]),
        "second": np.array([0.0, 0.0, 1.0]),
        "third": np.array([-0.222779105066, 0.510043716099, -0.432927077317]),
        "fourth": np.array([1.0, 0.0, 1.0]),
    }
    ends = {"first": -0.849643513203, "second": 0.148326060733}
    tops = {"third": -0.005184750095, "fourth": 0.660538988851}
    box = Constraints(names, np.zeros(3), np.ones(3), rows, ends, {**ends, **tops})
    energy = Energy.given(affinity_of(np.eye(3)), dict.fromkeys(names, 0.0))
    got = select(energy, 3, box)
    assert got.chosen == names and got.proven
    # Which of its rows conflicts with a set of tasks is nothing that anybody wrote.
    with pytest.raises(InfeasibleError, match="the smallest feasible max_tasks is 3"):
        select(energy, 2, box)


def test_a_minimum_without_a_least_share_may_get_nothing() -> None:
    energy = energy_of(np.diag([1.0, 1.0, 50.0, 60.0]), 0.0, np.random.default_rng(0))
    energy = replace(energy, unary=np.array([5.0, 5.0, -50.0, -60.0]))
    group = {"rare": ["task2", "task3"]}
    got = select(energy, 3, groups=group, minimums={"rare": 1})
    assert set(got.chosen) >= {"task0", "task1"} and len(got.chosen) == 3
    assert got.solution.weights[2:].sum() == 0.0
    got = select(energy, 3, groups=group, minimums={"rare": 1}, least_share=0.05)
    assert got.chosen == ("task0", "task1", "task2")
    assert got.solution.weights[2] == pytest.approx(0.05)


def test_a_task_without_a_share_is_not_listed() -> None:
    rng = np.random.default_rng(4)
    got = select(energy_of(matrix_of("definite", 8, rng), "utility", rng), 8)
    assert len(got.chosen) == (got.solution.weights > 0).sum() < 8


def test_refuse_is_passed_on() -> None:
    rng = np.random.default_rng(4)
    energy = energy_of(matrix_of("indefinite", 5, rng), 0.3, rng)
    with pytest.raises(EnergyError, match=r"mixture\.repair: refuse"):
        select(energy, 2, repair="refuse")
    got = select(energy, 2)
    assert [r.name for r in got.solution.repairs] == ["shift"]
    assert got.solution.energy_unrepaired == energy.value(got.solution.weights)


EIGHT = {"hindi": ["task0", "task1", "task2"], "maths": ["task2", "task3"]}


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"max_tasks": float("inf")}, ConfigError, "whole number of tasks, 1 or more, found inf"),
        ({"max_tasks": float("nan")}, ConfigError, "whole number of tasks, 1 or more, found nan"),
        (
            {"max_tasks": 0},
            ConfigError,
            "mixture.max_tasks: expected a whole number of tasks, 1 or more, found 0; "
            "write 12 for twelve tasks",
        ),
        ({"max_tasks": 2.5}, ConfigError, "mixture.max_tasks: expected a whole number of tasks"),
        ({"max_tasks": True}, ConfigError, "mixture.max_tasks: expected a whole number of tasks"),
        (
            {"least_share": 1.5},
            ConfigError,
            "mixture.least_share: expected a share between 0 and 1, found 1.5; write 0.05 for 5 %",
        ),
        (
            {"time_limit": float("nan")},
            ConfigError,
            "mixture.time_limit: expected a time limit in seconds, 0 or more, found nan; "
            "10 is the default",
        ),
        (
            {"node_limit": -1},
            ConfigError,
            "mixture.node_limit: expected a whole number of nodes, 0 or more, found -1; "
            "leave it out",
        ),
        (
            {"groups": EIGHT, "minimums": {"hindy": 1}},
            ConfigError,
            "mixture.min_tasks.hindy: expected the name of a group (hindi, maths), found 'hindy'; "
            "did you mean 'hindi'?",
        ),
        (
            {"groups": {"hindi": ["task0", "tsk1"]}, "minimums": {"hindi": 1}},
            ConfigError,
            "group hindi: expected the name of a task (task0, task1, task2, task3, task4, task5, "
            "task6, task7), found 'tsk1'; did you mean 'task1'?",
        ),
        (
            {"groups": EIGHT, "minimums": {"hindi": -1}},
            ConfigError,
            "mixture.min_tasks.hindi: expected a whole number of tasks, 0 or more, found -1; "
            "write 2 for two tasks",
        ),
        (
            {"groups": EIGHT, "minimums": {"hindi": 4}},
            InfeasibleError,
            "mixture.min_tasks.hindi: expected at most the 3 tasks that group hindi has, found a "
            "minimum of 4; the largest feasible minimum for hindi is 3",
        ),
        (
            {"max_tasks": 2, "groups": EIGHT, "minimums": {"hindi": 2, "maths": 2}},
            InfeasibleError,
            "mixture.max_tasks: expected rules that some set of tasks satisfies, found max_tasks = "
            "2, min_tasks.hindi = 2, min_tasks.maths = 2; the smallest feasible max_tasks is 3, or "
            "the largest feasible minimum for hindi is 1, or the largest feasible minimum for "
            "maths is 1",
        ),
        (
            {
                "max_tasks": 4,
                "groups": {"hindi": ["task0", "task1", "task2"]},
                "minimums": {"hindi": 3},
                "least_share": 0.4,
            },
            InfeasibleError,
            "mixture.max_tasks: expected rules that some set of tasks satisfies, found max_tasks = "
            "4, min_tasks.hindi = 3, the least share; the largest feasible minimum for hindi is 2, "
            "or the largest feasible least_share is 0.3333",
        ),
        (
            {"max_tasks": 3, "caps": dict.fromkeys(names_of(8), 0.25)},
            InfeasibleError,
            "mixture.max_tasks: expected rules that some set of tasks satisfies, found max_tasks = "
            "3; the smallest feasible max_tasks is 4",
        ),
        (
            {"max_tasks": 1, "floors": {"task1": 0.1, "task4": 0.1}},
            InfeasibleError,
            "found max_tasks = 1; the smallest feasible max_tasks is 2",
        ),
        (
            {"caps": {name: 0.2 for name in names_of(8)}, "least_share": 0.3},
            InfeasibleError,
            "found max_tasks = 8, the least share; the largest feasible least_share is 0.2",
        ),
        (
            {
                "max_tasks": 2,
                "groups": {"a": ["task0", "task1", "task2"], "b": ["task3", "task4", "task5"]},
                "minimums": {"a": 3, "b": 3},
                "least_share": 0.5,
            },
            InfeasibleError,
            "found max_tasks = 2; raise max_tasks or caps, or lower min_tasks and least_share, "
            "several at once",
        ),
    ],
)
def test_errors(options: dict[str, object], kind: type[Exception], text: str) -> None:
    rng = np.random.default_rng(2)
    energy = energy_of(matrix_of("definite", 8, rng), 0.3, rng)
    bounds = {key: options[key] for key in ("floors", "caps") if key in options}
    box = constraints(energy.names, **bounds) if bounds else None  # type: ignore[arg-type]
    rest = {key: value for key, value in options.items() if key not in bounds}
    with pytest.raises(kind) as error:
        select(energy, rest.pop("max_tasks", 8), box, **rest)  # type: ignore[arg-type]
    assert text in str(error.value)


def test_constraints_on_other_tasks_are_refused() -> None:
    energy = energy_of(np.eye(3), 0.0, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="expected constraints on the 3 tasks of the energy"):
        select(energy, 2, simplex(names_of(4)))


def test_bounds_that_no_mixture_satisfies_are_named_as_by_solve() -> None:
    energy = energy_of(np.eye(3), 0.0, np.random.default_rng(0))
    box = replace(simplex(energy.names), upper=np.full(3, 0.2))
    with pytest.raises(InfeasibleError, match=r"caps?.* 0\.6"):
        select(energy, 2, box)
