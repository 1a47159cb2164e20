"""Projected gradients against autograd, for four families of models."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_model

from mishran.errors import ConfigError, ModelError
from mishran.specialists import gradients
from mishran.specialists.gradients import probe_gradients
from mishran.train.models import Loaded


@dataclass(frozen=True)
class Tokens:
    input_ids: tuple[int, ...]
    num_prompt_tokens: int


def rows_of(
    lengths: tuple[tuple[int, int], ...] = ((9, 4), (3, 2), (14, 1), (6, 5)),
) -> list[Tokens]:
    rng = np.random.default_rng(0)
    return [Tokens(tuple(rng.integers(3, VOCAB, n).tolist()), prompt) for n, prompt in lengths]


def loaded(model: torch.nn.Module) -> Loaded:
    return Loaded(model, None, torch.device("cpu"), torch.float64, 0, ())


def exact(model: torch.nn.Module, row: Tokens) -> dict[str, np.ndarray]:
    """Layer -> (out, in) gradient of HF's own loss, on the row alone, by autograd in the weights."""
    layers = gradients._linear_layers(model, lambda name: True)
    labels = torch.tensor([row.input_ids]).clone()
    labels[:, : row.num_prompt_tokens] = -100
    weights = [layer.weight for layer in layers.values()]
    for weight in weights:
        weight.requires_grad_(True)
    try:
        loss = model(input_ids=torch.tensor([row.input_ids]), labels=labels).loss
        found = torch.autograd.grad(loss, weights)
    finally:
        for weight in weights:
            weight.requires_grad_(False)
    return {
        name: (g if isinstance(layer, torch.nn.Linear) else g.T).numpy()
        for (name, layer), g in zip(layers.items(), found, strict=True)
    }


def gram(values: np.ndarray) -> np.ndarray:
    return values @ values.T


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[torch.nn.Module, list[dict[str, np.ndarray]]]:
    model = tiny_model(request.param)
    return model, [exact(model, row) for row in rows_of()]


def test_every_layer_alone_is_exact_where_it_is_no_wider_than_the_projection(family) -> None:  # type: ignore[no-untyped-def]
    """128 x 128 numbers hold every layer of the tiny models without loss: inner products are equal."""
    model, want = family
    for layer in want[0]:
        found = probe_gradients(loaded(model), rows_of(), size=128**2, chosen=layer.__eq__)
        flat = np.array([w[layer].ravel() for w in want])
        size = np.linalg.norm(flat, axis=1)
        off = (gram(found.astype(float)) - gram(flat)) / np.outer(size, size)
        assert np.abs(off).max() < 1e-6, f"{layer}: float32 numbers"


def test_all_layers_add_up_as_documented(family) -> None:  # type: ignore[no-untyped-def]
    """The sum over layers of P G Q with the same projections, of gradients by autograd."""
    model, want = family
    found = probe_gradients(loaded(model), rows_of(), size=49, seed=5)
    for row, layers in zip(found, want, strict=True):
        total = np.zeros((7, 7))
        for name, g in layers.items():
            left = gradients._projection(g.shape[0], 7, [name, "output"], 5)
            right = gradients._projection(g.shape[1], 7, [name, "input"], 5)
            total += left.T @ g @ right
        rounding = 1e-6 * np.abs(total).max()  # HF computes its loss in float32
        np.testing.assert_allclose(row.reshape(7, 7), total, rtol=0, atol=rounding)


def test_inner_products_are_right_in_the_mean_and_nearer_with_size() -> None:
    """Over seeds: no bias beyond four standard errors, and an error that falls with the size."""
    model = tiny_model("llama")
    rows = rows_of()
    flat = np.array([np.concatenate([g.ravel() for g in exact(model, r).values()]) for r in rows])
    want = gram(flat)
    unit = np.sqrt(np.outer(np.diag(want), np.diag(want)))
    error = {}
    for size in (64, 1024):
        found = np.array(
            [
                gram(probe_gradients(loaded(model), rows, size=size, seed=s).astype(float))
                for s in range(30)
            ]
        )
        off = (found - want) / unit
        assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0) / np.sqrt(30)).all()
        error[size] = np.sqrt((off**2).mean())
    assert error[1024] < 0.05 and error[1024] < error[64] / 3


