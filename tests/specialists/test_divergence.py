"""The fast divergence against the float64 reference and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from mishran.affinity import pairwise_jsd
from mishran.specialists import divergence
from mishran.specialists.divergence import pairwise_jsd_fast, probabilities


def log_probs(n: int, tokens: int, vocab: int, spread: float, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, tokens, vocab, generator=rng, dtype=torch.float64) * spread
    return torch.log_softmax(logits, dim=-1)


@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("shape", [(2, 1, 2), (5, 7, 300), (3, 40, 8192)])
def test_fast_path_is_within_1e_6_of_float64(spread: float, shape: tuple[int, int, int]) -> None:
    exact = log_probs(*shape, spread)
    want = pairwise_jsd(exact.numpy())
    got = pairwise_jsd_fast(exact.exp().float()).numpy()
    assert np.abs(got - want).max() < 1e-6


def test_pair_by_pair_equal_to_scipy() -> None:
    p = log_probs(4, 3, 50, 3.0).exp()
    got = pairwise_jsd_fast(p.float()).numpy()
    for column, (i, j) in enumerate(zip(*np.triu_indices(4, 1), strict=True)):
        for a in range(3):
            want = jensenshannon(p[i, a], p[j, a], base=2) ** 2
            assert got[a, column] == pytest.approx(want, abs=1e-6)


def test_disjoint_answers_diverge_by_one_and_equal_ones_by_zero() -> None:
    p = torch.zeros(3, 1, 6)
    p[0, 0, 0] = p[1, 0, 0] = p[2, 0, 5] = 1.0
    got = pairwise_jsd_fast(p)[0]
    assert got.tolist() == pytest.approx([0.0, 1.0, 1.0], abs=1e-8)


def test_the_result_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    p = log_probs(6, 9, 1000, 2.0).exp().float()
    whole = pairwise_jsd_fast(p)
    for block in (1, 64, 6 * 1000 * 4):
        monkeypatch.setattr(divergence, "BLOCK", block)
        torch.testing.assert_close(pairwise_jsd_fast(p), whole, atol=1e-7, rtol=0)


def test_probabilities_are_normalised_in_float64_whatever_comes_in() -> None:
    logits = torch.tensor([[80.0, 79.0, -120.0]], dtype=torch.bfloat16)
    p = probabilities(logits)
    assert p.dtype == torch.float32 and float(p.sum()) == pytest.approx(1.0, abs=1e-7)
    assert float(p[0, 0] / p[0, 1]) == pytest.approx(math.exp(float(logits[0, 0] - logits[0, 1])))
