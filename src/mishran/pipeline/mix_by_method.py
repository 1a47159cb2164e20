"""A mixture by any method of the registry, from a run: `mixture: {method: curves}`.

Bounds, budget and rows are those of every mixture; what an energy alone has (prices in words, the path
along t) is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mishran.config import FitConfig, MixtureConfig
from mishran.config_mixture import ENERGY, OF_ENERGY
from mishran.errors import ConfigError
from mishran.methods import Proposal, StaticMethod, canonical, parse
from mishran.methods.evidence import SETTINGS
from mishran.mixture import Budget, CertificateFile, Mixture, TaskShare, certificate_of, quotas
from mishran.pipeline.budget import capacity
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import TaskFacts, groups_of
from mishran.pipeline.mix import Mixed
from mishran.pipeline.mixture_file import versions
from mishran.run import Run

__all__ = ["ENERGY", "FILES", "OF_ENERGY", "check_method", "mix_by_method"]

# What a method needs -> the file of the run that holds it.
FILES = {
    "scores": "scores.parquet",
    "curves": "curves.parquet",
    "distributions": "distributions.npz",
    "embeddings": "embeddings.npz",
}


def check_method(config: FitConfig) -> None:
    """Refuse, before anything is measured, a method that does not exist or needs what is not asked for.

    Raises:
        ConfigError: the setting that is missing.
    """
    if config.mixture.method == ENERGY:
        return
    probes = config.probes
    there = {
        "distributions": probes.distributions is not None,
        "embeddings": probes.embeddings,
        "budget": config.mixture.budget is not None,
        "trials": False,
    }
    for need in parse(config.mixture.method).needs:
        gradients = need.startswith("affinity gradient-") and not (
            probes.gradients or config.mixture.affinity.startswith("gradient-")
        )
        if gradients or not there.get(need, True):
            raise ConfigError(
                expected=f"{need} for the method {config.mixture.method}",
                found="none in this configuration",
                where="mixture.method",
                fix=SETTINGS["gradients" if gradients else need],
            )


def mix_by_method(
    run: Run,
    settings: MixtureConfig,
    facts: Sequence[TaskFacts],
    inputs: Mapping[str, str],
    affinity: str,
) -> Mixed:
    """The mixture that the method of the settings proposes.

    Args:
        affinity: kind of the run's affinity, which its report shows.

    Raises:
        ConfigError, InfeasibleError: what it lacks, or bounds that it does not satisfy.
    """
    method = parse(settings.method)
    found = method.solve(evidence_of(run, method.needs, settings))
    tokens = np.array([f.mean_tokens for f in facts])
    budget = None
    if settings.budget is not None:
        wanted = settings.budget.tokens
        rows = settings.budget.rows or max(1, round((wanted or 0) / float(found.weights @ tokens)))
        budget = Budget(rows=rows, tokens=wanted, max_epochs=settings.max_epochs)
    mixture = _mixture(method, found, settings, facts, budget, inputs)
    return Mixed(mixture.model_copy(update={"affinity": affinity}), None)


def _mixture(
    method: StaticMethod,
    found: Proposal,
    settings: MixtureConfig,
    facts: Sequence[TaskFacts],
    budget: Budget | None,
    inputs: Mapping[str, str],
) -> Mixture:
    return Mixture(
        method=canonical(method),
        source=str(method.source),
        affinity=settings.affinity,
        parameters=_parameters(settings, facts),
        tasks=_shares(found, facts, budget),
        effective_tasks=found.effective_tasks,
        objective=found.objective,
        replicas=len(found.replicas),
        certificate=_certificate(found),
        warnings=found.notes,
        budget=budget,
        inputs=dict(inputs),
        versions=versions(),
    )


def _parameters(settings: MixtureConfig, facts: Sequence[TaskFacts]) -> dict[str, object]:
    """What was chosen beside the method, whose own parameters are in its name."""
    kept = ("floors", "caps", "quotas", "limits", "max_epochs")
    data = settings.model_dump(mode="json", exclude_none=True)
    chosen = {key: data[key] for key in kept if data.get(key) or key in ("floors", "caps")}
    return {**chosen, "groups": {g: list(tasks) for g, tasks in groups_of(facts).items()}}


def _shares(
    found: Proposal, facts: Sequence[TaskFacts], budget: Budget | None
) -> tuple[TaskShare, ...]:
    ends, selected = found.intervals, None
    if len(found.replicas):
        selected = (found.replicas > 1e-9).mean(axis=0)
    counts = None
    if budget is not None:
        by_name = {f.name: f for f in facts}
        limits = None
        if budget.max_epochs is not None:
            limits = capacity(budget.max_epochs, found.names, by_name)
        counts = quotas(found.weights, budget.rows, limits, found.names)
    out = []
    for i, fact in enumerate(facts):
        rows = None if counts is None else int(counts[i])
        out.append(
            TaskShare(
                name=fact.name,
                weight=float(found.weights[i]),
                low=None if ends is None else float(ends[0][i]),
                high=None if ends is None else float(ends[1][i]),
                selected=None if selected is None else float(selected[i]),
                rows=rows,
                epochs=None if rows is None else rows / fact.train_rows,
                tokens=None if rows is None else round(rows * fact.mean_tokens),
                available_rows=fact.train_rows,
                groups=fact.groups,
            )
        )
    return tuple(out)


def _certificate(found: Proposal) -> CertificateFile | None:
    return None if found.certificate is None else certificate_of(found.certificate, found.names)
