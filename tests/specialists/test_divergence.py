"""The fast divergences, by torch and by the fused loop, against the float64 reference and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from mishran.affinity import pairwise_jsd
from mishran.errors import ModelError
from mishran.specialists import divergence, divergence_kernel
from mishran.specialists.divergence import exponentials, pairwise_jsd_fast
from mishran.specialists.divergence_kernel import fused_kernel

LOOP = pytest.param(True, marks=pytest.mark.skipif(fused_kernel() is None, reason="needs numba"))
both = pytest.mark.parametrize("fused", [False, LOOP], ids=["torch", "numba"])


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of_logits(logits: torch.Tensor, **settings) -> torch.Tensor:
    weights, _, mass = exponentials(logits.float().clone())
    return pairwise_jsd_fast(weights, mass, **settings)


def error(logits: torch.Tensor, fused: bool) -> float:
    exact = torch.log_softmax(logits.double(), dim=-1)
    got = of_logits(logits, fused=fused)
    assert got.dtype == torch.float64
    return float(np.abs(got.numpy() - pairwise_jsd(exact.numpy())).max())


@both
@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0, 30.0, 3000.0])
@pytest.mark.parametrize("shape", [(2, 1, 2), (5, 7, 300), (3, 4, 8192), (38, 1, 3001)])
def test_within_1e_6_of_float64(spread: float, shape: tuple[int, int, int], fused: bool) -> None:
    assert error(normal(*shape) * spread, fused) < 1e-6


@both
@pytest.mark.parametrize("apart", [0.0, 1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_near_identical_specialists_do_not_cancel(apart: float, spread: float, fused: bool) -> None:
    common = normal(1, 2, 50001) * spread
    assert error(common + apart * normal(4, 2, 50001, seed=1), fused) < 5e-8


@both
def test_sure_specialists_who_disagree_beside_one_who_knows_nothing(fused: bool) -> None:
    logits = 0.3 * normal(20, 1, 20000)
    for i in range(19):
        logits[i, 0, 7 * i] = 14.0 + i / 4
    assert error(logits, fused) < 1e-6


@both
def test_one_hot_distributions_and_forbidden_entries(fused: bool) -> None:
    logits = torch.full((3, 1, 700), -torch.inf)
    logits[0, 0, 0] = logits[1, 0, 0] = logits[2, 0, 699] = 1e4
    got = of_logits(logits, fused=fused)[0]
    assert got.tolist() == pytest.approx([0.0, 1.0, 1.0], abs=1e-8)


@both
def test_pair_by_pair_equal_to_scipy(fused: bool) -> None:
    logits = 3.0 * normal(5, 3, 50)
    p = torch.softmax(logits.double(), dim=-1)
    got = of_logits(logits, fused=fused).numpy()
    for column, (i, j) in enumerate(zip(*np.triu_indices(5, 1), strict=True)):
        for a in range(3):
            want = jensenshannon(p[i, a], p[j, a], base=2) ** 2
            assert got[a, column] == pytest.approx(want, abs=1e-6)


@both
@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_specialists_in_another_order_give_the_same_divergences(n: int, fused: bool) -> None:
    logits, order = 2.0 * normal(n, 2, 400), torch.arange(n).flip(0)
    square = torch.zeros(2, 2, n, n, dtype=torch.float64)
    first, second = torch.triu_indices(n, n, 1)
    for place, values in enumerate((logits, logits[order])):
        found = of_logits(values, fused=fused)
        square[place][:, first, second] = square[place][:, second, first] = found
    torch.testing.assert_close(square[1], square[0][:, order][:, :, order], atol=1e-7, rtol=0)


@both
def test_adding_a_constant_to_the_logits_of_a_token_changes_nothing(fused: bool) -> None:
    logits = 2.0 * normal(4, 3, 300)
    moved = of_logits(logits + 16.0 * normal(4, 3, 1, seed=2).round(), fused=fused)
    torch.testing.assert_close(moved, of_logits(logits, fused=fused), atol=1e-6, rtol=0)


@both
def test_strides_types_and_factors_of_the_weights_do_not_matter(fused: bool) -> None:
    weights, _, mass = exponentials(2.0 * normal(6, 9, 1000))
    want = pairwise_jsd_fast(weights, mass, fused=fused)
    turned = weights.transpose(0, 1).contiguous().transpose(0, 1)
    probs = torch.softmax(weights.double().log(), dim=-1)
    for got in (
        pairwise_jsd_fast(turned, mass, fused=fused),
        pairwise_jsd_fast(weights.double(), mass, fused=fused),
        pairwise_jsd_fast(weights * 8.0, mass * 8.0, fused=fused),
        pairwise_jsd_fast(probs, torch.ones(6, 9), fused=fused),
    ):
        torch.testing.assert_close(got, want, atol=3e-7, rtol=0)


@both
def test_neither_threads_nor_tokens_beside_it_change_a_bit(fused: bool) -> None:
    logits, before = 2.0 * normal(6, 9, 1000), torch.get_num_threads()
    whole = of_logits(logits, threads=1, fused=fused)
    assert torch.equal(of_logits(logits, threads=3, fused=fused), whole)
    assert torch.equal(of_logits(logits[:, 4:5], fused=fused), whole[4:5])
    assert torch.get_num_threads() == before


def test_the_result_does_not_depend_on_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = 2.0 * normal(6, 2, 1000)
    whole = of_logits(logits, fused=False)
    for entries in (1, 64, 6 * 1000 - 6):
        monkeypatch.setattr(divergence, "ENTRIES", entries)
        found = of_logits(logits, fused=False)
        torch.testing.assert_close(found, whole, atol=3e-7, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_many_answer_tokens_at_once_as_a_gpu_takes_them(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles and sums of a GPU, here; whole vocabularies are summed in float32 there."""
    logits = 3 * normal(n, 6, 33001)
    weights, _, mass = exponentials(logits.clone())
    on_a_gpu = divergence._dots("cuda")
    monkeypatch.setattr(divergence, "_dots", lambda device: on_a_gpu)
    monkeypatch.setattr(divergence, "ENTRIES", divergence.ENTRIES_GPU)
    got = divergence._from_torch(weights, 1.0 / mass)
    want = pairwise_jsd(torch.log_softmax(logits.double(), dim=-1).numpy())
    assert got.shape == want.shape
    assert np.abs(got.numpy() - want).max(initial=0.0) < 1e-6


