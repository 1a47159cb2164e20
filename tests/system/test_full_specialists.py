"""`specialists: {kind: full}` from fit to report: whole models as specialists."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file
from tiny_project import TASKS, digests, make_project, settings, write_mix

from mishran.config import read_config
from mishran.run import sha256_file, sha256_value

FULL = {k: v for k, v in settings()["specialists"].items() if k != "rank"} | {"kind": "full"}
FILE = "model.safetensors"


@pytest.fixture(scope="module")
def once(tmp_path_factory, tiny_model, fork_server) -> Path:
    """A project fitted with whole models; only to read, or to copy."""
    mix = make_project(tmp_path_factory.mktemp("full") / "p", tiny_model, specialists=FULL)
    said = fork_server.run(["fit", "mix.yaml", "--quiet"], mix.parent)
    assert said.code == 0, said
    return mix


@pytest.fixture
def mix(once: Path, tmp_path: Path) -> Path:
    shutil.copytree(once.parent, tmp_path / "p")
    return tmp_path / "p" / "mix.yaml"


@pytest.fixture
def run(mix: Path) -> Path:
    return mix.parent / "runs" / "mix"


def states(mishran, run: Path) -> set[str]:
    return {s["state"] for s in json.loads(mishran("status", run, "--json").out)}


def test_a_specialist_is_a_model_of_its_own(run, mix):
    base = load_file(mix.parent / "model" / FILE)
    for task in TASKS:
        folder = run / "specialists" / task
        assert {p.name for p in folder.iterdir()} == {FILE, "evidence.json", "curve.npz"}
        own = load_file(folder / FILE)
        assert own.keys() == base.keys()
        assert not any(own[name].equal(base[name]) for name in own), "every parameter was trained"
        assert json.loads((folder / "evidence.json").read_text())["gain"]["mean"] > 0


def test_the_pool_is_keyed_by_the_weights_that_answered(run):
    inputs = json.loads((run / "manifests/pool/sums.json").read_text())["inputs"]
    for task in TASKS:
        weights = sha256_file(run / "specialists" / task / FILE)
        assert inputs[f"specialist {task}"] == sha256_value([weights])


@pytest.mark.parametrize("lost", [FILE, "evidence.json"])
def test_what_is_lost_is_made_again_and_nothing_else(mix, run, mishran, lost):
    expected = digests(run)
    (run / "specialists" / "sums" / lost).unlink()
    said = mishran("fit", mix)
    assert said.code == 0
    assert digests(run) == expected
    assert "training specialists (400 tokens)" in said.err and "answering" not in said.err


def test_solve_and_report(mix, run, mishran):
    assert mishran("solve", run, "--t", "0.3").code == 0
    assert mishran("report", run).code == 0
    assert "capitals_hi" in (run / "report.html").read_text()
    assert states(mishran, run) == {"done"}


def test_the_resolved_configuration_finds_everything_done(mix, run, mishran):
    saved = yaml.safe_load((run / "run.yaml").read_text())["specialists"]
    assert saved["kind"] == "full" and not {"rank", "alpha", "dropout", "targets"} & saved.keys()
    again = mix.with_name("again.yaml")
    again.write_text((run / "run.yaml").read_text())
    assert read_config(again).specialists == read_config(mix).specialists
    before = digests(run)
    said = mishran("fit", again, "--run", run)
    assert said.code == 0 and "training" not in said.err and "answering" not in said.err
    assert digests(run) == before


def test_the_other_kind_is_another_run_s_content(mix, run, mishran):
    """Adapters take the place of whole models, and everybody answers again; and back, the same bytes."""
    expected = digests(run)
    assert "waves.json" not in expected, "nobody shares a batch"
    write_mix(mix.parent, settings())
    said = mishran("fit", mix)
    assert said.code == 0
    assert "training specialists (1,600 tokens)" in said.err and "answering probes" in said.err
    assert (run / "specialists/sums/adapter_model.safetensors").is_file()
    assert not (run / "specialists/sums" / FILE).exists()
    write_mix(mix.parent, settings() | {"specialists": FULL})
    assert mishran("fit", mix, "-q").code == 0
    assert {k: v for k, v in digests(run).items() if k != "waves.json"} == expected


def test_the_plan_says_what_they_take_on_disk(tmp_path, tiny_model, mishran):
    mix = make_project(tmp_path / "p", tiny_model, specialists=FULL)
    size = (tiny_model / FILE).stat().st_size
    plan = json.loads(mishran("fit", mix, "--plan", "--json").out)
    (stage,) = [s for s in plan["stages"] if s["stage"] == "specialists"]
    assert stage["todo"] == 4 and stage["bytes"] == pytest.approx(4 * size, rel=0.05)
    assert stage["time_s"] > 0 and not (mix.parent / "runs").exists()


def test_one_that_fails_does_not_stop_the_others(tmp_path, tiny_model, refuses, monkeypatch):
    import mishran.pipeline.specialists as pipeline

    mix = make_project(tmp_path / "p", tiny_model, specialists=FULL)
    original = pipeline.fit_full

    def fails_on_sums(trainees, **settings):
        if trainees[0].task == "sums":
            wild = settings["recipe"].model_copy(update={"learning_rate": 1e30})
            settings |= {"recipe": wild}
        return original(trainees, **settings)

    monkeypatch.setattr(pipeline, "fit_full", fails_on_sums)
    line = refuses("fit", mix, news=True)
    assert "task 'sums'" in line and "the other specialists are kept" in line
    run = mix.parent / "runs" / "mix"
    kept = {name for name in TASKS if (run / "specialists" / name / FILE).is_file()}
    assert kept == TASKS.keys() - {"sums"}
