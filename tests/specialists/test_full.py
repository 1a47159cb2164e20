"""Full fine-tuning: the same numbers as a plain loop, a base given back bit for bit, one file per task."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_llama, tiny_model

from mishran.config import SpecialistConfig
from mishran.errors import ModelError, TrainingError
from mishran.run import sha256_tree
from mishran.specialists import full as full_module
from mishran.specialists import whole_panel as panel_module
from mishran.specialists.course import Trained
from mishran.specialists.evidence import Trainee
from mishran.specialists.full import check_full, fit_full, whole_bytes
from mishran.specialists.probe import answer_pool
from mishran.specialists.sizing import SHARE, SHARE_GPU
from mishran.specialists.validate import Tokens, nats_per_row
from mishran.specialists.whole import read_whole, save_whole, split, whole
from mishran.specialists.whole_panel import WholePanel
from mishran.train.batch import TOKENS, collate
from mishran.train.memory import live_bytes
from mishran.train.models import Loaded
from mishran.train.order import training_batches

RECIPE = SpecialistConfig(kind="full", tokens=4000, learning_rate=1e-3, batch_size=8)
FAMILIES = ["llama", "mistral", "qwen2", "gpt2", "neox"]


def loaded(family: str = "llama", dtype: torch.dtype = torch.float32) -> Loaded:
    model = tiny_model(family).to(dtype)
    return Loaded(
        model, None, torch.device("cpu"), dtype, 0, (), packs=family != "gpt2"
    )  # one padded


def task(name: str, count: int = 120, held: int = 16, seed: int = 0) -> Trainee:
    """Prompts of a few tokens; the answer copies the second one, or the third."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count + held):
        length = int(rng.integers(3, 8))
        prompt = tuple(int(i) for i in rng.integers(10, 18, length))
        copied = prompt[1 if name == "second" else 2]
        rows.append(Tokens((1, *prompt, copied, 2), length + 1))
    return Trainee(name, rows[:count], rows[count:])


def fit(base: Loaded, *trainees: Trainee, **more: Any) -> list[Any]:
    tokens = more.pop("at_most", TOKENS)
    recipe = RECIPE.model_copy(update=more)
    return fit_full(trainees, base, recipe, seed=0, max_tokens=64, tokens=tokens)


def bits(model: torch.nn.Module) -> dict[str, bytes]:
    """Parameters and buffers as bytes: -0.0 and NaN count too."""
    return {k: v.view(torch.uint8).numpy().tobytes() for k, v in model.state_dict().items()}


def plain_loop(model: torch.nn.Module, trainee: Trainee, recipe: SpecialistConfig) -> None:
    """As anybody would write it: labels, AdamW over the parameters, a schedule of torch.

    Not the model's own loss: that is taken in float32 whatever the model is in.
    """
    plan = training_batches(
        [len(r.input_ids) for r in trainee.rows], recipe.batch_size, 0, tokens=recipe.tokens
    )
    parameters = list(model.requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(
        parameters, recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    up = round(recipe.warmup * len(plan))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: (i + 1) / up if i < up else (len(plan) - i) / (len(plan) - up)
    )
    for step in plan:
        optimizer.zero_grad()
        batch = collate([trainee.rows[i] for i in step], 0, "right")
        labels = torch.where(batch.answer_mask, batch.input_ids, -100)
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
        ).backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_loop_gives_the_same_parameters(family: str) -> None:
    """50 steps; steps that come in parts too (batches of 40 tokens)."""
    recipe = {"tokens": 3500, "weight_decay": 0.1, "clip": 0.5}
    base = loaded(family, torch.float64)
    (found,) = fit(base, task("second"), at_most=40, **recipe)
    other = tiny_model(family)
    plain_loop(other, task("second"), RECIPE.model_copy(update=recipe))
    assert found.evidence.steps >= 50
    wanted = torch.cat([p.detach().flatten() for p in other.parameters()])
    before = torch.cat([p.detach().flatten() for p in base.model.parameters()])
    assert (wanted - before).abs().max() > 1e-3, "something was learned"
    torch.testing.assert_close(found.vector, wanted, rtol=0, atol=1e-9)


