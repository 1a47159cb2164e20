"""Predictions of trainings: what is compared with what, and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mishran.evaluate.predictions import Predictions, Said
from mishran.evaluate.ranks import Agreement, advantage, agreement


@pytest.fixture
def made() -> Predictions:
    """Of eight mixtures: a perfect prediction, one of the first group only, and one of no task."""
    rng = np.random.default_rng(0)
    tasks = {name: rng.standard_normal(8) for name in ("a", "b", "other")}
    groups = {"mixed": (tasks["a"] + tasks["b"]) / 2, "others": tasks["other"]}
    noisy = {name: tasks[name] + rng.standard_normal(8) for name in ("a", "b")}
    return Predictions(
        names=("a", "b"),
        weights=rng.dirichlet([1, 1], 8),
        trained=Said(groups, tasks),
        predicted={
            "tested": Said({g: 2 * v + 1 for g, v in groups.items()}, tasks),
            "curves": Said({"mixed": (noisy["a"] + noisy["b"]) / 2}, noisy),
            "guess": Said(dict.fromkeys(groups, rng.standard_normal(8)), {}),
        },
        scales={"tested": 1.0},
        failed=("mixture 8, seed 0: out of memory",),
    )


def test_every_prediction_is_compared_with_what_was_trained(made):
    true = made.trained
    assert made.agreement("tested", "mixed").rho == pytest.approx(1.0)
    curves = made.predicted["curves"]
    assert made.agreement("curves", "mixed") == agreement(
        curves.groups["mixed"], true.groups["mixed"]
    )
    assert made.task_agreements("curves") == {
        name: agreement(curves.tasks[name], true.tasks[name]) for name in ("a", "b")
    }
    assert made.task_agreements("guess") == {}
    found = made.advantage("tested", "curves", "mixed")
    first = made.predicted["tested"].groups["mixed"]
    assert found == advantage(first, curves.groups["mixed"], true.groups["mixed"])
    assert found.rho > 0


def test_as_json(made):
    """Only those that are tested have a scale and advantages, over whoever speaks of the group."""
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert data["failed"] == ["mixture 8, seed 0: out of memory"] and data["names"] == ["a", "b"]
    np.testing.assert_array_equal(data["weights"], made.weights)
    np.testing.assert_array_equal(data["trained"]["tasks"]["other"], made.trained.tasks["other"])
    tested, curves = data["predicted"]["tested"], data["predicted"]["curves"]
    assert tested["scale"] == 1.0 and {k: {*v} for k, v in tested["advantage"].items()} == {
        "mixed": {"curves", "guess"},
        "others": {"guess"},
    }
    assert not {"scale", "advantage"} & curves.keys()
    assert Agreement(**curves["agreement"]["mixed"]) == made.agreement("curves", "mixed")
    assert {*curves["agreement_by_task"]} == {"a", "b"}
