"""The page and the Markdown of a cleaned corpus: sums, gaps, hostile names, bytes."""

from __future__ import annotations

import copy
import json
import re

import pytest
from corpus_pages import HOSTILE, STEPS, facts_case
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from reading import Reader

from mishran.corpus.accounts import Accounts, Drop, Kind, Refusal
from mishran.report import corpus as page
from mishran.report import corpus_checks, corpus_rows, corpus_words
from mishran.report.corpus import render_corpus
from mishran.report.corpus_text import corpus_markdown

MANY = ("en", "hi", "hi-Latn", *(f"x{chr(97 + i)}" for i in range(20)))
SHAPES = {
    "usual": {},
    "no tokens": {"tokens": False, "grown": True},
    "one source": {"sources": 1, "languages": ("hi",), "checks": False},
    "many": {"sources": 12, "languages": MANY, "size": 400},
    "nothing dropped": {"dropped": 0, "problems": 0},
    "everything dropped": {"dropped": 1.0, "checks": False},
    "hostile": {"hostile": HOSTILE},
}


class Page(Reader):
    """Rows of every table by section: classes of the row, texts and exact numbers of its cells."""

    def __init__(self, text: str) -> None:
        self.section = self.unit = self.table = ""
        self.rows: list[tuple[str, str, str, str, list[list]]] = []
        super().__init__(text)

    def handle_starttag(self, tag, attrs):
        super().handle_starttag(tag, attrs)
        found = dict(attrs)
        if tag == "section":
            self.section, self.unit = found["id"], ""
        if tag == "div" and "in-unit" in (found.get("class") or ""):
            self.unit = found["class"].rpartition("in-")[2]
        if tag == "div" and "aria-label" in found:
            self.table = found["aria-label"]
        if tag == "tr":
            self.rows.append((self.section, self.unit, self.table, found.get("class") or "", []))
        if tag in ("td", "th") and self.rows:
            self.rows[-1][4].append(["", None])
        if tag == "data" and "tr" in self.stack:
            self.rows[-1][4][-1][1] = int(found["value"])

    def handle_data(self, data):
        super().handle_data(data)
        if "tr" in self.stack and self.stack[-1] != "style":
            self.rows[-1][4][-1][0] += data.strip()

    def of(self, section: str, unit: str = "", table: str = ""):
        """Columns of numbers, by the section and the place of their table."""
        return [
            (kind, cells)
            for s, u, t, kind, cells in self.rows
            if s == section and u == unit and (not table or t == table)
        ]


NUMBERS = st.integers(0, 10**7)
SLUGS = st.sampled_from(["web", "books", "forum", "b&b", "<i>"])


@st.composite
def accounts(draw) -> Accounts:
    """Whatever the books of a cleaning may say."""
    out = Accounts()
    with_tokens = draw(st.booleans())
    for _ in range(draw(st.integers(1, 8))):
        source = draw(SLUGS)
        size, lost = draw(NUMBERS), draw(st.integers(-3000, 3000))
        tokens, fewer = draw(NUMBERS) * with_tokens, draw(st.integers(0, 30)) * with_tokens
        size, tokens = size + 3000, tokens + 30 * with_tokens
        out.arrive(source, size, tokens)
        out.edit(draw(st.sampled_from(["repair", "pii"])), source, {"nfc": 2}, lost)
        out.edited_tokens(source, fewer)
        if draw(st.booleans()):
            step = draw(st.sampled_from(["read", "rules", "near-duplicates", "not-listed"]))
            reason = draw(st.sampled_from(["digits", "<b>", "duplicate"]))
            language = draw(st.sampled_from(["hi", "en", "und"]))
            out.drop(Drop(step, reason, source, language, "native"), size - lost, tokens - fewer)
        else:
            kind = Kind(source, draw(st.sampled_from(["hi", "en"])), "Deva", "native")
            out.keep(kind, size - lost, tokens - fewer)
    out.check()
    return out


