"""Layers that are computed again: the same gradients, for every family, adapters' dropout included."""

from __future__ import annotations

import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_model
from transformers import OPTConfig, OPTForCausalLM

from mishran.config import SpecialistConfig
from mishran.errors import ModelError
from mishran.specialists.adapters import template
from mishran.specialists.bank import bank
from mishran.specialists.evidence import Trainee
from mishran.specialists.fit import fit_specialists
from mishran.specialists.validate import Tokens
from mishran.train.answers import group_losses
from mishran.train.batch import Part, lay_out
from mishran.train.checkpointing import checkpointed
from mishran.train.memory import live_bytes
from mishran.train.models import Loaded

CPU = torch.device("cpu")


def rows(count: int, longest: int = 24) -> list[Tokens]:
    sizes = torch.randint(6, longest, (count,), generator=torch.Generator().manual_seed(count))
    ids = torch.arange(3, VOCAB).repeat(2)
    return [Tokens(tuple(ids[5 * i : 5 * i + n].tolist()), 2) for i, n in enumerate(sizes.tolist())]


def gradients(model, wanted: bool, *, by_line: bool, dropout: float, fused: bool) -> torch.Tensor:
    begin = template(model, SpecialistConfig(rank=3), 0, "base")
    weights = begin.initial.double().repeat(2, 1)
    weights += 0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1)).double()
    batch = lay_out([Part(rows(4), 0), Part(rows(3), 1)], 0, packs=True)
    with (
        checkpointed(model, wanted),
        bank(
            model, begin.layout, weights, train=True, by_line=by_line, dropout=dropout, seed=5
        ) as made,
    ):
        made.train()
        made.routes.steps[0] = 7
        group_losses(made, batch, fused).sum().backward()
        return made.grads


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("by_line", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_are_the_same(family: str, by_line: bool, dropout: float) -> None:
    model = tiny_model(family)
    how = {"by_line": by_line, "dropout": dropout, "fused": True}
    want, found = (gradients(model, wanted, **how) for wanted in (False, True))
    assert want.abs().max() > 1e-2
    assert (found - want).abs().max() <= 1e-12 * want.abs().max()
    assert "forward" not in vars(next(m for m in model.modules() if hasattr(m, "mlp"))), "undone"


def test_dropout_matters_in_that_comparison() -> None:
    model = tiny_model("llama")
    kept, dropped = (
        gradients(model, True, by_line=False, dropout=p, fused=True) for p in (0.0, 0.3)
    )
    assert (kept - dropped).abs().max() > 1e-3


def test_a_training_ends_where_it_would_have() -> None:
    base = Loaded(tiny_model("llama"), None, CPU, torch.float64, 0, ())
    recipe = SpecialistConfig(epochs=3, rank=2, dropout=0.2, learning_rate=1e-2, batch_size=4)
    begin = template(base.model, recipe, 0, "base")
    tasks = [Trainee("a", rows(12), rows(4)), Trainee("b", rows(9), rows(4))]
    found = [
        fit_specialists(
            tasks,
            base,
            begin,
            recipe.model_copy(update={"checkpointing": wanted}),
            seed=0,
            max_tokens=64,
        )
        for wanted in (False, True)
    ]
    for want, again in zip(*found, strict=True):
        assert (want.vector - again.vector).abs().max() <= 1e-12


def test_less_is_kept() -> None:
    model = tiny_model("llama")
    plain, less = (
        live_bytes(CPU, lambda w=w: gradients(model, w, by_line=False, dropout=0.0, fused=True))
        for w in (False, True)
    )
    assert less < 0.8 * plain


def test_the_base_drops_nothing_out_though_its_layers_ask_themselves() -> None:
    """OPT's layers ask for their own `training`, and drop a tenth out."""
    config = OPTConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        dropout=0.5,
    )
    model = OPTForCausalLM(config).double().eval().requires_grad_(False)
    for wanted in (False, True):
        first, second = (
            gradients(model, wanted, by_line=False, dropout=0.0, fused=False) for _ in range(2)
        )
        assert first.equal(second)


def test_a_model_without_such_layers_is_refused() -> None:
    model = torch.nn.Linear(2, 2)
    model.config = tiny_model("llama").config
    with pytest.raises(ModelError) as caught, checkpointed(model):
        pass
    assert str(caught.value) == (
        "specialists.checkpointing: expected a model whose decoder layers are known, found model type "
        "'llama', without GradientCheckpointingLayer; remove checkpointing, or lower the batch size or "
        "max_tokens"
    )
