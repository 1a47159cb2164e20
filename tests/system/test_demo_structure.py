"""`mishran demo`, as a person runs it: what was planted in the tasks is in the files of the run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from processes import cli

from mishran.pipeline.demo import alike
from mishran.tasks.builtin import BUILTIN, CROSS_LANGUAGE, OUTLIER, RANDOM, TWINS


def check_structure(run: Path) -> None:
    """Twins, one skill in two languages, outlier and random answers, read from a finished run."""
    with np.load(run / "affinity-jsd.npz", allow_pickle=False) as data:
        names, similarity = [str(name) for name in data["names"]], data["matrix"]
    assert set(names) == set(BUILTIN)
    index = {name: i for i, name in enumerate(names)}
    distance = 1 - similarity + np.diag(np.full(len(names), np.inf))

    mixture = json.loads((run / "mixture.json").read_text())
    weight = {task["name"]: task["weight"] for task in mixture["tasks"]}
    for one, twin in (TWINS, TWINS[::-1]):
        assert names[int(distance[index[one]].argmin())] == twin
    assert alike(*(weight[name] for name in TWINS)), [weight[name] for name in TWINS]

    pair = distance[index[CROSS_LANGUAGE[0]], index[CROSS_LANGUAGE[1]]]
    assert pair < np.median(distance[np.triu_indices(len(names), 1)])

    assert names[int(similarity.sum(axis=1).argmin())] == OUTLIER

    evidence = {
        name: json.loads((run / "specialists" / name / "evidence.json").read_text())
        for name in names
    }
    assert all(found["gain"]["low"] > 0 for found in evidence.values()), "nothing was learned"
    flagged = [name for name in names if evidence[name]["prompt"]["low"] <= 0]
    assert RANDOM in flagged and len(flagged) <= 3, (
        flagged
    )  # some tasks are beyond so small a model
    assert evidence[RANDOM]["prompt"]["high"] >= 0


def run_demo(folder: Path, seed: int) -> None:
    said = cli(
        ["demo", "--folder", str(folder), "--seed", str(seed), "--quiet", "--json"],
        folder.parent,
        timeout=600,
    )
    assert said.code == 0, said
    found = {p["name"]: p["found"] for p in json.loads(said.out)["planted"]}
    assert len(found) == 4 and all(found.values()), said.out
    check_structure(folder / "runs" / "mix")


@pytest.mark.full  # a minute each; `.ci/run` looks at what the demo itself says it found
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_the_demo_finds_what_was_planted(tmp_path, seed):
    run_demo(tmp_path / "demo", seed)
