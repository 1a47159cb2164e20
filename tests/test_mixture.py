"""Integer rows from weights, budgets, and the file `mixture.json` against its documentation."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mishran import explanation as explanation_module
from mishran import mixture as mixture_module
from mishran.affinity import matrix_affinity
from mishran.config import MixtureConfig
from mishran.energy import Energy, weight_intervals
from mishran.errors import ArtifactError, ConfigError, EnergyError, InfeasibleError
from mishran.mixture import Mixture, quotas
from mishran.pipeline.check import check_settings
from mishran.pipeline.facts import TaskFacts
from mishran.pipeline.mix import Gains, mix, solve

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
SCHEMA, WHY = REFERENCE / "mixture.md", REFERENCE / "explanation.md"


@st.composite
def shares(draw) -> np.ndarray:
    """Weights of 1 to 30 tasks, some of them 0, that sum to 1."""
    raw = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=30).filter(any))
    return np.array(raw) / sum(raw)


# ---- quotas


@given(shares(), st.integers(0, 10**9))
def test_counts_sum_to_the_total_and_are_within_one_of_the_share(weights, total):
    counts = quotas(weights, total)
    assert counts.dtype == np.int64 and counts.sum() == total
    assert (counts >= 0).all() and (counts[weights == 0] == 0).all()
    assert np.abs(counts - weights * total).max() <= 1.0 + 1e-6


@given(shares(), st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_order_of_tasks_changes_only_ties(weights, total, random):
    order = list(range(len(weights)))
    random.shuffle(order)
    turned = np.empty(len(weights), dtype=np.int64)
    turned[order] = quotas(weights[order], total)
    moved = np.flatnonzero(turned != quotas(weights, total))
    remainders = (weights * total)[moved] % 1.0
    assert np.ptp(remainders) < 1e-9 if len(moved) else True


@given(shares(), st.integers(1, 10_000), st.data())
def test_limits_hold_or_the_largest_total_is_named(weights, total, data):
    exact = weights * total
    limits = np.array([data.draw(st.integers(0, math.ceil(e) + 2)) for e in exact])
    try:
        counts = quotas(weights, total, limits)
    except InfeasibleError as error:
        most = int(error.expected.split("at most ")[1].split(" ")[0].replace(",", ""))
        assert most < total
        assert quotas(weights, most, limits).sum() == most
        with pytest.raises(InfeasibleError):
            quotas(weights, most + 1, limits)
    else:
        assert counts.sum() == total and (counts <= limits).all()
        assert np.abs(counts - exact).max() <= 1.0 + 1e-6


def test_limits_never_move_more_than_the_rounding():
    """Half the rows of a task that has only three: an error, not a silent gift to the others."""
    with pytest.raises(InfeasibleError) as caught:
        quotas(np.array([0.5, 0.25, 0.25]), 100, np.array([3, 100, 100]), ["hindi", "a", "b"])
    assert str(caught.value) == (
        "mixture.budget: expected a budget of at most 7 rows, which these weights and limits allow, "
        "found 100 rows, hindi 50 of at most 3; ask for 7 rows or fewer, or raise mixture.max_epochs"
    )


def test_the_largest_total_is_found_at_once():
    """Budgets are large: no search row by row."""
    weights = np.array([0.5, *[0.5 / 200] * 200])
    with pytest.raises(InfeasibleError, match="at most"):
        quotas(weights, 10**9, np.array([10**9, *[0] * 200]))


def test_a_task_at_its_limit_passes_its_turn_on():
    assert quotas(np.array([0.5, 0.5]), 3, np.array([1, 9])).tolist() == [1, 2]


def test_ties_go_to_the_earlier_task():
    assert quotas(np.full(4, 0.25), 6).tolist() == [2, 2, 1, 1]
    assert quotas(np.full(3, 1 / 3), 1).tolist() == [1, 0, 0]


def test_known_case():
    """Hamilton's method on the seats of the United States in 1790, 120 seats."""
    people = [630560, 475327, 432879, 353523, 331589, 278514, 236841, 206236]
    people += [179570, 141835, 85533, 70835, 68705, 68446, 55540]
    seats = [21, 16, 14, 12, 11, 9, 8, 7, 6, 5, 3, 2, 2, 2, 2]
    assert quotas(np.array(people) / sum(people), 120).tolist() == seats


