"""What a person reads: the HTML page, the Markdown and terminal tables, a dict for `--json`.

`ReportData` is the whole input, or a `Comparison`. Reads artefacts that others made and measures nothing.
"""

from mishran.report.comparison import render_comparison
from mishran.report.comparison_text import comparison_markdown
from mishran.report.data import (
    BaseFacts,
    Curve,
    DiagnosticsView,
    Finding,
    ReportData,
    SpecialistRow,
)
from mishran.report.findings import find
from mishran.report.html import render_html
from mishran.report.table import as_dict, markdown, terminal

__all__ = [
    "BaseFacts",
    "Curve",
    "DiagnosticsView",
    "Finding",
    "ReportData",
    "SpecialistRow",
    "as_dict",
    "comparison_markdown",
    "find",
    "markdown",
    "render_comparison",
    "render_html",
    "terminal",
]
