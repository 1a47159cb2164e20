"""The cheap stages of a run: affinity, mixture, report. No torch, no model, no data.

They read the tables that `mishran fit` measured; `mishran solve RUN` runs them again with other
settings in milliseconds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mishran.affinity import gradient_affinity, jsd_affinity, pmi_affinity, read_matrix
from mishran.config import FitConfig, MixtureConfig
from mishran.errors import ConfigError
from mishran.mixture import Mixture
from mishran.pipeline.facts import TaskFacts, check_measured, read_facts, read_run
from mishran.pipeline.gains import gains_of
from mishran.pipeline.mix import Gains, mix
from mishran.pipeline.progress import Progress
from mishran.pipeline.report import report_data
from mishran.pipeline.stages import (
    STAGES,
    TABLES,
    affinity_stage,
    matrix_stage,
    measured,
    mixture_stage,
    report_stage,
)
from mishran.pipeline.tables import (
    read_affinity,
    read_divergence,
    read_gradients,
    read_scores,
    write_affinity,
    write_npz,
)
from mishran.report.html import render_html
from mishran.report.table import markdown
from mishran.run import Run, Stage, atomic_write, sha256_file
from mishran.types import Affinity

KINDS = tuple(TABLES)


def run_affinity(run: Run, config: FitConfig, base: Path, progress: Progress) -> Affinity:
    """Make or read the affinity that the configuration asks for.

    Raises:
        ConfigError: the user's matrix is not over the tasks of the run.
    """
    names = [f.name for f in read_facts(run) if not f.eval_only]
    kind, stage = _affinity_stage(run, config, base, names)

    def make(folder: Path) -> None:
        if kind == "matrix":
            found = matrix_over(names, matrix_path(base, config.mixture.affinity))
        else:
            found = made_affinity(run, config)
        write_affinity(folder / f"affinity-{kind}.npz", found)

    run.complete(stage, make, progress.say)
    return read_affinity(run.path(f"affinity-{kind}.npz"))


def made_affinity(run: Run, config: FitConfig) -> Affinity:
    """The affinity that the configuration asks for, from the tables.

    Raises:
        ArtifactError: a table is not as it was written.
    """
    settings, name = config.mixture, TABLES[config.mixture.affinity]
    measured(run, name)
    run.need(STAGES[name], name)
    if settings.affinity.startswith("gradient-"):
        variant = settings.affinity.removeprefix("gradient-")
        return gradient_affinity(
            read_gradients(run.path(name)), variant, settings.replicas, config.seed
        )
    if settings.affinity == "jsd":
        table = read_divergence(run.path(name))
        return jsd_affinity(table, settings.replicas, config.seed)
    scores, variant = read_scores(run.path(name)), settings.affinity.removeprefix("pmi-")
    return pmi_affinity(scores, variant, settings.replicas, config.seed)


def affinity_file(affinity: Affinity) -> dict[str, str]:
    """Name and sha256 of the file that an affinity makes, without making it in a run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"affinity-{affinity.kind}.npz"
        write_affinity(path, affinity)
        return {path.name: sha256_file(path)}


def _affinity_stage(
    run: Run, config: FitConfig, base: Path, names: Sequence[str]
) -> tuple[str, Stage]:
    settings = config.mixture
    if settings.affinity in KINDS:
        kind = settings.affinity
        return kind, affinity_stage(run, kind, settings.replicas, config.seed)
    return "matrix", matrix_stage(matrix_path(base, settings.affinity), names)


def matrix_path(base: Path, affinity: str) -> Path:
    """Where the user's own matrix is.

    Raises:
        ConfigError: neither the name of an affinity nor a file.
    """
    path = base / affinity
    if not path.is_file():
        raise ConfigError(
            expected=f"an affinity: {', '.join(KINDS)}, or a CSV file",
            found=f"{affinity!r}, and no such file",
            where="mixture.affinity",
            fix="check the name, or the path relative to the configuration file",
        )
    return path


def matrix_over(names: Sequence[str], path: Path) -> Affinity:
    """The user's matrix over exactly these tasks, in their order.

    Raises:
        ConfigError: a task without a row, or a row without a task. DataError: see `read_matrix`.
    """
    affinity = read_matrix(path)
    strange = [n for n in names if n not in affinity.names]
    extra = [n for n in affinity.names if n not in names]
    if strange or extra:
        raise ConfigError(
            expected="a matrix over the tasks of this mixture",
            found=f"no row for {strange[0]!r}" if strange else f"a row for {extra[0]!r}",
            where=str(path),
            fix=f"give rows and columns for: {', '.join(names[:8])}{', ...' * (len(names) > 8)}",
        )
    index = [affinity.names.index(n) for n in names]
    n = len(names)
    return Affinity(
        tuple(names),
        affinity.matrix[np.ix_(index, index)],
        "matrix",
        np.empty((0, n, n)),
        affinity.repairs,
    )


def run_mixture(run: Run, config: FitConfig, affinity: Affinity, progress: Progress) -> Mixture:
    """Solve, and write mixture.json, explanation.json and path.npz."""
    settings = config.mixture
    facts = [f for f in read_facts(run) if not f.eval_only]
    inputs = mixture_inputs(run, settings, run.outputs(f"affinity-{affinity.kind}"))
    stage = _mixture_stage(settings, facts, inputs)

    def make(folder: Path) -> None:
        gains = run_gains(run, config, affinity)
        mixed = mix(affinity, settings, facts, gains=gains, inputs=inputs)
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
    return Mixture.read(run.path("mixture.json"))


def _mixture_stage(
    settings: MixtureConfig, facts: Sequence[TaskFacts], inputs: dict[str, str]
) -> Stage:
    return mixture_stage(
        inputs,
        {
            "mixture": settings.model_dump(mode="json", exclude={"affinity", "replicas"}),
            "tasks": [[f.name, list(f.groups), f.train_rows, f.mean_tokens] for f in facts],
        },
    )


def cheap_todo(run: Run, config: FitConfig, base: Path, facts: Sequence[TaskFacts]) -> int:
    """How many of affinity, mixture and report are to be made, when the pool is there."""
    trained = [f for f in facts if not f.eval_only]
    kind, stage = _affinity_stage(run, config, base, [f.name for f in trained])
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
