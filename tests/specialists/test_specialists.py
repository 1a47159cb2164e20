"""Specialists on a tiny model: adapters that PEFT reads, evidence that tells learning from noise."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import VOCAB, tiny_model

from mishran.affinity import pairwise_jsd
from mishran.config import SpecialistConfig
from mishran.errors import MishranError, ModelError
from mishran.run import sha256_tree
from mishran.specialists import probe, validate
from mishran.specialists.adapters import check_adapter, read_adapter, save_adapter, template
from mishran.specialists.course import Trained
from mishran.specialists.evidence import Evidence, Trainee, curve_steps
from mishran.specialists.fit import fit_specialists, measure_adapter
from mishran.specialists.full import fit_full
from mishran.specialists.panel import SequentialPanel, StackedPanel, panel
from mishran.specialists.probe import answer_pool
from mishran.specialists.validate import Interval, Tokens, nats_per_row
from mishran.train import batch as batching
from mishran.train.answers import answer_logits
from mishran.train.batch import Part, collate, pack
from mishran.train.models import Loaded

CPU = torch.device("cpu")
WIDTH = 32  # of the states of the tiny models


def loaded(family: str = "llama") -> Loaded:
    return Loaded(tiny_model(family).float(), None, CPU, torch.float32, 0, ())


def task(kind: str, count: int, seed: int) -> list[Tokens]:
    """Prompts of two tokens; the answer copies the second one, or is drawn at random."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        a, b = (int(i) for i in rng.integers(10, 18, 2))
        answer = b if kind == "copy" else int(rng.integers(10, 18))
        rows.append(Tokens((1, a, b, answer, 2), 3))
    return rows


RECIPE = SpecialistConfig(tokens=6000, rank=4, learning_rate=1e-2, batch_size=16)


def specialist(
    folder: Path, kind: str = "copy", base: Loaded | None = None, held: int = 64, **more
) -> Evidence:
    base, recipe = base or loaded(), RECIPE.model_copy(update=more)
    begin = template(base.model, recipe, 0, "base")
    trainee = Trainee(kind, task(kind, 200, 0), task(kind, held, 1))
    (found,) = fit_specialists([trainee], base, begin, recipe, seed=0, max_tokens=64)
    if isinstance(found, MishranError):
        raise found
    assert isinstance(found, Trained)
    save_adapter(begin, found.vector, folder / kind)
    return found.evidence


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Evidence]]:
    folder = tmp_path_factory.mktemp("specialists")
    return folder, {kind: specialist(folder, kind) for kind in ("copy", "random")}


def test_a_task_that_can_be_learned_is_learned(trained) -> None:
    evidence = trained[1]["copy"]
    assert evidence.status == "learned"
    assert evidence.gain.low > 0.5 and evidence.prompt.low > 0.5
    assert evidence.specialist == pytest.approx(evidence.curve[-1].nats)
    assert evidence.gain.mean == pytest.approx(evidence.base - evidence.specialist)


def test_random_answers_gain_their_marginal_but_nothing_from_the_prompt(trained) -> None:
    evidence = trained[1]["random"]
    assert evidence.gain.low > 0, "the format is learned"
    assert evidence.status == "prompt ignored" and evidence.prompt.low <= 0


def test_the_curve_is_log_spaced_from_zero_to_the_budget(trained) -> None:
    curve = trained[1]["copy"].curve
    assert [p.step for p in curve] == curve_steps(curve[-1].step, RECIPE.curve_points)
    assert curve[0].tokens == 0 and 6000 <= curve[-1].tokens < 6005
    assert all(p.low <= p.nats <= p.high for p in curve)
    assert curve_steps(100, 5) == [0, 12, 25, 50, 100] and curve_steps(1, 5) == [0, 1]


def test_evidence_survives_json(trained) -> None:
    evidence = trained[1]["copy"]
    alone = replace(evidence, gain=Interval(0.3, None, None, 1), prompt=None)
    for given in (evidence, alone):
        text = json.dumps(given.to_dict(), allow_nan=False)
        assert Evidence.from_dict(json.loads(text)) == given


