"""Shadow prices: exact on small cases, slopes and re-solves on random ones, and their words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from energy_cases import (
    PROPERTY,
    SEEDS,
    affinity_of,
    by_clarabel,
    instance,
    matrix_of,
    names_of,
    some_constraints,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from mishran.energy import Constraints, Energy, constraints, solve
from mishran.energy.constraints import EpochLimit, Row
from mishran.energy.prices import Price, entry_prices, shadow_prices
from mishran.errors import ConfigError, EnergyError
from mishran.types import Affinity

FOUR = ("Hindi", "Tamil", "English", "code")


def prices(energy: Energy, box: Constraints | None) -> tuple[Price, ...]:
    return shadow_prices(energy, box, solve(energy, box))


def identity(names: tuple[str, ...] = FOUR) -> Energy:
    """S = I, u = 0: the optimum is the allowed mixture nearest to uniform."""
    n = len(names)
    return Energy.coverage(Affinity(names, np.eye(n), "matrix", np.empty((0, n, n))), 0.0)


def only(energy: Energy, box: Constraints) -> Price:
    (price,) = prices(energy, box)
    return price


def test_a_floor_by_hand() -> None:
    """(.4, .2, .2, .2) instead of uniform: .14 instead of .125, and a slope of .4 - .2."""
    price = only(identity(), constraints(FOUR, floors={"Hindi": 0.4}))
    assert (price.name, price.kind, price.bound, price.is_share) == ("Hindi", "floor", 0.4, True)
    assert price.multiplier == pytest.approx(0.2, abs=1e-12)
    assert price.cost == pytest.approx(0.015, abs=1e-12)
    assert price.without == pytest.approx(0.25, abs=1e-12)
    assert [name for name, _ in price.losses] == ["Hindi"]
    assert sorted(name for name, _ in price.gains) == ["English", "Tamil", "code"]
    assert [change for _, change in price.gains] == pytest.approx([0.05] * 3, abs=1e-12)
    assert price.sentence == (
        "the Hindi floor of 40 % costs 0.015 energy; without it Hindi would get 25 %"
    )


def test_a_cap_by_hand() -> None:
    price = only(identity(), constraints(FOUR, caps={"code": 0.1}))
    assert (price.name, price.kind) == ("code", "cap")
    assert price.multiplier == pytest.approx(0.2, abs=1e-12)
    assert price.cost == pytest.approx(0.015, abs=1e-12)
    assert price.gains[0][0] == "code"
    assert price.sentence == (
        "the code cap of 10 % costs 0.015 energy; without it code would get 25 %"
    )


def test_a_group_by_hand() -> None:
    box = constraints(FOUR, {"indic": ["Hindi", "Tamil"]}, floors={"indic": 0.7})
    price = only(identity(), box)
    assert (price.name, price.kind, price.is_share) == ("indic", "floor", True)
    assert price.multiplier == pytest.approx(0.2, abs=1e-12)
    assert price.sentence == (
        "the indic floor of 70 % costs 0.02 energy; without it indic would get 50 %"
    )
    box = constraints(FOUR, {"indic": ["Hindi", "Tamil"]}, caps={"indic": 0.3})
    assert only(identity(), box).sentence == (
        "the indic cap of 30 % costs 0.02 energy; without it indic would get 50 %"
    )


def test_epochs_are_called_epochs() -> None:
    epochs = EpochLimit(2.0, np.array([200.0, 5.0, 200.0, 200.0]), budget=100)
    box = constraints(FOUR, epochs=epochs)
    price = only(identity(), box)
    assert (price.name, price.kind) == ("Tamil", "epochs")
    assert price.sentence == (
        "the epoch limit of Tamil, 10 %, costs 0.015 energy; without it Tamil would get 25 %"
    )
    box = constraints(FOUR, caps={"Tamil": 0.2}, epochs=epochs)
    assert only(identity(), box).sentence.endswith("without it Tamil would get 20 %")


def test_a_row_in_its_own_unit() -> None:
    """min 1/2 |p|^2 with a'p = 200: p = 1/4 - 50 (a - 250) / |a - 250|^2, cost 1/2 50^2 / 50000."""
    tokens = dict(zip(FOUR, (100.0, 200.0, 300.0, 400.0), strict=True))
    box = constraints(FOUR, rows={"tokens": Row(tokens, high=200.0)})
    price = only(identity(), box)
    assert (price.kind, price.bound, price.is_share) == ("cap", 200.0, False)
    assert price.cost == pytest.approx(0.025, rel=1e-9)
    assert price.multiplier == pytest.approx(50 / 50_000, rel=1e-9)
    assert price.sentence == (
        "the cap of 200 on tokens costs 0.025 energy; without it tokens would be 250"
    )
    box = constraints(FOUR, rows={"tokens": Row(tokens, low=300.0)})
    assert only(identity(), box).sentence == (
        "the floor of 300 on tokens costs 0.025 energy; without it tokens would be 250"
    )


