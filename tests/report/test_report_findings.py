"""Every finding appears when it should, says what to do, and stays away when it should."""

from dataclasses import replace

import numpy as np
import pytest
from report_cases import case, explained

from mishran.affinity import AffinityDiagnostics
from mishran.mixture import RepairFile
from mishran.report import findings
from mishran.report.data import BaseFacts, DiagnosticsView, Finding, SpecialistRow
from mishran.types import Affinity, Repair

DATA = case(16)


def mixture(**changes):
    return DATA.mixture.model_copy(update=changes)


def tasks(**changes):
    """All tasks of the mixture with the same changes."""
    return tuple(task.model_copy(update=changes) for task in DATA.mixture.tasks)


def proof(**changes):
    none = {"floors": {}, "caps": {}, "lower": {}, "upper": {}}
    return DATA.mixture.certificate.model_copy(update=none | changes)


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1
    assert found[0].level == "note" or found[0].what_to_do
    return found[0]


def test_a_warning_without_a_remedy_is_our_mistake():
    with pytest.raises(ValueError, match="'lost' must say what to do"):
        Finding("warning", "lost", "somewhere")


def test_the_planted_random_task_comes_first_and_with_its_share():
    found = findings.find(
        DATA.mixture, DATA.affinity, DATA.diagnostics, DATA.specialists, DATA.base
    )
    assert found[0].title == "The prompt makes no difference to coin_flips"
    assert "It gets 20.0\u202f% of the rows" in found[0].text
    assert all(finding.what_to_do for finding in found if finding.level == "warning")


def test_nothing_is_said_about_a_mixture_without_faults():
    even = tasks(weight=1 / 16, low=0.06, high=0.07, epochs=0.5)
    fine = mixture(tasks=even, certificate=proof())
    matrix = np.full((16, 16), 0.5) + 0.5 * np.eye(16)
    affinity = Affinity(DATA.names, matrix, "jsd", np.zeros((0, 16, 16)))
    found = findings.find(fine, affinity, DiagnosticsView(), DATA.specialists[:3], DATA.base)
    assert [finding.level for finding in found] == ["note"]  # across languages, always of interest


def test_specialists_without_gain_are_named_with_their_numbers():
    row = SpecialistRow("snli_entailment", (), "no gain", 3.1, 3.09, 0.01, -0.04, 0.06)
    found = only(findings.no_gain(DATA.mixture, [row]))
    assert found.level == "warning"
    assert "snli_entailment 0.010 (−0.040 to 0.060)" in found.text
    assert "specialists.tokens" in found.what_to_do
    assert findings.no_gain(DATA.mixture, [replace(row, status="learned")]) == []


def test_a_gain_without_an_interval_is_said_and_proves_nothing():
    row = replace(DATA.specialists[0], status="not measured", gain_low=None, gain_high=None)
    found = only(findings.not_measured(DATA.mixture, [row, *DATA.specialists[1:]]))
    assert found.title == "It was not measured whether capitals was learned"
    assert "at least two different ones" in found.what_to_do
    assert found in findings.find(DATA.mixture, DATA.affinity, DATA.diagnostics, [row])
    assert findings.not_measured(DATA.mixture, DATA.specialists) == []


def test_a_gain_that_was_not_measured_is_a_dash():
    row = SpecialistRow("capitals", (), "prompt ignored")
    found = only(findings.prompt_ignored(DATA.mixture, [row]))
    assert "capitals – (–)" in found.text
    assert " 0.000" not in found.text


def test_why_tasks_get_nothing_and_only_what_can_be_done():
    none = tuple(t.model_copy(update={"weight": 0.0}) for t in tasks(weight=1 / 14)[:2])
    rest = tasks(weight=1 / 14)[2:]
    utility = mixture(tasks=none + rest, parameters={"unary": "utility", "floors": {}})
    found = only(findings.nothing(utility))
    assert "others are worth more" in found.text and "unary.strength" in found.what_to_do
    assert "t towards 1" not in found.what_to_do
    full = {"unary": "coverage", "floors": {rest[0].name: 1.0}}
    found = only(findings.nothing(mixture(tasks=none + rest, parameters=full)))
    assert "floor" not in found.what_to_do and "t towards 1" in found.what_to_do
    kept_out = {"unary": "coverage", "caps": {t.name: 0.0 for t in none}}
    assert findings.nothing(mixture(tasks=none + rest, parameters=kept_out)) == []


@pytest.mark.parametrize(
    ("t", "few", "why", "remedy"),
    [
        (0.6, False, "others stand for it in the affinity.", "move t towards 1"),
        (1.5, False, "others are more central.", "move t towards 1"),
        (0.6, True, "at most 10 of 16 were allowed.", "allow more tasks (`max_tasks`)"),
    ],
)
def test_the_reason_for_nothing_is_the_true_one(t, few, why, remedy):
    even = tasks(weight=1 / 15)
    out = (even[0].model_copy(update={"weight": 0.0}), *even[1:])
    found = only(
        findings.nothing(
            mixture(
                tasks=out,
                parameters={"unary": "coverage", "t": t},
                selection=explained().mixture.selection if few else None,
            )
        )
    )
    assert found.title == "1 of 16 tasks gets nothing"
    assert f"capitals: {why}" in found.text
    assert found.what_to_do.endswith(f", or {remedy}.")


