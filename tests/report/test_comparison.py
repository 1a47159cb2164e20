"""The page and the Markdown of a comparison: facts, gaps, hostile names, bytes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from comparison_cases import World, world
from comparison_pages import HOSTILE, page_case
from reading import Reader

from mishran.comparison import Comparison
from mishran.report import comparison as page
from mishran.report import comparison_markdown, comparison_rows, render_comparison
from mishran.report import numbers as say

SHAPES = {
    "usual": {},
    "two methods, one seed": {"methods": 1, "seeds": 1, "tasks": 3},
    "thirty methods": {"methods": 30, "seeds": 5, "tasks": 8},
    "hostile": {"methods": 8, "seeds": 2, "tasks": 7, "hostile": True},
}


@pytest.fixture(scope="module")
def made() -> dict[str, Comparison]:
    return {name: page_case(**shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_page_is_whole_loads_nothing_and_runs_nothing(made, shape):
    read = Reader(render_comparison(made[shape], HOSTILE if shape == "hostile" else "Title"))
    assert read.stack == []
    assert "script" not in read.tags
    assert all(link == "data:," or link.startswith("#") for link in read.links)
    assert made[shape].overall in read.text
    for method in made[shape].methods:
        assert method.label in read.text


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_comparison_gives_the_same_bytes(made, shape):
    again = Comparison.from_json(made[shape].to_json())
    assert render_comparison(again, "t") == render_comparison(made[shape], "t")
    assert comparison_markdown(again, "t") == comparison_markdown(made[shape], "t")


def test_hostile_names_are_text(made):
    html = render_comparison(made["hostile"], HOSTILE)
    assert "<script" not in html and html.count("&lt;script&gt;") > 20
    text = comparison_markdown(made["hostile"], HOSTILE)
    assert "<script" not in text.replace("\\<", "")
    for line in text.splitlines():
        assert not re.search(r"(?<!\\)`", line)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_of_a_markdown_table_has_the_cells_of_its_head(made, shape):
    count = rows = 0
    for line in comparison_markdown(made[shape], "T").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (cells and count) or cells == count, line
        count, rows = cells, rows + bool(cells)
    assert rows > 15


def test_what_is_missing_is_a_dash_and_is_listed(made):
    comparison = made["usual"]
    gone = comparison.methods[-1]
    assert gone.seeds == ()
    rows = {r.method: r for r in comparison_rows.effect_rows(comparison, "all tasks", "loss")}
    row = rows[gone.method]
    shown = (row.mean, row.difference, row.interval, row.p, row.examples, row.wins)
    assert set(shown) == {say.DASH} and row.outcome == "missing"
    grid = comparison_rows.task_grid(comparison)
    column = grid.methods.index(gone.label)
    assert {cells[column].level for _, cells in grid.rows} == {None}
    for text in (render_comparison(comparison, "t"), comparison_markdown(comparison, "t")):
        assert "the loss is NaN at step 212" in text
        assert text.count("there is no result") == 4
        assert "Uniform, 2 000 000 tokens" in text.replace("\u202f", " ")
        assert "no space left on device" in text
    mark = next(m for m in page.forest(comparison).marks if m.row.method == gone.method)
    assert (mark.mean, mark.seeds, mark.interval, mark.examples) == (None, (), None, None)


def test_a_method_without_a_mixture_has_dashes_for_weights(made):
    methods = list(made["usual"].methods)
    methods[1] = methods[1].model_copy(update={"weights": {}})
    found = comparison_rows.weight_grid(
        made["usual"].model_copy(update={"methods": tuple(methods)})
    )
    assert {cells[1] for _, cells in found.rows} == {(0, say.DASH)}
    assert len(found.rows) == 14


@pytest.mark.parametrize("rounding", [0.0, 1e-15])
def test_runs_that_equal_those_of_uniform_can_be_drawn(rounding):
    place = world()
    uniform = [r for r in place.draw()[0] if r.method == "uniform"]
    copies = [
        replace(
            r,
            method="clever",
            tasks={n: replace(t, nats=t.nats * (1 + rounding)) for n, t in r.tasks.items()},
        )
        for r in uniform
    ]
    drawn = page.forest(place.compare([*uniform, *copies]))
    assert drawn.marks[0].mean == pytest.approx(drawn.zero, abs=1e-6)
    assert drawn.zero == pytest.approx(50) and len(drawn.ticks) > 2


def test_a_comparison_without_gaps_groups_or_curve_leaves_those_parts_out():
    comparison = world().compare()
    html = render_comparison(comparison, "t")
    for part in ("missing", "equal"):
        assert f'id="{part}"' not in html and f'href="#{part}"' not in html
    assert 'id="tasks"' in html and "grid-table" not in html.split("</style>")[1]
    text = comparison_markdown(comparison, "t")
    assert "## Missing" not in text and "equal loss" not in text
    assert "Bits per byte" not in text and "Accuracy" not in text


def test_methods_stand_best_first_and_uniform_on_top(made):
    comparison = made["thirty methods"]
    for measure, sign in (("loss", 1), ("accuracy", -1)):
        rows = comparison_rows.effect_rows(comparison, "all tasks", measure)
        assert rows[0].method == "uniform" and rows[0].difference == say.DASH
        found = [comparison.effect(r.method, measure=measure).difference for r in rows[1:]]
        means = [sign * d.mean for d in found if d]
        assert means == sorted(means) and found[-1] is None


def test_marks_stand_where_their_numbers_are(made):
    comparison = made["thirty methods"]
    drawn = page.forest(comparison)
    numbers = {tick.label: tick.at for tick in drawn.ticks}
    values = sorted((float(k.replace(say.MINUS, "-")), v) for k, v in numbers.items())
    (a, x), (b, y) = values[0], values[-1]

    def at(value):
        return x + (value - a) * (y - x) / (b - a)

    assert drawn.zero == pytest.approx(at(0))
    for mark in drawn.marks:
        found = comparison.effect(mark.row.method).difference
        if found is None:
            continue
        assert mark.mean == pytest.approx(at(found.mean))
        assert mark.seeds == pytest.approx([at(v) for v in found.by_seed.values()])
        assert mark.examples == pytest.approx((at(found.example_low), at(found.example_high)))
        if not (mark.left or mark.right):
            assert mark.interval == pytest.approx((at(found.low), at(found.high)))


def test_an_interval_that_would_flatten_the_picture_is_cut():
    """Two seeds: 12.7 standard errors to each side."""
    drawn = page.forest(page_case(methods=8, seeds=2, tasks=7))
    cut = [mark for mark in drawn.marks if mark.left or mark.right]
    assert drawn.cut and cut
    assert all(0 <= end <= 100 for mark in cut for end in mark.interval)
    whole = page.forest(page_case(methods=3, seeds=5, tasks=4))
    assert not whole.cut


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0123, 3, "+0.012"),
        (-0.0123, 3, "−0.012"),
        (0.0001, 3, "0.000"),
        (-0.0001, 3, "0.000"),
        (None, 3, "–"),
        (12.0, 1, "+12.0"),
    ],
)
def test_signs(value, digits, text):
    assert comparison_rows.signed(value, digits) == text


def test_small_differences_get_the_digits_they_need():
    assert comparison_rows.digits_of([0.2, None]) == 3
    assert comparison_rows.digits_of([-0.03]) == 4
    assert comparison_rows.digits_of([0.0004, 0.0001]) == 6
    assert comparison_rows.digits_of([0.0]) == comparison_rows.digits_of([]) == 3


def test_shades_grow_with_the_difference(made):
    comparison = made["usual"]
    for _, cells in comparison_rows.task_grid(comparison).rows:
        known = [
            (float(c.text.replace(say.MINUS, "-")), c.level) for c in cells if c.text != say.DASH
        ]
        for difference, level in known:
            assert -4 <= level <= 4 and level * difference >= 0
        ordered = [level for _, level in sorted(known)]
        assert ordered == sorted(ordered)


def test_equal_loss_in_words(made):
    comparison = made["usual"]
    rows = {r.label: r for r in comparison_rows.equal_rows(comparison, "all tasks")}
    facts = {e.method: e for e in comparison.equal_loss if e.group == "all tasks"}
    names = comparison_rows.labels(comparison)
    assert {names[m] for m in facts} == set(rows)
    sides = set()
    for method, found in facts.items():
        row = rows[names[method]]
        sides.add(found.side)
        if found.side == "never":
            assert row.ratio == "> 2.00×" and row.tokens.startswith("> ")
        if found.side == "before":
            assert row.ratio == "< 0.25×"
        if found.side == "reached":
            assert row.ratio == f"{found.ratio + 1e-12:.2f}×"
    assert sides >= {"never", "reached"}
    one = replace_seeds(comparison)
    assert {r.interval for r in comparison_rows.equal_rows(one, "all tasks")} == {say.DASH}
    first = comparison.equal_loss[0].model_copy(
        update={"low": 2e6, "high": None, "seeds": 3, "first_tokens": 25e4, "last_tokens": 2e6}
    )
    for update, text in (
        ({}, "> 2.00×"),
        ({"low": None, "high": 25e4}, "< 0.25×"),
        ({"low": None, "high": 1e6}, "< 0.25× to 1.00×"),
        ({"low": 5e5, "high": None}, "0.50× to > 2.00×"),
    ):
        alone = comparison.model_copy(update={"equal_loss": (first.model_copy(update=update),)})
        (row,) = comparison_rows.equal_rows(alone, first.group)
        assert row.interval == text


def replace_seeds(comparison: Comparison) -> Comparison:
    rows = tuple(
        e.model_copy(update={"seeds": 1, "low": None, "high": None}) for e in comparison.equal_loss
    )
    return comparison.model_copy(update={"equal_loss": rows})


def test_checkpoints_are_said_to_flatter_mixtures(made):
    setting = made["usual"].setting.model_copy(update={"curve": "checkpoints"})
    text = comparison_markdown(made["usual"].model_copy(update={"setting": setting}), "t")
    assert "makes mixtures look faster than they are" in text


def test_no_bootstrap_is_said():
    comparison = world().compare(replicas=0)
    assert "Interval over examples: not drawn." in comparison_markdown(comparison, "t")
    assert "band-key" not in render_comparison(comparison, "t").split("</style>")[1]


def test_warnings_are_shown():
    place: World = world()
    runs = place.draw()[0]
    runs = [replace(r, train_tokens=r.train_tokens * (1 + (r.method != "uniform"))) for r in runs]
    comparison = place.compare(runs)
    for text in (render_comparison(comparison, "t"), comparison_markdown(comparison, "t")):
        assert "The budgets are not equal" in text
