"""`mishran solve`: few tasks, robust, several seeds, tasks left out, and why, as files and words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from mishran.explanation import Explanation
from mishran.mixture import Mixture

NAMES = [f"t{i}" for i in range(9)]


@pytest.fixture
def run(fitted: Path) -> Path:
    return fitted.parent / "runs" / "mix"


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    points = rng.dirichlet(np.full(5, 0.5), 9)
    roots = np.sqrt(points)
    roots[1] = roots[0]  # twins
    similar = roots @ roots.T
    path = tmp_path / "m.csv"
    lines = [",".join(NAMES), *(",".join(repr(float(x)) for x in row) for row in similar)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_at_most_three_tasks(matrix, mishran, tmp_path):
    out = tmp_path / "few.json"
    options = ("--max-tasks", 3, "--group", "g=t3,t4,t5", "--min-tasks", "g=2")
    said = mishran("solve", matrix, *options, "--least-share", 0.1, "--out", out)
    assert said.code == 0, said.err
    mixture = Mixture.read(out)
    chosen = [name for name, weight in mixture.weights.items() if weight > 0]
    assert len(chosen) == 3 and len(set(chosen) & {"t3", "t4", "t5"}) >= 2
    assert min(mixture.weights[name] for name in chosen) >= 0.1 - 1e-12
    assert mixture.selection is not None and mixture.selection.proven
    assert list(mixture.selection.chosen) == chosen
    assert not set(mixture.certificate.upper) - set(chosen)
    assert "3 were chosen" in said.out
    assert "cap of" not in said.out  # what was not chosen is no cap of anybody's


def test_names_of_a_matrix_may_hold_signs(tmp_path, mishran):
    path = tmp_path / "odd.csv"
    path.write_text("a b,c=d,e\n1,0.5,0.1\n0.5,1,0.1\n0.1,0.1,1\n")
    options = ("--floor", "c=d=0.6", "--limit", 'x: 2*"a b" >= 0.5')
    said = mishran("solve", path, *options, "--json")
    assert said.code == 0, said.err
    weights = {task["name"]: task["weight"] for task in json.loads(said.out)["tasks"]}
    assert weights["c=d"] >= 0.6 - 1e-12 and weights["a b"] >= 0.25 - 1e-12


def test_a_run_keeps_the_limit_until_it_is_taken_away(run, mishran):
    said = mishran("solve", run, "--max-tasks", 2, "--json")
    assert said.code == 0, said.err
    assert sum(t["weight"] > 0 for t in json.loads(said.out)["tasks"]) == 2
    mixture = Mixture.read(run / "mixture.json")
    assert mixture.selection is not None
    assert mishran("solve", run, "--max-tasks", 0).code == 0
    assert Mixture.read(run / "mixture.json").selection is None


def test_robust_mixtures_regret_less(run, mishran, tmp_path):
    for mode in ("worst", "mean-variance"):
        out = tmp_path / f"{mode}.json"
        said = mishran("solve", run, "--robust", mode, "--out", out)
        assert said.code == 0, said.err
        mixture = Mixture.read(out)
        assert mixture.method == f"taskpgm-robust-{mode}"
        assert mixture.robust is not None
        assert mixture.robust.objective <= mixture.robust.plain_objective
        assert mixture.robust.relative_gap <= 1e-6
        assert all(task.low is None for task in mixture.tasks)
    assert mishran("solve", run, "--robust", "off", "--out", out).code == 0
    assert Mixture.read(out).robust is None


def test_a_report_of_a_bare_matrix(matrix, mishran, tmp_path):
    page, out = tmp_path / "page.html", tmp_path / "free.json"
    assert mishran("solve", matrix, "--out", out).code == 0
    weights = Mixture.read(out).weights
    top = max(weights, key=lambda name: weights[name])
    said = mishran("solve", matrix, "--cap", f"{top}=0.05", "--html", page)
    assert said.code == 0, said.err
    words = f"{top} cap of 5 % costs"
    assert words in " ".join(said.out.split())
    html = " ".join(page.read_text(encoding="utf-8").split())
    assert words in html and f"without it {top} would get" in html


def test_what_explains_a_run_is_a_file_of_it(run, mishran):
    assert mishran("solve", run, "--t", 0.6, "--floor", "hindi=0.5").code == 0
    why = Explanation.read(run / "explanation.json")
    assert [price.name for price in why.prices] == ["hindi"]
    price = why.prices[0]
    assert price.kind == "floor" and price.cost > 0 and price.without < 0.5
    assert price.sentence.startswith("the hindi floor of 50 % costs ")
    assert {w.name for w in why.without} == set(Mixture.read(run / "mixture.json").weights)
    assert why.path is not None and why.path.t[0] == 0 and 1.0 in why.path.t
    assert why.map is not None and why.ties is not None
    assert mishran("solve", run, "--floor", "hindi=0").code == 0
    assert Explanation.read(run / "explanation.json").prices == ()


def test_no_explain_says_nothing_of_it(matrix, mishran):
    said = mishran("solve", matrix, "--no-explain")
    assert said.code == 0 and "Cluster" not in said.out
    assert "Cluster" in mishran("solve", matrix).out


def test_what_a_pair_moves_and_dp_du(matrix, mishran, tmp_path):
    """Both against solving again."""
    table, out = tmp_path / "dpdu.csv", tmp_path / "base.json"
    options = ("--t", 0.9, "--no-explain")
    names = NAMES
    rows = np.loadtxt(matrix, delimiter=",", skiprows=1) + 0.3 * np.eye(9)  # no repair needed
    lines = [",".join(names), *(",".join(repr(float(x)) for x in row) for row in rows)]
    matrix.write_text("\n".join(lines) + "\n")
    said = mishran("solve", matrix, *options, "--pair", "t3,t5", "--sensitivity", table, "--json")
    assert said.code == 0, said.err
    effect = json.loads(said.out)["pair"]

    def solved(similar: np.ndarray, *more: object) -> np.ndarray:
        file = tmp_path / "changed.csv"
        lines = [",".join(names), *(",".join(repr(float(x)) for x in row) for row in similar)]
        file.write_text("\n".join(lines) + "\n")
        assert mishran("solve", file, *options, *more, "--out", out).code == 0
        return np.array(list(Mixture.read(out).weights.values()))

    changed = rows.copy()
    changed[3, 5] += 1e-5
    changed[5, 3] += 1e-5
    change = (solved(changed) - solved(rows)) / 1e-5 * 0.01
    assert np.abs(change - np.array(list(effect["changes"].values()))).max() <= 1e-5
    assert effect["moved"] == pytest.approx(np.abs(change).sum() / 2, abs=1e-5)
    head, *lines = table.read_text().splitlines()
    assert head.split(",")[1:] == names
    response = np.array([[float(x) for x in line.split(",")[1:]] for line in lines])
    assert np.abs(response.sum(axis=0)).max() <= 1e-9 and np.abs(response - response.T).max() < 1e-9
    assert "0.01 more alike" in mishran("solve", matrix, *options, "--pair", "t3,t5").out


def test_matrices_of_several_seeds_give_intervals(matrix, refuses, mishran, tmp_path):
    rng = np.random.default_rng(1)
    rows = np.loadtxt(matrix, delimiter=",", skiprows=1)
    others = []
    for seed in (2, 3):
        noise = rng.normal(size=rows.shape) * 0.005
        file = tmp_path / f"seed{seed}.csv"
        similar = rows + (noise + noise.T) / 2
        lines = [",".join(NAMES), *(",".join(repr(float(x)) for x in row) for row in similar)]
        file.write_text("\n".join(lines) + "\n")
        others += ["--seed-run", file]
    out = tmp_path / "mean.json"
    assert mishran("solve", matrix, *others, "--t", "0.6", "--out", out).code == 0
    mixture = Mixture.read(out)
    assert all(t.low is not None and t.low <= t.weight <= t.high for t in mixture.tasks)
    assert set(mixture.inputs) == {"m.csv", "seed2.csv of seed 2", "seed3.csv of seed 3"}
    assert "other matrices, each once" in refuses("solve", matrix, "--seed-run", matrix)


def test_a_start_changes_nothing(matrix, mishran, tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    assert mishran("solve", matrix, "--t", 0.2, "--out", first).code == 0
    assert mishran("solve", matrix, "--out", second).code == 0
    third = tmp_path / "c.json"
    assert mishran("solve", matrix, "--start", first, "--out", third).code == 0
    a, b = Mixture.read(second), Mixture.read(third)
    assert all(abs(a.weights[n] - b.weights[n]) <= 1e-12 for n in NAMES)


def test_tasks_left_out(matrix, mishran, tmp_path):
    out = tmp_path / "fewer.json"
    said = mishran("solve", matrix, "--without", "t1", "--without", "t8", "--out", out, "--t", 0)
    assert said.code == 0, said.err
    weights = Mixture.read(out).weights
    assert list(weights) == [n for n in NAMES if n not in ("t1", "t8")]
    whole = tmp_path / "whole.json"
    assert mishran("solve", matrix, "--cap", "t8=0", "--out", whole, "--t", 0).code == 0
    both = Mixture.read(whole).weights
    assert weights["t0"] == pytest.approx(both["t0"] + both["t1"], abs=1e-9)  # twins at t = 0


def test_several_seeds_of_specialists(project, mishran, tmp_path):
    """Two runs that differ in the seed of training alone; the mean and wider intervals."""
    folder = project.parent
    settings = yaml.safe_load(project.read_text())
    runs = []
    for seed in (0, 1):
        settings["specialists"]["seed"] = seed
        config = folder / f"mix{seed}.yaml"
        config.write_text(yaml.safe_dump(settings, allow_unicode=True))
        assert mishran("fit", config).code == 0
        runs.append(folder / "runs" / f"mix{seed}")
    if not runs[0].exists():
        runs = sorted((folder / "runs").iterdir())
    out = tmp_path / "two.json"
    said = mishran("solve", runs[0], "--seed-run", runs[1], "--out", out)
    assert said.code == 0, said.err
    mixture = Mixture.read(out)
    assert "divergence.npz of seed 2" in mixture.inputs
    tables = [np.load(run / "affinity-jsd.npz")["matrix"] for run in runs]
    assert np.abs(tables[0] - tables[1]).max() > 1e-6  # the seed did something
    one = tmp_path / "one.json"
    assert mishran("solve", runs[0], "--out", one).code == 0
    width = {m: sum(t.high - t.low for t in Mixture.read(m).tasks) for m in (out, one)}
    assert width[out] > width[one]


@pytest.mark.parametrize(
    "options, words",
    [
        (("--without", "t1"), r"--without with a bare matrix only.*write --cap t1=0"),
        (("--seed-run", "other"), r"--out or --html beside --seed-run"),
        (("--robust", "best"), r"robust"),
        (("--max-tasks", "-1"), r"max_tasks"),
        (("--min-tasks", "hindi=1"), r"max_tasks beside min_tasks, found none; add max_tasks: 12"),
        (("--min-tasks", "hindi=1.5"), r"a whole number, found 1.5; write hindi=2"),
        (("--least-share", "0.1"), r"max_tasks beside least_share, found none"),
        (("--kappa", "2"), r"robust: mean-variance beside kappa, found none"),
        (("--html", "x.html", "--no-explain"), r"--html with its explanation"),
    ],
)
def test_refused_on_a_run(run, refuses, options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import re

    assert re.search(words, refuses("solve", run, *options))


@pytest.mark.parametrize(
    "options, words",
    [
        (("--seed-run", "other"), "no such file"),
        (("--pair", "t1"), "--pair: expected TASK,TASK, found 't1'"),
        (("--pair", "t1,t1"), "two different tasks, found 't1' twice"),
        (("--pair", "t1,tt2"), "did you mean 't2'?"),
        (
            ("--pair", "t1,t2", "--solution", "paper-clip", "--ridge", "0.1"),
            "an exact mixture beside --pair",
        ),
        (("--sensitivity", "."), "a file to write the sensitivity to, found a folder"),
        (("--start", "none.json"), "no such file"),
        (("--start", "m.csv"), "give a mixture.json, or another file that --out wrote"),
        (("--without", "tt1"), "did you mean 't1'?"),
        (("--robust", "worst"), "a bare matrix has none"),
        (("--html", "."), "a file to write the report to, found a folder"),
        (("--max-tasks", "3", "--group", "g=t3,t4", "--min-tasks", "g=3"), "mixture.min_tasks.g"),
        (("--max-tasks", "3", "--min-tasks", "h=1"), "of which there is none, found 'h'; define"),
        (("--out", "x", "--html", "./x"), "--out: expected a file of its own for everything"),
        (("--sensitivity", "x", "--html", "x"), "x twice; give one of them another name"),
        (("more",), "found unexpected extra argument"),
    ],
)
def test_refused_on_a_matrix(matrix, refuses, options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refuses("solve", matrix, *options)


def test_a_seed_run_of_other_probes_is_refused(run, refuses, mishran, project, tmp_path):
    out = tmp_path / "x.json"
    said = refuses("solve", run, "--seed-run", run, "--out", out)
    assert "other runs, each once" in said
    shutil.copytree(run, tmp_path / "copy")
    said = refuses("solve", run, "--seed-run", tmp_path / "copy", "--out", out)
    assert "other runs, each once" in said and "which measured the same" in said
    settings = yaml.safe_load(project.read_text())
    settings["seed"] = 7
    other = project.parent / "other.yaml"
    other.write_text(yaml.safe_dump(settings, allow_unicode=True))
    assert mishran("fit", other).code == 0
    said = refuses("solve", run, "--seed-run", project.parent / "runs" / "other", "--out", out)
    assert "a run with the same model, tasks and probes" in said
