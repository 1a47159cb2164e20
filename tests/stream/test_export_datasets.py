"""Export to datasets: its script, run as a user would, and bytes that do not depend on the process."""

from __future__ import annotations

import json
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from export_jobs import KINDS, NAMES, job, planned, written

from mishran.errors import ArtifactError
from mishran.stream.export.hf_datasets import HfDatasets

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_the_plan_in_its_order(tmp_path, kind):
    made = job(kind)
    folder = written("datasets", made, tmp_path / "out")
    assert HfDatasets().count(made, folder) == planned(made)
    data = runpy.run_path(str(folder / "load.py"))["load"]()
    assert data.to_list() == list(made.in_order())


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_out_as_far_as_was_said(tmp_path, kind):
    made = job(kind, config_only=True, rows=400)
    folder = written("datasets", made, tmp_path / "out")
    script = runpy.run_path(str(folder / "load.py"))
    assert list(script["TASKS"]) == list(NAMES[:2]) and not list(folder.rglob("zero*"))
    said = HfDatasets().predict(made)
    assert not said.exact
    spread = math.sqrt(280 * 120 / 400)
    assert f"within about {2 * spread:,.0f} rows" in said.note
    for seed in (3, 4, 5):
        data = script["load"](seed)
        assert len(data) == 400
        tasks = data["task"]
        found = {name: tasks.count(name) for name in NAMES}
        for name, num in planned(made).items():
            assert abs(found[name] - num) < 5 * spread
        assert found["zero"] == 0
        # Inside an epoch of a task nothing is repeated, and nothing is left out.
        of = [i for t, i in zip(tasks, data["id"], strict=True) if t == NAMES[0]]
        assert all(len(set(of[i : i + 7])) == 7 for i in range(0, len(of) - 7, 7))


def test_one_task(tmp_path):
    made = job(config_only=True, weights=(0.0, 1.0, 0.0))
    folder = written("datasets", made, tmp_path / "out")
    data = runpy.run_path(str(folder / "load.py"))["load"]()
    assert set(data["task"]) == {"1e5"} and len(data) == made.plan.rows


def test_the_script_runs_by_itself(tmp_path):
    folder = written("datasets", job(), tmp_path / "a b")
    done = subprocess.run(
        [sys.executable, "load.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert "num_rows: 60" in done.stdout


def test_a_file_that_is_damaged(tmp_path):
    made = job()
    folder = written("datasets", made, tmp_path / "out")
    (folder / "data/train.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="expected a file that reads back"):
        HfDatasets().count(made, folder)


PROCESS = """
import json, sys
from pathlib import Path
from export_jobs import KINDS, digests, job, written
out = {}
for name in ("datasets", "llama-factory", "megatron"):
    for kind in KINDS:
        for config_only in (False, True):
            folder = Path(sys.argv[1]) / f"{name}-{kind}-{config_only}"
            out[folder.name] = digests(written(name, job(kind, config_only), folder))
print(json.dumps(out))
"""


def test_two_processes_give_equal_bytes(tmp_path):
    """With other hash seeds, in folders of other depths; of all exports that are tested beside this one."""
    found = []
    for seed, place in (("1", "x"), ("12345", "deeper/y")):
        paths = [HERE, HERE.parent / "tasks", HERE.parent / "train"]
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
        }
        done = subprocess.run(
            [sys.executable, "-c", PROCESS, str(tmp_path / place)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert len(found[0]) == 18 and all(found[0].values())
