"""The cheap stages of a run: mixture and report. No torch, no model, no data.

They read the tables that `mishran fit` measured, and the affinity; `mishran solve RUN` runs them again
with other settings in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mishran.config import FitConfig, MixtureConfig
from mishran.methods import parse
from mishran.mixture import Mixture
from mishran.pipeline.affinities import stage_of
from mishran.pipeline.facts import TaskFacts, check_measured, read_facts, read_run
from mishran.pipeline.gains import gains_of
from mishran.pipeline.mix import Gains, Mixed, mix
from mishran.pipeline.mix_by_method import ENERGY, FILES, mix_by_method
from mishran.pipeline.progress import Progress
from mishran.pipeline.report import report_data
from mishran.pipeline.stages import TABLES, measured, mixture_stage, report_stage
from mishran.pipeline.tables import read_scores, write_npz
from mishran.report.html import render_html
from mishran.report.table import markdown
from mishran.run import Run, Stage, atomic_write
from mishran.types import Affinity


def run_mixture(run: Run, config: FitConfig, affinity: Affinity, progress: Progress) -> Mixture:
    """Solve, and write mixture.json, path.npz, and of an energy explanation.json."""
    settings = config.mixture
    facts = [f for f in read_facts(run) if not f.eval_only]
    inputs = mixture_inputs(run, settings, run.outputs(f"affinity-{affinity.kind}"))
    stage = _mixture_stage(settings, facts, inputs)

    def make(folder: Path) -> None:
        mixed = solved(run, config, affinity, facts, inputs)
        atomic_write(folder / "mixture.json", mixed.mixture.to_json())
        if mixed.explanation is not None:
            atomic_write(folder / "explanation.json", mixed.explanation.to_json())
        none = np.empty((0, len(facts)))
        write_npz(
            folder / "path.npz",
            t=np.empty(0) if mixed.t_values is None else mixed.t_values,
            weights=none if mixed.t_weights is None else mixed.t_weights,
        )

    run.complete(stage, make, progress.say)
    if settings.method != ENERGY:  # that of a mixture before
        run.path("explanation.json").unlink(missing_ok=True)
    return Mixture.read(run.path("mixture.json"))


def solved(
    run: Run,
    config: FitConfig,
    affinity: Affinity,
    facts: Sequence[TaskFacts],
    inputs: Mapping[str, str],
    explain: bool = True,
    start: Mapping[str, float] | None = None,
) -> Mixed:
    """By the energy and its settings, or by the method that the configuration names."""
    settings = config.mixture
    if settings.method != ENERGY:
        return mix_by_method(run, settings, facts, inputs, affinity.kind)
    gains = run_gains(run, config, affinity)
    return mix(affinity, settings, facts, gains=gains, inputs=inputs, explain=explain, start=start)


def _mixture_stage(
    settings: MixtureConfig, facts: Sequence[TaskFacts], inputs: dict[str, str]
) -> Stage:
    return mixture_stage(
        inputs,
        {
            "mixture": settings.model_dump(mode="json", exclude={"affinity", "replicas"}),
            "tasks": [[f.name, list(f.groups), f.train_rows, f.mean_tokens] for f in facts],
        },
        explained=settings.method == ENERGY,
    )


def cheap_todo(run: Run, config: FitConfig, base: Path, facts: Sequence[TaskFacts]) -> int:
    """How many of affinity, mixture and report are to be made, when the pool is there."""
    trained = [f for f in facts if not f.eval_only]
    kind, stage = stage_of(run, config, base, [f.name for f in trained])
    if run.state(stage) != "done":
        return 3
    inputs = mixture_inputs(run, config.mixture, run.outputs(f"affinity-{kind}"))
    if run.state(_mixture_stage(config.mixture, trained, inputs)) != "done":
        return 2
    mixture = Mixture.read(run.path("mixture.json"))
    return int(run.state(report_stage(run, mixture, config.model, facts)) != "done")


def mixture_inputs(
    run: Run, settings: MixtureConfig, affinity: Mapping[str, str]
) -> dict[str, str]:
    """sha256 of all that a mixture is computed from, docs/reference/mixture.md.

    Args:
        affinity: file of the affinity -> sha256.
    """
    pool = run.finished("pool")
    gains = settings.unary.kind == "utility"
    tables = {TABLES.get(settings.affinity), "scores.parquet" if gains else None} - {None}
    if settings.method != ENERGY:
        needs = parse(settings.method).needs
        names = [FILES.get(n) or TABLES.get(n.removeprefix("affinity ")) for n in needs]
        tables |= {name for name in names if name and run.path(name).is_file()}
    return {
        **affinity,
        **{name: measured(run, name) for name in sorted(tables)},
        "model": pool["inputs"]["model"],
        **{f"task {name}": keys["content"] for name, keys in pool["params"]["keys"].items()},
    }


def run_gains(run: Run, config: FitConfig, affinity: Affinity) -> Gains | None:
    """What specialists gain on the tasks that count; None unless the unary is utility."""
    unary = config.mixture.unary
    if unary.kind != "utility":
        return None
    run.need("pool", "scores.parquet")
    scores = read_scores(run.path("scores.parquet"))
    return gains_of(scores, unary.targets, len(affinity.replicas), config.seed)


def run_report(run: Run, mixture: Mixture, progress: Progress) -> None:
    """Write report.html and report.md.

    Raises:
        ArtifactError: the measurements are not of the tasks as they are now, or damaged.
    """
    facts, model = read_facts(run), read_run(run).model
    check_measured(run, facts)

    def make(folder: Path) -> None:
        data = report_data(run)
        atomic_write(folder / "report.html", render_html(data))
        atomic_write(folder / "report.md", markdown(data))

    run.complete(report_stage(run, mixture, model, facts), make, progress.say)
