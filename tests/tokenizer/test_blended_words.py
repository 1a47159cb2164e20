"""Several sources of a language in one table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.tokenizer.words import Words, blended

WORDS = st.dictionaries(st.text("abक", min_size=1, max_size=4), st.integers(1, 50), min_size=1)


def table(counts: dict[str, int]) -> Words:
    return Words(counts, sum(len(w.encode()) * n for w, n in counts.items()), 1)


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_at_one_counts_are_sums(sources: list[dict[str, int]]) -> None:
    found = blended([table(one) for one in sources])
    words = {word for one in sources for word in one}
    assert found.counts == {w: sum(one.get(w, 0) for one in sources) for w in words}
    assert found.documents == len(sources)


@given(st.lists(WORDS, min_size=1, max_size=4), st.floats(0.2, 50))
def test_bytes_are_conserved(sources: list[dict[str, int]], temperature: float) -> None:
    tables = [table(one) for one in sources]
    found = blended(tables, temperature).counted_bytes
    assert found == pytest.approx(sum(one.counted_bytes for one in tables))


def test_parts_go_with_a_power_of_the_size() -> None:
    """Words of three sources that share none: 16, 4 and 1 times 100 bytes."""
    tables = [table({word: n * 100}) for word, n in (("a", 16), ("b", 4), ("c", 1))]
    for temperature, weights in ((1, (16, 4, 1)), (2, (4, 2, 1)), (1e6, (1, 1, 1))):
        found = blended(tables, temperature)
        parts = np.array([found.counts[word] for word in "abc"])
        assert parts / parts.sum() == pytest.approx(np.array(weights) / sum(weights), rel=1e-4)


def test_an_empty_source_has_no_part() -> None:
    found = blended([table({"a": 3}), Words({}, 0, 0)], 2.0)
    assert found.counts == {"a": pytest.approx(3)}
