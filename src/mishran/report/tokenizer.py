"""The pages about tokenizers, of a run and of a comparison: files that open from disk and load nothing.

What was chosen, for whom it is fair and what that costs come first in words, then who pays what as a dot
plot, the search as a picture, every measure with its interval, units of content, and the worst words in
parts. The same facts give the same bytes. Templates and `tokenizer.css` lie beside this file; the rest of
the style is the report's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mishran.report import numbers as say
from mishran.report import tokenizer_cuts as cuts
from mishran.report import tokenizer_rows as rows
from mishran.report import tokenizer_search_plots as search_plots
from mishran.report import tokenizer_words as words
from mishran.report.page import fill
from mishran.report.tokenizer_plots import MARKS, dot_plot
from mishran.report.tokenizer_rows import Facts
from mishran.report.tokenizer_text import comparison_markdown

__all__ = ["comparison_markdown", "render_comparison", "render_tokenizer"]

SHEETS = ("report.css", "why.css", "comparison.css", "corpus.css", "tokenizer.css")
HUES = 137.508  # degrees from one language to the next: neighbours never look alike


def render_tokenizer(measures: Facts, search: Facts, training: Facts, title: str) -> str:
    """The page of a run.

    Args:
        measures: what `measures.json` holds: the tokenizer from the text as it is, then the chosen one.
        search: `search.json`.
        training: `tokenizer/training.json`.
        title: of the page.

    Returns:
        HTML text, to be written as UTF-8.
    """
    trained = rows.trained_on(training)
    every = rows.lines(measures)
    reference = measures["reference"]
    others = rows.in_scripts(line for line in every if line.language != reference)
    served = [line for line in others if line.language in trained]
    unserved = [line for line in others if line.language not in trained]
    found, names = rows.measures(measures), rows.names(measures)
    candidates = search["candidates"]
    measured = {line.language for line in every}
    return _fill(
        "tokenizer.html.jinja",
        measures,
        title,
        findings=words.findings(measures, search, training),
        search=search,
        training=training,
        trained=trained,
        strips=strips(training),
        served=dot_plot(found, names, served),
        unserved=dot_plot(found, names, unserved),
        unmeasured=[tag for tag in trained if tag not in measured],
        open_lines=[line for line in every if line.language in trained],
        folded_lines=unserved,
        content=[one for one in rows.contents(measures) if one.language in trained],
        folded_content=[one for one in rows.contents(measures) if one.language not in trained],
        text_shares=rows.text_shares(training),
        price=search_plots.price(candidates) if candidates else None,
        size=search_plots.size(candidates) if candidates else None,
        vocabularies=search_plots.kinds(candidates, "vocabulary"),
        lines=search_plots.line_names(candidates),
        chosen=next((one for one in candidates if one["chosen"]), None),
    )


def render_comparison(facts: Facts, title: str) -> str:
    """The page of `mishran tokenizer compare`.

    Args:
        facts: what it measured.
        title: of the page.

    Returns:
        HTML text, to be written as UTF-8.
    """
    every = rows.lines(facts)
    others = rows.in_scripts(line for line in every if line.language != facts["reference"])
    found, names = rows.measures(facts), rows.names(facts)
    return _fill(
        "tokenizer_comparison.html.jinja",
        facts,
        title,
        headline=words.compared(facts),
        kinds=rows.kinds(facts),
        plot=dot_plot(found, names, others),
        content=rows.contents(facts),
    )


def _fill(template: str, facts: Facts, title: str, **values: Any) -> str:
    html = fill(
        template,
        SHEETS,
        {
            "integer": say.integer,
            "percent": say.percent,
            "number": say.number,
            "compact": say.compact,
            "at": lambda value: f"{value:.3f}",
        },
        facts=facts,
        title=title,
        reference=facts["reference"],
        names=rows.names(facts),
        every=rows.lines(facts),
        found=rows.measures(facts),
        changes=rows.changes(facts),
        rows=rows,
        words=words,
        cuts=cuts,
        marks=MARKS,
        **values,
    )
    return words.legible(html)


def strips(training: Facts) -> tuple[tuple[str, Sequence[tuple[str, float, float]]], ...]:
    """Shares of the text as it is and as it was learned from: (language, share, hue) of each."""
    hues = {tag: (235 + i * HUES) % 360 for i, tag in enumerate(training["bytes"])}
    both = {
        "The text as it is": rows.text_shares(training),
        "What it was learned from": training["shares"],
    }
    return tuple(
        (name, [(tag, part, hues.get(tag, 0.0)) for tag, part in found.items() if part > 0])
        for name, found in both.items()
    )
