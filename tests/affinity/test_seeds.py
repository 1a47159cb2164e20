"""Several seeds: mean, replicas with the variance of both sources of chance, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affinity_cases import PROPERTY, SEEDS, divergence_table, names_of
from hypothesis import given
from hypothesis import strategies as st

from mishran.affinity import jsd_affinity
from mishran.affinity.seeds import combine_seeds, seed_variance
from mishran.errors import ConfigError
from mishran.types import Affinity, Array, Repair


def permuted(affinity: Affinity, order: np.ndarray) -> Affinity:
    return replace(
        affinity,
        names=tuple(affinity.names[i] for i in order),
        matrix=affinity.matrix[np.ix_(order, order)],
        replicas=affinity.replicas[:, order][:, :, order],
    )


def measured(
    rng: np.random.Generator, count: int, between: float, common: float, own: float, n: int = 6
) -> list[Affinity]:
    """Seeds whose entries vary by known standard deviations around 0; 100 replicas each."""

    def noise(size: float, *more: int) -> Array:
        out = np.zeros((*more, n, n))
        rows, columns = np.triu_indices(n, 1)
        out[..., rows, columns] = size * rng.normal(size=(*more, len(rows)))
        return out + np.swapaxes(out, -1, -2)

    shared, drawn = noise(common), noise(common, 100)
    out = []
    for _ in range(count):
        matrix = noise(between) + shared + noise(own)
        out.append(Affinity(names_of(n), matrix, "pmi-mean", matrix + drawn + noise(own, 100)))
    return out


@PROPERTY
@given(SEEDS, st.integers(1, 5), st.integers(1, 6))
def test_mean_whatever_the_order_of_tasks(seed: int, count: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    seeds = [jsd_affinity(divergence_table(rng, n), 20) for _ in range(count)]
    shuffled = [seeds[0], *(permuted(one, rng.permutation(n)) for one in seeds[1:])]
    found, again = combine_seeds(shuffled), combine_seeds(seeds)
    assert found.names == seeds[0].names and found.kind == "jsd"
    np.testing.assert_array_equal(found.matrix, again.matrix)
    np.testing.assert_array_equal(found.replicas, again.replicas)
    np.testing.assert_allclose(found.matrix, np.mean([a.matrix for a in seeds], axis=0))
    assert found.replicas.shape == (20, n, n)
    np.testing.assert_allclose(found.replicas, found.replicas.transpose(0, 2, 1), atol=1e-12)
    np.testing.assert_allclose(np.diagonal(found.replicas, axis1=1, axis2=2), 1.0)
    assert found.replicas.min() >= 0 and found.replicas.max() <= 1


def test_permuting_all_permutes_the_result() -> None:
    rng = np.random.default_rng(0)
    seeds = [jsd_affinity(divergence_table(rng, 5), 20) for _ in range(3)]
    order = rng.permutation(5)
    straight = permuted(combine_seeds(seeds), order)
    moved = combine_seeds([permuted(one, order) for one in seeds])
    np.testing.assert_allclose(moved.replicas, straight.replicas, atol=1e-12)


def test_one_seed_is_itself() -> None:
    one = jsd_affinity(divergence_table(np.random.default_rng(0), 4), 30)
    found = combine_seeds([one])
    np.testing.assert_array_equal(found.matrix, one.matrix)
    np.testing.assert_array_equal(found.replicas, one.replicas)
    more = combine_seeds([one], replicas=45).replicas
    np.testing.assert_array_equal(more, np.concatenate([one.replicas, one.replicas[:15]]))


def test_equal_seeds_have_the_replicas_of_one() -> None:
    one = jsd_affinity(divergence_table(np.random.default_rng(0), 4), 30)
    found = combine_seeds([one, one, one])
    np.testing.assert_allclose(found.replicas, one.replicas, atol=1e-12)


def test_draws_depend_on_the_seed_alone() -> None:
    rng = np.random.default_rng(0)
    seeds = [jsd_affinity(divergence_table(rng, 4), 30) for _ in range(3)]
    first = combine_seeds(seeds, 50, seed=1).replicas
    np.testing.assert_array_equal(first, combine_seeds(seeds, 50, seed=1).replicas)
    assert (first != combine_seeds(seeds, 50, seed=2).replicas).any()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_without_probe_noise_it_is_students_interval(count: int) -> None:
    from scipy.stats import t as student

    values = np.random.default_rng(count).normal(size=count)
    seeds = [
        Affinity(("a", "b"), np.array([[0.0, v], [v, 0.0]]), "pmi-mean", np.empty((0, 2, 2)))
        for v in values
    ]
    drawn = combine_seeds(seeds, replicas=40_000).replicas[:, 0, 1]
    error = values.std(ddof=1) / np.sqrt(count)
    for level in (0.5, 0.8, 0.95):
        half = student.ppf((1 + level) / 2, count - 1) * error
        ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        np.testing.assert_allclose(ends, values.mean() + half * np.array([-1, 1]), atol=0.05 * half)
    assert len(combine_seeds(seeds).replicas) == 0


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("sizes", [(1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.3, 1.0, 0.3)])
def test_intervals_of_the_mean_cover(count: int, sizes: tuple[float, float, float]) -> None:
    """The truth is 0. Resampling seeds and probes anew for each covers 60 to 85 % here."""
    rng = np.random.default_rng([count, 7])
    covered = []
    for repeat in range(120):
        found = combine_seeds(measured(rng, count, *sizes), 100, seed=repeat).replicas
        low, high = np.quantile(found, [0.025, 0.975], axis=0, method="weibull")
        covered.append(((low <= 0) & (high >= 0))[np.triu_indices(6, 1)].mean())
    assert 0.93 <= np.mean(covered) <= 0.98


def test_variance_is_told_by_source() -> None:
    rng = np.random.default_rng(0)
    for between, common, own in ((1.0, 0.0, 0.5), (0.5, 1.0, 0.5), (0.0, 0.3, 1.0)):
        found = [seed_variance(measured(rng, 4, between, common, own)) for _ in range(60)]
        seeds = np.mean([f.seeds for f in found])
        probes = np.mean([f.probes for f in found])
        assert found[0].num_seeds == 4
        assert seeds == pytest.approx(between**2 / 4, rel=0.1, abs=0.03)
        assert probes == pytest.approx(common**2 + own**2 / 4, rel=0.1)
        assert found[0].share == found[0].seeds / (found[0].seeds + found[0].probes)
    one = jsd_affinity(divergence_table(rng, 3), 10)
    flat = Affinity(("a", "b"), np.eye(2), "jsd", np.repeat(np.eye(2)[None], 10, axis=0))
    assert seed_variance([one, one]).share == 0.0
    assert seed_variance([flat, flat]).share is None


def test_repairs_say_which_seed() -> None:
    one = jsd_affinity(divergence_table(np.random.default_rng(0), 3), 2)
    mended = replace(one, repairs=(Repair("rounding", 1e-9, "eigenvalues set to 0"),))
    (repair,) = combine_seeds([one, mended]).repairs
    assert repair == Repair("rounding", 1e-9, "seed 2 of 2: eigenvalues set to 0")


def test_errors() -> None:
    rng = np.random.default_rng(0)
    one = jsd_affinity(divergence_table(rng, 3), 4)
    bare = replace(one, replicas=np.empty((0, 3, 3)))
    single = jsd_affinity(divergence_table(rng, 1), 4)
    other = replace(one, names=("task0", "task2", "hindi"))
    larger = jsd_affinity(divergence_table(rng, 9), 4)
    same_tasks = "fit every seed on the same tasks"
    cases = [
        (combine_seeds, [], "seeds: expected at least one affinity, found none; add a seed"),
        (
            combine_seeds,
            [one, one, other],
            "seed 3 of 3: expected the tasks of the first seed, "
            f"found 1 missing (task1) and 1 more (hindi); {same_tasks}",
        ),
        (
            combine_seeds,
            [one, larger],
            "seed 2 of 2: expected the tasks of the first seed, "
            f"found 6 more (task3, task4, task5, task6, task7, ...); {same_tasks}",
        ),
        (
            combine_seeds,
            [larger, one],
            "seed 2 of 2: expected the tasks of the first seed, "
            f"found 6 missing (task3, task4, task5, task6, task7, ...); {same_tasks}",
        ),
        (
            combine_seeds,
            [one, replace(one, kind="pmi-mean")],
            "seed 2 of 2: expected the affinity jsd of the first seed, found pmi-mean; "
            "measure every seed with the same affinity",
        ),
        (
            combine_seeds,
            [one, bare],
            "seed 2 of 2: expected 4 replicas like the first seed, found 0; "
            "resample every seed with the same replicas and the same seed of the draws",
        ),
        (
            seed_variance,
            [one],
            "seed variance: expected at least two seeds, found 1; "
            "train the specialists with another seed",
        ),
        (
            seed_variance,
            [single, single],
            "seed variance: expected at least two tasks, found 1; add a task",
        ),
        (
            seed_variance,
            [bare, bare],
            "seed variance: expected replicas over probes, found 0; set mixture.replicas: 200",
        ),
    ]
    for call, seeds, message in cases:
        with pytest.raises(ConfigError) as error:
            call(seeds)
        assert str(error.value) == message
