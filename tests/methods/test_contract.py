"""What every method keeps, whoever wrote it: applied to all names of the registry by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_cases import (
    arrays_of,
    bounds_of,
    evidence_of_tasks,
    only,
    permuted,
    twinned,
    with_affinities,
    with_losses,
)

from mishran.energy import constraints
from mishran.errors import ConfigError, InfeasibleError
from mishran.methods import Budget, StaticMethod, canonical, parse, places
from mishran.methods.evidence import SETTINGS

# Beside the name of every method: the ways in which their parameters change what they read or do.
VARIANTS = [
    "uniform:unit=tokens",
    "temperature:tau=2:unit=tokens",
    "unimax:epochs=2",
    "random:concentration=0.5:seed=3",
    "taskpgm:t=1.5:affinity=pmi-mean",
    "taskpgm:t=0.3:ridge=0.01",
    "taskpgm:unary=utility:strength=0.1",
    "taskpgm:unary=utility:floor=0.3",
    "minimum-redundancy:affinity=pmi-mean:repair=nearest",
    "mixmin:per=token",
    "mixmin:targets=watched:per=token",
    "mixmin:targets=task0*2:targets=watched:floor=0.5",
    "capacity:floor=0.6",
    "smart:kind=facility-location",
    "smart:kind=log-det:tasks=3",
    "smart:over=embeddings:cut=0.2",
    "curves:transfer=affinity:scale=0.2",
    "curves:transfer=scores",
    "curves:transfer=fitted",
    "curves:floor=0.4",
    "curves:pool=0.5",
]
SPECS = [*places(), *VARIANTS]
BOUNDED = [spec for spec in SPECS if parse(spec).bounded]
FIXED = [spec for spec in SPECS if not parse(spec).bounded]
CLOSE = 1e-7


@pytest.fixture(scope="module")
def evidence():
    return evidence_of_tasks()


def weights(spec: str, evidence) -> np.ndarray:
    return parse(spec).solve(evidence).weights


@pytest.mark.parametrize("spec", SPECS)
def test_mixtures_that_repeat_themselves_and_leave_everything_alone(spec, evidence):
    before = [a.copy() for a in arrays_of(evidence)]
    state = np.random.get_state()[1].copy()
    method = parse(spec)
    first, second = method.solve(evidence), parse(spec).solve(evidence_of_tasks())
    for one in (first.weights, *first.replicas):
        assert one.shape == (5,) and np.isfinite(one).all()
        assert (one >= 0).all() and one.sum() == pytest.approx(1.0, abs=1e-12)
    assert first.names == evidence.names
    assert first.weights.tobytes() == second.weights.tobytes()
    assert first.replicas.tobytes() == second.replicas.tobytes()
    assert 1.0 <= first.effective_tasks <= 5.0 + 1e-9
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays_of(evidence), strict=True))
    assert np.array_equal(state, np.random.get_state()[1])
    with pytest.raises(ValueError, match="read-only"):
        first.weights[0] = 1.0


@pytest.mark.parametrize("spec", SPECS)
def test_it_says_where_it_comes_from_and_keeps_to_the_interface(spec):
    method = parse(spec)
    assert isinstance(method, StaticMethod)
    assert method.source.paper and str(method.source).startswith(method.source.paper)
    for need in method.needs:
        assert need in SETTINGS or need.startswith("affinity ")


@pytest.mark.parametrize("spec", SPECS)
def test_names_go_round(spec):
    method = parse(spec)
    assert parse(canonical(method)) == method
    assert canonical(parse(canonical(method))) == canonical(method)
    assert canonical(parse(spec.split(":")[0])) == spec.split(":")[0]


@pytest.mark.parametrize("spec", SPECS)
def test_needs_are_all_it_reads(spec, evidence):
    method = parse(spec)
    least = only(evidence, method.needs)
    assert np.array_equal(method.solve(least).weights, method.solve(evidence).weights)
    name = spec.split(":")[0]
    for need in method.needs:
        lacking = only(evidence, [n for n in method.needs if n != need])
        with pytest.raises(ConfigError, match=rf"expected (the )?{need} for {name}") as error:
            method.solve(lacking)
        assert error.value.fix in SETTINGS.values() or "mixture: {affinity:" in error.value.fix


def changed(invariance: str, evidence):
    if invariance == "size-scale":
        return replace(evidence, rows=evidence.rows * 3)
    if invariance == "affinity-shift":
        return with_affinities(evidence, 1.0, 0.25)
    if invariance == "affinity-scale":
        return with_affinities(evidence, 3.0, 0.0)
    if invariance == "loss-shift":
        return with_losses(evidence, 1.0, 0.5)
    return with_losses(evidence, 1.5, 0.0)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_invariances_that_it_declares(spec, seed):
    method, evidence = parse(spec), evidence_of_tasks(seed=seed, replicas=0)
    before = method.solve(evidence).weights
    for invariance in sorted(method.invariances - {"permutation", "twins"}):
        after = method.solve(changed(invariance, evidence)).weights
        np.testing.assert_allclose(after, before, atol=CLOSE, err_msg=invariance)
    if "permutation" in method.invariances:
        order = [3, 0, 4, 2, 1]
        after = method.solve(permuted(evidence, order)).weights
        np.testing.assert_allclose(after, before[order], atol=CLOSE)
    if "twins" in method.invariances:
        for which in (0, 2):
            after = method.solve(twinned(evidence, which)).weights
            assert after[which] == pytest.approx(after[-1], abs=CLOSE)


def test_every_invariance_is_declared_by_somebody_and_not_by_everybody():
    declared = [parse(spec).invariances for spec in SPECS]
    for invariance in set().union(*declared) - {"permutation"}:
        assert any(invariance in some for some in declared)
        assert any(invariance not in some for some in declared), invariance


@pytest.mark.parametrize("spec", BOUNDED)
def test_bounded_methods_keep_bounds_and_prove_it(spec, evidence):
    box = bounds_of(evidence)
    found = parse(spec).solve(replace(evidence, constraints=box))
    assert box.violation(found.weights) <= 1e-9
    assert all(box.violation(replica) <= 1e-9 for replica in found.replicas)
    free = parse(spec).solve(evidence)
    for one in (found, free):
        proof = one.certificate
        assert proof is not None and one.objective is not None
        assert proof.relative_gap <= 1e-9 and proof.primal_residual <= 1e-9
        assert proof.dual_residual <= 1e-6 * max(1.0, proof.scale)
    # A floor of a method that has one is part of its own problem.
    assert found.objective >= free.objective - 1e-9
    order = [2, 4, 1, 0, 3]
    again = parse(spec).solve(permuted(replace(evidence, constraints=box), order))
    np.testing.assert_allclose(again.weights, found.weights[order], atol=CLOSE)


@pytest.mark.parametrize("spec", BOUNDED)
def test_bounds_that_leave_one_mixture_give_it(spec, evidence):
    shares = [0.1, 0.3, 0.2, 0.25, 0.15]
    exact = dict(zip(evidence.names, shares, strict=True))
    box = constraints(evidence.names, floors=exact, caps=exact)
    spec = spec.split(":floor")[0]
    found = parse(spec).solve(replace(evidence, constraints=box, replicas=0))
    np.testing.assert_allclose(found.weights, shares, atol=1e-9)


@pytest.mark.parametrize("spec", FIXED)
def test_the_others_refuse_bounds_that_they_do_not_satisfy(spec, evidence):
    own = weights(spec, evidence)
    wide = constraints(evidence.names, caps=dict.fromkeys(evidence.names, 1.0))
    assert np.array_equal(weights(spec, replace(evidence, constraints=wide)), own)
    low = int(own.argmin())
    tight = constraints(evidence.names, floors={evidence.names[low]: own[low] + 0.1})
    name = spec.split(":")[0]
    with pytest.raises(InfeasibleError, match=f"bounds that {name} satisfies.*missed by 0.1 of"):
        parse(spec).solve(replace(evidence, constraints=tight))


@pytest.mark.parametrize("spec", BOUNDED)
def test_a_floor_is_a_floor(spec, evidence):
    base = spec.split(":floor")[0]
    everything = weights(f"{base}:floor=1", replace(evidence, replicas=0))
    np.testing.assert_allclose(everything, 0.2, atol=1e-12)
    some = weights(f"{base}:floor=0.5", replace(evidence, replicas=0))
    assert some.min() >= 0.1 - 1e-9
    nothing = weights(f"{base}:floor=0", replace(evidence, replicas=0))
    np.testing.assert_allclose(nothing, weights(base, evidence), atol=CLOSE)


@pytest.mark.parametrize("spec", FIXED)
def test_no_floor_for_methods_of_one_mixture(spec):
    with pytest.raises(ConfigError, match="expected a method that takes bounds"):
        parse(f"{spec}:floor=0.3")


@pytest.mark.parametrize("spec", SPECS)
def test_one_task_gets_everything(spec):
    alone = replace(evidence_of_tasks(1, replicas=2), budget=Budget(rows=60, max_epochs=2))
    if spec == "curves:transfer=fitted":
        spec = "curves"
    assert weights(spec, alone).tolist() == [1.0]
