"""The search: its line, its front and its choice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_cases import trained

from mishran.tokenizer.fair import (
    Candidate,
    Measured,
    choose,
    equal_shares,
    front,
    measured_on,
    tilted,
)
from mishran.tokenizer.open_bytes import Bytes
from mishran.tokenizer.open_hugging_face import HuggingFace
from mishran.tokenizer.parallel import parallel

SHARES = st.lists(st.floats(0.01, 1), min_size=2, max_size=5).map(
    lambda raw: {f"l{i}": v / sum(raw) for i, v in enumerate(raw)}
)


def candidate(parity: float, cost: float, size: int, bytes_: float = 4.0) -> Candidate:
    measured = Measured({"hi": parity}, {}, bytes_)
    return Candidate("bpe", size, 0.5, {"en": 0.5, "hi": 0.5}, measured, cost, size / 1e5)


@given(SHARES, st.floats(0, 3))
def test_the_line_begins_at_the_shares_and_stays_on_the_simplex(
    shares: dict[str, float], strength: float
) -> None:
    direction = {name: float(i) for i, name in enumerate(shares)}
    assert tilted(shares, direction, 0) == pytest.approx(shares)
    found = tilted(shares, direction, strength)
    assert sum(found.values()) == pytest.approx(1) and min(found.values()) > 0
    ratio = (found["l1"] / found["l0"]) / (shares["l1"] / shares["l0"])
    assert ratio == pytest.approx(np.exp(strength))


@pytest.mark.parametrize("slope", [0.1, 0.25, 0.6])
def test_equal_parity_is_found_where_it_can_be_computed(slope: float) -> None:
    """Parity falls with the logarithm of a language's share against the reference's."""
    shares = {"en": 0.8, "hi": 0.15, "ta": 0.05}
    needs = {"hi": 0.4, "ta": 1.5}  # odds against the reference at which each pays alike

    def parity(at: dict[str, float]) -> dict[str, float]:
        return {k: (at[k] / at["en"] / need) ** -slope for k, need in needs.items()}

    line = equal_shares(shares, "en", parity)
    found = tilted(shares, line, 1.0)
    assert line["en"] == 0
    assert all(abs(np.log(p)) < 0.02 for p in parity(found).values())


def test_where_equal_parity_cannot_be_reached_the_reference_keeps_a_part() -> None:
    line = equal_shares({"en": 0.7, "hi": 0.3}, "en", lambda at: {"hi": 2.0})
    assert tilted({"en": 0.7, "hi": 0.3}, line, 1.0)["en"] == pytest.approx(0.02)


def test_a_language_without_parallel_text_keeps_its_place() -> None:
    line = equal_shares(
        {"en": 0.6, "hi": 0.3, "hi-Latn": 0.1},
        "en",
        lambda at: {"hi": (at["hi"] / at["en"]) ** -0.2},
    )
    assert "hi-Latn" not in line and line["hi"] > 0
    for strength in (0.0, 0.5, 1.0, 2.0):
        found = tilted({"en": 0.6, "hi": 0.3, "hi-Latn": 0.1}, line, strength)
        assert found["hi-Latn"] == 0.1 and sum(found.values()) == pytest.approx(1)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=12))
def test_the_front_is_what_brute_force_finds(rows: list[tuple[int, int, int]]) -> None:
    """Gap, embedding share and bytes per token in few steps, so that there are ties."""
    found = [candidate(1 + g / 10, 0.0, 1000 * (e + 1), 4 + b) for g, e, b in rows]
    keep = []
    for one in found:
        key = (one.measured.gap, one.embedding_share, -one.measured.bytes_per_token)
        others = [(c.measured.gap, c.embedding_share, -c.measured.bytes_per_token) for c in found]
        if not any(o != key and all(a <= b for a, b in zip(o, key, strict=True)) for o in others):
            keep.append(one)
    assert list(front(found)) == keep


def test_without_a_bound_the_smallest_gap_within_the_cost() -> None:
    tried = [candidate(1.3, 0, 8000), candidate(1.1, 0.05, 16000), candidate(0.99, 0.2, 16000)]
    found = choose(tried, None, 0.06)
    assert found.candidate == tried[1] and found.reached
    assert found.why == "the smallest gap with at most 6.0% more tokens in the reference language"
    assert choose(tried, None, 0.5).candidate == tried[2]


def test_a_bound_takes_the_smallest_vocabulary_that_reaches_it() -> None:
    tried = [
        candidate(1.2, 0.05, 8000),
        candidate(1.14, 0.05, 16000, 4.1),
        candidate(1.15, 0.01, 16000, 4.2),
        candidate(1.02, 0.01, 32000),
    ]
    assert choose(tried, 1.15, 0.06).candidate == tried[2]  # of one size the one that packs most
    assert choose(tried, 1.2, 0.06).candidate == tried[0]
    missed = choose(tried, 1.0, 0.06)
    assert not missed.reached and missed.candidate == tried[3]
    assert "parity 1 is not reached" in missed.why and "1.020 is" in missed.why
    small = choose(tried, None, 0.06, max_embedding_share=0.1)
    assert small.candidate == tried[0] and "10.0% of the parameters in embeddings" in small.why


def test_where_nothing_keeps_the_bounds_the_nearest_is_named() -> None:
    found = choose([candidate(1.2, 0.3, 8000), candidate(1.2, 0.2, 8000)], 1.1, 0.06)
    assert not found.reached and found.candidate.cost == 0.2 and "nearest" in found.why


def test_the_nearest_is_nearest_to_the_bounds_that_it_misses() -> None:
    tried = [candidate(1.2, 0.3, 8000), candidate(1.2, 0.07, 16000)]
    assert choose(tried, None, 0.06).candidate == tried[1]  # not the smaller one
    assert choose(tried, None, 0.06).why.endswith("this one comes nearest, with 7.0%")
    found = choose(tried, None, 0.06, max_embedding_share=0.05)
    assert found.candidate == tried[1] and found.why.endswith("nearest, with 7.0% and 16.0%")


def test_what_is_reachable_is_what_the_worst_language_pays() -> None:
    """A language that pays far less than the reference makes a gap, too, but breaks no bound."""
    tried = [
        Candidate("bpe", 8000, 0.5, {}, Measured({"hi": hi, "ta": ta}, {}, 4.0), 0.0, 0.1)
        for hi, ta in ((1.2, 0.5), (1.3, 1.0))
    ]
    assert choose(tried, None, 0.06).candidate == tried[1]
    found = choose(tried, 1.1, 0.06)
    assert found.candidate == tried[0] and "1.200 is, by bpe with 8,000 tokens" in found.why


def test_domains_count_alike() -> None:
    """Of bytes by hand: parities 3 and 1, whatever the lengths of the domains."""
    short = parallel("short", {"en": ["a"] * 2, "hi": ["क"] * 2})
    long = parallel("long", {"en": ["abc"] * 50, "hi": ["abc"] * 50})
    found = measured_on(Bytes("b"), [short, long], "en")
    assert found.parity["hi"] == pytest.approx(3**0.5) and found.bytes_per_token == 1
    assert found.tokens == {"en": {"short": 2, "long": 150}, "hi": {"short": 6, "long": 150}}
    assert found.gap == pytest.approx(3**0.5 - 1)
    only = parallel("third", {"en": ["a"], "ta": ["தமி"]})
    assert measured_on(Bytes("b"), [short, only], "en").parity == pytest.approx({"hi": 3, "ta": 9})


def test_order_of_languages_changes_nothing() -> None:
    tokenizer = HuggingFace(trained("bpe").json, "")
    texts = {"en": ["the river"] * 3, "hi": ["नदी का पानी"] * 3, "xx": ["and"] * 3}
    found = [
        measured_on(tokenizer, [parallel("t", {k: texts[k] for k in order})], "en").parity
        for order in itertools.permutations(texts)
    ]
    assert all(one == found[0] for one in found)
