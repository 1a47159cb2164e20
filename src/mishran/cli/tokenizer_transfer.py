"""`mishran tokenizer transfer`: another vocabulary for a model that exists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from mishran.cli import plans
from mishran.cli.ui import Bars, out

EXAMPLES = """
Examples:

  mishran tokenizer transfer models/base tokenizers/fair --out models/fair

  mishran tokenizer transfer models/base tokenizers/hindi --out models/more --how extend

  mishran tokenizer transfer models/base tokenizers/fair --out models/fair --method sava --text hindi.jsonl
"""


def transfer(
    model: Path = typer.Argument(help="Folder of the model."),
    tokenizer: Path = typer.Argument(help="Folder of the new tokenizer, or of a model with it."),
    out_: Path = typer.Option(..., "--out", help="Folder for the model with the new vocabulary."),
    method: str = typer.Option(
        "fvt", "--method", help="First values of new rows: fvt, sava or random."
    ),
    how: str = typer.Option(
        "replace", "--how", help="replace the model's tokenizer, or extend it by what it lacks."
    ),
    text: Path | None = typer.Option(
        None, "--text", help="With sava: documents whose neighbouring tokens are counted."
    ),
    helper: Path | None = typer.Option(
        None, "--helper", help="With sava: folder of a model with the new tokenizer instead."
    ),
    seed: int = typer.Option(0, "--seed", min=0, max=2**63 - 1, help="Of random."),
    json_: bool = plans.JSON,
    quiet: bool = plans.QUIET,
) -> None:
    """Give a model another vocabulary: shared tokens keep their rows, new ones get a first value."""
    from mishran.pipeline.transfer import transfer as run

    done = run(
        model,
        tokenizer,
        out_,
        how=how,
        method=method,
        text=text,
        helper=helper,
        seed=seed,
        progress=Bars(quiet),
    )
    if json_:
        found = {"out": str(done.folder), "made": done.made, **done.facts}
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for line in _lines(done.facts):
        out.print(line, markup=False, soft_wrap=True)
    news = "" if done.made else "  already there, as asked"
    out.print(f"{done.folder}{news}", markup=False, soft_wrap=True)


def _lines(facts: dict[str, Any]) -> list[str]:
    """What became of the tokens, and what to know before the model is used."""
    new = f"{facts['new']:,} new by {facts['method']}"
    lines = [f"{facts['tokens']:,} tokens: {facts['shared']:,} keep their rows, {new}"]
    for name, words in (
        (
            "unwritten",
            "new tokens have the mean of the old rows: the old tokenizer cannot write them",
        ),
        ("unseen", "new tokens are not known to the helper: by fvt instead"),
        ("dropped_rows", "rows without a token were dropped"),
    ):
        if facts[name] and not (name == "unwritten" and facts["method"] == "random"):
            lines.append(f"{facts[name]:,} {words}")
    for reason, number in facts["left_out"].items():
        lines.append(f"left out, {reason}: {number:,} pieces")
    for one in facts["maps"]:
        lines.append(f"the map explains {one['explained']:.1%} of rows left out of its fit")
    lines += [f"note: no {role} token any more" for role, i in facts["roles"].items() if i is None]
    return lines
