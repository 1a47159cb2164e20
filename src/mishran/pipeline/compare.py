"""`mishran compare`: does a mixture help? Train on each, with the same tokens and seeds, and measure.

Mixtures are solved from what a run measured; every training is a folder of its own that is done or goes on;
statistics and page are made anew each time. What chose a mixture does not measure it: models are evaluated
on held-out examples that `fit` did not read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mishran.comparison import Comparison
from mishran.config import FitConfig, MixtureConfig, TrainConfig
from mishran.config_mixture import ENERGY
from mishran.engine.local import run_jobs
from mishran.errors import ConfigError, DataError, MishranError
from mishran.evaluate.compare import compare as compared
from mishran.evaluate.results import UNIFORM, Candidate, RunResult, Setting, TaskResult
from mishran.methods import Proposal, Trials, canonical, parse
from mishran.mixture import Mixture
from mishran.pipeline.cost import Cost, cost_of
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import TaskFacts, read_facts, read_run
from mishran.pipeline.progress import Progress, Silent
from mishran.pipeline.tables import read_npz
from mishran.run import Run, atomic_write, sha256_bytes

OWN = "run"  # the mixture of the run as it is, bounds and all
TRIALS, TRIAL = 6, 0.25  # short runs for transfer=fitted, and their part of the budget
CURVE = (0.5, 2.0)  # budgets at which uniform is trained too, for the steps to equal loss
SAME = 12  # decimals of weights
WORKER = "mishran.pipeline.worker"


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    methods: specs (see `mishran.methods.registry`), or "run"; uniform comes by itself. tokens: of each
    training. shares: what weights are shares of, rows or tokens; those of methods that go by sizes are
    of rows, and are converted. curve: multiples of the budget that uniform is trained at as well.
    examples: held-out ones of each task. groups: further groups of tasks that are told apart. workers:
    processes, None for one per processor or GPU. redistribute is always on: a task at max_epochs gives
    the rest away, and says so.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    tokens: int
    shares: str = "rows"
    examples: int = 64
    curve: tuple[float, ...] = CURVE
    max_epochs: float | None = None
    accuracy: bool = True
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    primary: str | None = None
    workers: int | None = None
    model: str | None = None
    keep_models: bool = False


@dataclass(frozen=True)
class Solved:
    """A method's mixture and what it cost; failed: why there is none."""

    method: str
    weights: Mapping[str, float]
    cost: Cost
    notes: tuple[str, ...] = ()
    failed: str = ""


