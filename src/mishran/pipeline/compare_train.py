"""The trainings of a comparison: one for every mixture and seed, each in a folder of its own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mishran.config import TrainConfig
from mishran.engine.local import run_jobs
from mishran.errors import DataError
from mishran.evaluate.results import UNIFORM, RunResult, TaskResult
from mishran.pipeline.compare_asked import Asked
from mishran.pipeline.compare_solve import Solved
from mishran.pipeline.progress import Progress
from mishran.pipeline.tables import read_npz
from mishran.run import Run, sha256_bytes

SAME = 12  # decimals of weights
WORKER = "mishran.pipeline.worker"


def watched(recipe: TrainConfig) -> TrainConfig:
    """The settings of a training that is measured at its end only, on one thread: the same on any
    number of processes."""
    more: dict[str, Any] = {"validations": 0}
    if recipe.threads is None:
        more["threads"] = 1
    return recipe.model_copy(update=more)


@dataclass(frozen=True)
class Job:
    """A training. scale: multiple of the budget; 1 is the comparison's own. order: what a worker reads;
    jobs with the same `out` are one training.
    """

    method: str
    seed: int
    scale: float
    order: dict[str, Any]

    @property
    def out(self) -> str:
        return str(self.order["out"])


def jobs_of(folder: Run, solved: Sequence[Solved], asked: Asked) -> list[Job]:
    """Seed by seed, so that an interrupted comparison has whole seeds.

    The same mixture under several names is one training: where there is one under any of them, else under
    the first.
    """
    mixtures = {one.method: rounded(one.weights) for one in solved if not one.failed}
    names: dict[str, list[str]] = {}
    for method, weights in mixtures.items():
        names.setdefault(json.dumps(weights), []).append(slug(method))
    out: list[Job] = []
    for seed in asked.seeds:
        for method, weights in mixtures.items():
            for scale in (1.0, *asked.curve) if method == UNIFORM else (1.0,):
                more = "" if scale == 1.0 else f"-x{scale:g}"
                places = [
                    folder.root.resolve() / "runs" / f"{name}{more}" / f"seed-{seed}"
                    for name in names[json.dumps(weights)]
                ]
                order = {
                    "weights": weights,
                    "tokens": round(asked.tokens * scale),
                    "shares": asked.shares,
                    "seed": seed,
                    "out": str(next((p for p in places if p.is_dir()), places[0])),
                    "keep_model": asked.keep_models,
                }
                out.append(Job(method, seed, scale, order))
    return out


def rounded(weights: Mapping[str, float]) -> dict[str, float]:
    """Without what rounding of their sums leaves, so that the same mixture has the same weights."""
    return {name: round(weight, SAME) for name, weight in sorted(weights.items())}


def slug(method: str) -> str:
    """A method as the name of a folder; different ones have different names."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", method).strip("-")
    return plain if plain == method else f"{plain[:60]}-{sha256_bytes(method.encode())[:6]}"


def workers_for(asked: int | None) -> tuple[int, list[dict[str, str]]]:
    """How many processes, and the variables of each: a GPU each where there are some, else a thread."""
    gpus = _gpus()
    if gpus:
        num = asked or len(gpus)
        return num, [{"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(num)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    num = asked or cores or 1
    return num, [{"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}] * num


def _gpus() -> list[str]:
    """Names of the visible GPUs, without loading torch where there is no driver."""
    if not Path("/proc/driver/nvidia").exists():
        return []
    import torch

    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    return shown.split(",") if shown else [str(i) for i in range(torch.cuda.device_count())]


@dataclass(frozen=True)
class Ran:
    """results: one per job, in their order. notes: method -> what its plans say. warnings: about all."""

    results: tuple[RunResult, ...]
    notes: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]


def train_all(jobs: Sequence[Job], setup: dict[str, Any], asked: Asked, progress: Progress) -> Ran:
    """Train what is not done."""
    num, environments = workers_for(asked.workers)
    failed: dict[str, str] = {}
    done: dict[str, dict[str, Any]] = {}
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(job.out, job)
    trained = list(first.values())
    total = sum(job.order["tokens"] for job in trained)
    with progress.bar(f"training {len(trained)} models", total, "tokens") as advance:
        orders = [job.order for job in trained]
        for one in run_jobs(WORKER, setup, orders, num, environments, advance):
            job = trained[one.index]
            if one.failed:
                failed[job.out] = one.failed
                progress.say(f"{job.method}, seed {job.seed}: {one.failed}")
            else:
                done[job.out] = one.answer
    out = []
    notes: dict[str, dict[str, None]] = {}
    warnings: dict[str, None] = {}
    for job in jobs:
        if job.out in failed:
            out.append(RunResult(job.method, job.seed, failed=failed[job.out]))
            continue
        facts = done[job.out]
        if job.scale == 1.0:
            notes.setdefault(job.method, {}).update(dict.fromkeys(facts["notes"]))
        warnings |= dict.fromkeys(facts["all"])
        tasks = read_answers(Path(job.out) / "answers.npz")
        out.append(RunResult(job.method, job.seed, tasks, facts["tokens"], facts["steps"]))
    if all(r.failed for r in out):
        raise DataError(
            expected="at least one training that ends",
            found=out[0].failed,
            where="compare",
            fix="mend that, then run the same command: what is done is kept",
        )
    return Ran(tuple(out), {name: tuple(own) for name, own in notes.items()}, tuple(warnings))


def read_answers(path: Path) -> dict[str, TaskResult]:
    """What a worker wrote of a trained model."""
    data = read_npz(path)
    out = {}
    for number in range(sum(key.endswith("/name") for key in data)):
        part = {k.split("/")[1]: v for k, v in data.items() if k.split("/")[0] == str(number)}
        out[str(part["name"][0])] = TaskResult(
            tuple(part["ids"].tolist()),
            part["nats"],
            part["tokens"],
            part["bytes"],
            part.get("correct"),
        )
    return out
