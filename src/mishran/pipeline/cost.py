"""What finding a mixture cost, in tokens of the model that is compared: trained on, and only read.

Every method bears in full what it reads; that several methods share specialists makes none of them
cheaper. Rules that read sizes only cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mishran.pipeline.facts import TaskFacts
from mishran.pipeline.stages import evidence_path
from mishran.pipeline.tables import read_scores
from mishran.run import Run

BROUGHT = "affinity matrix"  # the user's own


@dataclass(frozen=True)
class Cost:
    """trained, forward: tokens. notes: what they were spent on."""

    trained: float = 0.0
    forward: float = 0.0
    notes: tuple[str, ...] = ()


def cost_of(
    run: Run, facts: Sequence[TaskFacts], needs: Iterable[str], trial_tokens: float = 0.0
) -> Cost:
    """Of a method that reads these parts of the evidence (see `mishran.methods.StaticMethod.needs`).

    Args:
        trial_tokens: of short mixed runs.
    """
    wanted = set(needs)
    names = [f.name for f in facts if not f.eval_only]
    trained = forward = 0.0
    notes: list[str] = []
    means = {f.name: f.mean_tokens for f in facts if not f.eval_only}
    gradients = any("gradient" in need for need in wanted)
    asks_pool = bool(wanted & {"scores", "distributions"}) or any(
        need.startswith("affinity ") and "gradient" not in need and need != BROUGHT
        for need in wanted
    )
    if asks_pool or "curves" in wanted:
        own, validation = _specialists(run, means)
        trained += own
        forward += validation
        notes.append(f"{len(names)} specialists, {own:,.0f} tokens and their validation")
    probes = _pool(run, means) if asks_pool or "embeddings" in wanted or gradients else 0.0
    if asks_pool:
        forward += probes * (len(names) + 1)
        notes.append(f"a pool of {probes:,.0f} tokens that {len(names) + 1} models read")
    if "embeddings" in wanted:
        forward += probes
        notes.append("the base reads the pool")
    if gradients:
        trained += probes
        notes.append("gradients of the base at the pool")
    if "trials" in wanted:
        trained += trial_tokens
        notes.append(f"short mixed runs, {trial_tokens:,.0f} tokens")
    return Cost(trained, forward, tuple(notes))


def _specialists(run: Run, means: Mapping[str, float]) -> tuple[float, float]:
    """Tokens that they were trained on, and that were read to validate them."""
    trained = read = 0.0
    for name, mean_tokens in means.items():
        evidence = json.loads(evidence_path(run, name).read_text(encoding="utf-8"))
        trained += evidence["train_tokens"]
        points = len(evidence["curve"])
        read += points * evidence["gain"]["n"] * mean_tokens
    return trained, read


def _pool(run: Run, means: Mapping[str, float]) -> float:
    """Tokens of all probes, each counted like a training row of its task, or its answer at least."""
    scores = read_scores(run.path("scores.parquet"))
    return float(
        sum(
            max(means.get(task, 0.0), float(tokens))
            for task, tokens in zip(scores.probe_task, scores.tokens, strict=True)
        )
    )
