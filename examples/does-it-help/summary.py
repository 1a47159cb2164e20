"""The page of the experiment, from what lies in the run directory. No number is written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pairs
from scipy import stats

from mishran.comparison import Comparison
from mishran.pipeline.facts import read_facts
from mishran.run import Run

HEAD = """# Does the mixture help?

*Made by `python examples/does-it-help/run.py`; the text under "What it says" is written by hand.*

{tasks} real tasks of a few thousand rows are mixed, a bilingual model of 6.4 million parameters
(`base-6m`) is fine-tuned on the mixture (all parameters, {tokens:,} tokens, {steps:,.0f} steps of 16
rows), and its loss is measured on {examples} held-out examples of each task that nothing else has read:
those trained on, {kindred} kindred ones and {bbh} of BIG-Bench Hard that were never trained on.
{num} mixtures, {seeds} seeds each, uniform always among them; differences are paired by seed.
Specialists, which most methods need, saw {specialist:,} tokens each.
"""


def tasks_in(run_dir: Path, group: str) -> list[str]:
    return [f.name for f in read_facts(Run(run_dir)) if group in f.groups]


def page(run_dir: Path, folder: Path, size: dict[str, object], remarks: str) -> str:
    """The whole page."""
    c = Comparison.read(folder / "comparison.json")
    facts = read_facts(Run(run_dir))
    trained = [f for f in facts if not f.eval_only]
    curves = json.loads((run_dir / "specialists" / trained[0].name / "evidence.json").read_text())
    base = next(m for m in c.methods if m.method == "uniform")
    head = HEAD.format(
        tasks=len(trained),
        tokens=c.setting.budget_tokens,
        steps=base.steps or 0,
        examples=size["examples"],
        kindred=len(tasks_in(run_dir, "kindred")),
        bbh=len(tasks_in(run_dir, "bbh")),
        num=len(c.methods),
        seeds=len(c.setting.seeds),
        specialist=curves["train_tokens"],
    )
    parts = [
        head,
        "## What it says\n\n" + remarks.strip() + "\n",
        "## The verdict\n\n" + c.overall + "\n\n" + main_table(c),
        "## Why\n\n" + why(c),
        "## What finding the mixture cost\n\n" + costs(c),
        "## Steps to equal loss\n\n" + equal(c),
    ]
    if (folder / "pairs" / "pairs.json").is_file():
        parts.append("## Is the affinity true?\n\n" + transfer(folder / "pairs", run_dir))
    if (folder / "merged" / "merged.json").is_file():
        parts.append("## Merged specialists as a proxy\n\n" + merged(folder / "merged"))
    parts.append("## How long it took\n\n" + minutes(folder))
    return "\n".join(parts)


def cell(c: Comparison, method: str, group: str) -> str:
    """Difference to uniform with its interval over seeds; * where Holm's p is below 0.05."""
    e = next(
        (e for e in c.effects if (e.method, e.group, e.measure) == (method, group, "loss")), None
    )
    if e is None or e.mean is None:
        return "missing"
    d = e.difference
    if d is None:
        return f"{e.mean:.3f}"
    half = "" if d.low is None or d.high is None else f" ± {(d.high - d.low) / 2:.3f}"
    star = "\\*" if d.p_holm is not None and d.p_holm < 0.05 else ""
    return f"{d.mean:+.3f}{half}{star}"


def main_table(c: Comparison) -> str:
    groups = [g.name for g in c.groups]
    primary = c.setting.primary
    order = sorted(
        c.methods,
        key=lambda m: (
            m.method != "uniform",
            next(
                (
                    e.mean
                    for e in c.effects
                    if (e.method, e.group, e.measure) == (m.method, primary, "loss")
                    and e.mean is not None
                ),
                9e9,
            ),
        ),
    )
    lines = [
        "Loss in nats per answer token, mean over tasks. Uniform: the loss itself; the others: less "
        "uniform's, with the half-width of the 95 % t interval over seeds; \\* where Holm's p over all "
        "methods is below 0.05. Negative is better.",
        "",
        f"| method | effective tasks | least share x n | {' | '.join(groups)} | wins / losses |",
        "|---|---:|---:|" + "---:|" * len(groups) + "---:|",
    ]
    for m in order:
        w = np.array(list(m.weights.values()))
        e = next(
            e for e in c.effects if (e.method, e.group, e.measure) == (m.method, primary, "loss")
        )
        cells = " | ".join(cell(c, m.method, g) for g in groups)
        wins = "" if m.method == "uniform" else f"{e.wins} / {e.losses}"
        lines.append(
            f"| `{m.method}` | {1 / (w**2).sum():.1f} | {w.min() * len(w):.2f} | {cells} | {wins} |"
        )
    for one in c.missing:
        lines.append(f"\nMissing: {one.method}, seed {one.seed}: {one.reason}")
    return "\n".join(lines) + "\n"


