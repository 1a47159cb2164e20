"""Everything that people get wrong: one line on stderr, exit code 2, nothing half-written.

Each case says what must be in the line: what was expected, what was found, where, what to do.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import cli
from tiny_project import digests, make_project, rows, save_model, settings, write_mix, write_rows


def changed(project: Path, **fields: Any) -> Path:
    return write_mix(project.parent, settings() | fields)


def mixture(**fields: Any) -> dict[str, Any]:
    return {**settings()["mixture"], **fields}


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "path": f"data/{name}.jsonl", **fields}


def untouched(project: Path) -> None:
    assert not (project.parent / "runs").exists()


# ---- the configuration

CONFIGS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"mixtur": {"t": 0.5}}, ("unknown field 'mixtur'", "did you mean 'mixture'?", "mix.yaml:")),
    ({"mixture": mixture(T=1)}, ("unknown field 'T'", "did you mean 't'?", "mixture.T")),
    ({"tasks": [task("sums"), task("sums")]}, ("'sums' in entries 1 and 2", "rename one")),
    ({"tasks": [task("sums"), task("Sums")]}, ("differ by more than case", "'Sums'")),
    ({"tasks": [task("sums"), task("turned", eval_only=True)]}, ("at least two tasks", "found 1")),
    ({"tasks": [task("../../x", path="a"), task("sums")]}, ("'../../x'", "a name of letters")),
    ({"tasks": [task(".hidden", path="a")]}, ("'.hidden'", "rename it")),
    ({"tasks": [task("a/b", path="a")]}, ("'a/b'", "rename it")),
    ({"tasks": [task("x" * 300, path="a")]}, ("at most 200 bytes",)),
    ({"tasks": [task("CON\u0000", path="a")]}, ("a name of letters",)),
    ({"tasks": []}, ("at least one task", "an empty list")),
    ({"tasks": "nowhere"}, ("no such folder", "nowhere")),
    ({"tasks": [task("sums"), task("turned", path="data/turnd.jsonl")]}, ("turnd", "did you mean")),
    ({"tasks": [task("sums", path="data/no\u0000pe.jsonl"), task("turned")]}, ("sums", "null")),
    ({"tasks": [task("sums", prompt="{nope}", answer="{target}"), task("turned")]}, ("nope",)),
    ({"tasks": [task("sums", prompt="{", answer="{target}"), task("turned")]}, ("task 'sums'",)),
    ({"tasks": [task("sums", messages="input"), task("turned")]}, ("sums.jsonl:1",)),
    ({"tasks": [task("sums", adapter="nope"), task("turned")]}, ("adapter_config.json", "'sums'")),
    ({"model": "nope"}, ("a local model folder", "no such folder", "--online")),
    ({"model": "mix.yaml"}, ("a local model folder",)),
    ({"model": "no\u0000pe"}, ("model", "a null character")),
    ({"model": "${NO_SUCH_VARIABLE}/m"}, ("NO_SUCH_VARIABLE", "set")),
    ({"model": 3}, ("model", "text")),
    ({"run": "no\u0000pe"}, ("run", "null")),
    ({"run": "data"}, ("an empty folder, or a run directory", "other things", "--run")),
    ({"run": "."}, ("an empty folder, or a run directory", "other things", "--run")),
    ({"run": "mix.yaml"}, ("a run directory", "found a file", "mix.yaml")),
    ({"run": "mix.yaml/inside"}, ("mix.yaml/inside", "a file where a folder")),
    ({"device": "cuda:7"}, ("device",)),
    ({"device": "warp"}, ("device", "'warp'")),
    ({"device": "meta"}, ("device", "meta")),
    ({"dtype": "int8"}, ("dtype", "bfloat16")),
    ({"seed": -1}, ("seed", "at least 0")),
    ({"seed": 10**30}, ("seed", "at most")),
    ({"max_tokens": 4}, ("max_tokens", "at least 8")),
    ({"max_tokens": 8}, ("at most 8 tokens", "shortest", "raise max_tokens")),
    ({"specialists": {"targets": "nothing"}}, ("specialists.targets", "all-linear")),
    ({"specialists": {"targets": "["}}, ("specialists.targets", "all-linear")),
    ({"specialists": {"targets": ["nothing"]}}, ("specialists.targets", "all-linear")),
    ({"specialists": {"targets": ["norm"]}}, ("specialists.targets", "all-linear")),
    ({"specialists": {"tokens": 5, "epochs": 1}}, ("tokens or epochs", "both")),
    ({"specialists": {"learning_rate": 0}}, ("learning_rate", "more than 0")),
    ({"specialists": {"rank": True}}, ("rank", "true", "a number")),
    ({"probes": {"splits": []}}, ("probes.splits", "an empty list")),
    ({"mixture": mixture(t=-1)}, ("mixture.t", "at least 0")),
    ({"mixture": mixture(t=0.5, effective_tasks=2)}, ("t or effective_tasks", "both")),
    ({"mixture": {"effective_tasks": 9}}, ("effective_tasks", "between 1 and 4", "ask for 4")),
    ({"mixture": {"effective_tasks": 0.5}}, ("effective_tasks", "ask for 1")),
    ({"mixture": mixture(floors={"hindi": 25})}, ("write 0.25 for 25 %", "mixture.floors.hindi")),
    ({"mixture": mixture(floors={"hindu": 0.2})}, ("'hindu'", "did you mean 'hindi'?")),
    ({"mixture": mixture(floors={"exam": 0.2})}, ("'exam'", "mixture.floors.exam")),
    (
        {"mixture": mixture(floors={"hindi": 0.6}, caps={"capitals_hi": 0.3})},
        ("floors.hindi = 0.6", "largest feasible floor for hindi is 0.3"),
    ),
    ({"mixture": mixture(floors={"facts": 0.7, "skills": 0.7})}, ("feasible", "skills", "0.3")),
    (
        {"mixture": mixture(caps={"facts": 0.2, "skills": 0.2}, floors={})},
        ("caps.facts = 0.2, caps.skills = 0.2", "smallest feasible cap for facts is 0.8"),
    ),
    ({"mixture": mixture(max_epochs=1, budget={"rows": 999})}, ("at most 160 rows", "max_epochs")),
    ({"mixture": mixture(max_epochs=1, budget={"tokens": 10**6})}, ("tokens", "max_epochs")),
    (
        {"mixture": mixture(max_epochs=1, budget={"rows": 100}, floors={"hindi": 0.6})},
        ("floors.hindi = 0.6", "is 0.4", "max_epochs"),
    ),
    ({"mixture": {"max_epochs": 2}}, ("a budget beside max_epochs",)),
    ({"mixture": mixture(budget={})}, ("rows or tokens", "neither")),
    ({"mixture": mixture(solution="paper-clip")}, ("closed form", "hindi")),
    ({"mixture": {"unary": {"kind": "target", "targets": ["sum"]}}}, ("did you mean 'sums'?",)),
    ({"mixture": {"unary": {"kind": "target", "targets": ["exam"]}}}, ("'exam'", "targets")),
    ({"mixture": {"unary": {"kind": "utility", "targets": ["nix"]}}}, ("'nix'", "targets")),
    ({"mixture": {"unary": {"kind": "given", "values": {"sums": 1}}}}, ("a value for every task",)),
    ({"mixture": {"unary": {"kind": "utility"}, "t": 1}}, ("unary coverage", "remove t")),
    ({"mixture": {"affinity": "jds"}}, ("'jds', and no such file", "mixture.affinity")),
    ({"mixture": {"affinity": "data/sums.jsonl"}}, ("sums.jsonl",)),
    ({"mixture": {"replicas": 10**12}}, ("replicas", "at most")),
    ({"mixture": mixture(t=1e308)}, ("mixture.t", "at most 1e+06")),
    ({"mixture": mixture(budget={"rows": 10**30})}, ("budget.rows", "at most 1e+15")),
    ({"mixture": {"unary": {"kind": "utility", "strength": 1e300}}}, ("strength", "at most")),
    ({"specialists": {"rank": 10**12}}, ("fits into memory",)),
]


@pytest.mark.parametrize("case", range(len(CONFIGS)), ids=lambda i: next(iter(CONFIGS[i][0])))
def test_configuration(project, refuses, case):
    fields, parts = CONFIGS[case]
    line = refuses("fit", changed(project, **fields), "-q")
    for part in parts:
        assert part in line
    untouched(project)


TEXTS = {
    "": "an empty file",
    "- a\n- b\n": "a mapping of fields",
    "model: [": "valid YAML",
    "model: m\nmodel: n\ntasks: data\n": "'model' twice",
    "model: !!python/object/apply:os.system [ls]\n": "valid YAML",
    "a: &a [*a]\n": "unknown field 'a'; remove it",
    "model: m\ntasks: 2024-13-01\n": "valid YAML",
    "model: m\n  tasks: x\n": "valid YAML",
    "? [a, b]\n: 1\n": "valid YAML",
    "1: 2\n": "field 'model'",
    "model: m\ntasks:\n  - sums\n": "tasks, entry 1: expected a mapping of fields, found 'sums'",
    "model: m\ntasks: {sums: a.jsonl}\n": "tasks: expected text or a list, found a mapping",
    "model: \x01\n": "valid YAML",
    "model: m\ntasks: t\nmixture: jsd\n": "mixture",
    "model: m\ntasks: t\nmixture: {floors: [a]}\n": "floors",
    "[" * 3000: "valid YAML",
}


@pytest.mark.parametrize("case", range(len(TEXTS)))
def test_files_that_are_no_configuration(tmp_path, refuses, case):
    text, part = list(TEXTS.items())[case]
    path = tmp_path / "mix.yaml"
    path.write_text(text)
    assert part in refuses("fit", path)


def test_configuration_file_itself(tmp_path, refuses):
    assert "no such file" in refuses("fit", tmp_path / "none.yaml")
    assert "directory" in refuses("fit", tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"model: caf\xe9\n")
    assert "UTF-8" in refuses("fit", path)


# ---- the data


def good() -> list[dict[str, Any]]:
    return rows("sums")


RECORDS: list[tuple[str, list[Any], tuple[str, ...]]] = [
    (
        "no field",
        [*good()[:2], {"input": "x"}, *good()],
        ("sums.jsonl:3", "'target'", "fields input"),
    ),
    ("nothing", [], ("at least one record", "task 'sums'")),
    ("no train", [{**r, "split": "valid"} for r in good()], ("examples to train on", "eval_only")),
    ("no valid", [{**r, "split": "train"} for r in good()], ("held-out examples", "valid")),
    ("empty answer", [{**r, "target": ""} for r in good()], ("sums.jsonl:", "an empty answer")),
    ("blank answer", [{**r, "target": None} for r in good()], ("sums.jsonl:",)),
    ("too long", [{**r, "input": "7 " * 999} for r in good()], ("at most 64 tokens", "'sums'")),
    ("bad split", [{**r, "split": "trian"} for r in good()], ("trian", "sums.jsonl:1")),
    ("list", [[1, 2]], ("sums.jsonl:1", "object")),
    ("one record", good()[:1], ("task 'sums'", "held-out examples", "1 in train, 0 in valid")),
    ("nested", [{**r, "target": {"a": 1}} for r in good()], ("sums.jsonl:1",)),
]


@pytest.mark.parametrize("case", range(len(RECORDS)), ids=[r[0] for r in RECORDS])
def test_records(project, refuses, case):
    _, records, parts = RECORDS[case]
    write_rows(project.parent / "data" / "sums.jsonl", records)
    line = refuses("fit", project, "-q")
    for part in parts:
        assert part in line
    untouched(project)


BYTES = {
    "binary": (b"\x00\xff\x00", "UTF-8"),
    "cut": (b'{"input": "a", "tar', "sums.jsonl:1"),
    "no json": (b"hello", "sums.jsonl:1: expected one JSON object per line"),
    "surrogate": (b'{"input": "\\ud800", "target": "a"}\n' * 9, "sums.jsonl:"),
    "deep": (b"[" * 100_000, "sums.jsonl:1"),
}


@pytest.mark.parametrize("case", BYTES)
def test_bytes(project, refuses, case):
    data, part = BYTES[case]
    (project.parent / "data" / "sums.jsonl").write_bytes(data)
    assert part in refuses("fit", project, "-q")
    untouched(project)


KINDS = {
    "jsonl.gz": "a whole gzip file",
    "json": "a JSON list of objects",
    "parquet": "a Parquet file",
    "csv": "a file that ends in .jsonl, .jsonl.gz, .json, .parquet",
    "arrow": "a file that ends in .jsonl, .jsonl.gz, .json, .parquet",
}


@pytest.mark.parametrize("suffix", KINDS)
def test_wrong_kind_of_file(project, refuses, suffix):
    (project.parent / "data" / f"sums.{suffix}").write_bytes(b"input,target\n1,2\n")
    path = f"data/sums.{suffix}"
    line = refuses("fit", changed(project, tasks=[task("sums", path=path), task("turned")]), "-q")
    assert f"sums.{suffix}: expected {KINDS[suffix]}, found " in line


# ---- the model


def spoil_model(project: Path, how: str) -> None:
    model = project.parent / "model"
    config = json.loads((model / "config.json").read_text())
    if how == "no config":
        (model / "config.json").unlink()
    elif how == "no weights":
        (model / "model.safetensors").unlink()
    elif how == "cut weights":
        (model / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:999])
    elif how == "no tokenizer":
        for path in model.glob("*token*"):
            path.unlink()
    elif how == "damaged tokenizer":
        (model / "tokenizer.json").write_text("{}")
    elif how == "no json":
        (model / "config.json").write_text("{")
    elif how == "no text model":
        (model / "config.json").write_text(json.dumps({"model_type": "resnet"}))
    elif how == "unknown type":
        (model / "config.json").write_text(json.dumps({"model_type": "quantum"}))
    elif how == "small embedding":
        (model / "config.json").write_text(json.dumps({**config, "vocab_size": 100}))
    elif how == "own code":
        auto = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
        (model / "config.json").write_text(
            json.dumps({**config, "model_type": "evil", "auto_map": auto})
        )
        (model / "evil.py").write_text("import pathlib; pathlib.Path('pwned').write_text('x')\n")
    elif how == "wrong shape":
        (model / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    elif how == "empty":
        shutil.rmtree(model)
        model.mkdir()


MODELS = {
    "no config": "config.json",
    "no weights": "safetensors",
    "cut weights": "safetensors",
    "no tokenizer": "a tokenizer beside the model",
    "damaged tokenizer": "a tokenizer beside the model",
    "no json": "config.json",
    "no text model": "config.json",
    "unknown type": "quantum",
    "small embedding": "a tokenizer with at most 100 tokens",
    "own code": "contains custom code which must be executed",
    "wrong shape": "expected a causal language model in safetensors, found weights of other shapes",
    "empty": "an empty folder",
}


@pytest.mark.parametrize("how", MODELS)
def test_models(project, refuses, monkeypatch, how):
    monkeypatch.chdir(project.parent)
    spoil_model(project, how)
    assert MODELS[how] in refuses("fit", project, "-q")
    assert not (project.parent / "pwned").exists()
    untouched(project)


def test_tokenizer_without_pad_token_works_and_says_so(tmp_path, mishran):
    mix = make_project(tmp_path / "p", save_model(tmp_path / "m", pad=False))
    said = mishran("fit", mix)
    assert said.code == 0
    assert "the tokenizer has no pad token; padding uses its end token" in said.err


# ---- training that fails


def test_nan_loss_stops_one_task_and_the_others_go_on(project, mishran, refuses):
    """A learning rate without reason: every task fails, each is named with its step."""
    wild = settings()["specialists"] | {"learning_rate": 1e30}
    line = refuses("fit", changed(project, specialists=wild), news=True)
    assert "task 'capitals', step" in line and "3 more tasks failed too" in line
    assert "lower specialists.learning_rate" in line
    assert not list((project.parent / "runs" / "mix" / "specialists").rglob("*.safetensors"))


def test_nan_loss_of_one_task_keeps_the_others(project, mishran, refuses, monkeypatch):
    """It is trained again alone: what was kept is kept."""
    import mishran.pipeline.specialists as pipeline
    from mishran.errors import TrainingError

    trained: list[list[str]] = []
    original = pipeline.fit_specialists

    def fails_on_sums(trainees: Any, *args: Any, **kwargs: Any) -> Any:
        trained.append([t.task for t in trainees])
        found = original(trainees, *args, **kwargs)
        if len(trained) == 1:
            found[trained[0].index("sums")] = TrainingError(
                expected="a finite loss and gradient",
                found="loss nan, gradient norm nan",
                where="task 'sums', step 3 of 4",
                fix="lower specialists.learning_rate",
            )
        return found

    monkeypatch.setattr(pipeline, "fit_specialists", fails_on_sums)
    line = refuses("fit", project, news=True)
    assert "task 'sums', step 3 of 4" in line and "the other specialists are kept" in line
    assert trained == [["capitals", "capitals_hi", "sums", "turned"]]
    assert mishran("fit", project, "-q").code == 0
    assert trained[1:] == [["sums"]]
    assert mishran("fit", project, "-q").code == 0
    assert len(trained) == 2


def test_training_that_ends_in_nan_after_its_last_step(project, refuses):
    """One step only: the loss was finite, the weights after it are not."""
    wild = settings()["specialists"] | {"learning_rate": 1e30, "tokens": 8, "warmup": 0}
    line = refuses("fit", changed(project, specialists=wild), news=True)
    assert "step 1 of 1" in line and "lower specialists.learning_rate" in line


@pytest.mark.parametrize("rate", [1e38, 1e300])
def test_a_learning_rate_that_no_number_holds(project, refuses, rate):
    wild = settings()["specialists"] | {"learning_rate": rate}
    line = refuses("fit", changed(project, specialists=wild), news=True)
    assert "task 'capitals'" in line and "lower specialists.learning_rate" in line


def test_a_base_model_of_nan(project, refuses):
    import torch
    from safetensors.torch import load_file, save_file

    path = project.parent / "model" / "model.safetensors"
    weights = load_file(path)
    name = next(k for k in weights if k.endswith("q_proj.weight"))
    weights[name] = torch.full_like(weights[name], float("nan"))
    save_file(weights, path, metadata={"format": "pt"})
    assert "a base model with finite losses" in refuses("fit", project, "-q")


# ---- the run directory


def flip(path: Path, at: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0x15
    path.write_bytes(bytes(data))


DAMAGED: list[dict[str, str]] = [  # file -> its stage; stages of one entry are made again together
    {
        "scores.parquet": "pool",
        "specialists/sums/adapter_model.safetensors": "specialists/sums",
        "mixture.json": "mixture",
    },
    {
        "divergence.npz": "pool",
        "specialists/turned/evidence.json": "specialists/turned",
        "path.npz": "mixture",
        "report.html": "report",
    },
    {
        "pool/sums.npz": "pool/sums",
        "affinity-jsd.npz": "affinity-jsd",
        "manifests/specialists/capitals.json": "specialists/capitals",
        "manifests/mixture.json": "mixture",
    },
    {"manifests/pool.json": "pool", "manifests/affinity-jsd.json": "affinity-jsd"},
]


@pytest.mark.parametrize("case", range(len(DAMAGED)))
def test_damaged_artefacts_are_made_again(fitted, fork_server, case):
    run = fitted.parent / "runs" / "mix"
    before = digests(run)
    for name in DAMAGED[case]:
        flip(run / name)
    said = fork_server.run(["fit", "mix.yaml"], fitted.parent)
    assert said.code == 0, said
    for name, stage in DAMAGED[case].items():
        # A flipped bit in a manifest may look like a changed output.
        what = f"{stage}: " if name.startswith("manifests/") else f"{stage}: {name} is damaged"
        assert what in said.err
    assert said.err.count("is damaged or missing; computing it again") >= len(DAMAGED[case])
    assert "None" not in said.err
    assert digests(run) == before


@pytest.mark.parametrize("name", ["tasks.json", "run.yaml", "scores.parquet", "mixture.json"])
def test_damaged_files_under_other_commands(fitted, mishran, refuses, name):
    """Commands that cannot make a file again say who can; none of them uses it."""
    run = fitted.parent / "runs" / "mix"
    (run / name).write_bytes(b"\xff\x00")
    if name in ("tasks.json", "run.yaml"):
        assert "mishran fit" in refuses("solve", run)
        assert "mishran fit" in refuses("report", run)
    if name == "scores.parquet":
        assert "mishran fit" in refuses("solve", run, "--affinity", "pmi")
        assert "mishran fit" in refuses("report", run)
    if name == "mixture.json":
        assert "mixture.json" in refuses("report", run)
    if name != "tasks.json":
        status = mishran("status", run)
        assert status.code == 0
        assert ("damaged" in status.out) == (name != "run.yaml")


def test_numbers_that_were_changed_by_hand_are_not_used(fitted, refuses):
    """A table that can still be read but is not what was measured."""
    from mishran.pipeline.tables import read_scores, write_scores

    run = fitted.parent / "runs" / "mix"
    table = read_scores(run / "scores.parquet")
    write_scores(
        run / "scores.parquet", table.__class__(**{**table.__dict__, "nats": table.nats + 1})
    )
    line = refuses("solve", run, "--affinity", "pmi")
    assert "scores.parquet as it was written" in line and "a file that was changed" in line


def test_no_run_directory(tmp_path, refuses):
    for command in ("status", "report", "clean", "solve"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        line = refuses(command, tmp_path / "empty")
        assert "a run directory" in line and "mishran fit" in line
        assert not list((tmp_path / "empty").iterdir())
    for command in ("status", "report", "clean"):
        assert "a run directory" in refuses(command, tmp_path / "none")
        assert not (tmp_path / "none").exists()
    assert "run directory" in refuses("solve", tmp_path / "none")


def test_run_directory_that_cannot_be(project, refuses):
    (project.parent / "file").write_text("")
    assert "found a file" in refuses("fit", project, "-q", "--run", project.parent / "file")
    assert "can be written" in refuses("fit", project, "-q", "--run", "/proc/mishran")


def test_two_at_once(fitted, refuses):
    from mishran.run import Run

    run = fitted.parent / "runs" / "mix"
    with Run(run).locked():
        for command in (["fit", fitted, "-q"], ["solve", run], ["report", run], ["clean", run]):
            assert "another mishran process at work" in refuses(*command)


def test_disk_full_then_space(project, fork_server, fitted_once):
    """Writes really fail (a limit on file sizes); with space the same command ends the same."""
    run = project.parent / "runs" / "mix"
    sizes = sorted(
        p.stat().st_size for p in (fitted_once.parent / "runs" / "mix").rglob("*") if p.is_file()
    )
    for limit in (200, 5_000, sizes[-1] - 1):
        said = fork_server.run(["fit", "mix.yaml", "-q"], project.parent, file_size=limit)
        lines = said.err.splitlines()
        assert said.code == 2, said
        assert len(lines) == 1 and lines[0].startswith("mishran: "), said.err
        assert "it resumes" in lines[0] and "MiB free" in lines[0]
        assert not list(run.rglob(".tmp-*"))
    assert fork_server.run(["fit", "mix.yaml", "-q"], project.parent).code == 0
    assert digests(run) == digests(fitted_once.parent / "runs" / "mix")


# ---- hostile run directories


def test_clean_never_leaves_the_run(fitted, mishran, refuses):
    run = fitted.parent / "runs" / "mix"
    precious = fitted.parent / "precious.json"
    outside = fitted.parent / "outside"
    outside.mkdir()
    for path in (precious, outside / "kept"):
        path.write_text("{}")
    manifest = json.loads((run / "manifests" / "report.json").read_text())
    for name in ("../../precious.json", str(precious), "link/kept", "specialists/../../../x"):
        manifest["outputs"][name] = "0" * 64
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (run / "manifests" / "report.json").write_text(text)
    (run / "link").symlink_to(outside)
    (run / ".tmp-1-link").symlink_to(outside)
    (run / ".tmp-99999999999999999999999-x").mkdir()
    (run / ".tmp-").write_text("")
    assert mishran("status", run).code == 0
    assert mishran("clean", run, "--all", "--yes").code == 0
    assert precious.exists() and (outside / "kept").exists()
    assert not list(run.rglob(".tmp-*")) and not (run / "mixture.json").exists()


@pytest.mark.parametrize("name", ["../../precious", "/etc/passwd", "..", ""])
def test_hostile_task_names_in_a_run(fitted, refuses, name):
    run = fitted.parent / "runs" / "mix"
    precious = fitted.parent / "precious.json"
    precious.write_text("{}")
    facts = json.loads((run / "tasks.json").read_text())
    facts[0]["name"] = name
    (run / "tasks.json").write_text(json.dumps(facts))
    for argv in (["status", run], ["clean", run, "--all", "-y"], ["solve", run], ["report", run]):
        assert "no readable tasks.json" in refuses(*argv)
    assert precious.exists()


TASKS_JSON = ["null", "[]", "{}", "[1]", '[{"name": 1}]', "[" * 5000, '{"a": NaN}']


@pytest.mark.parametrize("case", range(len(TASKS_JSON)))
def test_tasks_json_of_anything(fitted, mishran, case):
    run = fitted.parent / "runs" / "mix"
    (run / "tasks.json").write_text(TASKS_JSON[case])
    for argv in (["status", run], ["solve", run], ["report", run]):
        said = mishran(*argv)
        assert said.code in (0, 2) and "Traceback" not in said.err


# ---- solve


CSV = {
    "nan": ("a,b\n1,nan\nnan,1\n", ("'nan'", "m.csv:2", "column 'b'")),
    "text": ("a,b\n1,x\nx,1\n", ("'x'", "m.csv:2")),
    "asymmetric": ("a,b\n1,0.5\n0.4,1\n", ("symmetric", "0.5 for (a, b)", "(S + S') / 2")),
    "ragged": ("a,b\n1,0.5\n0.5\n", ("2 numbers", "m.csv:3")),
    "not square": ("a,b,c\n1,0,0\n0,1,0\n", ("3 rows", "2 rows")),
    "twice": ("a,a\n1,0\n0,1\n", ("'a' twice",)),
    "no header": ("1,0\n0,1\n", ("m.csv:1", "task names in the first line", "only numbers")),
    "empty": ("", ("an empty file",)),
    "binary": ("\x00\x01", ("m.csv",)),
    "one cell": ("a", ("m.csv",)),
    "inf": ("a,b\n1,1e999\n1e999,1\n", ("1e999",)),
    "quote": ('a,b\n1,"0\n0,1\n', ("m.csv",)),
}


@pytest.mark.parametrize("case", CSV)
def test_matrices(tmp_path, refuses, case):
    text, parts = CSV[case]
    path = tmp_path / "m.csv"
    path.write_text(text)
    line = refuses("solve", path)
    for part in parts:
        assert part in line


OPTIONS: list[tuple[list[str], tuple[str, ...]]] = [
    (["--floor", "a"], ("--floor", "NAME=SHARE", "'a'")),
    (["--floor", "a="], ("NAME=SHARE",)),
    (["--floor", "=0.5"], ("NAME=SHARE",)),
    (["--floor", "a=x"], ("a number", "'x'")),
    (["--floor", "a=25"], ("write 0.25 for 25 %",)),
    (["--floor", "a=nan"], ("floors.a", "a finite number")),
    (["--floor", "a=0.1", "--floor", "a=0.2"], ("'a' twice",)),
    (["--floor", "nope=0.1"], ("'nope'", "the name of a group or task")),
    (["--floor", "a=0.7", "--floor", "b=0.7"], ("largest feasible floor",)),
    (
        ["--cap", "a=0.1", "--cap", "b=0.1", "--cap", "c=0.1"],
        ("caps.a = 0.1", "smallest feasible cap"),
    ),
    (["--group", "g"], ("NAME=TASK,TASK",)),
    (["--group", "g=a,nope"], ("'nope'", "group g")),
    (["--group", "a=b"], ("names of groups and tasks that differ",)),
    (["--group", "g=,", "--floor", "g=0.2"], ("g",)),
    (["--t", "nan"], ("t", "a finite number")),
    (["--t", "-1"], ("at least 0",)),
    (["--t", "x"], ("'--t'", "a valid")),  # the rest of the words is typer's
    (["--t", "1", "--effective-tasks", "2"], ("both",)),
    (["--effective-tasks", "7"], ("effective tasks", "ask for")),
    (["--effective-tasks", "0.2"], ("effective tasks", "ask for")),
    (["--side", "left", "--effective-tasks", "2"], ("'left'", "diverse")),
    (["--rows", "5"], ("sizes of the tasks", "a bare matrix")),
    (["--rows", "5", "--tokens", "5"], ("rows or tokens", "both")),
    (["--rows", "0"], ("at least 1",)),
    (["--max-epochs", "2"], ("a budget beside max_epochs",)),
    (["--affinity", "pmi"], ("--affinity with a run directory only",)),
    (["--solution", "paper"], ("paper-clip",)),
    (["--solution", "paper-clip", "--floor", "a=0.1"], ("closed form",)),
    (["--repair", "x"], ("shift",)),
    (["--ridge", "-1"], ("ridge", "at least 0")),
    (["--out", "/proc/x/y.json"], ("can be written",)),
    (["--out", "."], ("a file to write the mixture to", "found a folder")),
    (["--out", ""], ("a file to write the mixture to", "found a folder")),
    (["--nope"], ("no such option", "--nope", "mishran solve --help")),
]


@pytest.mark.parametrize("case", range(len(OPTIONS)), ids=lambda i: " ".join(OPTIONS[i][0]))
def test_options_of_solve(tmp_path, refuses, case):
    argv, parts = OPTIONS[case]
    path = tmp_path / "m.csv"
    path.write_text("a,b,c\n1,0.5,0.2\n0.5,1,0.1\n0.2,0.1,1\n")
    line = refuses("solve", path, *argv)
    for part in parts:
        assert part in line


def test_options_of_solve_on_a_run(fitted_once, refuses, tmp_path):
    run = fitted_once.parent / "runs" / "mix"
    before = digests(run)
    assert "groups of a run" in refuses("solve", run, "--group", "g=sums")
    assert "an affinity that can be had" in refuses("solve", run, "--affinity", "cosine")
    assert "largest feasible floor" in refuses(
        "solve", run, "--floor", "hindi=0.9", "--cap", "facts=0.5"
    )
    assert "found a folder" in refuses("solve", run, "--out", tmp_path)
    assert digests(run) == before


def test_effective_tasks_of_a_path_that_does_not_move(tmp_path, refuses):
    path = tmp_path / "m.csv"
    path.write_text("a,b\n1,0\n0,1\n")
    line = refuses("solve", path, "--effective-tasks", "1.7")
    assert "expected 2 effective tasks, the only number that the diverse side reaches" in line


def test_indefinite_matrix_is_refused_when_asked(tmp_path, mishran, refuses):
    path = tmp_path / "m.csv"
    path.write_text("a,b,c\n1,0.9,0\n0.9,1,0.9\n0,0.9,1\n")
    assert mishran("solve", path).code == 0
    line = refuses("solve", path, "--repair", "refuse")
    assert "semi-definite" in line or "convex" in line


# ---- the command line itself


def test_wrong_arguments(refuses, tmp_path):
    assert "no such command" in refuses("fti", "mix.yaml")
    assert "missing argument 'config'" in refuses("fit").lower()
    assert "--sed" in refuses("demo", "--sed", "3")
    assert "mishran status --help" in refuses("status")
    (tmp_path / "file").write_text("")
    assert "file" in refuses("demo", "-q", "--folder", tmp_path / "file")
    assert "no such file" in refuses("inspect", tmp_path / "no.yaml")


def test_inspect_of_an_unknown_task(project, refuses):
    assert "'nope'" in refuses("inspect", project, "--task", "nope")


def test_json_errors_are_dicts(project, mishran):
    said = mishran("fit", project.with_name("none.yaml"), "--json")
    assert said.code == 2
    error = json.loads(said.out)
    assert set(error) == {"error", "expected", "found", "where", "fix"}
    assert error["error"] == "ConfigError" and error["found"] == "no such file"
    assert said.err.startswith("mishran: ") and len(said.err.splitlines()) == 1
    assert json.loads(mishran("solve", "--nope", "--json").out)["where"] == "command line"


def test_clean_asks_and_takes_no_for_an_answer(fitted, mishran, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    said = mishran("clean", fitted.parent / "runs" / "mix", "--all")
    assert said.code == 1 and "nothing was done" in said.err
    assert (fitted.parent / "runs" / "mix" / "mixture.json").exists()


def test_true_processes(project):
    """The same through the installed script: one line, nothing on stdout."""
    (project.parent / "data" / "sums.jsonl").write_text('{"input": "a"}\n')
    for argv, part in (
        (["fit", "mix.yaml", "-q"], "data/sums.jsonl:1"),
        (["solve", "none.csv"], "no such file"),
        (["status", "data"], "a run directory"),
    ):
        said = cli(argv, project.parent)
        assert said.code == 2 and said.out == ""
        assert len(said.err.splitlines()) == 1
        assert said.err.startswith("mishran: ") and part in said.err


def test_names_of_files_with_markup(project, mishran):
    """Square brackets in paths and groups are no markup of the terminal."""
    folder = project.parent.with_name("[red]x[") / "b]"
    folder.parent.mkdir()
    project.parent.rename(folder)
    mix = yaml.safe_load((folder / "mix.yaml").read_text())
    mix["tasks"][1]["groups"] = ["[/b]", "<script>"]
    mix["mixture"] = {"replicas": 20, "floors": {"[/b]": 0.3}}
    (folder / "mix.yaml").write_text(yaml.safe_dump(mix))
    for argv in (["--plan"], ["-q"], ["--json"]):
        said = mishran("fit", folder / "mix.yaml", *argv)
        assert said.code == 0, said
    assert "[red]x[/b]/runs" in mishran("fit", folder / "mix.yaml", "--plan").out.replace("\n", "")
    for command in ("status", "report", "solve"):
        assert mishran(command, folder / "runs" / "mix").code == 0
    assert mishran("inspect", folder / "mix.yaml").code == 0
    page = (folder / "runs" / "mix" / "report.html").read_text()
    assert "<script>&" not in page and '"<script>"' not in page
