"""`mixture.method` and `mishran solve RUN --method`: any method makes the run's mixture, rows and page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_project import digests, settings, write_mix

from mishran.methods import canonical, parse
from mishran.mixture import Mixture
from mishran.pipeline.evidence import evidence_of
from mishran.run import Run

SIZE = {"budget": {"rows": 100}, "replicas": 20}


def with_method(fitted: Path, method: str, **mixture: object) -> Path:
    return write_mix(fitted.parent, settings() | {"mixture": {"method": method, **SIZE, **mixture}})


def test_fit_by_learning_curves_and_back(fitted, mishran):
    run = Run(fitted.parent / "runs" / "mix")
    assert run.path("explanation.json").exists()
    with_method(fitted, "curves:floor=0.40", caps={"sums": 0.3})
    said = mishran("fit", fitted)
    assert said.code == 0 and "training" not in said.err and "answering" not in said.err
    mixture = Mixture.read(run.path("mixture.json"))
    method = parse("curves:floor=0.4")
    found = method.solve(evidence_of(run, method.needs))
    np.testing.assert_allclose(list(mixture.weights.values()), found.weights, atol=1e-12)
    assert mixture.method == "curves:floor=0.4" and mixture.source.startswith("Mishran")
    assert min(mixture.weights.values()) >= 0.1 - 1e-9 and mixture.weights["sums"] <= 0.3 + 1e-9
    assert mixture.energy is None and mixture.unique is None and mixture.objective > 0
    assert mixture.certificate.scale == 1.0 and mixture.certificate.relative_gap <= 1e-9
    assert sum(task.rows for task in mixture.tasks) == 100 and mixture.replicas == 20
    low, high = mixture.interval("turned")
    assert 0.1 - 1e-9 <= low <= high
    assert mixture.parameters["caps"] == {"sums": 0.3}
    assert "curves.parquet" in mixture.inputs and not run.path("explanation.json").exists()
    page = run.path("report.html").read_text()
    assert "Method curves:floor=0.4" in page and "Proved optimal" in page
    assert "an objective lower by" in page and "The dial t" not in page
    before = digests(run.root)
    assert mishran("fit", fitted).code == 0 and digests(run.root) == before
    write_mix(fitted.parent, settings())
    assert mishran("fit", fitted, "--quiet").code == 0
    assert Mixture.read(run.path("mixture.json")).energy is not None
    assert run.path("explanation.json").exists()


def test_a_budget_alone_is_spent_by_learning_curves(fitted, mishran):
    """Until something is asked for that the energy alone has."""
    run = Run(fitted.parent / "runs" / "mix")
    write_mix(fitted.parent, settings() | {"mixture": {"budget": {"rows": 100}}})
    assert mishran("fit", fitted).code == 0
    assert Mixture.read(run.path("mixture.json")).method == "curves:pool=0.5"
    assert mishran("solve", run.root, "--floor", "hindi=0.4").code == 0
    found = Mixture.read(run.path("mixture.json"))
    assert found.method == "curves:pool=0.5" and found.weights["capitals_hi"] >= 0.4 - 1e-9
    assert mishran("solve", run.root, "--t", "0.8").code == 0
    assert Mixture.read(run.path("mixture.json")).method == "taskpgm"


@pytest.mark.parametrize(
    ("spec", "proof"),
    [
        ("uniform", "Nothing to prove: this method is a rule"),
        ("smart:kind=log-det", "Nothing to prove"),
        ("mixmin:per=token", "Proved optimal"),
        ("taskpgm:t=1.5:affinity=pmi-mean", "Proved optimal"),
    ],
)
def test_other_methods_on_what_was_measured(spec, proof, fitted, mishran, tmp_path):
    run = fitted.parent / "runs" / "mix"
    before = digests(run)
    files = tmp_path / "other.json", tmp_path / "other.html"
    bounds = ["--floor", "hindi=0"]
    said = mishran("solve", run, "--method", spec, *bounds, "--out", files[0], "--html", files[1])
    assert said.code == 0, said
    assert digests(run) == before
    mixture = Mixture.read(files[0])
    assert mixture.method == canonical(parse(spec))
    assert (mixture.certificate is None) == proof.startswith("Nothing")
    assert proof in files[1].read_text() and "Diversity" not in files[1].read_text()
    said = json.loads(
        mishran("solve", run, "--method", spec, *bounds, "--json", "--out", files[0]).out
    )
    assert said["energy"] is None and said["method"] == mixture.method


def test_solve_replaces_the_runs_mixture_and_build_reads_it(fitted, mishran, tmp_path):
    run = fitted.parent / "runs" / "mix"
    assert mishran("solve", run, "--method", "curves:floor=0.2", "--tokens", "900").code == 0
    mixture = Mixture.read(run / "mixture.json")
    assert mixture.budget.tokens == 900
    assert mishran("status", run).code == 0 and mishran("report", run).code == 0
    said = mishran("build", run, "--out", tmp_path / "mixed", "--tokens", "900")
    assert said.code == 0, said
    assert mishran("solve", run, "--t", "0.5").code == 0
    assert Mixture.read(run / "mixture.json").parameters["t"] == 0.5


@pytest.mark.parametrize(
    ("mixture", "said"),
    [
        ({"method": "curvs"}, r"found 'curvs'; did you mean 'curves'"),
        ({"method": "capacity"}, "set probes: {distributions: 2048}"),
        ({"method": "smart:over=embeddings"}, "set probes: {embeddings: true}"),
        ({"method": "taskpgm:affinity=gradient-kernel"}, "set probes: {gradients: true}"),
        ({"method": "curves:transfer=fitted"}, "expected trials for the method"),
        ({"method": "curves", "budget": None}, "set mixture: {budget: {rows: 25000}}"),
        ({"method": "curves", "t": 0.6}, "no t beside another method than taskpgm"),
        ({"method": "uniform", "ridge": 0.1}, "no ridge beside another method"),
    ],
)
def test_refused_before_anything_is_measured(mixture, said, project, refuses):
    write_mix(project.parent, settings() | {"mixture": {**SIZE, **mixture}})
    assert said in refuses("fit", project).replace("\\", "")
    assert not (project.parent / "runs").exists()


def test_what_goes_with_an_energy_only(fitted, refuses, tmp_path):
    run = fitted.parent / "runs" / "mix"
    matrix = tmp_path / "m.csv"
    matrix.write_text("a,b\n1,0.5\n0.5,1\n")
    other = ["--method", "curves", "--out", tmp_path / "x.json"]
    assert "--method with a run directory" in refuses("solve", matrix, "--method", "curves")
    assert "an exact mixture beside --pair, found curves" in refuses(
        "solve", run, *other, "--pair", "sums,turned"
    )
    assert "the method taskpgm beside --seed-run" in refuses(
        "solve", run, *other, "--seed-run", run
    )
    assert "no t beside another method" in refuses("solve", run, *other, "--t", "0.5")
    assert "bounds that uniform satisfies" in refuses(
        "solve", run, "--method", "uniform", "--floor", "hindi=0.5"
    )