@pytest.mark.parametrize(
    ("gain", "prompt", "status"),
    [
        (Interval(0.3, None, None, 1), None, "not measured"),
        (Interval(0.0, 0.0, 0.0, 4), None, "no gain"),
        (Interval(0.3, 0.2, 0.4, 4), Interval(0.1, -0.1, 0.3, 4), "prompt ignored"),
        (Interval(0.3, 0.2, 0.4, 4), None, "learned"),
    ],
)
def test_what_proves_nothing_is_not_called_learned(trained, gain, prompt, status) -> None:
    assert replace(trained[1]["copy"], gain=gain, prompt=prompt).status == status


def test_one_held_out_example_measures_nothing_and_every_view_copes(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    from mishran.pipeline.report import _curve, _row
    from mishran.pipeline.tables import write_curves
    from mishran.report.plot import curve_panel

    evidence = specialist(tmp_path, tokens=400, held=1)
    assert evidence.status == "not measured" and evidence.prompt is None
    write_curves(tmp_path / "curves.parquet", [evidence])
    table = pq.read_table(tmp_path / "curves.parquet")
    assert table["low"].null_count == table["high"].null_count == len(evidence.curve)
    data = json.loads(json.dumps(evidence.to_dict(), allow_nan=False))
    assert _row(data, ()).status == "not measured" and _row(data, ()).gain_low is None
    panel = curve_panel(_curve(data))
    assert panel.line and panel.ribbon == ""


def test_training_again_writes_the_same_bytes_and_leaves_the_base_alone(trained, tmp_path) -> None:
    base = loaded()
    before = {k: v.clone() for k, v in base.model.state_dict().items()}
    state = torch.random.get_rng_state()
    specialist(tmp_path, "copy", base)
    assert sha256_tree(tmp_path / "copy") == sha256_tree(trained[0] / "copy")
    assert torch.random.get_rng_state().equal(state), "global randomness is untouched"
    after = base.model.state_dict()
    assert before.keys() == after.keys(), "no adapter is left in the model"
    assert all(before[k].equal(after[k]) for k in before)


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2", "neox"])
def test_adapters_load_in_peft_and_give_the_same_logits(family: str, tmp_path: Path) -> None:
    from peft import PeftModel

    base = loaded(family)
    specialist(tmp_path, "copy", base, tokens=600)
    batch = collate(task("copy", 8, 3), 0)
    with torch.inference_mode(), closing(panel(base.model, {"copy": tmp_path / "copy"})) as asked:
        plain, ours = asked.logits(asked.states([batch]))
    theirs = PeftModel.from_pretrained(loaded(family).model, str(tmp_path / "copy")).eval()
    with torch.inference_mode():
        torch.testing.assert_close(answer_logits(theirs, batch).logits, ours, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(answer_logits(base.model, batch).logits, plain)
    assert (ours - plain).abs().max() > 1e-3


def test_the_adapter_folder_holds_no_machine_and_no_card(trained) -> None:
    folder = trained[0] / "copy"
    assert sorted(p.name for p in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "base"
    assert config["target_modules"] == sorted(config["target_modules"])


def test_a_brought_adapter_is_measured_like_a_trained_one(trained) -> None:
    found = measure_adapter(
        "copy",
        loaded(),
        trained[0] / "copy",
        task("copy", 64, 1),
        seed=0,
        max_tokens=64,
    )
    ours = trained[1]["copy"]
    assert found.own_adapter and found.curve == () and found.status == "learned"
    assert found.specialist == pytest.approx(ours.specialist, abs=1e-5)
    assert found.gain.mean == pytest.approx(ours.gain.mean, abs=1e-5)
    assert found.prompt.mean == pytest.approx(ours.prompt.mean, abs=1e-5)


@pytest.mark.parametrize("whose", ["the adapter", "the base"])
def test_a_brought_adapter_without_finite_losses_is_refused(whose, trained, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    base, folder = loaded(), tmp_path / "mine"
    shutil.copytree(trained[0] / "copy", folder)
    weights = load_file(folder / "adapter_model.safetensors")
    if whose == "the adapter":
        next(iter(weights.values())).fill_(float("nan"))
    else:
        base.model.get_output_embeddings().weight.fill_(float("nan"))
    save_file(weights, folder / "adapter_model.safetensors")
    said = "an adapter with finite losses" if whose == "the adapter" else "a base model with finite"
    with pytest.raises(ModelError, match=f"task 'copy'.*expected {said}"):
        measure_adapter("copy", base, folder, task("copy", 8, 1), seed=0, max_tokens=64)
    assert not any("lora" in name for name, _ in base.model.named_parameters())


def test_every_point_of_the_curve_is_measured_once(tmp_path, monkeypatch) -> None:
    from mishran.specialists import evidence as evidence_module

    calls: list[int] = []
    real = nats_per_row
    monkeypatch.setattr(
        evidence_module,
        "nats_per_row",
        lambda *args, **more: calls.append(len(args[1])) or real(*args, **more),
    )
    evidence = specialist(tmp_path, "copy", tokens=600)
    assert len(calls) == len(evidence.curve), "the last point is the result"
    assert evidence.specialist == evidence.curve[-1].nats


def test_a_folder_that_is_no_lora_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"found no adapter_config\.json"):
        check_adapter(tmp_path, "task 'a'")
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "PROMPT_TUNING"}')
    with pytest.raises(ModelError, match=r"found no adapter_model\.safetensors"):
        check_adapter(tmp_path, "task 'a'")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="found peft_type PROMPT_TUNING"):
        check_adapter(tmp_path, "task 'a'")
    (tmp_path / "adapter_config.json").write_text('["LORA"]')
    with pytest.raises(ModelError, match=r"found an unreadable adapter_config\.json"):
        check_adapter(tmp_path, "task 'a'")
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(ModelError, match=r"found an unreadable adapter_model\.safetensors"):
        check_adapter(tmp_path, "task 'a'")


def brought(folder: Path, seed: int, **settings) -> torch.nn.Module:
    """An adapter that somebody else trained, and PEFT's own model with it."""
    from peft import LoraConfig, get_peft_model

    settings = {"r": 3, "target_modules": ["q_proj", "v_proj"], **settings}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = get_peft_model(loaded().model, LoraConfig(task_type="CAUSAL_LM", **settings))
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model.eval()


@pytest.mark.parametrize(
    "settings",
    [
        {"use_rslora": True, "lora_alpha": 16},
        {"use_dora": True},
        {"rank_pattern": {"q_proj": 5}, "alpha_pattern": {"layers.0.self_attn.v_proj": 64}},
        {"init_lora_weights": "gaussian", "layers_to_transform": [1]},
        {"target_modules": "all-linear", "exclude_modules": ["o_proj"], "lora_dropout": 0.5},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_every_accepted_kind_of_lora_gives_peft_s_own_logits(settings, first, tmp_path) -> None:
    theirs = {
        "a": brought(tmp_path / "a", 1),
        "b": brought(tmp_path / "b", 2, **settings),
        "c": brought(tmp_path / "c", 3, **settings),
    }
    base, batch = loaded(), collate(task("copy", 4, 3), 0)
    for name in theirs:
        check_adapter(tmp_path / name, f"task {name!r}")
    order = "abc" if first else "cba"
    folders = {name: tmp_path / name for name in order}
    stacked = panel(base.model, folders)
    assert isinstance(stacked, SequentialPanel if settings.get("use_dora") else StackedPanel)
    with torch.inference_mode(), closing(stacked):
        said = stacked.logits(stacked.states([batch]))
        found = dict(zip((None, *order), said, strict=True))
    for name, ours in found.items():
        with torch.inference_mode():
            want = answer_logits(theirs[name] if name else loaded().model, batch).logits
        torch.testing.assert_close(ours, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"modules_to_save": ["lm_head"]}, r'found modules_to_save: \["lm_head"\]'),
        ({"bias": "lora_only"}, 'found bias: "lora_only"'),
        ({"trainable_token_indices": [5, 6]}, r"found trainable_token_indices: \[5, 6\]"),
        ({"layer_replication": [[0, 2], [0, 2]]}, "found layer_replication"),
        ({"lora_bias": True}, "found lora_bias: true"),
        ({"target_parameters": ["mlp.gate_proj.weight"]}, "found target_parameters"),
        ({"init_lora_weights": "pissa"}, 'found init_lora_weights: "pissa"'),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "found the weights .*embed_tokens"),
    ],
)
def test_an_adapter_of_more_than_lora_matrices_is_refused(settings, found, tmp_path) -> None:
    brought(tmp_path, 1, **settings)
    with pytest.raises(ModelError, match=f"task 'a': .*LoRA matrices and nothing else, {found}"):
        check_adapter(tmp_path, "task 'a'")