def facts_of(books: Accounts, tokens: bool) -> dict:
    facts = {"files": [], "problems": [], "others": [], "packages": {}, "steps": list(STEPS)}
    sources = [{"source": n, "provenance": "native", "license": None} for n in books.arrived]
    facts |= {"tokens": tokens, "sources": sources}
    return facts | {"accounts": json.loads(json.dumps(books.as_dict()))}


@hypothesis_settings(max_examples=15)
@given(accounts())
def test_the_sums_on_the_page_are_right(books):
    tokens = any(amount.tokens for amount in books.arrived.values())
    facts = facts_of(books, tokens)
    read = Page(render_corpus(facts, "t"))
    assert "The sum is wrong" not in read.text and "do not balance" not in read.text
    units = ("documents", "bytes", "tokens") if tokens else ("documents", "bytes")
    came = {u: sum(getattr(a, u) for a in books.arrived.values()) for u in units}
    stay = {u: sum(getattr(a, u) for a in books.kept.values()) for u in units}
    for unit in units:
        rows = [cells for _, cells in read.of("steps", unit)][1:]
        assert rows[0][0][0] == "Arrived" and rows[-1][0][0] == "Kept"
        assert rows[0][-1][1] == came[unit] and rows[-1][-1][1] == stay[unit]
        gone = sum(v for row in rows[1:-1] for _, v in row[2:-1] if v is not None)
        assert came[unit] - gone == stay[unit]
        assert sum(v for _, v in rows[-1][2:-1] if v is not None) == gone
        left = came[unit]
        for row in rows[1:-1]:  # each step begins with what the one before it left
            left -= sum(v for _, v in row[2:-1] if v is not None)
            assert row[-1][1] == left
    for i, unit in enumerate(units):
        reasons = read.of("dropped", "", "Dropped by step and reason")
        steps = [cells for kind, cells in reasons if kind == "of-step"]
        dropped = sum(getattr(a, unit) for a in books.dropped.values())
        assert sum(cells[2 + 2 * i][1] for cells in steps) == dropped
        for key in ("language", "script", "provenance", "source"):
            lines = read.of("kept", "", f"Kept by {key}")[1:]
            assert sum(cells[2 + 2 * i][1] for _, cells in lines) == stay[unit]


@hypothesis_settings(max_examples=25)
@given(accounts())
def test_groups_hold_all_that_arrived(books):
    facts = facts_of(books, True)
    sums = corpus_rows.books(facts)
    assert sums.difference == corpus_rows.NOTHING
    for groups in (corpus_rows.by_source(facts), corpus_rows.by_language(facts)):
        assert sum((g.kept for g in groups), corpus_rows.NOTHING) == sums.kept
        assert sum((g.went for g in groups), corpus_rows.NOTHING) == sums.dropped
        for group, shares in corpus_rows.crossed(facts, groups).rows:
            assert sum(n for n, _ in shares) == group.went.documents
            assert group.came.documents == group.went.documents + group.kept.documents
            every = [one.amount for one in group.reasons]
            assert sum(every, corpus_rows.NOTHING) == group.went


@pytest.mark.parametrize("unit", ["documents", "bytes", "tokens"])
@pytest.mark.parametrize("of", ["kept", "dropped"])
def test_a_document_that_is_lost_is_seen(unit, of):
    facts = facts_case()
    facts["accounts"][of][0][unit] -= 1
    html = render_corpus(facts, "t")
    assert html.count("The sum is wrong") == 1 and html.count("The sum is right") == 2
    for text in (html, corpus_markdown(facts)):
        assert "do not balance" in text and "+ 1 that nobody can explain" in text


