"""The rows of a comparison's tables, for the page and for Markdown alike.

Everything is a text already; what was not measured is a dash. Losses and bits have as many digits as the
differences need, accuracies are percentages, their differences percentage points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mishran.comparison import (
    Comparison,
    DifferenceFile,
    EffectFile,
    EqualLossFile,
    Measure,
    TaskEffectFile,
)
from mishran.report import numbers as say

MEASURES: dict[Measure, tuple[str, str]] = {
    "loss": ("Loss", "nats per answer token; lower is better"),
    "bits_per_byte": ("Bits per byte", "lower is better"),
    "accuracy": ("Accuracy", "differences in percentage points; higher is better"),
}
SIGNS = {"win": "▲", "loss": "▼", "tie": ""}


def signed(value: float | None, digits: int) -> str:
    """+0.012 or −0.012; no sign where it rounds to 0."""
    text = say.number(value, digits)
    rounds = value is None or not math.isfinite(value) or not text.strip("−0.")
    return text if rounds or text.startswith(say.MINUS) else "+" + text


def digits_of(values: Sequence[float | None]) -> int:
    """Three, more where the largest difference is small."""
    top = max((abs(v) for v in values if v is not None), default=1.0)
    return 3 if top >= 0.05 or top == 0 else min(8, 2 - math.floor(math.log10(top)))


def best_first(effects: Sequence[EffectFile]) -> list[EffectFile]:
    """By their difference, best first; those without one at the end."""

    def key(effect: EffectFile) -> tuple[bool, float]:
        found = effect.difference
        sign = -1 if effect.measure == "accuracy" else 1
        return found is None, sign * found.mean if found else 0.0

    return sorted(effects, key=key)


@dataclass(frozen=True)
class EffectRow:
    """A method on a group. outcome: of its loss, empty for uniform."""

    method: str
    label: str
    mean: str
    difference: str
    interval: str
    p: str
    examples: str
    wins: str
    seeds: str
    outcome: str
    indicative: bool


def effect_rows(comparison: Comparison, group: str, measure: Measure) -> tuple[EffectRow, ...]:
    """Uniform first, then the best; empty where nobody measured that."""
    effects = [e for e in comparison.effects if (e.group, e.measure) == (group, measure)]
    baseline = [e for e in effects if e.method == comparison.baseline]
    others = best_first([e for e in effects if e.method != comparison.baseline])
    scale = 100.0 if measure == "accuracy" else 1.0
    found = [e.difference for e in others if e.difference]
    digits = 1 if measure == "accuracy" else digits_of([d.mean for d in found])
    return tuple(_effect_row(comparison, e, scale, digits) for e in baseline + others)


def _effect_row(comparison: Comparison, effect: EffectFile, scale: float, digits: int) -> EffectRow:
    found = effect.difference
    is_baseline = effect.method == comparison.baseline
    verdict = None if is_baseline else comparison.verdict(effect.method, effect.group)

    def span(low: float | None, high: float | None) -> str:
        if low is None or high is None:
            return say.DASH
        return f"{signed(scale * low, digits)} to {signed(scale * high, digits)}"

    mean = None if effect.mean is None else scale * effect.mean
    return EffectRow(
        method=effect.method,
        label=labels(comparison)[effect.method],
        mean=say.number(mean, digits) + ("\u202f%" if scale == 100 and mean is not None else ""),
        difference=signed(scale * found.mean, digits) if found else say.DASH,
        interval=span(found.low, found.high) if found else say.DASH,
        p=chance(found),
        examples=span(found.example_low, found.example_high) if found else say.DASH,
        wins=wins(effect),
        seeds=str(len(found.by_seed) if found else len(effect.by_seed)),
        outcome=verdict.outcome if verdict else "",
        indicative=bool(verdict and verdict.indicative),
    )


def labels(comparison: Comparison) -> dict[str, str]:
    return {item.method: item.label for item in comparison.methods}


def chance(found: DifferenceFile | None) -> str:
    """Holm's p; below 0.001 only that it is."""
    if found is None or found.p_holm is None:
        return say.DASH
    return "< 0.001" if found.p_holm < 0.001 else say.number(found.p_holm)