def test_it_learns_and_says_so() -> None:
    (found,) = fit(loaded(), task("second", held=64), tokens=8000, learning_rate=3e-3)
    evidence = found.evidence
    assert evidence.status == "learned" and evidence.gain.low > 0.5
    assert evidence.curve[-1].nats == evidence.specialist and evidence.kept == evidence.steps
    assert evidence.curve[0].step == 0 and not evidence.own_adapter


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_base_is_given_back_bit_for_bit(family: str, dtype: torch.dtype) -> None:
    base = loaded(family, dtype)
    own = [p.data_ptr() for p in base.model.parameters()]
    before, randomness = bits(base.model), torch.random.get_rng_state()
    assert all(isinstance(r, Trained) for r in fit(base, task("second"), task("third"), tokens=600))
    assert bits(base.model) == before
    assert [p.data_ptr() for p in base.model.parameters()] == own, "its own memory, not a copy"
    assert not any(p.requires_grad or p.grad is not None for p in base.model.parameters())
    assert not any(m.training for m in base.model.modules())
    assert torch.random.get_rng_state().equal(randomness), "global randomness is untouched"


def test_the_base_is_given_back_after_any_error(monkeypatch) -> None:
    base = loaded()
    before = bits(base.model)

    def breaks(*args: Any) -> None:
        next(iter(base.model.parameters())).data.add_(1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(full_module, "train", breaks)
    with pytest.raises(KeyboardInterrupt):
        fit(base, task("second"))
    assert bits(base.model) == before
    assert not any(p.requires_grad for p in base.model.parameters())


def test_where_memory_ends_the_model_stays_as_it_is(monkeypatch) -> None:
    base = loaded(dtype=torch.bfloat16)
    own, before = [p.data_ptr() for p in base.model.parameters()], bits(base.model)
    calls: list[int] = []
    real = torch.Tensor.to

    def ends(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) > len(own) + 3:
            raise RuntimeError("out of memory")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", ends)
    with pytest.raises(RuntimeError), whole(base.model):
        pass
    assert [p.data_ptr() for p in base.model.parameters()] == own and bits(base.model) == before


def test_a_failure_is_its_own_task_s(monkeypatch) -> None:
    """The second of three meets a NaN; the others are what they are alone."""
    base = loaded()
    real = full_module.lay_out

    def poisoned(parts, *args):
        batch = real(parts, *args)
        if any(row in bad.rows for part in parts for row in part.rows):
            with torch.no_grad():
                base.model.get_output_embeddings().weight.mul_(float("nan"))
        return batch

    bad = task("third", seed=1)
    bad = Trainee("bad", [Tokens((*r.input_ids[:-1], 3), 4) for r in bad.rows], bad.held_out)
    monkeypatch.setattr(full_module, "lay_out", poisoned)
    before = bits(base.model)
    found = fit(base, task("second"), bad, task("third"), tokens=500)
    assert str(found[1]) == (
        "task 'bad', step 1 of 8: expected a finite loss and gradient, "
        "found loss nan, gradient norm nan; lower specialists.learning_rate, or use dtype: float32"
    )
    assert bits(base.model) == before
    monkeypatch.undo()
    for i, name in ((0, "second"), (2, "third")):
        (alone,) = fit(base, task(name), tokens=500)
        assert alone.vector.equal(found[i].vector) and alone.evidence == found[i].evidence


def test_a_rate_far_too_high_is_named_and_the_next_task_goes_on() -> None:
    base = loaded()
    found = fit(base, task("second"), learning_rate=1e30)
    assert isinstance(found[0], TrainingError) and "task 'second', step" in str(found[0])
    assert isinstance(fit(base, task("third"))[0], Trained)


def test_layers_may_be_computed_again_for_their_gradients() -> None:
    (plain,) = fit(loaded(), task("second"), tokens=600)
    (again,) = fit(loaded(), task("second"), tokens=600, checkpointing=True)
    torch.testing.assert_close(again.vector, plain.vector, rtol=0, atol=1e-6)


def test_early_stopping_keeps_the_best_weights() -> None:
    """A rate that ruins everything after a good start: the weights of the best point are returned."""
    base = loaded()
    shuffled = task("second", count=24)
    (found,) = fit(base, shuffled, patience=1, curve_points=6, tokens=8000, learning_rate=0.02)
    evidence = found.evidence
    assert evidence.kept < evidence.steps
    with whole(base.model) as model:
        model.weights[0] = found.vector
        nats, tokens = nats_per_row(model, shuffled.held_out[:8], base)
    assert evidence.specialist == pytest.approx((nats / tokens).mean(), abs=1e-6)


def test_the_same_bytes_twice_and_tied_weights_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        base = loaded("gpt2")
        (found,) = fit(base, task("second"), tokens=600)
        save_whole(base.model, found.vector, tmp_path / name)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")
    saved = load_file(tmp_path / "one" / "model.safetensors")
    assert saved.keys() == dict(base.model.named_parameters()).keys()
    assert "transformer.wte.weight" in saved and "lm_head.weight" not in saved
    assert sum(t.numel() for t in saved.values()) == len(found.vector)


def specialists(base: Loaded, folder: Path) -> dict[str, Path]:
    """Two trained whole models, saved."""
    names = ("second", "third")
    for name, result in zip(names, fit(base, *map(task, names), tokens=800), strict=True):
        save_whole(base.model, result.vector, folder / name)
    return {name: folder / name for name in names}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_panel_is_each_model_alone(family: str, tmp_path: Path) -> None:
    base, rows = loaded(family), task("second", 0, 20, seed=9).held_out
    folders = specialists(base, tmp_path)
    before = bits(base.model)
    panel = WholePanel(base.model, folders)
    with closing(panel):
        got = answer_pool(panel, base, rows, answer_tokens=4, tokens=64)
        batch = collate(rows[:3], 0)
        states = panel.states([batch])
        assert bits(base.model) == before, "after the specialists the model is the base"
        panel.logits(states)
        assert bits(base.model) == before
        assert not any(p.requires_grad for p in base.model.parameters())
    assert bits(base.model) == before
    np.testing.assert_allclose(got.base_nats, nats_per_row(base.model, rows, base)[0], atol=1e-5)
    for i, folder in enumerate(folders.values()):
        alone = loaded(family)
        saved = load_file(folder / "model.safetensors")
        missing, strange = alone.model.load_state_dict(saved, strict=False)
        assert not strange and set(missing) <= {"lm_head.weight"}
        np.testing.assert_allclose(
            got.nats[i], nats_per_row(alone.model, rows, alone)[0], atol=1e-5
        )
    assert (np.abs(got.nats - got.base_nats).max(axis=1) > 0.1).all()
    assert got.jsd.max() > 1e-3


def test_the_panel_holds_copies_where_they_fit(tmp_path: Path, monkeypatch) -> None:
    """What a GPU does, on the CPU: the same answers, held or copied each time."""
    base, rows = loaded(), task("second", 0, 8).held_out
    folders = specialists(base, tmp_path)
    mapped = answer_pool(WholePanel(base.model, folders), base, rows, answer_tokens=4)
    copies: list[int] = []
    real = panel_module.on_device

    def counted(values, device):
        copies.append(len(values))
        return [t.clone() for t in real(values, device)]

    monkeypatch.setattr(panel_module, "on_device", counted)
    monkeypatch.setattr(panel_module, "is_mapped", lambda device: False)
    for free, times in ((1 << 40, 2), (0, 2)):
        copies.clear()
        monkeypatch.setattr(panel_module, "free_bytes", lambda device, free=free: free)
        panel = WholePanel(base.model, folders)
        assert len(copies) == (times if free else 0)
        found = answer_pool(panel, base, rows, answer_tokens=4)
        assert len(copies) == times
        np.testing.assert_array_equal(found.nats, mapped.nats)
        panel.close()


def test_a_bfloat16_base_learns_in_single_precision(tmp_path: Path) -> None:
    """Steps smaller than bfloat16 resolves add up; what is saved and scored is in the base's type."""
    base = loaded(dtype=torch.bfloat16)
    (found,) = fit(base, task("second"), learning_rate=1e-5, tokens=2000)
    assert found.vector.dtype == torch.float32
    before = torch.cat([p.float().flatten() for p in base.model.parameters()])
    moved = (found.vector - before).abs()
    rounding = before.abs() * 2**-9
    assert ((moved > 0) & (moved < rounding)).float().mean() > 0.5, "most would be lost"
    save_whole(base.model, found.vector, tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    assert {t.dtype for t in saved.values()} == {torch.bfloat16}
    views = split(found.vector, [p.shape for p in base.model.parameters()])
    read = read_whole(base.model, tmp_path, "")
    assert all(r.equal(v.bfloat16()) for r, v in zip(read, views, strict=True))
    panel = WholePanel(base.model, {"second": tmp_path})
    with closing(panel), torch.inference_mode():
        rows = task("second").held_out
        got = answer_pool(panel, base, rows, answer_tokens=1)
    assert got.nats.mean() / 2 == pytest.approx(found.evidence.specialist, rel=0.02)


# ---- what is refused


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda t: t.pop("model.norm.weight"), "for model.norm.weight none, where the model has"),
        (
            lambda t: t.update(more=torch.zeros(1)),
            r"for more \(1,\) float32, where the model has none",
        ),
        (
            lambda t: t.update({"model.norm.weight": torch.ones(3)}),
            r"for model.norm.weight \(3,\) float32, where the model has \(32,\) float32",
        ),
        (
            lambda t: t.update({"model.norm.weight": torch.ones(32, dtype=torch.bfloat16)}),
            r"\(32,\) bfloat16, where the model has \(32,\) float32",
        ),
    ],
)
def test_a_file_of_another_model_is_refused(change, found: str, tmp_path: Path) -> None:
    base = loaded()
    tensors = {name: p.detach().clone() for name, p in base.model.named_parameters()}
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=f"task 'a': .*expected a specialist that fits .*{found}"):
        WholePanel(base.model, {"a": tmp_path})


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"task 'a': .*found .*; run `mishran fit`"):
        WholePanel(loaded().model, {"a": tmp_path})
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match=r"task 'a': .*found .*; run `mishran fit`"):
        WholePanel(loaded().model, {"a": tmp_path})


