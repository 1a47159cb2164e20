"""Measures of a text: against definitions written out plainly, and against datatrove's own filters."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mishran.corpus.measures import measure
from mishran.corpus.rules import verdict
from mishran.corpus.thresholds import NAMES, Thresholds

# Few letters, so that words, lines and n-grams repeat; also marks, digits and spaces of other scripts.
TEXTS = st.text(st.sampled_from("ab कीा।१ \n\t#-•….\u00a0\u2028\ud800𝟏"), max_size=120)
WORDS = st.lists(st.sampled_from(["a", "b", "ab", "राम", "।"]), max_size=60).map(" ".join)


# ---- the definitions, one line each, as slow as they come ----


def top_gram(text: str, n: int) -> float | None:
    words = text.split()
    grams = [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
    if not grams:
        return None
    gram, times = Counter(grams).most_common(1)[0]
    return len(gram) * times / len(text)


def duplicate_grams(text: str, n: int) -> float:
    words, seen, characters, i = text.split(), set(), 0, 0
    while i + n <= len(words):
        gram = tuple(words[i : i + n])
        if gram in seen:
            characters += sum(map(len, gram))
            i += n
        else:
            seen.add(gram)
            i += 1
    return characters / len(text) if text else 0.0


def repeated(parts: list[str], text: str) -> tuple[float, float]:
    seen, count, characters = set(), 0, 0
    for part in parts:
        count, characters = count + (part in seen), characters + len(part) * (part in seen)
        seen.add(part)
    return count / len(parts), characters / len(text)


@given(TEXTS.filter(bool))
@example("\na\n")
@example("\n\n")
def test_what_is_counted_in_characters_words_and_lines(text):
    m, words, lines = measure(text), text.split(), text.splitlines()
    said = [w for w in words if any(c.isalnum() for c in w)]
    assert (m.all_words, m.words) == (len(words), len(said))
    assert m.digits == sum(c.isdecimal() for c in text) / len(text)
    assert m.whitespace == sum(c.isspace() for c in text) / len(text)
    if said:
        assert m.word_length == pytest.approx(sum(map(len, said)) / len(said))
    if words:
        assert m.with_letter == sum(any(c.isalpha() for c in w) for w in words) / len(words)
        ellipses = text.count("...") + text.count("…")
        assert m.symbols == max(text.count("#"), ellipses) / len(words)
    bullets = sum(line.lstrip()[:1] in ("•", "-") and line.strip() != "" for line in lines)
    assert m.bullet_lines == bullets / len(lines)
    assert m.ellipsis_lines == sum(x.rstrip().endswith(("...", "…")) for x in lines) / len(lines)
    assert (m.lines.share, m.lines.characters) == repeated(re.split("\n+", text), text)
    paragraphs = re.split("\n{2,}", text.strip())
    assert (m.paragraphs.share, m.paragraphs.characters) == repeated(paragraphs, text)


@given(WORDS | TEXTS)
@example("a b c d e f a b c d e f a b c d e f")
@example(" ".join("ab" * 30))
def test_n_grams(text):
    m = measure(text)
    if not text:
        return
    for n in range(2, 11):
        assert m.top_gram(n) == top_gram(text, n), n
        assert m.duplicate_grams(n) == duplicate_grams(text, n), n
    # Asked in another order, the same.
    assert measure(text).duplicate_grams(7) == m.duplicate_grams(7)


@given(WORDS.filter(bool))
def test_a_longer_n_gram_repeats_only_where_the_shorter_does(text):
    m = measure(text)
    none = [m.duplicate_grams(n) == 0 for n in range(2, 11)]
    assert none == sorted(none)


def test_nothing_to_measure_is_none_and_not_zero():
    m = measure("")
    found = [m.word_length, m.with_letter, m.digits, m.whitespace, m.urls, m.symbols]
    found += [m.bullet_lines, m.ellipsis_lines, m.lines, m.paragraphs, m.top_gram(2)]
    assert [*found, m.duplicate_grams(5)] == [None] * 12
    assert measure("one word").top_gram(3) is None
    assert measure("- * -").word_length is None


def test_urls_by_their_characters():
    text = "see https://a.in/x?y=1 or (www.b.org) or httpd"
    assert measure(text).urls == (len("https://a.in/x?y=1") + len("www.b.org")) / len(text)
    assert measure("http is a word").urls == 0


def test_devanagari_words_count_with_their_marks():
    m = measure("की १२ ।")
    assert (m.words, m.all_words, m.word_length) == (2, 3, 2.0)
    assert m.with_letter == 1 / 3 and m.digits == 2 / 7


# ---- datatrove's filters, on real text ----


@cache
def texts(folder) -> tuple[str, ...]:
    found = []
    for path in sorted((folder / "pretrain").glob("*.valid.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found += [json.loads(line)["text"] for _, line in zip(range(60), lines, strict=False)]
    assert len(found) > 500
    # Halves, menus and copies, so that every rule has something to decide.
    return tuple(
        made
        for i, text in enumerate(found)
        for made in (
            text,
            [text[:300] * 2, f"# {text[:99]}...\n" * 3, "\n\n".join([text] * 2)][i % 3],
        )
    )


@pytest.fixture(scope="module")
def datatrove():
    pytest.importorskip("datatrove")
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Spaces(WordTokenizer):
        """The words that our rules count."""

        def word_tokenize(self, text):
            return text.split()

        def sent_tokenize(self, text):
            raise AssertionError("not asked for sentences")

        span_tokenize = sent_tokenize

    quality = GopherQualityFilter(max_doc_words=10_000, min_stop_words=None, language=Spaces())
    repetition = GopherRepetitionFilter(language=Spaces())
    return lambda name, text: {"quality": quality, "repetition": repetition}[name].filter(
        Document(text=text, id="")
    )


REPETITION = tuple(n for n in NAMES if n.startswith(("max_repeated", "max_top", "max_duplicate")))
NOT_GOPHER = ("max_digits", "max_urls", "max_whitespace")
OURS = {  # datatrove's reason -> ours
    "dup_para_frac": "repeated-paragraphs",
    "dup_para_char_frac": "repeated-paragraph-characters",
    "dup_line_frac": "repeated-lines",
    "dup_line_char_frac": "repeated-line-characters",
    **{f"top_{n}_gram": f"top-{n}-gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"duplicate-{n}-grams" for n in range(5, 11)},
    "gopher_short_doc": "too-few-words",
    "gopher_long_doc": "too-many-words",
    "gopher_below_avg_threshold": "word-length",
    "gopher_above_avg_threshold": "word-length",
    "gopher_too_many_hashes": "symbols",
    "gopher_too_many_ellipsis": "symbols",
    "gopher_too_many_bullets": "bullet-lines",
    "gopher_too_many_end_ellipsis": "ellipsis-lines",
    "gopher_below_alpha_threshold": "no-letters",
}


@pytest.mark.parametrize("name", ["repetition", "quality"])
def test_the_decisions_are_datatroves(data_root, datatrove, name):
    off = [n for n in NAMES if n not in REPETITION] if name == "repetition" else [*REPETITION]
    thresholds = Thresholds(**dict.fromkeys({*off, *NOT_GOPHER}))
    reasons = Counter()
    for text in texts(data_root):
        theirs, ours = datatrove(name, text), verdict(text, thresholds)
        assert (theirs is True) == (ours is None), (theirs, ours, text[:80])
        if ours is not None:
            reasons[ours] += 1
            if OURS[theirs[1]] != ours:  # both fail: the orders of the rules differ
                alone = Thresholds(
                    **{
                        **dict.fromkeys(NAMES),
                        **{n: getattr(Thresholds(), n) for n in _named(OURS[theirs[1]])},
                    }
                )
                assert verdict(text, alone) == OURS[theirs[1]]
    assert len(reasons) >= 4, reasons  # a comparison that nothing fails proves nothing


def _named(reason: str) -> list[str]:
    from mishran.corpus.rules import RULES

    return [rule.threshold for rule in RULES if rule.reason == reason]


def test_not_slower_than_datatrove(data_root, datatrove):
    """Same words, same rules, same text; measured 2 to 10 times faster (docs/results/corpus.md)."""
    from time import process_time

    from datatrove.utils.text import split_into_parts

    thresholds = Thresholds(**dict.fromkeys(NOT_GOPHER))
    some = texts(data_root)[::6]
    assert measure("warm").digits == 0  # the table of characters is made once per process

    def theirs(text: str) -> None:
        if datatrove("quality", text) is True:
            datatrove("repetition", text)

    def seconds(judge: Callable[[str], object]) -> float:
        split_into_parts.cache_clear()
        start = process_time()
        for text in some:
            judge(text)
        return process_time() - start

    # Turn by turn, the best of three of each: a busy machine slows both.
    times = [(seconds(theirs), seconds(lambda t: verdict(t, thresholds))) for _ in range(3)]
    best_theirs, best_ours = map(min, zip(*times, strict=True))
    assert best_ours < best_theirs, times
