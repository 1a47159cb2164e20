"""`mishran train`: models that others load, kills and full disks that change nothing, errors in a line."""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from processes import environment
from test_build import recipe, sources
from tiny_project import TASKS, digests, rows, write_mix, write_rows

from mishran.pipeline.ingredients import gather, settings_of
from mishran.pipeline.measured import validation_sets
from mishran.pipeline.progress import Silent

SMALL = ["--rows", "30", "--set", "batch_size=5", "--set", "checkpoint_every=1"]
FULL = ["--kind", "full", "--set", "learning_rate=0.01"]


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


def records(folder: Path) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl without the speed, which is another each time."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "tokens_per_s"} for x in lines]


def left(folder: Path) -> dict[str, str]:
    """Digests of everything but the records."""
    return {name: sha for name, sha in digests(folder).items() if name != "metrics.jsonl"}


def measured(model: torch.nn.Module, place: Path, count: int) -> dict[str, float]:
    """Validation losses by transformers' own loss, a row at a time."""
    found = gather(settings_of(place), Silent())
    out = {}
    for name, held in validation_sets(place, found, count, 64).items():
        means = []
        for row in held.rows:
            ids = torch.tensor([row.input_ids])
            labels = ids.clone()
            labels[:, : row.num_prompt_tokens] = -100
            with torch.no_grad():
                means.append(float(model.eval()(input_ids=ids, labels=labels).loss))
        out[name] = sum(means) / len(means)
    return out


def whole(folder: Path) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


# ---- what is made


def test_an_adapter_on_a_run(fitted, mishran):
    """PEFT loads it, and its losses are those that training.json says."""
    from peft import PeftModel

    run = fitted.parent / "runs" / "mix"
    said = mishran("train", run, "--rows", "40", "--set", "validation=6", "--set", "validations=2")
    assert said.code == 0, said
    out = run / "trained"
    done = facts(out)
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) == [
        "manifests",
        "metrics.jsonl",
        "model",
        "plan.json",
        "training.json",
    ]
    assert done["recipe"]["kind"] == "lora" and done["steps"] == 3
    assert sum(t["rows"] for t in done["tasks"].values()) == 40
    base = whole(fitted.parent / "model")
    before = measured(base, run, 6)
    after = measured(PeftModel.from_pretrained(base, out / "model"), run, 6)
    assert set(after) == {*TASKS, "exam"}  # what is only evaluated is measured too
    assert done["losses"] == pytest.approx(after, abs=1e-5)
    assert done["loss"] == pytest.approx(sum(after.values()) / 5, abs=1e-5)
    first, last = done["validation"]
    assert first["step"] == 0 and first["tasks"] == pytest.approx(before, abs=1e-5)
    assert last["step"] == 3 and last["tasks"] == pytest.approx(after, abs=1e-5)
    assert last["tokens"] == done["tokens"] == sum(t["tokens"] for t in done["tasks"].values())
    for name in TASKS:
        assert name in said.out
    assert f"{out / 'model'}" in said.out.replace("\n", "")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_whole_model_on_a_run(fitted, mishran, tmp_path, dtype):
    """transformers loads it, in the type that it came in; nothing of any library is printed."""
    from transformers import AutoTokenizer

    mix = yaml.safe_load(fitted.read_text())
    run = fitted.parent / "runs" / "mix"
    settings = yaml.safe_load((run / "run.yaml").read_text())
    (run / "run.yaml").write_text(yaml.safe_dump({**settings, "dtype": dtype}))
    said = mishran("train", run, *SMALL, *FULL, "--out", tmp_path / "out", "-q", "--json")
    assert said.code == 0 and said.err == "", said
    done = json.loads(said.out)
    assert done == facts(tmp_path / "out") and done["dtype"] == dtype
    model = whole(tmp_path / "out" / "model")
    assert {str(p.dtype) for p in model.parameters()} == {f"torch.{dtype}"}
    found = measured(model, run, 64)
    assert done["losses"] == pytest.approx(found, abs=1e-5 if dtype == "float32" else 0.05)
    assert done["loss"] < done["validation"][0]["loss"] - 0.1
    text = "capital of France? दिल्ली"
    for folder in (tmp_path / "out" / "model", fitted.parent / mix["model"]):
        assert AutoTokenizer.from_pretrained(folder).encode(text)
    from safetensors import safe_open

    with safe_open(tmp_path / "out" / "model" / "model.safetensors", "pt") as file:
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118 (tied: once)


