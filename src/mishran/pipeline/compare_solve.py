"""The mixture of every method that is compared, and what finding it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mishran.config import FitConfig, MixtureConfig
from mishran.config_mixture import ENERGY
from mishran.errors import ConfigError, MishranError
from mishran.methods import Proposal, Trials, parse
from mishran.mixture import Mixture
from mishran.pipeline.compare_asked import OWN, Asked, named
from mishran.pipeline.cost import Cost, cost_of
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import TaskFacts, read_facts
from mishran.run import Run


@dataclass(frozen=True)
class Solved:
    """A method's mixture and what it cost; failed: why there is none."""

    method: str
    weights: Mapping[str, float]
    cost: Cost
    notes: tuple[str, ...] = ()
    failed: str = ""


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
