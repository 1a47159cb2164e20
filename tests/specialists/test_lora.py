"""The layer: what it refuses, what it keeps, and by line in the types that a GPU uses."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from tiny_models import VOCAB, tiny_model
from tiny_project import save_model
from transformers import MambaConfig, MambaForCausalLM

from mishran.config import SpecialistConfig
from mishran.errors import ModelError
from mishran.specialists.adapters import template
from mishran.specialists.bank import SlotUpdates, bank
from mishran.specialists.lora import Layout
from mishran.specialists.validate import Tokens
from mishran.train.answers import answer_logits, group_losses
from mishran.train.batch import Batch, Part, pack
from mishran.train.loop import Step, train
from mishran.train.memory import LiveBytes
from mishran.train.models import load_model

CPU = torch.device("cpu")
RECIPE = SpecialistConfig(rank=3)


def batch() -> Batch:
    rows = [Tokens(tuple(3 + (7 * i + 5 * k * k) % 90 for k in range(6 + i)), 1) for i in range(6)]
    return pack([Part(rows[:3], 1), Part(rows[3:4], 0), Part(rows[4:], 2)], 0)


def several(
    model: torch.nn.Module, recipe: SpecialistConfig = RECIPE
) -> tuple[Layout, torch.Tensor]:
    """Three specialists that differ."""
    begin = template(model, recipe, 0, "base")
    weights = begin.initial.double().repeat(3, 1)
    weights += 0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1))
    return begin.layout, weights


class Inside(torch.nn.Module):
    """A block between two ways of handing its tokens over."""

    def __init__(self, block: torch.nn.Module, routed: bool) -> None:
        super().__init__()
        self.block, self.routed = block, routed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(0, 1)
        if not self.routed:
            return self.block(flat).view_as(x)
        chosen = flat[:, 0] > 0
        out = torch.zeros_like(flat)
        out[chosen] = self.block(flat[chosen])
        return out.view_as(x)


def with_block(routed: bool) -> torch.nn.Module:
    model = tiny_model("llama")
    model.model.layers[1].mlp = Inside(model.model.layers[1].mlp, routed)
    return model


@pytest.mark.parametrize("by_line", [False, True])
def test_a_layer_that_sees_some_tokens_alone_is_refused(by_line: bool) -> None:
    """Its rows are not those of the batch, so whose they are cannot be told (experts, say)."""
    model = with_block(routed=True)
    layout, weights = several(model)
    one = batch()
    with bank(model, layout, weights, train=True, by_line=by_line) as made:
        made.train()
        with pytest.raises(ModelError) as caught:
            group_losses(made, one)
    width = one.input_ids.shape
    text = str(caught.value)
    assert text.startswith(
        "layer 'model.layers.1.mlp.block.gate_proj': expected linear layers that take rows x tokens x "
        f"numbers, ({width[0]}, {width[1]}) here, found input of shape ("
    )
    assert text.endswith("; choose other layers; in this one rows cannot be told apart")


def test_the_base_and_one_specialist_at_a_time_may_see_any_tokens() -> None:
    """Everybody goes the same way then."""
    model = with_block(routed=True)
    layout, weights = several(model)
    one = pack([Part([Tokens((5, 9, 3, 8, 4), 1)], None)], 0)
    with torch.inference_mode():
        want = answer_logits(model, one).logits
        with bank(model, layout, weights, train=False) as made:
            assert answer_logits(made, one).logits.equal(want)
            made.merge(1)
            assert (answer_logits(made, one).logits - want).abs().max() > 1e-3


@pytest.mark.parametrize("by_line", [False, True])
def test_a_layer_that_sees_all_tokens_in_one_row_is_not(by_line: bool) -> None:
    found = []
    for model in (tiny_model("llama"), with_block(routed=False)):
        layout, weights = several(model)
        with bank(model, layout, weights, train=True, by_line=by_line, dropout=0.2) as made:
            made.train()
            losses = group_losses(made, batch())
            losses.sum().backward()
            found.append((losses.detach(), made.grads.clone()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-14)


def test_a_layer_whose_matrix_is_read_is_refused() -> None:
    """Mamba multiplies by a layer's matrix itself; the base's alone would leave the adapter out."""
    config = MambaConfig(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=1, state_size=4)
    model = MambaForCausalLM(config).double().eval().requires_grad_(False)
    layout, weights = several(model, RECIPE.model_copy(update={"targets": ("dt_proj",)}))
    with bank(model, layout, weights, train=True) as made:
        with pytest.raises(ModelError) as caught:
            group_losses(made, batch())
        assert str(caught.value) == (
            "layer 'backbone.layers.0.mixer.dt_proj': expected linear layers that are called, found one "
            "whose matrix is read; choose other layers; in this one rows cannot be told apart"
        )
        made.merge(1)
        (layer,) = (m for n, m in made.named_modules() if n.endswith("dt_proj"))
        low, high = (m[1] for m in layout.matrices(weights, layout.sites[0]))
        torch.testing.assert_close(layer.weight, layer.base.weight + layout.scale * high @ low)


@pytest.mark.parametrize("by_line", [False, True])
def test_dropout_keeps_nothing_between_the_passes(by_line: bool) -> None:
    """Its masks are as wide as what a layer reads, and are made again instead."""
    model, kept = tiny_model("llama"), []
    layout, weights = several(model)
    for dropout in (0.0, 0.3):
        with bank(model, layout, weights, train=True, by_line=by_line, dropout=dropout) as made:
            made.train()
            one = batch()
            with LiveBytes() as live:
                losses = group_losses(made, one)
                kept.append(live.now)
                losses.sum().backward()
    assert kept[1] == kept[0]


def losses_of(model: torch.nn.Module, by_line: bool) -> torch.Tensor:
    """(steps, slots) of a short training at a rate that changes what is said."""
    begin = template(model, RECIPE, 0, "base")
    weights = begin.initial.repeat(3, 1)
    with bank(model, begin.layout, weights, train=True, by_line=by_line, dropout=0.1) as made:
        updates = SlotUpdates(
            made, [lambda i: 1.0] * 3, learning_rate=0.01, weight_decay=0.0, clip=1.0
        )
        steps: list[Step] = []
        train(made, [batch()] * 12, updates, steps.append)
    assert weights.dtype == torch.float32 and not updates.failed
    return torch.tensor([step.loss for step in steps]).view(12, 3)


def check_by_line(model: torch.nn.Module) -> None:
    """Both ways round at the same places, but sum in another order.

    So now and then a state or a logit falls on the other side of a rounding, 2^-8 of it in bfloat16, and
    AdamW's first steps are of full size for the smallest gradient. Means over 8 answers and more differ
    by less than that in the first steps, and by a few times that when much has been learned.
    """
    want, found = (losses_of(model, by_line) for by_line in (False, True))
    assert (found[-1] < 0.95 * found[0]).all(), "it trains"
    apart = (found - want).abs() / want
    assert apart[0].max() < 1e-6, "nothing learned yet, nothing added"
    assert apart[:4].max() < 2**-8 and apart.max() < 2**-5
    assert losses_of(model, True).equal(found), "the same every time"


def test_by_line_on_a_bfloat16_base_is_close_to_by_slice() -> None:
    """What a GPU does by default."""
    check_by_line(tiny_model("llama").bfloat16())


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)
def test_by_line_on_a_base_in_4_bits_is_close_to_by_slice(tmp_path: Path) -> None:
    save_model(tmp_path / "model", hidden=64)
    packed = load_model("model", tmp_path, device="cpu", dtype="bfloat16", quantize="4bit")
    assert packed.model.model.layers[0].mlp.up_proj.weight.dtype == torch.uint8
    check_by_line(packed.model)
