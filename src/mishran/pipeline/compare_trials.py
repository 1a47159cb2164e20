"""Short runs on random mixtures, for the methods that read some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mishran.engine.local import run_jobs
from mishran.errors import DataError
from mishran.methods import Trials, parse
from mishran.pipeline.compare_asked import OWN, Asked, named
from mishran.pipeline.compare_train import WORKER, read_answers, workers_for
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.progress import Progress
from mishran.run import Run

TRIALS, TRIAL = 6, 0.25  # short runs for transfer=fitted, and their part of the budget


def run_trials(
    run: Run, folder: Run, asked: Asked, setup: dict[str, Any], progress: Progress
) -> Trials | None:
    """Short runs on random mixtures, where a method reads them; measured on what `fit` validates on.

    Raises:
        DataError: one of them failed.
    """
    if not any("trials" in parse(name).needs for name in named(asked) if name != OWN):
        return None
    tokens = max(1, round(TRIAL * asked.tokens))
    evidence = evidence_of(run, (), bounds=False)
    orders = []
    for number in range(TRIALS):
        drawn = parse(f"random:seed={number}").solve(evidence)
        orders.append(
            {
                "weights": dict(zip(drawn.names, drawn.weights.tolist(), strict=True)),
                "tokens": tokens,
                "shares": asked.shares,
                "seed": number,
                "out": str(folder.path(f"trials/{number}").resolve()),
                "tasks": list(evidence.names),
                "chooses": True,
            }
        )
    num, environments = workers_for(asked.workers)
    with progress.bar("short mixed runs", tokens * TRIALS, "tokens") as advance:
        for one in run_jobs(WORKER, setup, orders, num, environments, advance):
            if one.failed:
                raise DataError(
                    expected=f"{TRIALS} short mixed runs for transfer=fitted",
                    found=one.failed,
                    where=orders[one.index]["out"],
                    fix="mend that and run the same command, or use transfer=affinity",
                )
    weights, seen, nats = [], [], []
    for order in orders:
        facts = json.loads((Path(order["out"]) / "training.json").read_text(encoding="utf-8"))
        rows = np.array([facts["tasks"][name]["rows"] for name in evidence.names], dtype=float)
        answers = read_answers(Path(order["out"]) / "answers.npz")
        weights.append(rows / rows.sum())
        seen.append(facts["tokens"])
        nats.append(
            [float((a.nats / a.tokens).mean()) for a in map(answers.get, evidence.names) if a]
        )
    return Trials(np.array(weights), np.array(seen, dtype=float), np.array(nats))
