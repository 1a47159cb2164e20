"""`mishran demo`: built-in tasks, a model trained on the spot, the whole fit, and: was it found again?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mishran.pipeline.fit import Fitted, fit, read_evidence
from mishran.pipeline.progress import Progress
from mishran.pipeline.tables import read_affinity
from mishran.run import Run, Stage
from mishran.tasks.builtin import CROSS_LANGUAGE, OUTLIER, RANDOM, TWINS, write_builtin
from mishran.train.demo_model import STEPS, train_demo_model

MODEL = 2  # raised when the demo's model comes out differently


@dataclass(frozen=True)
class Planted:
    """One thing that was planted in the built-in tasks, and whether the run shows it.

    text: what was found, in words and numbers.
    """

    name: str
    found: bool
    text: str


def run_demo(folder: Path, seed: int, progress: Progress) -> tuple[Fitted, tuple[Planted, ...]]:
    """Write the tasks, train the model, fit, and look for what was planted; rerunning resumes."""
    write_builtin(folder, seed)
    stage = Stage("model", MODEL, {"seed": seed}, {}, ("model/",))
    demo = Run(folder)
    with demo.locked():

        def make(work: Path) -> None:
            with progress.bar("training a small model", STEPS) as advance:
                train_demo_model(work / "model", seed, lambda step, steps: advance(1))

        demo.complete(stage, make, progress.say)
    fitted = fit(folder / "mix.yaml", progress=progress)
    return fitted, planted(fitted)


def alike(one: float, other: float) -> bool:
    """Weights of twins: at most 10 % apart, of the smaller one."""
    return abs(one - other) <= 0.1 * min(one, other)


def planted(fitted: Fitted) -> tuple[Planted, ...]:
    """Look for the twins, the pair across languages, the outlier and the random answers."""
    affinity = read_affinity(fitted.run.path("affinity-jsd.npz"))
    names = affinity.names
    distance = 1.0 - affinity.matrix
    index = {name: i for i, name in enumerate(names)}
    weights = fitted.mixture.weights
    a, b = TWINS
    nearest = {
        name: names[int(np.argmin(np.where(np.arange(len(names)) == i, np.inf, distance[i])))]
        for name, i in index.items()
    }
    twins = nearest[a] == b and nearest[b] == a
    across = distance[index[CROSS_LANGUAGE[0]], index[CROSS_LANGUAGE[1]]]
    pairs = [distance[i, j] for i, j in itertools.combinations(range(len(names)), 2)]
    median = float(np.median(pairs))
    sums = affinity.matrix.sum(axis=1)
    lowest = names[int(np.argmin(sums))]
    prompt = read_evidence(fitted.run, RANDOM).prompt
    flagged = prompt is not None and prompt.contains_zero
    return (
        Planted(
            "near-duplicates",
            twins and alike(weights[a], weights[b]),
            f"{a} and {b} are each other's nearest neighbours, with weights {weights[a]:.1%} and "
            f"{weights[b]:.1%}"
            if twins
            else f"{a} is nearest to {nearest[a]}, {b} to {nearest[b]}",
        ),
        Planted(
            "one skill in two languages",
            bool(across < median),
            f"{CROSS_LANGUAGE[0]} and {CROSS_LANGUAGE[1]} diverge by {across:.3f}, "
            f"the median pair by {median:.3f}",
        ),
        Planted(
            "an outlier",
            lowest == OUTLIER,
            f"{lowest} resembles the others least (row sum {sums.min():.2f}, "
            f"next {np.sort(sums)[1]:.2f})",
        ),
        Planted(
            "random answers",
            flagged,
            f"{RANDOM}: the true prompt is worth {prompt.mean:+.3f} nats per answer token over a "
            f"shuffled one [{prompt.low:+.3f}, {prompt.high:+.3f}]"
            if prompt is not None and prompt.low is not None
            else f"{RANDOM}: not measured",
        ),
    )
