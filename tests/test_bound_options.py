"""--quota and --limit, read strictly; quotas and limits against the sizes of tasks."""

from __future__ import annotations

import numpy as np
import pytest

from mishran.affinity import matrix_affinity
from mishran.cli.bounds import limits, quotas
from mishran.config import MixtureConfig
from mishran.energy import Energy
from mishran.energy.constraints import Row
from mishran.errors import ConfigError, InfeasibleError
from mishran.pipeline.check import check_settings
from mishran.pipeline.facts import TaskFacts
from mishran.pipeline.mix import mix, solve
from mishran.pipeline.resolve import changed

FACTS = (
    TaskFacts("a", ("one",), False, 100, 10.0, {}),
    TaskFacts("b", ("one",), False, 50, 40.0, {}),
    TaskFacts("c", ("two",), False, 10, 200.0, {}),
    TaskFacts("d", ("three",), True, 0, 5.0, {}),
)
TOKENS = np.array([10.0, 40.0, 200.0])
AFFINITY = matrix_affinity("abc", np.array([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]]))

LIMIT_FORM = (
    "--limit: expected 'NAME: 3*TASK + 5*TASK <= 4', 'NAME: tokens <= 300' (>= too), or NAME: off, "
    "found {!r}; write it in this form"
)
QUOTA_FORM = (
    "--quota: expected NAME=SHARE, or 'NAME<=SHARE' for at most, found {!r}; write it in this form"
)


@pytest.mark.parametrize(
    ("text", "values", "end", "bound"),
    [
        ("cost: 3*a + 5*b <= 4", {"a": 3, "b": 5}, "max", 4),
        ("cost:3*a+5*b>=4", {"a": 3, "b": 5}, "min", 4),
        (" cost :  - a + .5 * x-_.1 - 2e-1*b >= -1e3 ", {"a": -1, "x-_.1": 0.5, "b": -0.2}, "min", -1e3),
        ("cost: a <= .5", {"a": 1}, "max", 0.5),
        ("cost: 2*3 + 4 <= 1", {"3": 2, "4": 1}, "max", 1),
        ("cost: 2*हिंदी <= 1", {"हिंदी": 2}, "max", 1),
        ('cost: 2*"a b" + "3*x" <= 1', {"a b": 2, "3*x": 1}, "max", 1),
        ("cost: tokens <= 300", "tokens", "max", 300),
        ("cost: 1*tokens <= 300", {"tokens": 1}, "max", 300),
    ],
)  # fmt: skip
def test_limits_as_they_are_written(text, values, end, bound):
    assert limits([text]) == {"cost": {"values": values, end: bound}}


def test_two_bounds_of_one_limit_and_off():
    assert limits(["k: a + b <= 4", "k: a + b >= 2", "j: off"]) == {
        "k": {"values": {"a": 1, "b": 1}, "max": 4, "min": 2},
        "j": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "cost 3*a <= 4",
        "cost: 3 a <= 4",
        "cost: 3*a 5*b <= 4",
        "cost: 3*a + <= 4",
        "cost: + a <= 4",
        "cost: a < 4",
        "cost: a = 4",
        "cost: a",
        "cost: 0 <= a <= 4",
        "cost: a*3 <= 4",
        "cost: 3**a <= 4",
        "cost: a + b/c <= 4",
        "cost: <= 4",
        ": a <= 4",
        "a b: a <= 4",
        "cost: a −b <= 4",
        "cost: 3*a + 5*b ≤ 4",
        "",
    ],
)
def test_limits_of_another_form(text):
    with pytest.raises(ConfigError) as caught:
        limits([text])
    assert str(caught.value) == " ".join(LIMIT_FORM.format(text).split())


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (
            ["cost: a + 2*a <= 4"],
            "'cost: a + 2*a <= 4': expected every task and bound once, found the task a twice; "
            "remove one of them",
        ),
        (
            ["cost: a <= 4", "cost: a <= 5"],
            "'cost: a <= 5': expected every task and bound once, found the maximum twice; remove "
            "one of them",
        ),
        (
            ["cost: off", "cost: a <= 5"],
            "'cost: a <= 5': expected every task and bound once, found the limit cost twice; "
            "remove one of them",
        ),
        (
            ["cost: a <= 5", "cost: off"],
            "'cost: off': expected every task and bound once, found the limit cost twice; remove "
            "one of them",
        ),
        (
            ["cost: a <= 4", "cost: b >= 1"],
            "--limit: expected the same sum in both bounds of cost, found 'cost: b >= 1'; give one "
            "of them another name",
        ),
        (
            ["cost: a <= x"],
            "--limit cost: expected a finite number, found 'x'; write 'cost: 3*a + 5*b <= 4'",
        ),
        (
            ["cost: a <= inf"],
            "--limit cost: expected a finite number, found 'inf'; write 'cost: 3*a + 5*b <= 4'",
        ),
    ],
)
def test_limits_that_cannot_be(texts, line):
    with pytest.raises(ConfigError) as caught:
        limits(texts)
    assert str(caught.value) == line


