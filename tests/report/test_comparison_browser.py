"""The page of a comparison in Chromium: opens from disk, loads nothing, fits, and can be read."""

from __future__ import annotations

import pytest
from comparison_pages import HOSTILE, page_case
from looks import contrasts, overlapping, sticking_out

from mishran.report import render_comparison

pytestmark = pytest.mark.browser

SHAPES = {
    "usual": {},
    "small": {"methods": 1, "seeds": 1, "tasks": 3},
    "large": {"methods": 30, "seeds": 5, "tasks": 30},
    "hostile": {"methods": 8, "seeds": 2, "tasks": 20, "hostile": True},
    "long": {"long": True},
}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("comparisons"), {}

    def address(shape: str) -> str:
        if shape not in made:
            path = folder / f"{shape}.html"
            text = render_comparison(page_case(**SHAPES[shape]), HOSTILE)
            path.write_text(text, encoding="utf-8")
            made[shape] = path.as_uri()
        return made[shape]

    return address


@pytest.fixture
def open_page(visit, addresses):
    def open_(shape: str, width: int = 1400, **options):
        page = visit(addresses(shape), width, **options)
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
        return page

    return open_


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [390, 840, 1400])
def test_nothing_sticks_out_or_overlaps(open_page, shape, width):
    page = open_page(shape, width)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert sticking_out(page) == []
    assert overlapping(page, ".forest-table tbody tr") == 0


def test_dots_stand_on_the_side_of_the_line_that_their_sign_says(open_page):
    page = open_page("large")
    rows = page.evaluate(
        """() => [...document.querySelectorAll('.forest-table tbody tr')].map(row => {
            const middle = query => {
                const one = row.querySelector(query);
                if (!one) return null;
                const box = one.getBoundingClientRect();
                return box.left + box.width / 2;
            };
            return [middle('.dot'), middle('.zero'), row.querySelector('.strong').textContent];
        })"""
    )
    assert len(rows) == 30
    drawn = [(dot - zero, text) for dot, zero, text in rows if dot is not None]
    assert len(drawn) == 29
    for distance, text in drawn:
        assert distance == 0 or (distance < 0) == text.startswith("−") or abs(distance) < 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_numbers_stand_out_from_their_ground(open_page, scheme):
    """WCAG AA, for squares and for verdicts."""
    page = open_page("usual", color_scheme=scheme)
    found = contrasts(page, ".heat td span, .told, .lead, .indicative")
    assert len(found) > 100
    for ratio, text in found:
        assert ratio >= 4.5, (scheme, text)


def test_dark_mode_changes_squares_and_paper(open_page):
    seen = [
        open_page("usual", color_scheme=scheme).evaluate(
            """() => ['body', '.heat .b1', '.heat .w2', '.band'].map(
                query => getComputedStyle(document.querySelector(query)).backgroundColor)"""
        )
        for scheme in ("light", "dark")
    ]
    assert all(light != dark for light, dark in zip(*seen, strict=True))
