"""`Comparison`: what trainings on several mixtures came to, beside uniform.

`comparison.json` is this model, one to one. How the numbers are made is said where they are computed
(`mishran.evaluate.compare`), how to read them in docs/guide/compare.md. Every difference is method less
uniform, so below 0 is better for a loss and above 0 for accuracy. What was not measured is absent or
None, never 0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mishran.errors import ArtifactError

Measure = Literal["loss", "bits_per_byte", "accuracy"]
Outcome = Literal["better", "worse", "no difference", "not tested", "missing"]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SettingFile(_File):
    """What was the same for all. budget_tokens: training tokens of a run. replicas: of the bootstrap
    over examples, drawn with bootstrap_seed. primary: the group that the overall verdict is about.
    curve: what the points of uniform's curve are.
    """

    model: str
    budget_tokens: int
    seeds: tuple[int, ...]
    confidence: float
    replicas: int
    bootstrap_seed: int
    primary: str
    curve: Literal["runs", "checkpoints"]


class GroupFile(_File):
    """A named group of tasks. examples: held-out examples of all of them."""

    name: str
    tasks: tuple[str, ...]
    examples: int


class MethodFile(_File):
    """A mixture and what it cost, in training tokens. weights: none where no mixture was found.

    train_tokens, steps: mean over its finished runs. find_trained, find_forward: tokens that were
    trained on, and only read, to find the weights; find_tokens: both, a token that is only read
    being a third. total_tokens: finding and training once.
    """

    method: str
    label: str
    weights: dict[str, float]
    seeds: tuple[int, ...]
    train_tokens: float | None
    steps: float | None
    find_trained: float
    find_forward: float
    find_tokens: float
    total_tokens: float | None
    notes: tuple[str, ...] = ()


class DifferenceFile(_File):
    """Method less uniform over the seeds that both finished.

    by_seed: seed -> difference. low, high: 95 % t interval over seeds; None for one seed and where
    the seeds do not differ at all. p: two-sided t test; p_holm: adjusted over the methods of the group.
    detectable: the least mean that would have been told from 0, whatever the other methods did.
    example_low, example_high: 95 % bootstrap over held-out examples of these very runs.
    """

    by_seed: dict[int, float]
    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None
    example_low: float | None = None
    example_high: float | None = None


class EffectFile(_File):
    """A method on a group of tasks, every task weighing the same.

    tasks: how many of the group have this measure. by_seed: seed -> value. difference: None for
    uniform itself and where no seed has both. wins, ties, losses: tasks whose own interval over seeds
    excludes 0, on either side, and the others; untold: tasks without an interval.
    """

    method: str
    group: str
    measure: Measure
    tasks: int
    by_seed: dict[int, float]
    mean: float | None
    difference: DifferenceFile | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    untold: int = 0


class TaskEffectFile(_File):
    """A method on one task. outcome: None where there is no interval over seeds."""

    method: str
    task: str
    measure: Measure
    by_seed: dict[int, float]
    mean: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    outcome: Literal["win", "tie", "loss"] | None = None


class VerdictFile(_File):
    """What can be said of a method on a group, in words. indicative: fewer than five seeds."""

    method: str
    group: str
    outcome: Outcome
    indicative: bool
    text: str


class CurvePointFile(_File):
    """Uniform's mean loss after so many training tokens; fitted: the nearest falling curve."""

    tokens: float
    loss: float
    fitted: float


class CurveFile(_File):
    """Uniform's loss on a group along its training tokens."""

    group: str
    seeds: tuple[int, ...]
    points: tuple[CurvePointFile, ...]


class EqualLossFile(_File):
    """How many training tokens uniform takes to the final loss of a method.

    tokens: None where its curve does not reach that far; `side` says on which side. ratio: tokens by
    those of the method. low, high: 95 % interval over seeds, in tokens; an end that is None is open,
    and both are None where `seeds` is 1.
    """

    method: str
    group: str
    loss: float
    seeds: int
    side: Literal["reached", "never", "before"]
    tokens: float | None
    ratio: float | None
    low: float | None
    high: float | None
    first_tokens: float
    last_tokens: float
    method_tokens: float


class MissingFile(_File):
    """A run that is not there, and why. tokens: its budget, for runs of uniform's curve only."""

    method: str
    seed: int
    reason: str
    tokens: int | None = None


class Comparison(_File):
    """Everything that was compared. baseline: the method that the differences are to."""

    schema_version: Literal[1] = 1
    baseline: Literal["uniform"] = "uniform"
    setting: SettingFile
    groups: tuple[GroupFile, ...]
    methods: tuple[MethodFile, ...]
    effects: tuple[EffectFile, ...]
    tasks: tuple[TaskEffectFile, ...]
    verdicts: tuple[VerdictFile, ...]
    overall: str
    curves: tuple[CurveFile, ...] = ()
    equal_loss: tuple[EqualLossFile, ...] = ()
    missing: tuple[MissingFile, ...] = ()
    warnings: tuple[str, ...] = ()

    def effect(
        self, method: str, group: str | None = None, measure: Measure = "loss"
    ) -> EffectFile:
        """One method on one group (the primary one unless named)."""
        name = group or self.setting.primary
        for item in self.effects:
            if (item.method, item.group, item.measure) == (method, name, measure):
                return item
        raise KeyError(f"no {measure} of {method!r} on {name!r} in this comparison")

    def verdict(self, method: str, group: str | None = None) -> VerdictFile:
        """What is said of a method on a group (the primary one unless named)."""
        name = group or self.setting.primary
        for item in self.verdicts:
            if (item.method, item.group) == (method, name):
                return item
        raise KeyError(f"no verdict on {method!r} on {name!r} in this comparison")

    def to_json(self) -> str:
        """The same comparison gives the same bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "comparison.json") -> Comparison:
        """Read what `to_json` wrote.

        Raises:
            ArtifactError: it is no comparison.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            raise ArtifactError(
                expected="a comparison of schema version 1",
                found=f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'the top'}",
                where=where,
                fix="delete it and run `mishran compare` again",
            ) from error

    @classmethod
    def read(cls, path: Path) -> Comparison:
        """Read `comparison.json`.

        Raises:
            ArtifactError: the file is missing or no comparison.
        """
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                expected="a comparison",
                found=error.strerror or str(error),
                where=str(path),
                fix="run `mishran compare` first, or give the run directory that it used",
            ) from error
        return cls.from_json(text, str(path))
