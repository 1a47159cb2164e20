"""What is measured beside the tables when asked for: files that read back, affinities from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_project import digests, rows, settings, write_mix, write_rows

from mishran.mixture import Mixture
from mishran.pipeline.tables import read_affinity, read_gradients, read_npz

TRAINED = ["capitals", "capitals_hi", "sums", "turned"]
PROBES = {"per_task": 4, "gradients": True, "embeddings": True, "distributions": 20}


@pytest.fixture
def run(fitted: Path) -> Path:
    return fitted.parent / "runs" / "mix"


@pytest.fixture
def with_extras(fitted: Path, mishran) -> Path:
    write_mix(fitted.parent, settings() | {"probes": PROBES})
    said = mishran("fit", fitted)
    assert said.code == 0 and "training" not in said.err and "answering" not in said.err
    return fitted


def test_the_files_hold_all_probes_and_everybody(with_extras, run, mishran) -> None:
    scores = pq.read_table(run / "scores.parquet").to_pydict()
    probes = list(
        dict.fromkeys(zip(scores["task"], scores["example"], strict=True))
    )  # of all specialists, each once
    for name in ("gradients", "embeddings", "distributions"):
        data = read_npz(run / f"{name}.npz")
        assert list(zip(data["probe_task"], data["probe_id"], strict=True)) == probes
        assert data["tasks"].tolist() == TRAINED
    assert read_gradients(run / "gradients.npz").gradients.shape == (len(probes), 4096)
    assert read_npz(run / "embeddings.npz")["states"].shape[0] == len(probes)
    sample = read_npz(run / "distributions.npz")
    assert sample["specialists"].tolist() == TRAINED
    assert sample["tail"].shape == (4, 20) and len(sample["offsets"]) == 21
    sums = np.add.reduceat(sample["probs"], sample["offsets"][:-1], axis=1) + sample["tail"]
    np.testing.assert_allclose(sums, 1.0, atol=1e-5)
    before = digests(run)
    said = mishran("fit", with_extras)
    assert said.code == 0 and "measuring" not in said.err
    assert digests(run) == before


@pytest.mark.parametrize("variant", ["kernel", "cosine", "centred"])
def test_an_affinity_of_gradients_is_solved_like_any_other(
    with_extras, run, mishran, tmp_path, variant
) -> None:
    out = tmp_path / "other.json"
    assert mishran("solve", run, "--affinity", f"gradient-{variant}", "--out", out).code == 0
    made = Mixture.read(out)
    assert made.affinity == f"gradient-{variant}" and made.certificate.relative_gap < 1e-9
    assert "gradients.npz" in made.inputs and "divergence.npz" not in made.inputs


def test_fit_measures_what_its_affinity_needs(project, mishran) -> None:
    mix = settings()
    mix["mixture"]["affinity"] = "gradient-kernel"
    write_mix(project.parent, mix)
    assert mishran("fit", project, "-q").code == 0
    run = project.parent / "runs" / "mix"
    assert read_affinity(run / "affinity-gradient-kernel.npz").names == tuple(TRAINED)
    page = (run / "report.html").read_text()
    assert "no specialist asked" in page


def test_a_run_without_gradients_says_how_to_get_them(fitted, run, refuses) -> None:
    line = refuses("solve", run, "--affinity", "gradient-kernel")
    assert "expected a run that measured gradients.npz, found no gradients in it" in line
    assert "set probes: {gradients: true} in the configuration" in line


def test_gradients_from_before_a_task_changed_are_refused(
    with_extras, run, mishran, refuses
) -> None:
    write_rows(with_extras.parent / "data" / "sums.jsonl", rows("sums", train=20))
    write_mix(with_extras.parent, settings())
    assert mishran("fit", with_extras, "-q").code == 0
    line = refuses("solve", run, "--affinity", "gradient-kernel")
    assert "found measurements from before a task changed" in line
