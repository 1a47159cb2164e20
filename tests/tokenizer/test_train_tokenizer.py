"""Tokenizers of all four algorithms: exact, whole, the same bytes each time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizer_cases import (
    ALGORITHMS,
    EXTRA,
    SIZE,
    TEXTS,
    alphabet,
    tables,
    trained,
    weights,
)

from mishran.errors import ConfigError
from mishran.tokenizer.alphabet import BYTES, SPECIAL, alphabet_of, inside, smallest
from mishran.tokenizer.folder import write_tokenizer
from mishran.tokenizer.open_bytes import whole_text
from mishran.tokenizer.open_hugging_face import HuggingFace
from mishran.tokenizer.open_sentencepiece import SentencePiece
from mishran.tokenizer.opened import open_tokenizer
from mishran.tokenizer.pretokens import split
from mishran.tokenizer.train import NESTED, Trained, occurrences, train
from mishran.tokenizer.train_bpe import truncated_bpe
from mishran.tokenizer.train_sentencepiece import (
    hugging_face,
    parsed,
    train_sentencepiece,
    truncated_sentencepiece,
)
from mishran.tokenizer.words import count_words

SENTENCEPIECE = tuple(a for a in ALGORITHMS if a.startswith("sentencepiece"))


def opened(made: Trained) -> HuggingFace:
    return HuggingFace(made.json, made.algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(text=TEXTS)
@settings(max_examples=150)
@example(text="▁a ▁ \uf8fe\uf8ff▁\uf8fe <0x41><s></s> क्‍ष")
def test_every_text_comes_back(algorithm, text: str) -> None:
    made = trained(algorithm)
    tokenizers = [opened(made)]
    if made.model is not None:
        tokenizers.append(SentencePiece(made.model, algorithm))
    whole = whole_text(text)
    for tokenizer in tokenizers:
        (encoded,) = tokenizer.encode([text])
        assert tokenizer.decode(encoded.ids) == whole
        assert tokenizer.counts([text])[0] == encoded.ids.size
        raw = whole.encode()
        if raw:
            edges = [*encoded.starts.tolist(), len(raw)]
            assert edges[0] == 0 and edges == sorted(edges)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(text=TEXTS)
@settings(max_examples=60)
def test_every_text_comes_back_from_the_libraries_alone(algorithm, text: str) -> None:
    """Though they read names of special tokens as these."""
    import sentencepiece
    from tokenizers import Tokenizer

    made, whole = trained(algorithm), whole_text(text)
    theirs = Tokenizer.from_str(made.json)
    assert theirs.decode(theirs.encode(whole).ids, skip_special_tokens=False) == whole
    if made.model is not None:
        model = sentencepiece.SentencePieceProcessor(model_proto=made.model)
        assert model.decode(model.encode(whole)) == whole


@pytest.mark.parametrize("algorithm", [a for a in ALGORITHMS if a != "byte-bpe"])
def test_a_character_without_a_token_is_its_bytes(algorithm) -> None:
    made = trained(algorithm)
    assert "☃" not in alphabet().characters
    first = len(SPECIAL) + len(EXTRA)
    expected = [first + byte for byte in "☃".encode()]
    assert opened(made).encode(["☃"])[0].ids.tolist() == expected
    if made.model is not None:
        assert SentencePiece(made.model, "").encode(["☃"])[0].ids.tolist() == expected


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_script_comes_back(algorithm, data_root: Path) -> None:
    import gzip
    import json

    path = data_root / "parallel/flores101_devtest.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(20), strict=False)]
    texts = [text for row in rows for text in row.values() if isinstance(text, str)]
    assert len(texts) == 400
    made = trained(algorithm)
    ids = []
    for tokenizer in (opened(made), made.model and SentencePiece(made.model, "")):
        if tokenizer:
            found = tokenizer.encode(texts)
            assert [tokenizer.decode(one.ids) for one in found] == texts
            ids.append([one.ids.tolist() for one in found])
    # Where SentencePiece has other ids, it joined over a pre-token: runs of spaces, as here, or a mark
    # that has no base and the letter after it.
    other = [text for text, one, two in zip(texts, ids[0], ids[-1], strict=True) if one != two]
    assert all("  " in text for text in other) and len(other) <= 4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(text=TEXTS)
@settings(max_examples=60)
def test_no_token_crosses_a_pretoken(algorithm, text: str) -> None:
    whole = whole_text(text)
    cuts = np.cumsum([len(part.encode()) for part in split(whole)])[:-1]
    (encoded,) = opened(trained(algorithm)).encode([whole])
    assert set(cuts.tolist()) <= set(encoded.starts.tolist())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_digits_stand_alone_in_every_script(algorithm) -> None:
    tokenizer = opened(trained(algorithm))
    for number in ("2024", "२०२४", "٢٠٢٤"):
        (encoded,) = tokenizer.encode([number])
        places = [len(number[:i].encode()) for i in range(4)]
        assert set(places) <= set(encoded.starts.tolist())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ids_begin_with_special_tokens(algorithm) -> None:
    made = trained(algorithm)
    tokenizer = opened(made)
    assert made.vocabulary == tokenizer.size == SIZE
    assert [tokenizer.piece(i) for i in range(5)] == [*SPECIAL, *EXTRA]
    if algorithm != "byte-bpe":
        assert [tokenizer.piece(5 + b) for b in range(256)] == list(BYTES)
        assert {tokenizer.piece(i) for i in range(SIZE)} >= set(alphabet().characters)
    names = {tokenizer.piece(i) for i in tokenizer.encode(["<s></s><|user|>"])[0].ids}
    assert not names & {"<s>", "</s>", "<|user|>"}  # in a text they are text


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_transformers_reads_the_folder(algorithm, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_tokenizer(trained(algorithm), tmp_path / "made", EXTRA, {"algorithm": algorithm})
    theirs = AutoTokenizer.from_pretrained(tmp_path / "made")
    ours = open_tokenizer(str(tmp_path / "made"))
    text = "The river and the city. क़ीमत १२३ ▁ रुपये \n  — 2024 😀"
    ids = theirs(text, add_special_tokens=False)["input_ids"]
    assert ids == ours.encode([text])[0].ids.tolist()
    assert theirs.decode(ids) == text
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id) == (0, 1, 2)
    assert theirs("<|user|>", add_special_tokens=False)["input_ids"] == [4]
    assert len(theirs) == ours.size == SIZE
    assert (tmp_path / "made/tokenizer.model").is_file() == algorithm.startswith("sentencepiece")


@pytest.mark.parametrize("algorithm", NESTED)
def test_a_smaller_vocabulary_is_the_beginning_of_a_larger_one(algorithm) -> None:
    for size in (SIZE - 100, SIZE - 1):
        large, small = trained(algorithm), trained(algorithm, size)
        if large.model is None:
            assert truncated_bpe(large.json, size, EXTRA) == small.json
        else:
            model = truncated_sentencepiece(large.model, size)
            assert hugging_face(parsed(model), EXTRA) == small.json
            pieces = [
                [(p.piece, p.score, p.type) for p in parsed(m).pieces] for m in (model, small.model)
            ]
            assert pieces[0] == pieces[1]


@pytest.mark.parametrize("algorithm", SENTENCEPIECE)
def test_sentencepiece_and_hugging_face_give_the_same_ids(algorithm) -> None:
    """But for runs of spaces, which SentencePiece joins across pre-tokens, and U+2581, which it escapes."""
    made = trained(algorithm)
    assert made.model is not None
    one, other = SentencePiece(made.model, ""), opened(made)
    words = [
        [word.strip() for word in table.counts if "▁" not in word] for table in tables().values()
    ]
    texts = [" ".join(some) for some in words]
    for a, b in zip(one.encode(texts), other.encode(texts), strict=True):
        assert a.ids.tolist() == b.ids.tolist() and a.starts.tolist() == b.starts.tolist()


def test_two_processes_and_any_order_give_the_same_bytes() -> None:
    code = (
        "import hashlib, sys; sys.path[:0] = ['tests/tokenizer', 'tests/corpus']\n"
        "from tokenizer_cases import *\n"
        "made = [trained(a) for a in ALGORITHMS]\n"
        "print([hashlib.sha256(m.json.encode() + (m.model or b'')).hexdigest() for m in made])"
    )
    root = Path(__file__).resolve().parents[2]
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = []
    for algorithm in ALGORITHMS:
        backwards = dict(reversed(weights().items()))
        made = train(backwards, alphabet(), algorithm, SIZE, EXTRA)
        here.append(hashlib.sha256(made.json.encode() + (made.model or b"")).hexdigest())
    assert found == {f"{here}\n"}


def test_words_are_cut_where_the_alphabet_ends() -> None:
    table = {"en": count_words(["abc"] * 99 + ["a☃bc ☃"])}
    few = alphabet_of(table, 0.99)
    assert few.characters == ("a", "b", "c")
    assert few.coverage["en"] == pytest.approx(300 / 303)
    assert inside({"abc": 2.0, "a☃bc": 1.0, " ☃": 1.0}, few) == {"abc": 2.0, "a": 1.0, "bc": 1.0}
    assert "☃" in alphabet_of(table, 1.0).characters


def test_each_language_has_its_own_alphabet() -> None:
    many = {"en": count_words(["plain words"] * 1000), "hi": count_words(["ऋषि ङ"])}
    assert {"ऋ", "ष", "ि", "ङ"} <= set(alphabet_of(many, 0.9999).characters)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_too_small_and_too_large_vocabularies_are_one_line(algorithm) -> None:
    least = smallest(alphabet(), EXTRA) + 1
    with pytest.raises(ConfigError) as stop:
        train(weights(), alphabet(), algorithm, least - 1, EXTRA)
    assert f"at least {least:,} (5 special tokens, 256 bytes" in str(stop.value)
    assert str(stop.value).startswith("vocabulary: expected") and f"found {least - 1:,}" in str(
        stop.value
    )
    assert train(weights(), alphabet(), algorithm, least, EXTRA).vocabulary == least
    with pytest.raises(ConfigError, match="give more text, or make the vocabulary smaller"):
        train(weights(), alphabet(), algorithm, 200_000, EXTRA)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("token", ["teacher", "###", "।", " teacher"])
def test_a_special_token_that_a_word_is_is_one_line(algorithm, token: str) -> None:
    """Learned as a word it had the id of the special one: text was lost, and ids were missing."""
    with pytest.raises(ConfigError, match=r"which no word of a text is, found .*; write it like"):
        train(weights(), alphabet(), algorithm, SIZE, (token,))


@pytest.mark.parametrize("algorithm", NESTED)
def test_a_vocabulary_cut_below_its_alphabet_is_one_line(algorithm) -> None:
    """It came back whole, under the name of the smaller size."""
    made = trained(algorithm)
    letters = 0 if algorithm == "byte-bpe" else len(alphabet().characters)
    least = 5 + 256 + letters + 1

    def smaller(size: int) -> int:
        if made.model is None:
            return opened(Trained(algorithm, size, truncated_bpe(made.json, size, EXTRA))).size
        return SentencePiece(truncated_sentencepiece(made.model, size), "").size

    assert smaller(least) == least
    with pytest.raises(ConfigError, match=f"a vocabulary of at least {least} .*found {least - 1}"):
        smaller(least - 1)


def test_what_sentencepiece_refuses_is_one_line() -> None:
    with pytest.raises(ConfigError) as stop:
        train_sentencepiece({"ab": 3}, alphabet(), 10, EXTRA, "bpe")
    said = str(stop.value)
    assert said.startswith(
        "vocabulary: expected text that SentencePiece learns 10 tokens from, found"
    )
    assert said.endswith("give more text, or make the vocabulary smaller") and "\n" not in said


@given(
    st.dictionaries(st.text("ab☃क ", min_size=1, max_size=5), st.floats(1e-3, 1e6)), st.randoms()
)
def test_counts_are_the_same_in_any_order(table: dict[str, float], rng) -> None:
    few = alphabet_of({"en": count_words(["a b क"])}, 1.0)
    order = list(table.items())
    rng.shuffle(order)
    found, other = inside(table, few), inside(dict(order), few)
    assert found == other and occurrences(found) == occurrences(other)
    assert set("".join(found)) <= set(few.characters)


def test_the_last_digit_of_a_sum_moves_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ, and 1.5 is rounded up where 1.4999 is not."""
    monkeypatch.setattr("mishran.tokenizer.train.OCCURRENCES", 3)
    table = {"a": 0.1, "b": 0.2, "c": 0.3}
    assert sum(table.values()) != sum(reversed(table.values()))
    assert occurrences(table) == occurrences(dict(reversed(table.items()))) == {"b": 1, "c": 2}
