"""The end of `fit`, `solve` and `report`: the same facts as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer

from mishran.cli.ui import out
from mishran.pipeline.report import report_data
from mishran.report.data import ReportData
from mishran.report.table import as_dict, terminal
from mishran.run import Run


def show_data(data: ReportData, as_json: bool, more: Mapping[str, Any] | None = None) -> None:
    """Print what was found; more: further keys of the JSON object."""
    if as_json:
        typer.echo(json.dumps({**as_dict(data), **(more or {})}, ensure_ascii=False))
    else:
        out.print(terminal(data))


def show_run(run: Run, as_json: bool) -> None:
    """Print what a finished run found, and where its files are."""
    show_data(report_data(run), as_json)
    if not as_json:
        for what, name in (("mixture", "mixture.json"), ("report ", "report.html")):
            out.print(f"{what}  {run.path(name)}", markup=False, soft_wrap=True)
