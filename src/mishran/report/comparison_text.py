"""The comparison as Markdown: the verdict first, then tables of all that the page shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mishran.comparison import Comparison
from mishran.report import comparison_rows as facts
from mishran.report import numbers as say
from mishran.report.table import markdown_text


def comparison_markdown(comparison: Comparison, title: str) -> str:
    """Every fact of the comparison as text.

    Args:
        comparison: what to show.
        title: of the page.
    """
    lines = [f"# {markdown_text(title)}", "", f"**{markdown_text(comparison.overall)}**", ""]
    lines += [f"- Warning: {markdown_text(text)}" for text in comparison.warnings]
    lines += [
        f"- {markdown_text(v.text)}"
        for v in comparison.verdicts
        if v.group == comparison.setting.primary
    ]
    for group in comparison.groups:
        lines += ["", f"## On {markdown_text(group.name)}", ""]
        lines += [f"{len(group.tasks)} tasks, {say.integer(group.examples)} examples."]
        for measure, (name, unit) in facts.MEASURES.items():
            rows = facts.effect_rows(comparison, group.name, measure)
            if rows:
                lines += ["", f"{name}, {unit}:", "", *_effects(rows)]
    grid = facts.task_grid(comparison)
    lines += ["", "## Tasks", ""]
    lines += ["Loss less uniform's; ▲ better, ▼ worse by the interval over seeds.", ""]
    lines += _table(
        ["Task", *grid.methods],
        ([task, *(f"{c.text} {c.sign}".strip() for c in row)] for task, row in grid.rows),
    )
    weights = facts.weight_grid(comparison)
    lines += ["", "## Weights, in percent", ""]
    lines += _table(
        ["Task", *weights.methods], ([task, *(t for _, t in row)] for task, row in weights.rows)
    )
    lines += ["", "## Cost, in training tokens", ""]
    lines += _table(
        ["Method", "Trained to find", "Read to find", "Finding", "Training", "Both", "Of training"],
        (
            [r.label, r.trained, r.read, r.find, r.train, r.total, r.times]
            for r in facts.cost_rows(comparison)
        ),
    )
    equal = facts.equal_rows(comparison, comparison.setting.primary)
    if equal:
        lines += ["", f"## Tokens of uniform to equal loss, {comparison.setting.primary}", ""]
        lines += _table(
            [
                "Method",
                "Its loss",
                "Uniform's tokens",
                "Of the budget",
                "95 % interval",
                "It spent",
            ],
            ([r.label, r.loss, r.tokens, r.ratio, r.interval, r.total] for r in equal),
        )
    if comparison.missing:
        names = facts.labels(comparison)
        lines += ["", "## Missing runs", ""]
        lines += _table(
            ["Method", "Seed", "Why"],
            (
                [
                    names[m.method] + (f", {say.integer(m.tokens)} tokens" if m.tokens else ""),
                    str(m.seed),
                    m.reason,
                ]
                for m in comparison.missing
            ),
        )
    lines += ["", "## How it was measured", ""]
    lines += [f"- {term}: {markdown_text(text)}." for term, text in facts.how(comparison)]
    return "\n".join(lines) + "\n"


def _effects(rows: Sequence[facts.EffectRow]) -> list[str]:
    heads = ["Method", "Mean", "Difference", "95 % over seeds", "p (Holm)", "95 % over examples"]
    return _table(
        [*heads, "Wins / ties / losses", "Seeds", "By loss"],
        (
            [r.label, r.mean, r.difference, r.interval, r.p, r.examples, r.wins, r.seeds, told(r)]
            for r in rows
        ),
    )


def told(row: facts.EffectRow) -> str:
    """The verdict in a word or two."""
    if not row.outcome:
        return "the reference"
    tested = row.outcome in ("better", "worse", "no difference")
    return row.outcome + (", indicative" if tested and row.indicative else "")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    out = [_line(heads), "|---|" + "---:|" * (len(heads) - 1)]
    return out + [_line(row) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown_text(cell) for cell in cells) + " |"
