"""The card of a data set that was built: what is in it, where it came from, and under which licences."""

from __future__ import annotations

from collections.abc import Sequence

from mishran.stream.plan import Plan
from mishran.stream.texts import COLUMNS, Kind

_MEANS = {
    "task": "the task or source that the row is of",
    "id": "the row's id there",
    "epoch": "how often the task was read before, from 0",
    "prompt": "what the model is given",
    "answer": "what it is trained to say",
    "messages": "a chat; the last message, the assistant's, is trained on",
    "text": "the document",
}


def card(plan: Plan, kind: Kind | None, name: str, files: Sequence[str]) -> str:
    """Markdown, with the front matter that the hub and `datasets` read where there are files for them.

    Args:
        kind: of the rows; None where they are tokens. files: of the rows, in order.
    """
    licences = sorted({task.license for task in plan.tasks if task.license and task.rows})
    unknown = [task.name for task in plan.tasks if not task.license and task.rows]
    lines = [
        *(_front_matter(files) if files else []),
        f"# {_cell(name)}",
        "",
        f"{plan.rows:,} rows and {plan.tokens:,} tokens of {sum(t.rows > 0 for t in plan.tasks)} "
        f"{'sources' if kind == 'text' else 'tasks'}, mixed by "
        "Mishran in a fixed order: every prefix has the tasks in their proportions, to within two rows. "
        "Inside an epoch no row repeats.",
        "",
        f"Weights are shares of **{plan.shares}**. Plan `{plan.fingerprint}`, seed {plan.seed}.",
    ]
    if plan.tokenizer is not None:
        lines.append(
            f"Tokens are those of `{_cell(plan.tokenizer.name)}` (sha256 {plan.tokenizer.sha256[:12]}), "
            "prompt and answer, with special tokens."
        )
    if kind is not None:
        lines += ["", "| column | |", "|---|---|"]
        lines += [f"| `{c}` | {_MEANS[c]} |" for c in ("task", "id", "epoch", *COLUMNS[kind])]
    if len(plan.phases) > 1:
        lines += ["", "| phase | rows | tokens |", "|---:|---:|---:|"]
        lines += [
            f"| {i} | {p.rows:,} | {p.tokens:,} |" for i, p in enumerate(plan.phases, start=1)
        ]
    lines += [
        "",
        "| task | rows | share of rows | tokens | share of tokens | epochs | licence | from |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    lines += [
        f"| {t.name} | {t.rows:,} | {t.row_share:.2%} | {t.tokens:,} | {t.token_share:.2%} "
        f"| {t.epochs:.2f} | {_cell(t.license or 'not stated')} | {_cell(t.origin or '')} |"
        for t in plan.tasks
        if t.rows
    ]
    lines += ["", "## Licences", ""]
    lines += [f"- {_cell(licence)}" for licence in licences]
    if unknown:
        shown = ", ".join(unknown[:10]) + ", ..." * (len(unknown) > 10)
        lines.append(f"- not stated for {shown}: look them up before you pass this on")
    if plan.notes:
        lines += ["", "## Notes", "", *(f"- {_cell(note)}" for note in plan.notes)]
    return "\n".join(lines) + "\n"


def _front_matter(files: Sequence[str]) -> list[str]:
    pattern = files[0] if len(files) == 1 else f"train-*.{files[0].rsplit('.', 1)[1]}"
    lines = ["---", "configs:", "- config_name: default", "  data_files:", "  - split: train"]
    return [*lines, f"    path: {pattern}", "---", ""]


def _cell(text: str) -> str:
    """Safe in a table: one line, no pipe, no HTML."""
    flat = " ".join(text.split())
    return flat.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
