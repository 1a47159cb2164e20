"""Layers that nobody adapted are computed once, and nobody's answers change."""

from __future__ import annotations

from contextlib import closing

import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_llama, tiny_model

from mishran.config import SpecialistConfig
from mishran.errors import ModelError
from mishran.specialists.adapters import read_adapter, save_adapter, template
from mishran.specialists.panel import SequentialPanel, StackedPanel
from mishran.specialists.probe import answer_pool
from mishran.specialists.shared import SharedLayers, upper_half
from mishran.specialists.validate import Tokens
from mishran.train.batch import Part, pack
from mishran.train.layers import decoder_layers
from mishran.train.models import Loaded

FAST = SpecialistConfig(rank=3, fast=True, tokens=100)


def folders(model: torch.nn.Module, place, recipe: SpecialistConfig = FAST) -> dict:
    begin = template(model, recipe, 0, "base")
    out = {}
    for i, name in enumerate("ab"):
        noise = torch.randn(begin.initial.shape, generator=torch.Generator().manual_seed(i))
        save_adapter(begin, begin.initial + 0.2 * noise, place / name)
        out[name] = place / name
    return out


def probes() -> Part:
    ids = torch.randint(3, VOCAB, (6, 9), generator=torch.Generator().manual_seed(3)).tolist()
    return Part([Tokens(tuple(row[: 5 + i]), 2) for i, row in enumerate(ids[:5])])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("merge", [True, False])
def test_the_lower_half_runs_once_and_answers_are_those_of_peft(family, merge, tmp_path) -> None:
    model = tiny_model(family).float()
    places = folders(model, tmp_path)
    batches = [pack([Part(probes().rows[:2])], 0), pack([Part(probes().rows[2:])], 0)]
    with torch.inference_mode(), closing(SequentialPanel(model, places)) as one:
        want = one.logits(one.states(batches))
    layers = list(decoder_layers(model).values())
    passes = {0: 0, 1: 0}
    for number, layer in enumerate(layers):
        attention = next(
            m for n, m in layer.named_modules() if n in ("self_attn", "attn", "attention")
        )

        def count(module, args, kwargs=None, number=number):
            passes[number] += 1

        attention.register_forward_pre_hook(count)
    adapters = {n: read_adapter(model, p, n) for n, p in places.items()}
    with torch.inference_mode(), closing(StackedPanel(model, adapters, 1, merge=merge)) as asked:
        passes.update({0: 0, 1: 0})
        got = asked.logits(asked.states(batches))
    torch.testing.assert_close(got, want, atol=2e-4, rtol=1e-4)
    assert (want[1] - want[2]).abs().max() > 1e-3
    assert passes == {0: 2, 1: 6}
    assert not any("forward" in vars(layer) for layer in layers), "forward is the class's again"


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize("merge", [True, False])
def test_a_model_that_reads_further_down_is_refused(reads, merge, tmp_path) -> None:
    """Its last layer gets what the first one said too, which was not kept for the second batch."""
    model = tiny_llama(num_hidden_layers=4)
    places = folders(model, tmp_path)
    layers, said = list(decoder_layers(model).values()), []
    layers[0].register_forward_hook(lambda module, args, out: said.append(out))
    if reads:
        layers[3].register_forward_pre_hook(lambda module, args: (args[0] + said[-1], *args[1:]))
    base = Loaded(model, None, torch.device("cpu"), torch.float32, 0, ())
    adapters = {n: read_adapter(model, p, n) for n, p in places.items()}
    with closing(StackedPanel(model, adapters, merge=merge)) as asked:
        assert len(asked._shared) == 2
        if reads:
            with pytest.raises(ModelError, match=r"specialist 'a': expected finite"):
                answer_pool(asked, base, probes().rows, answer_tokens=4, tokens=8)
            return
        got = answer_pool(asked, base, probes().rows, answer_tokens=4, tokens=8)
    with closing(SequentialPanel(model, places)) as one:
        want = answer_pool(one, base, probes().rows, answer_tokens=4, tokens=8)
    torch.testing.assert_close(got.nats, want.nats, rtol=1e-4, atol=1e-4)


def test_fast_adapts_the_upper_half_and_all_linear_layers_there() -> None:
    model = tiny_model("llama").float()
    names = [site.name for site in template(model, FAST, 0, "base").layout.sites]
    everywhere = template(model, FAST.model_copy(update={"fast": False}), 0, "base").layout.sites
    assert names == [s.name for s in everywhere if s.name.startswith("model.layers.1.")]
    assert upper_half(model, ["model.layers.0.x", "model.layers.1.x", "lm_head"]) == [
        "model.layers.1.x"
    ]


def test_fast_without_a_layer_in_the_upper_half_is_refused() -> None:
    recipe = FAST.model_copy(update={"targets": r".*layers\.0\..*q_proj"})
    with pytest.raises(
        ModelError, match=r"specialists\.fast: expected a model whose layers are known"
    ):
        template(tiny_model("llama").float(), recipe, 0, "base")


def test_nothing_is_shared_below_an_adapter_outside_the_layers() -> None:
    model = tiny_model("llama")
    assert len(SharedLayers(model, ["model.layers.1.self_attn.q_proj"])) == 1
    assert len(SharedLayers(model, ["model.layers.0.self_attn.q_proj"])) == 0
    assert len(SharedLayers(model, ["model.layers.1.self_attn.q_proj", "lm_head"])) == 0
