"""The steps in their order: what entities hide is repaired, and is seen by the steps after it."""

from __future__ import annotations

import random
import unicodedata

import pytest
from corpus_growth import LIMIT, growth
from corpus_project import WORDS, document
from hypothesis import example, given
from hypothesis import strategies as st

from mishran.config import parse_config
from mishran.config_corpus import CorpusConfig
from mishran.corpus.edited import Edited
from mishran.corpus.familiar import train_familiarity
from mishran.corpus.html import strip_html
from mishran.corpus.identify import train
from mishran.corpus.repair import repair
from mishran.corpus.steps import Editing, Models, _without_markup, make_steps, step_names

HIDDEN = (
    "john&#8203;@example.com or rahul@exam&shy;ple.com, card 4111&#8203;1111&#8203;1111&#8203;1111"
)


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> dict[str, Editing]:
    """The editing steps of a recipe, with models as small as they come."""
    rng = random.Random(0)
    models = Models(tmp_path_factory.mktemp("models"))
    seeds = {tag: [document(tag, rng) for _ in range(40)] for tag in WORDS}
    train(seeds).save(models.languages)
    train_familiarity(seeds).save(models.familiarity)
    data = {
        "run": "out",
        "sources": [{"name": "web", "path": "raw", "provenance": "native"}],
        "languages": {tag: {"seed": "seeds"} for tag in WORDS},
        "gibberish": False,
    }
    config = parse_config(data, "test", CorpusConfig)
    made = make_steps(config, models)
    names = list(dict.fromkeys(step.name for step in made))
    assert names == [n for n in step_names(config) if n in names]
    return {step.name: step for step in made if isinstance(step, Editing)}


def through(steps: dict[str, Editing], text: str, *names: str) -> tuple[str, list[dict[str, int]]]:
    counts = []
    for name in names:
        found = steps[name].edit(text, "en")
        text = found.text
        counts.append(found.counts)
    return text, counts


def test_personal_data_that_entities_hide_is_replaced(steps):
    text, (first, html, pii) = through(steps, HIDDEN, "repair", "html", "pii")
    assert text == "<EMAIL> or <EMAIL>, card <CARD>"
    assert first == {}
    assert html == {"entity": 5, "zero-width": 4, "soft-hyphen": 1}
    assert pii == {"email": 2, "card": 1}


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("cafe&#769;", "café", {"entity": 1, "nfc": 1}),
        ("<b>cafe&#769;</b>", "café", {"entity": 1, "nfc": 1, "tag": 2}),
        ("a&#0;b", "a\ufffdb", {"entity": 1}),  # as HTML says
        ("a&#8;b&#12;c", "ab\nc", {"entity": 2, "line-break": 1}),
        ("&#65279;text", "text", {"entity": 1, "bom": 1}),
        ("&#x202e;text", "text", {"entity": 1, "bidi-control": 1}),
        ("क्&zwj;ष", "क्\u200dष", {"entity": 1}),  # where it is spelling, it stays
        (
            "<i>a</i>\u200bb",
            "ab",
            {"tag": 2, "zero-width": 1},
        ),  # with the rest of a text that changed
        # What the repair joins is markup again.
        ("<&#8203;b>bold<&#8203;/b>", "bold", {"entity": 2, "zero-width": 2, "tag": 2}),
        ("&&#8203;lt;b>bold&&#8203;lt;/b>", "bold", {"entity": 4, "zero-width": 2, "tag": 2}),
    ],
)
def test_html_is_repaired_once_more(before, after, counts):
    found = _without_markup(before, "en")
    assert (found.text, found.counts) == (after, counts)
    assert unicodedata.is_normalized("NFC", found.text)
    assert repair(found.text) == Edited(found.text) == strip_html(found.text)


def test_without_markup_nothing_is_repaired():
    """A text that html leaves alone is the first step's business."""
    for text in ("a\u200bb", "cafe\u0301", "List<String> a & b < c"):
        assert _without_markup(text, "en") == Edited(text)


PIECES = [
    *("<b>", "</b>", "<p>", "<br/>", "<i class='x'>", "<!--", "-->", "<script>", "</script>"),
    *("&#8203;", "&shy;", "&#769;", "&zwj;", "&zwnj;", "&#xfeff;", "&#0;", "&#8;", "&#13;"),
    *("&#x202e;", "&#x2028;", "&#xd83d;", "&#57344;", "&nbsp;", "&lt;", "&gt;", "&amp;", "&#60;"),
    *("<", ">", "&", ";", "/", "b", "#", "8203;", "amp;", "e", "é", "Ã", "©", "&Atilde;", "&copy;"),
    *("\u200b", "\u0301", "\xad", "क", "\u200d", "\u094d", "`", "\n", " ", "word", "."),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("<&#8203;b>x<&#8203;/b>")
@example("a" + 6 * "&" + "&#8203;" + 6 * "#8203;" + "b")
@example("&&#8203;amp;&#8203;lt;b>x</b>")
def test_a_second_run_finds_nothing(text):
    if text.lstrip().lower().startswith(("<!doctype html", "<html", "<head>", "<body")):
        return
    text = repair(text).text
    once = _without_markup(text, "en")
    assert (once.text == text) == (not once.counts)
    assert _without_markup(once.text, "en") == Edited(once.text)
    assert repair(once.text) == Edited(once.text)
    assert strip_html(once.text) == Edited(once.text)


@pytest.mark.parametrize(
    "piece", ["&#8203;", "<&#8203;b>x<&#8203;/b>", "e&#769; ", "<b>\u200b</b>"]
)
def test_time_grows_with_the_text(piece):
    assert growth(lambda text: _without_markup(text, "en"), piece) < LIMIT


def test_the_steps_are_those_of_the_recipe(steps):
    assert [*steps] == ["repair", "html", "boilerplate", "normalise", "pii"]
    assert steps["html"].edit("cafe&#769;", "en") == _without_markup("cafe&#769;", "en")
