"""What goes into a stage makes it stale, what does not leaves it alone; nobody mixes old with new."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from processes import cli
from tiny_project import (
    digests,
    make_project,
    rows,
    save_model,
    settings,
    write_mix,
    write_rows,
)

from mishran.errors import ModelError
from mishran.mixture import Mixture


@pytest.fixture
def run(fitted: Path) -> Path:
    return fitted.parent / "runs" / "mix"


def states(mishran, run: Path) -> dict[str, str]:
    return {s["stage"]: s["state"] for s in json.loads(mishran("status", run, "--json").out)}


def test_an_interrupted_fit_is_not_solved(fitted, run, mishran, refuses):
    """tasks.json has the new rows, the tables are of the old ones."""
    write_rows(fitted.parent / "data" / "sums.jsonl", rows("sums", train=20))
    wild = settings()["specialists"] | {"learning_rate": 1e30}
    write_mix(fitted.parent, settings() | {"specialists": wild})
    assert "lower specialists.learning_rate" in refuses("fit", fitted, news=True)
    before = digests(run)
    line = refuses("solve", run, "--t", "0.2")
    assert "expected measurements of the tasks as they are now" in line
    assert "found those from before task 'capitals', or how it is measured, changed" in line
    assert "(3 more tasks too)" in line and "mishran fit" in line and str(run) in line
    assert digests(run) == before
    assert "expected measurements of the tasks as they are now" in refuses("report", run)
    now = states(mishran, run)
    assert {n for n, s in now.items() if s == "stale"} == {
        "pool",
        *(f"specialists/{n}" for n in ("capitals", "capitals_hi", "sums", "turned")),
    }
    write_mix(fitted.parent, settings())
    assert mishran("fit", fitted, "-q").code == 0
    assert mishran("solve", run, "--t", "0.2").code == 0
    assert {t.name: t.available_rows for t in Mixture.read(run / "mixture.json").tasks}[
        "sums"
    ] == 20
    assert set(states(mishran, run).values()) == {"done"}


@pytest.mark.parametrize("where", ["specialists", "pool"])
def test_a_fit_under_way(fitted, run, mishran, refuses, monkeypatch, where):
    """One task changed, killed in the middle: status says which stages are to be made again."""
    import mishran.pipeline.fit as pipeline
    import mishran.pipeline.specialists as training

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    write_rows(fitted.parent / "data" / "sums.jsonl", rows("sums", train=20))
    if where == "specialists":
        monkeypatch.setattr(training, "fit_specialists", killed)
    else:
        monkeypatch.setattr(pipeline, "answer_pool", killed)
    assert mishran("fit", fitted, "-q").code not in (0, 2)
    expected = {"pool", "specialists/sums"} if where == "specialists" else {"pool"}
    assert {n for n, s in states(mishran, run).items() if s == "stale"} == expected
    line = refuses("solve", run)
    assert "task 'sums', or how it is measured, changed;" in line


def test_tasks_in_another_order_are_not_solved_before_the_fit(fitted, run, refuses, monkeypatch):
    import mishran.pipeline.fit as pipeline

    def killed(*args, **kwargs):
        raise OSError("no space")

    tasks = settings()["tasks"]
    write_mix(fitted.parent, settings() | {"tasks": [tasks[1], tasks[0], *tasks[2:]]})
    monkeypatch.setattr(pipeline, "answer_pool", killed)
    refuses("fit", fitted, "-q")
    line = refuses("solve", run)
    assert "changed" in line and "mishran fit" in line


# ---- what makes the report stale


MATRIX = "capitals,capitals_hi,sums,turned\n1,.5,.1,.2\n.5,1,.1,.2\n.1,.1,1,.3\n.2,.2,.3,1\n"


@pytest.fixture
def own_matrix(fitted: Path) -> dict:
    """The settings with a matrix of one's own: no table goes into its mixture."""
    (fitted.parent / "own.csv").write_text(MATRIX)
    mix = settings()
    mix["mixture"]["affinity"] = "own.csv"
    return mix


