"""Inflection tables: what is read, which word is taken, and every way a file can be wrong."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from mishran.errors import ConfigError, DataError
from mishran.tokenizer.inflection import (
    Inflected,
    content_word,
    part_lemmas,
    read_inflections,
)


def write(path, rows):
    path.write_text(
        "".join(json.dumps({"input": a, "target": b}, ensure_ascii=False) + "\n" for a, b in rows),
        "utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("lemma", "form", "word"),
    [
        ("तरसना", "तरसती थीं", "तरसती"),  # auxiliaries behind
        ("पिघलना", "मैं पिघलूँ", "पिघलूँ"),  # a pronoun in front
        ("निर्माण करना", "ये निर्माण करेंगे", "करेंगे"),  # a noun that does not change
        ("काम करना", "काम कीजिए", "कीजिए"),  # काम and कीजिए begin alike: काम is the lemma's own
        ("रहना", "रह रहा है", "रह"),  # equals: the first
        ("जाना", "गया", "गया"),  # alone, it needs to share nothing
        ("जाना", "मैं गया", None),
        ("give up", "gave up", "up"),  # a known weakness: the lemma's last word is taken to inflect
    ],
)
def test_the_word_that_inflects(lemma, form, word):
    assert content_word(lemma, form) == word


def test_json_lines_with_repeats_and_unclear_rows(tmp_path):
    rows = [
        ("निर्माण करना + V;A", "निर्माण करता है"),
        ("लू करना + V;A", "लू करता था"),  # again करना, करता, V;A
        ("जाना + V;B", "मैं गया"),
        ("करना + V;C", "करे"),
    ]
    table = read_inflections(write(tmp_path / "t.jsonl", rows))
    assert table.forms == (Inflected("करना", "करता", "V;A"), Inflected("करना", "करे", "V;C"))
    assert (table.repeats, table.unclear) == (1, 1)


def test_unimorph_lines_say_the_same_gzipped_or_not(tmp_path):
    text = "run\truns\tV;3;SG\n\nrun\trunning\tV;V.PTCP\trun|ing\n"
    plain, packed = tmp_path / "eng", tmp_path / "eng.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    table = read_inflections(plain)
    assert table.forms == (
        Inflected("run", "runs", "V;3;SG"),
        Inflected("run", "running", "V;V.PTCP"),
    )
    assert read_inflections(packed) == table


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.jsonl", "", "expected a table of inflected forms, found an empty file"),
        ("t.jsonl", "\n \n", "found an empty file"),
        ("t.jsonl", '{"input": "जाना + V", "target": "मैं गया"}\n', "1 rows and no usable form"),
        ("t.jsonl", "{\n", 't.jsonl:1: expected {"input"'),
        ("t.jsonl", '\n{"target": "a"}\n', "t.jsonl:2: expected"),
        ("t.jsonl", '{"target": "a"}\n', "found no text in 'input'"),
        ("t.jsonl", '{"input": "a + V"}\n', "found no text in 'target'"),
        ("t.jsonl", '{"input": "a + V", "target": " "}\n', "found no text in 'target'"),
        ("t.jsonl", '{"input": "a + V", "target": "\\ud800"}\n', "found no text in 'target'"),
        ("t.jsonl", "[1]\n", "found no text in 'input'"),
        ("t.jsonl", '{"input": "तरसना", "target": "a"}\n', "found 'तरसना'; write the lemma"),
        ("t.jsonl", '{"input": " + V", "target": "a"}\n', "write the lemma, a plus sign"),
        ("t.tsv", "run\truns\n", "t.tsv:1: expected lemma TAB form TAB features"),
        ("t.tsv", "run\t \tV\n", "found 'run\\t \\tV'"),
    ],
)
def test_bad_tables(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(DataError) as error:
        read_inflections(path)
    assert message in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    whole = gzip.compress(b"run\truns\tV\n" * 1000)
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "latin").write_bytes(b"\xe9t\xe9\ta\tN\n")
    (tmp_path / "not.gz").write_bytes(b"run\truns\tV\n")
    for name in ("missing", "cut.gz", "latin", "not.gz"):
        with pytest.raises(DataError, match=r"expected a text file in UTF-8, plain or \.gz"):
            read_inflections(tmp_path / name)


def test_lemmas_are_parted_whole():
    forms = [Inflected(f"l{i % 10}", f"f{i}", "V") for i in range(40)]
    one, other = part_lemmas(forms, 0.28, np.random.default_rng(0))
    first, second = {item.lemma for item in one}, {item.lemma for item in other}
    assert len(first) == 3 and len(second) == 7 and not first & second
    assert sorted(one + other, key=forms.index) == forms
    assert part_lemmas(forms[::-1], 0.3, np.random.default_rng(0))[0][::-1] == one
    for share in (0.0, 0.04, 1.0):
        with pytest.raises(ConfigError, match="a share that parts 10 lemmas in two"):
            part_lemmas(forms, share, np.random.default_rng(0))


def test_hindi_table(data_root):
    table = read_inflections(data_root / "hindi" / "hi_inflection.jsonl.gz")
    assert len(table.forms) + table.repeats + table.unclear == 4000
    assert table.unclear == 0 and table.repeats < 1000
    assert all(" " not in item.form + item.lemma for item in table.forms)
    assert {item.form for item in table.forms if item.lemma == "करना"} >= {"करता", "किया", "कर"}
    assert not {item.form for item in table.forms} & {"मैं", "तू", "ये", "है", "अपलोड"}
