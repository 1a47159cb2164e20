"""A finished run -> `Evidence`: what the methods that are asked for need, and nothing else is read.

    evidence = evidence_of(Run(Path("runs/mix")), method.needs)

No torch, no model. Files that are not as they were written, or of tasks that changed since, are errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mishran.config import FitConfig, MixtureConfig
from mishran.energy import Constraints, Row, constraints
from mishran.methods import Budget, Curve, Distributions, Embeddings, Evidence, Trials
from mishran.pipeline.affinities import KINDS, made_affinity
from mishran.pipeline.budget import bound_rows, epoch_limit
from mishran.pipeline.facts import TaskFacts, check_measured, groups_of, read_facts, read_run
from mishran.pipeline.stages import CURVE, STAGES, affinity_stage, measured
from mishran.pipeline.tables import read_affinity, read_curves, read_npz, read_scores
from mishran.run import Run
from mishran.types import Affinity


def evidence_of(
    run: Run,
    needs: Iterable[str],
    settings: MixtureConfig | None = None,
    trials: Trials | None = None,
    bounds: bool = True,
) -> Evidence:
    """What a run knows of its trained tasks.

    Args:
        needs: of the methods, joined. What the run did not measure is left out; a method that needs it says
            which setting measures it.
        settings: for budget, bounds and replicas; by default those of the run's mix.yaml.
        trials: short mixed runs, which a run knows nothing of.
        bounds: whether floors, caps, quotas, limits and max_epochs of the settings hold. Without, methods
            can be compared that have one mixture only.

    Raises:
        ArtifactError: the run is not finished, or a file is damaged. ConfigError, InfeasibleError: settings
            that are impossible.
    """
    config = read_run(run)
    every = read_facts(run)
    check_measured(run, every)
    settings = config.mixture if settings is None else settings
    config = config.model_copy(update={"mixture": settings})
    facts = [f for f in every if not f.eval_only]
    names, wanted = tuple(f.name for f in facts), set(needs)
    affinities = {}
    for kind in sorted(need.removeprefix("affinity ") for need in wanted if " " in need):
        if (affinity := _affinity(run, config, kind)) is not None:
            affinities[kind] = affinity
    budget = None
    if settings.budget is not None:
        size = settings.budget
        budget = Budget(size.rows, size.tokens, settings.max_epochs)
    return Evidence(
        names=names,
        rows=np.array([f.train_rows for f in facts], dtype=np.float64),
        mean_tokens=np.array([f.mean_tokens for f in facts]),
        affinities=affinities,
        scores=read_scores(_table(run, "scores.parquet")) if "scores" in wanted else None,
        curves=_curves(run, names) if "curves" in wanted else None,
        distributions=_distributions(run) if "distributions" in wanted else None,
        embeddings=_embeddings(run) if "embeddings" in wanted else None,
        trials=trials,
        budget=budget,
        constraints=_constraints(settings, facts) if bounds else None,
        seed=config.seed,
        replicas=settings.replicas,
    )


def _table(run: Run, name: str) -> Path:
    """Path of a table that is as it was written, of the tasks as they are now."""
    measured(run, name)
    run.need(STAGES[name], name)
    return run.path(name)


def _affinity(run: Run, config: FitConfig, kind: str) -> Affinity | None:
    """From its own file where the run has it, else made of the tables; None for what was not measured."""
    if kind == "matrix":
        if run.manifest("affinity-matrix") is None:
            return None
        run.need("affinity-matrix")
        return read_affinity(run.path("affinity-matrix.npz"))
    if kind not in KINDS or (kind.startswith("gradient-") and run.manifest("gradients") is None):
        return None
    stage = affinity_stage(run, kind, config.mixture.replicas, config.seed)
    if run.state(stage) == "done":
        return read_affinity(run.path(stage.outputs[0]))
    mixture = config.mixture.model_copy(update={"affinity": kind})
    return made_affinity(run, config.model_copy(update={"mixture": mixture}))


def _curves(run: Run, names: tuple[str, ...]) -> tuple[Curve, ...]:
    """Of every task; with every held-out example where its specialist was trained here."""
    table = read_curves(_table(run, "curves.parquet"))
    out = []
    for name in names:
        points = table.get(name, {key: np.empty(0) for key in ("tokens", "nats", "low", "high")})
        place = f"specialists/{name}/{CURVE}"
        examples = None
        if place in run.outputs(f"specialists/{name}"):
            run.need(f"specialists/{name}", place)
            examples = read_npz(run.path(place))["nats"]
        out.append(
            Curve(name, points["tokens"], points["nats"], examples, points["low"], points["high"])
        )
    return tuple(out)


def _distributions(run: Run) -> Distributions | None:
    if run.manifest("distributions") is None:
        return None
    data = read_npz(_table(run, "distributions.npz"))
    return Distributions(
        specialists=tuple(data["specialists"].tolist()),
        task=tuple(data["probe_task"][data["probe"]].tolist()),
        probe=data["probe"],
        offsets=data["offsets"],
        probs=data["probs"],
        tail=data["tail"],
    )


def _embeddings(run: Run) -> Embeddings | None:
    if run.manifest("embeddings") is None:
        return None
    data = read_npz(_table(run, "embeddings.npz"))
    return Embeddings(tuple(data["probe_task"].tolist()), data["states"].astype(np.float64))


def _constraints(settings: MixtureConfig, facts: list[TaskFacts]) -> Constraints:
    """Bounds on shares of rows. Epochs of a budget in tokens, p_i N / m'p <= e rows_i, are rows too."""
    names = [f.name for f in facts]
    by_name, groups = {f.name: f for f in facts}, groups_of(facts)
    rows = bound_rows(settings, names, groups, by_name)
    size = settings.budget
    limits = epoch_limit(settings, None if size is None else size.rows, names, by_name)
    if size is not None and size.tokens is not None and settings.max_epochs is not None:
        per = {f.name: f.mean_tokens for f in facts}
        largest = max(per.values())
        even = {name: tokens / largest for name, tokens in per.items()}
        for f in facts:
            most = settings.max_epochs * f.train_rows * f.mean_tokens / size.tokens
            if most < 1.0:
                rows[f"{f.name} epochs"] = Row(
                    {f.name: even[f.name]}, high=most, per=even, field="max_epochs"
                )
    return constraints(names, groups, settings.floors, settings.caps, limits, rows)
