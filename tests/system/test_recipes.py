"""The recipes of the paper's setting are complete, and their price is known from a config.json alone."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from pathlib import Path

import pytest
import torch
from tiny_project import rows, write_rows
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig

from mishran.config import TrainConfig, read_config
from mishran.errors import ConfigError, ModelError
from mishran.pipeline.footprint import NF4, Bill, Footprint, footprint, has_weights, memory_words

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
SHAPES = {
    "llama": (LlamaConfig, {"intermediate_size": 11008, "num_key_value_heads": 32}),
    "mistral": (MistralConfig, {"intermediate_size": 14336, "num_key_value_heads": 8}),
}
LAYERS, WIDTH, VOCABULARY, RANK = 32, 4096, 32_000, 16


def save_7b(folder: Path, kind: str, tokenizer: Path) -> Path:
    """config.json of a 7B and a small tokenizer; no weights."""
    config, more = SHAPES[kind]
    config(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        max_position_embeddings=4096,
        architectures=["LlamaForCausalLM" if kind == "llama" else "MistralForCausalLM"],
        **more,
    ).save_pretrained(folder)
    for file in tokenizer.glob("tokenizer*"):
        shutil.copy(file, folder)
    return folder


def sizes(kind: str) -> tuple[int, int, int]:
    """By hand: parameters in the linear layers, all of them, and of adapters on all linear layers."""
    more = SHAPES[kind][1]
    wide, narrow = more["intermediate_size"], WIDTH * more["num_key_value_heads"] // 32
    shapes = [(WIDTH, WIDTH), (WIDTH, narrow), (WIDTH, narrow), (WIDTH, WIDTH)]
    shapes += [(WIDTH, wide), (WIDTH, wide), (wide, WIDTH)]
    linear = LAYERS * sum(a * b for a, b in shapes)
    every = linear + 2 * VOCABULARY * WIDTH + (2 * LAYERS + 1) * WIDTH
    return linear, every, LAYERS * sum(RANK * (a + b) for a, b in shapes)


@pytest.fixture
def places(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """What the recipes' variables name: both 7B shapes, a proxy, tasks with inputs and targets."""
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for name in ("capitals", "sums", "turned"):
        records = [
            {"inputs": r["input"], "targets": r["target"], "split": r["split"]}
            for r in rows(name, 2200, 20)
        ]
        write_rows(tasks / f"{name}.jsonl", records)
    found = {
        "LLAMA_2_7B": save_7b(tmp_path / "llama", "llama", tiny_model),
        "MISTRAL_7B": save_7b(tmp_path / "mistral", "mistral", tiny_model),
        "PROXY": tiny_model,
        "TASKS": tasks,
    }
    for name, folder in found.items():
        monkeypatch.setenv(name, str(folder))
    return found


