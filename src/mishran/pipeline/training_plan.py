"""What a training, or all trainings of a comparison, would cost: `train --plan` and `compare --plan`.

Nothing is trained and no weight is read; tokens are those of the plan, operations and memory follow from
the shape of the model (see `footprint`). Evaluation is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mishran.config import FitConfig, TrainConfig
from mishran.methods import parse
from mishran.pipeline.compare_asked import OWN, Asked
from mishran.pipeline.compare_solve import solve_all
from mishran.pipeline.compare_train import jobs_of
from mishran.pipeline.compare_trials import TRIAL, TRIALS
from mishran.pipeline.facts import read_facts, read_run
from mishran.pipeline.footprint import TFLOPS, Bill, Footprint, footprint
from mishran.pipeline.train import Start, start_of
from mishran.run import Run
from mishran.stream.plan import Plan
from mishran.train.models import resolve_device, resolve_dtype


@dataclass(frozen=True)
class TrainingPlan:
    """steps: about so many, where rows are cut into sequences."""

    steps: int
    bill: Bill
    footprint: Footprint

    def as_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "cost": self.bill.as_dict(),
            "memory_bytes": self.footprint.bytes,
            "trained_parameters": self.footprint.trained,
            "parameters": self.footprint.parameters,
        }


def plan_training(
    start: Start, plan: Plan, recipe: TrainConfig, longest: int, tflops: float = TFLOPS
) -> TrainingPlan:
    """Of one model on the rows of a plan.

    Args:
        longest: tokens of the longest row.
    """
    of_step = recipe.batch_size * (recipe.packed or 1)
    steps = -(-(plan.tokens if recipe.packed else plan.rows) // of_step)
    taken = taken_by(start, recipe, recipe.packed or longest)
    bill = Bill(plan.tokens, plan.tokens * taken.per_token, tflops)
    return TrainingPlan(steps, bill, taken)


def taken_by(start: Start, recipe: TrainConfig, longest: int) -> Footprint:
    """What training a model takes; longest: tokens of a row."""
    return footprint(
        start.name,
        start.base,
        recipe,
        dtype=resolve_dtype(start.dtype, resolve_device(start.device)),
        tokens=max(recipe.micro_tokens, longest),
        row_tokens=longest,
        quantize=start.quantize,
        online=start.online,
        revision=start.revision,
    )


@dataclass(frozen=True)
class PlannedMethod:
    """trainings: of its mixture. found_with: tokens of the run that finding it takes, trained and read.

    failed: why it has no mixture.
    """

    method: str
    trainings: int
    trained_to_find: float
    read_to_find: float
    failed: str = ""


@dataclass(frozen=True)
class ComparisonPlan:
    """trials: short runs that a method reads first."""

    methods: tuple[PlannedMethod, ...]
    trials: int
    bill: Bill
    footprint: Footprint

    @property
    def trainings(self) -> int:
        return sum(m.trainings for m in self.methods) + self.trials

    def as_dict(self) -> dict[str, Any]:
        return {
            "methods": [asdict(m) for m in self.methods],
            "trials": self.trials,
            "trainings": self.trainings,
            "cost": self.bill.as_dict(),
            "memory_bytes": self.footprint.bytes,
        }


def plan_comparison(
    run_dir: str | Path,
    asked: Asked,
    train: TrainConfig | None = None,
    tflops: float = TFLOPS,
    out: Path | None = None,
) -> ComparisonPlan:
    """Which methods have a mixture, and what training on all of them would cost, finished ones included;
    a mixture under several names is counted for one of them.

    Raises:
        MishranError: the errors of bad input that `compare` would meet.
    """
    run = Run(Path(run_dir))
    config: FitConfig = read_run(run)
    run.need("mixture")
    recipe = train or config.train
    methods: list[PlannedMethod] = []
    trials = 0
    solved = solve_all(run, config, asked, None)
    places: dict[str, str] = {}  # of a training -> the method that it is counted for
    for job in jobs_of(Run(out or run.path("compare")), solved, asked):
        places.setdefault(job.out, job.method)
    for one in solved:
        waits = one.method != OWN and "trials" in parse(one.method).needs
        trials = TRIALS if waits else trials
        failed = "" if waits else one.failed
        count = len(asked.seeds) if waits else list(places.values()).count(one.method)
        methods.append(PlannedMethod(one.method, count, one.cost.trained, one.cost.forward, failed))
    tokens = _tokens(asked, methods, trials)
    longest = max((config.max_tokens or 0, *(round(f.mean_tokens) for f in read_facts(run))))
    start = start_of(run.root, asked.model)
    longest = min(longest, start.context)
    taken = taken_by(start, recipe, recipe.packed or longest)
    bill = Bill(tokens, tokens * taken.per_token, tflops)
    return ComparisonPlan(tuple(methods), trials, bill, taken)


def _tokens(asked: Asked, methods: Sequence[PlannedMethod], trials: int) -> int:
    """Of all trainings together."""
    whole = sum(m.trainings for m in methods) - len(asked.seeds) * len(asked.curve)
    curve = sum(round(asked.tokens * scale) for scale in asked.curve)
    short = trials * max(1, round(TRIAL * asked.tokens))
    return whole * asked.tokens + len(asked.seeds) * curve + short
