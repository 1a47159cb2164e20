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
from mishran.specialists.divergence import (
    pairwise_jsd_fast,
    pairwise_jsd_from_logits,
    probabilities,
)
from mishran.specialists.divergence_kernel import fused_kernel

LOOP = pytest.param(True, marks=pytest.mark.skipif(fused_kernel() is None, reason="needs numba"))
both = pytest.mark.parametrize("fused", [False, LOOP], ids=["torch", "numba"])


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def error(logits: torch.Tensor, fused: bool) -> float:
    exact = torch.log_softmax(logits.double(), dim=-1)
    got = pairwise_jsd_from_logits(logits, fused=fused)
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
    got = pairwise_jsd_from_logits(logits, fused=fused)[0]
    assert got.tolist() == pytest.approx([0.0, 1.0, 1.0], abs=1e-8)


@both
def test_pair_by_pair_equal_to_scipy(fused: bool) -> None:
    logits = 3.0 * normal(5, 3, 50)
    p = torch.softmax(logits.double(), dim=-1)
    got = pairwise_jsd_from_logits(logits, fused=fused).numpy()
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
        found = pairwise_jsd_from_logits(values, fused=fused)
        square[place][:, first, second] = square[place][:, second, first] = found
    torch.testing.assert_close(square[1], square[0][:, order][:, :, order], atol=1e-7, rtol=0)


@both
def test_adding_a_constant_to_the_logits_of_a_token_changes_nothing(fused: bool) -> None:
    logits = 2.0 * normal(4, 3, 300)
    moved = pairwise_jsd_from_logits(logits + 16.0 * normal(4, 3, 1, seed=2).round(), fused=fused)
    torch.testing.assert_close(
        moved, pairwise_jsd_from_logits(logits, fused=fused), atol=1e-6, rtol=0
    )


@both
def test_probabilities_logits_strides_and_types_agree(fused: bool) -> None:
    logits = (2.0 * normal(6, 9, 1000)).bfloat16()
    want = pairwise_jsd_from_logits(logits.float(), fused=fused)
    turned = logits.transpose(0, 1).contiguous().transpose(0, 1)
    for got in (
        pairwise_jsd_from_logits(logits, fused=fused),
        pairwise_jsd_from_logits(turned, fused=fused),
        pairwise_jsd_fast(probabilities(logits), fused=fused),
    ):
        torch.testing.assert_close(got, want, atol=3e-7, rtol=0)


@both
def test_neither_threads_nor_tokens_beside_it_change_a_bit(fused: bool) -> None:
    logits, before = 2.0 * normal(6, 9, 1000), torch.get_num_threads()
    whole = pairwise_jsd_from_logits(logits, threads=1, fused=fused)
    assert torch.equal(pairwise_jsd_from_logits(logits, threads=3, fused=fused), whole)
    assert torch.equal(pairwise_jsd_from_logits(logits[:, 4:5], fused=fused), whole[4:5])
    assert torch.get_num_threads() == before


def test_the_result_does_not_depend_on_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = 2.0 * normal(6, 2, 1000)
    whole = pairwise_jsd_from_logits(logits, fused=False)
    for entries in (1, 64, 6 * 1000 - 6):
        monkeypatch.setattr(divergence, "ENTRIES", entries)
        found = pairwise_jsd_from_logits(logits, fused=False)
        torch.testing.assert_close(found, whole, atol=3e-7, rtol=0)


def test_no_answer_tokens_give_an_empty_table() -> None:
    assert pairwise_jsd_from_logits(torch.zeros(4, 0, 10)).shape == (0, 6)


def test_the_polynomial_of_the_logarithm_is_off_by_less_than_1e_7() -> None:
    f = np.linspace(math.sqrt(0.5) - 1, math.sqrt(2.0) - 1, 20001)
    q = np.polynomial.Polynomial(np.float64(divergence_kernel.log2_coefficients()))
    assert np.abs(f * q(f) - np.log2(1 + f)).max() < 1e-7


def test_probabilities_are_normalised_in_float64_whatever_comes_in() -> None:
    logits = torch.tensor([[80.0, 79.0, -120.0]], dtype=torch.bfloat16)
    p = probabilities(logits)
    assert p.dtype == torch.float32 and float(p.sum()) == pytest.approx(1.0, abs=1e-7)
    assert float(p[0, 0] / p[0, 1]) == pytest.approx(math.exp(float(logits[0, 0] - logits[0, 1])))


@both
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_refused_by_specialist_and_token(
    bad: float, fused: bool
) -> None:
    logits = normal(4, 3, 20)
    logits[2, 1, 5] = bad
    with pytest.raises(ModelError) as caught:
        pairwise_jsd_from_logits(logits, fused=fused)
    assert str(caught.value) == (
        "specialist 2, answer token 1: expected finite logits, found NaN or infinity; "
        "use dtype: float32, or train that specialist with a lower learning rate"
    )


def test_probabilities_that_do_not_sum_to_1_are_refused() -> None:
    probs = torch.softmax(normal(3, 2, 20), dim=-1)
    probs[1, 1] *= 1.5
    with pytest.raises(ModelError) as caught:
        pairwise_jsd_fast(probs)
    assert str(caught.value) == (
        "specialist 1, answer token 1: expected probabilities that sum to 1, found a sum of 1.5; "
        "hand over logits, to pairwise_jsd_from_logits"
    )


def test_the_fused_loop_is_refused_where_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divergence, "fused_kernel", lambda: None)
    with pytest.raises(ModelError) as caught:
        pairwise_jsd_from_logits(normal(3, 2, 20), fused=True)
    assert str(caught.value) == (
        "pairwise JSD: expected numba and logits on the CPU for fused=True, found logits on cpu "
        "and no numba; pip install numba, or leave fused out"
    )
