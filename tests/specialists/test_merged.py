"""Merged specialists: the vertices are they, sums are linear, and the base comes back bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import VOCAB, tiny_llama, tiny_model
from tiny_project import save_model

from mishran.config import SpecialistConfig
from mishran.errors import ConfigError, ModelError
from mishran.specialists import merged as merged_module
from mishran.specialists.adapters import save_adapter, template
from mishran.specialists.merged import Merge, merge_of
from mishran.specialists.whole import read_whole, save_whole
from mishran.train.models import load_model

NAMES = ("a", "b", "c")
UNEQUAL = (0.6, 0.3, 0.1)
IDS = torch.tensor(np.random.default_rng(0).integers(3, VOCAB, (3, 20)))
MODELS: dict[str, Callable[[], torch.nn.Module]] = {
    "llama": lambda: tiny_model("llama").float(),
    "gpt2": lambda: tiny_model("gpt2"),  # Conv1D: matrices the other way round; float64; tied
    "tied": lambda: tiny_llama(tie_word_embeddings=True, vocab_size=VOCAB),
}


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=IDS, use_cache=False).logits.double()


def bits(model: torch.nn.Module) -> dict[str, bytes]:
    """Parameters and buffers as bytes: -0.0 and NaN count too."""
    return {k: v.view(torch.uint8).numpy().tobytes() for k, v in model.state_dict().items()}


def adapters(model: torch.nn.Module, place: Path) -> dict[str, Path]:
    """Of different ranks, scales and layers."""
    out = {}
    for i, name in enumerate(NAMES):
        every = "all-linear" if i % 2 else ("c_attn", "q_proj", "v_proj")
        found = {n.rpartition(".")[2] for n, _ in model.named_modules()}
        targets = every if isinstance(every, str) else tuple(t for t in every if t in found)
        recipe = SpecialistConfig(rank=1 + i, alpha=4.0, targets=targets, tokens=100)
        begin = template(model, recipe, 0, "base")
        noise = torch.randn(begin.initial.shape, generator=torch.Generator().manual_seed(i))
        save_adapter(begin, begin.initial + 0.1 * noise, place / name)
        out[name] = place / name
    return out


def wholes(model: torch.nn.Module, place: Path) -> dict[str, Path]:
    out = {}
    own = torch.cat([p.detach().flatten() for p in model.parameters()])
    for i, name in enumerate(NAMES):
        noise = torch.randn(own.shape, generator=torch.Generator().manual_seed(i), dtype=own.dtype)
        save_whole(model, own + 0.05 * noise, place / name)
        out[name] = place / name
    return out


def alone(kind: str, folder: Path, family: str) -> torch.Tensor:
    """The logits of one specialist, by PEFT or by its own parameters: the oracle."""
    model = MODELS[family]()
    if kind == "lora":
        return logits(PeftModel.from_pretrained(model, str(folder)).eval())
    values = read_whole(model, folder, "a specialist")
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.data = value
    return logits(model)


Case = tuple[torch.nn.Module, Merge, dict[str, Path], str, str]


@pytest.fixture(params=[(k, f) for k in ("lora", "full") for f in MODELS], ids="-".join)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    kind, family = request.param
    model = MODELS[family]()
    folders = (adapters if kind == "lora" else wholes)(model, tmp_path)
    return model, merge_of(model, folders, kind), folders, kind, family


def test_all_on_one_task_is_its_specialist(case: Case) -> None:
    model, merge, folders, kind, family = case
    assert merge.names == NAMES
    base = logits(model)
    for i, name in enumerate(NAMES):
        with merge.at(np.eye(3)[i]) as now:
            found = logits(now)
        torch.testing.assert_close(found, alone(kind, folders[name], family), atol=1e-5, rtol=1e-5)
        assert (found - base).abs().max() > 0.01, "the specialist is another model"


def test_no_weight_is_the_base(case: Case) -> None:
    model, merge, *_ = case
    base = logits(model)
    with merge.at([0.0, 0.0, 0.0]) as now:
        assert logits(now).equal(base)


def test_the_base_comes_back_bit_for_bit(case: Case) -> None:
    model, merge, *_ = case
    before, places = bits(model), [id(p) for p in model.parameters()]
    with merge.at(UNEQUAL):
        assert bits(model) != before
        with merge.at([0, 1, 0]):
            pass
        inside = bits(model)
    with merge.at(UNEQUAL):
        assert bits(model) == inside, "the same mixture twice, after another inside it"
    with pytest.raises(KeyboardInterrupt), merge.at(UNEQUAL):
        raise KeyboardInterrupt
    assert bits(model) == before and [id(p) for p in model.parameters()] == places


def test_what_is_added_is_linear_in_the_weights(case: Case) -> None:
    """Parameter by parameter: the sum of what each adds alone, whatever the weights, negative ones too."""
    model, merge, *_ = case
    zero = state(model)
    added = []
    for one in np.eye(3):
        with merge.at(one):
            added.append({k: v - zero[k] for k, v in state(model).items()})
    for weights in (UNEQUAL, (2.0, -1.0, 0.5)):
        with merge.at(weights):
            found = state(model)
        for name, start in zero.items():
            expected = start + sum(w * own[name] for w, own in zip(weights, added, strict=True))
            torch.testing.assert_close(found[name], expected, atol=2e-6, rtol=0)


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.detach().double().clone() for k, v in model.state_dict().items()}


def test_products_are_averaged_not_factors(tmp_path: Path) -> None:
    """Two adapters with the same product and factors of other sign: their mean is that product."""
    model = MODELS["llama"]()
    begin = template(model, SpecialistConfig(rank=2, tokens=100), 0, "base")
    vector = torch.randn(begin.initial.shape, generator=torch.Generator().manual_seed(0)) * 0.1
    for name, sign in (("plus", 1), ("minus", -1)):
        save_adapter(begin, sign * vector, tmp_path / name)
    merge = merge_of(model, {n: tmp_path / n for n in ("plus", "minus")})
    with merge.at([1.0, 0.0]):
        one = logits(model)
    with merge.at([0.5, 0.5]):
        torch.testing.assert_close(logits(model), one, atol=1e-5, rtol=1e-5)
    assert (one - logits(model)).abs().max() > 0.01


def test_an_adapter_of_the_output_head_leaves_tied_embeddings(tmp_path: Path) -> None:
    model = MODELS["tied"]()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    wrapped = get_peft_model(
        MODELS["tied"](), LoraConfig(r=2, target_modules=["lm_head"], init_lora_weights=False)
    )
    wrapped.save_pretrained(tmp_path / "head", save_embedding_layers=False)
    expected = logits(wrapped.eval())
    own = model.model.embed_tokens.weight.clone()
    with merge_of(model, {"head": tmp_path / "head"}).at([1.0]):
        torch.testing.assert_close(logits(model), expected, atol=1e-5, rtol=1e-5)
        assert model.model.embed_tokens.weight.equal(own)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_gpu_that_is_full_has_them_on_the_cpu(monkeypatch) -> None:
    monkeypatch.setattr(merged_module, "free_bytes", lambda device: 1000)

    class Full:
        device = torch.device("cuda")

    assert merged_module._place(Full(), 501) == torch.device("cpu")
    assert merged_module._place(Full(), 500) == Full.device


def test_whole_models_in_a_shorter_type_are_read_into_a_wider_base(tmp_path: Path) -> None:
    """What a run in bfloat16 wrote; the sum is not rounded to it."""
    narrow = tiny_model("llama").bfloat16()
    folders = wholes(narrow, tmp_path)
    wide = tiny_model("llama").bfloat16().float()
    with merge_of(wide, folders, "full").at([0, 1, 0]):
        for parameter, value in zip(
            wide.parameters(), read_whole(narrow, folders["b"], "b"), strict=True
        ):
            assert parameter.dtype == torch.float32 and parameter.equal(value.float())
    with pytest.raises(ModelError, match="bfloat16, where the model has") as caught:
        read_whole(wide, folders["b"], "task 'b'")
    assert "expected a specialist that fits the model" in str(caught.value)
    with pytest.raises(ModelError, match=r"\(97, 32\) bfloat16, where the model has \(50, 32\)"):
        merge_of(tiny_llama(vocab_size=50), folders, "full")
    with pytest.raises(ModelError, match=r"float32, where the model has .* bfloat16"):
        read_whole(narrow, wholes(wide, tmp_path / "wide")["a"], "task 'a'", shorter=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_half_precision_is_refused(kind, dtype, tmp_path) -> None:
    """Since a twentieth of a small change would be rounded away, as this shows."""
    one = torch.ones(1, dtype=dtype)
    step = torch.finfo(dtype).eps * one
    assert (one + step) != one and (one + step / 20) == one
    with pytest.raises(ModelError) as caught:
        merge_of(tiny_model("llama").to(dtype), {}, kind)
    assert str(caught.value) == (
        "merging: expected a base in float32, to add what specialists learned to, found "
        f"model.embed_tokens.weight in {str(dtype).removeprefix('torch.')}; "
        "load it with dtype: float32 and without quantize"
    )


def test_a_base_in_4_bits_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    save_model(tmp_path / "model", hidden=64)
    packed = load_model("model", tmp_path, device="cpu", quantize="4bit")
    with pytest.raises(ModelError, match=r"found model\.layers\.0\.\S+_proj\.weight in uint8"):
        merge_of(packed.model, {})


def test_dora_is_refused(tmp_path: Path) -> None:
    model = MODELS["llama"]()
    get_peft_model(
        MODELS["llama"](), LoraConfig(r=2, use_dora=True, target_modules=["q_proj"])
    ).save_pretrained(tmp_path / "a")
    assert json.loads((tmp_path / "a" / "adapter_config.json").read_text())["use_dora"]
    with pytest.raises(ModelError) as caught:
        merge_of(model, {"a": tmp_path / "a"})
    assert str(caught.value) == (
        f"task 'a': {tmp_path / 'a'}: expected adapters of two matrices a layer, which can be added "
        "up, found DoRA, or weights beside them; train a LoRA adapter for it, or leave the task out"
    )


@pytest.mark.parametrize(
    ("weights", "found"),
    [((1.0, 0.0), "2"), ((0.5, float("nan"), 0.5), "nan"), ((1, 0, float("inf")), "inf")],
)
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_weights_are_checked_before_anything_changes(kind, weights, found, tmp_path) -> None:
    model = MODELS["llama"]()
    merge = merge_of(model, (adapters if kind == "lora" else wholes)(model, tmp_path), kind)
    before = bits(model)
    with pytest.raises(ConfigError) as caught, merge.at(weights):
        pass
    assert str(caught.value) == (
        f"merging: expected a finite weight for each of 3 specialists, found {found}; "
        "give one weight for each name, in their order"
    )
    assert bits(model) == before
