"""`mishran build`: a plan on disk, with a manifest and a card.

As text, the rows of the plan in its order, in Parquet or JSONL: any trainer reads them. As tokens, the rows
of every task once, mapped by our own loader, which draws them in the order of the plan: nothing is
written twice, and resuming is exact (`open_tokens`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mishran.errors import ArtifactError
from mishran.stream.card import card
from mishran.stream.files import Format, count_tasks, write_records
from mishran.stream.folder import changed_file, read_manifest, write_folder
from mishran.stream.plan import Plan
from mishran.stream.texts import TextRows
from mishran.stream.tokens import TokenRows

SHARD = 1_000_000  # rows of a file


def build(
    plan: Plan,
    texts: TextRows,
    out: Path,
    format_: Format = "parquet",
    on_rows: Callable[[float], None] = lambda num: None,
) -> tuple[dict[str, Any], bool]:
    """Write the rows of a plan; the manifest, and whether anything had to be written.

    Raises:
        ArtifactError: a place that cannot be used, or files that do not read back as planned.
    """
    facts = {"what": "build", "plan": plan.fingerprint, "format": format_, "kind": texts.kind}

    def make(folder: Path) -> dict[str, Any]:
        records = _told(texts.in_order(plan.order), on_rows)
        names = shard_names(plan.rows, format_)
        for name in names:
            write_records(folder / name, islice(records, SHARD), texts.kind, format_)
        counts: Counter[str] = Counter()
        for name in names:
            counts += count_tasks(folder / name)
        check_counts(plan, counts, out)
        (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
        (folder / "README.md").write_text(card(plan, texts.kind, out.name, names), encoding="utf-8")
        return {"rows": plan.rows, "tokens": plan.tokens, "tasks": dict(sorted(counts.items()))}

    return write_folder(out, facts, make)


def build_tokens(plan: Plan, stores: Sequence[TokenRows], out: Path) -> tuple[dict[str, Any], bool]:
    """Write the rows of every task of a plan as tokens; see `build`."""
    facts = {"what": "tokens", "plan": plan.fingerprint}

    def make(folder: Path) -> dict[str, Any]:
        for task, rows in zip(plan.tasks, stores, strict=True):
            rows.write(folder / "tokens" / task.name)
            written = TokenRows.open(folder / "tokens" / task.name)
            if written.content != rows.content:
                raise ArtifactError(
                    expected=f"the tokens of {task.name} as they were written",
                    found="others when they were read back",
                    where=str(out),
                    fix="make it again; if that does not help, check the disk",
                )
        (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
        text = card(plan, None, out.name, ())
        (folder / "README.md").write_text(text, encoding="utf-8")
        counts = {task.name: task.rows for task in plan.tasks if task.rows}
        return {"rows": plan.rows, "tokens": plan.tokens, "tasks": dict(sorted(counts.items()))}

    return write_folder(out, facts, make)


def open_tokens(folder: str | Path, verify: bool = True) -> tuple[Plan, tuple[TokenRows, ...]]:
    """The plan and the mapped rows of a folder that `mishran build --format tokens` made.

    Args:
        verify: read every file once and compare it with the manifest.

    Raises:
        ArtifactError: no such folder, or a file that was changed since.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None or manifest["made"].get("what") != "tokens":
        raise ArtifactError(
            expected="a folder that `mishran build --format tokens` made",
            found="no manifest of one",
            where=str(folder),
            fix="check the path, or build it",
        )
    wrong = changed_file(folder, manifest) if verify else None
    if wrong is not None:
        raise ArtifactError(
            expected=f"{wrong} as it was written",
            found="a file that was changed" if (folder / wrong).exists() else "no such file",
            where=str(folder),
            fix="build it again: the order of training depends on every row",
        )
    plan = Plan.read(folder / "plan.json")
    return plan, tuple(TokenRows.open(folder / "tokens" / task.name) for task in plan.tasks)


def shard_names(rows: int, format_: Format) -> list[str]:
    """Names as `datasets` and the hub know them."""
    num = max(1, -(-rows // SHARD))
    if num == 1:
        return [f"train.{format_}"]
    return [f"train-{i:05d}-of-{num:05d}.{format_}" for i in range(num)]


def check_counts(plan: Plan, counts: Counter[str], out: Path) -> None:
    """Nothing if a file that was read back has the planned rows of every task.

    Raises:
        ArtifactError: it has not.
    """
    wanted = Counter({task.name: task.rows for task in plan.tasks if task.rows})
    if counts != wanted:
        name = next(n for n in (*wanted, *counts) if counts[n] != wanted[n])
        raise ArtifactError(
            expected=f"{wanted[name]:,} rows of {name}, as planned",
            found=f"{counts[name]:,} when it was read back",
            where=str(out),
            fix="make it again; if that does not help, check the disk",
        )


def _told(
    records: Iterator[dict[str, Any]], on_rows: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(records, start=1):
        if number % 1000 == 0:
            on_rows(1000)
        yield record