def test_no_twins_where_most_pairs_are_the_same():
    names = DATA.affinity.names
    same = replace(DATA.affinity, matrix=np.ones((len(names), len(names))))
    view = replace(DATA.diagnostics, twins=((names[0], names[1]),))
    assert findings.twins(same, view) == []


def test_targets_that_take_everything_are_said_to_and_nothing_else():
    first = DATA.mixture.tasks[0].name
    alone = tuple(
        t.model_copy(update={"weight": float(t.name == first)}) for t in DATA.mixture.tasks
    )
    parameters = {"unary": "target", "targets": [first], "strength": 1.0}
    target = mixture(tasks=alone, parameters=parameters)
    found = only(findings.own_target(target))
    assert found.title == f"{first} takes everything"
    assert f"`caps: {{{first}: 0.3}}`" in found.what_to_do
    every = findings.find(target, DATA.affinity, DATA.diagnostics)
    assert not [finding for finding in every if "nothing" in finding.title]
    assert findings.own_target(mixture(parameters=parameters)) == []
    assert findings.own_target(mixture(tasks=alone)) == []


def test_tasks_that_get_nothing_are_named_and_floors_advised():
    even = tasks(weight=1 / 14)
    none = tuple(task.model_copy(update={"weight": 0.0}) for task in even[:2])
    found = only(findings.nothing(mixture(tasks=none + even[2:])))
    assert found.title == "2 of 16 tasks get nothing"
    assert "capitals and country_currencies:" in found.text
    assert findings.nothing(mixture(tasks=even)) == []
    assert "floors: {capitals: 0.02}" in found.what_to_do


def test_twins_are_mutual_and_independent_of_a_constant_and_of_the_order():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(6, 40))
    points[4] = points[1] + 0.05 * rng.normal(size=40)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    names = tuple("abcdef")

    def twins(matrix, order=range(6)):
        order = list(order)
        matrix = matrix[np.ix_(order, order)]
        label = tuple(names[i] for i in order)
        affinity = Affinity(label, matrix, "jsd", np.zeros((0, 6, 6)))
        return findings.twins(
            affinity, DiagnosticsView(twins=AffinityDiagnostics.of(affinity).twins)
        )

    gram = points @ points.T
    assert only(twins(gram)).title == "Near twins: b and e"
    assert only(twins(gram + 7.0)).title == "Near twins: b and e"
    assert only(twins(gram, (5, 4, 3, 2, 1, 0))).title == "Near twins: e and b"
    assert twins(np.eye(6)) == []


def test_twins_are_those_of_the_diagnostics_the_closest_first():
    close = DATA.affinity.matrix.copy()
    close[0, 1] = close[1, 0] = 0.99
    names = DATA.affinity.names
    view = DiagnosticsView(twins=((names[4], names[5]), (names[0], names[1])))
    found = only(findings.twins(replace(DATA.affinity, matrix=close), view))
    assert found.title == f"Near twins: {names[0]} and {names[1]}; {names[4]} and {names[5]}"
    assert findings.twins(DATA.affinity, DiagnosticsView()) == []


def test_the_closest_pair_of_two_languages_is_found_and_only_with_groups():
    matrix = np.full((16, 16), 0.5) + 0.5 * np.eye(16)
    matrix[0, 3] = matrix[3, 0] = 0.8
    affinity = replace(DATA.affinity, matrix=matrix)
    found = only(findings.across_languages(DATA.mixture, affinity))
    assert found.title == "Closest across languages: capitals and राजधानी"
    assert found.text == "english and hindi, similarity 0.80: the closest pair of all."
    matrix[0, 1] = matrix[1, 0] = 0.9  # both English
    found = only(findings.across_languages(DATA.mixture, replace(affinity, matrix=matrix)))
    assert "closer than 99\u202f% of all pairs" in found.text
    assert findings.across_languages(mixture(tasks=tasks(groups=())), DATA.affinity) == []


def test_the_outlier_has_the_smallest_row_sum():
    assert (
        only(findings.outlier(DATA.mixture, DATA.diagnostics)).title
        == "coin_flips stands apart from all others"
    )
    close = DiagnosticsView(row_sums={"a": 2.0, "b": 2.1, "c": 2.2})
    assert only(findings.outlier(DATA.mixture, close)).title == "a is least like the rest"
    assert findings.outlier(DATA.mixture, DiagnosticsView()) == []
    alike = DiagnosticsView(row_sums={"a": 3.0, "b": 3.0 + 1e-15, "c": 3.0})
    assert findings.outlier(DATA.mixture, alike) == []
    tiny = DiagnosticsView(row_sums={"a": 2e-12, "b": 2.1e-12, "c": 2.2e-12})
    assert "sum to 2 × 10⁻¹²; the median" in only(
        findings.outlier(DATA.mixture, tiny)
    ).text.replace("\u202f", " ")


