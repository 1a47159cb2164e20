"""Findings about prices, twins, ties, jumps and selection: there when they should be, else not."""

import inspect

import pytest
from report_cases import explained

from mishran.energy import select
from mishran.explanation import Explanation
from mishran.report import find, reasons

DATA = explained(16)
THIN = "\u202f"


def only(found):
    assert len(found) == 1
    assert found[0].level == "note" or found[0].what_to_do
    return found[0]


def explanation(**changes):
    return DATA.explanation.model_copy(update=changes)


def price(cost: float, name: str = "hindi"):
    told = f"the {name} floor of 25 % costs {cost:.2g} energy; without it {name} would get 17 %"
    return DATA.explanation.prices[0].model_copy(
        update={"name": name, "cost": cost, "sentence": told}
    )


def test_a_bound_that_costs_more_than_the_dearest_task_is_a_warning():
    dearest = max(DATA.explanation.without, key=lambda row: row.cost or 0.0)
    dear, cheap = price(1.01 * dearest.cost), price(0.99 * dearest.cost, "facts")
    found = reasons.prices(DATA.mixture, explanation(prices=(dear, cheap)))
    assert [item.level for item in found] == ["warning", "note"]
    assert found[0].title == "A bound costs more than losing a task"
    assert found[0].text.startswith("The hindi floor of 25 % costs ")
    assert f"Leaving out {dearest.name}, the dearest task, would cost" in found[0].text
    assert found[0].what_to_do.startswith("Ask whether it is worth that")
    assert found[1].title == "One more bound holds the mixture"
    assert "It costs less than leaving out" in found[1].text
    two = reasons.prices(DATA.mixture, explanation(prices=(dear,) * 5))
    assert only(two).title == "5 bounds cost more than losing a task"
    assert "2 more cost more than that too." in only(two).text
    assert reasons.prices(DATA.mixture, explanation(prices=())) == []
    assert reasons.prices(DATA.mixture, None) == []


def test_without_a_task_to_compare_with_no_bound_is_dear():
    found = only(reasons.prices(DATA.mixture, Explanation(prices=(price(9.0),) * 4)))
    assert (found.level, found.title) == ("note", "4 bounds hold the mixture")
    assert found.text.endswith("2 others cost less.")


def test_prices_replace_the_finding_about_multipliers():
    priced = find(DATA.mixture, DATA.affinity, DATA.diagnostics, explanation=DATA.explanation)
    bare = find(DATA.mixture, DATA.affinity, DATA.diagnostics)
    assert any("the certificate has the price" in item.text for item in bare)
    assert not any("the certificate has the price" in item.text for item in priced)
    assert sum("hindi floor of 25 %" in item.text for item in priced) == 1


def twins(weights: tuple[float, float]):
    first, second = DATA.explanation.clusters[0].driver
    share = dict(zip((first, second), weights, strict=True))
    tasks = tuple(
        t.model_copy(update={"weight": share.get(t.name, t.weight)}) for t in DATA.mixture.tasks
    )
    mixture = DATA.mixture.model_copy(update={"tasks": tasks})
    return reasons.shared_twins(mixture, DATA.explanation, [(second, first)]), first, second


def test_twins_that_both_get_weight_are_named_and_the_cheaper_one_offered():
    found, first, second = twins((0.05, 0.08))
    found = only(found)
    assert found.title == f"{first} and {second} are near twins, and both get weight"
    assert f"{first} 5.0{THIN}% and {second} 8.0{THIN}%" in found.text
    loss = {row.name: row.cost for row in DATA.explanation.without}
    spare = min((first, second), key=lambda name: (loss[name] is None, loss[name] or 0))
    assert found.what_to_do == f"If rows of {spare} are dear, leave it out."
    assert twins((0.05, 0.03))[0] == []  # below half of uniform: one has given way
    assert reasons.shared_twins(DATA.mixture, DATA.explanation, []) == []
    assert reasons.shared_twins(DATA.mixture, None, [(first, second)]) == []


@pytest.mark.parametrize(("share", "count"), [(0.51, 1), (0.5, 0), (0.1, 0)])
def test_ties_are_a_finding_when_they_are_most_pairs(share, count):
    ties = DATA.explanation.ties.model_copy(update={"share": share})
    found = reasons.ties(DATA.mixture, explanation(ties=ties))
    assert len(found) == count
    if found:
        assert found[0].title == f"51{THIN}% of the pairs of tasks cannot be told apart"
        assert "probes.per_task" in found[0].what_to_do


def test_an_even_mixture_has_nothing_to_tell_apart():
    even = tuple(t.model_copy(update={"weight": 1 / 16}) for t in DATA.mixture.tasks)
    mixture = DATA.mixture.model_copy(update={"tasks": even})
    assert reasons.ties(mixture, DATA.explanation) == []
    assert reasons.ties(DATA.mixture, Explanation()) == []


def test_tasks_that_half_of_the_replicas_leave_out_are_there_by_chance():
    top = max(DATA.mixture.tasks, key=lambda t: t.weight).name

    def chance(selected):
        tasks = tuple(
            t.model_copy(update={"selected": selected}) if t.name == top else t
            for t in DATA.mixture.tasks
        )
        return reasons.by_chance(DATA.mixture.model_copy(update={"tasks": tasks}))

    assert only(chance(0.49)).title == f"{top} is in the mixture by chance"
    assert chance(0.5) == [] and chance(None) == []


@pytest.mark.parametrize(("jump", "level"), [(0.64, "warning"), (0.7, "note"), (0.55, "warning")])
def test_a_jump_near_the_chosen_t_is_a_warning(jump, level):
    path = DATA.explanation.path.model_copy(update={"jumps": (jump,)})
    found = only(reasons.jumps(DATA.mixture, explanation(path=path)))
    assert (found.level, found.title) == (level, f"The mixture jumps at t = {jump:g}")
    assert ("The chosen t = 0.6 is close." in found.text) == (level == "warning")
    assert "ridge" in found.what_to_do
    assert reasons.jumps(DATA.mixture, DATA.explanation) == []


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "warning"),  # 0.0006 of the 0.012 gained over the best single task: 5 %
        ({"gap": 0.0001}, "note"),
        ({"single": None, "single_value": None}, "note"),  # 0.1 % of D
        ({"single": None, "single_value": None, "relative_gap": 0.02}, "warning"),
    ],
)
def test_a_selection_without_a_proof_is_said(changes, level):
    selection = DATA.mixture.selection.model_copy(update=changes)
    found = only(reasons.unproven(DATA.mixture.model_copy(update={"selection": selection})))
    assert (found.level, found.title) == (level, "A better set of tasks may exist")
    assert found.text.startswith("The search ended at its node limit")
    assert "time_limit" in found.what_to_do  # the command line has no option for it
    assert "time_limit" in inspect.signature(select).parameters


def test_a_proven_selection_and_none_are_no_finding():
    proven = DATA.mixture.selection.model_copy(update={"proven": True})
    for selection in (proven, None):
        mixture = DATA.mixture.model_copy(update={"selection": selection})
        assert reasons.unproven(mixture) == []
