"""Conflicts: smallest by trying every subset, remedies that work when they are typed in."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from energy_cases import PROPERTY, SEEDS, names_of
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from mishran.energy.bound_system import System, written_bounds
from mishran.energy.constraints import Constraints, EpochLimit, Row, check_feasible, constraints
from mishran.energy.infeasible import Conflict, diagnose, refusal
from mishran.errors import InfeasibleError

Half = tuple[np.ndarray, float]  # a, b: a'p <= b


class Bounds:
    """What a person may write, each bound as inequalities, without the code under test."""

    def __init__(self, rng: np.random.Generator, n: int, kind: str) -> None:
        self.n, self.names = n, names_of(n)
        self.tight = float(rng.uniform(0.7, 2.0))
        self.floors: dict[str, float] = {}
        self.caps: dict[str, float] = {}
        self.groups: dict[str, list[str]] = {}
        self.rows: dict[str, Row] = {}
        self.epochs: EpochLimit | None = None
        self.tokens = np.round(rng.uniform(10, 400, n))
        for name in self.names:
            if rng.random() < 0.5:
                self.floors[name] = round(min(1.0, float(rng.uniform(0, 1.6 * self.tight / n))), 3)
            if rng.random() < 0.4:
                self.caps[name] = round(min(1.0, float(rng.uniform(0, 3 / self.tight / n))), 3)
        if "epochs" in kind:
            self.epochs = EpochLimit(1.5, rng.integers(1, 900 // n, n).astype(float), 300)
        if "rows" in kind:
            for g in range(2):
                some = rng.choice(n, rng.integers(1, n), replace=False)
                self.groups[f"group{g}"] = [self.names[i] for i in sorted(some)]
                if rng.random() < 0.7:
                    self.floors[f"group{g}"] = round(float(rng.uniform(0.2, 0.9)), 3)
                else:
                    self.caps[f"group{g}"] = round(float(rng.uniform(0.05, 0.6)), 3)
            cost = dict(zip(self.names, self.tokens, strict=True))
            if rng.random() < 0.5:
                self.rows["cost"] = Row(cost, high=round(float(rng.uniform(50, 200)), 1))
            if rng.random() < 0.5:
                some = {name: cost[name] for name in self.names[: n // 2]}
                self.rows["share"] = Row(some, low=round(float(rng.uniform(0.2, 0.9)), 3), per=cost)

    def made(self) -> dict[str, Any]:
        return dict(
            names=self.names,
            groups=self.groups,
            floors=self.floors,
            caps=self.caps,
            epochs=self.epochs,
            rows=self.rows,
        )

    def halves(self) -> dict[str, list[Half]]:
        """Field of every bound -> its inequalities."""
        out: dict[str, list[Half]] = {}
        for kind, bounds, sign in (("floors", self.floors, -1.0), ("caps", self.caps, 1.0)):
            for name, bound in bounds.items():
                tasks = self.groups.get(name, [name])
                row = np.array([float(task in tasks) for task in self.names])
                out[f"{kind}.{name}"] = [(sign * row, sign * bound)]
        for name, row in self.rows.items():
            a = np.array([row.values.get(task, 0.0) for task in self.names])
            if row.per is None:
                out[f"rows.{name}.max"] = [(a, row.high)]
            else:
                out[f"rows.{name}.min"] = [(row.low * self.tokens - a, 0.0)]
        if self.epochs is not None:
            limits = np.floor(self.epochs.max_epochs * self.epochs.rows) / self.epochs.budget
            out["max_epochs"] = [(np.eye(self.n)[i], limits[i]) for i in range(self.n)]
        return out

    def changed(self, field: str, value: float) -> Bounds:
        """The same with another value of one bound."""
        out = Bounds.__new__(Bounds)
        out.__dict__.update(self.__dict__)
        kind, _, name = field.partition(".")
        if kind in ("floors", "caps"):
            setattr(out, kind, {**getattr(self, kind), name: value})
        elif kind == "max_epochs":
            assert self.epochs is not None
            out.epochs = replace(self.epochs, max_epochs=value)
        else:
            name, _, end = name.rpartition(".")
            row = replace(self.rows[name], **{"low" if end == "min" else "high": value})
            out.rows = {**self.rows, name: row}
        return out


def possible(halves: dict[str, list[Half]], n: int) -> bool:
    """Whether some p on the simplex satisfies all inequalities, by simplex steps."""
    flat = [half for some in halves.values() for half in some]
    found = linprog(
        np.zeros(n),
        A_ub=np.array([a for a, _ in flat]) if flat else None,
        b_ub=np.array([b for _, b in flat]) if flat else None,
        A_eq=np.ones((1, n)),
        b_eq=[1.0],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-9},
    )
    return found.status == 0


def made(*args: Any, **kwargs: Any) -> Constraints:
    """The constraints although nothing satisfies them."""
    seen: list[Constraints] = []
    with pytest.MonkeyPatch.context() as patch:
        module = sys.modules["mishran.energy.constraints"]
        patch.setattr(module, "check_feasible", lambda box, explain: seen.append(box))
        constraints(*args, **kwargs)
    return seen[0]


def unchecked(bounds: Bounds) -> Constraints:
    return made(**bounds.made())


@PROPERTY
@given(SEEDS, st.integers(2, 6), st.sampled_from(["tasks", "epochs", "rows", "rows and epochs"]))
def test_no_subset_conflicts_and_none_is_smaller(seed: int, n: int, kind: str) -> None:
    bounds = Bounds(np.random.default_rng(seed), n, kind)
    halves = bounds.halves()
    conflict = diagnose(unchecked(bounds))
    assert (conflict is None) == possible(halves, n)
    if conflict is None:
        return
    fields = [member.field for member in conflict.members]
    assert set(fields) <= set(halves)
    assert not possible({f: halves[f] for f in fields}, n)
    for left_out in fields:
        assert possible({f: halves[f] for f in fields if f != left_out}, n)
    assert conflict.smallest
    for some in combinations(halves, len(fields) - 1):
        assert possible({f: halves[f] for f in some}, n)


@PROPERTY
@given(SEEDS, st.integers(2, 6), st.sampled_from(["tasks", "epochs", "rows", "rows and epochs"]))
def test_every_remedy_works_and_less_does_not(seed: int, n: int, kind: str) -> None:
    bounds = Bounds(np.random.default_rng(seed), n, kind)
    conflict = diagnose(unchecked(bounds))
    for member in conflict.members if conflict else ():
        others = {f: h for f, h in bounds.halves().items() if f != member.field}
        if member.nearest is None:
            assert not possible(others, n)
            continue
        constraints(**bounds.changed(member.field, member.nearest).made())
        step = 1.01e-4 * max(1.0, abs(member.bound), abs(member.nearest))
        less = member.nearest + (step if member.kind == "floor" else -step)
        if member.kind == "floor" or less >= 0:
            assert not possible(bounds.changed(member.field, less).halves(), n)
    if conflict and conflict.shrink is not None:
        scaled = Bounds.__new__(Bounds)
        scaled.__dict__.update(bounds.__dict__)
        for factor, fits in ((conflict.shrink, True), (conflict.shrink + 1.01e-4, False)):
            scaled.floors = {name: factor * floor for name, floor in bounds.floors.items()}
            assert possible(scaled.halves(), n) == fits


TASKS = names_of(50)


def conflict_of(*args: Any, **kwargs: Any) -> Conflict:
    found = diagnose(made(TASKS, *args, **kwargs))
    assert found is not None
    return found


def test_fifty_floors_are_one_short_line() -> None:
    conflict = conflict_of(floors=dict.fromkeys(TASKS, 0.03))
    assert len(conflict.members) == 34 and conflict.total == pytest.approx(1.02)
    assert str(refusal(conflict)) == (
        "mixture: expected bounds that some mixture satisfies, found floors.task0 = 0.03, "
        "floors.task1 = 0.03, floors.task2 = 0.03, floors.task3 = 0.03, floors.task4 = 0.03, "
        "floors.task5 = 0.03 and 28 more, which need 1.02 in all; multiply every floor by 0.6666"
    )


def test_fifty_caps_are_one_short_line() -> None:
    text = str(refusal(conflict_of(caps=dict.fromkeys(TASKS, 0.01))))
    assert "caps.task5 = 0.01 and 44 more, which allow 0.5 in all; the smallest" in text
    assert text.endswith("or the smallest feasible cap for task2 is 0.51")
    assert len(text) < 420


def test_the_largest_floors_make_the_smallest_conflict() -> None:
    floors = {"task9": 0.1, "task4": 0.5, "task1": 0.2, "task7": 0.45}
    conflict = conflict_of(floors=floors)
    assert [m.name for m in conflict.members] == ["task1", "task4", "task7"]
    assert [m.nearest for m in conflict.members] == [None, 0.25, 0.2]


def test_fifty_tasks_and_a_row_that_does_not_matter_name_the_same() -> None:
    floors = {**dict.fromkeys(TASKS, 0.03), "few": 0.1}
    conflict = conflict_of({"few": TASKS[:5]}, floors)
    assert len(conflict.members) == 34 and conflict.shrink == 0.6666
    assert all(member.beside == 0.01 for member in conflict.members)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            dict(floors={"task5": 0.9}, rows={"cost": Row({"task5": 4e6}, high=3e6)}),
            "found floors.task5 = 0.9, rows.cost.max = 3000000; the largest feasible floor for "
            "task5 is 0.75, or the smallest feasible rows.cost.max is 3600000",
        ),
        (
            dict(rows={"cost": Row({"task5": 1234.56789}, low=2000, field="limits.cost")}),
            "found limits.cost.min = 2000; the largest feasible limits.cost.min is 1234.5",
        ),
        (
            dict(
                floors={"task5": 0.5},
                rows={
                    "hindi tokens": Row(
                        {"task0": 300},
                        low=0.9,
                        per={**dict.fromkeys(TASKS, 100), "task0": 300},
                        field="quotas.hindi",
                    )
                },
            ),
            "found quotas.hindi.min = 0.9, floors.task5 = 0.5; the largest feasible "
            "quotas.hindi.min is 0.75, or the largest feasible floor for task5 is 0.25",
        ),
        (
            dict(floors={"task0": 0.9, "task1": 0.4}, rows={"x": Row({"task2": 1}, low=2)}),
            "found rows.x.min = 2; other bounds conflict too; for these alone the largest feasible "
            "rows.x.min is 1",
        ),
        (
            dict(caps={"task0": 0.1}, floors={"task0": 0.4}, epochs=0.25),
            "found floors.task0 = 0.4, caps.task0 = 0.1; the largest feasible floor for task0 is "
            "0.1",
        ),
        (
            dict(caps={"task0": 0.3}, floors={"task0": 0.28}, epochs=0.25),
            "found floors.task0 = 0.28, max_epochs = 2 (rows of task0); the largest feasible floor "
            "for task0 is 0.25, or the smallest feasible max_epochs is 2.24",
        ),
        (
            dict(caps={"task0": 0.26}, floors={"task0": 0.28}, epochs=0.25),
            "found floors.task0 = 0.28, caps.task0 = 0.26; the largest feasible floor for task0 is "
            "0.25",
        ),
    ],
)
def test_what_is_said(args: dict[str, Any], words: str) -> None:
    if "epochs" in args:
        rows = 500 * np.array([args["epochs"], *[1.0] * 49])
        args = {**args, "epochs": EpochLimit(2, rows, 1000)}
    text = str(refusal(conflict_of(**args)))
    assert text == f"mixture: expected bounds that some mixture satisfies, {words}"


def test_caps_beside_epochs_are_the_few_that_take_most() -> None:
    few = EpochLimit(1, np.full(50, 25.0), 1000)  # 1.25 in all
    conflict = conflict_of(caps={"task3": 0.001, **dict.fromkeys(TASKS[10:24], 0.004)}, epochs=few)
    assert [m.field for m in conflict.members[-1:]] == ["max_epochs"]
    assert len(conflict.members) == 13 and conflict.members[0].name == "task3"
    assert conflict.total == pytest.approx(1.25 - 0.024 - 11 * 0.021)
    assert len(conflict.tasks) == 50 - 12


def test_feasible_rows_cost_one_linear_programme(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = linprog
    monkeypatch.setattr(
        "scipy.optimize.linprog", lambda *a, **k: (calls.append(1), real(*a, **k))[1]
    )
    groups = {"few": TASKS[:5]}
    constraints(TASKS, groups, {"task0": 0.1, "task1": 0.2}, {"task9": 0.3})
    assert calls == []
    constraints(TASKS, groups, {"few": 0.1, "task1": 0.2}, {"task9": 0.3})
    assert calls == [1]


def test_a_conflict_of_changed_bounds_is_found_too() -> None:
    """Other code replaces bounds by hand: what it set counts as a cap."""
    box = constraints(TASKS, epochs=EpochLimit(1, np.full(50, 30.0), 1000))
    upper = np.where(np.arange(50) < 10, 0.0, box.upper)
    closed = replace(box, upper=np.where(np.arange(50) < 20, 0.0, box.upper))
    check_feasible(replace(box, upper=upper))
    few = constraints(TASKS, {"few": TASKS[:2]}, {"few": 0.05}, epochs=box.written.epochs)
    free = replace(few, upper=np.ones(50), floors={"few": 0.5})
    check_feasible(free)
    with pytest.raises(InfeasibleError, match=r"caps.task0 = 0, .* and 12 more, which allow 0.99"):
        check_feasible(closed)


def test_a_trial_is_refused_without_a_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    from mishran.energy import infeasible

    monkeypatch.setattr(infeasible, "diagnose", lambda _: pytest.fail("diagnosed"))
    few = {"few": TASKS[:5]}
    constraints(TASKS, few, {"few": 0.1}, explain=False)
    for floors in ({"task0": 0.9, "task1": 0.2}, {"few": 0.9, "task9": 0.2}):
        with pytest.raises(InfeasibleError) as caught:
            constraints(TASKS, few, floors, explain=False)
        assert str(caught.value) == (
            "mixture: expected bounds that some mixture satisfies, found bounds that exclude each "
            "other; change one of them"
        )


def test_the_same_bounds_give_the_same_conflict() -> None:
    for seed in range(5):
        bounds = Bounds(np.random.default_rng(seed), 6, "rows and epochs")
        box = unchecked(bounds)
        assert diagnose(box) == diagnose(box)


def test_prices_prove_the_conflict() -> None:
    """Farkas: the priced bounds of the elastic programme exclude each other."""
    proved = 0
    for seed in range(40):
        bounds = Bounds(np.random.default_rng(seed), 6, "rows and epochs")
        box = unchecked(bounds)
        system = System(box, tuple(written_bounds(box)))
        halves = bounds.halves()
        if possible(halves, 6):
            continue
        found = system.elastic(())
        assert found is not None
        priced = [system.bounds[k].field for k in np.flatnonzero(found[1] > 1e-9)]
        assert not possible({field: halves[field] for field in priced}, 6)
        proved += 1
    assert proved >= 20