def test_quotas_as_they_are_written():
    assert quotas(["hindi=0.25", "hindi <= 0.5", "x-y>=.1"]) == {
        "hindi": {"unit": "tokens", "min": 0.25, "max": 0.5},
        "x-y": {"unit": "tokens", "min": 0.1},
    }


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        *(
            ([text], QUOTA_FORM.format(text))
            for text in ("hindi", "hindi<0.5", "=0.5", "hindi=", "hindi==0.5", "a b=0.5")
            if text != "hindi==0.5"
        ),
        (
            ["hindi==0.5"],
            "--quota hindi: expected a finite number, found '=0.5'; write hindi=0.25 for 25 % of "
            "the tokens",
        ),
        (
            ["hindi=25"],
            "--quota hindi: expected a share between 0 and 1, found 25; write 0.25 for 25 %",
        ),
        (
            ["hindi=-1"],
            "--quota hindi: expected a share between 0 and 1, found -1; write 0.25 for 25 %",
        ),
        (
            ["hindi=0.2", "hindi>=0.3"],
            "'hindi>=0.3': expected every task and bound once, found the minimum twice; remove one "
            "of them",
        ),
    ],
)
def test_quotas_that_cannot_be(texts, line):
    with pytest.raises(ConfigError) as caught:
        quotas(texts)
    assert str(caught.value) == line


RUN = MixtureConfig(
    quotas={"one": {"unit": "tokens", "min": 0.2, "max": 0.9}},
    limits={"cost": {"values": {"a": 2, "b": -1}, "min": -0.5}},
)


@pytest.mark.parametrize(
    ("options", "kind", "left"),
    [
        ({"quotas": quotas(["one=0.3"])}, "quotas", {"one": (0.3, 0.9)}),
        ({"quotas": quotas(["one=0"])}, "quotas", {"one": (None, 0.9)}),
        ({"quotas": quotas(["one<=1"])}, "quotas", {"one": (0.2, None)}),
        ({"quotas": quotas(["one=0", "one<=1"])}, "quotas", {}),
        ({"quotas": quotas(["two<=0.5"])}, "quotas", {"one": (0.2, 0.9), "two": (None, 0.5)}),
        ({"limits": limits(["cost: 2*a - b <= 1"])}, "limits", {"cost": (-0.5, 1.0)}),
        ({"limits": limits(["cost: 2*a <= 1"])}, "limits", {"cost": (None, 1.0)}),
        ({"limits": limits(["cost: off"])}, "limits", {}),
        ({"t": 0.3}, "limits", {"cost": (-0.5, None)}),
    ],
)
def test_bounds_of_a_run_are_changed_one_by_one(options, kind, left):
    found = changed(RUN, options)
    assert {name: (b.min, b.max) for name, b in getattr(found, kind).items()} == left


def test_a_limit_that_is_not_there_cannot_be_off():
    for settings, there in ((RUN, "cost"), (MixtureConfig(), "none")):
        with pytest.raises(ConfigError) as caught:
            changed(settings, {"limits": limits(["cots: off"])})
        assert str(caught.value) == (
            f"--limit: expected a limit that the run has, found 'cots'; its limits: {there}"
        )


