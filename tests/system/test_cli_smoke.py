"""Every command on a tiny project: what it prints, what it writes, what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_project import digests, rows, settings, write_mix, write_rows

from mishran.config import read_config
from mishran.mixture import Mixture

COMMANDS = ["fit", "solve", "inspect", "status", "report", "clean", "demo"]
MATRIX = "a,b,c\n1,0.5,0.2\n0.5,1,0.1\n0.2,0.1,1\n"


def strict(text: str) -> Any:
    """One JSON value and nothing else; NaN and Infinity are no JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def times(run: Path) -> dict[str, int]:
    made = ("pool", "specialists", "manifests", "affinity", "scores", "divergence", "mixture")
    return {
        p.relative_to(run).as_posix(): p.stat().st_mtime_ns
        for p in run.rglob("*")
        if p.is_file() and p.relative_to(run).as_posix().startswith(made)
    }


@pytest.fixture
def run(fitted: Path) -> Path:
    return fitted.parent / "runs" / "mix"


@pytest.fixture
def only_read(fitted_once: Path) -> Path:
    return fitted_once.parent / "runs" / "mix"


# ---- help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(mishran, command):
    said = mishran(command, "--help")
    assert said.code == 0 and said.err == ""
    assert f"mishran {command}" in said.out.rsplit("Example", 1)[1]


def test_help_lists_every_command(mishran):
    for argv in ([], ["--help"]):
        said = mishran(*argv)
        assert said.code == 0
        for command in COMMANDS:
            assert f" {command} " in said.out


def test_version(mishran):
    from importlib.metadata import version

    assert mishran("--version").out == f"mishran {version('mishran')}\n"


# ---- fit


def test_fit_in_a_process_of_its_own(fitted_by_script):
    """The installed script: JSON alone on stdout, no word on stderr that is not progress."""
    _, said = fitted_by_script
    data = strict(said.out)
    assert [t["name"] for t in data["tasks"]]
    assert sum(t["weight"] for t in data["tasks"]) == pytest.approx(1.0)
    assert sum(t["rows"] for t in data["tasks"]) == 100
    for line in said.err.splitlines():
        assert line.startswith(("reading tasks (", "training specialists (", "answering probes ("))


def test_fit_writes_what_the_design_says(only_read):
    files = set(digests(only_read))
    for name in ("run.yaml", "tasks.json", "curves.parquet", "scores.parquet", "divergence.npz"):
        assert name in files
    for name in ("affinity-jsd.npz", "mixture.json", "report.html", "report.md", "path.npz"):
        assert name in files
    for task in ("capitals", "capitals_hi", "sums", "turned"):
        assert f"specialists/{task}/adapter_model.safetensors" in files
        assert f"specialists/{task}/adapter_config.json" in files
    assert "pool/exam.npz" in files and not any("specialists/exam" in f for f in files)


def test_fit_says_the_same_in_text_and_json(fitted, mishran):
    text = mishran("fit", fitted)
    assert text.code == 0
    for word in ("capitals_hi", "effective tasks", "mixture.json", "report.html"):
        assert word in text.out
    data = strict(mishran("fit", fitted, "--json", "-q").out)
    mixture = Mixture.read(fitted.parent / "runs" / "mix" / "mixture.json")
    assert {t["name"]: t["weight"] for t in data["tasks"]} == pytest.approx(mixture.weights)
    assert mixture.weights["capitals_hi"] >= 0.2 - 1e-12
    assert mixture.certificate.relative_gap <= 1e-9


def test_adapters_load_in_peft(only_read, tiny_model):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    PeftModel.from_pretrained(base, str(only_read / "specialists" / "sums"))


def test_resolved_configuration_reads_back(fitted_once, only_read):
    used = {"device": "cpu", "dtype": "float32", "max_tokens": 64}
    expected = read_config(fitted_once).model_copy(update=used)
    assert read_config(only_read / "run.yaml") == expected
    text = (only_read / "run.yaml").read_text()
    assert "# read by it. Paths are relative to the folder of the original file.\n" in text
    saved = yaml.safe_load(text)
    assert saved["specialists"]["warmup"] == 0.05 and saved["mixture"]["repair"] == "shift"