def wins(effect: EffectFile) -> str:
    """wins / ties / losses; a dash where no task could be told."""
    if effect.difference is None or effect.wins + effect.ties + effect.losses == 0:
        return say.DASH
    more = f" ({effect.untold} untold)" if effect.untold else ""
    return f"{effect.wins} / {effect.ties} / {effect.losses}{more}"


@dataclass(frozen=True)
class Cell:
    """A task under a method. level: −4 (much better) to 4 (much worse), None where it is missing."""

    level: int | None
    sign: str
    text: str
    told: str


@dataclass(frozen=True)
class TaskGrid:
    """Tasks by methods. top: the difference from which a cell has the last shade."""

    methods: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    top: str
    by_chance: str


def task_grid(comparison: Comparison) -> TaskGrid:
    """Loss of every task less uniform's, methods best first."""
    effects = [
        e
        for e in comparison.effects
        if (e.group, e.measure) == (comparison.setting.primary, "loss")
        and e.method != comparison.baseline
    ]
    methods = [e.method for e in best_first(effects)]
    cells = {(t.task, t.method): t for t in comparison.tasks if t.measure == "loss"}
    sizes = sorted(abs(t.difference) for t in cells.values() if t.difference is not None)
    sizes = [size for size in sizes if size > 0]
    top = sizes[int(0.9 * (len(sizes) - 1))] if sizes else 1.0
    digits = digits_of([top])
    names = labels(comparison)
    tasks = comparison.groups[0].tasks
    return TaskGrid(
        methods=tuple(names[m] for m in methods),
        rows=tuple(
            (task, tuple(_cell(cells[task, m], names[m], top, digits) for m in methods))
            for task in tasks
        ),
        top=say.number(top, digits),
        by_chance=say.number(0.05 * len(tasks), 1),
    )


def _cell(effect: TaskEffectFile, label: str, top: float, digits: int) -> Cell:
    where = f"{effect.task}, {label}"
    if effect.difference is None:
        return Cell(None, "", say.DASH, f"{where}: missing")
    steps = min(4, math.ceil(4 * abs(effect.difference) / top - 1e-9))
    text = signed(effect.difference, digits)
    interval = ""
    if effect.low is not None and effect.high is not None:
        interval = f", 95 % {signed(effect.low, digits)} to {signed(effect.high, digits)}"
    told = effect.outcome or "no interval"
    return Cell(
        level=steps if effect.difference > 0 else -steps,
        sign=SIGNS.get(effect.outcome or "tie", ""),
        text=text,
        told=f"{where}: {text}{interval}; {told}",
    )


@dataclass(frozen=True)
class WeightGrid:
    """Tasks by methods: (level 0 to 8, percent without its sign)."""

    methods: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[int, str], ...]], ...]


def weight_grid(comparison: Comparison) -> WeightGrid:
    """Weights that were trained on, a dash where no mixture was found; tasks of no mixture are left out."""
    methods = comparison.methods
    tasks = list(dict.fromkeys(name for m in methods for name in m.weights))
    top = max(max(m.weights.values(), default=0.0) for m in methods)

    def cell(weight: float | None) -> tuple[int, str]:
        if weight is None:
            return 0, say.DASH
        # A square root tells small weights apart; they are most of them.
        return (
            (0, "0")
            if weight <= 0
            else (
                max(1, round(8 * math.sqrt(weight / top))),
                say.number(100 * weight, 1),
            )
        )

    return WeightGrid(
        methods=tuple(m.label for m in methods),
        rows=tuple(
            (t, tuple(cell(m.weights.get(t, 0.0) if m.weights else None) for m in methods))
            for t in tasks
        ),
    )


@dataclass(frozen=True)
class CostRow:
    """What a mixture cost. bars: finding and training, in percent of the dearest total."""

    label: str
    trained: str
    read: str
    find: str
    train: str
    total: str
    times: str
    notes: str
    bars: tuple[float, float]