def test_an_adapter_of_another_model_is_refused(trained, tmp_path: Path) -> None:
    other = loaded("gpt2").model
    with pytest.raises(ModelError, match=r"task 'copy'.*expected an adapter that fits the model"):
        panel(other, {"copy": trained[0] / "copy"})


def test_a_nan_loss_names_task_and_step_and_gives_the_base_back(tmp_path: Path) -> None:
    base = loaded()
    with pytest.raises(MishranError, match=r"task 'copy', step \d+ of \d+: expected a finite"):
        specialist(tmp_path, "copy", base, learning_rate=1e30)
    assert not any("lora" in name for name, _ in base.model.named_parameters())


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_base_that_is_not_finite_on_one_task_fails_that_task_alone(kind: str) -> None:
    """A token whose embedding is NaN, in the held-out rows of the first of two tasks."""
    base = loaded()
    with torch.no_grad():
        base.model.get_input_embeddings().weight[50] = float("nan")
    held = [Tokens((1, 50, 11, 12, 2), 3), *task("copy", 7, 1)]
    tasks = [
        Trainee("bad", task("copy", 40, 0), held),
        Trainee("good", task("copy", 40, 0), task("copy", 8, 1)),
    ]
    recipe = SpecialistConfig(
        kind=kind, tokens=400, learning_rate=1e-3, batch_size=8, patience=1, curve_points=3
    )
    if kind == "lora":
        begin = template(base.model, recipe, 0, "base")
        bad, good = fit_specialists(tasks, base, begin, recipe, seed=0, max_tokens=64)
    else:
        bad, good = fit_full(tasks, base, recipe, seed=0, max_tokens=64)
    assert str(bad) == (
        "task 'bad': expected a base model with finite losses, found NaN or infinity on held-out "
        "examples, before any training; check the weights of the model, or use dtype: float32"
    )
    assert isinstance(good, Trained) and good.evidence.steps > 0