def test_what_the_file_left_open_is_written_down(project, mishran):
    """Fitting the resolved file in the original's place finds everything done."""
    for name in ("exam", "turned"):
        (project.parent / "data" / f"{name}.jsonl").unlink()
    project.write_text("model: model\ntasks: data\nspecialists: {rank: 1, epochs: 1}\n")
    assert mishran("fit", project, "-q").code == 0
    run = project.parent / "runs" / "mix"
    saved = yaml.safe_load((run / "run.yaml").read_text())
    assert [t["path"] for t in saved["tasks"]] == [
        f"data/{name}.jsonl" for name in ("capitals", "capitals_hi", "sums")
    ]
    assert saved["specialists"]["learning_rate"] > 0 and saved["specialists"]["tokens"] is None
    assert (saved["device"], saved["dtype"], saved["max_tokens"]) == ("cpu", "float32", 64)
    assert mishran("solve", run, "--t", "0.6").code == 0
    assert mishran("fit", project, "-q").code == 0
    again = project.with_name("again.yaml")
    again.write_text((run / "run.yaml").read_text())
    said = mishran("fit", again, "--run", run, "--plan", "--json")
    assert [s["todo"] for s in strict(said.out)["stages"]] == [0, 0, 0]


def test_a_second_fit_does_nothing(fitted, run, mishran):
    before = digests(run), times(run)
    said = mishran("fit", fitted)
    assert said.code == 0
    assert (digests(run), times(run)) == before
    assert "training" not in said.err and "answering" not in said.err


def test_plan_writes_nothing(project, mishran):
    said = mishran("fit", project, "--plan", "--json")
    plan = strict(said.out)
    stages = {s["stage"]: s for s in plan["stages"]}
    assert stages["specialists"]["todo"] == 4 and stages["pool"]["todo"] == 5
    assert stages["pool"]["sequences"] == 5 * 20
    assert plan["time_s"] > 0
    assert not (project.parent / "runs").exists()
    assert "4 of 4" in mishran("fit", project, "--plan").out


def test_a_small_part_of_an_epoch_is_planned_and_trained_as_a_row(project, mishran):
    recipe = {k: v for k, v in settings()["specialists"].items() if k != "tokens"}
    rows_of = {}
    for epochs in (1.0, 0.01):
        write_mix(project.parent, settings() | {"specialists": recipe | {"epochs": epochs}})
        plan = strict(mishran("fit", project, "--plan", "--json").out)
        rows_of[epochs] = plan["stages"][0]["sequences"]
    assert rows_of[1.0] - rows_of[0.01] == 4 * (40 - 1)
    assert mishran("fit", project, "-q").code == 0
    for path in project.parent.glob("runs/mix/specialists/*/evidence.json"):
        assert json.loads(path.read_text())["steps"] == 1


def test_plan_of_what_is_left(fitted, mishran):
    def todo() -> list[int]:
        return [s["todo"] for s in strict(mishran("fit", fitted, "--plan", "--json").out)["stages"]]

    assert todo() == [0, 0, 0]
    write_mix(fitted.parent, settings() | {"mixture": {"t": 0.1, "replicas": 20}})
    assert todo() == [0, 0, 2]
    write_mix(fitted.parent, settings() | {"probes": {"per_task": 6}})
    assert todo() == [0, 5, 3]
    write_mix(fitted.parent, settings() | {"seed": 3})
    assert todo() == [4, 5, 3]


def test_plan_after_a_fit_of_tasks_that_share_texts(project, mishran):
    """What they share is in tasks.json, and so in the report's key."""
    both = rows("sums")
    held = [{**r, "split": "train"} for r in both if r["split"] == "valid"]
    write_rows(project.parent / "data" / "turned.jsonl", [*rows("turned"), *both[:5], *held[:2]])
    assert mishran("fit", project, "-q").code == 0
    run = project.parent / "runs" / "mix"
    facts = {f["name"]: f for f in json.loads((run / "tasks.json").read_text())}
    assert facts["turned"]["leaks"] == {"sums": 2} and facts["sums"]["shared"] == {"turned": 7}
    plan = strict(mishran("fit", project, "--plan", "--json").out)
    assert [s["todo"] for s in plan["stages"]] == [0, 0, 0]


def test_a_new_t_trains_and_asks_nobody(fitted, run, mishran):
    before = times(run)
    mix = settings()
    mix["mixture"]["t"] = 0.3
    write_mix(fitted.parent, mix)
    said = mishran("fit", fitted)
    assert said.code == 0 and "training" not in said.err and "answering" not in said.err
    changed = {n for n, t in times(run).items() if before.get(n) != t}
    assert changed == {"manifests/mixture.json", "manifests/report.json", "mixture.json"}
    assert Mixture.read(run / "mixture.json").parameters["t"] == 0.3