def cost_rows(comparison: Comparison) -> tuple[CostRow, ...]:
    totals = [m.find_tokens + (m.train_tokens or 0) for m in comparison.methods]
    top = max(totals) or 1.0
    return tuple(
        CostRow(
            label=m.label,
            trained=say.integer(m.find_trained),
            read=say.integer(m.find_forward),
            find=say.integer(m.find_tokens),
            train=say.integer(m.train_tokens),
            total=say.integer(m.total_tokens),
            times=say.number(m.total_tokens / m.train_tokens, 2) + "×"
            if m.total_tokens is not None and m.train_tokens
            else say.DASH,
            notes="; ".join(m.notes),
            bars=(100 * m.find_tokens / top, 100 * (m.train_tokens or 0) / top),
        )
        for m in comparison.methods
    )


@dataclass(frozen=True)
class EqualRow:
    """Uniform's tokens to a method's loss."""

    label: str
    loss: str
    tokens: str
    ratio: str
    interval: str
    total: str


def equal_rows(comparison: Comparison, group: str) -> tuple[EqualRow, ...]:
    """The most tokens first."""
    rows = [e for e in comparison.equal_loss if e.group == group]
    order = {"never": 0, "reached": 1, "before": 2}
    rows.sort(key=lambda e: (order[e.side], -(e.tokens or 0.0), e.loss))
    names = labels(comparison)
    totals = {m.method: m.total_tokens for m in comparison.methods}
    digits = digits_of([e.loss - r.loss for e in rows for r in rows])
    out = []
    for e in rows:
        edge, sign = {
            "never": (e.last_tokens, "> "),
            "before": (e.first_tokens, "< "),
            "reached": (e.tokens or 0.0, ""),
        }[e.side]
        out.append(
            EqualRow(
                label=names[e.method],
                loss=say.number(e.loss, digits),
                tokens=sign + say.integer(edge),
                ratio=sign + times(edge / e.method_tokens),
                interval=_equal_interval(e),
                total=say.integer(totals[e.method]),
            )
        )
    return tuple(out)


def _equal_interval(e: EqualLossFile) -> str:
    """In budgets; an open end is at the first or last point of the curve."""
    if e.seeds < 2:
        return say.DASH
    first, last = (times(tokens / e.method_tokens) for tokens in (e.first_tokens, e.last_tokens))
    low, high = (None if v is None else times(v / e.method_tokens) for v in (e.low, e.high))
    if low == last and high is None:
        return "> " + last
    if high == first and low is None:
        return "< " + first
    return f"{low or '< ' + first} to {high or '> ' + last}"


def times(ratio: float) -> str:
    return say.number(ratio, 2) + "×"


def how(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """How it was measured: term and text."""
    s = comparison.setting
    facts = [
        ("Model", s.model),
        ("Budget", f"{say.integer(s.budget_tokens)} training tokens a run"),
        ("Seeds", ", ".join(map(str, s.seeds))),
        (
            "Loss",
            "nats per answer token: mean over the examples of a task, then over the tasks of a "
            "group, each weighing the same",
        ),
        (
            "Mean",
            "over the seeds that the method finished; differences are over seeds that uniform "
            "finished too, so they need not be differences of the means",
        ),
        (
            "Interval over seeds",
            "95 % t interval of method less uniform at the same seed, over seeds that both finished: "
            "what other trainings on these very weights would show on these examples",
        ),
        (
            "Interval over examples",
            f"95 % of {say.integer(s.replicas)} bootstrap draws of the held-out examples inside each "
            "task, the same draws for all, these very runs: what other examples would show"
            if s.replicas
            else "not drawn",
        ),
        (
            "p",
            "two-sided paired t test, adjusted by Holm over the methods of a group; not adjusted "
            "over groups, measures or tasks",
        ),
        (
            "Win, tie, loss",
            "a task counts where its own interval over seeds excludes 0; else it is a tie",
        ),
        (
            "Cost",
            "training tokens; a token that is only read counts a third (2 of 6 operations per "
            "parameter, arXiv 2001.08361)",
        ),
        ("Not in the intervals", "that another fit could have found other weights"),
    ]
    if comparison.curves:
        kind = {
            "runs": "runs of uniform that end at each point",
            "checkpoints": "checkpoints of longer runs, which have not been cooled down by their "
            "schedule; that makes mixtures look faster than they are",
        }[s.curve]
        facts.append(("Uniform's curve", kind))
    return tuple(facts)