def test_no_answer_tokens_give_an_empty_table() -> None:
    assert of_logits(torch.zeros(4, 0, 10)).shape == (0, 6)


def test_the_polynomial_of_the_logarithm_is_off_by_less_than_1e_7() -> None:
    f = np.linspace(math.sqrt(0.5) - 1, math.sqrt(2.0) - 1, 20001)
    q = np.polynomial.Polynomial(np.float64(divergence_kernel.log2_coefficients()))
    assert np.abs(f * q(f) - np.log2(1 + f)).max() < 1e-7


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("vocab", [7, 256, 5000])
def test_exponentials_and_their_sums_are_those_of_float64(vocab: int, spread: float) -> None:
    logits = spread * normal(3, 2, vocab)
    exact = logits.double()
    weights, top, mass = exponentials(logits)
    assert weights.dtype == torch.float32 and mass.dtype == torch.float64
    torch.testing.assert_close(top, exact.amax(-1).float())
    want = exact.logsumexp(-1)
    torch.testing.assert_close(mass.log() + top, want, atol=2e-6, rtol=0)
    probs = weights.double() / mass[..., None]
    torch.testing.assert_close(probs, exact.softmax(-1), atol=2e-7, rtol=2e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_sums_of_logits_that_are_not_finite_are_nan(bad: float) -> None:
    logits = normal(4, 3, 20)
    logits[2, 1, 5] = bad
    mass = exponentials(logits)[2]
    assert torch.isnan(mass).nonzero().tolist() == [[2, 1]]


def test_the_fused_loop_is_refused_where_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divergence, "fused_kernel", lambda: None)
    with pytest.raises(ModelError) as caught:
        of_logits(normal(3, 2, 20), fused=True)
    assert str(caught.value) == (
        "pairwise JSD: expected numba and distributions on the CPU for fused=True, found distributions on "
        "cpu and no numba; pip install numba, or leave fused out"
    )


@pytest.mark.skipif(fused_kernel() is None, reason="needs numba")
@pytest.mark.parametrize(
    ("features", "own", "want"),
    [
        ("+avx2,+avx512f,-amx", None, "+avx2,+avx512f,-amx,-prefer-256-bit"),
        ("+avx2,-avx512f", None, None),
        ("+avx2,+avx512f", "+sse2", "+sse2"),
    ],
)
def test_all_of_avx512_is_asked_for_where_it_is_and_nobody_said_otherwise(
    features: str, own: str | None, want: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numba import config
    from numba.core import codegen

    monkeypatch.setattr(config, "CPU_FEATURES", own)
    monkeypatch.setattr(codegen, "get_host_cpu_features", lambda: features)
    divergence_kernel._use_all_of_avx512()
    assert want == config.CPU_FEATURES
