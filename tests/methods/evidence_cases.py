"""Evidence of tasks that do not exist, and what may be done to it without changing an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from mishran.affinity import pmi_affinity
from mishran.energy import Constraints, constraints
from mishran.methods import Budget, Curve, Distributions, Embeddings, Evidence, Trials
from mishran.types import Affinity, ScoreTable

PROBES = 6
POINTS = np.array([0.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0])
GROUPS = {"odd": 1, "even": 0}


def evidence_of_tasks(n: int = 5, seed: int = 0, replicas: int = 4) -> Evidence:
    """All that can be measured, of n tasks; one more is only watched."""
    rng = np.random.default_rng([n, seed])
    names = tuple(f"task{i}" for i in range(n))
    features = np.abs(rng.normal(size=(replicas + 1, n, 9)) * 0.05 + rng.random((n, 9)))
    features /= np.linalg.norm(features, axis=2, keepdims=True)
    kernels = features @ features.transpose(0, 2, 1)
    jsd = Affinity(names, kernels[0], "jsd", kernels[1:])
    probed = (*names, "watched")
    tasks = tuple(name for name in probed for _ in range(PROBES))
    hard = rng.gamma(4.0, 1.0, len(tasks))
    own = np.array([[1.0 if name == task else 0.0 for task in tasks] for name in names])
    nats = hard * (1.0 - 0.6 * own) * rng.uniform(0.8, 1.0, own.shape)
    scores = ScoreTable(
        specialists=names,
        probe_task=tasks,
        probe_id=tuple(f"{task}-{k % PROBES}" for k, task in enumerate(tasks)),
        nats=nats,
        base_nats=hard * 1.1,
        tokens=rng.integers(1, 9, len(tasks)),
    )
    cells = rng.dirichlet(np.full(5, 0.4), (n, 12))
    return Evidence(
        names=names,
        rows=rng.integers(50, 5000, n).astype(float),
        mean_tokens=rng.uniform(5.0, 60.0, n),
        affinities={"jsd": jsd, "pmi-mean": pmi_affinity(scores, "mean", replicas)},
        scores=scores,
        curves=tuple(curve_of(name, rng) for name in names),
        distributions=Distributions(
            specialists=names,
            task=tuple(names[k % n] for k in range(12)),
            probe=np.arange(12),
            offsets=np.arange(13) * 4,
            probs=cells[:, :, :4].reshape(n, -1).astype(np.float32),
            tail=cells[:, :, 4].astype(np.float32),
        ),
        embeddings=Embeddings(tasks, rng.normal(size=(len(tasks), 7)) + 0.5),
        trials=trials_of(n, rng),
        budget=Budget(rows=400),
        seed=seed,
        replicas=replicas,
    )


def curve_of(name: str, rng: np.random.Generator) -> Curve:
    """A curve of 8 held-out examples that falls by a power law from 3 to 6 nats."""
    top, half = rng.uniform(3.0, 6.0), rng.uniform(200.0, 3000.0)
    mean = 0.5 + top / (1.0 + POINTS / half)
    examples = mean * rng.uniform(0.8, 1.2, (8, 1)) + 0.02 * rng.normal(size=(8, len(POINTS)))
    found = examples.mean(axis=0)
    return Curve(name, POINTS, found, examples, found - 0.1, found + 0.1)


def trials_of(n: int, rng: np.random.Generator) -> Trials:
    weights = rng.dirichlet(np.ones(n), 3)
    return Trials(weights, np.full(3, 20000.0), 2.0 + rng.random((3, n)))


def bounds_of(evidence: Evidence, floor: float = 0.05, cap: float = 0.6) -> Constraints:
    """A floor under all tasks, a cap on one, a group between bounds, and a row of tokens."""
    names = evidence.names
    return constraints(
        names,
        groups={"odd": names[1::2]},
        floors={**dict.fromkeys(names, floor), "odd": 0.45},
        caps={names[0]: cap, "odd": 0.8},
    )


def permuted(evidence: Evidence, order: Sequence[int]) -> Evidence:
    """The same tasks in another order; probes and positions stay where they are."""
    index = np.array(order)
    names = tuple(evidence.names[i] for i in index)

    def affinity(old: Affinity) -> Affinity:
        both = np.ix_(index, index)
        return replace(
            old, names=names, matrix=old.matrix[both], replicas=old.replicas[(slice(None), *both)]
        )

    assert evidence.scores and evidence.curves and evidence.distributions and evidence.trials
    box = evidence.constraints
    if box is not None:
        rows = {name: row[index] for name, row in box.rows.items()}
        box = replace(box, names=names, lower=box.lower[index], upper=box.upper[index], rows=rows)
    return replace(
        evidence,
        names=names,
        rows=evidence.rows[index],
        mean_tokens=evidence.mean_tokens[index],
        affinities={kind: affinity(old) for kind, old in evidence.affinities.items()},
        scores=replace(evidence.scores, specialists=names, nats=evidence.scores.nats[index]),
        curves=tuple(evidence.curves[i] for i in index),
        distributions=replace(
            evidence.distributions,
            specialists=names,
            probs=evidence.distributions.probs[index],
            tail=evidence.distributions.tail[index],
        ),
        trials=replace(
            evidence.trials,
            weights=evidence.trials.weights[:, index],
            nats=evidence.trials.nats[:, index],
        ),
        constraints=box,
    )


def twinned(evidence: Evidence, which: int) -> Evidence:
    """A copy of one task, last, alike in all that was measured of it and about it."""
    n, name = len(evidence.names), evidence.names[which]
    again = permuted(evidence, [*range(n), which])
    names = (*evidence.names, "twin")

    def extended(tasks: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray]:
        own = [k for k, task in enumerate(tasks) if task == name]
        return (*tasks, *("twin" for _ in own)), np.array([*range(len(tasks)), *own])

    scores, found, states = again.scores, again.distributions, evidence.embeddings
    assert scores and found and states and again.curves
    tasks, probes = extended(scores.probe_task)
    embedded, rows = extended(states.task)
    asked, positions = extended(found.task)
    sizes = np.diff(found.offsets)[positions]
    columns = np.concatenate([np.arange(found.offsets[k], found.offsets[k + 1]) for k in positions])
    return replace(
        again,
        names=names,
        affinities={k: replace(a, names=names) for k, a in again.affinities.items()},
        scores=ScoreTable(
            names,
            tasks,
            tuple(f"{scores.probe_id[k]}" for k in probes),
            scores.nats[:, probes],
            scores.base_nats[probes],
            scores.tokens[probes],
        ),
        curves=(*again.curves[:-1], replace(again.curves[-1], task="twin")),
        distributions=Distributions(
            names,
            asked,
            np.concatenate([found.probe, found.probe[positions[len(found.probe) :]] + 100]),
            np.concatenate([[0], np.cumsum(sizes)]),
            found.probs[:, columns],
            found.tail[:, positions],
        ),
        embeddings=Embeddings(embedded, states.states[rows]),
        constraints=None,
    )


def with_affinities(evidence: Evidence, scale: float, shift: float) -> Evidence:
    """S -> scale S + shift, replicas too."""
    changed = {
        kind: replace(a, matrix=scale * a.matrix + shift, replicas=scale * a.replicas + shift)
        for kind, a in evidence.affinities.items()
    }
    return replace(evidence, affinities=changed)


def with_losses(evidence: Evidence, scale: float, shift: float) -> Evidence:
    """Nats times a number, and more by a number: per answer token on curves and trials, per example
    (its tokens times the number) on probes, for specialists and base alike."""
    scores, trials = evidence.scores, evidence.trials
    assert scores and trials and evidence.curves
    more = shift * scores.tokens
    return replace(
        evidence,
        scores=replace(
            scores, nats=scale * scores.nats + more, base_nats=scale * scores.base_nats + more
        ),
        curves=tuple(
            replace(
                c,
                nats=scale * c.nats + shift,
                examples=None if c.examples is None else scale * c.examples + shift,
                low=None if c.low is None else scale * c.low + shift,
                high=None if c.high is None else scale * c.high + shift,
            )
            for c in evidence.curves
        ),
        trials=replace(trials, nats=scale * trials.nats + shift),
    )


def only(evidence: Evidence, needs: Sequence[str]) -> Evidence:
    """What is needed and nothing else."""
    kinds = {need.removeprefix("affinity ") for need in needs if " " in need}
    parts = ("scores", "curves", "distributions", "embeddings", "trials", "budget")
    return replace(
        evidence,
        affinities={kind: a for kind, a in evidence.affinities.items() if kind in kinds},
        **{part: None for part in parts if part not in needs},
    )


def arrays_of(value: Any) -> list[np.ndarray]:
    """Every array that a value holds, in a fixed order."""
    if isinstance(value, np.ndarray):
        return [value]
    if is_dataclass(value):
        return [a for f in fields(value) for a in arrays_of(getattr(value, f.name))]
    if isinstance(value, dict):
        return [a for key in sorted(value) for a in arrays_of(value[key])]
    if isinstance(value, tuple | list):
        return [a for one in value for a in arrays_of(one)]
    return []
