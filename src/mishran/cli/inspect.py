"""`mishran inspect mix.yaml`: what the model is shown, with the answer marked."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer
from rich.text import Text

from mishran.cli.ui import out

_EXAMPLES = """
Examples:

  mishran inspect mix.yaml                    two examples of every task

  mishran inspect mix.yaml --task gsm8k --rows 5 --tokens
"""


# Data may hold anything; a terminal obeys control characters, so they are drawn (␛ for escape).
_CONTROLS = {c: 0x2400 + c for c in range(32) if chr(c) not in "\n\t"} | {127: 0x2421}


def register(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLES)(inspect)


def inspect(
    config: Path = typer.Argument(help="Configuration file."),
    task: list[str] = typer.Option([], "--task", help="Only this task; may be repeated."),
    rows: int = typer.Option(2, "--rows", min=0, help="Examples per task."),
    tokens: bool = typer.Option(False, "--tokens", help="Show token borders."),
    online: bool = typer.Option(False, "--online", help="Allow models and data from the hub."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> None:
    """Show rendered examples: the prompt plain, the trained answer marked."""
    from mishran.pipeline.inspect import inspect_config

    found = inspect_config(config, online=online, rows=rows, only=task)
    if json_:
        typer.echo(json.dumps([asdict(t) for t in found.tasks], ensure_ascii=False))
        return
    for t in found.tasks:
        head = Text(t.name, style="bold")
        head.append(f"  {', '.join(t.groups)}" + ("  eval only" if t.eval_only else ""), "dim")
        out.print(head)
        out.print(
            f"  {t.num_train:,} train, {t.num_valid:,} valid, {t.num_test:,} test; "
            f"{t.mean_tokens:.1f} tokens on average, longest {t.max_tokens}; "
            f"{t.answer_share:.0%} of them answer; {t.num_too_long:,} too long",
            markup=False,
        )
        out.print(f"  {t.rendering}", markup=False)
        notes = ", ".join(f"{k} {v:,}" for k, v in t.counts.items() if v)
        if notes:
            out.print(f"  {notes}", markup=False)
        for shown in t.examples:
            text = Text("  ")
            for span in shown.tokens if tokens else shown.spans:
                style = "black on bright_green" if span.is_answer else ""
                text.append(span.text.translate(_CONTROLS).replace("\n", "⏎\n  "), style)
                if tokens:
                    text.append("│", "dim")
            text.append(f"   {shown.num_prompt_tokens}+{shown.num_answer_tokens} tokens", "dim")
            out.print(text)
        out.print()
    for warning in found.warnings:
        out.print(warning, markup=False)
