"""`mishran compare`: does a mixture help? Train on each, with the same tokens and seeds, and measure.

Mixtures are solved from what a run measured; every training is a folder of its own that is done or goes on;
statistics and page are made anew each time. What chose a mixture does not measure it: models are evaluated
on held-out examples that `fit` did not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mishran.comparison import Comparison
from mishran.config import FitConfig, TrainConfig
from mishran.errors import ConfigError
from mishran.evaluate.compare import compare as compared
from mishran.evaluate.results import Candidate, RunResult, Setting
from mishran.pipeline.compare_asked import Asked, check_budgets
from mishran.pipeline.compare_solve import Solved, solve_all
from mishran.pipeline.compare_train import Job, Ran, jobs_of, train_all, watched
from mishran.pipeline.compare_trials import run_trials
from mishran.pipeline.facts import read_facts, read_run
from mishran.pipeline.progress import Progress, Silent
from mishran.run import Run, atomic_write


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
    check_budgets(asked)
    solve_all(run, config, asked, None)
    with folder.locked():
        _settle(folder, asked, setup)
        trials = run_trials(run, folder, asked, setup, progress)
        solved = solve_all(run, config, asked, trials)
        for one in solved:
            if one.failed:
                progress.say(f"{one.method}: {one.failed}")
        jobs = jobs_of(folder, solved, asked)
        ran = train_all(jobs, setup, asked, progress)
        comparison = _compared(run, solved, jobs, ran, asked)
        _write(folder, comparison)
    return comparison


def _compared(
    run: Run,
    solved: Sequence[Solved],
    jobs: Sequence[Job],
    ran: Ran,
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
