"""Do merged specialists order mixtures as training does? Mixtures are scored, trained on, and compared.

A score that orders well would choose a mixture without a training. What it is measured against:

- the learning curves of the specialists without transfer, which take no forward pass at all;
- the distance to uniform, KL(p || uniform): no measurement at all;
- the same trainings with another seed, where they are asked for: the noise of training. If two seeds agree
  with rho r, a prediction without any error agrees with one of them with about sqrt(r) (Spearman 1904).

Merged with shares that sum to 1, many specialists come near the base. So beside base + c sum_k p_k delta_k
with c = 1, as in MergeMix (`PRIMARY`, named before anything was measured), other c are tried, and all are
reported. Merged models answer the rows that `fit` validates on, trained ones rows that it did not read.

Source: MergeMix, arXiv 2601.17858, which reports rho > 0.9; Merge to Mix, arXiv 2505.16066.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mishran.affinity.bootstrap import task_generator
from mishran.config import FitConfig, TrainConfig
from mishran.engine.local import run_jobs
from mishran.errors import ConfigError, DataError
from mishran.evaluate.measured import value
from mishran.evaluate.predictions import Predictions, Said
from mishran.evaluate.results import TRAINED, UNTRAINED
from mishran.methods.decay import decays
from mishran.methods.shares import tokens_of
from mishran.pipeline.compare_train import WORKER, read_answers, watched, workers_for
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import read_facts, read_run
from mishran.pipeline.progress import Progress, Silent
from mishran.run import Run, Stage, sha256_value
from mishran.types import Array

VERSION = 1
CURVES, KL = "learning curves", "distance to uniform"
PRIMARY = "merged, c = 1"


@dataclass(frozen=True)
class Asked:
    """What is trained and measured.

    tokens: of each training; shares: what weights are shares of. seeds: of the trainings; the first is what
    is predicted, each other one a prediction. examples: held-out ones of each task.
    """

    tokens: int
    seeds: tuple[int, ...] = (0,)
    shares: Literal["rows", "tokens"] = "rows"
    examples: int = 32


def random_mixtures(
    names: Sequence[str], count: int, seed: int, concentration: float = 1.0
) -> Array:
    """(count, n) draws from a Dirichlet distribution; 1 is even over the simplex.

    The first of more are the same, and the order of the names changes nothing (`mishran.methods.random`).
    """
    drawn = [task_generator(name, seed).gamma(concentration, size=count) for name in names]
    return np.asarray(np.transpose(drawn) / np.sum(drawn, axis=0)[:, None])


def scales_for(n: int, tokens: int, specialist_tokens: int | None) -> dict[str, float]:
    """Prediction -> c.

    N/T: what a training of N tokens does where each of its tokens does what it did to the specialist, which
    had T of them.
    """
    found = {PRIMARY: 1.0, "merged, c = 2": 2.0, "merged, c = sqrt(n)": math.sqrt(n)}
    if specialist_tokens is not None:
        found["merged, c = N/T"] = tokens / specialist_tokens
    return found


def study(
    run_dir: str | Path,
    weights: Array,
    asked: Asked,
    *,
    out: Path | None = None,
    train: TrainConfig | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Score mixtures, train on each, compare; the same call goes on where it was.

    Args:
        weights: (k, n) different mixtures of the run's tasks that are trained on, in their order.
        out: folder of scores and trainings; by default `proxy` in the run directory.
        train: how to train; by default as the run's configuration says.
        workers: processes that train, None for one per processor or GPU.

    Raises:
        ConfigError: weights that are no mixtures. MishranError: bad input, or fewer than two trainings that
            end.
    """
    progress = progress or Silent()
    run = Run(Path(run_dir))
    config: FitConfig = read_run(run)
    names = tuple(f.name for f in read_facts(run) if not f.eval_only)
    weights = _mixtures(weights, names)
    scales = scales_for(len(names), asked.tokens, config.specialists.budget_tokens)
    folder = Run(out or run.path("proxy"))
    with folder.locked():
        scores = _scores(run, folder, names, weights, scales, asked.examples, progress)
        recipe = watched(train or config.train)
        jobs = trainings(folder, names, weights, asked, recipe)
        found, failed = _train(run, jobs, asked, recipe, workers, progress)
    kept = [i for i in range(len(weights)) if all((i, seed) in found for seed in asked.seeds)]
    if len(kept) < 2:
        raise DataError(
            expected="at least two mixtures whose trainings end",
            found=failed[0],
            where="proxy study",
            fix="mend that, then run the same command: what is done is kept",
        )
    predicted = {name: _said([scores[i][name] for i in kept], names) for name in scales}
    for seed in asked.seeds[1:]:
        predicted[f"training again, seed {seed}"] = _said([found[i, seed] for i in kept], names)
    trained = _said([found[i, asked.seeds[0]] for i in kept], names)
    predicted |= free_predictions(run, weights[kept], asked, tuple(trained.groups))
    return Predictions(names, weights[kept], trained, predicted, scales, tuple(failed))


