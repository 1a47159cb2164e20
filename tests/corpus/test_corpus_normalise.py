"""Script normalisation: letters stay, spellings become one, the library's harmful rules do not reach
the text."""

from __future__ import annotations

import gzip
import json
import unicodedata
from pathlib import Path

import pytest
from corpus_growth import LIMIT, growth
from hypothesis import given
from hypothesis import strategies as st

from mishran.corpus.edited import Edited
from mishran.corpus.normalise import normalise
from mishran.corpus.quotes import unify_quotes

LANGUAGES = ["hi", "mr", "ne", "sa", "kok", "as", "bn", "gu", "kn", "ml", "or", "pa", "ta", "te"]
FLORES = {
    "hin": "hi",
    "asm": "as",
    "ben": "bn",
    "guj": "gu",
    "kan": "kn",
    "mal": "ml",
    "mar": "mr",
    "npi": "ne",
    "ory": "or",
    "pan": "pa",
    "tam": "ta",
    "tel": "te",
}
indic = st.text(
    st.one_of(
        st.characters(min_codepoint=0x900, max_codepoint=0xD7F),
        st.sampled_from(" |:'“—\xa0\xad\u200c\u200d"),
    )
)

# What Unicode 15, tables 12-16 and 12-22, says not to write, and chillus: the only respellings that remain.
SAME = {
    "ਅਾ": "ਆ",
    "ੲਿ": "ਇ",
    "ੲੀ": "ਈ",
    "ੳੁ": "ਉ",
    "ੳੂ": "ਊ",
    "ੲੇ": "ਏ",
    "ਅੈ": "ਐ",
    "ੳੋ": "ਓ",
    "ਅੌ": "ਔ",
    "ଅା": "ଆ",
    "ଏୗ": "ଐ",
    "ଓୗ": "ଔ",
    "ണ്\u200d": "ൺ",
    "ന്\u200d": "ൻ",
    "ര്\u200d": "ർ",
    "ല്\u200d": "ൽ",
    "ള്\u200d": "ൾ",
    "ക്\u200d": "ൿ",
}


def letters(text: str) -> str:
    for old, new in SAME.items():
        text = text.replace(old, new)
    return "".join(
        c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c)[0] in "LM"
    )


@given(indic, st.sampled_from(LANGUAGES))
def test_a_second_run_finds_nothing(text: str, language: str) -> None:
    once = normalise(text, language)
    assert normalise(once.text, language) == Edited(once.text)
    assert (once.text == text) == (not once.counts)


@given(indic, st.sampled_from(LANGUAGES))
def test_the_letters_stay(text: str, language: str) -> None:
    text = unicodedata.normalize("NFC", text.replace("\xad", ""))
    assert letters(normalise(text, language).text) == letters(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_times_and_labels_survive(language: str) -> None:
    text = "| नाम: राम | ১০:৩০ | ਨਾਮ: ਰਾਮ |\nपेज १—२ … ''मोटा'' “उद्धरण” ॲप ৷ ଵ ൗ"
    assert normalise(text, language) == Edited(text)


@pytest.mark.parametrize(
    ("language", "before", "after", "counts"),
    [
        ("hi", "दस\xa0रुपये", "दस रुपये", {"no-break-space": 1}),
        ("hi", "क\u2060ल\ufeffम", "कलम", {"format-character": 2}),
        ("hi", "सड\u093cक ग\u095aज", "सड\u093cक ग\u0917\u093cज", {"nfc": 1}),
        ("ne", "गर्\u200dयो", "गर्\u200dयो", {}),
        ("ml", "തന്\u200dറെ വീട്", "തൻറെ വീട്", {"script-form": 1}),
        ("pa", "ਅਾਮ ੲਿਹ", "ਆਮ ਇਹ", {"script-form": 2}),
        ("or", "ଅାମ\u0b64", "ଆମ।", {"script-form": 1}),
        ("hi-Latn", "ghar\xa0par", "ghar\xa0par", {}),
        ("pa-Arab", "ਅਾਮ", "ਅਾਮ", {}),
        ("sd", "ਅਾਮ\xa0", "ਅਾਮ\xa0", {}),
        ("de", "zwei\xa0„Worte“", "zwei\xa0„Worte“", {}),
    ],
)
def test_what_changes(language: str, before: str, after: str, counts: dict[str, int]) -> None:
    assert normalise(before, language) == Edited(after, counts)


def test_letters_that_the_library_takes_apart_are_put_together_again() -> None:
    assert normalise("ऩ ऱ ऴ", "hi") == Edited("ऩ ऱ ऴ")


def test_quotes_are_unified_in_any_language() -> None:
    text = "“It’s” «so» ‘here’"
    assert normalise(text, "en") == Edited(text)
    assert unify_quotes(text) == Edited("\"It's\" «so» 'here'", {"quote": 5})
    assert unify_quotes(unify_quotes(text).text).counts == {}


@pytest.mark.parametrize("piece", ["ക്\u200d", "ਅਾ", "|", "“", "\u200d", "क\u093c"])
def test_time_grows_with_the_text(piece: str) -> None:
    assert growth(lambda text: normalise(text, "ml"), piece) < LIMIT


def test_real_sentences_keep_their_letters(data_root: Path) -> None:
    with gzip.open(data_root / "parallel" / "flores101_devtest.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file][:150]
    for key, language in FLORES.items():
        for row in rows:
            text = row[key].replace("\xad", "")
            after = normalise(text, language).text
            assert letters(after) == letters(text)
            assert after.count("|") == text.count("|") and after.count(":") == text.count(":")