def test_a_new_task_trains_one_specialist(fitted, run, mishran):
    before = {n: d for n, d in digests(run).items() if n.startswith("specialists/")}
    write_rows(fitted.parent / "data" / "more.jsonl", rows("sums", train=30))
    mix = settings()
    mix["tasks"].append({"name": "more", "path": "data/more.jsonl"})
    write_mix(fitted.parent, mix)
    plan = strict(mishran("fit", fitted, "--plan", "--json").out)
    assert [s["todo"] for s in plan["stages"]][:2] == [1, 6]
    said = mishran("fit", fitted)
    assert said.code == 0 and "training specialists (400 tokens)" in said.err
    after = {n: d for n, d in digests(run).items() if n.startswith("specialists/")}
    assert {n: after[n] for n in before} == before
    assert {n.split("/")[1] for n in set(after) - set(before)} == {"more"}
    assert set(Mixture.read(run / "mixture.json").weights) >= {"more", "sums"}


def test_a_task_with_an_adapter_of_its_own(fitted, mishran, tmp_path):
    (fitted.parent / "runs" / "mix" / "specialists" / "sums").rename(fitted.parent / "mine")
    mix = settings()
    mix["tasks"][2]["adapter"] = "mine"
    write_mix(fitted.parent, mix)
    said = mishran("fit", fitted, "--json")
    assert said.code == 0
    assert "training specialists" not in said.err


def test_a_run_directory_that_begins_with_a_tilde(fitted, mishran, monkeypatch):
    """Of no user: an ordinary name, for every library."""
    monkeypatch.chdir(fitted.parent)
    Path("runs/mix").rename("~nobody-at-all")
    assert mishran("solve", "~nobody-at-all", "--affinity", "pmi").code == 0


def test_a_folder_of_tasks_and_defaults(project, mishran):
    """The smallest file that works."""
    text = "model: model\ntasks: data\nspecialists: {tokens: 200, rank: 1}\n"
    for name in ("exam", "turned"):
        (project.parent / "data" / f"{name}.jsonl").unlink()
    project.write_text(text)
    assert mishran("fit", project, "-q").code == 0
    names = Mixture.read(project.parent / "runs" / "mix" / "mixture.json").weights
    assert list(names) == ["capitals", "capitals_hi", "sums"]


OTHERS: list[tuple[dict[str, Any], dict[str, Any]]] = [  # settings, and parameters that say so
    ({"affinity": "pmi"}, {"affinity": "pmi-mean", "t": 1.0}),
    (
        {"affinity": "pmi-base", "unary": {"kind": "utility", "targets": ["exam", "sums"]}},
        {"affinity": "pmi-base", "unary": "utility", "targets": ["exam", "sums"]},
    ),
    ({"unary": {"kind": "utility"}, "replicas": 20}, {"unary": "utility", "strength": 1.0}),
    (
        {"unary": {"kind": "target", "targets": ["sums"]}, "budget": {"tokens": 900}},
        {"unary": "target", "targets": ["sums"]},
    ),
    (
        {"effective_tasks": 3.8, "budget": {"rows": 120}, "max_epochs": 1.15, "replicas": 0},
        {"effective_tasks_wanted": 3.8, "side": "diverse", "max_epochs": 1.15},
    ),
    (
        {"effective_tasks": 3.5, "side": "central", "caps": {"sums": 0.3}, "replicas": 0},
        {"effective_tasks_wanted": 3.5, "side": "central", "caps": {"sums": 0.3}},
    ),
    ({"solution": "paper-project"}, {"unary": "coverage"}),
    (
        {"method": "taskpgm", "budget": {"rows": 100}, "max_epochs": 1e300, "replicas": 20},
        {"t": 1.0},
    ),
    ({"budget": {"tokens": 10**15}, "t": 1e6, "replicas": 20}, {"t": 1e6}),
    ({"floors": {"english": 0.7, "sums": 0.25}, "caps": {"turned": 0.1}, "t": 0}, {"t": 0.0}),
]