def pool(base: Loaded, folder: Path, rows, **settings):
    with closing(panel(base.model, {n: folder / n for n in ("copy", "random")})) as asked:
        return answer_pool(asked, base, rows, **{"answer_tokens": 64, **settings})


def test_the_pool_agrees_with_the_reference_specialist_by_specialist(trained) -> None:
    base, folder = loaded(), trained[0]
    rows = [*task("copy", 5, 7), Tokens((1, 9, 11, 12, 13, 14, 2), 2), *task("random", 4, 8)]
    got = pool(base, folder, rows, tokens=20)
    logs, nats = [], []
    with closing(SequentialPanel(base.model, {n: folder / n for n in ("copy", "random")})) as one:
        for name in one.names:
            with one.select(name) as model, torch.inference_mode():
                nats.append(nats_per_row(model, rows, base)[0])
                found = answer_logits(model, collate(rows, 0))
                logs.append(torch.log_softmax(found.logits.double(), -1))
                owner = found.rows
    np.testing.assert_allclose(got.nats, nats, atol=1e-5)
    np.testing.assert_allclose(got.base_nats, nats_per_row(base.model, rows, base)[0], atol=1e-5)
    assert got.tokens.tolist() == [2] * 5 + [5] + [2] * 4
    per_token = pairwise_jsd(torch.stack(logs).numpy())[:, 0]
    want = [per_token[owner.numpy() == i].mean() for i in range(len(rows))]
    np.testing.assert_allclose(got.jsd[:, 0], want, atol=1e-6)
    assert got.rounding < 1e-6


