"""Samples of distributions against whole ones; mean states against the model's own hidden states."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_model

from mishran.specialists import samples
from mishran.specialists.samples import mean_states, sample_distributions, sample_positions
from mishran.specialists.validate import Tokens
from mishran.train.answers import answer_logits
from mishran.train.models import Loaded


def rows(count: int = 9) -> list[Tokens]:
    rng = np.random.default_rng(1)
    return [
        Tokens(tuple(rng.integers(3, VOCAB, int(rng.integers(4, 16)))), 2) for _ in range(count)
    ]


def loaded(family: str = "llama") -> Loaded:
    return Loaded(tiny_model(family), None, torch.device("cpu"), torch.float64, 0, ())


class Whole:
    """Two other models as specialists."""

    names, width = ("a", "b"), VOCAB

    def __init__(self) -> None:
        self.models = [loaded("llama").model, loaded("gpt2").model, loaded("neox").model]

    def states(self, batches):
        found = [[answer_logits(model, batch).logits for batch in batches] for model in self.models]
        return torch.stack([torch.cat(of_all) for of_all in found])

    def logits(self, states, room=None):
        return states

    def close(self) -> None: ...


def test_positions_are_drawn_once_each_in_order_and_by_the_seed() -> None:
    sizes = [min(len(r.input_ids) - 2, 5) for r in rows()]
    probe, token = sample_positions(rows(), 5, 12, 0)
    assert len(set(zip(probe, token, strict=True))) == 12
    assert list(zip(probe, token, strict=True)) == sorted(zip(probe, token, strict=True))
    assert all(t < sizes[p] for p, t in zip(probe, token, strict=True))
    again = sample_positions(rows(), 5, 12, 0)
    assert np.array_equal(again[0], probe) and np.array_equal(again[1], token)
    assert not np.array_equal(sample_positions(rows(), 5, 12, 1), (probe, token))
    everything = sample_positions(rows(), 5, 10_000, 0)
    assert len(everything[0]) == sum(sizes)


@pytest.mark.parametrize("tokens", [16, 1000])
def test_a_sample_holds_the_top_of_everybody_and_the_rest(tokens, monkeypatch) -> None:
    monkeypatch.setattr(samples, "TOP", 7)
    base, examples = loaded(), rows()
    with closing(Whole()) as panel:
        got = sample_distributions(
            panel, base, examples, answer_tokens=5, count=12, seed=0, tokens=tokens
        )
    probe, token = sample_positions(examples, 5, 12, 0)
    assert np.array_equal(got.probe, probe) and np.array_equal(got.token, token)
    for k in range(12):
        row = examples[int(probe[k])]
        at = int(token[k]) + row.num_prompt_tokens - 1
        ids = got.ids[got.offsets[k] : got.offsets[k + 1]]
        assert len(set(ids.tolist())) == len(ids)
        for s, model in enumerate(panel.models[1:]):
            whole = model(input_ids=torch.tensor([row.input_ids])).logits[0, at].softmax(-1)
            mine = got.probs[s, got.offsets[k] : got.offsets[k + 1]]
            np.testing.assert_allclose(mine, whole[ids].numpy(), atol=1e-6)
            assert set(whole.topk(7).indices.tolist()) <= set(ids.tolist())
            assert mine.sum() + got.tail[s, k] == pytest.approx(1.0, abs=1e-6)
    assert got.offsets[-1] == len(got.ids) == got.probs.shape[1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("packs", [True, False])
def test_mean_states_are_those_of_each_row_alone(family: str, packs: bool) -> None:
    base, examples = replace(loaded(family), packs=packs), rows()
    got = mean_states(base, examples, tokens=40)
    for i, row in enumerate(examples):
        found = base.model(input_ids=torch.tensor([row.input_ids]), output_hidden_states=True)
        want = found.hidden_states[-1][0].mean(dim=0)  # after the last norm
        np.testing.assert_allclose(got[i], want.numpy(), rtol=2e-5, atol=1e-5)