def test_repairs_say_size_and_cost_and_rounding_is_left_out():
    shift = RepairFile(name="shift", amount=0.04, detail="tangent shift", energy_cost=0.0021)
    found = only(findings.repaired(mixture(repairs=(shift,)), DATA.affinity))
    assert "tangent shift. Size: 0.04. It adds 0.0021 to the energy of this mixture." in found.text
    tiny = Repair("symmetrised", 1e-12, "mean of both halves")
    assert findings.repaired(DATA.mixture, replace(DATA.affinity, repairs=(tiny,))) == []


def test_paper_mode_and_other_remarks_of_the_solver():
    lost = ("38 % of the energy drop is lost.",)
    far = proof(gap=0.01, relative_gap=0.016)
    clipped = mixture(method="taskpgm-paper-clip", warnings=lost, certificate=far)
    paper = only(findings.closed_form(clipped))
    assert paper.text == lost[0]
    assert "solution: exact" in paper.what_to_do
    agrees = mixture(method="taskpgm-paper-clip", warnings=lost)
    assert only(findings.closed_form(agrees)).level == "note"
    assert only(findings.closed_form(mixture(warnings=lost))).title == "The solver has a remark"
    assert findings.closed_form(DATA.mixture) == []


def test_at_t_1_it_is_said_that_the_affinity_decides_nothing():
    chosen = {**DATA.mixture.parameters, "unary": "coverage", "t": 1.0}
    assert "budget" in only(findings.even_by_t(mixture(parameters=chosen))).what_to_do
    for other in ({"t": 0.9}, {"unary": "target"}, {"t": None}):
        assert findings.even_by_t(mixture(parameters=chosen | other)) == []
    assert findings.even_by_t(mixture(parameters=chosen, method="curves")) == []


def test_bounds_that_hold_are_named_and_zero_weights_are_not_bounds():
    held = proof(floors={"hindi": 0.01}, caps={"facts": 0.02}, lower={"coin_flips": 0.1})
    found = only(findings.bounds(mixture(certificate=held)))
    assert "the floor of hindi, the cap of facts and the floor of coin_flips" in found.text
    unused = min(DATA.mixture.tasks, key=lambda task: task.weight)
    assert unused.weight == 0
    assert findings.bounds(mixture(certificate=proof(lower={unused.name: 0.1}))) == []
    assert findings.bounds(mixture(certificate=proof(floors={"hindi": 1e-15}))) == []


def test_an_optimum_that_is_not_unique():
    assert "ridge" in only(findings.not_unique(mixture(unique=False))).what_to_do


def test_intervals_that_contain_uniform_and_intervals_that_are_missing():
    unsure = mixture(tasks=tasks(low=0.01, high=0.2))
    assert only(findings.wide(unsure)).title == "16 of 16 weights cannot be told from uniform"
    assert findings.wide(DATA.mixture) == []
    none = tasks(low=None, high=None)
    for changes, text in (
        ({"replicas": 0}, "no bootstrap replicas"),
        ({"replicas": 0, "affinity": "matrix"}, "A matrix alone"),
        ({"replicas": 0, "method": "taskpgm-paper-clip"}, "exact solution only"),
    ):
        assert text in only(findings.wide(mixture(tasks=none, **changes))).text


def test_the_bound_of_all_is_no_cap():
    """One task with everything sits on p <= 1, which nobody chose."""
    first, *rest = DATA.mixture.tasks
    whole = (
        first.model_copy(update={"weight": 1.0}),
        *(t.model_copy(update={"weight": 0.0}) for t in rest),
    )
    assert findings.bounds(mixture(tasks=whole, certificate=proof(upper={first.name: 1.0}))) == []
    held = only(findings.bounds(mixture(certificate=proof(upper={first.name: 1.0}))))
    assert f"the cap of {first.name}" in held.text


def test_repeated_epochs_and_additive_affinity():
    assert "max_epochs: 4" in only(findings.repeated(mixture(tasks=tasks(epochs=9.0)))).what_to_do
    assert findings.repeated(DATA.mixture) == []
    additive = DiagnosticsView(additive_share=0.79)
    found = only(findings.difficulty(mixture(affinity="pmi-sum"), additive))
    assert "79\u202f%" in found.title and "pmi-mean" in found.what_to_do
    assert only(findings.difficulty(DATA.mixture, additive)).level == "note"
    assert findings.difficulty(DATA.mixture, DiagnosticsView()) == []


def test_few_probes_are_counted_task_by_task_and_a_single_one_is_explained():
    plenty = {f"t{i}": 32 for i in range(9)}
    few = BaseFacts("base", probes=9 * 32 + 9, task_probes={**plenty, "poor": 8, "single": 1})
    found = only(findings.few_probes(few))
    assert found.title == "Few probes in 2 of 11 tasks"
    assert found.text == (
        "Fewer than 16: single 1, poor 8. A single probe does not vary from replica to replica, so "
        "intervals are too narrow as far as they rest on single."
    )
    assert "single probe" not in only(findings.few_probes(BaseFacts("b", 8, 1, {"poor": 8}))).text
    assert findings.few_probes(BaseFacts("base", task_probes=plenty)) == []
    assert findings.few_probes(BaseFacts("base")) == findings.few_probes(None) == []
