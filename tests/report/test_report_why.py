"""Why the mixture is what it is: rows, sentences, pictures, and their absence."""

import json
import os
import re
from dataclasses import replace

import pytest
from report_cases import case, explained
from rich.console import Console
from test_report_views import HOSTILE, Page

from mishran.explanation import ClusterFile, Explanation, TiesFile
from mishran.report import as_dict, choice, find, markdown, render_html, terminal, why

SECTIONS = ("ties", "map", "bounds", "redundancy", "selection", "robust")
THIN = "\u202f"


def with_explanation(data, **changes):
    return replace(data, explanation=data.explanation.model_copy(update=changes))


def with_findings(data):
    found = find(
        data.mixture, data.affinity, data.diagnostics, data.specialists, data.base, data.explanation
    )
    return replace(data, findings=found)


def ids(text: str) -> set[str]:
    return {a["id"] for _, a in Page(text).tags if "id" in a}


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace(THIN, " "))


def test_every_section_is_there_and_the_navigation_leads_to_it():
    text = render_html(with_findings(explained()))
    assert set(SECTIONS) <= ids(text)
    links = {a["href"][1:] for tag, a in Page(text).tags if tag == "a" and a["href"] != "#mixture"}
    assert {"map", "dial", "bounds", "redundancy", "selection", "robust"} <= links <= ids(text)


def test_sections_without_data_are_absent():
    data = explained()
    plain = data.mixture.model_copy(update={"selection": None, "robust": None})
    for explanation in (None, Explanation()):
        bare = replace(data, mixture=plain, explanation=explanation)
        text = render_html(with_findings(bare))
        assert not set(SECTIONS) & ids(text)
        assert "dial" in ids(text)
        assert "price" in text  # the multipliers of the certificate stand in for prices
        assert "Price" not in markdown(bare)
    assert as_dict(replace(data, explanation=None))["explanation"] is None
    some = with_explanation(data, prices=(), clusters=(), pairs=(), without=())
    found = ids(render_html(some))
    assert not {"bounds", "redundancy"} & found
    assert {"map", "ties"} <= found
    no_bounds = render_html(with_explanation(data, prices=()))
    assert "What keeps tasks out" in no_bounds and "What bounds cost" not in no_bounds


def test_prices_are_told_in_a_sentence_and_in_numbers():
    share, row = why.price_rows(explained())
    assert share.sentence == (
        "The hindi floor of 25 % costs 0.012 energy; without it hindi would get 17 %."
    )
    assert (share.title, share.held, share.free) == (
        "floor of hindi",
        f"25.0{THIN}%",
        f"17.0{THIN}%",
    )
    assert share.per_point == "0.0031"  # 0.31 per whole share
    assert share.part == f"2{THIN}%"  # 0.012 of 0.61
    assert share.gains.endswith(" +2.1 points")
    assert "−3.4" in share.losses and "−1.1 points" in share.losses
    assert (row.held, row.free, row.per_point) == ("40", "52.5", "0.31")
    assert row.gains == "–"
    page = flat(Page(render_html(explained())).text)
    assert share.sentence in page and row.sentence in page


def test_tasks_that_get_nothing_stand_nearest_first_and_those_kept_out_last():
    data = explained(24)
    rows = why.entry_rows(data)
    out = {t.name for t in data.mixture.tasks if t.weight <= 0}
    assert {row.name for row in rows} == out and len(rows) >= 3
    entries = {row.name: row.entry for row in data.explanation.without}
    assert [row.name for row in rows] == sorted(out, key=lambda name: entries[name])
    barred = rows[0].name
    without = tuple(
        row.model_copy(update={"entry": None}) if row.name == barred else row
        for row in data.explanation.without
    )
    changed = with_explanation(data, without=without)
    assert why.entry_rows(changed)[-1].name == barred
    assert why.entry_rows(changed)[-1].entry == ""
    assert "not chosen" in Page(render_html(changed)).text
    free = data.mixture.model_copy(update={"selection": None})
    assert "bounds keep it out" in Page(render_html(replace(changed, mixture=free))).text


