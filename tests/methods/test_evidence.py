"""Evidence that does not fit together, or lacks something; functions that no mixture can be proven for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_cases import bounds_of, curve_of, evidence_of_tasks, permuted

from mishran.energy import constraints
from mishran.errors import ConfigError, EnergyError, InfeasibleError
from mishran.methods import Budget, Curve, Embeddings, Evidence, Trials, parse
from mishran.methods.convex import minimise, start


@pytest.fixture
def evidence():
    return evidence_of_tasks(3)


@pytest.mark.parametrize(
    "part", ["affinities", "scores", "curves", "distributions", "constraints", "trials"]
)
def test_parts_about_other_tasks(part, evidence):
    other = permuted(replace(evidence, constraints=bounds_of(evidence)), [1, 0, 2])
    if part == "trials":
        bad = Trials(np.full((2, 4), 0.25), np.ones(2), np.ones((2, 4)))
        with pytest.raises(ConfigError, match="expected trials of 3 tasks, found 4"):
            replace(evidence, trials=bad)
        return
    name = {"affinities": "affinity jsd"}.get(part, part)
    with pytest.raises(
        ConfigError,
        match=f"expected {name} of the 3 tasks task0, task1, task2, found task1, task0, task2",
    ):
        replace(evidence, **{part: getattr(other, part)})


def test_numbers_that_are_none(evidence):
    with pytest.raises(ConfigError, match="expected at least one task"):
        Evidence((), np.empty(0), np.empty(0))
    with pytest.raises(ConfigError, match="expected rows above 0 for every task"):
        replace(evidence, rows=np.array([1.0, 0.0, 2.0]))
    with pytest.raises(
        ConfigError, match=r"expected rows of shape \(3,\) in Evidence, found \(2,\)"
    ):
        replace(evidence, rows=np.ones(2))
    with pytest.raises(ConfigError, match="expected finite mean_tokens in Evidence, found NaN"):
        replace(evidence, mean_tokens=np.array([1.0, np.nan, 2.0]))
    with pytest.raises(ConfigError, match="expected tokens of a that rise"):
        Curve("a", np.array([0.0, 5.0, 5.0]), np.ones(3))
    with pytest.raises(ConfigError, match=r"expected nats of shape \(3,\) in Curve"):
        Curve("a", np.arange(3.0), np.ones(2))
    with pytest.raises(ConfigError, match=r"expected examples of shape \(2, 3\) in Curve"):
        Curve("a", np.arange(3.0), np.ones(3), np.ones((2, 4)))
    with pytest.raises(ConfigError, match="a budget in rows or in tokens"):
        Budget()
    with pytest.raises(ConfigError, match="a budget in rows or in tokens"):
        Budget(rows=1, tokens=1)
    with pytest.raises(ConfigError, match=r"states of shape \(2, 3\) in Embeddings"):
        Embeddings(("a", "b"), np.ones((4, 3)))
    with pytest.raises(ConfigError, match=r"nats of shape \(2, 3\) in Trials"):
        Trials(np.ones((2, 3)), np.ones(2), np.ones((2, 4)))


def test_nobody_can_change_what_was_handed_in(evidence):
    rows = np.ones(3)
    one = replace(evidence, rows=rows)
    rows[0] = 7.0
    assert one.rows[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        curve_of("a", np.random.default_rng(0)).nats[0] = 1.0


def test_what_was_not_measured_is_named_with_its_setting(evidence):
    bare = Evidence(evidence.names, evidence.rows, evidence.mean_tokens)
    for spec, setting in {
        "capacity": "set probes: {distributions: 2048} and run `mishran fit` again",
        "smart:over=embeddings": "set probes: {embeddings: true}",
        "taskpgm:affinity=gradient-cosine": "set probes: {gradients: true}",
        "taskpgm:affinity=pmi-sum": "set mixture: {affinity: pmi-sum}",
        "mixmin": "run `mishran fit`, which always writes scores.parquet",
        "unimax": "set mixture: {budget: {rows: 25000}}",
    }.items():
        with pytest.raises(ConfigError) as error:
            parse(spec).solve(bare)
        assert setting in str(error.value)


class Bent:
    """A function of a mixture that lies about its slope, or has no value anywhere."""

    def __init__(self, infinite: bool = False) -> None:
        self.infinite = infinite

    def value(self, p: np.ndarray) -> float:
        return np.inf if self.infinite else float(p[0])

    def slopes(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.array([-1.0, 0.0, 0.0]), np.zeros((3, 3))


def test_a_function_without_a_proof_is_an_error():
    for function, found in (
        (Bent(), r"found a gap of 0\.667"),
        (Bent(infinite=True), "found none"),
    ):
        with pytest.raises(
            EnergyError, match=rf"method odd: .*at most 1e-09 nats, {found}; loosen"
        ):
            minimise(function, ("a", "b", "c"), method="odd")


def test_the_start_is_the_allowed_mixture_nearest_to_uniform():
    names = ("a", "b", "c", "d")
    np.testing.assert_allclose(start(names, constraints(names)), 0.25, atol=1e-12)
    box = constraints(names, caps={"a": 0.1})
    np.testing.assert_allclose(start(names, box), [0.1, 0.3, 0.3, 0.3])


def test_floors_that_no_mixture_satisfies(evidence):
    box = constraints(evidence.names, caps={"task0": 0.2, "task1": 0.5})
    with pytest.raises(InfeasibleError, match="task0"):
        parse("curves:floor=0.9").solve(replace(evidence, constraints=box))


def test_the_worst_bound_is_named(evidence):
    bounds = constraints(
        evidence.names, groups={"odd": ["task1"]}, floors={"odd": 0.5}, caps={"task0": 0.3}
    )
    with pytest.raises(InfeasibleError, match=r"found the floor of odd, missed by 0\.167"):
        parse("uniform").solve(replace(evidence, constraints=bounds))
    capped = constraints(evidence.names, groups={"two": ["task1", "task2"]}, caps={"two": 0.4})
    with pytest.raises(InfeasibleError, match=r"found the cap of two, missed by 0\.267"):
        parse("uniform").solve(replace(evidence, constraints=capped))