def test_a_document_in_the_books_of_another_source_is_seen():
    facts = facts_case()
    for row in facts["accounts"]["kept"]:
        row["source"] = "books"
    assert "The sum is wrong" not in render_corpus(facts, "t")
    assert "do not balance" in render_corpus(facts, "t")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_page_is_whole_loads_nothing_and_runs_nothing(shape):
    facts = facts_case(**SHAPES[shape])
    read = Page(render_corpus(facts, HOSTILE if shape == "hostile" else "Title"))
    assert read.stack == []
    assert "script" not in read.tags and "img" not in read.tags
    assert all(link == "data:," or link.startswith("#") for link in read.links)
    assert corpus_words.headline(facts) in read.text
    for row in facts["accounts"]["arrived"]:
        assert row["source"] in read.text
    for row in facts["accounts"]["dropped"]:
        assert row["reason"] in read.text


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_facts_give_the_same_bytes(shape):
    facts = facts_case(**SHAPES[shape])
    again = json.loads(json.dumps(facts, sort_keys=True))
    before = copy.deepcopy(facts)
    assert render_corpus(again, "t") == render_corpus(facts, "t")
    assert corpus_markdown(again) == corpus_markdown(facts)
    assert facts == before


def test_hostile_names_are_text():
    facts = facts_case(hostile=HOSTILE)
    html = render_corpus(facts, HOSTILE)
    assert "<script" not in html and "<img" not in html and html.count("&lt;script&gt;") > 100
    text = corpus_markdown(facts, examples=True)
    assert "<script" not in text.replace("\\<", "") and text.count("script") > 100
    for line in text.splitlines():
        assert not re.search(r"(?<!\\)`", line)


def test_controls_and_lone_surrogates_do_not_reach_the_page():
    facts = facts_case()
    example = facts["checks"]["facts"]["hi"]["deciles"][0]
    example["text"] = "a\x00b\x1b[31mc\ud800d\u202ee"
    books = Accounts()
    books.refuse(Refusal("data/\udcff.txt:3", "not-json", "\x07"))
    facts["accounts"]["refusals"] = books.as_dict()["refusals"]
    for text in (render_corpus(facts, "t"), corpus_markdown(facts, examples=True)):
        text.encode("utf-8")
        assert not re.search("[\x00-\x08\x1b\x7f]", text)
        assert "a\ufffdb\ufffd" in text
    # A right-to-left override ends with its element.
    assert '<blockquote dir="auto">a\ufffdb' in render_corpus(facts, "t")


def test_nobody_counted_tokens_so_nothing_is_said_of_them():
    for text in (
        render_corpus(facts_case(tokens=False), "t").split("</style>")[1],
        corpus_markdown(facts_case(tokens=False)),
    ):
        assert "okens" not in text.replace("<dt>Tokens</dt>", "").replace("in-tokens", "")
    assert "Tokens dropped" in corpus_markdown(facts_case())
    assert 'for="pick-tokens"' in render_corpus(facts_case(), "t").split("</style>")[1]


@pytest.mark.parametrize("missing", ["languages", "facts", "gibberish", "contamination"])
def test_a_check_that_was_not_made_is_not_shown(missing):
    head = {
        "languages": "<h3>Language</h3>",
        "facts": "<h3>Fact score</h3>",
        "gibberish": "<h3>Gibberish</h3>",
        "contamination": "<h3>Evaluation sets",
    }[missing]
    facts = facts_case()
    assert head in render_corpus(facts, "t")
    del facts["checks"][missing]
    assert head not in render_corpus(facts, "t")
    assert "### " + re.sub("<.*?>", "", head)[:10] not in corpus_markdown(facts)
    facts["checks"] = {}
    for text in (render_corpus(facts, "t"), corpus_markdown(facts)):
        assert 'id="checks"' not in text and "## Checks" not in text


