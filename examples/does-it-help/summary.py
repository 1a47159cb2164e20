"""The page of the experiment, from what lies in the run directory. No number is written by hand."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pairs
from scipy import stats

from mishran.comparison import Comparison
from mishran.methods.decay import decays
from mishran.pipeline.evidence import evidence_of
from mishran.pipeline.facts import read_facts, read_run
from mishran.run import Run

HEAD = """# Does the mixture help?

*Made by `python examples/does-it-help/run.py`; the text under "What it says" is written by hand.*

{tasks} real tasks ({least:,} to {most:,} training rows) are mixed, a bilingual model of 6.4 million
parameters (`base-6m`) is fine-tuned on the mixture (all parameters, {tokens:,} tokens, {steps:,.0f} steps
of {batch} rows), and its loss is measured on {examples} held-out examples of each task that nothing else
has read: those trained on, {kindred} kindred ones and {bbh} of BIG-Bench Hard that were never trained on.
{num} mixtures, {seeds} seeds each, uniform always among them; differences are paired by seed. Weights are
shares of tokens. Specialists, which most methods need, saw {specialist:,} tokens each.
"""


ALT = "Difference to uniform of every method, with intervals, on both sets of tasks"
PICTURE = f"![{ALT}](does-it-help.svg)\n\n"


def tasks_in(run_dir: Path, group: str) -> list[str]:
    return [f.name for f in read_facts(Run(run_dir)) if group in f.groups]


def page(run_dir: Path, folder: Path, others: Path, size: dict[str, object], remarks: str) -> str:
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
        least=min(f.train_rows for f in trained),
        most=max(f.train_rows for f in trained),
        batch=read_run(Run(run_dir)).train.batch_size,
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
        "## The verdict\n\n" + c.overall + "\n\n" + PICTURE + main_table(c),
        "## Why\n\n" + why(c),
        "### What the curves say, and what is so\n\n" + slopes(c, run_dir),
        "## What finding the mixture cost, and steps to equal loss\n\n" + price(c),
    ]
    if (folder / "pairs" / "pairs.json").is_file():
        parts.append("## Is the affinity true?\n\n" + transfer(folder / "pairs", run_dir))
    if (folder / "merged" / "merged.json").is_file():
        parts.append("## Merged specialists as a proxy\n\n" + merged(folder / "merged"))
    if (others / "comparison.json").is_file():
        parts.insert(3, "## Once more, on other tasks\n\n" + again(others))
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


def in_order(c: Comparison) -> list:
    """Methods, uniform first, then by their loss."""
    primary = c.setting.primary
    loss = {e.method: e.mean for e in c.effects if (e.group, e.measure) == (primary, "loss")}
    return sorted(
        c.methods,
        key=lambda m: (m.method != "uniform", 9e9 if loss[m.method] is None else loss[m.method]),
    )


def main_table(c: Comparison) -> str:
    groups = [g.name for g in c.groups]
    primary = c.setting.primary
    lines = [
        "Loss in nats per answer token, mean over tasks. Uniform: the loss itself; the others: less "
        "uniform's, with the half-width of the 95 % t interval over seeds; \\* where Holm's p over all "
        "methods is below 0.05. Negative is better.",
        "",
        f"| method | effective tasks | least share x n | {' | '.join(groups)} | wins / losses |",
        "|---|---:|---:|" + "---:|" * len(groups) + "---:|",
    ]
    for m in in_order(c):
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


def again(others: Path) -> str:
    """The comparison on tasks that nothing was found out on."""
    c = Comparison.read(others / "comparison.json")
    tasks = len(next(m for m in c.methods if m.method == "uniform").weights)
    return (
        f"{tasks} tasks that the comparison above does not have (`others.yaml`), few methods, the same "
        f"settings. {c.overall}\n\n" + main_table(c)
    )


def losses_of(c: Comparison) -> dict[tuple[str, str], float]:
    return {
        (t.method, t.task): t.mean for t in c.tasks if t.measure == "loss" and t.mean is not None
    }


def why(c: Comparison) -> str:
    """Tasks by what a mixture gave them: where the loss is gained and lost."""
    n = len(next(m for m in c.methods if m.method == "uniform").weights)
    loss = losses_of(c)
    rows = [
        (m.method, w * n, loss[m.method, task] - loss["uniform", task])
        for m in c.methods
        if m.method != "uniform"
        for task, w in m.weights.items()
        if (m.method, task) in loss
    ]
    ratio = np.array([r[1] for r in rows])
    change = np.array([r[2] for r in rows])
    ends = [0.0, 0.01, 0.1, 0.2, 0.4, 0.6, 0.9, 1.1, 1.6, 2.4, 1e9]
    lines = [
        "Every trained task of every mixture, by the share of tokens that it was meant to get (n = number "
        "of tasks): how its loss differs from uniform's.",
        "",
        "| share | tasks x mixtures | mean change of loss | of the sum of all changes |",
        "|---|---:|---:|---:|",
    ]
    for low, high in itertools.pairwise(ends):
        k = (ratio >= low) & (ratio < high)
        if k.any():
            name = f"{low:g}/n to {high:g}/n" if high < 1e9 else f"more than {low:g}/n"
            lines.append(
                f"| {name} | {k.sum()} | {change[k].mean():+.3f} | {change[k].sum():+.1f} nats |"
            )
    rho = stats.spearmanr(ratio, change).statistic
    (curve,) = [g for g in c.curves if g.group == c.setting.primary]
    at = {p.tokens / c.setting.budget_tokens: p.loss for p in curve.points}
    own = min(at, key=lambda x: abs(x - 1.0))
    beside = "; ".join(
        f"{x:.2g} times the tokens {v - at[own]:+.3f}" for x, v in at.items() if x != own
    )
    lines.append(
        f"\nSpearman between share and change over all of them: {rho:+.2f}. For comparison, uniform with "
        f"{beside}, for every task alike."
    )
    return "\n".join(lines) + "\n"


def slopes(c: Comparison, run_dir: Path) -> str:
    """What twice the tokens of a task do, by its specialist's curve and by all mixtures together."""
    evidence = evidence_of(Run(run_dir), ("curves",), bounds=False)
    fitted = decays([(one.tokens, one.nats) for one in evidence.curves or ()])
    n, loss = len(evidence.names), losses_of(c)
    each = c.setting.budget_tokens / n
    low, high = (fitted.value(np.full(n, each * x)) for x in (0.5, 2.0))
    predicted = (high - low) / 2
    measured = []
    for name in evidence.names:
        points = [
            (np.log2(m.weights[name] * n), loss[m.method, name])
            for m in c.methods
            if m.weights.get(name, 0.0) * n > 0.1 and (m.method, name) in loss
        ]
        measured.append(stats.linregress(*np.array(points).T).slope)
    found = np.array(measured)
    rho = stats.spearmanr(found, predicted).statistic
    best = np.maximum(-found, 0.0) / np.maximum(-found, 0.0).sum()
    gain = float((found * np.log2(best * n)).mean())
    lines = [
        "By how many nats the loss of a task falls when its share doubles: by its specialist's learning "
        "curve (between half and twice its uniform share), and as a line through all mixtures that give it "
        "more than 0.1/n.",
        "",
        "| | curves | mixtures |",
        "|---|---:|---:|",
        f"| mean over tasks | {predicted.mean():+.3f} | {found.mean():+.3f} |",
        f"| standard deviation | {predicted.std(ddof=1):.3f} | {found.std(ddof=1):.3f} |",
        f"| least | {predicted.max():+.3f} | {found.max():+.3f} |",
        f"| most | {predicted.min():+.3f} | {found.min():+.3f} |",
        "",
        f"Spearman over the {n} tasks: {rho:+.2f}. If these lines were exact, the best mixture would have "
        f"shares in proportion to the measured slopes, and would be {-gain:.3f} nats better than uniform: "
        "a bound in hindsight on what any mixture could have brought here, near uniform.",
    ]
    return "\n".join(lines) + "\n"