def test_what_is_rounding_beside_the_scale_is_shown_as_nothing():
    data = explained()
    scale = data.mixture.certificate.scale
    without = tuple(
        row.model_copy(update={"cost": 1e-16 * scale, "entry": 1e-16 * scale})
        for row in data.explanation.without
    )
    changed = with_explanation(data, without=without)
    assert {(row.cost, row.part) for row in why.leave_rows(changed)} == {("0", "0\u202f%")}
    assert {(row.entry, row.part) for row in why.entry_rows(changed)} == {("0", "0\u202f%")}


def test_leaving_out_is_sorted_by_cost_and_folded_beyond_twelve():
    data = explained(24)
    rows = why.leave_rows(data)
    costs = {row.name: row.cost for row in data.explanation.without}
    shown = [costs[row.name] for row in rows]
    assert shown[-1] is None and rows[-1].reason == "its own floor of 3 % keeps it in"
    assert shown[:-1] == sorted(shown[:-1], reverse=True)
    assert rows[0].bar == 100
    assert len(rows) > why.LISTED
    text = render_html(data)
    assert f"{len(rows) - why.LISTED} more with weight" in text
    assert len(re.findall(r'class="plain stack leaving"', text)) == 2
    assert "cannot leave: its own floor of 3 % keeps it in" in text
    few = render_html(explained(5))
    assert "more with weight" not in few


def test_clusters_add_up_the_weights_of_their_tasks():
    data = explained()
    (row,) = why.cluster_rows(data)
    assert row.weight == pytest.approx(sum(data.mixture.weights[name] for name in data.names[:3]))
    assert row.uniform == pytest.approx(3 / 16)
    assert row.driver == data.names[:2]
    many = tuple(
        ClusterFile(tasks=(a, b), driver=(a, b), driver_distance=0.1, relative_distance=0.2)
        for a, b in zip(data.names, data.names[1:], strict=False)
    )
    assert len(many) == 15
    assert "3 more clusters" in render_html(with_explanation(data, clusters=many))


def test_ties_are_counted_and_the_top_tasks_name_theirs():
    data = explained()
    assert flat(why.ties(data)) == (
        "Of 120 pairs of tasks the probes cannot tell 72 apart (60 %): which of the two deserves "
        "more is open."
    )
    rows = why.tie_rows(data)
    weights = [row.weight for row in rows]
    assert weights == sorted(weights, reverse=True) and len(rows) == why.TOP
    assert [row.count for row in rows] == [3, 3, 3, 3, 0]
    assert "its place is sure" in Page(render_html(data)).text
    sure = with_explanation(data, ties=TiesFile(share=0.0, tasks={}))
    assert why.ties(sure).startswith("The probes tell the weights of all 120 pairs of tasks apart")


def test_how_often_a_task_is_selected_stands_beside_its_interval():
    data = explained()
    text = render_html(data)
    assert text.count('c-sel always"') == sum(t.weight > 0 for t in data.mixture.tasks)
    assert "in 13\u202f% of the replicas" in text
    assert "Selected" in markdown(data).splitlines()[2]
    assert "Selected" not in markdown(case(16))
    assert 'c-sel"' not in render_html(case(16)).split("</style>")[1]


def test_the_dial_says_what_both_sides_reach():
    lines = why.reach(explained())
    assert lines == (
        "Were any number of tasks allowed: t from 0 to 1 reaches 4.3 to 16 effective tasks, t above "
        "1 reaches 2 to 16.",
        "The picture ends at t = 2; the mixture stays the same from t = 3.5 on.",
    )
    assert why.reach(case(16)) == ()
    free = explained().mixture.model_copy(update={"selection": None})
    assert why.reach(replace(explained(), mixture=free))[0].startswith("t from 0 to 1 reaches 4.3")
    single = explained().explanation.path.model_copy(
        update={"diverse": (1.0, 1.0), "central": (1.0, 1.0)}
    )
    one = with_explanation(replace(explained(), mixture=free), path=single)
    assert why.reach(one)[0] == "t from 0 to 1 reaches 1 effective task, t above 1 reaches 1."
    path = explained().explanation.path.model_copy(update={"jumps": (0.3, 0.7)})
    jumping = with_explanation(explained(), path=path)
    assert "The mixture jumps at t = 0.3 and t = 0.7." in why.reach(jumping)


