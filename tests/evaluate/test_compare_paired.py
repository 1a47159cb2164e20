"""t intervals and Holm against independent oracles, and what happens where there is no spread."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mishran.evaluate.paired import NO_SPREAD, holm, paired

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_equals_scipy(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(1, 1, n), rng.normal(0.5, 2, n)
    found, oracle = paired((a - b).tolist()), stats.ttest_rel(a, b)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)
    low, high = oracle.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert found.half_width() == pytest.approx((high - low) / 2)
    wide = oracle.confidence_interval(1 - 0.05 / 7)
    assert found.half_width(0.05 / 7) == pytest.approx((wide.high - wide.low) / 2)


def test_one_difference_has_no_interval():
    found = paired([-0.3])
    assert (found.mean, found.low, found.high, found.p, found.half_width()) == (
        -0.3,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "same", [[0.25, 0.25, 0.25], [0.55 - 0.5, 0.6 - 0.55], [-1e-3, -1e-3 * (1 + 1e-14)]]
)
def test_differences_without_spread_claim_nothing(same):
    """0.55 - 0.5 and 0.6 - 0.55 differ by rounding; a t test would be sure to 1e-15."""
    found = paired(same)
    assert found.mean == pytest.approx(same[0])
    assert (found.low, found.high, found.p) == (None, None, None)


def test_differences_that_are_all_zero_are_no_difference():
    assert paired([0.0, 0.0, 0.0]).p == 1.0
    assert paired([0.0]).p is None
    assert paired([0.0, NO_SPREAD / 2]).mean == 0.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=6), st.randoms())
def test_the_order_of_seeds_changes_nothing(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert paired(values) == paired(shuffled)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=6), st.sampled_from([0.5, 2.0, 8.0]))
def test_the_unit_changes_the_interval_and_not_the_test(values, unit):
    one, other = paired([float(v) for v in values]), paired([unit * v for v in values])
    assert other.p == one.p
    assert other.low == (None if one.low is None else pytest.approx(unit * one.low, abs=1e-12))


def test_holm_by_hand():
    """Rejecting 0.005 takes 4 x, then 3 x 0.01, 2 x 0.03, and 0.04 may not fall below that."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.7]) == (0.7,)
    assert holm([0.6, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(probabilities)
def test_holm_is_the_closure_of_bonferroni(p):
    """A method is rejected when every set of methods with it is: max over sets of size x least p."""
    for i, found in enumerate(holm(p)):
        sets = (
            subset
            for size in range(1, len(p) + 1)
            for subset in itertools.combinations(range(len(p)), size)
            if i in subset
        )
        oracle = max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets)
        assert found == pytest.approx(oracle, abs=1e-15)


@given(probabilities, st.integers(0, 3))
def test_a_test_that_could_not_be_made_counts(p, unknown):
    """As one with p = 1, and stays unknown."""
    with_none = holm([*p, *[None] * unknown])
    with_ones = holm([*p, *[1.0] * unknown])
    assert with_none[: len(p)] == with_ones[: len(p)]
    assert with_none[len(p) :] == (None,) * unknown