def test_a_share_of_the_tokens() -> None:
    """Half of the tokens from Hindi and Tamil, whose rows are short."""
    tokens = dict(zip(FOUR, (100.0, 100.0, 300.0, 300.0), strict=True))
    indic = {"Hindi": 100.0, "Tamil": 100.0}
    box = constraints(FOUR, rows={"indic tokens": Row(indic, low=0.5, per=tokens)})
    # Hindi and Tamil .375 each: three rows of them weigh as much as one of the others.
    price = only(identity(), box)
    assert (price.name, price.kind, price.bound, price.is_share) == (
        "indic tokens",
        "floor",
        0.5,
        True,
    )
    assert price.cost == pytest.approx(0.5 * (2 * 0.375**2 + 2 * 0.125**2 - 0.25), abs=1e-12)
    assert price.sentence == (
        "the indic tokens floor of 50 % costs 0.031 energy; without it indic tokens would get 25 %"
    )
    before = solve(identity(), box).energy
    loose = constraints(FOUR, rows={"indic tokens": Row(indic, low=0.5 - 1e-6, per=tokens)})
    slope = (before - solve(identity(), loose).energy) / 1e-6
    assert price.multiplier == pytest.approx(slope, rel=1e-4)
    box = constraints(FOUR, rows={"indic tokens": Row(indic, high=0.2, per=tokens)})
    assert only(identity(), box).sentence.startswith("the indic tokens cap of 20 % costs ")
    cost = dict(zip(FOUR, (1.0, 2.0, 2.0, 3.0), strict=True))
    box = constraints(FOUR, rows={"cost per token": Row(cost, high=0.009, per=tokens)})
    sentence = only(identity(), box).sentence
    assert sentence.startswith("the cap of 0.009 on cost per token costs ")
    assert sentence.endswith("; without it cost per token would be 0.01")


def test_close_numbers_get_the_digits_that_tell_them_apart() -> None:
    box = constraints(FOUR, floors={"Hindi": 0.25004})
    assert only(identity(), box).sentence.endswith("without it Hindi would get 25 %")
    assert "floor of 25.004 %" in only(identity(), box).sentence


def test_nothing_is_a_word() -> None:
    matrix = np.array([[1.0, 0.9], [0.9, 0.8]])
    energy = Energy.coverage(affinity_of(matrix), 0.0)
    box = constraints(energy.names, floors={"task0": 0.1})
    assert only(energy, box).sentence.endswith("without it task0 would get nothing")


def test_both_sides_of_an_equality() -> None:
    """floor = cap: only the side that pulls has a price."""
    box = constraints(FOUR, floors={"Hindi": 0.4}, caps={"Hindi": 0.4})
    assert [(p.name, p.kind) for p in prices(identity(), box)] == [("Hindi", "floor")]
    box = constraints(FOUR, {"g": ["Hindi", "Tamil"]}, floors={"g": 0.2}, caps={"g": 0.2})
    assert [(p.name, p.kind) for p in prices(identity(), box)] == [("g", "cap")]