def test_there_are_two_recipes() -> None:
    assert [p.stem for p in RECIPES] == ["taskpgm-llama-2-7b", "taskpgm-mistral-7b"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_recipe_is_valid_and_its_commands_are_ours(path: Path, places, mishran) -> None:
    config = read_config(path)
    assert Path(config.tasks) == places["TASKS"]
    assert config.mixture.method == "taskpgm" and config.train.kind == "lora"
    text = path.read_text()
    assert config.mixture.budget.rows == 25_000 and re.findall(r"--rows (\d+K)", text) == [
        "25K",
        "50K",
        "100K",
    ]
    commands = re.findall(r"^#   mishran (\w+) (.*)$", text, re.M)
    assert {name for name, _ in commands} == {"fit", "train", "compare", "evaluate"}
    for name in {name for name, _ in commands}:
        shown = mishran(name, "--help").out
        used = {f for n, rest in commands if n == name for f in re.findall(r"--[a-z]+", rest)}
        assert all(flag in shown for flag in used), (name, used)


def test_a_variable_that_is_not_set_is_named(places, monkeypatch) -> None:
    monkeypatch.delenv("MISTRAL_7B")
    with pytest.raises(ConfigError, match="MISTRAL_7B"):
        read_config(ROOT / "recipes" / "taskpgm-mistral-7b.yaml")


def test_a_7b_fit_has_a_price_without_its_weights(places, mishran, tmp_path) -> None:
    """And nothing is written; the numbers are those by hand."""
    mix = ROOT / "recipes" / "taskpgm-mistral-7b.yaml"
    run = tmp_path / "run"
    made = mishran("fit", mix, "--run", run, "--plan", "--json", "--tflops", 100, "-q")
    assert made.code == 0, made
    plan = json.loads(made.out)
    linear, every, adapters = sizes("mistral")
    assert plan["parameters"] == every and plan["trained_parameters"] == adapters
    assert plan["time_s"] is None and all(s["time_s"] is None for s in plan["stages"][:2])
    multiplied = every - VOCABULARY * WIDTH
    specialists, pool = plan["stages"][:2]
    assert pool["operations"] == 2 * multiplied * pool["tokens"]
    trained = 3 * 200_000
    read = specialists["tokens"] - trained
    assert 0 < read < 0.2 * trained
    per_token = 6 * multiplied + 6 * adapters  # 2 forward, 2 again for checkpointing, 2 back
    want = per_token * trained + 2 * multiplied * read
    assert specialists["operations"] == pytest.approx(want, rel=1e-3)  # rows are whole
    cost = plan["cost"]
    assert cost["operations"] == pytest.approx(sum(s["operations"] for s in plan["stages"]))
    assert cost["device_hours"] == pytest.approx(cost["operations"] / 1e14 / 3600)
    base = linear * NF4 + 2 * (every - linear)
    assert base + 16 * adapters < plan["memory_bytes"] < base + 16 * adapters + 12 * 2**30
    assert not run.exists()


def test_training_and_comparing_on_a_7b_have_a_price(fitted, places, mishran) -> None:
    run = fitted.parent / "runs" / "mix"
    more = ["--model", places["LLAMA_2_7B"], "--set", "rank=16", "-q", "--plan"]
    said = mishran("train", run, "--rows", 60, *more, "--json")
    assert said.code == 0, said
    plan = json.loads(said.out)
    _, every, adapters = sizes("llama")
    tokens = plan["cost"]["tokens"]
    assert plan["steps"] == 4 and tokens == sum(t["tokens"] for t in plan["plan"]["tasks"])
    per_token = 4 * (every - VOCABULARY * WIDTH) + 6 * adapters
    assert plan["cost"]["operations"] == per_token * tokens
    assert not (run / "trained").exists()


def test_comparing_shows_methods_trainings_and_tokens(fitted, mishran) -> None:
    run = fitted.parent / "runs" / "mix"
    methods = "run,proportional,mixmin,capacity"
    asked = ["compare", run, "--methods", methods, "--tokens", 2000, "--seeds", 3, "--plan"]
    said = mishran(*asked, "--json")
    assert said.code == 0, said
    plan = json.loads(said.out)
    found = {m["method"]: m for m in plan["methods"]}
    assert list(found) == ["uniform", "run", "proportional", "mixmin", "capacity"]
    assert "distributions" in found["capacity"]["failed"], "fit did not store them"
    counts = {name: m["trainings"] for name, m in found.items()}
    assert counts == {"uniform": 9, "run": 3, "proportional": 0, "mixmin": 3, "capacity": 0}, (
        "all tasks have the same size, so proportional is uniform"
    )
    assert plan["trainings"] == 15 and plan["trials"] == 0
    assert plan["cost"]["tokens"] == 3 * (3 * 2000 + 1000 + 4000)
    assert found["uniform"]["trained_to_find"] == 0 < found["run"]["trained_to_find"]
    shown = mishran(*asked).out
    assert "missing: capacity" in shown and "15 trainings, 33,000 tokens" in shown
    assert not (run / "compare").exists()
    trials = mishran(*asked[:2], "--methods", "curves:transfer=fitted", *asked[4:], "--json")
    assert trials.code == 0, trials
    plan = json.loads(trials.out)
    assert plan["trials"] == 6 and plan["trainings"] == 9 + 3 + 6
    assert plan["cost"]["tokens"] == 3 * (2 * 2000 + 1000 + 4000) + 6 * 500


def tiny(folder: Path, kind: str = "lora", **more: object) -> Footprint:
    """Of a saved tiny model."""
    recipe = TrainConfig.model_validate({"kind": kind} | ({"rank": 2} if kind == "lora" else {}))
    given = {"dtype": torch.float32, "tokens": 64, "row_tokens": 16} | more
    return footprint(folder.name, folder.parent, recipe, **given)


def test_a_footprint_is_that_of_the_model_with_its_weights(tiny_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    every = sum(p.numel() for p in model.parameters())
    whole, adapted = tiny(tiny_model, "full"), tiny(tiny_model)
    assert whole.parameters == adapted.parameters == whole.trained == every
    assert whole.multiplied == every, "the head is the embedding"
    assert whole.per_token == 6 * every and whole.per_token_forward == 2 * every
    assert (whole.weights, whole.state) == (4 * every, 12 * every)
    assert adapted.per_token == 4 * every + 6 * adapted.trained
    assert adapted.state == 16 * adapted.trained and adapted.weights == 4 * every
    short = tiny(tiny_model, "full", dtype=torch.bfloat16)
    assert short.weights == 6 * every, "with a copy in bfloat16"
    assert whole.bytes == whole.weights + whole.state + (whole.step or 0)


def test_activations_grow_with_tokens(tiny_model: Path) -> None:
    few, many = (tiny(tiny_model, tokens=n).step or 0 for n in (64, 128))
    assert 1.9 * few < many < 2.1 * few


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_step_counted_without_content_is_the_step_with_it(tiny_model: Path, kind: str) -> None:
    """The same step on the processor, its attention made of plain products as on the meta device."""
    from mishran.train.adapter import add_adapter
    from mishran.train.answers import losses_and_nats
    from mishran.train.batch import Part, lay_out
    from mishran.train.memory import LiveBytes

    class Row:
        input_ids = tuple(range(16))
        num_prompt_tokens = 8

    model = AutoModelForCausalLM.from_pretrained(tiny_model, attn_implementation="eager")
    made: torch.nn.Module = model.requires_grad_(True)
    if kind == "lora":
        model.eval().requires_grad_(False)
        made = add_adapter(model, TrainConfig(rank=2), 0, "x", "targets")
    batch = lay_out([Part([Row()] * 4, lines=[[0], [1], [2], [3]])], 0, packs=True)
    with LiveBytes() as live:
        losses_and_nats(made, batch, True)[0].sum().backward()
    own = sum(p.grad.nbytes for p in made.parameters() if p.grad is not None)
    assert tiny(tiny_model, kind).step == pytest.approx(live.peak - own, rel=0.15)


def test_memory_that_is_not_known_is_not_a_number() -> None:
    found = Footprint(10, 10, 2, True, False, 2**30, 2**30, None, 64)
    assert found.bytes is None
    assert "activations, which are not known" in memory_words(found)
    assert "about 3.0 GiB" in memory_words(
        Footprint(10, 10, 2, True, False, 2**30, 2**30, 2**30, 64)
    )


def test_a_bill_in_words() -> None:
    bill = Bill(1_000_000, 4.5e18, 125.0)
    assert bill.hours == pytest.approx(10.0)
    assert "1,000,000 tokens, 4.50e+18 operations, 10.0 device-hours at 125 TFLOP/s" in str(bill)


def test_a_config_that_is_no_language_models(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(ModelError, match=r"expected the config\.json of a causal language model"):
        tiny(tmp_path / "m")
    assert not has_weights("m", tmp_path) and has_weights("some/name", tmp_path)


def test_a_table_becomes_a_file_for_each_task(tmp_path: Path) -> None:
    module = runpy.run_path(str(ROOT / "recipes" / "tasks_from_table.py"))
    table = tmp_path / "collection.jsonl"
    records = [{"task": t, "inputs": f"{t} {i}", "targets": "x"} for i in range(3) for t in "ab"]
    records.append({"task": "c/d", "inputs": "q", "targets": "é"})
    write_rows(table, records)
    assert module["split"](table, tmp_path / "tasks") == {"a": 3, "b": 3, "c_d": 1}
    read = [json.loads(x) for x in (tmp_path / "tasks" / "c_d.jsonl").read_text().splitlines()]
    assert read == records[-1:]
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        module["split"](table, tmp_path / "tasks")
    with pytest.raises(ValueError, match=r"collection.jsonl:1: expected a task's name in 'name'"):
        module["split"](table, tmp_path / "other", "name")
    write_rows(table, [{"task": "c/d"}, {"task": "c d"}])
    with pytest.raises(ValueError, match=r"'c/d' and 'c d' would share c_d.jsonl"):
        module["split"](table, tmp_path / "third")