def test_the_selection_is_told_with_its_gap_its_ratios_and_its_guarantee():
    mixture = explained().mixture
    assert choice.chosen(mixture) == (
        "At most 10 of 16 tasks were allowed, and 3 were chosen, by swaps: capitals, antonyms and "
        "xnli_hi."
    )
    assert flat(choice.proof(mixture)) == (
        "Not proved: the search ended at its node limit after 1 234 nodes, and another set may be "
        "better by up to 0.0006. That is 0.098 % of the energy's scale D, or 5 % of what this set "
        "gains over the best task alone."
    )
    told = {m.name: (m.value, m.meaning) for m in choice.measures(mixture)}
    assert told["Value"][0] == "0.2125"
    assert told["Upper bound"][0] == "0.2131"
    assert told["Measured ratio"][0] == "0.830"
    assert told["Ratio in theory"][0] == "0.021"
    assert told["Guarantee of greedy"][1].startswith("Greedy reaches at least 0.0123 of f(best)")
    done = mixture.selection.model_copy(
        update={
            "proven": True, "gap": 0.0, "vacuous": True, "gamma_measured": None,
            "single": None, "single_value": None, "gamma_theory": 0.0,
        }
    )  # fmt: skip
    mixture = mixture.model_copy(update={"selection": done})
    assert choice.proof(mixture).startswith("Proved: no other set")
    alone = done.model_copy(update={"max_tasks": 1, "chosen": ("capitals",)})
    assert choice.chosen(mixture.model_copy(update={"selection": alone})).startswith(
        "At most 1 of 16 tasks was allowed, and 1 was chosen"
    )
    told = {m.name: (m.value, m.meaning) for m in choice.measures(mixture)}
    assert told["Gap"][1].endswith("nothing but rounding.")
    assert told["Guarantee of greedy"][0] == "none"
    assert "vacuous" in told["Ratio in theory"][1]
    assert (told["Measured ratio"][0], told["Best single task"][0]) == ("–", "–")


def test_robustness_is_told_in_regret():
    mixture = explained().mixture
    what, bought = choice.robust(mixture)
    assert what.endswith("They make the regret least in the worst of the bootstrap replicas.")
    assert flat(bought).startswith(
        "It is 0.0021 for these weights and 0.0028 for those that are not robust; robustness takes "
        "25 % off it."
    )
    assert bought.endswith("7 replicas decide them; under the others the regret is smaller.")
    one = mixture.robust.model_copy(update={"carrying": 1})
    _, bought = choice.robust(mixture.model_copy(update={"robust": one, "replicas": 0}))
    assert "One replica decides them;" in bought
    other = mixture.robust.model_copy(update={"mode": "mean-variance", "kappa": 2.0})
    what, _ = choice.robust(mixture.model_copy(update={"robust": other}))
    assert what.endswith("its mean plus 2 times its standard deviation.")


