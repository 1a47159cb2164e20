"""The report as one HTML file that opens from disk: no network, no fonts, no dates.

Everything is inline, and a content security policy forbids the page to load anything. The same data
give the same bytes. `template.html.jinja` with its parts (`ties`, `taskmap`, `dial`, `why`), `report.css`,
`why.css` and `report.js` lie beside this file.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mishran.report import choice, order, plot, table, why, words
from mishran.report import numbers as say
from mishran.report.data import ReportData
from mishran.report.dial import dial
from mishran.report.page import HERE, fill
from mishran.report.taskmap import map_view

HUES = (205.0, 385.0)  # blue over violet and red to orange, in the order of similarity


def render_html(data: ReportData) -> str:
    """The whole page.

    Args:
        data: what to show; `findings` filled by `mishran.report.findings.find`.

    Returns:
        HTML text, to be written as UTF-8.
    """
    from markupsafe import Markup

    ranked = order.similarity_order(data.affinity.matrix)
    return fill(
        "template.html.jinja",
        ("report.css", "why.css"),
        {
            "number": say.number,
            "compact": say.compact,
            "integer": say.integer,
            "percent": say.percent,
            "interval": say.interval,
            "percent_interval": say.percent_interval,
            "epochs": say.epochs,
            "plain": _plain,
            "code_parts": say.code_parts,
            "pieces": lambda name: name.replace("_", "_\n").split("\n"),
        },
        data=data,
        mixture=data.mixture,
        words=words,
        js=Markup((HERE / "report.js").read_text("utf-8")),
        hue=_hues(data, ranked),
        chart=_mixture_chart(data),
        ribbons=_ribbons(data, ranked),
        groups=table.group_rows(data),
        heat=_heat(data, ranked),
        dial=dial(data),
        map=map_view(data),
        why=why,
        choice=choice,
        curves=[p for p in map(plot.curve_panel, data.curves) if p is not None],
        specialists=_specialists(data),
    )


def _plain(value: Any) -> str:
    """A parameter as people would write it in YAML."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hues(data: ReportData, ranked: tuple[int, ...]) -> dict[str, str]:
    hues = np.linspace(*HUES, max(len(ranked), 2))
    return {data.names[i]: f"{hues[k] % 360:.1f}" for k, i in enumerate(ranked)}


def _mixture_chart(data: ReportData) -> dict[str, Any]:
    rows = table.task_rows(data)
    scale, ticks = plot.share_axis(plot.mixture_scale(rows))
    bars = []
    for row in rows:
        beyond = row.proportional is not None and row.proportional > scale
        bars.append(
            {
                "row": row,
                "weight": 100 * row.weight / scale,
                "low": None if row.low is None else 100 * row.low / scale,
                "high": None if row.high is None else 100 * row.high / scale,
                "proportional": None
                if row.proportional is None
                else min(100.0, 100 * row.proportional / scale),
                "beyond": beyond,
            }
        )
    return {
        "bars": bars,
        "ticks": ticks,
        "step": ticks[1].at if len(ticks) > 1 else 100.0,
        "uniform": 100 * rows[0].uniform / scale,
        "has_interval": any(row.high is not None for row in rows),
        "has_selected": any(row.selected is not None for row in rows),
        "has_proportional": any(row.proportional is not None for row in rows),
        "has_rows": any(row.rows is not None for row in rows),
        "has_beyond": any(bar["beyond"] for bar in bars),
    }


def _ribbons(data: ReportData, ranked: tuple[int, ...]) -> list[dict[str, Any]]:
    """Three strips of the same tasks in the order of similarity; labels only where they fit."""
    rows = {row.name: row for row in table.task_rows(data)}
    tasks = [rows[data.names[i]] for i in ranked]
    kinds = [
        ("This mixture", [row.weight for row in tasks]),
        ("Uniform", [row.uniform for row in tasks]),
        ("Proportional to data", [row.proportional for row in tasks]),
    ]
    ribbons = []
    for label, shares in kinds:
        if any(share is None for share in shares):
            continue
        parts = []
        for row, share in zip(tasks, shares, strict=True):
            fits = "any" if _fits(row.name, 340 * share) else ""
            fits = fits or ("wide" if _fits(row.name, 1080 * share) else "")
            parts.append({"name": row.name, "share": share, "fits": fits})
        ribbons.append({"label": label, "parts": [part for part in parts if part["share"] > 0]})
    return ribbons


def _fits(name: str, width: float) -> bool:
    """Whether a label, broken after underscores, takes at most three lines of `width` pixels."""
    lines, used = 1, 0.0
    for piece in name.replace("_", "_ ").split():
        length = 7.2 * len(piece)
        if length > width - 10:
            return False
        if used + length > width - 10:
            lines, used = lines + 1, 0.0
        used += length
    return lines <= 3


def _heat(data: ReportData, ranked: tuple[int, ...]) -> dict[str, Any]:
    matrix = data.affinity.matrix
    edges = order.level_edges(matrix)
    level = order.levels(matrix, edges)
    names = [data.names[i] for i in ranked]
    index = np.array(ranked)
    spread = float(edges[-1] - edges[0])
    digits = 2 if spread >= 0.1 else 3 if spread >= 0.01 else 4
    groups = {task.name: task.groups for task in data.mixture.tasks}
    interval = order.replica_interval(data.affinity)
    pairs = [(data.names[i], data.names[j], i, j) for i, j in order.ranked_pairs(matrix)[:6]]
    sums = sorted(data.diagnostics.row_sums.items(), key=lambda item: item[1])
    return {
        "names": names,
        "rows": [
            [(int(level[i, j]), say.number(float(matrix[i, j]), digits)) for j in ranked]
            for i in ranked
        ],
        "digits": digits,
        "edges": [say.number(float(edge), digits) for edge in edges],
        "pairs": [
            {
                "a": a,
                "b": b,
                "value": say.number(float(matrix[i, j]), digits),
            }
            for a, b, i, j in pairs
        ],
        "alone": sums[:4],
        "json": {
            "names": names,
            "groups": [list(groups[name]) for name in names],
            "low": _matrix(interval[0], index, digits) if interval else None,
            "high": _matrix(interval[1], index, digits) if interval else None,
        },
    }


def _matrix(values: np.ndarray, index: np.ndarray, digits: int) -> list[list[float]]:
    return np.round(values[np.ix_(index, index)], digits).tolist()


def _specialists(data: ReportData) -> dict[str, Any]:
    """Gains with a common scale for the little interval pictures."""
    rows = table.specialist_order(data)
    ends = [v for r in rows for v in (r.gain_low, r.gain_high, r.gain) if v is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0

    def at(value: float | None) -> float | None:
        return None if value is None else 100 * (value - low) / span

    return {
        "rows": [
            {"row": r, "at": at(r.gain), "low": at(r.gain_low), "high": at(r.gain_high)}
            for r in rows
        ],
        "zero": at(0.0),
        "top": say.number(high, 1),
    }