def test_no_price_without_a_hold() -> None:
    assert prices(identity(), None) == ()
    slack = constraints(FOUR, floors={"Hindi": 0.2}, caps={"code": 0.3})
    assert prices(identity(), slack) == ()
    touched = constraints(FOUR, floors={"Hindi": 0.25})
    assert prices(identity(), touched) == ()
    one = Energy.coverage(affinity_of(np.array([[1.0]])), 0.5)
    assert prices(one, constraints(one.names, floors={"task0": 1.0})) == ()
    zero = Energy.coverage(affinity_of(np.zeros((3, 3))), 0.0)
    assert prices(zero, constraints(zero.names, floors={"task0": 0.6})) == ()


def test_bounds_that_each_suffice_cost_nothing_alone() -> None:
    box = constraints(FOUR, {"g": ["Hindi"]}, floors={"g": 0.4, "Hindi": 0.4})
    found = prices(identity(), box)
    assert found
    for price in found:
        assert price.multiplier == pytest.approx(0.0, abs=1e-7)
        assert price.cost == pytest.approx(0.0, abs=1e-12)
        assert price.sentence == (
            f"the {price.name} floor of 40 % costs nothing by itself; "
            f"without it {price.name} would still get 40 %"
        )


def test_floors_that_fill_the_mixture() -> None:
    """All at bounds: loosening one saves its slope less the smallest slope of the others."""
    names = FOUR[:3]
    box = constraints(names, floors={"Hindi": 0.5, "Tamil": 0.3, "English": 0.2})
    found = {price.name: price for price in prices(identity(names), box)}
    assert found["Hindi"].multiplier == pytest.approx(0.3, abs=1e-7)
    assert found["Tamil"].multiplier == pytest.approx(0.1, abs=1e-7)
    # Without Hindi's floor the mixture is uniform; without Tamil's it and English get .25 each.
    assert found["Hindi"].cost == pytest.approx(0.5 * (0.38 - 1 / 3), abs=1e-12)
    assert found["Tamil"].cost == pytest.approx(0.5 * (0.09 + 0.04 - 2 * 0.25**2), abs=1e-12)
    assert found.get("English") is None or found["English"].cost == 0.0


def bound_of(box: Constraints, name: str, kind: str) -> float:
    if name in box.names:
        return float((box.lower if kind == "floor" else box.upper)[box.names.index(name)])
    return (box.floors if kind == "floor" else box.caps)[name]


def moved(box: Constraints, name: str, kind: str, bound: float) -> Constraints:
    """One bound at another place, or gone at an infinite one."""
    if name in box.names:
        side = "lower" if kind == "floor" else "upper"
        array = getattr(box, side).copy()
        array[box.names.index(name)] = np.clip(bound, 0.0, 1.0)
        return replace(box, **{side: array})
    side = "floors" if kind == "floor" else "caps"
    return replace(box, **{side: {**getattr(box, side), name: bound}})


