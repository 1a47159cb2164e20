"""The page of a cleaned corpus in Chromium: opens from disk, loads nothing, fits, needs no script."""

from __future__ import annotations

import pytest
from corpus_pages import HOSTILE, facts_case
from looks import contrasts, overlapping, sticking_out

from mishran.report.corpus import render_corpus

pytestmark = pytest.mark.browser

MANY = ("en", "hi", "hi-Latn", *(f"x{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(27)))
SHAPES = {
    "usual": {},
    "many": {"sources": 30, "languages": MANY, "size": 3000},
    "one": {"sources": 1, "languages": ("hi",), "tokens": False, "checks": False},
    "nothing": {"dropped": 0},
    "everything": {"dropped": 1.0, "grown": True},
    "hostile": {"hostile": HOSTILE},
    "long": {"hostile": "w" * 90},
}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("corpora"), {}

    def address(shape: str) -> str:
        if shape not in made:
            path = folder / f"{shape}.html"
            path.write_text(render_corpus(facts_case(**SHAPES[shape]), HOSTILE), encoding="utf-8")
            made[shape] = path.as_uri()
        return made[shape]

    return address


@pytest.fixture
def open_page(visit, addresses):
    def open_(shape: str, width: int = 1400, **options):
        return visit(addresses(shape), width, **options)

    return open_


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [390, 840, 1400])
def test_nothing_sticks_out_or_overlaps(open_page, shape, width):
    page = open_page(shape, width)
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    counted = SHAPES[shape].get("tokens", True)
    units = ("documents", "bytes", "tokens") if counted else ("documents", "bytes")
    assert page.eval_on_selector_all(".switch label", "all => all.length") == len(units)
    for unit in units:
        page.click(f"label[for=pick-{unit}]")
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert overlapping(page, ".fall tr") == 0
    assert sticking_out(page) == []


def test_units_are_switched_without_script(open_page):
    """Script is off in this one: the page has none, and nothing may need it."""
    page = open_page("usual", java_script_enabled=False)
    for unit in ("bytes", "tokens", "documents"):
        page.click(f"label[for=pick-{unit}]")
        seen = [u for u in ("documents", "bytes", "tokens") if page.is_visible(f".in-{u}")]
        assert seen == [unit]
    page.focus("#pick-documents")
    page.keyboard.press("ArrowRight")
    assert page.is_visible(".in-bytes") and not page.is_visible(".in-documents")
    group = page.locator("#dropped .group summary").first
    assert not group.is_visible()
    page.click("text=Reasons by source")
    assert group.is_visible()


def test_bars_are_as_long_as_their_numbers(open_page):
    page = open_page("usual")
    rows = page.evaluate(
        """() => [...document.querySelectorAll('.in-documents .fall tbody tr')].map(row => {
            const wide = query => {
                const one = row.querySelector(query);
                return one ? one.getBoundingClientRect().width : 0;
            };
            const numbers = [...row.querySelectorAll('data')].map(one => Number(one.value));
            return [wide('.course'), wide('.left, .came, .kept'), wide('.dropped'), numbers];
        })"""
    )
    whole, arrived = rows[0][0], rows[0][3][0]
    assert rows[0][1] == pytest.approx(whole, abs=1)
    for _, left, dropped, numbers in rows[1:-1]:
        assert left == pytest.approx(whole * numbers[-1] / arrived, abs=1)
        assert dropped == pytest.approx(whole * numbers[0] / arrived, abs=1.6)  # never invisible
    assert rows[-1][1] == pytest.approx(whole * rows[-1][3][-1] / arrived, abs=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_numbers_stand_out_from_their_ground(open_page, scheme):
    """WCAG AA."""
    page = open_page("usual", color_scheme=scheme)
    found = contrasts(
        page,
        ".heat td span, .lead, .alarm li, .switch label, .fall td, .tally td, .sum-line b, .bad",
    )
    assert len(found) > 300
    for ratio, text in found:
        assert ratio >= 4.5, (scheme, text)


def test_print_shows_every_unit(open_page):
    page = open_page("usual")
    page.emulate_media(media="print")
    assert all(page.is_visible(f".in-{unit}") for unit in ("documents", "bytes", "tokens"))
