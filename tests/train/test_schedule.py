"""Schedules: their formulas, where they begin and end, and that nothing jumps."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.train.schedule import schedule

NAMES = ("linear", "cosine", "wsd", "constant")
SHARES = st.just(0.0) | st.floats(1e-6, 0.5)
PROGRESS = st.floats(0.0, 1.0)


@given(PROGRESS, st.floats(0.01, 0.9), st.floats(0.0, 0.9), st.floats(0.05, 1.0))
def test_formulas(progress, warmup, final, share):
    """As the papers write them; decay is a share of what comes after warm-up here."""
    decay = share * (1.0 - warmup)
    x = (progress - warmup) / (1.0 - warmup)
    stable = 1.0 - decay
    after = {
        "linear": (1 - x) + final * x,
        "cosine": final + (1 - final) * math.cos(math.pi * x / 2) ** 2,
        "wsd": 1.0
        if progress <= stable
        else ((1 - progress) + final * (progress - stable)) / decay,
        "constant": 1.0,
    }
    for name, value in after.items():
        found = schedule(name, warmup=warmup, decay=decay, final=final)(progress)
        wanted = progress / warmup if progress < warmup else value
        assert found == pytest.approx(wanted, abs=1e-9), name


@pytest.mark.parametrize("name", NAMES)
@given(PROGRESS, SHARES, SHARES, st.floats(0.0, 1.0))
def test_factors_stay_between_final_and_the_peak(name, progress, warmup, decay, final):
    factor = schedule(name, warmup=warmup, decay=decay, final=final)
    low = 0.0 if progress < warmup else final if name != "constant" else 1.0
    assert low - 1e-12 <= factor(progress) <= 1.0 + 1e-12


@pytest.mark.parametrize("name", NAMES)
@given(SHARES, SHARES, st.floats(0.0, 1.0))
def test_ends_and_peak(name, warmup, decay, final):
    factor = schedule(name, warmup=warmup, decay=decay, final=final)
    assert factor(warmup) == pytest.approx(1.0)
    assert factor(0.0) == (0.0 if warmup > 0 else 1.0)
    flat = name == "constant" or (name == "wsd" and decay == 0.0)
    assert factor(1.0) == pytest.approx(1.0 if flat else final)


@pytest.mark.parametrize("name", NAMES)
@given(st.floats(0.05, 0.5), st.floats(0.05, 0.5), st.floats(0.0, 1.0))
def test_up_then_down_without_a_jump(name, warmup, decay, final):
    """The steepest of them is a line over a twentieth of training, or a cosine over half of it."""
    factor = schedule(name, warmup=warmup, decay=decay, final=final)
    num = 2000
    values = [factor(i / num) for i in range(num + 1)]
    steps = [b - a for a, b in itertools.pairwise(values)]
    assert max(map(abs, steps)) <= 20 / num + 1e-9
    peak = math.ceil(warmup * num)
    assert all(step > 0 for step in steps[: peak - 1])
    assert all(step <= 1e-12 for step in steps[peak:])


def test_wsd_is_flat_until_it_decays():
    factor = schedule("wsd", warmup=0.1, decay=0.2, final=0.25)
    assert [factor(x) for x in (0.1, 0.5, 0.8)] == [1.0, 1.0, 1.0]
    assert factor(0.9) == pytest.approx(1 - 0.75 / 2)


def test_warmup_alone():
    """Where all is warm-up, nothing decays on the way."""
    for name in NAMES:
        factor = schedule(name, warmup=1.0, decay=0.0)
        assert [factor(x) for x in (0.0, 0.25, 0.999)] == [0.0, 0.25, 0.999]