def test_the_page_counts_the_probes_as_they_are(fitted, run, mishran, own_matrix):
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    assert "20 probe examples of 5 tasks" in (run / "report.html").read_text()
    own_matrix["probes"]["per_task"] = 6
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    assert "30 probe examples of 5 tasks" in (run / "report.html").read_text()


def test_the_page_names_the_run_and_the_model(fitted, run, mishran):
    renamed = run.rename(run.with_name("other"))
    (fitted.parent / "model").rename(fitted.parent / "lama")
    write_mix(fitted.parent, settings() | {"run": "runs/other", "model": "lama"})
    said = mishran("fit", fitted)
    assert said.code == 0 and "training" not in said.err and "answering" not in said.err
    page = (renamed / "report.html").read_text()
    assert "<title>other" in page and "lama" in page
    assert {s for s in states(mishran, renamed).values()} == {"done"}


def test_tasks_in_another_order_over_a_matrix_of_ones_own(fitted, run, mishran, own_matrix):
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    first = Mixture.read(run / "mixture.json").weights
    tasks = own_matrix["tasks"]
    tasks[0], tasks[1] = tasks[1], tasks[0]
    own_matrix["mixture"]["replicas"] = 30  # a matrix has none
    write_mix(fitted.parent, own_matrix)
    assert mishran("fit", fitted, "-q").code == 0
    second = Mixture.read(run / "mixture.json").weights
    assert list(second) == ["capitals_hi", "capitals", "sums", "turned"]
    assert second == pytest.approx(first, abs=1e-9)
    assert mishran("solve", run, "--t", "0.2").code == 0


# ---- the base model


def test_a_model_folder_that_was_renamed(fitted, run, mishran):
    """The adapters keep the name that the folder had; no number depends on it."""
    config = run / "specialists" / "sums" / "adapter_config.json"
    assert json.loads(config.read_text())["base_model_name_or_path"] == "model"
    (fitted.parent / "models").mkdir()
    (fitted.parent / "model").rename(fitted.parent / "models" / "lama")
    write_rows(fitted.parent / "data" / "sums.jsonl", rows("sums", train=30))
    write_mix(fitted.parent, settings() | {"model": "models/lama/"})
    said = mishran("fit", fitted)
    assert said.code == 0 and "training specialists (400 tokens)" in said.err
    assert json.loads(config.read_text())["base_model_name_or_path"] == "lama"


def test_files_of_the_tokenizer_that_change_no_row(fitted, run, mishran):
    before = digests(run)
    path = fitted.parent / "model" / "tokenizer_config.json"
    data = json.loads(path.read_text()) | {"chat_template": "{{ messages }}"}
    path.write_text(json.dumps(data))
    (fitted.parent / "model" / "README.md").write_text("# a model\n")
    said = mishran("fit", fitted)
    assert said.code == 0 and said.err.count("(") == 1  # reading tasks (5)
    assert digests(run) == before


def test_the_pad_token_changes_no_number(fitted_once, tmp_path, mishran):
    """It is no part of the model's identity: padding is masked, to the last bit."""
    mix = make_project(tmp_path / "p", save_model(tmp_path / "m", pad=False))
    assert mishran("fit", mix, "-q").code == 0
    once, here = fitted_once.parent / "runs" / "mix", mix.parent / "runs" / "mix"
    first, second = digests(once), digests(here)
    assert first == second


def test_a_readme_beside_a_brought_adapter(fitted, run, mishran):
    (run / "specialists" / "sums").rename(fitted.parent / "mine")
    mix = settings()
    mix["tasks"][2]["adapter"] = "mine"
    write_mix(fitted.parent, mix)
    assert mishran("fit", fitted, "-q").code == 0
    before = digests(run)
    (fitted.parent / "mine" / "README.md").write_text("# mine\n")
    said = mishran("fit", fitted, "--plan", "--json")
    assert [s["todo"] for s in json.loads(said.out)["stages"]] == [0, 0, 0]
    assert mishran("fit", fitted, "-q").code == 0 and digests(run) == before


def hub_commit(cache: Path, model: Path, commit: str) -> None:
    """A commit of org/tiny in a cache of huggingface_hub, and `main` on it."""
    folder = cache / "models--org--tiny"
    shutil.copytree(model, folder / "snapshots" / commit)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)