def price(c: Comparison) -> str:
    """Costs and steps to equal loss, a row a method."""
    equal = {e.method: e for e in c.equal_loss if e.group == c.setting.primary}
    lines = [
        "To find: training tokens (one that is only read counts a third). All: finding the mixture and "
        "training once, in trainings. Steps to equal loss: training tokens of uniform that reach the loss "
        "that a method ends with (trainings of uniform at several budgets, each cooled down; joined on a "
        "logarithmic scale), over the method's own; below 1 uniform is there sooner.",
        "",
        "| method | to find | all | steps to equal loss | 95 % interval |",
        "|---|---:|---:|---:|---:|",
    ]
    for m in in_order(c):
        if m.total_tokens is None or not m.train_tokens:
            continue
        all_in = m.total_tokens / m.train_tokens
        start = f"| `{m.method}` | {m.find_tokens:,.0f} | {all_in:.1f} |"
        lines.append(f"{start} {steps(equal.get(m.method))} |")
    return "\n".join(lines) + "\n"


def steps(e) -> str:
    """Ratio and interval; open where uniform was not trained that short or long."""
    if e is None:
        return "- | -"
    low, high = ("open" if x is None else f"{x / e.method_tokens:.2f}" for x in (e.low, e.high))
    if e.side == "never":
        ratio = f"> {e.last_tokens / e.method_tokens:.2f}"
    elif e.side == "before":
        ratio = f"< {e.first_tokens / e.method_tokens:.2f}"
    else:
        ratio = "-" if e.ratio is None else f"{e.ratio:.2f}"
    return f"{ratio} | {low} to {high}"


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
            f"\nTransfer measured with one seed against another: {found['two_seeds'][0]:+.2f}, within i "
            f"{found['two_seeds'][1]:+.2f}; no predictor can be expected to do better than that. Two tasks "
            "are trained on for twice the steps of one, so tasks that were not done learning are helped by "
            "any other; that is in the first column and not in the second."
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
    return f"On {machine}; the pieces of a part that was interrupted are added up.\n\n" + (
        "\n".join(lines) + "\n"
    )