@pytest.mark.parametrize("weights", [[], [0.5, 0.4], [1.5, -0.5], [float("nan"), 1.0]])
def test_no_weights(weights):
    with pytest.raises(ValueError, match="weights >= 0 of sum 1"):
        quotas(np.array(weights), 10)


# ---- budgets


AFFINITY = matrix_affinity(("a", "b", "c"), [[1, 0.6, 0.2], [0.6, 1, 0.1], [0.2, 0.1, 1]])
FACTS = tuple(
    TaskFacts(name, groups, False, rows, tokens, {})
    for name, groups, rows, tokens in (
        ("a", ("one",), 100, 10.0),
        ("b", ("one",), 50, 40.0),
        ("c", (), 10, 200.0),
    )
)


def mixed(**fields) -> Mixture:
    return mix(AFFINITY, MixtureConfig(**fields), FACTS).mixture


def test_rows():
    found = mixed(budget={"rows": 1000})
    assert found.budget.rows == sum(t.rows for t in found.tasks) == 1000
    for t, fact in zip(found.tasks, FACTS, strict=True):
        assert abs(t.rows - 1000 * t.weight) <= 1
        assert t.epochs == t.rows / fact.train_rows
        assert t.tokens == round(t.rows * fact.mean_tokens)
        assert t.available_rows == fact.train_rows and t.groups == fact.groups


def test_tokens():
    found = mixed(budget={"tokens": 50_000})
    assert abs(sum(t.tokens for t in found.tasks) - 50_000) < 400
    assert found.budget.tokens == 50_000


def test_max_epochs_bounds_every_task():
    free = mixed(budget={"rows": 100})
    assert free.tasks[2].epochs > 2
    found = mixed(budget={"rows": 100}, max_epochs=2)
    assert found.tasks[2].rows == 20 and found.weights["c"] == pytest.approx(0.2)
    assert all(t.epochs <= 2 for t in found.tasks)
    assert "c" in found.certificate.upper
    assert sum(t.rows for t in found.tasks) == 100


@pytest.mark.parametrize("wanted", [500, 3000, 4999, 5000])
def test_tokens_under_max_epochs(wanted):
    """Up to every row of every task, 5,000 tokens: never more epochs, and about the tokens asked."""
    found = mixed(budget={"tokens": wanted}, max_epochs=1)
    assert all(t.epochs <= 1 for t in found.tasks)
    assert abs(sum(t.tokens for t in found.tasks) - wanted) <= 300


@pytest.mark.parametrize("floors", [{}, {"short": 0.6}])
@pytest.mark.parametrize("wanted", [5_000, 300_000, 450_000, 600_000, 800_000])
def test_tokens_under_max_epochs_where_rows_and_weights_chase_each_other(wanted, floors):
    """One task's rows are a hundred times the other's: the caps shift tokens more than rows."""
    facts = (
        TaskFacts("short", (), False, 1000, 10.0, {}),
        TaskFacts("long", (), False, 1000, 1000.0, {}),
    )
    affinity = matrix_affinity(("short", "long"), np.diag([1.0, 9.0]))
    settings = MixtureConfig(t=0, floors=floors, max_epochs=1, budget={"tokens": wanted})
    if floors and wanted > 676_666:  # 1,000 short rows, 667 long ones: no more is allowed
        with pytest.raises(InfeasibleError, match=r"at most 67\d,\d{3} tokens"):
            mix(affinity, settings, facts)
        return
    found = mix(affinity, settings, facts).mixture
    assert abs(sum(t.tokens for t in found.tasks) - wanted) <= 1000  # one long row
    assert all(t.epochs <= 1 for t in found.tasks)
    assert found.weights["short"] >= 0.6 * bool(floors) - 1e-12


