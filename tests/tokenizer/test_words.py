"""Tables of words: what was counted, shares, and what is forgotten when a table is full."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mishran.errors import ArtifactError, DataError
from mishran.tokenizer.pretokens import split
from mishran.tokenizer.words import (
    Words,
    count_words,
    load_words,
    proportional,
    save_words,
    weighted,
)

LINES = st.lists(st.text("ab क ा1. ", max_size=12), max_size=12)


@given(LINES)
def test_counts_are_those_of_the_pretokens(lines: list[str]) -> None:
    found = count_words(lines)
    assert found.counts == Counter(part for line in lines for part in split(line))
    assert found.counted_bytes == found.num_bytes == sum(len(line.encode()) for line in lines)
    assert found.documents == len(lines) and found.forgotten == 0
    order = list(found.counts.items())
    assert order == sorted(order, key=lambda one: (-one[1], one[0]))


@given(LINES, st.integers(1, 6))
@settings(max_examples=200)
def test_a_full_table_never_counts_too_much(lines: list[str], limit: int) -> None:
    found, whole = count_words(lines, limit), Counter(p for line in lines for p in split(line))
    assert len(found.counts) <= limit
    for word, count in whole.items():
        assert count - found.forgotten <= found.counts.get(word, 0) <= count


def test_shares_are_shares_of_bytes() -> None:
    tables = {"en": count_words(["plain words here"] * 30), "hi": count_words(["कुछ शब्द"] * 7)}
    shares = {"en": 0.2, "hi": 0.8}
    table = weighted(tables, shares)
    total = sum(one.counted_bytes for one in tables.values())
    hindi = sum(len(w.encode()) * n for w, n in table.items() if w in tables["hi"].counts)
    assert hindi == pytest.approx(0.8 * total)
    assert sum(len(w.encode()) * n for w, n in table.items()) == pytest.approx(total)
    same = weighted(tables, proportional(tables))
    assert same == pytest.approx({**tables["en"].counts, **tables["hi"].counts})
    assert weighted(tables, {"en": 1.0, "hi": 0.0}).keys() == tables["en"].counts.keys()


def test_words_of_both_languages_are_added() -> None:
    tables = {"en": count_words(["a b a"]), "hi": count_words(["a c"])}
    assert weighted(tables, proportional(tables))["a"] == pytest.approx(2)


def test_a_language_without_text_is_one_line() -> None:
    empty = {"en": count_words(["a"]), "hi": count_words([])}
    with pytest.raises(DataError, match="words: expected text in hi, found none"):
        weighted(empty, {"en": 0.5, "hi": 0.5})
    with pytest.raises(DataError, match="expected text in hi"):
        proportional({"hi": count_words([])})


def test_a_table_comes_back_from_its_file(tmp_path: Path) -> None:
    table = count_words(["a b a क्ष\n1"], limit=3)
    save_words(table, tmp_path / "a.parquet")
    save_words(table, tmp_path / "b.parquet")
    assert load_words(tmp_path / "a.parquet") == table
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:50])
    with pytest.raises(ArtifactError, match="delete it and run the command again"):
        load_words(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"word": ["a"], "count": [1]}),  # without what else is known of it
        pa.table({"word": ["a"]}).replace_schema_metadata({"bytes": "1"}),
        pa.table({"a": ["a"]}).replace_schema_metadata({"bytes": "one"}),
    ],
)
def test_another_table_is_one_line(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ArtifactError, match=r"a\.parquet: expected a table of words, found"):
        load_words(tmp_path / "a.parquet")
    with pytest.raises(ArtifactError, match="expected a table of words"):
        load_words(tmp_path / "absent.parquet")


def test_half_of_a_surrogate_pair_counts_as_one_that_is_missing() -> None:
    assert count_words(["a\ud83d"]).counts == count_words(["a\ufffd"]).counts
    assert isinstance(count_words([]), Words)
