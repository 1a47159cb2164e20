"""Which folders can be measured: whole models, adapters on a base, what train wrote; and what cannot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_project import save_model

from mishran.errors import ModelError
from mishran.evaluate.load import load_subject


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("m") / "tiny")


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As PEFT itself saves one, with both matrices filled; it names its base by an absolute path."""
    from peft import LoraConfig, get_peft_model

    model = load_subject(base, device="cpu").loaded.model
    wrapped = get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"])
    )
    generator = torch.Generator().manual_seed(0)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    wrapped.peft_config["default"].base_model_name_or_path = str(base)
    folder = tmp_path_factory.mktemp("a") / "adapter"
    wrapped.save_pretrained(folder)
    return folder


def logits(found: Any) -> torch.Tensor:
    with torch.inference_mode():
        return found.loaded.model(input_ids=torch.tensor([[1, 5, 9, 30]])).logits


def test_a_whole_model(base: Path, tmp_path: Path) -> None:
    found = load_subject(base, device="cpu")
    assert (found.name, found.base, found.context) == ("tiny", None, 64)
    assert not found.loaded.model.training
    shutil.copytree(base, tmp_path / "out" / "model")
    again = load_subject(tmp_path / "out", device="cpu")
    assert again.sha256 == found.sha256 and again.name == "out"
    torch.testing.assert_close(logits(again), logits(found))


def test_an_adapter_on_the_base_that_it_names(base: Path, adapter: Path) -> None:
    from peft import PeftModel

    found = load_subject(adapter, device="cpu")
    plain = load_subject(base, device="cpu")
    merged = PeftModel.from_pretrained(load_subject(base, device="cpu").loaded.model, adapter)
    with torch.inference_mode():
        want = merged.merge_and_unload()(input_ids=torch.tensor([[1, 5, 9, 30]])).logits
    torch.testing.assert_close(logits(found), want)
    assert (logits(found) - logits(plain)).abs().max() > 0.01
    assert (found.name, found.base) == ("adapter", "tiny") and found.sha256 != plain.sha256
    assert found.loaded.model.get_output_embeddings() is not None


def copied(adapter: Path, to: Path, **changes: Any) -> Path:
    shutil.copytree(adapter, to)
    path = to / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return to


def test_a_base_in_four_bits(base: Path, adapter: Path) -> None:
    """As the adapter was trained: near the plain base, and not the same."""
    found, plain = (load_subject(adapter, device="cpu", quantize=q) for q in ("4bit", None))
    assert found.loaded.model.model.layers[0].mlp.up_proj.weight.dtype == torch.uint8
    error = (logits(found) - logits(plain)).norm() / logits(plain).norm()
    assert 0.001 < error < 0.5 and found.sha256 != plain.sha256


def test_which_base_wins(base: Path, adapter: Path, tmp_path: Path, monkeypatch) -> None:
    """--base; the path that it names; the model of the tasks; a bare name, here."""
    other = save_model(tmp_path / "other")
    assert load_subject(adapter, base=other, otherwise=base, device="cpu").base == "other"
    assert load_subject(adapter, otherwise=other, device="cpu").base == "tiny"
    bare = copied(adapter, tmp_path / "bare", base_model_name_or_path="here")
    shutil.copytree(base, tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    assert load_subject(bare, otherwise=other, device="cpu").base == "other"
    assert load_subject(bare, device="cpu").base == "here"


def test_its_own_tokenizer_is_used(adapter: Path, tmp_path: Path) -> None:
    from tiny_tokenizers import byte_level, words

    own = copied(adapter, tmp_path / "own")
    words().save_pretrained(own)
    assert len(load_subject(own, device="cpu").loaded.tokenizer) == 5
    larger = byte_level(additional_special_tokens=[f"<{i}>" for i in range(50)])
    larger.save_pretrained(own)
    with pytest.raises(ModelError, match="expected a tokenizer with at most"):
        load_subject(own, device="cpu")


def refused(*args: Any, **more: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_subject(*args, device="cpu", **more)
    return str(caught.value)


def test_what_cannot_be_measured(base: Path, adapter: Path, tmp_path: Path) -> None:
    said = refused(tmp_path / "nowhere")
    assert "expected a local model folder, found no such folder" in said
    homeless = copied(adapter, tmp_path / "homeless", base_model_name_or_path="gone/base")
    said = refused(homeless)
    assert (
        "expected the base model of the adapter (gone/base), found none given; add --base" in said
    )
    nameless = copied(adapter, tmp_path / "nameless", base_model_name_or_path=None)
    assert "the base model of the adapter (it names none)" in refused(nameless)
    other = copied(adapter, tmp_path / "ia3", peft_type="IA3")
    said = refused(other)
    assert "expected a LoRA adapter in PEFT format with its weights as safetensors" in said
    assert "found peft_type IA3" in said
    empty = copied(adapter, tmp_path / "empty")
    (empty / "adapter_model.safetensors").unlink()
    assert "found no adapter_model.safetensors; save it with PEFT's" in refused(empty)
    broken = copied(adapter, tmp_path / "broken")
    (broken / "adapter_config.json").write_text("{")
    assert "expected a readable adapter_config.json" in refused(broken)
    from safetensors.torch import load_file, save_file

    partly = copied(adapter, tmp_path / "partly")
    tensors = load_file(partly / "adapter_model.safetensors")
    gone = sorted(tensors)[0]
    save_file({k: v for k, v in tensors.items() if k != gone}, partly / "adapter_model.safetensors")
    assert f"found weights on one side only, {gone} for one; give the base" in refused(partly)
    (partly / "adapter_model.safetensors").write_bytes(b"no weights")
    assert "expected an adapter that fits its base" in refused(partly)
    small = save_model(tmp_path / "small", hidden=16)
    said = refused(adapter, base=small)
    assert "expected an adapter that fits its base" in said and "with --base" in said


def test_model_and_tokenizer_that_disagree(base: Path, tmp_path: Path) -> None:
    from tiny_tokenizers import byte_level

    folder = shutil.copytree(base, tmp_path / "m")
    byte_level(additional_special_tokens=[f"<{i}>" for i in range(50)]).save_pretrained(folder)
    said = refused(folder)
    assert "expected a tokenizer with at most" in said
    assert "use the tokenizer that the model was trained with" in said
