"""Is the affinity true? What j, trained on beside i, does to the loss on i.

Transfer from j to i: loss on i after N tokens of i, less that after N tokens of i and N of j, mixed.
Above 0 j helps, below 0 it harms (negative transfer). Both runs saw the same rows of i in the same order.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from scipy import stats

from mishran.engine.local import run_jobs
from mishran.pipeline.compare_train import WORKER, read_answers, watched, workers_for
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import read_run
from mishran.run import Run, atomic_write

TOKENS = 2000  # of each task of a pair
EXAMPLES = 48  # held out, of each task


def measure(run_dir: Path, out: Path, num: int, seeds: int, workers: int | None, progress) -> None:
    """Train on pairs and on single tasks; writes pairs.json."""
    run = Run(run_dir)
    names = evidence_of(run, (), bounds=False).names
    chosen = choose(names, num)
    singles = sorted({i for pair in chosen for i in pair})
    orders = []
    for seed in range(seeds):
        for tasks in [(i,) for i in singles] + list(chosen):
            orders.append(
                {
                    "weights": {n: float(n in tasks) for n in names},
                    "tokens": TOKENS * len(tasks),
                    "shares": "tokens",
                    "seed": seed,
                    "out": str((out / "+".join(tasks) / f"seed-{seed}").resolve()),
                    "tasks": list(tasks),
                }
            )
    setup = {
        "place": str(run.root.resolve()),
        "model": None,
        "train": watched(read_run(run).train).model_dump(mode="json"),
        "examples": EXAMPLES,
        "max_epochs": None,
        "accuracy": False,
    }
    number, environments = workers_for(workers)
    failed = 0
    with progress.bar("pairs", sum(o["tokens"] for o in orders), "tokens") as advance:
        for one in run_jobs(WORKER, setup, orders, number, environments, advance):
            if one.failed:
                failed += 1
                progress.say(one.failed)
    losses: dict[tuple[str, ...], dict[int, dict[str, float]]] = {}
    for order in orders:
        path = Path(order["out"]) / "answers.npz"
        if path.is_file():
            found = {k: float((a.nats / a.tokens).mean()) for k, a in read_answers(path).items()}
            losses.setdefault(tuple(order["tasks"]), {})[order["seed"]] = found
    rows = []
    for pair in chosen:
        for i, j in (pair, pair[::-1]):
            both, alone = losses.get(pair, {}), losses.get((i,), {})
            by_seed = {s: alone[s][i] - both[s][i] for s in both if s in alone}
            if by_seed:
                rows.append({"on": i, "from": j, "transfer": by_seed})
    atomic_write(
        out / "pairs.json",
        json.dumps({"tokens": TOKENS, "examples": EXAMPLES, "failed": failed, "rows": rows}) + "\n",
    )


def choose(names: tuple[str, ...], num: int) -> list[tuple[str, str]]:
    """Pairs drawn with a fixed seed, every task in about as many."""
    every = list(itertools.combinations(names, 2))
    rng = np.random.default_rng(0)
    order = [every[k] for k in rng.permutation(len(every))]
    used = dict.fromkeys(names, 0)
    out = []
    while order and len(out) < num:
        best = min(range(len(order)), key=lambda k: used[order[k][0]] + used[order[k][1]])
        pair = order.pop(best)
        out.append(pair)
        for i in pair:
            used[i] += 1
    return sorted(out)


def read(out: Path, run_dir: Path) -> dict[str, object]:
    """Correlation of measured transfer with each affinity, with bootstrap intervals over pairs."""
    data = json.loads((out / "pairs.json").read_text())
    run = Run(run_dir)
    kinds = ("jsd", "pmi-mean")
    evidence = evidence_of(run, [*(f"affinity {k}" for k in kinds), "scores"], bounds=False)
    place = {name: k for k, name in enumerate(evidence.names)}
    rows = data["rows"]
    i = np.array([place[r["on"]] for r in rows])
    j = np.array([place[r["from"]] for r in rows])
    seeds = [np.array(list(r["transfer"].values())) for r in rows]
    transfer = np.array([s.mean() for s in seeds])
    predictors = {
        "1 - JSD": evidence.affinities["jsd"].matrix[i, j],
        "PMI": evidence.affinities["pmi-mean"].matrix[i, j],
        "gain of specialist j on i": gains(evidence)[i, j],
    }
    pair_of = np.array(["|".join(sorted((r["on"], r["from"]))) for r in rows])
    out_rows = {}
    for name, values in predictors.items():
        within = values - means_by(i, values), transfer - means_by(i, transfer)
        out_rows[name] = {
            "spearman": interval(values, transfer, pair_of),
            "within": interval(*within, pair_of),
        }
    both = [s for s in seeds if len(s) > 1]
    first = np.array([s[0] for s in both])
    second = np.array([s[1] for s in both])
    on = np.array([place[r["on"]] for r, s in zip(rows, seeds, strict=True) if len(s) > 1])
    reliable = None
    if len(both) > 2:
        apart = first - means_by(on, first), second - means_by(on, second)
        reliable = [float(stats.spearmanr(*xs).statistic) for xs in ((first, second), apart)]
    worst = sorted(range(len(rows)), key=lambda k: transfer[k])
    shown = [[rows[k]["from"], rows[k]["on"], float(transfer[k])] for k in worst]
    return {
        "tokens": data["tokens"],
        "directed": len(rows),
        "pairs": len(set(pair_of)),
        "negative": int((transfer < 0).sum()),
        "predictors": out_rows,
        "two_seeds": reliable,
        "worst": shown[:5],
        "best": shown[::-1][:5],
        "median": float(np.median(transfer)),
    }


def gains(evidence) -> np.ndarray:
    """(n, n) what specialist j saves over the base on the probes of i, nats per answer token."""
    scores = evidence.scores
    gain = (scores.base_nats - scores.nats) / scores.tokens
    task = np.array(scores.probe_task)
    return np.array([gain[:, task == name].mean(axis=1) for name in evidence.names])


def means_by(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    sums, counts = np.bincount(group, values), np.bincount(group)
    return (sums / np.maximum(counts, 1))[group]


def interval(x: np.ndarray, y: np.ndarray, pair_of: np.ndarray) -> list[float]:
    """Spearman with a 95 % bootstrap interval; both directions of a pair are drawn together."""
    rng = np.random.default_rng(0)
    names = np.unique(pair_of)
    members = [np.flatnonzero(pair_of == name) for name in names]
    drawn = []
    for _ in range(1000):
        k = np.concatenate([members[m] for m in rng.integers(0, len(names), len(names))])
        drawn.append(stats.spearmanr(x[k], y[k]).statistic)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return [float(stats.spearmanr(x, y).statistic), float(low), float(high)]
