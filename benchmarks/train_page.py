"""The table of benchmarks/train.py from its lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import machine

Line = dict[str, Any]
NOTHING = "none"
AGREE = 1e-4  # nats: contenders whose losses differ by more do not do the same
NAMES = {
    "loop": "plain loop, padded, labels",
    "loop_answers": "plain loop, sorted, answers only",
    "loop_lines": "plain loop, one line, answers only",
    "trainer": "Trainer, padded",
    "trainer_grouped": "Trainer, group_by_length",
    "trainer_lines": "Trainer, one line",
}


def line(
    name: str,
    ours: float,
    peer: float | None,
    peer_name: str,
    ratio: float | None,
    goal: str,
) -> Line:
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": NAMES.get(peer_name, peer_name),
        "ratio": ratio,
        "goal": goal,
    }


def met(of: Line) -> bool | None:
    """Whether a line keeps its bar; None without one."""
    if of["goal"] == NOTHING:
        return None
    what, sign, bar = of["goal"].split()
    value = of[what]
    assert value is not None and sign in (">=", "<=")
    return value >= float(bar) if sign == ">=" else value <= float(bar)


def page(lines: Sequence[Line], threads: int) -> str:
    """The table for people."""
    cpu, versions = machine()
    known = [met(of) for of in lines]
    text = [
        "# Training",
        "",
        "Made by `python benchmarks/train.py --dtypes float32 --page docs/results/train.md`.",
        "",
        f"Machine: {cpu}, {threads} threads, shared. {versions}.",
        "",
        "The same model, rows, steps and learning rates; medians of 5 after a warm-up, in turn in one",
        "process. A training is 16 steps of 16 rows, or 6 of 16 sequences. tokens/s: prompts and answers,",
        "no padding. Ratio: their seconds beside ours in the same turn, median; of memory, their peak",
        "beside ours. The bars are on the fastest loop and the fastest Trainer. *losses apart*: the",
        "largest difference to ours at any step, nats. Trainer with `group_by_length` has the same rows in",
        "other steps, so its losses are its own. Where every token is an answer and no line is padded, all",
        "contenders wait for the same matrix products ([log](../log.md#training-beside-others)).",
        "",
        f"Bars: {known.count(True)} met, {known.count(False)} missed.",
    ]
    before = None
    for of in lines:
        case, _, what = of["name"].rpartition(": ")
        if case != before:
            text += ["", f"## {case}", ""]
            text += ["| | ours | beside | | ratio | bar |", "|---|---:|---:|---|---:|---|"]
            before = case
        peer = "" if of["peer"] is None else f"{of['peer']:,.0f}"
        ratio = "" if of["ratio"] is None else f"{of['ratio']:.2f}"
        kept = met(of)
        bar = "" if kept is None else f"{of['goal']}: {'met' if kept else '**missed**'}"
        mine = f"{of['ours']:,.0f}" if of["ours"] >= 1 else f"{of['ours']:.1e}"
        text.append(f"| {what} | {mine} | {peer} | {of['peer_name']} | {ratio} | {bar} |")
    return "\n".join([*text, ""])
