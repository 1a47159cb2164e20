"""Measures against slow ones written out, numbers by hand, and what must not change them."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_cases import TEXTS, trained

from mishran.errors import DataError
from mishran.tokenizer.measures import (
    MEASURES,
    RATIOS,
    distinct_words,
    drawn,
    measure,
    ratio,
)
from mishran.tokenizer.open_bytes import Bytes, whole_text
from mishran.tokenizer.open_hugging_face import HuggingFace
from mishran.tokenizer.parallel import Parallel, parallel
from mishran.tokenizer.tally import Tally, tally
from mishran.tokenizer.worst import worst_words

BYTES = Bytes("bytes")
OURS = HuggingFace(trained("bpe").json, "ours")
LEVEL = HuggingFace(trained("byte-bpe").json, "level")


def slow(tokenizer: Bytes | HuggingFace, text: str) -> dict[str, int]:
    """Counts of a text, one character after another."""
    (encoded,) = tokenizer.encode([text])
    starts = encoded.starts.tolist()
    place, found = 0, Counter(num_tokens=len(starts), num_bytes=0, num_words=0)
    words: list[list[int]] = []
    inside = False
    for character in text:
        size = len(character.encode())
        for start in starts:
            if start == place and unicodedata.category(character).startswith("M"):
                found["num_broken"] += 1
            if place < start < place + size:
                found["num_inside"] += 1
        if not character.isspace():
            if not inside:
                words.append([place, place])
            words[-1][1] = place + size
        inside = not character.isspace()
        place += size
    found["num_bytes"], found["num_characters"], found["num_words"] = place, len(text), len(words)
    found["num_split"] = sum(any(a < s < b for s in starts) for a, b in words)
    return found


@pytest.mark.parametrize("tokenizer", [BYTES, OURS, LEVEL], ids=["bytes", "bpe", "byte-bpe"])
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=80)
def test_counts_are_those_of_a_slow_count(tokenizer, texts: list[str]) -> None:
    found = tally(tokenizer, texts)
    for i, text in enumerate(map(whole_text, texts)):
        expected = slow(tokenizer, text)
        for name in ("tokens", "bytes", "characters", "words", "split", "broken", "inside"):
            assert getattr(found, f"num_{name}")[i] == expected[f"num_{name}"], (name, text)
    assert np.bincount(found.text, minlength=len(texts)).tolist() == found.num_tokens.tolist()


def test_by_hand_on_bytes() -> None:
    """कि is 6 bytes, of which the 4th begins a vowel sign; the rest are inside characters."""
    found = tally(BYTES, ["a b", "कि", ""])
    assert found.num_tokens.tolist() == found.num_bytes.tolist() == [3, 6, 0]
    assert found.num_words.tolist() == [2, 1, 0] and found.num_split.tolist() == [0, 1, 0]
    assert found.num_broken.tolist() == [0, 1, 0] and found.num_inside.tolist() == [0, 4, 0]


TEXT = parallel(
    "t", {"en": ["the river", "a city of books"] * 10, "hi": ["नदी", "किताबों का शहर"] * 10}
)


def values(texts: Parallel, seed: int = 0) -> dict[tuple[str, str], float]:
    rows = measure(OURS, texts, "en", seed)
    return {(row.language, name): one.value for row in rows for name, one in row.measures.items()}


def test_every_measure_is_there_and_inside_its_interval() -> None:
    for row in measure(OURS, TEXT, "en"):
        assert set(row.measures) == set(MEASURES)
        for name, one in row.measures.items():
            assert one.low - 1e-9 <= one.value <= one.high + 1e-9 or name == "renyi_efficiency"
        assert row.num_texts == 20
    own = measure(OURS, TEXT, "en")[0].measures["parity"]
    assert (own.value, own.low, own.high) == (1, 1, 1)


def test_numbers_of_a_tokenizer_that_is_known() -> None:
    row = measure(BYTES, TEXT, "en")[1]
    texts = TEXT.texts["hi"]
    size = sum(len(text.encode()) for text in texts)
    found = {name: one.value for name, one in row.measures.items()}
    assert found["parity"] == size / sum(len(text) for text in TEXT.texts["en"])
    assert found["bytes_per_token"] == 1 and found["single_token_words"] == 0
    assert found["characters_per_token"] == pytest.approx(sum(map(len, texts)) / size)
    assert found["fertility"] == size / 40 and found["continued_words"] == 1


def test_order_and_number_of_texts_change_nothing() -> None:
    turned = Parallel("t", {k: v[::-1] for k, v in TEXT.texts.items()})
    twice = Parallel("t", {k: v * 2 for k, v in TEXT.texts.items()})
    assert values(turned) == pytest.approx(values(TEXT))
    assert values(twice) == pytest.approx(values(TEXT))
    assert values(TEXT, seed=1) == values(TEXT)


def test_renyi_efficiency_is_its_formula() -> None:
    lines = ["the river and the city", "books of the school"]
    found = measure(OURS, parallel("t", {"en": lines, "hi": lines}), "en")[0]
    counts = Counter(int(i) for one in OURS.encode(lines) for i in one.ids)
    shares = [n / sum(counts.values()) for n in counts.values()]
    entropy = math.log(sum(p**2.5 for p in shares)) / (1 - 2.5)
    efficiency = found.measures["renyi_efficiency"].value
    assert efficiency == pytest.approx(entropy / math.log(OURS.size))


def test_intervals_hold_as_often_as_they_say() -> None:
    """Ratios of texts drawn from a known population: 95 % within two points of twice 95 in 200."""
    rng = np.random.default_rng(5)
    held = 0
    for i in range(200):
        words = rng.integers(5, 30, size=80)
        tokens = rng.poisson(1.4 * words)
        one = ratio(tokens, words, drawn(80, 400, i))
        held += one.low <= 1.4 <= one.high
    assert 0.88 <= held / 200 <= 0.99


def test_different_words_once_each() -> None:
    assert distinct_words(["a cat, a dog 12", "cat's कि"]) == ["a", "cat", "dog", "s", "कि"]


def test_texts_without_words_have_no_measure() -> None:
    row = measure(OURS, parallel("t", {"en": ["1 2", "3"], "hi": ["१", "२"]}), "en")[1]
    assert math.isnan(row.measures["single_token_words"].value)
    assert row.measures["fertility"].value == pytest.approx(1, abs=2)


def test_worst_words_cost_most() -> None:
    texts = ["abracadabra river abracadabra", "किताबों ☃ का"]
    found = worst_words(OURS, texts)
    costs = [(len(one.parts) - 1) * one.count for one in found]
    assert costs == sorted(costs, reverse=True) and found[0].word == "abracadabra"
    assert found[0].count == 2
    for one in found:
        assert "".join(one.parts) == f" {one.word}" and len(one.broken) == len(one.parts)
    cut = next(one for one in worst_words(BYTES, ["कि"]) if one.word == "कि")
    assert cut.broken == (False, False, True, True, True, True, True)
    assert not worst_words(OURS, ["a a"])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"en": ["a"]}, "at least two languages"),
        ({"en": ["a", "b"], "hi": ["क"]}, r"as many texts in hi as in en \(2\), found 1"),
        ({"en": ["a"], "hi": []}, "text in hi, found none"),
        ({"en": ["a"], "hi": [" "]}, "text in hi, found 1 texts, all of them empty"),
        ({"en": ["a", "b"], "hi": ["क", ""]}, "text 2: expected a text in every language"),
    ],
)
def test_texts_that_are_not_parallel_are_one_line(texts: dict[str, list[str]], said: str) -> None:
    with pytest.raises(DataError, match=said) as stop:
        parallel("news", texts)
    assert "parallel text 'news'" in str(stop.value)


def test_parts_have_nothing_in_common() -> None:
    first, second = TEXT.part(0, 2), TEXT.part(1, 2)
    assert first.num + second.num == TEXT.num and set(RATIOS) < set(MEASURES)
    assert first.texts["en"] == ("the river",) * 10 and second.only(["hi"]).texts.keys() == {"hi"}
    assert isinstance(tally(OURS, []), Tally)
