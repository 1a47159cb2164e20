"""Bounds and groups: what they become, what is infeasible and what would do."""

from __future__ import annotations

import numpy as np
import pytest
from energy_cases import PROPERTY, SEEDS, affinity_of, matrix_of, names_of, some_constraints
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from mishran.energy import Constraints, Energy, check_feasible, constraints, simplex, solve
from mishran.energy.constraints import EpochLimit, Row
from mishran.errors import ConfigError, InfeasibleError

NAMES = names_of(6)
GROUPS = {"hindi": ["task0", "task1"], "english": ["task2", "task3"], "nobody": []}


def epochs(*shares: float, most: float = 1.0) -> EpochLimit:
    """At most so many epochs of these shares of the budget."""
    return EpochLimit(most, 1000 * np.array(shares), 1000)


def test_task_keys_become_bounds_and_group_keys_sums() -> None:
    limits = epochs(1.0, 0.2, 5.0, 1.0, 1.0, 0.3)
    box = constraints(
        NAMES, GROUPS, {"hindi": 0.25, "task4": 0.1}, {"hindi": 0.5, "task5": 0.4}, limits
    )
    np.testing.assert_array_equal(box.lower, [0, 0, 0, 0, 0.1, 0])
    np.testing.assert_array_equal(box.upper, [1, 0.2, 1, 1, 1, 0.3])
    assert box.limited == ("task1", "task5")
    assert list(box.rows) == ["hindi"]
    assert (box.floors, box.caps) == ({"hindi": 0.25}, {"hindi": 0.5})
    assert box.violation(np.full(6, 1 / 6)) <= 1e-15
    assert box.violation(np.array([0, 0, 0.9, 0, 0.1, 0])) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("floors", "caps", "limits", "error", "words"),
    [
        ({"hindu": 0.2}, {}, None, ConfigError, "mixture.floors.hindu: .* did you mean 'hindi'?"),
        ({"task9": 0.2}, {}, None, ConfigError, "a group or task .* did you mean 'task"),
        ({}, {"nobody": 0.2}, None, ConfigError, "mixture.caps.nobody: expected a group with at"),
        ({"hindi": 25}, {}, None, ConfigError, "a share between 0 and 1, found 25; write 0.25"),
        ({"hindi": np.nan}, {}, None, ConfigError, "a share between 0 and 1, found nan"),
        (
            {"hindi": 0.6, "english": 0.6},
            {},
            None,
            InfeasibleError,
            "found floors.hindi = 0.6, floors.english = 0.6; the largest feasible floor for hindi "
            "is 0.4, or the largest feasible floor for english is 0.4",
        ),
        (
            {"hindi": 0.6},
            {"task0": 0.1, "task1": 0.3},
            None,
            InfeasibleError,
            "the largest feasible floor for hindi is 0.4, or the smallest feasible cap for task0 "
            "is 0.3, or the smallest feasible cap for task1 is 0.5",
        ),
        (
            {"task0": 0.5},
            {"hindi": 0.3333333},
            None,
            InfeasibleError,
            "largest feasible floor for task0 is 0.3333, or the smallest .* cap for hindi is 0.5",
        ),
        (
            dict.fromkeys(NAMES[:3], 0.8),
            {},
            None,
            InfeasibleError,
            "floors.task0 = 0.8, floors.task1 = 0.8, which need 1.6 in all; multiply every floor by "
            "0.4166$",
        ),
        (
            {"hindi": 0.5},
            {},
            epochs(0.1, 0.1, 1, 1, 1, 1),
            InfeasibleError,
            r"found floors.hindi = 0.5, max_epochs = 1 \(rows of task0, task1\); the largest "
            "feasible floor for hindi is 0.2, or the smallest feasible max_epochs is 2.5",
        ),
        (
            {},
            {},
            epochs(*[0.1] * 6),
            InfeasibleError,
            r"max_epochs = 1 \(rows of task0, task1, task2 and 3 more\), which allow 0.6 in all; "
            "the smallest feasible max_epochs is 1.67",
        ),
    ],
)
def test_refused_with_remedy(floors, caps, limits, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        constraints(NAMES, GROUPS, floors, caps, limits)


@pytest.mark.parametrize(
    ("floors", "caps"),
    [
        ({"hindi": 0.6, "english": 0.6}, {}),
        ({"hindi": 0.6}, {"task0": 0.123456, "task1": 0.3}),
        ({"task0": 0.5}, {"hindi": 0.3333333}),
    ],
)
def test_the_remedy_named_is_one(floors: dict[str, float], caps: dict[str, float]) -> None:
    """Doing what the error says makes it feasible; asking for 0.0002 more does not."""
    with pytest.raises(InfeasibleError) as caught:
        constraints(NAMES, GROUPS, floors, caps)
    for remedy in caught.value.fix.split(", or "):
        words = remedy.split()
        kind, name, value = words[3], words[5], float(words[7])
        bounds, sign = (floors, 1) if kind == "floor" else (caps, -1)
        changed = {**bounds, name: value}
        further = {**bounds, name: value + sign * 2e-4}
        if kind == "floor":
            constraints(NAMES, GROUPS, changed, caps)
            with pytest.raises(InfeasibleError):
                constraints(NAMES, GROUPS, further, caps)
        else:
            constraints(NAMES, GROUPS, floors, changed)
            with pytest.raises(InfeasibleError):
                constraints(NAMES, GROUPS, floors, further)


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("hindi", Row({"task0": 1}, 0), "rows.hindi: expected a name of its own for the row"),
        ("task3", Row({"task0": 1}, 0), "found 'task3', which is a group, a task or another row"),
        ("cost", Row({"tsk0": 1}, 0), "rows.cost: .* did you mean 'task0'?"),
        ("cost", Row({"task0": np.inf}, 0), "rows.cost: expected finite values .* found inf"),
        ("cost", Row({"task0": 1}), "at least one finite bound, found bounds -inf and inf"),
        ("cost", Row({"task0": 1}, np.nan, 1), "at least one finite bound, found bounds nan and 1"),
        ("cost", Row({"task0": 1}, 2, 1), "a lower bound that is at most the upper one, found 2"),
        (
            "cost",
            Row({"task0": 1}, 0, per={"task0": 1}, field="quotas.x"),
            "mixture.quotas.x: expected a positive number per row of every task, found 0 for task1",
        ),
    ],
)
def test_rows_that_are_none(name: str, row: Row, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        constraints(NAMES, GROUPS, {"hindi": 0.1}, rows={name: row})


def test_a_ratio_is_a_row_for_each_of_its_bounds() -> None:
    """Hindi rows are long: half of the rows are more than half of the tokens."""
    tokens = dict(zip(NAMES, [300.0, 200, 100, 100, 100, 100], strict=True))
    hindi = {name: tokens[name] for name in NAMES[:2]}
    box = constraints(NAMES, rows={"hindi tokens": Row(hindi, 0.4, 0.5, per=tokens)})
    assert list(box.rows) == ["hindi tokens", "hindi tokens (max)"]
    assert (box.floors, box.caps) == ({"hindi tokens": 0.0}, {"hindi tokens (max)": 0.0})
    affinity = affinity_of(matrix_of("kernel", 6, np.random.default_rng(4)))
    count = np.array(list(tokens.values()))
    for values, share in (({"task0": 1, "task1": 1}, 0.5), ({"task2": 1.0}, 0.4)):
        energy = Energy.given(affinity, {**dict.fromkeys(NAMES, 0.0), **values}, 10.0)
        p = solve(energy, box).weights
        assert box.violation(p) <= 1e-9
        assert p[:2] @ count[:2] / (p @ count) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-20, 1e-12, 1e-6, 1e3, 1e9, 1e15])