def of_all(model, batches) -> torch.Tensor:
    return torch.cat([answer_logits(model, batch).logits for batch in batches])


def test_the_pool_asks_any_panel() -> None:
    """Specialists that are whole models: no adapters, nothing of ours but the interface."""
    base, models = loaded(), {"a": loaded("gpt2").model, "b": loaded("neox").model}

    class Whole:
        names, width = tuple(models), VOCAB

        def states(self, batches):
            return torch.stack([of_all(model, batches) for model in (base.model, *models.values())])

        def logits(self, states, room=None):
            return states

        def close(self) -> None: ...

    rows = task("copy", 5, 7)
    got = answer_pool(Whole(), base, rows, answer_tokens=64)
    for i, model in enumerate(models.values()):
        np.testing.assert_allclose(got.nats[i], nats_per_row(model, rows, base)[0], atol=1e-5)
    assert (got.jsd > 0).all()


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2", "neox"])
def test_everybody_at_once_merged_and_one_after_another_say_the_same(family, tmp_path) -> None:
    base = loaded(family)
    for kind in ("copy", "random"):
        specialist(tmp_path, kind, base, tokens=600)
    folders = {n: tmp_path / n for n in ("copy", "random")}
    found = {n: read_adapter(base.model, f, n) for n, f in folders.items()}
    part = Part([*task("copy", 5, 7), Tokens((1, 9, 11, 12, 13, 14, 2), 2)])
    said = []
    for make in (
        lambda: SequentialPanel(base.model, folders),
        lambda: StackedPanel(base.model, found, tokens=30, merge=False),
        lambda: StackedPanel(base.model, found, merge=False),
        lambda: StackedPanel(base.model, found, merge=True),
    ):
        with torch.inference_mode(), closing(make()) as asked:
            said.append(asked.logits(asked.states([pack([part], 0)])))
    assert (said[0][1] - said[0][2]).abs().max() > 1e-3
    for other in said[1:]:
        torch.testing.assert_close(other, said[0], atol=2e-5, rtol=1e-5)
    assert not any("lora" in name for name, _ in base.model.named_parameters())
    assert not any("base" in name.split(".") for name, _ in base.model.named_modules())


def test_a_panel_of_a_half_precision_base_does_not_merge(trained) -> None:
    base = Loaded(tiny_model("llama").bfloat16(), None, CPU, torch.bfloat16, 0, ())
    folder, rows = trained[0], task("copy", 5, 7)
    with closing(SequentialPanel(base.model, {"copy": folder / "copy"})) as one:
        want = answer_pool(one, base, rows, answer_tokens=64)
    with closing(panel(base.model, {"copy": folder / "copy"})) as asked:
        assert isinstance(asked, StackedPanel) and not asked.merges
        got = answer_pool(asked, base, rows, answer_tokens=64)
    np.testing.assert_allclose(got.nats, want.nats, rtol=0.02)


def test_only_the_first_answer_tokens_are_compared_but_all_are_scored(trained) -> None:
    base, folder = loaded(), trained[0]
    long, short = Tokens((1, 9, 11, 12, 13, 14, 2), 2), Tokens((1, 9, 11, 12), 2)
    cut = pool(base, folder, [long], answer_tokens=2)
    same = pool(base, folder, [short])
    np.testing.assert_allclose(cut.jsd, same.jsd, atol=1e-6)
    assert cut.tokens.tolist() == [5] and (cut.nats > same.nats).all()


def test_a_small_memory_only_makes_more_stretches(trained, monkeypatch) -> None:
    base, folder = loaded(), trained[0]
    rows = task("copy", 9, 7)
    whole = pool(base, folder, rows)
    with_memory(2 * 3 * WIDTH * 4 * 3, monkeypatch)
    asked = watched(monkeypatch)
    split = pool(base, folder, rows)
    assert len(asked) == 3
    np.testing.assert_allclose(split.jsd, whole.jsd, atol=1e-6)
    np.testing.assert_allclose(split.nats, whole.nats, atol=1e-5)


