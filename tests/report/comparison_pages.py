"""Comparisons with many or few methods, tasks, seeds, groups and gaps, for pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from comparison_cases import BUDGET, World, candidate

from mishran.comparison import Comparison
from mishran.evaluate.compare import compare
from mishran.evaluate.results import RunResult, Setting

HOSTILE = '<script>alert("x")</script> | `a` & *b*'
LABELS = {
    "uniform": "Uniform",
    "taskpgm": "TaskPGM, t = 0.6",
    "curves": "Learning curves with transfer",
    "proportional": "Proportional to data",
    "temperature": "Temperature 3.33",
    "mixmin": "MixMin",
    "unimax": "UniMax, 4 epochs",
    "capacity": "Capacity",
    "random": "मिश्रण, random",
}


def page_case(
    methods: int = 5,
    seeds: int = 3,
    tasks: int = 14,
    gaps: bool = True,
    hostile: bool = False,
    long: bool = False,
) -> Comparison:
    """methods: beside uniform. gaps: some runs failed, and one method never ran."""
    rng = np.random.default_rng(methods * 100 + seeds)
    names = [*LABELS, *(f"smart:kind=log-det:seed={i}" for i in range(40))][: methods + 1]
    labels = {name: LABELS.get(name, name) for name in names}
    pool = ["capitals", "राजधानी", "antonyms", "blimp_determiner_noun_agreement", "snli_entailment"]
    pool += [f"{'a_task_of_a_very_long_name_' * (3 if long else 1)}{i:02d}" for i in range(60)]
    chosen = tuple(pool[:tasks])
    if hostile:
        labels = {name: HOSTILE + name for name in names}
        chosen = (HOSTILE, *chosen[1:])
    if long:
        labels = {name: "w" * 60 + name for name in names}
    shift = dict(zip(names[1:], rng.normal(0.01, 0.06, methods), strict=True))
    shift |= {"taskpgm": -0.08, "proportional": 0.12} if methods > 2 else {}
    place = World(
        rng,
        tuple(names),
        tuple(range(seeds)),
        chosen,
        16,
        shift=shift,
        seed_noise=0.03,
        with_correct=True,
    )
    runs = place.draw()[0]
    if gaps and methods > 2:
        lost = {("curves", 0): "the loss is NaN at step 212", ("proportional", seeds - 1): ""}
        runs = [
            RunResult(r.method, r.seed, failed=lost[r.method, r.seed])
            if lost.get((r.method, r.seed))
            else r
            for r in runs
            if lost.get((r.method, r.seed)) != "" and r.method != names[-1]
        ]
    curve = {}
    if methods > 1:
        for factor in (0.25, 0.5, 2.0):
            uniform = [r for r in runs if r.method == "uniform"]
            fall = -0.06 * np.log2(factor)
            curve[int(BUDGET * factor)] = [_shifted(r, fall + rng.normal(0, 0.01)) for r in uniform]
        if gaps and len(place.seeds) > 2:
            curve[2 * BUDGET][0] = RunResult("uniform", 0, failed="no space left on device")
    weights = {
        name: dict(zip(chosen, rng.dirichlet(np.full(tasks, 1.0)), strict=True)) for name in names
    }
    weights["uniform"] = dict.fromkeys(chosen, 1 / tasks)
    candidates = [
        candidate(
            name,
            label=labels[name],
            weights=weights[name],
            find_trained=0.0 if name == "uniform" else 650_000.0 * (i % 3),
            find_forward=0.0 if name == "uniform" else 200_000.0,
            notes=() if name == "uniform" else ("specialists, the pool",),
        )
        for i, name in enumerate(names)
    ]
    only = chosen[-3:] if tasks > 5 else ()
    groups = {HOSTILE if hostile else "hindi": chosen[1:3]} if tasks > 5 else {}
    setting = Setting(BUDGET, "base-6m", place.seeds, only, groups)
    return compare(candidates, runs, setting, curve)


def _shifted(run: RunResult, shift: float) -> RunResult:
    """With so many nats more on every answer token."""
    return replace(
        run,
        tasks={n: replace(t, nats=t.nats + shift * t.tokens) for n, t in run.tasks.items()},
    )
