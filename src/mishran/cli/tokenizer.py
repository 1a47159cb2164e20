"""`mishran tokenizer`: train a fair one, measure any, account for a corpus, move a model to another."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from mishran.cli import plans
from mishran.cli.tokenizer_transfer import EXAMPLES as _TRANSFER
from mishran.cli.tokenizer_transfer import transfer
from mishran.cli.ui import Bars, out

_TRAIN = """
Examples:

  mishran tokenizer train tokenizer.yaml --plan         what would be read and tried

  mishran tokenizer train tokenizer.yaml                the fairest within the recipe's bounds, and its
  report

  mishran tokenizer train tokenizer.yaml --parity 1.15  the smallest vocabulary that reaches it
"""
_COMPARE = """
Examples:

  mishran tokenizer compare runs/tokenizer/tokenizer models/llama GPT-4o=o200k_base.tiktoken

  mishran tokenizer compare A B --parallel test.jsonl --reference en      every text field is a language

  mishran tokenizer compare A B --parallel en=test.en.txt --parallel hi=test.hi.txt --out page.html
"""
_ACCOUNT = """
Examples:

  mishran tokenizer account runs/tokenizer/tokenizer --corpus runs/corpus

  mishran tokenizer account TOKENIZER --text en=english.jsonl --text hi=hindi.jsonl

  mishran tokenizer account TOKENIZER --share hi=0.25 --unit content      what that is in tokens and bytes
"""

tokenizer = typer.Typer(
    no_args_is_help=True,
    help="Train a tokenizer that is fair between languages, and measure any.",
)

PARALLEL = typer.Option(
    None,
    "--parallel",
    help="Parallel text: a file whose fields are languages, or LANGUAGE=FILE for each. By default FLORES "
    "of $MISHRAN_DATA.",
)
REFERENCE = typer.Option(None, "--reference", help="Language that parity is against.")
LANGUAGES = typer.Option(None, "--languages", help="Only these, with commas.")
ONLINE = typer.Option(False, "--online", help="Allow names of the hub and of tiktoken.")
MODEL = typer.Option(
    None,
    "--model",
    help="config.json of the model whose embeddings are counted; by default PARAM-1's shape.",
)
OUT = typer.Option(None, "--out", help="Write a page: .html, .md or .json.")


def register(app: typer.Typer) -> None:
    tokenizer.command(epilog=_TRAIN)(train)
    tokenizer.command(epilog=_COMPARE)(measure)
    tokenizer.command(epilog=_COMPARE)(compare)
    tokenizer.command(epilog=_ACCOUNT)(account)
    tokenizer.command(epilog=_TRANSFER)(transfer)
    app.add_typer(tokenizer, name="tokenizer")


def train(
    recipe: Path = typer.Argument(help="Recipe: text, parallel text, sizes and bounds."),
    run: Path | None = typer.Option(
        None, "--run", help="Folder of the result, instead of the recipe's."
    ),
    parity: float | None = typer.Option(
        None, "--parity", help="The most that any language may pay for the same content."
    ),
    max_cost: float | None = typer.Option(
        None, "--max-cost", help="Share of more tokens that the reference language may pay for it."
    ),
    plan: bool = typer.Option(False, "--plan", help="Show what would be done, and stop."),
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Train a tokenizer: run it again, and it goes on where it was."""
    from mishran.pipeline.tokenizer import train_tokenizer
    from mishran.pipeline.tokenizer_plan import plan_tokenizer
    from mishran.report.tokenizer_words import headline

    changed = {"parity": parity, "max_cost": max_cost}
    if plan:
        planned = plan_tokenizer(recipe, run, **changed)
        config = planned.config
        facts = {
            "run": str(planned.folder),
            "languages": list(planned.tags),
            "reference": planned.reference,
            "search": {text.name: text.num for text in planned.searched},
            "report": {text.name: text.num for text in planned.reported},
            "vocabularies": list(config.vocabularies),
            "algorithms": list(config.algorithms),
            "candidates": 1
            if config.shares
            else len(set(config.vocabularies)) * len(planned.attempts),
        }
        if json_:
            typer.echo(json.dumps(facts, ensure_ascii=False))
        else:
            out.print(_facts_table(facts))
        return
    done = train_tokenizer(recipe, run, Bars(quiet), **changed)
    if json_:
        facts = {"run": str(done.folder), "training": done.training, "search": done.search}
        typer.echo(json.dumps({**facts, "measures": done.measures}, ensure_ascii=False))
        return
    shares = done.training["shares"]
    out.print(measures_table(done.measures, [tag for tag, share in shares.items() if share > 0]))
    out.print(_COLUMNS, markup=False)
    for line in headline(done.measures, done.search, done.training):
        out.print(line, markup=False, soft_wrap=True)
    news = "" if done.made else "; already there, as asked"
    text = f"{done.folder / 'tokenizer'}  and  {done.folder / 'report.html'}{news}"
    out.print(text, markup=False, soft_wrap=True)