def test_what_was_not_measured_is_a_dash():
    facts = facts_case()
    found = corpus_checks.languages(facts["checks"])
    assert found.lengths == ("<20", "20-50", "50-100", "100-200", "200+")
    assert found.by_length[-1].share == "–" and found.by_length[-1].level is None
    assert corpus_checks.rate(
        {"share": 0.9999, "low": 0.999, "high": 1.0, "n": 10_000}
    ).share.startswith("> 99.9")
    facts["checks"]["facts"]["hi"]["deciles"][0]["score"] = 0.001
    facts["checks"]["facts"]["hi"]["deciles"][9]["score"] = 1.0
    shown = [one.score for one in corpus_checks.facts(facts["checks"])[1].examples]
    assert (shown[0], shown[1], shown[9]) == ("< 0.01", "0.15", "> 0.99")
    roc = facts["checks"]["facts"]["hi"]["roc"]
    roc["auc"] = {"value": 0.9, "low": None, "high": None}
    roc["points"] = []
    hindi = next(one for one in corpus_checks.facts(facts["checks"]) if one.language == "hi")
    assert (hindi.auc, hindi.interval, hindi.curve) == ("0.900", "–", "")
    facts["checks"]["facts"]["hi"] = {"roc": None, "problem": "no <b>negative</b> document"}
    html = render_corpus(facts, "t")
    assert "<b>hi</b>: AUC –</p>" in html and "no &lt;b&gt;negative&lt;/b&gt; document." in html


def test_examples_stand_in_order_with_what_speaks_for_them():
    facts = facts_case()
    facts["checks"]["facts"]["hi"]["deciles"].reverse()
    (english, hindi) = corpus_checks.facts(facts["checks"])
    assert hindi.examples == english.examples
    assert [one.decile for one in hindi.examples] == list(range(1, 11))
    first, last = hindi.examples[0].why, hindi.examples[-1].why
    assert first[0] == ("name cues", "−4.00", 80.0, False)
    assert last[0] == ("name cues", "+5.00", 100.0, True)
    assert "bridges" not in corpus_markdown(facts)
    assert "bridges" in corpus_markdown(facts, examples=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_of_a_markdown_table_has_the_cells_of_its_head(shape):
    count = rows = 0
    for line in corpus_markdown(facts_case(**SHAPES[shape]), examples=True).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (cells and count) or cells == count, line
        count, rows = cells, rows + bool(cells)
    assert rows > 15


def test_bars_end_where_the_next_one_begins():
    facts = facts_case(grown=True)
    for unit in ("documents", "bytes", "tokens"):
        drawn = page.fall(facts, unit)
        end = drawn.arrived
        for bar in drawn.bars:
            ends = [part[0] + part[1] for part in (bar.left, bar.dropped, bar.edited) if part]
            grown = bar.grown[1] if bar.grown else 0.0
            assert max(ends) == pytest.approx(end + grown)
            assert max(ends) <= 100 + 1e-9
            end = bar.left[1]
        assert end == pytest.approx(drawn.kept)
        assert any(bar.grown for bar in drawn.bars) == (unit != "documents")


def test_steps_stand_in_the_order_of_the_recipe_and_none_is_left_out():
    facts = facts_case()
    assert corpus_rows.steps(facts) == ("read", "edits", *STEPS)
    del facts["steps"]
    assert set(corpus_rows.steps(facts)) <= {"read", "edits", *STEPS}
    assert page.fall(facts_case(dropped=0), "documents").bars[-1].row.step == "near-duplicates"
    assert len(page.fall(facts_case(dropped=0), "documents").bars) == len(STEPS)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ({}, "62.9 k stayed, 70.4 %: 180 MB of 271 MB of text, 34.7 M of 47.9 M tokens."),
        ({"dropped": 0}, "all of them stayed: 169 MB of 191 MB of text"),
        ({"dropped": 0}, "Nothing was dropped."),
        ({"dropped": 1.0}, "and none stayed."),
        ({}, "The most frequent reason to drop was repeated-lines in step rules: 3 251 documents"),
    ],
)
def test_what_happened_in_words(shape, text):
    assert text in corpus_words.headline(facts_case(**shape)).replace("\u202f", " ")


def test_empty_books():
    facts = facts_of(Accounts(), False)
    assert corpus_words.headline(facts) == "No documents came in."
    assert "Nothing was dropped." in render_corpus(facts, "t")
    assert "No documents came in" in corpus_markdown(facts)
    books = Accounts()
    books.arrive("empty", 0, 0)
    books.keep(Kind("empty", "hi", "", "native"), 0, 0)
    text = Page(render_corpus(facts_of(books, True), "t")).text.replace("\u202f", " ")
    assert "1 document came in and all of them stayed: 0 B of 0 B of text, 0 of 0 tokens." in text
    assert "not told" in text


