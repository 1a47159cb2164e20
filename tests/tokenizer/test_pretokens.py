"""Where a text may be cut: marks stay with their base, digits stand alone, nothing is lost."""

from __future__ import annotations

import gzip
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizer_cases import TEXTS

from mishran.tokenizer.open_bytes import whole_text
from mishran.tokenizer.pretokens import PATTERN, split

UNKNOWN = ("Cn", "Cs")  # unassigned, half of a surrogate pair
INDIC = st.text(st.characters(min_codepoint=0x900, max_codepoint=0xDFF, codec="utf-8"), max_size=20)


def marked(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


@given(st.one_of(TEXTS, INDIC, st.text()))
@settings(max_examples=400)
@example("क्ष १२३ 1\u0303 ।\u0903 ़क")
def test_a_mark_stays_with_its_base(text: str) -> None:
    """A pre-token begins with a mark only where nothing but white space stands before it."""
    whole = whole_text(text)
    parts = split(whole)
    assert "".join(parts) == whole and all(parts)
    for before, part in zip(["\n", *parts], parts, strict=False):
        if marked(part[0]):
            assert before[-1].isspace(), (before, part)


@given(st.one_of(TEXTS, INDIC))
@settings(max_examples=200)
def test_digits_stand_alone(text: str) -> None:
    for part in split(whole_text(text)):
        numbers = [c for c in part if unicodedata.category(c).startswith("N")]
        if numbers:
            assert len(numbers) == 1 and part[0] == numbers[0]
            assert all(marked(c) or c in "\u200c\u200d" for c in part[1:])


@given(st.one_of(TEXTS, INDIC))
@settings(max_examples=200)
def test_the_library_cuts_at_the_same_places(text: str) -> None:
    """Of characters that both know; letters of the newest Unicode are unknown to one of them."""
    from tokenizers import Regex, pre_tokenizers

    whole = whole_text("".join(c for c in text if unicodedata.category(c) != "Cn"))
    cut = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    assert [part for part, _ in cut.pre_tokenize_str(whole)] == split(whole)


@pytest.mark.parametrize("kind", [r"\p{L}", r"\p{M}", r"\p{N}", r"\s"])
def test_both_libraries_know_every_character_alike(kind: str) -> None:
    """All that Python's own Unicode has: of what is newer the library of the cut knows less."""
    import regex
    from tokenizers import Regex, pre_tokenizers

    known = "".join(c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in UNKNOWN)
    others = pre_tokenizers.Split(Regex(f"{kind}+"), "removed").pre_tokenize_str(known)
    theirs = set(known).difference(*(part for part, _ in others))
    assert theirs == set(regex.findall(kind, known))


def test_words_of_all_languages_keep_their_marks(data_root: Path) -> None:
    path = data_root / "parallel/flores101_devtest.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line, _ in zip(lines, range(100), strict=False):
            for text in json.loads(line).values():
                parts = split(text) if isinstance(text, str) else []
                assert not [p for p in parts if marked(p[0])]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("हिन्दी में लिखा", ["हिन्दी", " में", " लिखा"]),
        ("क्‍ष क़लम", ["क्‍ष", " क़लम"]),
        ("rs. १२,३४५", ["rs", ".", " ", "१", "२", ",", "३", "४", "५"]),
        ("a  b\n\nc", ["a", " ", " b", "\n", "\n", "c"]),
        ("\u00a0\u093f \u093f", ["\u00a0", "\u093f", " \u093f"]),  # no base before the first mark
        ("1\ufe0f\u20e3 👩\u200d👧", ["1\ufe0f\u20e3", " 👩\u200d👧"]),
        ("don't (stop)!", ["don", "'", "t", " (", "stop", ")!"]),
    ],
)
def test_by_hand(text: str, parts: list[str]) -> None:
    assert split(text) == parts