def test_tokens_under_max_epochs_of_any_tasks():
    rng = np.random.default_rng(0)
    for _ in range(40):
        facts = tuple(
            TaskFacts(
                f"t{i}", (), False, int(rng.integers(50, 3000)), float(rng.uniform(5, 400)), {}
            )
            for i in range(8)
        )
        root = rng.normal(size=(8, 3))
        affinity = matrix_affinity(
            [f.name for f in facts], np.exp(-((root[:, None] - root) ** 2).sum(2))
        )
        tokens = int(rng.uniform(0.05, 0.95) * sum(f.train_rows * f.mean_tokens for f in facts))
        settings = MixtureConfig(
            t=float(rng.uniform(0, 1)), max_epochs=1, budget={"tokens": tokens}
        )
        found = mix(affinity, settings, facts).mixture
        assert abs(sum(t.tokens for t in found.tasks) - tokens) <= 8 * 400  # rounding of every task


def test_wished_effective_tasks_hold_under_epoch_caps():
    free = mixed(effective_tasks=2.965, budget={"rows": 28})
    assert free.effective_tasks == pytest.approx(2.965, rel=1e-5)
    assert free.weights["c"] > 10 / 28  # more rows than there are
    found = mixed(effective_tasks=2.965, budget={"rows": 28}, max_epochs=1)
    assert found.weights["c"] == pytest.approx(10 / 28)
    assert found.effective_tasks == pytest.approx(2.965, rel=1e-5)
    assert found.parameters["t"] < free.parameters["t"]
    with pytest.raises(InfeasibleError, match=r"effective tasks, which the diverse side reaches"):
        mixed(effective_tasks=3, budget={"rows": 100}, max_epochs=1)


def test_everything_chosen_is_in_the_record():
    values = {"a": 1.0, "b": 0.5, "c": 0.0}
    record = mixed(unary={"kind": "given", "values": values, "strength": 0.1}).parameters
    assert record["values"] == values and record["strength"] == 0.1
    gains = Gains(np.array([0.1, 0.2, 0.3]), np.empty((0, 3)))
    utility = MixtureConfig(unary={"kind": "utility", "targets": ["a", "c"]})
    assert mix(AFFINITY, utility, FACTS, gains=gains).mixture.parameters["targets"] == ["a", "c"]
    assert mixed(budget={"rows": 40}, max_epochs=2).parameters["max_epochs"] == 2


def test_the_closed_form_has_no_intervals_and_no_replicas():
    replicas = np.repeat(AFFINITY.matrix[None], 20, axis=0)
    affinity = replace(AFFINITY, replicas=replicas)
    found = mix(affinity, MixtureConfig(solution="paper-clip"), FACTS).mixture
    assert found.replicas == 0 and all(t.low is None for t in found.tasks)
    assert mix(affinity, MixtureConfig(), FACTS).mixture.replicas == 20


def test_repairs_of_replicas_are_in_the_record():
    base = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.9], [0.1, 0.9, 1.0]])
    noise = np.random.default_rng(0).normal(scale=0.2, size=(20, 3, 3))
    affinity = replace(
        matrix_affinity("abc", base), replicas=base + noise + noise.transpose(0, 2, 1)
    )
    energy = Energy.coverage(affinity, 0.5)
    intervals = weight_intervals(energy)
    assert 0 < intervals.repaired < 20
    *_, last = solve(energy).repairs
    assert last.name == "replicas" and last.amount == intervals.largest_repair
    assert last.detail.startswith(f"{intervals.repaired} of 20 replicas")
    assert solve(Energy.coverage(AFFINITY, 0.5)).repairs == ()


def test_budgets_that_are_too_large():
    with pytest.raises(InfeasibleError, match=r"at most 160 rows.*found 161 rows"):
        mixed(budget={"rows": 161}, max_epochs=1)
    with pytest.raises(InfeasibleError, match=r"at most 5,000 tokens.*found 5,001 tokens"):
        mixed(budget={"tokens": 5001}, max_epochs=1)
    with pytest.raises(ConfigError, match="a budget beside max_epochs"):
        mixed(max_epochs=1)