def test_rows_in_any_unit_are_the_same_bounds(unit: float) -> None:
    rng = np.random.default_rng(8)
    energy = Energy.coverage(affinity_of(matrix_of("definite", 6, rng)), 0.6)
    cost, length = np.linspace(0.5, 1.5, 6), np.array([1.0, 1.5, 0.5, 1.2, 0.7, 0.9])

    def within(unit: float) -> Constraints:
        rows = {"cost": Row(dict(zip(NAMES, unit * cost, strict=True)), high=0.75 * unit)}
        rows["length"] = Row(dict(zip(NAMES, unit * length, strict=True)), low=1.2 * unit)
        return constraints(NAMES, rows=rows)

    plain, found = solve(energy, within(1.0)), solve(energy, within(unit))
    assert plain.certificate.caps["cost"] > 0 and plain.certificate.floors["length"] > 0
    np.testing.assert_allclose(found.weights, plain.weights, atol=1e-12)
    assert within(unit).violation(found.weights) <= 1e-12
    assert found.certificate.caps["cost"] * unit == pytest.approx(plain.certificate.caps["cost"])
    priced = found.certificate.floors["length"] * unit
    assert priced == pytest.approx(plain.certificate.floors["length"])
    off = np.eye(6)[np.argmax(cost)]
    assert within(unit).violation(off) == pytest.approx(within(1.0).violation(off))