def why(c: Comparison) -> str:
    """Tasks by what a mixture gave them: where the loss is gained and lost."""
    uniform = next(m for m in c.methods if m.method == "uniform")
    n = len(uniform.weights)
    loss = {(t.method, t.task): t.mean for t in c.tasks if t.measure == "loss"}
    bands = [(-1.0, 0.1), (0.1, 0.5), (0.5, 2.0), (2.0, 1e9)]
    names = ["less than 0.1/n", "0.1/n to 0.5/n", "0.5/n to 2/n", "more than 2/n"]
    rows = []
    for m in c.methods:
        if m.method == "uniform":
            continue
        for task, w in m.weights.items():
            a, b = loss.get((m.method, task)), loss.get(("uniform", task))
            if a is not None and b is not None:
                rows.append((m.method, w * n, a - b))
    ratio = np.array([r[1] for r in rows])
    change = np.array([r[2] for r in rows])
    lines = [
        "Every trained task of every mixture, by the share it got (n = number of tasks): how its loss "
        "differs from uniform's.",
        "",
        "| share | tasks x mixtures | mean change of loss | of the sum of all changes |",
        "|---|---:|---:|---:|",
    ]
    for (low, high), name in zip(bands, names, strict=True):
        k = (ratio >= low) & (ratio < high)
        if k.any():
            lines.append(
                f"| {name} | {k.sum()} | {change[k].mean():+.3f} | {change[k].sum():+.1f} nats |"
            )
    rho = stats.spearmanr(ratio, change).statistic
    lines.append(f"\nSpearman between share and change over all of them: {rho:+.2f}.")
    lines += ["", "By method, the sum of changes over tasks with less and with more than 1/n:", ""]
    lines += ["| method | lost where less | won where more |", "|---|---:|---:|"]
    for m in c.methods:
        own = [(r, d) for name, r, d in rows if name == m.method]
        if own:
            less = sum(d for r, d in own if r < 1.0) / n
            more = sum(d for r, d in own if r >= 1.0) / n
            lines.append(f"| `{m.method}` | {less:+.3f} | {more:+.3f} |")
    return "\n".join(lines) + "\n"


def costs(c: Comparison) -> str:
    lines = [
        "In training tokens; a token that is only read counts a third.",
        "",
        "| method | to find | to train once | both, in trainings |",
        "|---|---:|---:|---:|",
    ]
    for m in c.methods:
        if m.total_tokens is not None and m.train_tokens:
            lines.append(
                f"| `{m.method}` | {m.find_tokens:,.0f} | {m.train_tokens:,.0f} | "
                f"{m.total_tokens / m.train_tokens:.1f} |"
            )
    return "\n".join(lines) + "\n"


def equal(c: Comparison) -> str:
    lines = [
        "Training tokens of uniform that reach the loss that a method ends with (trainings of uniform at "
        "several budgets, each cooled down; joined on a logarithmic scale), over the method's own tokens. "
        "Below 1: uniform is there sooner.",
        "",
        "| method | ratio | 95 % interval |",
        "|---|---:|---:|",
    ]
    for e in c.equal_loss:
        if e.group != c.setting.primary:
            continue

        def by(x: float | None, own: float = e.method_tokens) -> str:
            return "open" if x is None else f"{x / own:.2f}"

        if e.side == "never":
            ratio = f"> {e.last_tokens / e.method_tokens:.2f}"
        elif e.side == "before":
            ratio = f"< {e.first_tokens / e.method_tokens:.2f}"
        else:
            ratio = "-" if e.ratio is None else f"{e.ratio:.2f}"
        lines.append(f"| `{e.method}` | {ratio} | {by(e.low)} to {by(e.high)} |")
    return "\n".join(lines) + "\n"


def transfer(folder: Path, run_dir: Path) -> str:
    found = pairs.read(folder, run_dir)

    def said(values: list[float]) -> str:
        return f"{values[0]:+.2f} ({values[1]:+.2f} to {values[2]:+.2f})"

    lines = [
        f"{found['pairs']} pairs of tasks, {found['directed']} directed: loss on i after "
        f"{found['tokens']:,} tokens of i, less the loss after the same and as many tokens of j. Above 0 "
        f"j helps. Negative for {found['negative']} of {found['directed']}; median {found['median']:+.3f}.",
        "",
        "Spearman correlation of measured transfer with what predicts it, 95 % bootstrap over pairs; "
        "within: less the mean over each i, so that which tasks are easy to help does not count.",
        "",
        "| predictor | over all pairs | within i |",
        "|---|---:|---:|",
    ]
    for name, values in found["predictors"].items():
        lines.append(f"| {name} | {said(values['spearman'])} | {said(values['within'])} |")
    if found["two_seeds"] is not None:
        lines.append(
            f"\nTransfer measured with one seed against another: {found['two_seeds']:+.2f}; no predictor "
            "can be expected to do better than that."
        )
    for what in ("best", "worst"):
        shown = "; ".join(f"{j} → {i} {x:+.3f}" for j, i, x in found[what])
        lines.append(f"\nThe five {what}: {shown}.")
    return "\n".join(lines) + "\n"


def merged(folder: Path) -> str:
    text = folder / "merged.md"
    return text.read_text() if text.is_file() else (folder / "merged.json").read_text()


def minutes(folder: Path) -> str:
    lines = ["| part | minutes |", "|---|---:|"]
    machine = ""
    for path in sorted(folder.glob("minutes-*.json")):
        data = json.loads(path.read_text())
        machine = data["machine"]
        part = path.stem.removeprefix("minutes-")
        lines.append(f"| {part} | {data['minutes']:.1f} |")
    return (
        f"On {machine}; a part that went on from an interruption counts its last piece only.\n\n"
        + ("\n".join(lines) + "\n")
    )