@pytest.mark.parametrize("case", range(len(OTHERS)))
def test_other_mixtures_from_the_same_measurements(fitted, mishran, case):
    """Every setting gives what it promises."""
    fields, parameters = OTHERS[case]
    write_mix(fitted.parent, settings() | {"mixture": fields})
    said = mishran("fit", fitted, "--json")
    assert said.code == 0 and "training" not in said.err
    mixture = Mixture.read(fitted.parent / "runs" / "mix" / "mixture.json")
    weights = mixture.weights
    assert {t["name"]: t["weight"] for t in strict(said.out)["tasks"]} == pytest.approx(weights)
    assert min(weights.values()) >= 0 and sum(weights.values()) == pytest.approx(1.0, abs=1e-12)
    assert mixture.certificate.relative_gap <= 1e-9
    assert {k: mixture.parameters[k] for k in parameters} == parameters
    exact = fields.get("solution", "exact") == "exact"
    assert mixture.method == ("taskpgm" if exact else "taskpgm-paper-project")
    for name in weights:
        found = mixture.interval(name)
        assert (found is None) == (not exact or fields.get("replicas") == 0)
        assert found is None or 0 <= found[0] <= found[1] <= 1
    members = {t.name: {t.name, *t.groups} for t in mixture.tasks}
    for bound, sign in (("floors", 1), ("caps", -1)):
        for group, share in fields.get(bound, {}).items():
            held = sum(w for name, w in weights.items() if group in members[name])
            assert sign * (held - share) >= -1e-9
    if "effective_tasks" in fields:
        assert mixture.effective_tasks == pytest.approx(fields["effective_tasks"], abs=1e-5)
        assert (mixture.parameters["t"] > 1) == (fields.get("side") == "central")
    if mixture.parameters["unary"] == "target":
        assert max(weights, key=lambda name: weights[name]) == "sums"
    check_budget(mixture, fields)


def check_budget(mixture: Mixture, fields: dict[str, Any]) -> None:
    budget = fields.get("budget")
    if budget is None:
        assert mixture.budget is None and {t.rows for t in mixture.tasks} == {None}
        return
    assert mixture.budget is not None
    total = mixture.budget.rows
    assert sum(t.rows or 0 for t in mixture.tasks) == total == budget.get("rows", total)
    for t in mixture.tasks:
        assert t.rows is not None and abs(t.rows - t.weight * total) <= 1
        assert t.epochs == t.rows / 40 and t.epochs <= fields.get("max_epochs", 1e300)
    if "tokens" in budget:
        one = sum(t.tokens or 0 for t in mixture.tasks) / total  # mean tokens of a row
        assert abs(one * total - budget["tokens"]) <= one


def test_a_matrix_of_ones_own(fitted, mishran):
    names = ["turned", "sums", "capitals_hi", "capitals"]
    grid = [[1.0 if i == j else 0.1 * (i + j) for j in range(4)] for i in range(4)]
    text = "\n".join([",".join(names), *(",".join(map(str, row)) for row in grid)])
    (fitted.parent / "own.csv").write_text(text + "\n")
    write_mix(fitted.parent, settings() | {"mixture": {"affinity": "own.csv"}})
    assert mishran("fit", fitted, "-q").code == 0
    run = fitted.parent / "runs" / "mix"
    assert Mixture.read(run / "mixture.json").affinity == "matrix"
    (fitted.parent / "own.csv").unlink()
    assert mishran("solve", run, "--t", "0.2").code == 0
    assert mishran("solve", run, "--affinity", "pmi").code == 0


# ---- solve


def test_solve_a_run_then_fit_restores_it(fitted, run, mishran):
    before = digests(run)
    said = mishran("solve", run, "--t", "0.2", "--floor", "skills=0.6", "--rows", "50", "--json")
    assert said.code == 0
    data = strict(said.out)
    weights = {t["name"]: t["weight"] for t in data["tasks"]}
    assert weights["sums"] + weights["turned"] >= 0.6 - 1e-9
    assert sum(t["rows"] for t in data["tasks"]) == 50
    assert Mixture.read(run / "mixture.json").parameters["t"] == 0.2
    assert digests(run) != before
    assert mishran("fit", fitted, "-q").code == 0
    assert digests(run) == before


def test_solve_elsewhere_leaves_the_run(fitted_once, only_read, mishran, tmp_path):
    before = digests(only_read)
    out = tmp_path / "sub" / "other.json"
    said = mishran("solve", only_read, "--effective-tasks", "3.5", "--out", out)
    assert said.code == 0 and "other.json" in said.out
    assert Mixture.read(out).effective_tasks == pytest.approx(3.5, abs=1e-5)
    assert digests(only_read) == before


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_text(MATRIX)
    return path


def test_solve_a_matrix(matrix, mishran):
    said = mishran("solve", matrix)
    assert said.code == 0 and said.err == ""
    assert all(f" {n} " in said.out for n in "abc")