@pytest.mark.full  # three processes: forty seconds
def test_a_hub_model_whose_branch_moved(tmp_path, tiny_model, monkeypatch):
    """Old specialists are not mixed with new weights; nothing here opens a connection."""
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    mix = make_project(tmp_path / "p", tiny_model)
    write_mix(mix.parent, settings() | {"model": "org/tiny"})
    hub_commit(tmp_path / "hub", tiny_model, "a" * 40)
    fit = ["fit", "mix.yaml", "--online"]
    said = cli(fit, mix.parent)
    assert said.code == 0 and "training specialists (1,600 tokens)" in said.err, said
    config = mix.parent / "runs" / "mix" / "specialists" / "sums" / "adapter_config.json"
    assert json.loads(config.read_text())["base_model_name_or_path"] == "org/tiny"
    moved = shutil.copytree(tiny_model, tmp_path / "moved")
    weights = load_file(moved / "model.safetensors")
    scaled = {k: 1.5 * v for k, v in weights.items()}
    save_file(scaled, moved / "model.safetensors", metadata={"format": "pt"})
    hub_commit(tmp_path / "hub", moved, "b" * 40)
    plan = cli([*fit, "--plan", "--json"], mix.parent)
    assert [s["todo"] for s in json.loads(plan.out)["stages"]] == [4, 5, 3]
    pinned = yaml.safe_load(mix.read_text()) | {"revision": "a" * 40}
    write_mix(mix.parent, pinned)
    plan = cli([*fit, "--plan", "--json"], mix.parent)
    assert [s["todo"] for s in json.loads(plan.out)["stages"]] == [0, 0, 0]


def test_a_hub_model_that_is_not_there(tmp_path, monkeypatch):
    from huggingface_hub import constants

    from mishran.train.models import model_content

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        model_content("org/nothing", tmp_path, "v2")
    assert "org/nothing: expected a model of the hub in the cache" in str(caught.value)
    assert "no config.json of revision v2" in str(caught.value)


# ---- what a mixture was computed from


def test_inputs_of_a_mixture(fitted, run, mishran):
    mixture = Mixture.read(run / "mixture.json")
    files = {n: d for n, d in mixture.inputs.items() if "." in n}
    assert set(files) == {"affinity-jsd.npz", "divergence.npz"}
    assert files == {n: digests(run)[n] for n in files}
    tasks = {"task capitals", "task capitals_hi", "task sums", "task turned", "task exam"}
    assert set(mixture.inputs) - set(files) == {"model", *tasks}
    assert len(set(mixture.inputs.values())) == len(mixture.inputs) == 8
    before = (run / "mixture.json").read_bytes()
    assert mishran("solve", run, "--t", "0.6").code == 0
    assert (run / "mixture.json").read_bytes() == before
    write_rows(fitted.parent / "data" / "sums.jsonl", rows("sums", train=30))
    mix = settings()
    mix["mixture"] |= {"affinity": "pmi", "unary": {"kind": "utility"}, "t": None}
    write_mix(fitted.parent, mix)
    assert mishran("fit", fitted, "-q").code == 0
    after = Mixture.read(run / "mixture.json").inputs
    assert set(after) == {"affinity-pmi-mean.npz", "scores.parquet", "model", *tasks}
    same = {n for n in after if after[n] == mixture.inputs.get(n)}
    assert same == {"model", *tasks} - {"task sums"}


@pytest.mark.parametrize("argv", [["--affinity", "pmi-sum"], ["--utility", "--affinity", "pmi"]])
def test_solve_elsewhere_writes_nothing_into_the_run(fitted, run, mishran, tmp_path, argv):
    """An affinity that the run does not have yet is computed for the answer alone."""
    before = digests(run)
    out = tmp_path / "other.json"
    assert mishran("solve", run, *argv, "--out", out, "--json").code == 0
    assert digests(run) == before
    assert mishran("solve", run, *argv).code == 0
    assert Mixture.read(out) == Mixture.read(run / "mixture.json")