def measure(
    path: str = typer.Argument(
        help="Folder, tokenizer.json, SentencePiece model, .tiktoken, or bytes."
    ),
    parallel: list[str] | None = PARALLEL,
    reference: str | None = REFERENCE,
    languages: str | None = LANGUAGES,
    model: Path | None = MODEL,
    out_: Path | None = OUT,
    online: bool = ONLINE,
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Measure one tokenizer on parallel text."""
    _compared([path], parallel, reference, languages, model, out_, online, json_, quiet)


def compare(
    paths: list[str] = typer.Argument(
        help="Tokenizers, PATH or NAME=PATH; the first is what others are against."
    ),
    parallel: list[str] | None = PARALLEL,
    reference: str | None = REFERENCE,
    languages: str | None = LANGUAGES,
    model: Path | None = MODEL,
    out_: Path | None = OUT,
    online: bool = ONLINE,
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Compare tokenizers on parallel text: tokens, parity and every other measure, with intervals."""
    _compared(paths, parallel, reference, languages, model, out_, online, json_, quiet)


def _compared(
    paths: list[str],
    parallel: list[str] | None,
    reference: str | None,
    languages: str | None,
    model: Path | None,
    out_: Path | None,
    online: bool,
    json_: bool,
    quiet: bool,
) -> None:
    from mishran.pipeline.tokenizer_compare import check_out, compare_tokenizers, write_comparison

    if out_ is not None:
        check_out(out_)
    facts = compare_tokenizers(
        paths,
        parallel or [],
        reference=reference,
        languages=languages.split(",") if languages else [],
        model=model,
        online=online,
        progress=Bars(quiet),
    )
    if out_ is not None:
        write_comparison(facts, out_)
    if json_:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    out.print(sizes_table(facts))
    out.print(measures_table(facts))
    out.print(_COLUMNS, markup=False)
    if out_ is not None:
        out.print(str(out_), markup=False, soft_wrap=True)


def account(
    path: str = typer.Argument(help="The tokenizer, as for compare."),
    corpus: Path | None = typer.Option(None, "--corpus", help="Folder of a cleaned corpus."),
    text: list[str] | None = typer.Option(None, "--text", help="LANGUAGE=FILE, for each language."),
    share: list[str] | None = typer.Option(
        None, "--share", help="LANGUAGE=SHARE to convert; the reference takes the rest."
    ),
    unit: str = typer.Option("content", "--unit", help="Of --share: content, tokens or bytes."),
    parallel: list[str] | None = PARALLEL,
    reference: str | None = REFERENCE,
    online: bool = ONLINE,
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Count a corpus, or convert shares, in tokens, bytes and content."""
    from mishran.pipeline.tokenizer_account import account_tokenizer

    facts = account_tokenizer(
        path,
        parallel or [],
        corpus=corpus,
        text=text or [],
        share=share or [],
        unit=unit,
        reference=reference,
        online=online,
        progress=Bars(quiet),
    )
    if json_:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    if facts["accounts"]:
        out.print(_accounts_table(facts))
    if facts["shares"]:
        out.print(_shares_table(facts))


def sizes_table(facts: dict[str, Any]) -> Table:
    """A row per tokenizer: its vocabulary and what it is of the model."""
    table = _table(("tokenizer", "vocabulary", "embeddings"), left={0})
    for one in facts["tokenizers"]:
        cells = (one["name"], f"{one['vocabulary']:,}", f"{one['embedding_share']:.1%}")
        table.add_row(*map(Text, cells))
    return table


def measures_table(facts: dict[str, Any], languages: Collection[str] | None = None) -> Table:
    """A row per tokenizer, language and domain; narrow enough for 80 columns.

    Args:
        languages: only these; all by default.
    """
    several = len(facts["domains"]) > 1
    table = _table(
        ("tokenizer", "language", "parity", "±", "per word", "bytes", "broken", "1-token"),
        left={0, 1},
    )
    last = ""
    for row in facts["measures"]:
        if languages is not None and row["language"] not in languages:
            continue
        name, found = row["tokenizer"], row["measures"]
        cells = (
            name if name != last else "",
            f"{row['language']}, {row['domain']}" if several else row["language"],
            _said(found.get("parity"), "{value:.3f}"),
            _said(_half(found.get("parity")), "{value:.3f}"),
            _said(found["fertility"], "{value:.2f}"),
            _said(found["bytes_per_token"], "{value:.2f}"),
            _said(found["broken_aksharas"], "{value:.1%}"),
            _said(found["single_token_words"], "{value:.1%}"),
        )
        table.add_row(*map(Text, cells))
        last = name
    return table


_COLUMNS = (
    "±: 95 %; per word: tokens; bytes: per token; broken: tokens that begin with a mark; "
    "1-token: words"
)


def _half(estimate: dict[str, float | None] | None) -> dict[str, float | None] | None:
    """Half of an interval, the wider one."""
    if estimate is None or None in estimate.values():
        return None
    value, low, high = (float(estimate[key] or 0.0) for key in ("value", "low", "high"))
    return {"value": max(high - value, value - low)}


def _said(estimate: dict[str, float | None] | None, form: str) -> str:
    """A measure, or a dash where there is none: text without words, say."""
    known = estimate is not None and None not in estimate.values()
    return form.format(**estimate) if known and estimate else "-"


def _accounts_table(facts: dict[str, Any]) -> Table:
    columns = ("language", "documents", "MB", "share of bytes", "tokens", "share of tokens")
    table = _table((*columns, "share of content", "95 %"), left={0})
    for row in facts["accounts"]:
        content = row["share_content"]
        cells = (
            row["language"],
            f"{row['documents']:,}",
            f"{row['num_bytes'] / 1e6:,.2f}",
            f"{row['share_bytes']:.1%}",
            f"{row['num_tokens']:,}",
            f"{row['share_tokens']:.1%}",
            f"{content['value']:.1%}" if content else "not measured",
            f"{content['low']:.1%} to {content['high']:.1%}" if content else "",
        )
        table.add_row(*map(Text, cells))
    return table


def _shares_table(facts: dict[str, Any]) -> Table:
    table = _table(("language", "unit", "share", "95 %"), left={0, 1})
    for row in facts["shares"]:
        low, high = row["share"]["low"], row["share"]["high"]
        cells = (
            row["language"],
            row["unit"],
            f"{row['share']['value']:.1%}",
            "given" if row["unit"] == facts["unit"] else f"{low:.1%} to {high:.1%}",
        )
        table.add_row(*map(Text, cells))
    return table


def _facts_table(facts: dict[str, Any]) -> Table:
    table = _table(("", ""), left={0, 1})
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} ({v:,} texts)" for k, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(f"{v:,}" if isinstance(v, int) else str(v) for v in value)
        table.add_row(Text(name), Text(f"{value:,}" if isinstance(value, int) else str(value)))
    return table


def _table(columns: tuple[str, ...], left: set[int]) -> Table:
    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i in left else "right", no_wrap=i in left)
    return table
