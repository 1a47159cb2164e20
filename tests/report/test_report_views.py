"""Three views and one page of the same facts: complete, escaped, deterministic, never a false 0."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report_cases import case
from rich.console import Console

from mishran.report import as_dict, find, markdown, render_html, terminal
from mishran.report import numbers as say
from mishran.report.data import Curve, DiagnosticsView, Finding, ReportData, SpecialistRow
from mishran.report.order import level_edges, levels, similarity_order
from mishran.report.plot import share_axis
from mishran.report.table import task_rows

HOSTILE = "</script><img src=x onerror=alert(1)>|`*[&\"'"


def full(n: int = 16, **changes) -> ReportData:
    data = case(n, **changes)
    found = find(data.mixture, data.affinity, data.diagnostics, data.specialists, data.base)
    return replace(data, findings=found)


def bare() -> ReportData:
    """Solved from a matrix: no specialists, no replicas, no rows, no dial."""
    data = case(5)
    nothing = {k: None for k in ("low", "high", "rows", "epochs", "tokens", "available_rows")}
    tasks = tuple(task.model_copy(update=nothing | {"groups": ()}) for task in data.mixture.tasks)
    return ReportData(
        title="A matrix",
        mixture=data.mixture.model_copy(update={"tasks": tasks, "replicas": 0, "budget": None}),
        affinity=replace(data.affinity, replicas=np.zeros((0, 5, 5)), kind="matrix"),
        diagnostics=DiagnosticsView(),
    )


class Page(HTMLParser):
    """Collects tags with attributes, and the text outside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text, self._inside = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text += data


def test_the_three_views_tell_the_same_weights():
    data = full()
    plain = as_dict(data)
    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(terminal(data))
    shown = console.export_text()
    table = markdown(data)
    page = Page(render_html(data)).text
    assert [row["name"] for row in plain["tasks"]] == [row.name for row in task_rows(data)]
    assert sum(row["weight"] for row in plain["tasks"]) == pytest.approx(1)
    for row in task_rows(data):
        line = next(
            x
            for x in table.splitlines()
            if x.startswith(f"| {row.name.replace('_', chr(92) + '_')} ")
        )
        for text in (say.percent(row.weight), say.percent(row.proportional), say.integer(row.rows)):
            assert text in line
            assert text in shown
            assert text in page
    for finding in data.findings:
        assert finding.title in page
        assert finding.title in " ".join(shown.split())
    assert json.loads(json.dumps(plain)) == plain


def test_weights_fall_from_top_to_bottom():
    weights = [row.weight for row in task_rows(full())]
    assert weights == sorted(weights, reverse=True)


def test_missing_numbers_are_dashes_and_nulls_never_zero():
    data = bare()
    plain = as_dict(data)
    assert {row["rows"] for row in plain["tasks"]} == {None}
    assert {row["proportional"] for row in plain["tasks"]} == {None}
    assert plain["diagnostics"]["additive_share"] is None
    assert plain["base"] is None
    first = markdown(data).splitlines()[4]
    assert first.count("–") == 4  # interval, proportional, rows, epochs
    page = Page(render_html(data))
    rows = re.findall(r"Additive share(.)", page.text)
    assert rows == ["–"]
    assert "specialists" not in {dict(attrs).get("id") for _, attrs in page.tags}
    assert "dial" not in {dict(attrs).get("id") for _, attrs in page.tags}
    one = replace(case(5), specialists=(SpecialistRow("capitals"),), curves=())
    assert "gain –" in re.sub(r"\s+", " ", _labelled(render_html(one)))


def _labelled(page: str) -> str:
    """Cells of the specialists' table as `label value`."""
    return " ".join(f"{a} {b}" for a, b in re.findall(r'data-label="([^"]+)">([^<]*)<', page))


@pytest.mark.parametrize("value", [None, float("nan")])
def test_numbers_that_are_not_there(value):
    for shown in (say.number, say.compact, say.integer, say.percent, say.epochs):
        assert shown(value) == "–"
    assert say.interval(value, 1.0) == "–"
    assert say.percent_interval(0.1, value) == "–"


def test_numbers_that_are():
    assert say.number(-0.0001, 2) == "0.00"
    assert say.number(-1.25, 1) == "−1.3"
    assert say.percent(1 / 16) == "6.3\u202f%"
    assert say.compact(3.3e-17, 2) == "3.3\u202f×\u202f10⁻¹⁷"
    assert say.compact(float("inf")) == "∞"
    assert say.percent(0.0624999999) == "6.3\u202f%"
    assert say.integer(25_000) == "25\u202f000"
    assert say.names(["a"]) == "a"
    assert say.names(list("abc")) == "a, b and c"
    assert say.names(list("abcdefg")) == "a, b, c, d and 3 more"
    assert say.names(list("abcde")) == "a, b, c, d and e"


