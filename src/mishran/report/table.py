"""The facts of a report without pictures: Markdown, the terminal, and a plain dict for `--json`.

`task_rows`, `group_rows` and `specialist_order` are the one source of facts; the three views here
and the HTML page only format them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mishran.report import choice, why
from mishran.report import numbers as say
from mishran.report.data import ReportData, SpecialistRow

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class TaskRow:
    """One task: its share, what uniform and proportional would give it, and its count.

    selected: share of the bootstrap replicas in which it gets any weight.
    """

    name: str
    groups: tuple[str, ...]
    weight: float
    low: float | None
    high: float | None
    selected: float | None
    uniform: float
    proportional: float | None
    rows: int | None
    epochs: float | None
    tokens: int | None
    available_rows: int | None


@dataclass(frozen=True)
class GroupRow:
    """Sum over the tasks of one group, with the bounds that were asked for."""

    name: str
    tasks: int
    weight: float
    uniform: float
    floor: float | None
    cap: float | None


def task_rows(data: ReportData) -> tuple[TaskRow, ...]:
    """Largest weight first; proportional only when the rows of every task are known."""
    tasks = data.mixture.tasks
    counts = [task.available_rows for task in tasks]
    known = [c for c in counts if c is not None]
    total = sum(known) if len(known) == len(counts) else 0
    rows = [
        TaskRow(
            name=task.name,
            groups=task.groups,
            weight=task.weight,
            low=task.low,
            high=task.high,
            selected=task.selected,
            uniform=1 / len(tasks),
            proportional=task.available_rows / total if total and task.available_rows else None,
            rows=task.rows,
            epochs=task.epochs,
            tokens=task.tokens,
            available_rows=task.available_rows,
        )
        for task in tasks
    ]
    return tuple(sorted(rows, key=lambda row: -row.weight))


def bounds(data: ReportData, which: str) -> dict[str, float]:
    """`floors` or `caps` among the parameters of the mixture; empty when there are none."""
    value = data.mixture.parameters.get(which)
    return dict(value) if isinstance(value, dict) else {}


def group_rows(data: ReportData) -> tuple[GroupRow, ...]:
    """Groups of two tasks or more in order of first appearance, and every group with a bound."""
    tasks = data.mixture.tasks
    floors, caps = bounds(data, "floors"), bounds(data, "caps")
    rows = []
    for name in dict.fromkeys(group for task in tasks for group in task.groups):
        members = [task for task in tasks if name in task.groups]
        if len(members) > 1 or name in floors or name in caps:
            weight = math.fsum(task.weight for task in members)
            share = len(members) / len(tasks)
            rows.append(
                GroupRow(name, len(members), weight, share, floors.get(name), caps.get(name))
            )
    return tuple(rows)


def specialist_order(data: ReportData) -> tuple[SpecialistRow, ...]:
    """Largest gain first, unknown gains last."""

    def key(row: SpecialistRow) -> tuple[bool, float]:
        return row.gain is None, -(row.gain or 0.0)

    return tuple(sorted(data.specialists, key=key))


def as_dict(data: ReportData) -> dict[str, Any]:
    """Plain JSON values; what was not measured is null."""
    mixture = data.mixture
    facts = {
        "title": data.title,
        "method": mixture.method,
        "affinity": mixture.affinity,
        "parameters": mixture.parameters,
        "t": data.t_chosen,
        "effective_tasks": mixture.effective_tasks,
        "energy": mixture.energy,
        "representativeness": mixture.representativeness,
        "diversity": mixture.diversity,
        "unique": mixture.unique,
        "objective": mixture.objective,
        "certificate": mixture.certificate.model_dump(mode="json") if mixture.certificate else None,
        "base": asdict(data.base) if data.base else None,
        "tasks": [asdict(row) for row in task_rows(data)],
        "groups": [asdict(row) for row in group_rows(data)],
        "specialists": [asdict(row) for row in specialist_order(data)],
        "diagnostics": vars(data.diagnostics),
        "selection": mixture.selection.model_dump(mode="json") if mixture.selection else None,
        "robust": mixture.robust.model_dump(mode="json") if mixture.robust else None,
        "explanation": _explanation(data),
        "findings": [asdict(finding) for finding in data.findings],
        "inputs": dict(mixture.inputs),
        "versions": dict(mixture.versions),
    }
    return _plain(facts)


def _explanation(data: ReportData) -> dict[str, Any] | None:
    """What is short of it; all of it is in explanation.json."""
    found = data.explanation
    if found is None:
        return None
    return {
        "prices": [price.model_dump(mode="json") for price in found.prices],
        "clusters": [
            cluster.model_dump(mode="json") | {"weight": row.weight}
            for cluster, row in zip(found.clusters, why.cluster_rows(data), strict=True)
        ],
        "ties": None if found.ties is None else {"share": found.ties.share},
        "path": None
        if found.path is None
        else {
            "diverse": found.path.diverse,
            "central": found.path.central,
            "jumps": found.path.jumps,
            "breakpoints": len(found.path.t),
        },
    }


def _plain(value: Any) -> Any:
    """Lists for tuples, null for what is not finite, plain numbers for NumPy's."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _columns(
    data: ReportData, narrow: bool = False
) -> tuple[tuple[str, Callable[[TaskRow], str]], ...]:
    """Head and text of every column; how often a task is selected only where replicas say so.

    narrow: for 80 columns of a terminal, where names need the room more.
    """
    columns: list[tuple[str, Callable[[TaskRow], str]]] = [
        ("Task", lambda row: row.name),
        ("Weight", lambda row: say.percent(row.weight)),
        ("95 % interval", lambda row: say.percent_interval(row.low, row.high)),
        ("Uniform", lambda row: say.percent(row.uniform)),
        ("Proportional", lambda row: say.percent(row.proportional)),
        ("Rows", lambda row: say.integer(row.rows)),
        ("Epochs", lambda row: say.epochs(row.epochs)),
    ]
    if not narrow and any(task.selected is not None for task in data.mixture.tasks):
        columns.insert(3, ("Selected", lambda row: say.percent(row.selected, 0)))
    return tuple(columns)


