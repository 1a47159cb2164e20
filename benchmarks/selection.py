"""What budgeted selection costs and what it proves: greedy, search at n <= 20, the gap beyond.

Usage: python benchmarks/selection.py [--quick] [--json FILE]. Instances are drawn with fixed seeds:
`kernel`, similarities of 8 features like those of tasks, and `wishart`, without structure and hard.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np

from mishran.energy.constraints import simplex
from mishran.energy.diagonal import split
from mishran.energy.energy import Energy
from mishran.energy.greedy import grow, single_energies
from mishran.energy.selection import select
from mishran.energy.solver import minimise
from mishran.energy.subsets import Evaluator, Mask, Subsets, subsets
from mishran.types import Affinity

LIMIT_S = 10.0


def energy_of(kind: str, n: int, t: float = 0.3, seed: int = 0) -> Energy:
    rng = np.random.default_rng([seed, n])
    if kind == "kernel":
        features = np.abs(rng.normal(size=(n, 8)))
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        matrix = features @ features.T + 0.1 * np.eye(n)
    elif kind == "diagonal":
        matrix = np.diag(rng.uniform(1, 3, n))
    else:
        wide = rng.normal(size=(n, n + 5))
        matrix = wide @ wide.T
    names = tuple(f"task{i}" for i in range(n))
    affinity = Affinity(names, (matrix + matrix.T) / 2, "matrix", np.empty((0, n, n)))
    return Energy.coverage(affinity, t)


def problem_of(energy: Energy, k: int) -> Subsets:
    return subsets(energy, simplex(energy.names), k, (), 0.0)


def best_start(evaluate: Evaluator) -> Mask:
    n = len(evaluate.problem.names)
    return np.arange(n) == int(np.argmin(single_energies(evaluate)))


def every_task(evaluate: Evaluator, k: int) -> None:
    """Greedy that tries all tasks at every step."""
    chosen = best_start(evaluate)
    for _ in range(k - 1):
        options = []
        for j in np.flatnonzero(~chosen):
            trial = chosen.copy()
            trial[j] = True
            best = evaluate(trial)
            options.append((np.inf if best is None else best.value, int(j)))
        chosen[min(options)[1]] = True


def median_s(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def row(name: str, ours: float, peer: float, peer_name: str, goal: str) -> dict[str, object]:
    ratio = peer / ours if ours > 0 else float("nan")
    line = {"name": name, "ours": ours, "peer": peer, "peer_name": peer_name}
    print(
        f"{name}: {ours:.4g} against {peer:.4g} ({peer_name}), {ratio:.3g}, goal {goal}", flush=True
    )
    return {**line, "ratio": ratio, "goal": goal}


def greedy_rows(quick: bool) -> list[dict[str, object]]:
    out = []
    cases = [("kernel", 100, 10, 0.3), ("wishart", 100, 10, 0.3), ("diagonal", 210, 22, 0.0)]
    for kind, n, k, t in cases[: 2 if quick else 3]:
        energy = energy_of(kind, n, t)
        problem = problem_of(energy, k)
        curvature = split(problem.hessian, np.ones(n)).diagonal

        def ours(
            problem: Subsets = problem, curvature: object = curvature, lazy: bool | None = None
        ) -> Evaluator:
            evaluate = Evaluator(problem, np.asarray(curvature))
            grow(evaluate, best_start(evaluate), 0, lazy)
            return evaluate

        def naive(problem: Subsets = problem, k: int = k) -> Evaluator:
            evaluate = Evaluator(problem, np.zeros(len(problem.names)))
            every_task(evaluate, k)
            return evaluate

        repeats = 1 if quick else 3
        label = f"greedy {kind} n={n} k={k}, s"
        out.append(
            row(label, median_s(ours, repeats), median_s(naive, repeats), "all tasks tried", "> 1")
        )
        solved, tried = ours().solves, naive().solves
        out.append(row(f"greedy {kind} n={n} k={k}, sets", solved, tried, "all tasks tried", "> 1"))
    return out


def proven_rows(quick: bool) -> list[dict[str, object]]:
    """Proof at n = 20 against trying every set; the time of that is extrapolated from 300 sets."""
    out = []
    for kind in ("kernel", "wishart"):
        for k in (5, 10) if quick else (3, 5, 7, 10):
            energy = energy_of(kind, 20)
            began = time.perf_counter()
            got = select(energy, k)
            ours = time.perf_counter() - began
            evaluate = Evaluator(problem_of(energy, k), np.zeros(20))
            began = time.perf_counter()
            for _, tasks in zip(range(300), combinations(range(20), k), strict=False):
                evaluate(np.isin(np.arange(20), tasks))
            sets = len(list(combinations(range(20), k)))
            every = (time.perf_counter() - began) / 300 * sets
            state = "proven" if got.proven else f"gap {got.relative_gap:.1e}"
            out.append(
                row(
                    f"{state}, {kind} n=20 k={k}, {got.nodes} nodes, s",
                    ours,
                    every,
                    "every set",
                    "> 1",
                )
            )
    return out


def gap_rows(quick: bool) -> list[dict[str, object]]:
    """gap / D after 10 s against that of the convex relaxation alone."""
    out = []
    for kind in ("kernel", "wishart"):
        for n in (38,) if quick else (38, 100, 316):
            for k in (6,) if quick else (6, 15):
                energy = energy_of(kind, n)
                began = time.perf_counter()
                got = select(
                    energy, k, time_limit=2.0 if quick else LIMIT_S, node_limit=1_000_000_000
                )
                took = time.perf_counter() - began
                free = minimise(energy, simplex(energy.names))[0]
                relaxed = (-energy.value(free) - got.value) / energy.scale
                name = f"gap/D {kind} n={n} k={k}, {got.nodes} nodes, {took:.1f} s, {got.ended_by}"
                out.append(row(name, got.relative_gap, relaxed, "convex relaxation", "> 1"))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute's worth of it")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    options = parser.parse_args()
    rows = greedy_rows(options.quick) + proven_rows(options.quick) + gap_rows(options.quick)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