def test_a_recipe_with_tasks(project, mishran, tmp_path):
    """Its own settings, those of --config, and single ones on top; later ones win."""
    path = recipe(project.parent, model="model", train={"kind": "full", "batch_size": 40})
    assert mishran("train", path, "--out", tmp_path / "a").code == 0
    assert facts(tmp_path / "a")["steps"] == 3 and facts(tmp_path / "a")["recipe"]["kind"] == "full"
    (tmp_path / "own.yaml").write_text("{rank: 2, batch_size: 60, metrics: [tensorboard]}")
    more = [
        "--config",
        tmp_path / "own.yaml",
        "--set",
        "alpha=4",
        "--model",
        project.parent / "model",
    ]
    assert mishran("train", path, "--out", tmp_path / "b", *more).code == 0
    done = facts(tmp_path / "b")
    assert done["steps"] == 2 and [done["recipe"][k] for k in ("rank", "alpha")] == [2, 4.0]
    assert list((tmp_path / "b" / "tensorboard").iterdir())
    adapter = json.loads((tmp_path / "b" / "model" / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == str((project.parent / "model").resolve())
    shares = {name: task["rows"] for name, task in done["tasks"].items()}
    assert shares == {"capitals": 12, "capitals_hi": 24, "sums": 36, "turned": 48}


def test_raw_text_in_sequences(project, mishran, tmp_path):
    """Sources, one of them with text of its own to validate on, cut into sequences of one length."""
    texts = sources(project.parent)
    held = [{"text": f"held out {i} the quick fox " * 9} for i in range(3)]
    write_rows(project.parent / "data" / "held.jsonl", held)
    texts[0]["valid"] = "data/held.jsonl"
    path = recipe(
        project.parent,
        tasks=None,
        sources=texts,
        weights={"en": 0.7, "hi": 0.3},
        rows=None,
        tokens=900,
        shares="tokens",
        model="model",
        train={"kind": "full", "packed": 32, "batch_size": 4, "schedule": "wsd", "validation": 3},
    )
    said = mishran("train", path, "--out", tmp_path / "out")
    assert said.code == 0, said
    done = facts(tmp_path / "out")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert done["tokens"] == sum(t["tokens"] for t in plan["tasks"])
    assert done["steps"] == math.ceil(math.ceil(done["tokens"] / 32) / 4)
    assert set(done["losses"]) == {"en"}
    found = measured(whole(tmp_path / "out" / "model"), path, 3)
    assert done["losses"] == pytest.approx(found, abs=1e-5)


def test_new_weights(fitted, mishran, tmp_path):
    """Of the shape of config.json, drawn from the seed; no weights are read."""
    run = fitted.parent / "runs" / "mix"
    bare = tmp_path / "bare"
    shutil.copytree(fitted.parent / "model", bare)
    (bare / "model.safetensors").unlink()
    more = [*SMALL, *FULL, "--scratch", "--model", bare, "--out"]
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        said = mishran("train", run, *more, tmp_path / name, "--seed", seed)
        assert said.code == 0, said
    one, same, other = ((tmp_path / n / "model" / "model.safetensors").read_bytes() for n in "abc")
    assert one == same != other
    assert whole(tmp_path / "a" / "model").config.hidden_size == 32
    said = mishran("train", run, "--scratch", "--out", tmp_path / "d")
    assert said.code == 2 and said.err.splitlines()[-1] == (
        "mishran: train.kind: expected kind: full with new weights, found kind: lora, which keeps the "
        "adapter and not what is under it; add --kind full, or leave --scratch away"
    )


def test_the_same_again_has_nothing_to_do(fitted, mishran, tmp_path):
    run, out = fitted.parent / "runs" / "mix", tmp_path / "out"
    assert mishran("train", run, *SMALL, "--out", out).code == 0
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    (out / "checkpoints" / "step-00000003").mkdir(parents=True)  # killed before they were deleted
    for watched in ([], ["--set", "log_every=5"]):  # what is only watched makes no other model
        said = mishran("train", run, *SMALL, *watched, "--out", out)
        assert said.code == 0 and "already there, as asked" in said.out
        assert {p: p.stat().st_mtime_ns for p in out.rglob("*")}.keys() == before.keys()
    for path, time in before.items():
        assert path.is_dir() or path.stat().st_mtime_ns == time
    for other in (["--set", "alpha=3"], ["--seed", "9"], ["--rows", "31"]):
        said = mishran("train", run, *SMALL, *other, "--out", out)
        assert said.code == 2 and said.err.splitlines()[-1] == (
            f"mishran: {out}: expected a new folder, or the one of this training, found a model of another "
            "training: its plan, model, settings or held-out examples differ; give another folder with "
            "--out, or delete this one"
        )


def test_plan_alone_writes_nothing(fitted, mishran):
    run = fitted.parent / "runs" / "mix"
    said = mishran("train", run, "--plan", "--json", "--tokens", "1K", "--set", "schedule=wsd")
    found = json.loads(said.out)
    assert said.code == 0 and found["train"]["schedule"] == "wsd"
    assert abs(sum(t["tokens"] for t in found["plan"]["tasks"]) - 1000) < 40
    assert not (run / "trained").exists()
    assert "weights are shares of rows" in mishran("train", run, "--plan", "--tokens", "1K").out


def test_held_out_rows_that_the_model_cannot_read_are_left_out(project, mishran, tmp_path):
    long = {"input": "word " * 80, "target": "end", "split": "valid"}
    write_rows(project.parent / "data" / "sums.jsonl", [*rows("sums"), long])
    path = recipe(project.parent, model="model", rows=20)
    found = gather(settings_of(path), Silent())
    held = validation_sets(path, found, 64, 64)
    assert held["sums"].too_long == 1 and len(held["sums"].rows) == 12
    assert mishran("train", path, "--out", tmp_path / "out").code == 0


# ---- kills, disks, ranks


def train(*more: str) -> list[str]:
    return ["train", "runs/mix", *SMALL, "-q", "--out", "out", *more]


@pytest.fixture(scope="module")
def never_killed(fitted_once, fork_server, tmp_path_factory) -> dict[str, Path]:
    """Kind -> folder of a training that nothing happened to, of a project that lies elsewhere."""
    folder = tmp_path_factory.mktemp("never") / "p"
    shutil.copytree(fitted_once.parent, folder)
    out = {}
    for kind, more in (("lora", ["--set", "dropout=0.1"]), ("full", FULL)):
        said = fork_server.run(train(*more, "--out", kind), folder)
        assert said.code == 0, said
        out[kind] = folder / kind
    return out


def goes_on(server, folder: Path, expected: Path, *more: str) -> str:
    said = server.run([a for a in train(*more) if a != "-q"], folder)
    assert said.code == 0, said
    assert left(folder / "out") == left(expected)
    assert records(folder / "out") == records(expected)
    return said.err


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_killed_in_the_middle(fitted, fork_server, never_killed, kind):
    """At a write of a checkpoint; what is resumed is said, and the end is bit for bit the same."""
    more = ["--set", "dropout=0.1"] if kind == "lora" else FULL
    said = fork_server.run(train(*more), fitted.parent, kill=30 if kind == "lora" else 17)
    assert said.code == -signal.SIGKILL
    news = goes_on(fork_server, fitted.parent, never_killed[kind], *more)
    assert "going on after step " in news


@pytest.mark.full
@pytest.mark.parametrize("point", range(20))
def test_killed_at_random_points(fitted, fork_server, never_killed, point):
    """Half of them between two writes, half when so much was recorded."""
    rng = random.Random(point)
    kind, more = ("full", FULL) if point % 4 < 2 else ("lora", ["--set", "dropout=0.1"])
    log = fitted.parent / "out" / "metrics.jsonl"
    if point % 2:
        said = fork_server.run(train(*more), fitted.parent, kill=rng.randrange(1, 70))
    else:
        size = rng.randrange(1, 1400)
        said = fork_server.run(
            train(*more),
            fitted.parent,
            kill_when=lambda: log.exists() and log.stat().st_size >= size,
        )
    assert said.code == -signal.SIGKILL
    goes_on(fork_server, fitted.parent, never_killed[kind], *more)


@pytest.mark.full
def test_killed_again_and_again(fitted, fork_server, never_killed):
    """A few more writes each time, enough for a checkpoint and the last stage, until one lives."""
    times = 0
    while fork_server.run(train(*FULL), fitted.parent, kill=27).code == -signal.SIGKILL:
        times += 1
        assert times < 60, "no progress between kills"
    assert times > 2
    goes_on(fork_server, fitted.parent, never_killed["full"], *FULL)


def test_a_full_disk(fitted, fork_server, never_killed):
    """One line; what was saved before stays, and the next start ends where it would have ended."""
    assert fork_server.run(train(*FULL), fitted.parent, kill=20).code == -signal.SIGKILL
    out = fitted.parent / "out"
    steps = sorted(p.name for p in (out / "checkpoints").glob("step-*"))
    said = fork_server.run(train(*FULL), fitted.parent, file_size=30_000)
    assert said.code == 2 and len(said.err.splitlines()) == 1, said
    assert said.err.startswith(
        f"mishran: {Path('out') / 'checkpoints'}: expected a folder that can be"
    )
    assert "File too large" in said.err
    assert sorted(p.name for p in (out / "checkpoints").glob("*")) == steps
    assert "going on after step" in goes_on(fork_server, fitted.parent, never_killed["full"], *FULL)


def test_a_damaged_checkpoint_is_said_and_passed_by(fitted, fork_server, never_killed):
    assert fork_server.run(train(*FULL), fitted.parent, kill=34).code == -signal.SIGKILL
    newest = max((fitted.parent / "out" / "checkpoints").glob("step-*"))
    (newest / "weights.safetensors").write_bytes(b"")
    news = goes_on(fork_server, fitted.parent, never_killed["full"], *FULL)
    assert f"{newest.name}: weights.safetensors is damaged or missing; going back" in news


def test_two_processes_give_what_one_gives(fitted, never_killed):
    """torchrun: the same order, tokens and losses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    argv = [*launch, "--master-port", str(port), "-m", "mishran", *train(*FULL, "--json")]
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=fitted.parent,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found, wanted = json.loads(done.stdout), facts(never_killed["full"])
    assert found["losses"] == pytest.approx(wanted["losses"], abs=1e-6)
    assert found["tasks"] == wanted["tasks"] and found["plan"] == wanted["plan"]
    ours, theirs = records(fitted.parent / "out"), records(never_killed["full"])
    assert [x["tokens"] for x in ours] == [x["tokens"] for x in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-6)
        assert a["tasks"] == pytest.approx(b["tasks"], abs=1e-6)


@pytest.mark.full
def test_compiled_layers_give_what_others_give(fitted, fork_server, never_killed):
    """Up to rounding; needs a compiler."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    said = fork_server.run(train(*FULL, "--set", "compile=true"), fitted.parent)
    assert said.code == 0, said
    found, wanted = facts(fitted.parent / "out"), facts(never_killed["full"])
    assert found["losses"] == pytest.approx(wanted["losses"], abs=1e-3)


def test_help_without_the_script():
    done = subprocess.run(
        [sys.executable, "-m", "mishran", "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "train" in done.stdout and "compare" in done.stdout


# ---- errors


def test_a_loss_that_diverges(fitted, refuses, tmp_path):
    run = fitted.parent / "runs" / "mix"
    more = ["--kind", "full", "--set", "learning_rate=1e30", "-q", "--out", tmp_path / "out"]
    line = refuses("train", run, *SMALL, *more, news=True)
    assert line.startswith("mishran: step ") and "lower train.learning_rate" in line
    assert not (tmp_path / "out" / "training.json").exists()


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (["learning_rate"], ("--set", "expected NAME=VALUE", "'learning_rate'")),
        (["learning_rat=1"], ("learning_rat", "learning_rate")),
        (["schedule=sine"], ("schedule", "cosine")),
        (["betas=[0.9, 1.0]"], ("betas below 1",)),
        (["warmup=0.9", "schedule=wsd"], ("warmup and decay that leave room", "0.9 and 0.2")),
        (["rank=0"], ("rank", "at least 1")),
        (["compile=1e3"], ("compile",)),
        (["kind=full", "rank=4"], ("no rank with kind: full",)),
        (["packed=100"], ("train.packed", "at most 64 tokens, the model's context")),
        (["metrics=[wandb]"], ("train.metrics", "'wandb'", "entry points mishran.metrics")),
        (["targets=[nope]"], ("train.targets", "linear layers")),
    ],
)
def test_settings_that_are_wrong(fitted, refuses, tmp_path, settings, parts):
    more = [word for text in settings for word in ("--set", text)]
    run = fitted.parent / "runs" / "mix"
    line = refuses("train", run, "-q", "--out", tmp_path / "out", *more)
    assert all(part in line for part in parts), line


def test_model_and_tokenizer_disagree(project, refuses, tmp_path):
    from tiny_tokenizers import sentencepiece

    sentencepiece().save_pretrained(tmp_path / "other")
    path = recipe(project.parent, model="model")
    line = refuses("train", path, "-q", "--tokenizer", tmp_path / "other", "--out", tmp_path / "o")
    assert line == (
        "mishran: model: expected the tokenizer that the rows were cut with (other), found another one: "
        "model and tokenizer disagree; plan with the model's own: --tokenizer MODEL"
    )


def test_models_that_are_none(project, refuses, tmp_path):
    path, out = recipe(project.parent), ["-q", "--out", tmp_path / "out"]
    assert "expected a model to train, found none" in refuses("train", path, *out)
    bare = tmp_path / "bare"
    shutil.copytree(project.parent / "model", bare)
    (bare / "model.safetensors").unlink()
    line = refuses("train", path, *out, "--model", bare)
    assert line.startswith(f"mishran: {bare}: expected a causal language model in safetensors")
    assert "a local model folder" in refuses("train", path, *out, "--model", "no/such")
    assert "a folder for the model" in refuses("train", path, "--model", bare)


def test_folders_of_others_are_left_alone(fitted, refuses, tmp_path):
    """Though their names are those that a training would use."""
    run = fitted.parent / "runs" / "mix"
    for name in ("model", "checkpoints", "metrics.jsonl", "notes.txt"):
        out = tmp_path / name.replace(".", "-")
        out.mkdir()
        (out / name).mkdir() if "." not in name else (out / name).write_text("mine")
        line = refuses("train", run, *SMALL, "-q", "--out", out)
        assert f"a folder with other things in it ({name})" in line
        assert [p.name for p in out.iterdir()] == [name]
    (tmp_path / "file").write_text("")
    assert "found a file" in refuses("train", run, *SMALL, "-q", "--out", tmp_path / "file")
    assert "other things in it" in refuses("train", run, *SMALL, "-q", "--out", run)


def test_what_others_add_to_a_training_stays_and_stops_nothing(fitted, fork_server, tmp_path):
    """A file of a metrics plugin, say."""
    run, out = fitted.parent / "runs" / "mix", tmp_path / "out"
    asked = ["train", str(run), *SMALL, "-q", "--out", str(out), "--set", "checkpoint_every=1"]
    there = out / "checkpoints"
    said = fork_server.run(
        asked, fitted.parent, kill_when=lambda: there.is_dir() and any(there.iterdir())
    )
    assert said.code != 0
    for _ in range(2):  # going on, and finding it done
        (out / "wandb").mkdir(exist_ok=True)
        said = fork_server.run(asked, fitted.parent)
        assert said.code == 0, said
        assert (out / "wandb").is_dir() and (out / "training.json").exists()


def test_checkpoints_of_other_settings(fitted, fork_server, refuses, monkeypatch):
    """Unfinished, and then asked for something else."""
    assert fork_server.run(train(), fitted.parent, kill=20).code == -signal.SIGKILL
    monkeypatch.chdir(fitted.parent)
    line = refuses(*train("--set", "alpha=3"))
    assert "expected checkpoints of this training, found those of another one" in line


def test_ranks_without_torchrun(fitted, refuses, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    line = refuses("train", fitted.parent / "runs" / "mix", "-q")
    assert "environment: expected RANK from 0 to WORLD_SIZE - 1" in line


def test_settings_of_a_run_are_read_from_mix_yaml(fitted, fork_server, mishran):
    """`train:` in mix.yaml is part of the run, and changes nothing that was measured."""
    mix = yaml.safe_load(fitted.read_text())
    write_mix(fitted.parent, mix | {"train": {"rank": 3, "schedule": "linear", "batch_size": 50}})
    said = fork_server.run(["fit", "mix.yaml"], fitted.parent)
    assert said.code == 0 and "training specialists" not in said.err
    said = mishran("train", fitted.parent / "runs" / "mix", "--json", "-q")
    done = json.loads(said.out)
    assert [done["recipe"][k] for k in ("rank", "schedule")] == [3, "linear"] and done["steps"] == 2