def summary(data: ReportData) -> tuple[tuple[str, str], ...]:
    """(label, text) of what the explanation, the selection and robustness say, in brief."""
    return (*why.summary(data), *choice.summary(data.mixture))


def markdown_text(text: str) -> str:
    """Text inside a Markdown table or list: no cell ends early, no tag begins, one line."""
    return re.sub(r"\s+", " ", re.sub(r"([\\|<>*_`\[\]])", r"\\\1", text))


def _markdown_prose(text: str) -> str:
    """The same for sentences with `code` in them."""
    return "".join(
        "`" + part.replace("|", "\\|") + "`" if code else markdown_text(part)
        for part, code in say.code_parts(text)
    )


def markdown(data: ReportData) -> str:
    """The mixture as a Markdown table, then the findings as a list."""
    columns = _columns(data)
    lines = [
        f"## {markdown_text(data.title)}",
        "",
        "| " + " | ".join(head for head, _ in columns) + " |",
        "|---|" + "---:|" * (len(columns) - 1),
    ]
    for row in task_rows(data):
        name, *cells = (cell(row) for _, cell in columns)
        lines.append("| " + " | ".join([markdown_text(name), *cells]) + " |")
    lines += ["", f"Effective tasks: {say.number(data.mixture.effective_tasks, 1)}.", ""]
    for label, text in summary(data):
        lines.append(f"- {label}: {markdown_text(text)}")
    for finding in data.findings:
        text = " ".join(filter(None, [finding.text, finding.what_to_do]))
        title = markdown_text(finding.title)
        lines.append(f"- **{finding.level}: {title}.** {_markdown_prose(text)}")
    return "\n".join(lines).rstrip() + "\n"


def terminal(data: ReportData) -> Group:
    """The same table and findings as a rich renderable; names are text, never markup."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    effective = say.number(data.mixture.effective_tasks, 1)
    title = f"{data.title} · {effective} effective task{'' if effective == '1.0' else 's'}"
    table = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    columns = _columns(data, narrow=True)
    for i, (head, _) in enumerate(columns):
        table.add_column(head, justify="right" if i else "left", no_wrap=i > 0, overflow="fold")
    for row in task_rows(data):
        table.add_row(*(Text(cell(row)) for _, cell in columns))
    parts: list[Any] = [table]
    for label, text in summary(data):
        line = Text(f"{label}: ", style="bold")
        line.append(text, style="not bold")
        parts.append(line)
    for finding in data.findings:
        warning = finding.level == "warning"
        line = Text("! " if warning else "· ", style="yellow" if warning else "dim")
        line.append(finding.title + ".", style="bold")
        for text in filter(None, [finding.text, finding.what_to_do]):
            line.append(" ")
            for part, code in say.code_parts(text):
                line.append(part, style="cyan" if code else "default")
        parts.append(line)
    return Group(*parts)
