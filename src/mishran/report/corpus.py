"""The page of a cleaned corpus: one HTML file that opens from disk, loads nothing and runs no script.

What happened comes first in words, then step by step as a picture with the sum checked, every reason by
source and language, what was edited, what is kept, how the judges did on held-out text, and what it was
made of. The same facts give the same bytes. `corpus.html.jinja` and `corpus.css` lie beside this file; the
rest of the style is the report's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mishran.config_corpus import UNDETERMINED
from mishran.report import corpus_checks as checks
from mishran.report import corpus_rows as rows
from mishran.report import corpus_words as words
from mishran.report import numbers as say
from mishran.report import plot
from mishran.report.corpus_rows import Books, StepRow, Unit
from mishran.report.page import fill

FEW = 3  # languages up to which examples are open
PLACES = 100  # that could not be read, named on the page


def render_corpus(facts: Mapping[str, Any], title: str) -> str:
    """The whole page.

    Args:
        facts: what `corpus.json` holds.
        title: of the page.

    Returns:
        HTML text, to be written as UTF-8.
    """
    measured = facts.get("checks", {})
    units = rows.units(facts)
    falls = [fall(facts, unit) for unit in units]
    sources, languages = rows.by_source(facts), rows.by_language(facts)
    html = fill(
        "corpus.html.jinja",
        ("report.css", "why.css", "comparison.css", "corpus.css"),
        {
            "integer": say.integer,
            "at": lambda value: f"{value:.3f}",
            "short": words.short,
            "exact": words.exact,
        },
        facts=facts,
        title=title,
        units=units,
        names=words.NAMES,
        words=words,
        rows=rows,
        headline=words.headline(facts),
        warnings=words.warnings(facts),
        books=rows.books(facts),
        ribbons=[ribbon(rows.books(facts), unit) for unit in units],
        falls=falls,
        grown=any(bar.grown for one in falls for bar in one.bars),
        steps=step_totals(facts),
        sources=sources,
        languages=languages,
        by_source=rows.crossed(facts, sources),
        by_language=rows.crossed(facts, languages),
        edits=rows.edits(facts),
        kept=kept_tables(facts),
        kinds=rows.kept(facts, "source", "language", "script", "provenance"),
        checked=checks.languages(measured),
        scored=checks.facts(measured),
        bounds=checks.bounds(measured),
        items=checks.items(measured),
        few=FEW,
        places=PLACES,
        unknown=UNDETERMINED,
    )
    return words.readable(html)


@dataclass(frozen=True)
class Ribbon:
    """All that arrived in one unit as a bar, in percent of it: kept, edited away, dropped."""

    unit: Unit
    came: int
    kept: int
    share: str
    parts: tuple[tuple[str, int, float], ...]


def ribbon(sums: Books, unit: Unit) -> Ribbon:
    """Where edits added text, nothing was edited away, and the bar is what was kept and dropped."""
    amounts = {
        "kept": sums.kept.of(unit),
        "edited": max(0, sums.edited.of(unit)),
        "dropped": sums.dropped.of(unit),
    }
    whole = sum(amounts.values())
    parts = tuple((name, n, 100 * n / whole) for name, n in amounts.items() if n > 0)
    came, kept = sums.arrived.of(unit), sums.kept.of(unit)
    return Ribbon(unit, came, kept, words.share(kept, came), parts)


@dataclass(frozen=True)
class Bar:
    """A step in the waterfall: (start, width) of its parts in percent of the axis, None where it has none.

    left: what goes on. grown: what edits added.
    """

    row: StepRow
    left: tuple[float, float] | None
    dropped: tuple[float, float] | None
    edited: tuple[float, float] | None
    grown: tuple[float, float] | None


@dataclass(frozen=True)
class Fall:
    """The waterfall in one unit. arrived, kept: widths in percent."""

    unit: Unit
    bars: tuple[Bar, ...]
    ticks: tuple[plot.Tick, ...]
    arrived: float
    kept: float
    balance: str
    balanced: bool
    edited: bool


def fall(facts: Mapping[str, Any], unit: Unit) -> Fall:
    """From what arrived to what is kept. A step that took nothing is shown, too."""
    found = [row for row in rows.waterfall(facts) if row.step != rows.EDITS or row.edited.of(unit)]
    sums = rows.books(facts)
    came, kept = sums.arrived.of(unit), sums.kept.of(unit)
    # The highest that a bar reaches: text may grow on its way.
    tops = [max(row.before.of(unit), row.left.of(unit) + row.dropped.of(unit)) for row in found]
    top = max([came, kept, *tops, 1])

    def part(start: int, end: int) -> tuple[float, float] | None:
        return (100 * start / top, 100 * (end - start) / top) if end > start else None

    bars = []
    for row in found:
        before, left, gone = row.before.of(unit), row.left.of(unit), row.dropped.of(unit)
        bars.append(
            Bar(
                row,
                left=part(0, left),
                dropped=part(left, left + gone),
                edited=part(left + gone, before),
                grown=part(before, left + gone),
            )
        )
    return Fall(
        unit=unit,
        bars=tuple(bars),
        ticks=_ticks(top, unit),
        arrived=100 * came / top,
        kept=100 * kept / top,
        balance=words.balance(sums, unit),
        balanced=sums.difference.of(unit) == 0,
        edited=any(row.edited.of(unit) for row in found),
    )


def _ticks(top: int, unit: Unit) -> tuple[plot.Tick, ...]:
    step = max(1, round(plot.nice_step(top, 4)))
    return tuple(
        plot.Tick(100 * value / top, words.short(value, unit)) for value in range(0, top + 1, step)
    )


@dataclass(frozen=True)
class StepTotal:
    """A step that dropped something, and its reasons. bar: of its documents beside the largest step's."""

    step: str
    gloss: str
    amount: rows.Amount
    reasons: tuple[tuple[rows.Dropped, float], ...]
    bar: float

    @property
    def alone(self) -> bool:
        """Whether one reason is all that the step has."""
        return len(self.reasons) == 1


def step_totals(facts: Mapping[str, Any]) -> tuple[StepTotal, ...]:
    found = rows.reasons(facts, facts["accounts"]["dropped"])
    steps = {row.step: row for row in rows.waterfall(facts) if row.dropped.documents}
    top = max((row.dropped.documents for row in steps.values()), default=1)
    return tuple(
        StepTotal(
            step=name,
            gloss=row.gloss,
            amount=row.dropped,
            reasons=tuple((d, 100 * d.amount.documents / top) for d in found if d.step == name),
            bar=100 * row.dropped.documents / top,
        )
        for name, row in steps.items()
    )


@dataclass(frozen=True)
class KeptTable:
    """What stayed by one key. bars: share of the bytes in percent of the largest."""

    key: str
    head: str
    rows: tuple[tuple[str, rows.Amount, float], ...]


HEADS = {
    "language": "Language",
    "script": "Script",
    "provenance": "Provenance",
    "source": "Source",
}


def kept_tables(facts: Mapping[str, Any]) -> tuple[KeptTable, ...]:
    out = []
    for key, head in HEADS.items():
        found = rows.kept(facts, key)
        top = max((one.amount.bytes for one in found), default=0) or 1
        lines = tuple((one.name[0], one.amount, 100 * one.amount.bytes / top) for one in found)
        out.append(KeptTable(key, head, lines))
    return tuple(out)
