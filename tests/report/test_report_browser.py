"""The page in Chromium: opens from disk, loads nothing, moves, and fits."""

from dataclasses import replace

import numpy as np
import pytest
from looks import contrast, sticking_out
from report_cases import case, explained

from mishran.report import find, render_html
from mishran.report.table import task_rows

LONG = tuple(
    (
        f"{'a_task_whose_name_is_as_long_as_sixty_characters_' * 2}"[:57] + f"_{i:02d}",
        "words",
        (),
        900,
    )
    for i in range(12)
)
UNBROKEN = (("w" * 60, "words", ("g" * 60,), 900), ("v" * 60, "words", ("g" * 60,), 900))
KINDS = {
    "plain": case,
    "explained": explained,
    "jumping": lambda n: jumping(n),
    "long": lambda n: explained(n, tasks=(*UNBROKEN, *LONG)),
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Reports by number of tasks and kind, written once: (data, address)."""
    folder, made = tmp_path_factory.mktemp("reports"), {}

    def page(n: int, kind: str):
        if (n, kind) not in made:
            data = KINDS[kind](n)
            found = find(
                data.mixture,
                data.affinity,
                data.diagnostics,
                data.specialists,
                data.base,
                data.explanation,
            )
            path = folder / f"report-{n}-{kind}.html"
            path.write_text(render_html(replace(data, findings=found)), encoding="utf-8")
            made[n, kind] = data, path.as_uri()
        return made[n, kind]

    return page


@pytest.fixture
def open_page(visit, pages):
    def open_(n: int = 24, width: int = 1400, kind: str = "plain", **options):
        data, address = pages(n, kind)
        return visit(address, width, reduced_motion="reduce", **options), data

    return open_


def shown_bars(page) -> tuple[np.ndarray, list[str]]:
    """Widths of the dial's bars as a share of their track, and the numbers beside them."""
    widths = page.eval_on_selector_all(
        "#dial-bars li",
        """rows => rows.map(row => row.querySelector('.bar').getBoundingClientRect().width
            / row.querySelector('.track').getBoundingClientRect().width)""",
    )
    return np.array(widths), page.locator("#dial-bars .num").all_text_contents()


def expected(data, index: int) -> np.ndarray:
    return data.t_weights[index][[data.names.index(row.name) for row in task_rows(data)]]


def check_bars(page, weights: np.ndarray) -> None:
    widths, numbers = shown_bars(page)
    assert numbers == [f"{100 * w + 1e-9:.1f}\u202f%" for w in weights]
    scale = weights.max() / widths.max()
    assert widths * scale == pytest.approx(weights, abs=2e-3)
    effective = float(page.text_content("#dial-eff"))
    assert effective == pytest.approx(1 / np.square(weights).sum(), abs=0.051)


def set_slider(page, index: int) -> None:
    page.eval_on_selector(
        "#dial-slider",
        "(s, k) => { s.value = k; s.dispatchEvent(new Event('input', {bubbles: true})); }",
        index,
    )


def test_the_slider_moves_the_bars_to_the_solved_weights(open_page):
    page, data = open_page()
    chosen = np.array([row.weight for row in task_rows(data)])
    check_bars(page, chosen)
    assert page.is_disabled("#dial-back")
    for index in (0, 50, 73, 100):
        set_slider(page, index)
        check_bars(page, expected(data, index))
        assert page.text_content("#dial-t") == f"{data.t_values[index]:.2f}"
    page.click("#dial-back")
    check_bars(page, chosen)
    assert page.text_content("#dial-t") == "0.60"


def test_the_slider_works_from_the_keyboard_and_with_the_mouse(open_page):
    page, data = open_page()
    page.focus("#dial-slider")
    page.keyboard.press("ArrowRight")
    check_bars(page, expected(data, 31))
    text = page.get_attribute("#dial-slider", "aria-valuetext")
    assert text.startswith("t = 0.62, ") and text.endswith(" effective tasks")
    page.keyboard.press("Home")
    check_bars(page, expected(data, 0))
    page.keyboard.press("End")
    check_bars(page, expected(data, 100))
    box = page.locator("#dial-slider").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    check_bars(page, expected(data, 50))
    cursor = page.locator("#dial-cursor").bounding_box()
    assert cursor["x"] + cursor["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=2)


def test_the_heat_map_names_the_pair_under_pointer_and_keys(open_page):
    page, data = open_page()
    names = page.eval_on_selector_all(".heat tbody th", "heads => heads.map(h => h.title)")
    assert sorted(names) == sorted(data.names)
    page.hover(".heat tbody tr:nth-child(3) td:nth-of-type(6)")
    tip = page.inner_text("#tip")
    i, j = data.names.index(names[2]), data.names.index(names[5])
    assert names[2] in tip and names[5] in tip
    assert f"{data.affinity.matrix[i, j]:.2f}" in tip
    page.mouse.move(0, 0)
    assert page.is_hidden("#tip")
    page.focus(".heat td[tabindex]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    tip = page.inner_text("#tip")
    assert names[2] in tip
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")


def test_the_chart_of_t_names_the_nearest_line(open_page):
    page, data = open_page()
    page.locator("#dial-plot").scroll_into_view_if_needed()
    box = page.locator("#dial-plot").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] * 0.02)
    top = data.names[int(data.t_weights[0].argmax())]
    assert top in page.inner_text("#tip")


@pytest.mark.parametrize(
    ("n", "kind"), [(1, "plain"), (24, "plain"), (60, "explained"), (24, "long")]
)
@pytest.mark.parametrize("width", [390, 840, 1400])
def test_nothing_sticks_out(open_page, n, kind, width):
    page, _ = open_page(n, width, kind)
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert sticking_out(page) == []


@pytest.mark.parametrize("width", [390, 1400])
def test_numbers_are_not_cut_and_do_not_overlap(open_page, width):
    page, _ = open_page(60, width, "explained")
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll(
            '.mixture tbody tr, .specialists tbody tr, .stack tbody tr')].filter(
            row => {
                const boxes = [...row.cells].map(cell => cell.getBoundingClientRect());
                return boxes.some((a, i) => boxes.some((b, j) => i < j
                    && a.left < b.right - 1 && b.left < a.right - 1
                    && a.top < b.bottom - 1 && b.top < a.bottom - 1));
            }).length"""
    )
    assert overlaps == 0
    cut = page.eval_on_selector_all(
        "td.num", "cells => cells.filter(c => c.scrollWidth > c.clientWidth + 1).length"
    )
    assert cut == 0


def test_the_slider_is_exact_between_breakpoints_and_both_cursors_follow(open_page):
    page, data = open_page(kind="explained")
    columns = [data.names.index(row.name) for row in task_rows(data)]
    for index in (0, 33, 101, 200):
        set_slider(page, index)
        t = index / 100
        weights = [np.interp(t, data.t_values, data.t_weights[:, i]) for i in columns]
        check_bars(page, np.array(weights))
        boxes = [page.locator(q).bounding_box() for q in ("#dial-cursor", "#dial-cursor-low")]
        assert boxes[0]["x"] == pytest.approx(boxes[1]["x"], abs=0.5)
    plot = page.locator("#dial-plot").bounding_box()
    assert boxes[0]["x"] == pytest.approx(plot["x"] + plot["width"], abs=2)


def jumping(n):
    """Weights that stand still but at t = 1, where the even mixture stands alone."""
    data = explained(n)
    left, right = np.eye(n)[0], np.eye(n)[1]
    even = np.full(n, 1 / n)
    path = data.explanation.path.model_copy(update={"t": (0.0, 1.0, 1.0, 1.0), "jumps": (1.0,)})
    return replace(
        data,
        t_values=np.array([0.0, 1.0, 1.0, 1.0, 2.0]),
        t_weights=np.array([left, left, even, right, right]),
        explanation=data.explanation.model_copy(update={"path": path}),
    )


def test_the_slider_jumps_where_the_mixture_jumps(open_page):
    page, data = open_page(kind="jumping")
    for index, row in ((0, 0), (99, 0), (100, 2), (101, 4), (200, 4)):
        set_slider(page, index)
        check_bars(page, expected(data, row))


@pytest.mark.parametrize("width", [390, 900, 1400])
def test_names_on_the_map_stay_inside_and_apart(open_page, width):
    page, _ = open_page(24, width, "explained")
    box = page.locator(".map-box").bounding_box()
    names = page.eval_on_selector_all(
        ".map-name",
        """all => all.map(one => one.getBoundingClientRect()).filter(b => b.width)
            .map(b => [b.left, b.top, b.right, b.bottom])""",
    )
    assert len(names) >= 5
    page.evaluate("scrollTo(0, 0)")
    assert all(a[0] >= box["x"] - 1 and a[2] <= box["x"] + box["width"] + 1 for a in names)
    clash = [
        (a, b)
        for i, a in enumerate(names)
        for b in names[:i]
        if a[0] < b[2] - 3 and b[0] < a[2] - 3 and a[1] < b[3] - 1 and b[1] < a[3] - 1
    ]
    assert clash == []


def test_a_dot_on_the_map_says_its_task_and_weight(open_page):
    page, data = open_page(kind="explained")
    top = max(data.mixture.tasks, key=lambda task: task.weight)
    page.locator("#map-dots circle").first.hover(force=True)
    assert page.inner_text("#tip") == f"{top.name}: {100 * top.weight:.1f}\u202f%"
    page.mouse.move(0, 0)
    assert page.is_hidden("#tip")


def test_without_javascript_all_words_and_pictures_are_there(open_page):
    page, _ = open_page(kind="explained", java_script_enabled=False)
    for section in ("ties", "map", "dial", "bounds", "redundancy", "selection", "robust"):
        assert page.locator(f"#{section}").is_visible()
    assert page.locator("#map-dots title").count() == 24


def test_dark_mode_changes_paper_ink_and_shades(open_page):
    seen = []
    for scheme in ("light", "dark"):
        page, _ = open_page(color_scheme=scheme)
        seen.append(
            page.evaluate(
                """() => ['body', '.heat .l8', '.mixture .bar'].map(
                    q => getComputedStyle(document.querySelector(q)).backgroundColor)"""
            )
        )
    assert all(light != dark for light, dark in zip(*seen, strict=True))


def test_text_stands_out_from_its_ground(open_page):
    """WCAG AA for the numbers in the heat map, in both modes."""
    for scheme in ("light", "dark"):
        page, _ = open_page(color_scheme=scheme)
        colours = page.evaluate(
            """() => [...Array(9).keys()].map(k => document.querySelector('.heat .l' + k))
                .filter(Boolean).map(cell => {
                    const style = getComputedStyle(cell);
                    return [style.color, style.backgroundColor];
                })"""
        )
        assert len(colours) >= 7
        for pair in colours:
            assert contrast(*pair) >= 4.5, (scheme, pair)