@pytest.mark.parametrize(
    "argv",
    [
        ["--t", "0.6", "--group", "g=a,b", "--floor", "g=0.9", "--cap", "a=0.2"],
        ["--effective-tasks", "2.95"],
        ["--effective-tasks", "1.5", "--side", "central"],
        ["--solution", "paper-clip", "--t", "0"],
        ["--solution", "paper-project", "--t", "2.5"],
        ["--ridge", "0.1", "--repair", "nearest"],
    ],
)
def test_solve_a_matrix_with_options(matrix, mishran, tmp_path, argv):
    out = tmp_path / "o.json"
    said = mishran("solve", matrix, *argv, "--json", "--out", out)
    assert said.code == 0
    weights = {t["name"]: t["weight"] for t in strict(said.out)["tasks"]}
    assert sum(weights.values()) == pytest.approx(1.0)
    assert Mixture.read(out).weights == pytest.approx(weights)
    if "--floor" in argv:
        assert weights["a"] <= 0.2 + 1e-12 and weights["c"] <= 0.1 + 1e-12
    if "--effective-tasks" in argv:
        wished = float(argv[1])
        assert Mixture.read(out).effective_tasks == pytest.approx(wished, abs=1e-5)
    if "--solution" in argv:
        assert Mixture.read(out).method == f"taskpgm-{argv[1]}"


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a,b\n0,0\n0,0\n",
        "a,b\n1,1\n1,1\n",
        "a,b\n1e300,0\n0,1e300\n",
        "a,b\n1e-300,0\n0,1\n",
    ],
)
def test_odd_matrices_are_solved(matrix, mishran, text):
    matrix.write_text(text)
    assert mishran("solve", matrix).code == 0
    said = mishran("solve", matrix, "--json")
    assert said.code == 0
    assert sum(t["weight"] for t in strict(said.out)["tasks"]) == pytest.approx(1.0)


# ---- inspect, status, report, clean


def test_inspect(fitted_once, mishran):
    said = mishran("inspect", fitted_once)
    assert said.code == 0 and said.err == ""
    for word in ("capitals", "eval only", "कहाँ", "40 train", "12 valid"):
        assert word in said.out
    assert "│" in mishran("inspect", fitted_once, "--tokens", "--task", "sums", "--rows", "1").out
    data = strict(mishran("inspect", fitted_once, "--json", "--task", "capitals_hi").out)
    assert [t["name"] for t in data] == ["capitals_hi"]
    spans = data[0]["examples"][0]["spans"]
    assert any(s["is_answer"] for s in spans)


def test_inspect_draws_control_characters(project, mishran):
    """Data must not be able to write to the terminal."""
    records = [{**r, "input": f"\x1b]0;owned\x07 {r['input']}"} for r in rows("sums")]
    write_rows(project.parent / "data" / "sums.jsonl", records)
    said = mishran("inspect", project, "--task", "sums")
    assert said.code == 0 and "␛]0;owned␇" in said.out and "\x1b" not in said.out


def test_status(fitted, run, mishran):
    data = strict(mishran("status", run, "--json").out)
    assert {s["state"] for s in data} == {"done"}
    assert {"specialists/sums", "pool/exam", "pool", "affinity-jsd", "mixture", "report"} <= {
        s["stage"] for s in data
    }
    (run / "mixture.json").unlink()
    (run / "manifests" / "report.json").unlink()
    states = {s["stage"]: s["state"] for s in strict(mishran("status", run, "--json").out)}
    assert states["mixture"] == "damaged" and states["report"] == "missing"
    text = mishran("status", run).out
    assert "mishran fit" in text and "mixture.json is missing or changed" in text


def test_report(fitted, run, mishran):
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    said = mishran("report", run)
    assert said.code == 0 and "effective tasks" in said.out
    assert (run / "report.html").read_bytes() == page
    assert strict(mishran("report", run, "--json").out)["tasks"]


def test_report_of_a_mixture_that_was_changed(fitted, run, refuses):
    path = run / "mixture.json"
    path.write_text(path.read_text().replace('"weight": 0', '"weight": 1', 1))
    assert "mixture.json as it was written" in refuses("report", run)


def test_clean(fitted, run, mishran):
    before = digests(run)
    (run / ".tmp-12-specialists-sums").mkdir()
    (run / ".tmp-12-specialists-sums" / "half").write_text("x")
    assert "1 leftovers" in mishran("clean", run).out
    assert digests(run) == before
    assert mishran("clean", run, "--specialists", "--yes").code == 0
    assert not list(run.rglob("*.safetensors")) and (run / "mixture.json").exists()
    assert mishran("clean", run, "--all", "-y").code == 0
    assert not digests(run) and [p.name for p in run.iterdir()] == [".lock"]
    assert mishran("fit", fitted, "-q").code == 0
    assert set(digests(run)) == set(before)


def test_python(fitted, run):
    """The same nouns in Python."""
    import mishran as mx

    made = mx.fit(str(fitted))
    assert made.run.root == run
    assert made.mixture == Mixture.read(run / "mixture.json")
    low, high = made.mixture.interval("sums")
    assert low <= made.mixture.weights["sums"] <= high