def free_predictions(
    run: Run, weights: Array, asked: Asked, groups: Sequence[str]
) -> dict[str, Said]:
    """What needs no forward pass: learning curves, where a run has three points of each, and KL."""
    evidence = evidence_of(run, ("curves",), bounds=False)
    n = weights.shape[1]
    logs = np.log(np.where(weights > 0, weights * n, 1.0))
    out = {KL: Said(dict.fromkeys(groups, (weights * logs).sum(axis=1)), {})}
    curves = evidence.curves or ()
    if curves and all(len(curve.tokens) >= 3 for curve in curves):
        fitted = decays([(curve.tokens, curve.nats) for curve in curves])
        shares = tokens_of(weights, evidence.mean_tokens) if asked.shares == "rows" else weights
        losses = np.array([fitted.value(asked.tokens * row) for row in shares])
        by_task = dict(zip(evidence.names, losses.T, strict=True))
        out[CURVES] = Said({TRAINED: losses.mean(axis=1)}, by_task)
    return out


def _scores(
    run: Run,
    folder: Run,
    names: Sequence[str],
    weights: Array,
    scales: dict[str, float],
    examples: int,
    progress: Progress,
) -> list[dict[str, dict[str, float]]]:
    """Of every mixture: prediction -> task -> loss. A stage each, named by its weights."""
    from mishran.pipeline.proxy import open_proxy

    proxy = open_proxy(run.root, examples, progress)
    out = []
    with progress.bar("answering as merged models", len(weights) * len(scales)) as advance:
        for row in weights.tolist():
            own = dict(zip(names, row, strict=True))
            name = f"merged/{sha256_value([own, scales, examples])[:16]}"
            file = f"{name}.json"
            params = {"weights": own, "scales": scales, "device": proxy.loaded.device.type}
            stage = Stage(name, VERSION, params, dict(proxy.inputs), (file,))

            def make(place: Path, own: dict[str, float] = own, file: str = file) -> None:
                there = [own[who] for who in proxy.names]
                found = {label: proxy.losses(there, c) for label, c in scales.items()}
                (place / file).parent.mkdir(parents=True, exist_ok=True)
                (place / file).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

            folder.complete(stage, make, progress.say)
            out.append(json.loads(folder.path(file).read_text(encoding="utf-8")))
            advance(len(scales))
    return out


def trainings(
    folder: Run, names: Sequence[str], weights: Array, asked: Asked, recipe: TrainConfig
) -> dict[tuple[int, int], dict[str, Any]]:
    """(mixture, seed) -> a job of `mishran.pipeline.worker`, in a folder named by what it is."""
    out = {}
    for seed in asked.seeds:
        for i, row in enumerate(weights.tolist()):
            job: dict[str, Any] = {
                "weights": dict(zip(names, row, strict=True)),
                "tokens": asked.tokens,
                "shares": asked.shares,
                "seed": seed,
            }
            name = sha256_value([job, recipe.decides, asked.examples])[:16]
            out[i, seed] = job | {"out": str((folder.root / "runs" / name).resolve())}
    return out


def _train(
    run: Run,
    jobs: Mapping[tuple[int, int], dict[str, Any]],
    asked: Asked,
    recipe: TrainConfig,
    workers: int | None,
    progress: Progress,
) -> tuple[dict[tuple[int, int], dict[str, float]], list[str]]:
    """(mixture, seed) -> task -> loss, and why others have none."""
    setup = {
        "place": str(run.root.resolve()),
        "model": None,
        "train": recipe.model_dump(mode="json"),
        "examples": asked.examples,
        "max_epochs": None,
        "accuracy": False,
    }
    which, orders = list(jobs), list(jobs.values())
    num, environments = workers_for(workers)
    found, failed = {}, {}
    total = sum(order["tokens"] for order in orders)
    with progress.bar(f"training {len(orders)} models", total, "tokens") as advance:
        for one in run_jobs(WORKER, setup, orders, num, environments, advance):
            i, seed = which[one.index]
            if one.failed:
                failed[one.index] = f"mixture {i}, seed {seed}: {one.failed}"
                progress.say(failed[one.index])
                continue
            results = read_answers(Path(orders[one.index]["out"]) / "answers.npz")
            found[i, seed] = {task: value(result, "loss") for task, result in results.items()}
    return found, [failed[index] for index in sorted(failed)]


def _said(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Said:
    """Tasks and their means: those that a mixture is over, and the others."""
    tasks = {task: np.array([row[task] for row in rows]) for task in rows[0]}
    others = [task for task in tasks if task not in names]
    groups = {TRAINED: np.mean([tasks[task] for task in names], axis=0)}
    if others:
        groups[UNTRAINED] = np.mean([tasks[task] for task in others], axis=0)
    return Said(groups, tasks)


def _mixtures(weights: Array, names: Sequence[str]) -> Array:
    found = np.array(weights, dtype=np.float64)
    problem = ""
    if found.ndim != 2 or found.shape[1] != len(names) or len(found) < 2:
        problem = f"an array of shape {found.shape}"
    elif not np.isfinite(found).all() or (found < 0).any():
        problem = "a weight that is negative or not finite"
    elif np.abs(found.sum(axis=1) - 1.0).max() > 1e-9:
        problem = f"one whose weights sum to {found.sum(axis=1)[np.abs(found.sum(axis=1) - 1).argmax()]:g}"
    elif len(np.unique(found, axis=0)) < len(found):
        problem = "the same one twice"
    if problem:
        raise ConfigError(
            expected=f"two or more different mixtures of {len(names)} tasks, whose weights sum to 1",
            found=problem,
            where="proxy study",
            fix="give a row for each mixture and a column for each task of the run",
        )
    return found