@pytest.mark.parametrize(
    "number", [k for k in range(10, 440, 3) if k // 10 % 4 and k % 10 not in (6, 7, 9)]
)
def test_costs_are_those_of_an_independent_solver(number: int) -> None:
    """And convexity: the first unit of a bound is its dearest, so cost <= multiplier x distance."""
    case = instance(number)
    scale = case.energy.scale or 1.0
    for price in prices(case.energy, case.box):
        assert price.bound == bound_of(case.box, price.name, price.kind)
        gone = moved(case.box, price.name, price.kind, np.inf * (-1, 1)[price.kind == "cap"])
        oracle = by_clarabel(case.energy, gone)
        best = solve(case.energy, case.box).energy
        least = min(
            case.energy.value(q)
            for q in (oracle.weights, oracle.refined)
            if gone.violation(q) < 1e-6
        )
        assert price.cost == pytest.approx(best - least, abs=2e-6 * scale)
        distance = abs(price.bound - price.without)
        assert price.cost <= price.multiplier * distance * (1 + 1e-6) + 1e-9 * scale
        assert price.cost >= 0


@PROPERTY
@given(SEEDS, st.integers(4, 12), st.sampled_from(["bounds", "groups", "both"]))
def test_multipliers_are_slopes_of_the_optimal_energy(seed: int, n: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    energy = Energy.coverage(affinity_of(matrix_of("kernel", n, rng)), 0.7)
    box = some_constraints(kind, n, rng)
    assert box is not None
    before = solve(energy, box)
    for price in shadow_prices(energy, box, before):
        step = 1e-6 if price.kind == "cap" else -1e-6
        loose = solve(energy, moved(box, price.name, price.kind, price.bound + step))
        slope = (before.energy - loose.energy) / 1e-6
        assert price.multiplier == pytest.approx(slope, rel=1e-3, abs=1e-6 * energy.scale)


@PROPERTY
@given(SEEDS, st.integers(4, 10))
def test_order_and_shift_change_nothing(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = matrix_of("kernel", n, rng)
    names = names_of(n)
    inside = rng.dirichlet(np.ones(n))
    floors = {names[i]: float(inside[i]) for i in range(0, n, 2)}
    order = rng.permutation(n)
    turned = tuple(names[i] for i in order)
    none = np.empty((0, n, n))
    one = Energy.coverage(Affinity(names, matrix, "matrix", none), 0.8)
    two = Energy.coverage(
        Affinity(turned, 3 * matrix[np.ix_(order, order)] + 2.0, "matrix", none), 0.8
    )
    first = {p.name: p for p in prices(one, constraints(names, floors=floors))}
    second = {p.name: p for p in prices(two, constraints(turned, floors=floors))}
    assume(all(p.multiplier > 1e-6 for p in (*first.values(), *second.values())))
    assert first.keys() == second.keys()
    for name, price in first.items():
        assert second[name].cost == pytest.approx(3 * price.cost, abs=1e-9)
        assert second[name].multiplier == pytest.approx(3 * price.multiplier, rel=1e-6)
        assert second[name].without == pytest.approx(price.without, abs=1e-8)


def enters(energy: Energy, box: Constraints | None, name: str, rise: float) -> bool:
    i = energy.names.index(name)
    lifted = replace(energy, unary=energy.unary + rise * np.eye(len(energy.names))[i])
    return bool(solve(lifted, box).weights[i] > 1e-12)


@PROPERTY
@given(SEEDS, st.integers(3, 12), st.sampled_from(["none", "bounds", "groups"]))
def test_a_task_enters_at_its_price(seed: int, n: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    energy = Energy.coverage(affinity_of(matrix_of("kernel", n, rng)), 0.3)
    box = some_constraints(kind, n, rng)
    solution = solve(energy, box)
    found = entry_prices(energy, box, solution)
    lower = np.zeros(n) if box is None else box.lower
    upper = np.ones(n) if box is None else box.upper
    outside = (solution.weights == 0) & (lower == 0) & (upper > 0)
    assert set(found) == {energy.names[i] for i in np.flatnonzero(outside)}
    assert list(found.values()) == sorted(found.values())
    for name, rise in list(found.items())[:3]:
        assert not enters(energy, box, name, 0.999 * rise)
        assert enters(energy, box, name, 1.001 * rise + 1e-6)


def test_entering_a_mixture_of_one_task() -> None:
    """All weight on a vertex: p <= 1 takes no part in the price."""
    energy = Energy.utility(affinity_of(np.eye(3)), [3.0, 1.0, 0.5])
    found = entry_prices(energy, None, solve(energy))
    assert list(found) == ["task1", "task2"]
    assert list(found.values()) == pytest.approx([1.0, 1.5], abs=1e-12)
    for name, rise in found.items():
        assert not enters(energy, None, name, rise - 1e-3)
        assert enters(energy, None, name, rise + 1e-3)


def test_entering_where_rows_hold_everything() -> None:
    """Hindi full to its cap, English the rest: several multipliers exist."""
    names = FOUR[:3]
    energy = Energy.utility(
        Affinity(names, np.eye(3), "matrix", np.empty((0, 3, 3))), [5.0, 0.0, 3.0]
    )
    box = constraints(names, {"g": ["Hindi", "Tamil"]}, caps={"g": 0.5, "Hindi": 0.5})
    solution = solve(energy, box)
    np.testing.assert_allclose(solution.weights, [0.5, 0.0, 0.5], atol=1e-12)
    found = entry_prices(energy, box, solution)
    assert list(found) == ["Tamil"]
    # Tamil's weight can only come from Hindi: slopes 0 and .5 - 5.
    assert found["Tamil"] == pytest.approx(4.5, abs=1e-6)
    assert not enters(energy, box, "Tamil", 4.49)
    assert enters(energy, box, "Tamil", 4.51)


def test_a_cap_of_everything_holds_nothing() -> None:
    """It is tight and has no price, and takes no part in the price of entering."""
    affinity = Affinity(FOUR, np.eye(4), "matrix", np.empty((0, 4, 4)))
    energy = Energy.utility(affinity, [3.0, 3.0, 0.0, 0.0])
    box = constraints(
        FOUR,
        {"indic": ["Hindi", "Tamil"], "rest": ["English", "code"]},
        caps={"indic": 1.0},
        floors={"rest": 0.0},
    )
    assert prices(energy, box) == ()
    found = entry_prices(energy, box, solve(energy, box))
    assert found == pytest.approx({"English": 2.5, "code": 2.5}, abs=1e-12)


def test_units_of_rows_where_several_multipliers_exist() -> None:
    """As three floors that fill the mixture, one of them written as tokens."""
    names = FOUR[:3]
    box = constraints(
        names,
        floors={"Tamil": 0.3, "English": 0.2},
        rows={"tokens": Row({"Hindi": 100.0}, low=50.0)},
    )
    found = {price.name: price for price in prices(identity(names), box)}
    assert found["tokens"].multiplier == pytest.approx(0.003, abs=1e-9)
    assert found["Tamil"].multiplier == pytest.approx(0.1, abs=1e-7)


def test_entering_a_mixture_of_one_task_that_a_row_holds() -> None:
    """Everything on Hindi, which a floor of 100 % on two tasks allows: p <= 1 takes no part."""
    names = FOUR[:3]
    affinity = Affinity(names, np.eye(3), "matrix", np.empty((0, 3, 3)))
    energy = Energy.utility(affinity, [3.0, 1.0, 0.5])
    box = constraints(names, {"indic": ["Hindi", "Tamil"]}, floors={"indic": 1.0})
    found = entry_prices(energy, box, solve(energy, box))
    assert found == pytest.approx({"Tamil": 1.0, "English": np.inf}, abs=1e-6)


def test_tasks_that_cannot_enter() -> None:
    names = FOUR[:3]
    full = constraints(names, floors={"Hindi": 0.6, "Tamil": 0.4})
    energy = identity(names)
    assert entry_prices(energy, full, solve(energy, full)) == {"English": np.inf}
    rows = constraints(
        names, {"g": ["Hindi", "Tamil"]}, floors={"g": 1.0, "Hindi": 0.6, "Tamil": 0.4}
    )
    assert entry_prices(energy, rows, solve(energy, rows)) == {"English": np.inf}
    shut = constraints(names, caps={"English": 0.0})
    assert entry_prices(energy, shut, solve(energy, shut)) == {}


def test_errors() -> None:
    energy = identity()
    solution = solve(energy)
    other = solve(identity(FOUR[:2]))
    for function in (shadow_prices, entry_prices):
        with pytest.raises(ConfigError, match=r"^solution: expected a solution for the 4 tasks"):
            function(energy, None, other)
        with pytest.raises(ConfigError, match=r"^constraints: expected constraints on the 4 tasks"):
            function(energy, constraints(FOUR[:2]), solution)
        poor = replace(solution, certificate=replace(solution.certificate, gap=1.0))
        with pytest.raises(
            EnergyError, match=r"^solution: expected optimal weights, with a gap of"
        ):
            function(energy, None, poor)
