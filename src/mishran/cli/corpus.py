"""`mishran corpus`: raw text -> clean text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from mishran.cli import plans
from mishran.cli.ui import Bars, out

_EXAMPLES = """
Examples:

  mishran corpus clean corpus.yaml --plan             the files, their size, and what is wrong with them

  mishran corpus clean corpus.yaml                    clean documents, accounts and a page in its folder

  mishran corpus clean corpus.yaml --run /big/disk/corpus --json
"""

corpus = typer.Typer(
    no_args_is_help=True,
    help="Clean raw text for pretraining, with a report of everything that was dropped.",
)


def register(app: typer.Typer) -> None:
    corpus.command(epilog=_EXAMPLES)(clean)
    app.add_typer(corpus, name="corpus")


@corpus.callback()
def _group() -> None:
    pass


def clean(
    recipe: Path = typer.Argument(help="Recipe: sources, languages and steps."),
    run: Path | None = typer.Option(
        None, "--run", help="Folder of the result, instead of the recipe's."
    ),
    plan: bool = typer.Option(False, "--plan", help="Show what would be cleaned, and stop."),
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Clean a corpus: run it again, and it goes on where it was."""
    from mishran.pipeline.corpus import Submitted, clean_corpus
    from mishran.pipeline.corpus_plan import plan_corpus
    from mishran.report.corpus_words import warnings

    progress = Bars(quiet)
    if plan:
        planned = plan_corpus(recipe, run, progress)
        facts = [
            {
                "source": source,
                "path": f.path,
                "bytes": f.unpacked,
                "shards": len(f.shards),
                "problem": f.problem,
            }
            for source, f in planned.inputs.files
        ]
        if json_:
            found = {"run": str(planned.folder), "files": facts, "others": planned.inputs.others}
            typer.echo(json.dumps(found, ensure_ascii=False))
            return
        out.print(_files_table(facts))
        for line in planned.inputs.others:
            out.print(line, markup=False, soft_wrap=True)
        return
    done = clean_corpus(recipe, run, progress)
    if isinstance(done, Submitted):
        if json_:
            typer.echo(json.dumps({"run": str(done.folder), "jobs": done.jobs}))
        else:
            text = f"submitted jobs {', '.join(done.jobs)}; when they are done, run the same command again"
            out.print(text, markup=False, soft_wrap=True)
        return
    if json_:
        typer.echo(json.dumps({"run": str(done.folder), **done.facts}, ensure_ascii=False))
        return
    out.print(_sources_table(done.facts))
    out.print(_reasons_table(done.facts))
    for text in warnings(done.facts):
        out.print(f"warning: {text}", markup=False, soft_wrap=True)
    news = "" if done.made else "; already there, as asked"
    text = f"{done.folder / 'clean'}  and  {done.folder / 'report.html'}{news}"
    out.print(text, markup=False, soft_wrap=True)


def _files_table(files: list[dict[str, Any]]) -> Table:
    table = _table(("source", "file", "size", "shards", "problem"), left={0, 1, 4})
    for f in files:
        row = (f["source"], f["path"], _size(f["bytes"]), f"{f['shards']:,}", f["problem"])
        table.add_row(*map(Text, row))
    return table


def _sources_table(facts: dict[str, Any]) -> Table:
    """What came in of every source and how much of it is left."""
    accounts = facts["accounts"]
    units = ("documents", "bytes", "tokens") if facts["tokens"] else ("documents", "bytes")
    table = _table(("source", *(part for unit in units for part in (unit, "kept"))), left={0})
    total = {unit: sum(row[unit] for row in accounts["arrived"]) for unit in units}
    nothing = dict.fromkeys(units, 0)
    of = {row["source"]: row for row in accounts["arrived"]}
    names = [one["source"] for one in facts["sources"]]
    for name, came in [*((name, of.get(name, nothing)) for name in names), ("", total)]:
        cells = [name or "together"]
        for unit in units:
            kept = sum(k[unit] for k in accounts["kept"] if name in (k["source"], ""))
            share = f"{kept / came[unit]:.1%}" if came[unit] else "-"
            cells += [_size(came[unit]) if unit == "bytes" else f"{came[unit]:,}", share]
        table.add_row(*map(Text, cells))
    return table


def _reasons_table(facts: dict[str, Any], most: int = 12) -> Table:
    """Why documents were dropped, the commonest reasons first."""
    table = _table(("step", "reason", "documents", "bytes"), left={0, 1})
    sums: dict[tuple[str, str], list[int]] = {}
    for row in facts["accounts"]["dropped"]:
        held = sums.setdefault((row["step"], row["reason"]), [0, 0])
        held[0] += row["documents"]
        held[1] += row["bytes"]
    order = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    for (step, reason), (documents, size) in order[:most]:
        table.add_row(Text(step), Text(reason), f"{documents:,}", _size(size))
    rest = order[most:]
    if rest:
        documents, size = (sum(v[i] for _, v in rest) for i in (0, 1))
        table.add_row("", Text(f"{len(rest)} other reasons"), f"{documents:,}", _size(size))
    return table


def _table(names: tuple[str, ...], left: set[int]) -> Table:
    table = Table(box=None)
    for i, name in enumerate(names):
        table.add_column(name, justify="left" if i in left else "right", no_wrap=i != 1)
    return table


def _size(count: int) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:,.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
        count = count / 1024  # type: ignore[assignment]
    raise AssertionError