def test_a_task_with_a_cap_and_too_few_rows_keeps_both() -> None:
    box = constraints(NAMES, caps={"task0": 0.3}, epochs=epochs(0.2, 1, 1, 1, 1, 1))
    assert box.limited == ("task0",) and box.written.caps == {"task0": 0.3}
    assert box.upper[0] == 0.2
    box = constraints(NAMES, caps={"task0": 0.1}, epochs=epochs(0.2, 1, 1, 1, 1, 1))
    assert box.limited == () and box.upper[0] == 0.1


def test_groups_must_be_about_tasks() -> None:
    with pytest.raises(ConfigError, match="names of groups and tasks that differ, found 'task0'"):
        constraints(NAMES, {"task0": ["task1"]})
    with pytest.raises(ConfigError, match=r"group hindi: .* did you mean 'task1'?"):
        constraints(NAMES, {"hindi": ["tsk1"]})
    with pytest.raises(ConfigError, match="constraints on the 3 tasks of the energy"):
        solve(Energy.coverage(affinity_of(np.eye(3)), 0.5), simplex(NAMES))


@pytest.mark.parametrize(
    ("floors", "caps", "expected"),
    [
        (dict(zip(NAMES, [0.1, 0.2, 0.3, 0.2, 0.1, 0.1], strict=True)), {}, None),
        ({}, dict(zip(NAMES, [0.1, 0.2, 0.3, 0.2, 0.1, 0.1], strict=True)), None),
        ({"task0": 0.3}, {"task0": 0.3}, 0.3),
        ({"hindi": 0.3}, {"hindi": 0.3}, None),
        ({"hindi": 0.5, "english": 0.5}, {}, None),
        ({"hindi": 1.0}, {}, None),
        ({}, {"hindi": 0.0}, 0.0),
    ],
)
def test_bounds_with_nothing_to_spare(floors, caps, expected) -> None:  # type: ignore[no-untyped-def]
    box = constraints(NAMES, GROUPS, floors, caps)
    matrix = matrix_of("definite", 6, np.random.default_rng(5))
    for t in (0.0, 0.6, 1.0, 4.0):
        solution = solve(Energy.coverage(affinity_of(matrix), t), box)
        assert box.violation(solution.weights) <= 1e-12
        assert solution.certificate.relative_gap <= 1e-9
        if expected is not None:
            assert solution.weights[0] == pytest.approx(expected, abs=1e-12)


@PROPERTY
@given(SEEDS, st.integers(4, 10), st.sampled_from(["bounds", "groups", "both"]))
def test_gap_is_that_of_the_linear_programme(seed: int, n: int, kind: str) -> None:
    """The certificate's gap, which uses no solver, is never below the Frank-Wolfe gap."""
    rng = np.random.default_rng(seed)
    box = some_constraints(kind, n, rng)
    assert box is not None
    energy = Energy.coverage(affinity_of(matrix_of("definite", n, rng)), 0.5)
    solution = solve(energy, box)
    gradient = energy.gradient(solution.weights)
    matrix, (low, high) = box.row_matrix, box.row_bounds
    sides = np.concatenate([-low, high])
    best = linprog(
        gradient,
        A_ub=np.vstack([-matrix, matrix])[np.isfinite(sides)],
        b_ub=sides[np.isfinite(sides)],
        A_eq=np.ones((1, n)),
        b_eq=[1.0],
        bounds=np.column_stack([box.lower, box.upper]),
    )
    gap = gradient @ solution.weights - best.fun
    assert gap <= solution.certificate.gap + 1e-8 * energy.scale
    assert solution.certificate.gap <= 1e-12 * energy.scale


def test_a_hand_made_contradiction_is_named_by_the_solver_too() -> None:
    box = Constraints(NAMES, np.full(6, 0.3), np.ones(6), {}, {}, {})
    with pytest.raises(InfeasibleError, match=r"multiply every floor by 0.5555"):
        solve(Energy.coverage(affinity_of(np.eye(6)), 0.5), box)
    check_feasible(simplex(NAMES))