@pytest.mark.parametrize(
    "fields",
    [
        {"floors": {"one": 0.5}, "caps": {"a": 0.2}},
        {"budget": {"rows": 100}, "max_epochs": 2},
        {"budget": {"tokens": 900}, "max_epochs": 1},
        {"effective_tasks": 2.9},
        {"unary": {"kind": "target", "targets": ["a"]}},
        {"unary": {"kind": "given", "values": {"a": 1, "b": 0, "c": 0}}},
        {"solution": "paper-clip"},
    ],
)
def test_settings_that_can_be_solved_pass_the_early_check(fields):
    check_settings(MixtureConfig(**fields), FACTS)
    mixed(**fields)


# ---- the file


def test_round_trip(tmp_path):
    found = mixed(budget={"rows": 100}, max_epochs=2, floors={"one": 0.1}, ridge=0.01)
    path = tmp_path / "mixture.json"
    path.write_text(found.to_json(), encoding="utf-8")
    again = Mixture.read(path)
    assert again == found and again.to_json() == found.to_json()
    assert sum(again.weights.values()) == pytest.approx(1.0, abs=1e-12)
    json.loads(found.to_json(), parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))


def test_intervals():
    found = mixed()
    assert found.replicas == 0 and found.interval("a") is None
    with pytest.raises(KeyError, match=r"no task 'x'.*a, b, c"):
        found.interval("x")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "Invalid JSON"),
        ("{}", "at method"),
        ('{"schema_version": 2}', "schema_version"),
        ("[1]", "at the top"),
        ("\x00", "Invalid JSON"),
    ],
)
def test_files_that_are_no_mixture(tmp_path, text, part):
    path = tmp_path / "mixture.json"
    path.write_text(text)
    with pytest.raises(ArtifactError) as caught:
        Mixture.read(path)
    assert part in str(caught.value) and str(path) in str(caught.value)


def test_unknown_fields_are_refused(tmp_path):
    path = tmp_path / "mixture.json"
    path.write_text(json.dumps({**json.loads(mixed().to_json()), "wieghts": {}}))
    with pytest.raises(ArtifactError, match="wieghts"):
        Mixture.read(path)


def test_missing_file(tmp_path):
    with pytest.raises(ArtifactError, match=r"no such file.*run `mishran fit` first"):
        Mixture.read(tmp_path / "none.json")


MODELS = [
    (m, page)
    for module, page in ((mixture_module, SCHEMA), (explanation_module, WHY))
    for m in vars(module).values()
    if isinstance(m, type) and issubclass(m, BaseModel) and m.__module__ == module.__name__
]


@pytest.mark.parametrize("model, page", [(m, page) for m, page in MODELS if m.model_fields])
def test_every_field_is_documented(model, page):
    text = page.read_text(encoding="utf-8")
    for name in model.model_fields:
        assert f"| `{name}` |" in text, f"{name} of {model.__name__} is not in {page.name}"


def test_a_mixture_outlives_a_path_that_is_lost(monkeypatch):
    def lost(*_: object) -> None:
        raise EnergyError(expected="a path whose pieces join", found="none", fix="report it")

    found = mix(AFFINITY, MixtureConfig(t=0.5, replicas=0))
    assert found.t_values is not None and found.mixture.warnings == ()
    monkeypatch.setattr("mishran.pipeline.mix.follow", lost)
    kept = mix(AFFINITY, MixtureConfig(t=0.5, replicas=0))
    assert kept.mixture.weights == found.mixture.weights
    assert kept.t_values is None and kept.explanation is not None and kept.explanation.path is None
    assert kept.mixture.warnings == (
        "No path along t. expected a path whose pieces join, found none; report it",
    )


def test_what_cannot_enter_is_the_same_when_read_again(tmp_path):
    matrix = [[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    settings = MixtureConfig(
        t=0.6, floors={"g": 0.5, "d": 0.5}, caps={"a": 0.25, "b": 0.25}, replicas=0
    )
    affinity = matrix_affinity(("a", "b", "c", "d"), matrix)
    why = mix(affinity, settings, groups={"g": ["a", "b"]}).explanation
    assert why is not None and why.without[2].entry is None
    (tmp_path / "explanation.json").write_text(why.to_json(), encoding="utf-8")
    assert explanation_module.Explanation.read(tmp_path / "explanation.json") == why