def test_projections_keep_lengths() -> None:
    """Isometries where they can be; else orthonormal columns, which are the identity in the mean."""
    wide = gradients._projection(5, 8, ["a"], 0)
    np.testing.assert_allclose(wide @ wide.T, np.eye(5), atol=1e-12)
    narrow = gradients._projection(8, 2, ["a"], 0)
    np.testing.assert_allclose(narrow.T @ narrow, 4 * np.eye(2), atol=1e-12)
    many = np.array([gradients._projection(4, 2, ["a"], s) for s in range(4000)])
    np.testing.assert_allclose((many @ many.transpose(0, 2, 1)).mean(axis=0), np.eye(4), atol=0.06)
    np.testing.assert_allclose(many.mean(axis=0), 0.0, atol=0.06)


@pytest.mark.parametrize("name", FAMILIES)
def test_batches_padding_and_order_change_nothing(name: str) -> None:
    base = loaded(tiny_model(name))
    rows = rows_of()
    alone = np.concatenate([probe_gradients(base, [row], size=64) for row in rows])
    for batch_size in (2, 4):
        found = probe_gradients(base, rows, size=64, batch_size=batch_size)
        np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(probe_gradients(base, rows[::-1], size=64)[::-1], alone, atol=1e-6)


def test_the_seed_decides_and_nothing_is_left_behind() -> None:
    model = tiny_model("gpt2")
    state = torch.random.get_rng_state()
    first = probe_gradients(loaded(model), rows_of(), size=64)
    assert first.dtype == np.float32 and first.shape == (4, 64)
    np.testing.assert_array_equal(probe_gradients(loaded(model), rows_of(), size=64), first)
    assert np.abs(probe_gradients(loaded(model), rows_of(), size=64, seed=1) - first).max() > 0.1
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    with torch.inference_mode():
        assert not model(torch.tensor([[1, 2]])).logits.requires_grad


def test_batches_are_split_by_memory_and_progress_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    base = loaded(tiny_model("llama"))
    want = probe_gradients(base, rows_of(), size=64)
    monkeypatch.setattr(gradients, "MEMORY", 1)
    done: list[int] = []
    found = probe_gradients(base, rows_of(), size=64, on_rows=done.append)
    assert done == [1, 1, 1, 1]
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


def test_half_precision_is_near_single_precision() -> None:
    model = tiny_model("llama")
    want = probe_gradients(loaded(model), rows_of(), size=64)
    found = probe_gradients(loaded(model.bfloat16()), rows_of(), size=64)
    cosine = (found * want).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(want, axis=1)
    assert cosine.min() > 0.95


@pytest.mark.parametrize(
    ("size", "near"), [(10, "use 9 or 16"), (0, "use 1 or 4"), (-4, "use 1 or 4")]
)
def test_a_size_that_is_no_square_is_refused(size: int, near: str) -> None:
    with pytest.raises(ConfigError, match=f"expected a square number .* found {size}; {near}"):
        probe_gradients(loaded(tiny_model("llama")), rows_of(), size=size)


def test_models_without_gradients_to_take_are_refused() -> None:
    base = loaded(tiny_model("llama"))
    with pytest.raises(ModelError, match=r"model type 'llama': expected linear layers .* none"):
        probe_gradients(base, rows_of(), chosen=lambda name: False)
    broken = tiny_model("llama")
    broken.model.norm.weight[0] = torch.nan
    with pytest.raises(ModelError, match=r"probe 2: expected finite gradients .* NaN or infinity"):
        probe_gradients(loaded(broken), rows_of(), size=64)


class Pooling(torch.nn.Module):
    """A causal model in shape only: a linear layer sees the mean over the tokens of a row."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(VOCAB, 8)
        self.pooled = torch.nn.Linear(8, 8)
        self.head = torch.nn.Linear(8, VOCAB)
        self.config = SimpleNamespace(model_type="pooling")

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.embed

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        states = self.embed(input_ids)
        return SimpleNamespace(logits=self.head(states + self.pooled(states.mean(dim=1))[:, None]))


def test_a_layer_that_mixes_tokens_is_named() -> None:
    model = Pooling().requires_grad_(False)
    with pytest.raises(
        ModelError,
        match=r"layer 'pooled': expected .* \(4, 14\) here, found input of shape \(4, 8\)",
    ):
        probe_gradients(loaded(model), rows_of(), size=64)
    assert not any(module._forward_hooks for module in model.modules())
