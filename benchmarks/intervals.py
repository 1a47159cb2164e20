"""Do 95 % intervals of weights cover 95 %? Simulation with a known truth; makes docs/results/intervals.md.

    python benchmarks/intervals.py [--quick] [--json FILE]

A finite population of probe examples per task stands for all that could have been asked. Every
specialist answers every example (a softmax over a small vocabulary; sharpness varies between
examples, so divergences are skewed), which gives the population's affinity and its mixture exactly.
Each repeat draws m examples per task, measures, solves the replicas and looks whether the interval
holds the truth. For seeds the specialists of a repeat are drawn too, and the truth is the mean over
all sets of specialists.

Ways to make an interval that are compared: draws of a replica (m or m - 1) x quantile (7, NumPy's
default, or 6), and, on the replicas in use, the basic (reflected) and the bias-corrected interval.
Replicas are solved by DAQP directly, 10 times faster than with certificates; the first repeat of
every population checks that `weight_intervals` says the same.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import daqp
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import norm

from mishran.affinity import jsd_affinity, pairwise_jsd
from mishran.affinity.bootstrap import task_generator
from mishran.affinity.seeds import combine_seeds, seed_variance
from mishran.energy import Energy, solve, weight_intervals
from mishran.energy.intervals import affinity_intervals
from mishran.types import Affinity, Array, DivergenceTable

LEVEL = 0.95
SAME = 1e-9
VOCABULARY, FEATURES = 12, 4


@dataclass(frozen=True, eq=False)
class Population:
    """divergences: (sets of specialists, n, examples, k) JSD / ln 2 of every pair."""

    divergences: Array

    @property
    def num_tasks(self) -> int:
        return self.divergences.shape[1]

    @property
    def affinity(self) -> Array:
        """(n, n) S over all examples and sets of specialists."""
        n = self.num_tasks
        out = np.ones((n, n))
        rows, columns = np.triu_indices(n, 1)
        out[rows, columns] = out[columns, rows] = 1.0 - self.divergences.mean(axis=(0, 1, 2))
        return out

    def measured(
        self, which: int, examples: NDArray[np.int64], replicas: int, seed: int
    ) -> tuple[Affinity, DivergenceTable]:
        """Affinity of one set of specialists on (n, m) examples, and its table."""
        n, m = examples.shape
        names = tuple(f"task{i:02d}" for i in range(n))
        rows = self.divergences[which, np.arange(n)[:, None], examples]
        table = DivergenceTable(
            specialists=names,
            probe_task=tuple(name for name in names for _ in range(m)),
            probe_id=tuple(f"{i:04d}" for i in range(m)) * n,
            jsd=rows.reshape(n * m, -1),
        )
        return jsd_affinity(table, replicas, seed), table


def population(
    n: int, examples: int, rng: np.random.Generator, sets: int = 1, seed_noise: float = 0.0
) -> Population:
    """n tasks in families of about three; sets of specialists differ by `seed_noise`."""
    families = max(2, n // 3)
    tasks = rng.normal(size=(families, FEATURES))[rng.integers(0, families, n)]
    tasks = tasks + 0.6 * rng.normal(size=(n, FEATURES))
    specialists = tasks + seed_noise * rng.normal(size=(sets, n, FEATURES))
    out = np.empty((sets, n, examples, n * (n - 1) // 2))
    for j in range(n):
        readings = rng.normal(size=(examples, FEATURES, VOCABULARY))
        readings *= 0.8 * np.exp(0.7 * rng.normal(size=(examples, 1, 1)))
        common = 2.0 * rng.normal(size=(examples, VOCABULARY))
        answer = np.eye(VOCABULARY)[rng.integers(0, VOCABULARY, examples)]
        skill = 2.0 * np.exp(-np.square(tasks - tasks[j]).sum(axis=1) / (2 * FEATURES))
        skill[j] = 2.5
        for s in range(sets):
            logits = np.einsum("ir,mrv->imv", specialists[s], readings) + common
            logits += skill[:, None, None] * answer
            out[s, j] = pairwise_jsd(log_softmax(logits, axis=-1))
    return Population(out)


def weights_of(matrices: Array, t: float) -> Array:
    """(B, n) weights of coverage energies; negative curvature on the tangent is shifted away."""
    n = matrices.shape[1]
    centre = np.eye(n) - 1.0 / n
    centred = centre @ matrices @ centre
    lowest = np.linalg.eigvalsh(centred)[:, 0]
    shift = np.where(lowest < -1e-12, -lowest, 0.0)[:, None, None] * centre
    hessians = centred + shift
    slopes = (1.0 - t) * matrices.mean(axis=2)
    slopes -= slopes.mean(axis=1, keepdims=True)
    rows, low, high = np.ones((1, n)), np.eye(1, n + 1, n)[0], np.ones(n + 1)
    kinds = np.where(np.arange(n + 1) == n, 5, 0).astype(np.int32)
    out = np.empty((len(matrices), n))
    for b, (hessian, slope) in enumerate(zip(hessians, slopes, strict=True)):
        size = np.abs(hessian).max()
        found, _, flag, _ = daqp.solve(
            (hessian + hessian.T) / (2 * size) + (1e-10 * np.eye(n) + 1.0 / n),
            slope / size,
            rows.copy(),
            high.copy(),
            low.copy(),
            kinds.copy(),
            primal_tol=1e-12,
            dual_tol=1e-12,
        )
        out[b] = found if flag == 1 else _with_certificate(matrices[b], t)
    return out


def _with_certificate(matrix: Array, t: float) -> Array:
    n = len(matrix)
    names = tuple(str(i) for i in range(n))
    one = Affinity(names, (matrix + matrix.T) / 2, "matrix", np.empty((0, n, n)))
    return solve(Energy.coverage(one, t)).weights


def with_all_draws(table: DivergenceTable, m: int, replicas: int, seed: int) -> Array:
    """(B, n, n) replicas of m draws per task, as they were before."""
    n = len(table.specialists)
    weights = [
        task_generator(task, seed).multinomial(m, np.full(m, 1 / m), size=replicas) / (m * n)
        for task in table.specialists
    ]
    pairs = np.concatenate(weights, axis=1) @ table.jsd
    out = np.ones((replicas, n, n))
    rows, columns = np.triu_indices(n, 1)
    out[:, rows, columns] = out[:, columns, rows] = 1.0 - pairs
    return out


Ends = tuple[Array, Array]


def percentile(weights: Array, method: str = "weibull") -> Ends:
    low, high = np.quantile(weights, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0, method=method)
    return low, high


def basic(weights: Array, point: Array) -> Ends:
    low, high = percentile(weights)
    return np.clip(2 * point - high, 0, 1), np.clip(2 * point - low, 0, 1)


def bias_corrected(weights: Array, point: Array) -> Ends:
    count = len(weights)
    below = (weights < point - SAME).mean(axis=0) / 2 + (weights <= point + SAME).mean(axis=0) / 2
    bias = norm.ppf(np.clip(below, 1 / (count + 1), count / (count + 1)))
    z = norm.ppf((1 + LEVEL) / 2)
    levels = norm.cdf(2 * bias - z), norm.cdf(2 * bias + z)
    low, high = (
        np.array([np.quantile(weights[:, i], q[i], method="weibull") for i in range(len(point))])
        for q in levels
    )
    return low, high


def ways(affinity: Affinity, table: DivergenceTable, t: float, seed: int) -> dict[str, Ends]:
    """Name -> interval, the one in use first and the one before last."""
    m = len(table.probe_task) // len(table.specialists)
    now = weights_of(affinity.replicas, t)
    point = weights_of(affinity.matrix[None], t)[0]
    before = weights_of(with_all_draws(table, m, len(now), seed), t)
    return {
        "m - 1 draws, quantile 6 (now)": percentile(now),
        "m - 1 draws, quantile 7": percentile(now, "linear"),
        "m draws, quantile 6": percentile(before),
        "basic": basic(now, point),
        "bias-corrected": bias_corrected(now, point),
        "m draws, quantile 7 (before)": percentile(before, "linear"),
    }


@dataclass(frozen=True)
class Coverage:
    """Shares covered of all tasks, of those with a true weight above 0, and of those at 0.

    error: standard error of `all`. width: mean width over interior tasks. None where no such task.
    """

    all: float
    error: float
    interior: float
    boundary: float | None
    width: float

    @classmethod
    def of(cls, held: list[NDArray[np.bool_]], inside: list[NDArray[np.bool_]], width: list[Array]):
        flat, interior = np.concatenate(held), np.concatenate(inside)
        return cls(
            all=float(flat.mean()),
            error=float(np.std([h.mean() for h in held]) / np.sqrt(len(held))),
            interior=float(flat[interior].mean()),
            boundary=None if interior.all() else float(flat[~interior].mean()),
            width=float(np.concatenate(width)[interior].mean()),
        )


Measure = Callable[[Population, np.random.Generator, int], tuple[dict[str, Ends], Affinity]]


def coverage(
    populations: Iterator[Population],
    repeats: int,
    t: float,
    rng: np.random.Generator,
    measure: Measure,
) -> tuple[dict[str, Coverage], float]:
    """Coverage of the weights for every way, and of the entries of S by `affinity_intervals`."""
    held: dict[str, list[NDArray[np.bool_]]] = {}
    width: dict[str, list[Array]] = {}
    inside, entries = [], []
    for one in populations:
        truth = weights_of(one.affinity[None], t)[0]
        pairs = np.triu_indices(one.num_tasks, 1)
        for repeat in range(repeats):
            found, affinity = measure(one, rng, repeat)
            if repeat == 0:
                public = weight_intervals(Energy.coverage(affinity, t), level=LEVEL)
                ends = public.low, public.high
                np.testing.assert_allclose(next(iter(found.values())), ends, atol=1e-6)
            inside.append(truth > SAME)
            low, high = affinity_intervals(affinity, LEVEL)
            entries.append(((low <= one.affinity) & (one.affinity <= high))[pairs].mean())
            for way, (low, high) in found.items():
                held.setdefault(way, []).append((low - SAME <= truth) & (truth <= high + SAME))
                width.setdefault(way, []).append(high - low)
    return {way: Coverage.of(held[way], inside, width[way]) for way in held}, float(
        np.mean(entries)
    )


def probes(
    n: int,
    m: int,
    t: float,
    repeats: int,
    num_populations: int,
    replicas: int = 200,
    examples: int = 1000,
) -> tuple[dict[str, Coverage], float]:
    """Coverage when the probes are chance."""
    rng = np.random.default_rng([0, n, m, round(1000 * t)])
    everything = (population(n, examples, rng) for _ in range(num_populations))

    def measure(one: Population, rng: np.random.Generator, repeat: int):
        asked = rng.integers(0, examples, (n, m))
        affinity, table = one.measured(0, asked, replicas, repeat)
        return ways(affinity, table, t, repeat), affinity

    return coverage(everything, repeats, t, rng, measure)


def resampled_seeds(
    affinities: list[Affinity], rng: np.random.Generator, own_probes: bool
) -> Array:
    """(B, n, n) by drawing R of R seeds, deviations rescaled by sqrt(R / (R - 1)); the probes of
    each drawn seed by themselves or, not `own_probes`, those of all seeds together."""
    stack = np.array([a.replicas for a in affinities])
    count, num = stack.shape[:2]
    drawn = rng.integers(0, count, (num, count))
    same = np.arange(num)[:, None]
    middle = stack.mean(axis=0)
    found = stack[drawn, rng.integers(0, num, (num, count)) if own_probes else same].mean(axis=1)
    return middle + np.sqrt(count / (count - 1)) * (found - middle)


def seeds(
    num_seeds: int,
    seed_noise: float,
    repeats: int,
    n: int = 6,
    m: int = 24,
    t: float = 0.6,
    replicas: int = 200,
    examples: int = 250,
    sets: int = 40,
) -> tuple[dict[str, Coverage], float, float, float]:
    """Coverage when probes and specialists are chance, the mean share of variance by seeds, and the
    share of replicas that are indefinite on the tangent."""
    rng = np.random.default_rng([num_seeds, round(1000 * seed_noise)])
    share, indefinite = [], []
    centre = np.eye(n) - 1.0 / n

    def measure(one: Population, rng: np.random.Generator, repeat: int):
        asked = rng.integers(0, examples, (n, m))
        which = rng.integers(0, sets, num_seeds)
        measured = [one.measured(int(w), asked, replicas, repeat)[0] for w in which]
        share.append(seed_variance(measured).share)
        affinity = combine_seeds(measured, seed=repeat)
        lowest = np.linalg.eigvalsh(centre @ affinity.replicas @ centre)[:, 0]
        indefinite.append((lowest < -1e-12).mean())
        return {
            "Student (now)": percentile(weights_of(affinity.replicas, t)),
            "resampled, same probes": percentile(
                weights_of(resampled_seeds(measured, rng, False), t)
            ),
            "resampled, own probes": percentile(
                weights_of(resampled_seeds(measured, rng, True), t)
            ),
        }, affinity

    everything = (population(n, examples, rng, sets, seed_noise) for _ in range(2))
    found, entries = coverage(everything, repeats // 2, t, rng, measure)
    return found, entries, float(np.mean(share)), float(np.mean(indefinite))


def percent(share: object) -> str:
    return f"{100 * share:.1f}" if isinstance(share, float) else "-"


def table(rows: list[dict[str, object]], keys: list[str]) -> str:
    """Markdown: what was simulated, the way in use in full, of all others the interior coverage."""
    ways = list(dict.fromkeys(str(row["way"]) for row in rows))
    now, others = ways[0], ways[:0:-1]
    head = [*keys, now, "interior", "at 0", "entries of S", *others]
    shares = ("share", "indefinite")
    lines = ["| " + " | ".join(head) + " |", "|" + "---:|" * len(head)]
    for i in range(0, len(rows), len(ways)):
        found = {str(row["way"]): row for row in rows[i : i + len(ways)]}
        ours = found[now]
        cells = [percent(ours[k]) if k in shares else f"{ours[k]:g}" for k in keys]
        cells.append(f"{percent(ours['all'])} ± {percent(ours['error'])}")
        cells += [percent(ours[key]) for key in ("interior", "boundary", "entries")]
        cells += [percent(found[way]["interior"]) for way in others]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tables(record: dict[str, list[dict[str, object]]]) -> str:
    return "\n\n".join(
        [
            table(record["probes"], ["n", "m", "t"]),
            table(record["seeds"], ["seeds", "share", "indefinite"]),
        ]
    )


GRID = [
    (6, 24, 0.6),
    (8, 24, 0.0),
    (8, 24, 0.3),
    (8, 24, 1.5),
    (8, 32, 0.6),
    (12, 16, 0.6),
    (16, 24, 0.6),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the repeats")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    given = parser.parse_args()
    scale = 10 if given.quick else 1
    record: dict[str, list[dict[str, object]]] = {"probes": [], "seeds": []}
    for n, m, t in GRID:
        found, entries = probes(n, m, t, 80 // scale, 5)
        record["probes"] += [
            {"n": n, "m": m, "t": t, "way": way, "entries": entries, **vars(one)}
            for way, one in found.items()
        ]
    for noise in (0.15, 0.4):
        for num in (3, 4, 5):
            found, entries, share, negative = seeds(num, noise, 300 // scale)
            about = {"seeds": num, "share": share, "indefinite": negative, "entries": entries}
            record["seeds"] += [{**about, "way": way, **vars(one)} for way, one in found.items()]
    print(tables(record))
    if given.json:
        given.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