def with_memory(size: int, monkeypatch) -> None:
    for module in (batching, probe):
        monkeypatch.setattr(module, "MEMORY", size)


def watched(monkeypatch) -> list[tuple[int, int]]:
    """Batches and bytes of states of every call of `Panel.states` from here on."""
    found: list[tuple[int, int]] = []
    real = StackedPanel.states

    def states(self, batches):
        got = real(self, batches)
        found.append((len(batches), got.nbytes))
        return got

    monkeypatch.setattr(StackedPanel, "states", states)
    return found


@pytest.mark.parametrize("answer_tokens", [2, 64])
def test_long_answers_stay_within_the_memory_wherever_they_are_scored(
    answer_tokens, trained, monkeypatch
) -> None:
    """All answer tokens are scored, so all have states, however few are compared."""
    base, folder = loaded(), trained[0]
    rows = [Tokens((1, *range(5, 5 + size)), 3) for size in (4, 30, 50, 12, 50, 6, 4, 4)]
    held: list[int] = []
    real = answer_logits

    def counted(model, batch):
        found = real(model, batch)
        held.append(found.logits.numel() * 4)
        return found

    monkeypatch.setattr(validate, "answer_logits", counted)
    memory = 2 * 48 * VOCAB * 4 * 3
    monkeypatch.setattr(batching, "MEMORY", memory)
    nats = nats_per_row(base.model, rows, base)[0]
    assert 1 < len(held) < 8 and 3 * max(held) <= memory
    memory = 100 * 3 * WIDTH * 4
    with_memory(memory, monkeypatch)
    asked = watched(monkeypatch)
    got = pool(base, folder, rows, answer_tokens=answer_tokens, tokens=60)
    assert 1 < len(asked) < 8 and max(size for _, size in asked) <= memory
    assert max(batches for batches, _ in asked) > 1
    np.testing.assert_allclose(got.base_nats, nats, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 3 * VOCAB * 4, 1 << 24])
def test_logits_of_few_answers_at_a_time_give_what_all_at_once_give(
    chunk, trained, monkeypatch
) -> None:
    base, folder = loaded(), trained[0]
    rows = [*task("copy", 5, 7), Tokens((1, 9, 11, 12, 13, 14, 2), 2)]
    whole = pool(base, folder, rows, answer_tokens=3)
    monkeypatch.setattr(probe, "CHUNK_CPU", chunk)
    split = pool(base, folder, rows, answer_tokens=3)
    np.testing.assert_allclose(split.jsd, whole.jsd, atol=1e-7)
    np.testing.assert_allclose(split.nats, whole.nats, atol=1e-6)


def test_an_adapter_on_the_output_head_is_asked_with_its_own_head(tmp_path) -> None:
    theirs = brought(tmp_path, 1, target_modules=["q_proj", "lm_head"])
    base, rows = loaded(), task("copy", 4, 7)
    with closing(panel(base.model, {"a": tmp_path})) as asked:
        assert isinstance(asked, SequentialPanel)
        got = answer_pool(asked, base, rows, answer_tokens=64)
    np.testing.assert_allclose(got.nats[0], nats_per_row(theirs, rows, base)[0], atol=1e-5)
    np.testing.assert_allclose(got.base_nats, nats_per_row(base.model, rows, base)[0], atol=1e-5)
    assert np.abs(got.nats[0] - got.base_nats).max() > 1e-3


def test_a_bfloat16_base_trains_float32_adapters(tmp_path: Path) -> None:
    """What a GPU run does, on the CPU: half-precision base, full-precision adapter."""
    from safetensors.torch import load_file

    base = Loaded(tiny_model("llama").bfloat16(), None, CPU, torch.bfloat16, 0, ())
    evidence = specialist(tmp_path, "copy", base, tokens=2000)
    assert evidence.gain.low > 0
    weights = load_file(tmp_path / "copy" / "adapter_model.safetensors")
    assert {w.dtype for w in weights.values()} == {torch.float32}