def test_hostile_names_stay_text_everywhere():
    data = full(8, tasks=((HOSTILE, "words", (HOSTILE,), 100), ("b", "words", (HOSTILE,), 100)))
    extra = Finding("warning", HOSTILE, HOSTILE, f"`{HOSTILE.replace('`', '')}`")
    mixture = data.mixture.model_copy(
        update={"inputs": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}, "source": HOSTILE}
    )
    data = replace(data, title=HOSTILE, findings=(extra, *data.findings), mixture=mixture)
    text = render_html(data)
    page = Page(text)
    assert [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "link")] == ["link"]
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert HOSTILE in page.text
    island = re.search(r'id="heat-data">(.*?)</script>', text, re.S)
    assert HOSTILE in json.loads(island[1])["names"]
    line = markdown(data).splitlines()[0]
    assert "\\<img" in line and "\\|" in line
    console = Console(width=300, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(terminal(data))
    assert HOSTILE in console.export_text()


def test_names_that_look_like_rich_markup_are_shown_as_they_are():
    data = full(4, tasks=(("[bold]task[/bold]", "words", (), 100),))
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(terminal(data))
    assert "[bold]task[/bold]" in console.export_text()


def test_the_page_loads_nothing():
    text = render_html(full())
    assert "http://" not in text and "https://" not in text
    page = Page(text)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"url\(|@import|@font-face", text)
    sources = [a.get("src") or a.get("href") for _, a in page.tags]
    assert all(s.startswith(("#", "data:")) for s in sources if s)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(s[1:] in ids for s in sources if s and s.startswith("#"))


def test_equal_bytes_in_every_process():
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1])\n"
        "from test_report_views import full, render_html, markdown\n"
        "data = full(12)\n"
        "print(hashlib.sha256((render_html(data) + markdown(data)).encode()).hexdigest())"
    )
    here = str(Path(__file__).parent)
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, here],
            env=os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_order_keeps_families_together_and_ignores_a_constant():
    blocks = np.kron(np.eye(3), np.full((2, 2), 0.5)) + 0.5 * np.eye(6)
    shuffle = [0, 2, 4, 1, 3, 5]
    order = similarity_order(blocks[np.ix_(shuffle, shuffle)])
    family = [shuffle[i] // 2 for i in order]
    assert all(family[k] == family[k + 1] for k in (0, 2, 4))
    assert order == similarity_order(blocks[np.ix_(shuffle, shuffle)] + 3.0)
    assert similarity_order(np.eye(1)) == (0,)


def test_one_outlier_does_not_take_the_shades():
    matrix = case(16).affinity.matrix
    edges = level_edges(matrix)
    level = levels(matrix, edges)[:15, :15]
    off = level[~np.eye(15, dtype=bool)]
    assert edges[0] > matrix.min()
    assert len(set(off.tolist())) >= 7
    assert set(levels(np.ones((3, 3)), level_edges(np.ones((3, 3)))).ravel()) == {4}


@pytest.mark.parametrize("top", [0.003, 0.021, 0.0625, 0.26, 0.5, 1.0])
def test_axis_ticks_are_exact_and_few(top):
    scale, ticks = share_axis(top)
    assert scale >= top
    assert 2 <= len(ticks) <= 7
    for tick in ticks:
        value = float(tick.label.removesuffix("\u202f%")) / 100
        assert value == pytest.approx(scale * tick.at / 100, abs=1e-12)


def test_a_huge_data_set_is_an_arrow_and_does_not_flatten_the_bars():
    data = full(8, tasks=(("huge", "words", (), 10_000_000),))
    page = Page(render_html(data))
    assert any(a.get("class") == "beyond" for _, a in page.tags)
    widths = [
        float(a["style"].removeprefix("width:").removesuffix("%"))
        for _, a in page.tags
        if a.get("class") == "bar" and "style" in a
    ]
    assert max(widths) > 50


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_tasks_have_a_page_too(n):
    data = full(n)
    assert data.title in Page(render_html(data)).text
    assert markdown(data) and as_dict(data)


def test_data_that_do_not_fit_together_are_refused():
    data = case(4)
    with pytest.raises(ValueError, match="same order"):
        replace(data, affinity=replace(data.affinity, names=tuple("abcd")))
    with pytest.raises(ValueError, match="both or neither"):
        replace(data, t_values=None)
    with pytest.raises(ValueError, match=r"t_weights must be \(101, 4\), got \(101, 3\)"):
        replace(data, t_weights=data.t_weights[:, :3])
    with pytest.raises(ValueError, match="ascending"):
        replace(data, t_values=data.t_values[::-1])
    with pytest.raises(ValueError, match="'stranger' is not a task"):
        replace(data, curves=(Curve("stranger", (1.0,), (1.0,)),))
    with pytest.raises(ValueError, match="2 tokens, 1 nats"):
        Curve("a", (1.0, 2.0), (1.0,))
