"""Comparisons with made-up runs: what seeds, tasks, examples and mixtures add to the loss is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mishran.comparison import Comparison
from mishran.evaluate.compare import compare
from mishran.evaluate.results import Candidate, RunResult, Setting, TaskResult

TASKS = ("capitals", "plurals", "विलोम", "sums")
BUDGET = 1_000_000


def task_result(loss, tokens=None, correct=None, num_bytes=None) -> TaskResult:
    """A task whose examples have these nats per answer token."""
    m = len(loss)
    tokens = np.full(m, 2) if tokens is None else np.asarray(tokens)
    return TaskResult(
        tuple(f"e{i}" for i in range(m)), np.asarray(loss) * tokens, tokens, num_bytes, correct
    )


def candidate(method: str, tasks=TASKS, weights=None, **more) -> Candidate:
    given = dict.fromkeys(tasks, 1 / len(tasks)) if weights is None else weights
    return Candidate(method, more.pop("label", method.title()), given, **more)


@dataclass
class World:
    """Draws runs. shift: method -> what it adds to every task; seed_noise: per method and seed.

    examples: of each task. example_noise: of a method on an example, the same for all seeds.
    """

    rng: np.random.Generator
    methods: tuple[str, ...] = ("uniform", "clever")
    seeds: tuple[int, ...] = (0, 1, 2)
    tasks: tuple[str, ...] = TASKS
    examples: int = 8
    shift: dict[str, float] = field(default_factory=dict)
    seed_noise: float = 0.05
    example_noise: float = 0.1
    with_correct: bool = False
    budget: int = BUDGET

    def draw(self) -> tuple[list[RunResult], dict[str, float], dict[str, float]]:
        """The runs; method -> true difference to uniform on these examples, for the mean over seeds;
        and method -> that of these very runs, for the mean over examples."""
        rng, k, t, m = self.rng, len(self.seeds), len(self.tasks), self.examples
        base = 6 + rng.normal(0, 1, (t, 1)) + rng.normal(0, 0.5, (t, m))
        tokens = rng.integers(1, 6, (t, m))
        shared = rng.normal(0, 0.2, (k, 1, 1))  # what a seed does to every method alike
        runs, on_examples, of_runs = [], {}, {}
        for method in self.methods:
            effect = self.shift.get(method, 0.0) + rng.normal(0, 0.1, (t, 1))
            effect -= effect.mean() - self.shift.get(method, 0.0)
            own = rng.normal(0, self.example_noise, (t, m))
            by_seed = rng.normal(0, self.seed_noise, (k, 1, 1))
            by_seed = by_seed + rng.normal(0, self.seed_noise, (k, t, 1))
            fresh = rng.normal(0, 0.1, (k, t, m))
            loss = base + effect + own + shared + by_seed + fresh
            on_examples[method] = float((effect + own).mean())
            of_runs[method] = float((effect + by_seed).mean())
            for i, seed in enumerate(self.seeds):
                results = {
                    name: task_result(
                        loss[i, j],
                        tokens[j],
                        (loss[i, j] < 6).astype(float) if self.with_correct else None,
                        tokens[j] * 4 if self.with_correct else None,
                    )
                    for j, name in enumerate(self.tasks)
                }
                runs.append(RunResult(method, seed, results, self.budget, self.budget // 1000))
        return runs, *(
            {method: truth[method] - truth["uniform"] for method in self.methods}
            for truth in (on_examples, of_runs)
        )

    def setting(self, **more) -> Setting:
        return Setting(self.budget, "base-6m", self.seeds, **more)

    def candidates(self) -> list[Candidate]:
        return [candidate(method, self.tasks) for method in self.methods]

    def compare(self, runs=None, **more) -> Comparison:
        found = self.draw()[0] if runs is None else runs
        return compare(self.candidates(), found, self.setting(**more))


def world(seed: int = 0, **more) -> World:
    return World(np.random.default_rng(seed), **more)
