"""A comparison of tokenizers as Markdown: sentences first, then the tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mishran.report import numbers as say
from mishran.report import tokenizer_rows as rows
from mishran.report import tokenizer_words as words
from mishran.report.table import markdown_text
from mishran.report.tokenizer_rows import Facts


def comparison_markdown(facts: Facts) -> str:
    """Every table as Markdown; headings begin at the second level.

    Args:
        facts: what `mishran tokenizer compare` measured.
    """
    out = [f"**{markdown_text(' '.join(words.compared(facts)))}**", "", *_kinds(facts)]
    out += [*_measures(facts), *_differences(facts), *_contents(facts)]
    return words.legible("\n".join(out).rstrip() + "\n")


def _kinds(facts: Facts) -> list[str]:
    heads = ["Tokenizer", "Vocabulary", "Embedding share", "Embedding parameters", "MB per second"]
    return _table(
        [*heads, "Bytes per token", "Median parity", "Highest parity", "Of"],
        (
            [
                kind.name,
                say.integer(kind.vocabulary),
                say.percent(kind.embedding_share),
                say.integer(kind.embedding_parameters),
                words.two(kind.mb_per_second),
                words.two(kind.bytes_per_token),
                words.two(kind.middle),
                words.two(kind.worst_parity.value),
                kind.worst.label if kind.worst else say.DASH,
            ]
            for kind in rows.kinds(facts)
        ),
    )


def _measures(facts: Facts) -> list[str]:
    found, every, names = rows.measures(facts), rows.lines(facts), rows.names(facts)
    out = ["", "## Measures", ""]
    for measure in words.MEASURES:
        out += [f"{measure.name}: {measure.meaning[:1].lower()}{measure.meaning[1:]}", ""]
        lines = []
        for line in every:
            cells = [found.of(name, line, measure.key) for name in names]
            told = [
                f"{measure.show(one.value)} ({measure.span(one)})"
                if one.value is not None
                else say.DASH
                for one in cells
            ]
            lines.append([line.label, line.script, *told])
        out += [*_table(["Language", "Script", *names], lines, left=2), ""]
    return out


def _differences(facts: Facts) -> list[str]:
    found = rows.changes(facts)
    others = rows.names(facts)[1:]
    if not found:
        return []
    out = ["", f"## Against {markdown_text(rows.names(facts)[0])}", ""]
    for title, pick, show in (
        ("Share of more tokens:", lambda one: one.tokens, words.change),
        ("The gap, |parity − 1|, as a part of the first one's:", lambda one: one.gap, words.two),
    ):
        lines = []
        for line in rows.lines(facts):
            cells = [
                pick(found.get((name, line.language, line.domain), rows.Change()))
                for name in others
            ]
            told = [
                f"{show(one.value)} ({words.span(one, show)})"
                if one.value is not None
                else say.DASH
                for one in cells
            ]
            lines.append([line.label, *told])
        out += [title, "", *_table(["Language", *others], lines), ""]
    return out


def _contents(facts: Facts) -> list[str]:
    found = rows.contents(facts)
    if not found:
        return []
    names = rows.names(facts)
    heads = ["Language", "Content", *(f"Tokens, {name}" for name in names), "Bytes"]
    lines = [
        [
            one.language,
            say.percent(one.share, 0),
            *(say.percent(found.value) for found in one.tokens),
            say.percent(one.bytes.value),
        ]
        for one in found
    ]
    return ["", "## What a share of content is in tokens and bytes", "", *_table(heads, lines)]


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """left: columns of words before those of numbers."""
    out = [_line(heads), "|" + "---|" * left + "---:|" * (len(heads) - left)]
    return out + [_line(line) for line in lines]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown_text(cell) for cell in cells) + " |"