def test_the_terminal_and_markdown_say_the_essentials():
    data = explained()
    console = Console(width=150, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(terminal(data))
    shown, written = flat(console.export_text()), flat(markdown(data).replace("\\", ""))
    labels = {label for label, _ in why.summary(data)} | {"Selection", "Robust"}
    assert labels == {"Price", "Cluster", "Order", "Dial", "Selection", "Robust"}
    for label, text in (*why.summary(data), *choice.summary(data.mixture)):
        assert f"{label}: {flat(text)}" in shown
        assert f"- {label}: {flat(text)}" in written


def test_the_summary_stays_short():
    data = explained()
    price, (cluster,) = data.explanation.prices[0], data.explanation.clusters
    many = with_explanation(data, prices=(price,) * 40, clusters=(cluster,) * 40)
    lines = why.summary(many)
    assert len(lines) <= 10
    assert ("Price", "37 more bounds have a price.") in lines
    page = render_html(many)
    assert page.count("The hindi floor of 25 %") == why.LISTED
    assert "28 cheaper bounds are not listed" in page


def test_json_holds_prices_clusters_ties_path_selection_and_robustness():
    data = explained()
    plain = as_dict(data)
    assert json.loads(json.dumps(plain)) == plain
    told = plain["explanation"]
    assert told["prices"][0]["sentence"].startswith("the hindi floor")
    assert told["clusters"][0]["weight"] == pytest.approx(why.cluster_rows(data)[0].weight)
    assert told["ties"] == {"share": 0.6}
    assert told["path"] == {
        "diverse": [4.31, 16.0], "central": [2.0, 16.0], "jumps": [], "breakpoints": 12,
    }  # fmt: skip
    assert plain["selection"]["nodes"] == 1234
    assert plain["robust"]["mode"] == "worst"
    assert plain["tasks"][0]["selected"] == 1.0


def test_hostile_names_stay_text_in_every_part():
    data = explained(8, tasks=((HOSTILE, "words", (HOSTILE,), 100),))
    hostile = data.explanation.prices[0].model_copy(
        update={"name": HOSTILE, "sentence": HOSTILE, "gains": {HOSTILE: 0.01}}
    )
    cluster = data.explanation.clusters[0]
    assert HOSTILE in cluster.tasks
    data = with_explanation(data, prices=(hostile,))
    mixture = data.mixture.model_copy(
        update={
            "selection": data.mixture.selection.model_copy(
                update={"chosen": (HOSTILE,), "single": HOSTILE, "guarantee_in_words": HOSTILE}
            )
        }
    )
    text = render_html(with_findings(replace(data, mixture=mixture)))
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "object")]
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count(HOSTILE) > 10
    assert "\\<img" in markdown(data)


def test_tables_have_heads_and_figures_have_words():
    text = render_html(explained(24))
    tables = re.findall(r'<table role="table" class="plain stack.*?</table>', text, re.S)
    assert len(tables) >= 5
    for table in tables:
        heads = len(re.findall(r'<th role="columnheader" scope="col"', table))
        assert heads >= 4 and "<caption" in table
        for row in re.findall(r'<tr role="row"><th role="rowheader".*?</tr>', table, re.S):
            spanned = sum(int(n) - 1 for n in re.findall(r'colspan="(\d+)"', row))
            assert 1 + row.count("<td role=") + spanned == heads
    assert re.search(r'<div class="map-box" role="img" aria-label="Map of 24 tasks. ([^"]+)"', text)


def test_small_changes_keep_a_digit():
    assert (
        why.moved({"a": 0.0123, "b": 0.0003, "c": -0.00002}, "") == "a 1.2, b 0.03, c −0.002 points"
    )
    assert why.moved({}, "+") == "–"


def test_findings_of_the_explanation_reach_the_page():
    titles = [finding.title for finding in with_findings(explained()).findings]
    assert "A better set of tasks may exist" in titles
    assert f"60{THIN}% of the pairs of tasks cannot be told apart" in titles
    assert not [title for title in titles if title.endswith("the certificate has the price")]


def test_small_costs_read_as_in_the_tables():
    told = why.sentence(
        "the 1e-05 cap of 2.0 % costs 8e-05 energy; without it 1e-05 would get 3.0 %"
    )
    assert told == (
        "The 1e-05 cap of 2.0 % costs 8\u202f×\u202f10⁻⁵ energy; without it 1e-05 would get 3.0 %."
    )
    assert "costs 0.012 energy;" in why.sentence("the x cap of 1 % costs 0.012 energy; without it")
