"""Tables and plot of benchmarks/stream.py from its lines."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Line = dict[str, Any]

PARTS = {
    "index": (
        "Plan and index, M rows/s",
        "Weights and sizes to task, example and epoch of every row; examples in a fresh order each epoch.\n"
        "*plan and rows*: `make_plan` and `Order.rows`. The plan counts the tokens of every task exactly,\n"
        "for which it goes through the permutation of the epoch that a task ends in; of *rows alone*,\n"
        "most of what is not *tasks alone* is the permutation again.\n"
        "The peer: `interleave_datasets` with probabilities, \"all_exhausted\", until it returns; a fifth\n"
        "of the rows, tasks drawn at random, examples in their order. *tasks alone*: `Interleave.rows`\n"
        "beside `build_blending_indices`, which give the task and its count so far.",
    ),
    "deviation": (
        "Evenness, rows",
        "The largest |count - p L| over all tasks and prefixes of L rows, against the weights asked for.",
    ),
    "loader": (
        "Loader, thousand rows/s",
        "Four tasks mixed, from mapped files, to arrays of ids that are the reader's own. *ordered*:\n"
        "`OrderedStream`, from a file in its final order, as the peers read theirs: the rows of datasets\n"
        "were interleaved and written once more (`flatten_indices`) before the clock started. *drawn*:\n"
        "`RowStream`, from each task's file at random places; nothing was written before.\n"
        "*arrow*: slices of Arrow's buffers, copied; *view*: not copied, so that nothing is read.\n"
        "*one pass, from weights on*: with the plan, and with the interleaving and the writing.\n"
        "MosaicML streaming: local MDS, one process, all looked ahead for, once after a warm-up.",
    ),
    "steps": (
        "Where the loader's time goes, nanoseconds per row",
        "Each step of ours alone. The last line is what a file that is already in its order needs: a\n"
        "reader of such a file has no rows to find and one copy for a batch, ours has one for a row.",
    ),
    "packing": (
        "Packing, M tokens/s",
        "Rows behind each other in memory to packs of ids; log-normal lengths, mean about 360. TRL's\n"
        "`pack_dataset` on a dataset in memory. Its `bfd` drops what is longer than a pack, so there both\n"
        "get rows cut before; `bfd_split` and `wrapped` keep every token, as ours do. *with labels and\n"
        "positions*: `PackStream` over four tasks; `pack_dataset` and TRL's padding-free collator.",
    ),
    "fill": ("Fill", "Share of the places of all packs that hold a token."),
    "resume": (
        "Resume, seconds",
        "256 tasks, 105 M rows planned, the batch of 1,000 rows behind row 100 M. *made anew*:\n"
        "`make_plan`, with all tokens counted again, `Order` and the batch. *read*: from `plan.json`, as\n"
        "a training does. Files were mapped before; that is the last line.",
    ),
}  # fmt: skip
PACKAGES = ("numpy", "datasets", "pyarrow", "megatron-core", "mosaicml-streaming", "trl")


def met(of: Line) -> bool | None:
    """Whether a line keeps its bar; None without one."""
    what, _, rest = of["goal"].partition(" ")
    if what == "none" or of["ratio" if what == "ratio" else "ours"] is None:
        return None
    sign, bar = rest.split()
    value = of["ratio" if what == "ratio" else "ours"]
    return value >= float(bar) if sign == ">=" else value <= float(bar)


def installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((x.split(":")[1].strip() for x in lines if "model name" in x), platform.machine())
    return f"{cpu}, {os.cpu_count()} cores, shared. Python {platform.python_version()}"


def page(lines: Sequence[Line]) -> str:
    """A table for each part."""
    text = [
        "# Plans, loaders and packs",
        "",
        "Made by `python benchmarks/stream.py --page docs/results/stream.md "
        "--plot docs/results/stream.svg`.",
        "",
        f"Machine: {machine()}, {', '.join(map(installed, PACKAGES))}.",
        "Medians of 5 after a warm-up, ours and the peers in turn in one process, files in the page cache.",
        "",
        *verdict(lines),
    ]
    for part, (title, words) in PARTS.items():
        mine = [x for x in lines if x["name"].startswith(part)]
        if not mine:
            continue
        text += [f"## {title}", "", words, ""]
        if part == "index":
            text += ["![rows per second against the number of tasks](stream.svg)", ""]
        text += ["| | ours | peer | | ours / peer | bar |", "|---|---:|---:|---|---:|---|"]
        if part in ("deviation", "resume"):
            text[-2] = text[-2].replace("ours / peer", "peer / ours")
        for x in mine:
            name = x["name"].split(" / ")[0].strip().removeprefix(f"{part}").lstrip(", ")
            peer = "" if x["peer"] is None else f"{x['peer']:.4g}"
            ratio = "" if x["ratio"] is None else f"{x['ratio']:.3g}"
            kept = met(x)
            bar = "" if kept is None else f"{x['goal']}: {'met' if kept else '**missed**'}"
            text.append(
                f"| {name} | {x['ours']:.4g} | {peer} | {x['peer_name'] or ''} | {ratio} | {bar} |"
            )
        text.append("")
    return "\n".join(text)


def verdict(lines: Sequence[Line]) -> list[str]:
    known = [met(x) for x in lines]
    missed = [x["name"].strip() for x, kept in zip(lines, known, strict=True) if kept is False]
    out = [f"Bars: {known.count(True)} met, {len(missed)} missed{':' if missed else '.'}", ""]
    return [*out, *(f"- {name}" for name in missed), *([""] if missed else [])]


def plot(lines: Sequence[Line]) -> str:
    """M rows/s against N, both logarithmic: the plain cases."""
    series: dict[str, list[tuple[int, float]]] = {}
    for x in lines:
        found = re.fullmatch(r"index, N=(\d+): (.*)", x["name"])
        if not found:
            continue
        n, what = int(found[1]), found[2]
        if what == "plan and rows / interleave_datasets":
            series.setdefault("ours, plan and rows", []).append((n, x["ours"]))
            series.setdefault("interleave_datasets", []).append((n, x["peer"]))
        if what == "tasks alone":
            series.setdefault("ours, tasks alone", []).append((n, x["ours"]))
            series.setdefault("Megatron-Core, tasks alone", []).append((n, x["peer"]))
    series = {name: [p for p in points if p[1]] for name, points in series.items()}
    series = {name: points for name, points in series.items() if points}
    every = [point for points in series.values() for point in points] or [(4, 1.0)]
    low, high = (math.log2(f(n for n, _ in every)) for f in (min, max))
    bottom = math.floor(math.log10(min(v for _, v in every)))
    top = max(bottom + 1, math.ceil(math.log10(max(v for _, v in every))))

    def x_of(n: float) -> float:
        return 70 + 420 * (math.log2(n) - low) / max(high - low, 1e-9)

    def y_of(value: float) -> float:
        return 300 - 260 * (math.log10(value) - bottom) / (top - bottom)

    colours = ("#b3261e", "#4a6fa5", "#c07f2e", "#3c8d5a")
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 400" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Million rows per second against the number of tasks">',
        '<rect width="560" height="400" fill="white"/>',
    ]
    for power in range(bottom, top + 1):
        at = y_of(10.0**power)
        out.append(f'<line x1="70" x2="490" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="64" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g} M/s</text>')
    for n in sorted({n for n, _ in every}):
        out.append(f'<text x="{x_of(n):.1f}" y="320" text-anchor="middle">{n}</text>')
    out.append('<text x="280" y="338" text-anchor="middle">tasks</text>')
    for k, ((name, points), colour) in enumerate(zip(series.items(), colours, strict=False)):
        where = " ".join(f"{x_of(n):.1f},{y_of(v):.1f}" for n, v in points)
        wide = 3 if name.startswith("ours") else 1.5
        out.append(
            f'<polyline points="{where}" fill="none" stroke="{colour}" stroke-width="{wide}"/>'
        )
        out.append(
            f'<text x="{70 + 220 * (k % 2)}" y="{364 + 20 * (k // 2)}" fill="{colour}">{name}</text>'
        )
    return "\n".join([*out, "</svg>"]) + "\n"