def test_a_quantised_model_is_refused() -> None:
    base = loaded()
    small = torch.zeros(4, dtype=torch.uint8)
    base.model.model.norm.weight = torch.nn.Parameter(small, requires_grad=False)
    with pytest.raises(ModelError) as caught:
        check_full(base, RECIPE)
    assert str(caught.value) == (
        "specialists.kind: expected a base model in floating-point numbers, as full fine-tuning needs, "
        "found model.norm.weight in uint8; use kind: lora, or a model that is not quantised"
    )


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_model_that_does_not_fit_is_refused(device: str, monkeypatch) -> None:
    base = replace(loaded(dtype=torch.bfloat16), device=torch.device(device))
    planned = {"cpu": SHARE, "cuda": SHARE_GPU}[device]
    size = (4 * 4 + 2) * sum(p.numel() for p in base.model.parameters())
    monkeypatch.setattr(full_module, "free_bytes", lambda device: int(size / planned) + 2)
    check_full(base, RECIPE)
    said = rf"memory for full fine-tuning, .* of which {planned:.0%} .*use kind: lora"
    with pytest.raises(TrainingError, match=said):
        check_full(base, RECIPE.model_copy(update={"patience": 1}))
    monkeypatch.setattr(full_module, "free_bytes", lambda device: int(size / planned) - 2)
    with pytest.raises(TrainingError, match=said):
        check_full(base, RECIPE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("patience", [None, 1])
def test_a_training_holds_what_is_counted(dtype: torch.dtype, patience: int | None) -> None:
    """Steps of a row or two in a model of some size, so that activations are little."""
    model = tiny_llama(hidden_size=256, intermediate_size=512, num_hidden_layers=4).to(dtype)
    base = Loaded(model, None, torch.device("cpu"), dtype, 0, ())
    more = {"tokens": 60, "batch_size": 1, "curve_points": 4, "patience": patience}
    taken = live_bytes(base.device, lambda: fit(base, task("second", 10, 2), at_most=16, **more))
    counted = whole_bytes(base, RECIPE.model_copy(update=more))
    assert counted <= 1.001 * taken <= 1.06 * counted
