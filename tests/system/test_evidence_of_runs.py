"""What methods are told of a run: its tables, its bounds, and no more than they asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_project import digests, settings, write_mix

from mishran.config import BudgetConfig, MixtureConfig
from mishran.errors import ArtifactError, ConfigError
from mishran.methods import parse
from mishran.mixture import Mixture
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import read_facts
from mishran.run import Run

NAMES = ("capitals", "capitals_hi", "sums", "turned")
PROBES = {"per_task": 4, "gradients": True, "embeddings": True, "distributions": 20}
MEASURED = ("scores", "curves", "affinity jsd", "affinity pmi-mean", "budget")


@pytest.fixture
def run(fitted_once: Path) -> Run:
    return Run(fitted_once.parent / "runs" / "mix")


def test_evidence_is_what_the_run_measured(run):
    before = digests(run.root)
    found = evidence_of(run, MEASURED)
    facts = [f for f in read_facts(run) if not f.eval_only]
    assert found.names == NAMES == tuple(f.name for f in facts)
    assert found.rows.tolist() == [f.train_rows for f in facts]
    assert found.mean_tokens.tolist() == [f.mean_tokens for f in facts]
    assert found.scores.specialists == NAMES and "exam" in found.scores.probe_task
    assert set(found.affinities) == {"jsd", "pmi-mean"}
    assert found.affinities["pmi-mean"].kind == "pmi-mean"
    assert found.budget.rows == 100 and found.replicas == 20
    assert digests(run.root) == before, "reading writes nothing"


def test_curves_hold_every_example_and_agree_with_the_table(run):
    for curve in evidence_of(run, ["curves"]).curves:
        kept = json.loads((run.root / f"specialists/{curve.task}/evidence.json").read_text())
        assert curve.tokens.tolist() == [p["tokens"] for p in kept["curve"]]
        assert curve.tokens[0] == 0.0 and curve.tokens[-1] == kept["train_tokens"]
        assert curve.examples.shape == (8, len(curve.tokens))
        np.testing.assert_allclose(curve.examples.mean(axis=0), curve.nats, rtol=1e-12)
        assert (curve.low <= curve.nats).all() and (curve.nats <= curve.high).all()
        base, last = curve.examples[:, 0], curve.examples[:, -1]
        assert (base - last).mean() == pytest.approx(kept["gain"]["mean"], rel=1e-12)


def test_nothing_is_read_that_nobody_asked_for(run, fitted):
    own = Run(fitted.parent / "runs" / "mix")
    for table in ("divergence.npz", "scores.parquet", "curves.parquet", "affinity-jsd.npz"):
        own.path(table).unlink()
    found = evidence_of(own, [])
    assert found.scores is None and found.curves is None and found.affinities == {}
    np.testing.assert_allclose(
        parse("uniform").solve(evidence_of(own, [], bounds=False)).weights, 0.25
    )
    for need in ("scores", "curves", "affinity jsd"):
        with pytest.raises(ArtifactError, match="as it was written, found no such file"):
            evidence_of(own, [need])


def test_the_method_of_the_run_gives_the_runs_mixture(run):
    method = parse("taskpgm:t=0.6")
    found = method.solve(evidence_of(run, method.needs))
    mixture = Mixture.read(run.path("mixture.json"))
    np.testing.assert_allclose(found.weights, list(mixture.weights.values()), atol=1e-12)
    low, high = found.intervals
    for i, task in enumerate(mixture.tasks):
        assert (task.low, task.high) == pytest.approx((low[i], high[i]), abs=1e-9)
    assert found.weights[1] >= 0.2 - 1e-12, "the floor of hindi"
    free = method.solve(evidence_of(run, method.needs, bounds=False))
    assert free.objective <= found.objective + 1e-12


@pytest.mark.parametrize("size", [{"rows": 60}, {"tokens": 1500}])
def test_epochs_and_quotas_bound_every_method_that_takes_bounds(run, size):
    epochs = 0.5
    wanted = MixtureConfig(
        budget=BudgetConfig(**size),
        max_epochs=epochs,
        quotas={"skills": {"unit": "tokens", "min": 0.4}},
        caps={"sums": 0.4},
        replicas=0,
    )
    for spec in ("taskpgm:t=2", "curves", "mixmin"):
        method = parse(spec)
        evidence = evidence_of(run, method.needs, wanted)
        p = method.solve(evidence).weights
        total = size.get("rows") or size["tokens"] / (p @ evidence.mean_tokens)
        assert (p * total <= epochs * evidence.rows + 1e-6).all()
        tokens = p * evidence.mean_tokens
        assert tokens[2:].sum() / tokens.sum() >= 0.4 - 1e-9 and p[2] <= 0.4 + 1e-9


def test_extras_are_found_where_they_were_measured(run, fitted, mishran):
    bare = evidence_of(
        run, ["distributions", "embeddings", "affinity gradient-kernel", "affinity x"]
    )
    assert bare.distributions is None and bare.embeddings is None and bare.affinities == {}
    assert evidence_of(run, ["affinity matrix"]).affinities == {}
    with pytest.raises(ConfigError, match=r"set probes: \{distributions: 2048\}"):
        parse("capacity").solve(bare)
    write_mix(fitted.parent, settings() | {"probes": PROBES})
    assert mishran("fit", fitted, "--quiet").code == 0
    own = Run(fitted.parent / "runs" / "mix")
    full = evidence_of(
        own, ["distributions", "embeddings", "affinity gradient-kernel"], bounds=False
    )
    assert full.affinities["gradient-kernel"].names == NAMES
    assert full.distributions.specialists == NAMES and len(full.distributions.task) == 20
    assert set(full.distributions.task) <= {*NAMES, "exam"}
    assert len(full.embeddings.task) == len(full.embeddings.states) == 4 * 5
    for spec in ("capacity", "smart:over=embeddings"):
        assert parse(spec).solve(full).weights.sum() == pytest.approx(1.0)
    path = own.manifest_path("distributions")
    manifest = json.loads(path.read_text())
    manifest["params"]["contents"]["sums"] = "other rows"
    path.write_text(json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    with pytest.raises(ArtifactError, match=r"set probes: \{distributions: 2048\} in the conf"):
        evidence_of(own, ["distributions"])


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ArtifactError, match="expected a run directory"):
        evidence_of(Run(tmp_path), [])