def mixed(**fields):
    return mix(AFFINITY, MixtureConfig(**fields), FACTS[:3]).mixture


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_quota_is_a_share_of_the_tokens(share):
    for end in ("min", "max"):
        found = mixed(t=1, quotas={"one": {"unit": "tokens", end: share}})
        p = np.array([t.weight for t in found.tasks])
        ours = p[:2] @ TOKENS[:2] / (p @ TOKENS)
        free = 50 / 250
        wanted = max(free, share) if end == "min" else min(free, share)
        assert ours == pytest.approx(wanted, abs=1e-9)
    both = mixed(quotas={"c": {"unit": "tokens", "min": 0.3, "max": 0.3}})
    p = np.array([t.weight for t in both.tasks])
    assert p[2] * 200 / (p @ TOKENS) == pytest.approx(0.3, abs=1e-9)


def test_a_limit_on_tokens_is_their_mean_per_row():
    found = mixed(t=1, limits={"length": {"values": "tokens", "max": 60}})
    assert sum(t.weight * k for t, k in zip(found.tasks, TOKENS, strict=True)) == pytest.approx(60)
    assert found.parameters["limits"] == {"length": {"values": "tokens", "max": 60.0}}


def test_quotas_hold_beside_a_budget_in_tokens():
    found = mixed(
        quotas={"one": {"unit": "tokens", "min": 0.6}}, budget={"tokens": 2000}, max_epochs=2
    )
    tokens = np.array([t.tokens for t in found.tasks])
    assert tokens[:2].sum() / tokens.sum() >= 0.6 - 200 / 2000
    assert all(t.epochs <= 2 for t in found.tasks)


@pytest.mark.parametrize(
    ("fields", "error", "line"),
    [
        (
            {"quotas": {"on": {"unit": "tokens", "min": 0.5}}},
            ConfigError,
            "mixture.quotas.on: expected the name of a group or task (one, two, a, b, c), found "
            "'on'; did you mean 'one'?",
        ),
        (
            {"quotas": {"three": {"unit": "tokens", "min": 0.5}}},
            ConfigError,
            "mixture.quotas.three: expected the name of a group or task (one, two, a, b, c), found "
            "'three'; use one of these names",
        ),
        (
            {"limits": {"cost": {"values": {"d": 1}, "max": 3}}},
            ConfigError,
            "mixture.limits.cost: expected the name of a task (a, b, c), found 'd'; use one of "
            "these names",
        ),
        (
            {
                "quotas": {"one": {"unit": "tokens", "max": 0.05}},
                "limits": {"length": {"values": "tokens", "max": 60}},
            },
            InfeasibleError,
            "mixture: expected bounds that some mixture satisfies, found quotas.one.max = 0.05, "
            "limits.length.max = 60; the smallest feasible quotas.one.max is 0.1229, or the "
            "smallest feasible limits.length.max is 102.57",
        ),
        (
            {
                "floors": {"c": 0.5},
                "max_epochs": 2,
                "budget": {"rows": 50},
            },
            InfeasibleError,
            "mixture: expected bounds that some mixture satisfies, found floors.c = 0.5, max_epochs "
            "= 2 (rows of c); the largest feasible floor for c is 0.4, or the smallest feasible "
            "max_epochs is 2.5",
        ),
    ],
)
def test_what_is_impossible_is_refused_before_anything_is_measured(fields, error, line):
    with pytest.raises(error) as caught:
        check_settings(MixtureConfig(**fields), FACTS)
    assert str(caught.value) == line


def test_a_quota_on_a_group_without_tasks():
    settings = MixtureConfig(quotas={"none": {"unit": "tokens", "min": 0.2}})
    with pytest.raises(ConfigError) as caught:
        mix(AFFINITY, settings, groups={"none": ()})
    assert str(caught.value) == (
        "mixture.quotas.none: expected a group with at least one task in the mixture, found none; "
        "give a task the group none, or remove the quota"
    )


def test_rows_in_python_are_in_the_record():
    energy = Energy.coverage(AFFINITY, 1.0)
    ratio = Row({"a": 1.0}, low=0.1, high=0.2, per={"a": 1.0, "b": 2.0, "c": 3.0})
    found = solve(energy, rows={"cost": Row({"a": 3, "b": 5}, high=1), "part": ratio})
    assert 3 * found.weights["a"] + 5 * found.weights["b"] <= 1 + 1e-9
    assert found.parameters["rows"] == {
        "cost": {"values": {"a": 3, "b": 5}, "max": 1.0},
        "part": {
            "values": {"a": 1.0},
            "per": {"a": 1.0, "b": 2.0, "c": 3.0},
            "min": 0.1,
            "max": 0.2,
        },
    }
