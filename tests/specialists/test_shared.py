"""Layers that nobody adapted are computed once, and nobody's answers change."""

from __future__ import annotations

from contextlib import closing

import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_model

from mishran.config import SpecialistConfig
from mishran.errors import ModelError
from mishran.specialists.adapters import read_adapter, save_adapter, template
from mishran.specialists.panel import SequentialPanel, StackedPanel
from mishran.specialists.shared import SharedLayers, decoder_layers, upper_half
from mishran.specialists.validate import Tokens
from mishran.train.batch import Part, pack

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