def compare(
    run_dir: str | Path,
    asked: Asked,
    *,
    out: Path | None = None,
    train: TrainConfig | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare mixtures on a run's tasks; the same call goes on where it was.

    Args:
        run_dir: a run that `fit` made.
        out: folder of the trainings; by default `compare` in the run directory.
        train: how to train; by default as the run's configuration says.

    Raises:
        MishranError: bad input; or no run of uniform, or of any other method, finished.
    """
    progress = progress or Silent()
    run = Run(Path(run_dir))
    config: FitConfig = read_run(run)
    run.need("mixture")
    folder = Run(out or run.path("compare"))
    recipe = watched(train or config.train)
    setup = {
        "place": str(run.root.resolve()),
        "model": asked.model,
        "train": recipe.model_dump(mode="json"),
        "examples": asked.examples,
        "max_epochs": asked.max_epochs,
        "accuracy": asked.accuracy,
    }
    # Before anything dear: what is asked for is there.
    _setting(run, asked).task_groups([fact.name for fact in read_facts(run)])
    _check_budgets(asked)
    solve_all(run, config, asked, None)
    with folder.locked():
        _settle(folder, asked, setup)
        trials = run_trials(run, folder, asked, setup, progress)
        solved = solve_all(run, config, asked, trials)
        for one in solved:
            if one.failed:
                progress.say(f"{one.method}: {one.failed}")
        jobs = jobs_of(folder, solved, asked)
        ran = _run(jobs, setup, asked, progress)
        comparison = _compared(run, solved, jobs, ran, asked)
        _write(folder, comparison)
    return comparison


def watched(recipe: TrainConfig) -> TrainConfig:
    """The settings of a training that is measured at its end only, on one thread: the same on any
    number of processes."""
    more: dict[str, Any] = {"validations": 0}
    if recipe.threads is None:
        more["threads"] = 1
    return recipe.model_copy(update=more)


def named(asked: Asked) -> list[str]:
    """Every method once, by its canonical name, uniform first.

    Raises:
        ConfigError: one that does not exist.
    """
    specs = [UNIFORM, *(m.strip() for m in asked.methods)]
    return list(dict.fromkeys(m if m == OWN else canonical(parse(m)) for m in specs))


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


def solve_all(run: Run, config: FitConfig, asked: Asked, trials: Trials | None) -> list[Solved]:
    """Every method's mixture, uniform first; one that cannot be solved says why."""
    names = named(asked)
    spent = 0.0 if trials is None else float(trials.tokens.sum())
    budget: dict[str, Any] = {"budget": {"tokens": asked.tokens}, "max_epochs": asked.max_epochs}
    settings = MixtureConfig.model_validate(
        config.mixture.model_dump(exclude_unset=True) | budget | {"floors": {}, "caps": {}}
    )
    facts = read_facts(run)
    out = []
    for name in names:
        if name == OWN:
            mixture = Mixture.read(run.path("mixture.json"))
            own = shared_out(mixture.weights, facts, asked.shares)
            out.append(Solved(name, own, cost_of(run, facts, read_by(mixture), spent)))
            continue
        method = parse(name)
        cost = cost_of(run, facts, method.needs, spent)
        try:
            evidence = evidence_of(run, method.needs, settings, trials, bounds=False)
            found: Proposal = method.solve(evidence)
        except MishranError as error:
            out.append(Solved(name, {}, cost, failed=str(error)))
            continue
        weights = dict(zip(found.names, found.weights.tolist(), strict=True))
        if method.sized:
            weights = shared_out(weights, facts, asked.shares)
        out.append(Solved(name, weights, cost, found.notes))
    waits = trials is None and any("trials" in parse(n).needs for n in names if n != OWN)
    if not any(not one.failed for one in out[1:]) and not waits:
        raise ConfigError(
            expected="a method to compare with uniform",
            found=out[1].failed if len(out) > 1 else "none",
            where="--methods",
            fix="name one that the run has measured enough for, taskpgm say",
        )
    return out


def read_by(mixture: Mixture) -> tuple[str, ...]:
    """What the method that found it reads (`StaticMethod.needs`)."""
    if not mixture.method.startswith(ENERGY):
        return parse(mixture.method).needs
    utility = mixture.parameters.get("unary") == "utility"
    return (f"affinity {mixture.affinity}", *(("scores",) if utility else ()))


def shared_out(
    weights: Mapping[str, float], facts: Sequence[TaskFacts], shares: str
) -> dict[str, float]:
    """Shares of rows as shares of rows or of tokens."""
    if shares == "rows":
        return dict(weights)
    tokens = {f.name: weights[f.name] * f.mean_tokens for f in facts if f.name in weights}
    total = sum(tokens.values())
    return {name: value / total for name, value in tokens.items()}


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
class _Ran:
    """results: one per job, in their order. notes: method -> what its plans say. warnings: about all."""

    results: tuple[RunResult, ...]
    notes: Mapping[str, tuple[str, ...]]
    warnings: tuple[str, ...]


def _run(jobs: Sequence[Job], setup: dict[str, Any], asked: Asked, progress: Progress) -> _Ran:
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
    return _Ran(tuple(out), {name: tuple(own) for name, own in notes.items()}, tuple(warnings))


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


def _compared(
    run: Run,
    solved: Sequence[Solved],
    jobs: Sequence[Job],
    ran: _Ran,
    asked: Asked,
) -> Comparison:
    candidates = [
        Candidate(
            one.method,
            one.method,
            one.weights,
            one.cost.trained,
            one.cost.forward,
            (*one.cost.notes, *one.notes, *ran.notes.get(one.method, ())),
            one.failed,
        )
        for one in solved
    ]
    curve: dict[int, list[RunResult]] = {}
    for job, result in zip(jobs, ran.results, strict=True):
        if job.scale != 1.0:
            curve.setdefault(job.order["tokens"], []).append(result)
    own = [r for job, r in zip(jobs, ran.results, strict=True) if job.scale == 1.0]
    found = compared(candidates, own, _setting(run, asked), curve)
    return found.model_copy(update={"warnings": (*found.warnings, *ran.warnings)})


def _setting(run: Run, asked: Asked) -> Setting:
    config: FitConfig = read_run(run)
    return Setting(
        budget_tokens=asked.tokens,
        model=Path(asked.model or config.model).name,
        seeds=asked.seeds,
        eval_only=tuple(fact.name for fact in read_facts(run) if fact.eval_only),
        groups=dict(asked.groups),
        **({"primary": asked.primary} if asked.primary else {}),
    )


def _check_budgets(asked: Asked) -> None:
    """Nothing if uniform's curve has a point of its own at each multiple.

    Raises:
        ConfigError: in whole tokens, two are the same.
    """
    budgets = [asked.tokens, *(round(asked.tokens * scale) for scale in asked.curve)]
    if len(set(budgets)) < len(budgets) or min(budgets) < 1:
        raise ConfigError(
            expected="multiples that differ from each other and from 1 in whole tokens",
            found=", ".join(f"{budget:,} tokens" for budget in budgets),
            where="--curve",
            fix="write --curve 0.5,2, or --curve none",
        )


def _settle(folder: Run, asked: Asked, setup: dict[str, Any]) -> None:
    """Write down what all trainings here have in common; methods and seeds may be added later.

    Raises:
        ConfigError: those that are here have something else in common.
    """
    how = {k: v for k, v in setup.items() if k != "place"}
    how |= {"tokens": asked.tokens, "shares": asked.shares}
    text = json.dumps(how, indent=1) + "\n"
    path = folder.path("settings.json")
    if path.is_file():
        there = _flat(path.read_text(encoding="utf-8"))
        here = _flat(text)
        other = [k for k in here if there.get(k) != here[k]]
        if other:
            raise ConfigError(
                expected=f"what the trainings that are there have, {_said(there, other)}",
                found=_said(here, other),
                where=str(path),
                fix="name another folder with --out",
            )
    atomic_write(path, text)


def _flat(text: str) -> dict[str, Any]:
    """Settings by name, those of training too."""
    how = json.loads(text)
    return how | {f"train.{k}": v for k, v in how.pop("train").items()}


def _said(how: Mapping[str, Any], keys: Sequence[str]) -> str:
    return ", ".join(f"{k} {json.dumps(how.get(k))}" for k in keys)


def _write(folder: Run, comparison: Comparison) -> None:
    from mishran.report.comparison import render_comparison
    from mishran.report.comparison_text import comparison_markdown

    title = f"Does the mixture help? {folder.root.resolve().name}"
    atomic_write(folder.path("comparison.json"), comparison.to_json())
    atomic_write(folder.path("report.html"), render_comparison(comparison, title))
    atomic_write(folder.path("report.md"), comparison_markdown(comparison, title))
