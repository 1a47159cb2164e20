"""Decontamination: what counts as a match, boilerplate, files, and evaluation items in real text."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import unicodedata
from dataclasses import replace
from functools import cache
from time import process_time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mishran.corpus.comparable import _slowly, comparable
from mishran.corpus.contamination import Item, Match, build_index
from mishran.corpus.contamination_files import load, save, to_bytes
from mishran.errors import ConfigError, DataError


def words(start: int, number: int) -> str:
    return " ".join(f"w{i}" for i in range(start, start + number))


# ---- comparable text ----


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don’t stop!", "dont  STOP"),
        ("(अ) २०२४ में", "अ 2024 में"),
        ("well-known—indeed", "WELL known indeed"),
        ("ﬁve … cafe\u0301", "five caf\u00e9"),
        ("zero\u200dwidth soft\u00adhyphen", "zerowidth softhyphen"),
        ("कि\u200dताब।दो", "किताब दो"),
        ("\u0928\u093c", "\u0929"),
        ("STRASSE", "straße"),
        ("half \ud800 a pair", "half a pair"),
        ("a'\u0301", "á"),
    ],
)
def test_typographic_versions_are_one(one, other):
    assert comparable(one) == comparable(other)


def test_vowel_signs_numbers_and_order_stay():
    assert comparable("कुल") != comparable("कल") != comparable("कील")
    assert comparable("2 and 3") != comparable("2 and 4")
    assert comparable("राम ने कहा, “चलो!”") == "राम ने कहा चलो"


MIXED = st.text(
    st.characters(codec=None) | st.sampled_from("aé'’\u0301\u093c\u094dनकाि \u200d…ﬁ\u1100\u1161ß")
)


@given(MIXED)
@example("न\u093c\u094d")
@example("x\u0308\u0301X\u0308")
@example("T\u0308")
@example("a =\u0338 b")
@example("\u1112\u1161\u11ab")
def test_the_fast_way_is_the_definition(text):
    assert comparable(text) == _slowly(text)


@given(MIXED)
def test_comparable_text_is_words_and_stays_as_it_is(text):
    found = comparable(text)
    assert comparable(found) == found
    assert found == " ".join(found.split())
    for char in found.replace(" ", ""):
        assert unicodedata.category(char)[0] not in "PSZ"


# ---- what counts as a match ----


def test_thirteen_words_of_prompt_and_answer():
    index = build_index([Item("quiz", "7", words(0, 12), words(12, 3))])
    assert index.match(f"before {words(2, 13)} after") == Match(
        "quiz", "7", words(2, 13), "n-gram", 1
    )
    assert index.match(f"before, {words(0, 12).upper()}; after") is None
    assert index.match(words(0, 6) + " or " + words(6, 9)) is None
    assert index.match("") is None


@pytest.mark.parametrize(("number", "found"), [(7, False), (8, True), (12, True)])
def test_whole_items_of_eight_words_and_more(number, found):
    index = build_index([Item("quiz", "a", words(0, number))])
    match = index.match(f"so {words(0, number)} then")
    assert (match is not None) == found
    if found:
        assert (match.how, match.word, match.ngram) == ("whole item", 1, words(0, number))
        assert index.match(words(0, number - 1)) is None
        assert index.match(words(1, number)) is None


QUESTION = "who wrote the old song"


def test_question_and_answer_near_each_other():
    index = build_index([Item("quiz", "a", QUESTION, "Mira Devi"), Item("quiz", "b", "w9", "x")])
    match = index.match(f"Q: {QUESTION}? A: it was Mira-Devi.")
    assert match == Match("quiz", "a", QUESTION, "question and answer", 1)
    assert index.match(f"Mira Devi: {QUESTION}?") is not None
    assert index.match(f"{QUESTION}? I do not know") is None
    assert index.match(f"{QUESTION}? Devi Mira") is None
    assert index.match("Mira Devi, of course") is None
    near, far = f"{QUESTION} {words(0, 48)} mira devi", f"{QUESTION} {words(0, 49)} mira devi"
    assert index.match(near) is not None
    assert index.match(far) is None


def test_answers_that_prove_nothing():
    many = [Item("quiz", str(i), f"is {words(10 * i, 4)} true", "maybe so") for i in range(11)]
    text = f"{many[0].prompt}? The answer is maybe so"
    assert build_index(many[:1]).match(text) is not None
    assert build_index(many).match(text) is None  # a label
    single = [Item("quiz", "a", QUESTION, "B")]
    assert build_index(single).match(f"{QUESTION} b") is None
    echo = [Item("quiz", "a", QUESTION, "the song")]
    assert build_index(echo).match(f"{QUESTION} the song") is None
    classes = [
        Item("s", str(i), f"{QUESTION} {i}", ["one way", "another"][i % 2]) for i in range(6)
    ]
    assert build_index(classes[:2]).match(f"{QUESTION} 0? Just one way") is not None
    assert build_index(classes).match(f"{QUESTION} 0? Just one way") is None
    short = [Item("quiz", "a", "who sang it", "Mira Devi")]
    assert build_index(short).match("who sang it Mira Devi") is None  # three words are no question


def test_the_same_question_with_two_answers():
    index = build_index(
        [Item("q", "a", QUESTION, "mira devi"), Item("q", "b", QUESTION, "old ravi")]
    )
    assert index.match(f"{QUESTION} old ravi").item == "b"
    assert index.match(f"{QUESTION} mira devi").item == "a"


def test_the_first_place_and_the_first_item_win():
    items = [
        Item("b", "1", words(0, 20)),
        Item("a", "2", words(5, 20)),
        Item("a", "3", words(50, 13)),
    ]
    index = build_index(items)
    assert index.match(words(50, 13) + " " + words(5, 15)).item == "3"
    assert index.match(words(5, 15)).item == "1"
    assert index.match(words(12, 13)).set == "a"


TOKENS = st.lists(st.sampled_from("abc"), max_size=40).map(" ".join)


@given(st.lists(TOKENS, min_size=1, max_size=4), TOKENS)
@example(["a b c a b c a b c a b c a"], "b a b c a b c a b c a b c a c")
def test_against_plain_search(items, text):
    """Few words, so that everything overlaps; items without answers."""
    if not any(items):
        return
    index = build_index([Item("s", str(i), prompt) for i, prompt in enumerate(items)])
    split = text.split()
    found = set()
    for prompt in items:
        has = prompt.split()
        size = min(len(has), 13)
        parts = [has[i : i + size] for i in range(len(has) - size + 1)] if size >= 8 else []
        found |= {i for i in range(len(split)) for part in parts if split[i : i + size] == part}
    match = index.match(text)
    assert (match.word if match else None) == min(found, default=None)


def test_equal_hashes_are_no_match_by_themselves():
    index = build_index([Item("quiz", "a", words(0, 13))])
    forged = replace(index, tokens=index.tokens[::-1].copy())
    assert index.match(words(0, 13)) is not None
    assert forged.match(words(0, 13)) is None


# ---- boilerplate ----


INSTRUCTION = "choose the one answer that fits best to the question given here below now"


def test_instructions_of_a_set_and_of_several_do_not_condemn():
    one = [Item("quiz", str(i), f"{INSTRUCTION} {words(100 * i, 13)}") for i in range(11)]
    index = build_index(one)
    assert index.match(INSTRUCTION) is None
    assert index.match(words(300, 13)).item == "3"
    assert build_index(one[:10]).match(INSTRUCTION) is not None  # 10 are not more than 10
    # A passage with 11 questions in a large set is no boilerplate, unless a second set has it too.
    large = one + [Item("quiz", f"x{i}", words(5000 + 100 * i, 13)) for i in range(200)]
    assert build_index(large).match(INSTRUCTION) is not None
    assert build_index([*large, Item("other", "0", INSTRUCTION)]).match(INSTRUCTION) is None


def test_a_question_that_many_items_ask_is_no_evidence():
    many = [Item("s", str(i), QUESTION, f"singer {i} himself") for i in range(11)]
    text = f"{QUESTION}? It was singer 3 himself"
    assert build_index(many[:10]).match(text).item == "3"
    assert build_index(many).match(text) is None


# ---- errors, files ----


def test_errors_of_building():
    with pytest.raises(ConfigError, match="n-grams of at least 8 words, found 7; write 13"):
        build_index([Item("s", "1", "x")], n=7)
    with pytest.raises(
        DataError, match="evaluation items with words, found no item; give the prompts"
    ):
        build_index([])
    with pytest.raises(DataError, match="found 2 items, all empty"):
        build_index([Item("s", "1", "?"), Item("s", "2", " ")])


ITEMS = [
    Item("a", "1", words(0, 20), "काशी नगर"),
    Item("b", "x\ny", QUESTION, "Mira Devi"),
    Item("b", "3", words(30, 9)),
]


def test_a_file_gives_the_same_index(tmp_path):
    index = build_index(iter(ITEMS))
    save(index, tmp_path / "items.npz")
    again = load(tmp_path / "items.npz")
    assert to_bytes(again) == to_bytes(index)
    for text in (words(3, 13), f"{QUESTION} mira devi", words(30, 9), "nothing of it"):
        assert again.match(text) == index.match(text)
    assert again.match(f"{QUESTION}, Mira Devi").item == "x\ny"
    empty = replace(index, grams=())
    save(empty, tmp_path / "none.npz")
    assert load(tmp_path / "none.npz").match(words(0, 20)) is None


def test_equal_bytes_in_every_process():
    code = (
        "import hashlib\nfrom mishran.corpus.contamination import *\n"
        "from mishran.corpus.contamination_files import to_bytes\n"
        f"items = [Item(*a) for a in {[(i.set, i.id, i.prompt, i.answer) for i in ITEMS]!r}]\n"
        "print(hashlib.sha256(to_bytes(build_index(items))).hexdigest())"
    )
    ran = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert ran == [hashlib.sha256(to_bytes(build_index(ITEMS))).hexdigest()] * 2


def test_files_that_are_no_index(tmp_path):
    path = tmp_path / "items.npz"
    with pytest.raises(
        DataError, match=r"items\.npz: expected an index of evaluation .*No such file"
    ):
        load(path)
    whole = to_bytes(build_index(ITEMS))
    for bad in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(bad)
        with pytest.raises(DataError, match="build it again from the evaluation sets"):
            load(path)
    save(build_index(ITEMS), path)
    with np.load(path) as file:
        arrays = dict(file)
    for name, value in {
        "version": np.int64(99),
        "starts": arrays["starts"][:-1],
        "tokens": arrays["tokens"] + np.uint32(1),
        "set_of": arrays["set_of"] + 5,
        "hashes": arrays["hashes"][::-1],
        "at": arrays["at"] + 1000,
        "sets_lengths": arrays["sets_lengths"] + 1,
    }.items():
        np.savez(path, **{**arrays, name: value})
        with pytest.raises(DataError, match=r"version 99|do not fit each other|other lengths"):
            load(path)
    np.savez(path, tokens=arrays["tokens"])
    with pytest.raises(DataError, match="expected an index of evaluation items"):
        load(path)


# ---- real items in real text ----


@cache
def real(folder):
    """Items of three sets in two languages, and documents of six kinds."""
    items, texts = [], []
    for name in ("tasks/gsm8k", "hindi/xquad_hi", "hindi/xquad_en"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                items.append(Item(name, row["id"], row["input"], row["target"]))
    for name in (
        "en_fiction",
        "en_wiki",
        "en_science",
        "hi_literature",
        "hi_tech",
        "hing_dialogue",
    ):
        path = folder / "pretrain" / f"{name}.train.jsonl.gz"
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for _, line in zip(range(120), lines, strict=False)]
    return items, texts, build_index(items)


def test_planted_items_are_found_and_others_are_not(data_root):
    items, texts, index = real(data_root)
    r = np.random.default_rng(0)
    clean = [t for t in texts if index.match(t) is None]
    assert len(clean) > 0.99 * len(texts)
    missed = 0
    for i in r.choice(len(items), 300, replace=False).tolist():
        around = clean[i % len(clean)]
        half = len(around) // 2
        item = items[i]
        planted = f"{around[:half]}\n\n{item.prompt.upper()} — {item.answer}!\n{around[half:]}"
        match = index.match(planted)
        missed += match is None
        if match is not None:
            assert comparable(match.ngram) == match.ngram
            assert match.ngram in comparable(f"{item.prompt} {item.answer}")
            split = comparable(planted).split()
            assert (
                split[match.word : match.word + match.ngram.count(" ") + 1] == match.ngram.split()
            )
    assert missed == 0


def test_half_an_item_in_other_words_is_not(data_root):
    """Hard negatives: the items' own words, no 12 in a row."""
    items, _, index = real(data_root)
    for item in items[:300]:
        split = comparable(f"{item.prompt} {item.answer}").split()
        broken = " zwischen ".join(" ".join(split[i : i + 7]) for i in range(0, len(split), 7))
        assert index.match(broken) is None


def test_speed(data_root):
    """A bar far below what is measured (docs/results/corpus.md), for slow machines: 2 MB/s."""
    _, texts, index = real(data_root)
    index.match(texts[0])
    start = process_time()
    for text in texts:
        index.match(text)
    size = sum(len(text.encode()) for text in texts)
    assert size / (process_time() - start) > 2e6