def test_warnings_count_what_could_not_be_read():
    facts = facts_case(problems=1)
    files, records = corpus_words.warnings(facts)
    assert files.startswith("1 file is damaged, refused or empty")
    assert records.replace("\u202f", " ") == (
        "1 689 records could not be read: line-too-long (929), invalid-utf-8 (388), not-json (372)."
    )
    html = render_corpus(facts, "t")
    assert "data/web-hindi.jsonl.gz: ends in the middle" in html
    assert facts["accounts"]["refusals"][0]["where"] in html
    assert corpus_words.warnings(facts_case(dropped=0, problems=0)) == ()


def test_much_text_unlike_the_seeds_is_worth_a_word():
    facts = facts_case(dropped=0, problems=0)
    kept = next(row for row in facts["accounts"]["kept"] if row["language"] == "hi")
    told = sum(r["documents"] for r in facts["accounts"]["kept"] if r["language"] == "hi")
    row = {"source": kept["source"], "step": "language", "reason": "unlike-its-language"}
    facts["accounts"]["dropped"].append(
        row | {"language": "hi", "documents": told // 10, "bytes": 0, "tokens": 0}
    )
    assert not any("unlike" in text for text in corpus_words.warnings(facts))
    facts["accounts"]["dropped"][-1]["documents"] = told
    (text,) = (text for text in corpus_words.warnings(facts) if "unlike" in text)
    assert text.startswith("50.0") and "in hi were dropped" in text and "strange: null" in text


def test_a_source_without_one_document_is_named():
    facts = facts_case()
    gone = {"source": "cut short", "path": "c.gz", "sha256": "0" * 64, "packed": 9, "unpacked": 0}
    facts["files"].append(gone | {"problem": "damaged after 0 lines"})
    facts["sources"].append({"source": "cut short", "provenance": "native", "license": None})
    assert [group.name for group in corpus_rows.by_source(facts)] == [
        one["source"] for one in facts["sources"]
    ]
    group = corpus_rows.by_source(facts)[-1]
    assert (group.name, group.came) == ("cut short", corpus_rows.NOTHING)
    for text in (render_corpus(facts, "t"), corpus_markdown(facts)):
        assert text.count("cut short") >= 2


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "documents", "0"),
        (9_999, "documents", "9 999"),
        (10_000, "documents", "10.0 k"),
        (999_949, "tokens", "1.00 M"),
        (1_234_567, "tokens", "1.23 M"),
        (-1_234, "bytes", "−1.23 kB"),
        (999, "bytes", "999 B"),
        (0, "bytes", "0 B"),
        (999_999, "bytes", "1.00 MB"),
        (10**17, "bytes", "100 PB"),
        (25 * 10**17, "bytes", "2 500 PB"),
        (4_235_000_000, "tokens", "4.24 B"),
    ],
)
def test_numbers_in_words(value, unit, text):
    assert corpus_words.short(value, unit).replace("\u202f", " ") == text


@given(st.integers(1, 10**16), st.sampled_from(["documents", "bytes"]))
def test_a_number_in_words_is_near_and_never_falls(value, unit):
    powers = {"": 0, "k": 1, "M": 2, "B": 3, "T": 4}
    if unit == "bytes":
        powers = {"B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4, "PB": 5}

    def read(n: int) -> float:
        text = corpus_words.short(n, unit)
        digits = re.match("[0-9.\u202f]*[0-9]", text)[0]
        return float(digits.replace("\u202f", "")) * 1000 ** powers[text[len(digits) :].strip()]

    assert read(value) == pytest.approx(value, rel=0.00501)
    assert read(value + 1) >= read(value)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "–"),
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 10**6, "< 0.1 %"),
        (10**6 - 1, 10**6, "> 99.9 %"),
        (-1, 10**6, "> −0.1 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_shares_in_words(part, whole, text):
    assert corpus_words.share(part, whole).replace("\u202f", " ") == text
