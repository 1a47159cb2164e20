"""`ReportData`: everything a report shows, and nothing else.

A report reads values; it opens no run directory, loads no model and measures nothing. Whoever has
a mixture fills these classes, `mishran.report.findings` puts the facts into words, and
`mishran.report.html` and `mishran.report.table` draw them. A number that was not measured is None
and is shown as a dash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mishran.explanation import Explanation
from mishran.mixture import Mixture
from mishran.types import Affinity, Array

Status = Literal["learned", "no gain", "prompt ignored", "own adapter", "not measured"]


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing, in words for people.

    level: "warning" needs a decision, "note" does not. title: one line. text: what was found, with
    its numbers. what_to_do: the next step; empty only for notes.
    """

    level: Literal["note", "warning"]
    title: str
    text: str
    what_to_do: str = ""

    def __post_init__(self) -> None:
        if self.level == "warning" and not self.what_to_do:
            raise ValueError(f"the warning {self.title!r} must say what to do")


@dataclass(frozen=True)
class SpecialistRow:
    """What one specialist learned, on validation examples of its own task.

    All numbers in nats per answer token; intervals are 95 %. gain: base minus specialist.
    prompt_gain: loss with shuffled prompts minus loss with the true ones, for the trained
    specialist; an interval that contains 0 means that the prompt makes no difference to it.
    """

    name: str
    groups: tuple[str, ...] = ()
    status: Status = "learned"
    base_nats_per_token: float | None = None
    specialist_nats_per_token: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    prompt_gain: float | None = None
    prompt_gain_low: float | None = None
    prompt_gain_high: float | None = None
    train_rows: int | None = None
    train_tokens: int | None = None


@dataclass(frozen=True)
class Curve:
    """Validation nats per answer token of one specialist after so many training tokens.

    The first point may be at 0 tokens: the base. low, high: 95 % interval, or empty; None at points
    that have none.
    """

    name: str
    tokens: tuple[float, ...]
    nats: tuple[float, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        for label in ("nats", "low", "high"):
            got = len(getattr(self, label))
            if got != len(self.tokens) and (label == "nats" or got):
                raise ValueError(f"curve {self.name!r}: {len(self.tokens)} tokens, {got} {label}")


@dataclass(frozen=True)
class DiagnosticsView:
    """Numbers about the affinity that say how far to trust it.

    As `mishran.affinity.AffinityDiagnostics` measures them.

    tangent_min: smallest eigenvalue of S on {v: 1'v = 0}; >= 0 is what makes the energy convex.
    tangent_condition: largest over smallest there. effective_rank: of the same spectrum.
    additive_share: share of the off-diagonal variance that row + column effects explain
    (difficulty, answer length). floor_rate: share of pairs at the least possible similarity.
    zero_rate: share of pairs that cannot be told from 0. row_sums: S 1 by name. nearest: name ->
    most similar other task and the similarity. twins: near duplicates.
    """

    tangent_min: float | None = None
    tangent_condition: float | None = None
    effective_rank: float | None = None
    additive_share: float | None = None
    floor_rate: float | None = None
    zero_rate: float | None = None
    row_sums: Mapping[str, float] = field(default_factory=dict)
    nearest: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    twins: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class BaseFacts:
    """What the evidence was measured with. probes: examples in the pool, all tasks together.

    probe_tasks: tasks in the pool, those included that are only evaluated. task_probes: probes of each
    of them. answer_tokens: answer tokens scored. train_tokens: training tokens per specialist.
    """

    model: str
    probes: int | None = None
    probe_tasks: int | None = None
    task_probes: Mapping[str, int] = field(default_factory=dict)
    answer_tokens: int | None = None
    train_tokens: int | None = None


@dataclass(frozen=True)
class ReportData:
    """The whole input of a report.

    mixture.tasks, affinity.names and the columns of t_weights are the same n tasks in the same
    order.

    t_values: (k,) ascending and t_weights: (k, n), the solved mixture at each; both None for
    unaries that have no t. A t may stand again, before, at and after a jump of explanation.path. Between
    neighbours the weights are drawn as straight lines, which is exact when t_values contain every
    breakpoint of that path. t_chosen: the t of this mixture. specialists, curves, base: empty or None
    when the mixture was solved from a matrix alone. Groups are those of `mixture.tasks`.
    """

    title: str
    mixture: Mixture
    affinity: Affinity
    diagnostics: DiagnosticsView
    t_values: Array | None = None
    t_weights: Array | None = None
    t_chosen: float | None = None
    specialists: tuple[SpecialistRow, ...] = ()
    curves: tuple[Curve, ...] = ()
    findings: tuple[Finding, ...] = ()
    base: BaseFacts | None = None
    explanation: Explanation | None = None

    def __post_init__(self) -> None:
        names = self.names
        if self.affinity.names != names:
            raise ValueError("affinity.names must be the tasks of the mixture, in the same order")
        if (self.t_values is None) != (self.t_weights is None):
            raise ValueError("t_values and t_weights: both or neither")
        if self.t_values is not None and self.t_weights is not None:
            want = (len(self.t_values), len(names))
            if np.shape(self.t_weights) != want:
                raise ValueError(f"t_weights must be {want}, got {np.shape(self.t_weights)}")
            steps = np.diff(self.t_values)
            twice = int((steps == 0).sum())
            if np.any(steps < 0) or len(self.t_values) - twice < 2:
                raise ValueError("t_values must be at least two ascending values")
        for rows in (self.specialists, self.curves):
            strangers = [row.name for row in rows if row.name not in names]
            if strangers:
                raise ValueError(f"{strangers[0]!r} is not a task of the mixture")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.mixture.tasks)
