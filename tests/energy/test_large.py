"""What is done only for many tasks: the guess before pivoting, the proof in single precision."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from energy_cases import (
    PROPERTY,
    SEEDS,
    affinity_of,
    matrix_of,
    names_of,
    some_constraints,
    symmetric,
)
from hypothesis import given
from hypothesis import strategies as st

from mishran.energy import Energy, simplex, solve
from mishran.energy import matrices as room
from mishran.energy.guess import _within, guess
from mishran.energy.matrices import SINGLE, Form, Survey, margin_of
from mishran.energy.solver import minimise

N = SINGLE + 20


def with_spectrum(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """A symmetric matrix with these eigenvalues on the tangent, and 0 along (1, ..., 1)."""
    n = len(values) + 1
    rng = np.random.default_rng(seed)
    columns = np.column_stack([np.ones(n), rng.normal(size=(n, n - 1))])
    basis = np.linalg.qr(columns)[0][:, 1:]
    return symmetric((basis * values) @ basis.T)


def form_of(matrix: np.ndarray) -> Form:
    survey = Survey.of(matrix)
    return Form.of(matrix, survey.largest, survey.spread)


@pytest.mark.parametrize("lowest", [-1e-3, -1e-5, -1e-7, 0.0, 1e-7, 1e-5])
@pytest.mark.parametrize("shape", ["flat", "decaying"])
def test_single_precision_proves_nothing_that_is_not_so(lowest: float, shape: str) -> None:
    rng = np.random.default_rng(1)
    high = np.ones(N - 1) if shape == "flat" else np.geomspace(1e-2, 30.0, N - 1)
    values = high * rng.uniform(0.5, 1.5, N - 1)
    values[0] = lowest
    form = form_of(with_spectrum(values))
    if lowest < 0:
        assert form.factor is None
    else:
        assert form.factor is not None and form.factor.dtype == np.float64


@pytest.mark.parametrize("n", [SINGLE, 700, 1100])
def test_the_margin_covers_what_single_precision_gets_wrong(n: int) -> None:
    rng = np.random.default_rng(n)
    points = np.sqrt(rng.dirichlet(np.full(40, 0.3), n))
    kernels = {
        "kernel": points @ points.T + 0.05 * np.eye(n),
        "equal": np.full((n, n), 0.9) + 0.1 * np.eye(n),
        "random": with_spectrum(rng.uniform(0.3, 2.0, n - 1)),
    }
    single = 0
    for matrix in kernels.values():
        matrix = symmetric(matrix)
        form = form_of(matrix)
        assert form.factor is not None
        if form.factor.dtype == np.float64:  # not believed: rounding differs by CPU
            continue
        single += 1
        factor = np.tril(form.factor).astype(np.float64)
        margin = margin_of(n, room.size_of(form.relative))
        wanted = form.relative - form.lift - form.lift[:, None] - margin * np.eye(n)
        off = np.linalg.eigvalsh(factor @ factor.T - wanted)
        error = room._error(form.factor, form.relative, form.lift, margin)
        assert np.abs(off).max() <= 8 * error <= margin
        assert error <= 4 * np.sqrt(np.square(off).sum())
    assert single >= 2


def test_a_factor_that_is_off_by_too_much_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = room.cholesky

    def wrong(block: np.ndarray, shift: float = 0.0) -> np.ndarray | None:
        factor = right(block, shift)
        if factor is not None and factor.dtype == np.float32:
            factor[-1, 0] += np.float32(1e-2)
        return factor

    monkeypatch.setattr(room, "cholesky", wrong)
    form = form_of(with_spectrum(np.linspace(0.5, 2.0, N - 1)))
    assert form.factor is not None and form.factor.dtype == np.float64


@pytest.mark.parametrize("kind", ["dense", "half", "bounds", "groups"])
def test_the_answer_is_that_of_double_precision(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    factors = rng.normal(size=(N, 2 * N))
    S = symmetric(factors @ factors.T / (2 * N))
    box = None if kind in ("dense", "half") else some_constraints(kind, N, rng)
    u = 0.8 * S.mean(axis=1) + (0.0 if kind == "dense" else 0.01) * rng.normal(size=N)
    none = np.empty((0, N, N)), np.empty((0, N))
    single = solve(Energy(names_of(N), S, u, *none), box)
    energy = Energy(names_of(N), S, u, *none)
    assert energy.form.factor is not None and energy.form.factor.dtype == np.float32
    monkeypatch.setattr(room, "SINGLE", 10**9)
    double = solve(Energy(names_of(N), S, u, *none), box)
    assert np.abs(single.weights - double.weights).max() <= 1e-12
    assert single.certificate.relative_gap <= 1e-13
    assert single.certificate.method.startswith("active set")
    assert single.unique and double.unique


def test_a_factor_too_coarse_to_refine_with_is_made_again() -> None:
    values = np.linspace(0.5, 2.0, N - 1)
    margin = margin_of(N, 2.0)
    values[0] = 1.2 * margin  # proven, but what refinement gains in a step is next to nothing
    S = with_spectrum(values)
    energy = Energy.coverage(affinity_of(S), 0.9999)
    p, certificate, _ = minimise(energy, simplex(names_of(N)))
    assert (p > 0).sum() > 0.9 * N
    assert certificate.relative_gap <= 1e-13


@pytest.mark.parametrize("size", [1e-290, 1e-35, 1e35, 1e150])
def test_sizes_that_single_precision_cannot_hold(size: float) -> None:
    rng = np.random.default_rng(5)
    factors = rng.normal(size=(N, 2 * N))
    S = size * symmetric(factors @ factors.T / (2 * N))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solution = solve(Energy.coverage(affinity_of(S), 0.8))
    assert solution.certificate.relative_gap <= 1e-12


@PROPERTY
@given(SEEDS, st.integers(1, 30), st.booleans())
def test_the_projection_is_the_nearest_mixture(seed: int, n: int, capped: bool) -> None:
    rng = np.random.default_rng(seed)
    lower = np.where(rng.random(n) < 0.3, rng.random(n) / (2 * n), 0.0)
    upper = np.where(rng.random(n) < 0.5, lower + 2 * rng.random(n) / n, 1.0) if capped else 1.0
    upper = np.broadcast_to(upper, (n,)).copy()
    if upper.sum() < 1:
        upper[0] = 1.0
    v = rng.normal(size=n) * 10.0 ** rng.integers(-3, 3)
    p = _within(v, lower, upper, capped)
    assert abs(p.sum() - 1) <= 1e-9 and (p >= lower).all() and (p <= upper + 1e-12).all()
    below, above = v.min() - 2, v.max()  # the level by bisection
    for _ in range(200):
        level = (below + above) / 2
        total = np.clip(v - level, lower, upper).sum()
        below, above = (level, above) if total > 1 else (below, level)
    assert np.abs(p - np.clip(v - level, lower, upper)).max() <= 1e-9 * max(1, np.abs(v).max())


def test_a_guess_is_near_and_gives_up_on_numbers_too_large() -> None:
    rng = np.random.default_rng(6)
    factors = rng.normal(size=(200, 400))
    energy = Energy.coverage(affinity_of(symmetric(factors @ factors.T / 400)), 0.2)
    lower, upper = np.zeros(200), np.ones(200)
    near, exact = guess(energy, lower, upper, False), solve(energy).weights
    assert near is not None
    assert np.count_nonzero((near > 0) != (exact > 0)) <= 20
    huge = Energy.coverage(affinity_of(1e299 * symmetric(factors @ factors.T / 400)), 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert guess(huge, lower, upper, False) is None


@pytest.mark.parametrize("kind", ["definite", "kernel", "singular", "twins", "rank one", "small"])
@pytest.mark.parametrize("bounds", ["none", "bounds", "groups", "both"])
def test_a_guess_changes_the_way_not_the_answer(kind: str, bounds: str) -> None:
    rng = np.random.default_rng([7, len(kind), len(bounds)])
    for t in (0.0, 0.6, 1.5):
        energy = Energy.coverage(affinity_of(matrix_of(kind, 130, rng)), t)
        box = some_constraints(bounds, 130, rng)
        guessed, from_all = solve(energy, box), solve(energy, box, warm=np.full(130, 1 / 130))
        assert guessed.certificate.relative_gap <= 1e-11
        assert abs(guessed.energy - from_all.energy) <= 1e-11 * energy.scale
        assert np.abs(guessed.weights - from_all.weights).max() <= 1e-7
