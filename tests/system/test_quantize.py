"""A base in 4 bits, really computed on the CPU: what is packed, what is not, and adapters on it."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import torch
from tiny_project import make_project, save_model

from mishran.config import SpecialistConfig, parse_config
from mishran.errors import ConfigError, DependencyError, MishranError
from mishran.pipeline.fit import fit
from mishran.specialists.adapters import new_adapter, save_adapter, template
from mishran.specialists.evidence import Trainee
from mishran.specialists.fit import fit_specialists
from mishran.specialists.panel import panel
from mishran.specialists.validate import Tokens
from mishran.train.answers import answer_logits
from mishran.train.batch import collate
from mishran.train.loop import warmup_linear
from mishran.train.models import Loaded, load_model, model_content
from mishran.train.order import training_batches

ROWS = [Tokens(tuple(3 + (7 * i + 5 * k * k) % 90 for k in range(6 + i % 9)), 2) for i in range(24)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("quantize")
    save_model(place / "model", hidden=64)
    return place


@pytest.fixture(scope="module")
def packed(folder: Path) -> Loaded:
    return load_model("model", folder, device="cpu", quantize="4bit")


def test_linear_layers_are_packed_and_nothing_else_is(folder: Path, packed: Loaded) -> None:
    plain = load_model("model", folder, device="cpu")
    assert packed.model.model.layers[0].mlp.up_proj.weight.dtype == torch.uint8
    assert packed.model.lm_head.weight.equal(plain.model.lm_head.weight)
    assert packed.model.model.embed_tokens.weight.equal(plain.model.model.embed_tokens.weight)
    linear = sum(p.numel() for n, p in plain.model.named_parameters() if "_proj" in n)
    bits = sum(p.numel() for n, p in packed.model.named_parameters() if "_proj" in n)
    assert bits == linear / 2
    state = packed.model.model.layers[0].mlp.up_proj.weight.quant_state
    assert (state.quant_type, state.nested, state.dtype) == ("nf4", True, torch.float32)
    batch = collate(ROWS, 0)
    with torch.inference_mode():
        want, found = (answer_logits(m.model, batch).logits for m in (plain, packed))
    error = (found - want).norm() / (want - want.mean(dim=-1, keepdim=True)).norm()
    assert 0.01 < error < 0.3


def test_a_pass_in_evaluation_mode_leaves_the_weights_as_they_are(packed: Loaded) -> None:
    """On CPUs with AVX512-BF16 the library would repack them, and no gradient went through."""
    from bitsandbytes.nn import Linear4bit

    layers = [m for m in packed.model.modules() if isinstance(m, Linear4bit)]
    assert layers and not any(m.support_avx512bf16_for_cpu for m in layers)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_bank_on_it_is_what_peft_gives(packed: Loaded, checkpointing: bool) -> None:
    recipe = SpecialistConfig(
        epochs=4, rank=4, batch_size=8, learning_rate=1e-2, checkpointing=checkpointing
    )
    begin = template(packed.model, recipe, 0, "base")
    tasks = [Trainee("a", ROWS, ROWS[:4]), Trainee("b", ROWS[:11], ROWS[:4])]
    for task, found in zip(
        tasks,
        fit_specialists(tasks, packed, begin, recipe, seed=0, max_tokens=64, tokens=100),
        strict=True,
    ):
        assert not isinstance(found, MishranError)
        want = peft(packed, task, recipe)
        learned = want - begin.initial
        assert learned.abs().max() > 0.01
        # by norm: a single number whose gradient is rounding may differ by 2 % of a step of AdamW
        assert (found.vector - want).norm() <= 1e-3 * learned.norm()


def peft(base: Loaded, task: Trainee, recipe: SpecialistConfig) -> torch.Tensor:
    """One adapter in a plain loop."""
    plan = training_batches(
        [len(r.input_ids) for r in task.rows], recipe.batch_size, 0, epochs=recipe.epochs
    )
    with new_adapter(base.model, recipe, 0, "base") as wrapped:
        parameters = [p for p in wrapped.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, warmup_linear(len(plan), recipe.warmup)
        )
        for step in plan:
            found = answer_logits(wrapped, collate([task.rows[i] for i in step], 0))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(found.logits, found.targets).backward()
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            schedule.step()
        return torch.cat([p.detach().flatten() for p in parameters])


def test_specialists_answer_on_it_as_in_peft(packed: Loaded, tmp_path: Path) -> None:
    from peft import PeftModel

    recipe = SpecialistConfig(epochs=2, rank=4, learning_rate=1e-2, adapter_dtype="bfloat16")
    begin = template(packed.model, recipe, 0, "base")
    task = Trainee("a", ROWS, ROWS[:4])
    (found,) = fit_specialists([task], packed, begin, recipe, seed=0, max_tokens=64)
    assert found.vector.dtype == torch.bfloat16
    save_adapter(begin, found.vector, tmp_path)
    batch = collate([*ROWS[:5]], 0)
    with torch.inference_mode():
        asked = panel(packed.model, {"a": tmp_path})
        _, ours = asked.logits(asked.states([batch]))
        asked.close()
        loaded = PeftModel.from_pretrained(packed.model, str(tmp_path))
        theirs = answer_logits(loaded, batch).logits
        loaded.unload()
    assert (ours - theirs).abs().max() < 1e-5


def test_it_is_another_model_to_every_key(folder: Path) -> None:
    keys = {model_content("model", folder, quantize=q) for q in (None, "4bit")}
    assert len(keys) == 2
    assert model_content("model", folder) == model_content("model", folder, quantize=None)


def test_a_whole_fit_on_it(tmp_path: Path) -> None:
    path = make_project(tmp_path)
    fit(path)
    before = (tmp_path / "runs" / "mix" / "scores.parquet").read_bytes()
    path.write_text(path.read_text() + "quantize: 4bit\n")
    fitted = fit(path)
    assert fitted.run.path("scores.parquet").read_bytes() != before, "keys say so"
    assert "quantize: 4bit" in fitted.run.path("run.yaml").read_text()
    shutil.rmtree(tmp_path / "runs")


def test_without_the_package_the_error_says_what_to_install(folder: Path, monkeypatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else real(name)
    )
    with pytest.raises(DependencyError) as caught:
        load_model("model", folder, device="cpu", quantize="4bit")
    assert str(caught.value) == (
        "quantize: expected the package bitsandbytes, for quantize: 4bit, found it is not installed; "
        'pip install "mishran[quant]", or remove quantize'
    )


def test_whole_models_cannot_be_trained_on_it() -> None:
    mix = {"model": "m", "tasks": "t", "quantize": "4bit", "specialists": {"kind": "full"}}
    with pytest.raises(ConfigError) as caught:
        parse_config(mix, "mix.yaml")
    assert str(caught.value) == (
        "mix.yaml: expected specialists of kind: lora on a quantized base, whose own weights cannot be "
        "trained, found quantize: 4bit and kind: full; remove one of them"
    )
    with pytest.raises(ConfigError, match="quantize"):
        parse_config({**mix, "quantize": "8bit", "specialists": {}}, "mix.yaml")
