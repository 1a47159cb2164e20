"""`mishran build`: a plan on disk, with a manifest and a card.

As text, the rows of the plan in its order, in Parquet or JSONL: any trainer reads them. As `tokens`, the
rows of every task once, for our own loaders, which map the files and draw them in the order of the plan:
nothing is written twice, and weights can change on the way (`open_tokens`). As `ordered` tokens, every row
where it is read, from one end to the other (`open_ordered`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mishran.errors import ArtifactError
from mishran.run import sha256_bytes
from mishran.stream.card import card
from mishran.stream.files import Format, count_tasks, write_records
from mishran.stream.folder import changed_file, read_manifest, write_folder
from mishran.stream.gather import CACHED, gather, stores_for
from mishran.stream.plan import Plan
from mishran.stream.row_stream import OrderedRows
from mishran.stream.texts import TextRows
from mishran.stream.tokens import FILES, TokenRows

SHARD = 1_000_000  # rows of a file
WHOSE = ("task.npy", "example.npy")  # beside ordered tokens
OTHERS = {FILES[2]: np.int32, WHOSE[0]: np.int32, WHOSE[1]: np.int64}


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
    facts = {**_facts(plan, "build"), "format": format_, "kind": texts.kind}

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
    facts = _facts(plan, "tokens")

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
        return _beside(plan, folder, out)

    return write_folder(out, facts, make)


def build_ordered(
    plan: Plan, stores: Sequence[TokenRows], out: Path
) -> tuple[dict[str, Any], bool]:
    """Write the rows of a plan as tokens, in its order; see `build`."""
    facts = _facts(plan, "ordered")

    def make(folder: Path) -> dict[str, Any]:
        kind = np.result_type(np.uint16, *{store.tokens.dtype for store in stores})
        tokens = _new(folder / FILES[0], kind, plan.tokens)
        offsets = _new(folder / FILES[1], np.dtype(np.int64), plan.rows + 1)
        others = [_new(folder / name, np.dtype(d), plan.rows) for name, d in OTHERS.items()]
        end = 0
        for low in range(0, plan.rows, CACHED):
            rows = plan.order.rows(low, low + CACHED)
            batch = gather(rows, stores)
            high = low + len(batch)
            offsets[low + 1 : high + 1] = batch.offsets[1:] + end
            tokens[end : end + len(batch.tokens)] = batch.tokens
            end += len(batch.tokens)
            arrays = (batch.prompts, batch.task, batch.example)
            for place, array in zip(others, arrays, strict=True):
                place[low:high] = array
        for array in (tokens, offsets, *others):
            array.flush()
        written = TokenRows.open(folder)
        counts = np.bincount(
            np.load(folder / WHOSE[0], allow_pickle=False), minlength=len(plan.tasks)
        )
        named = Counter({t.name: int(c) for t, c in zip(plan.tasks, counts, strict=True) if c})
        check_counts(plan, named, out)
        if end != plan.tokens or int(written.offsets[-1]) != end:
            raise ArtifactError(
                expected=f"{plan.tokens:,} tokens, as planned",
                found=f"{int(written.offsets[-1]):,} when they were read back",
                where=str(out),
                fix="make it again; if that does not help, check the disk",
            )
        return _beside(plan, folder, out)

    return write_folder(out, facts, make)


def _new(path: Path, kind: np.dtype, size: int) -> np.memmap:
    """An array in a new file, so that no more than a part of it is in memory."""
    return np.lib.format.open_memmap(path, "w+", dtype=kind, shape=(size,))


def _facts(plan: Plan, what: str) -> dict[str, Any]:
    """What decides a folder: the order, and what the plan says beside it (licences, notes)."""
    return {
        "what": what,
        "plan": plan.fingerprint,
        "plan_sha256": sha256_bytes(plan.to_json().encode()),
    }


def _beside(plan: Plan, folder: Path, out: Path) -> dict[str, Any]:
    """Plan and card of a folder of tokens, and what its manifest says."""
    (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    (folder / "README.md").write_text(card(plan, None, out.name, ()), encoding="utf-8")
    counts = {task.name: task.rows for task in plan.tasks if task.rows}
    return {"rows": plan.rows, "tokens": plan.tokens, "tasks": dict(sorted(counts.items()))}


def open_tokens(folder: str | Path, verify: bool = True) -> tuple[Plan, tuple[TokenRows, ...]]:
    """The plan and the mapped rows of a folder that `mishran build --format tokens` made.

    Args:
        verify: read every file once and compare it with the manifest.

    Raises:
        ArtifactError: no such folder, or a file that was changed since.
    """
    place = _checked(Path(folder), "tokens", verify)
    plan = Plan.read(place / "plan.json")
    stores = [TokenRows.open(place / "tokens" / task.name) for task in plan.tasks]
    return plan, stores_for(plan, stores, verify)


def open_ordered(folder: str | Path, verify: bool = True) -> tuple[Plan, OrderedRows]:
    """The same of a folder that `mishran build --format ordered` made, for an `OrderedStream`."""
    place = _checked(Path(folder), "ordered", verify)
    task, example = (np.load(place / name, mmap_mode="r", allow_pickle=False) for name in WHOSE)
    return Plan.read(place / "plan.json"), OrderedRows(TokenRows.open(place), task, example)


def _checked(folder: Path, what: str, verify: bool) -> Path:
    manifest = read_manifest(folder)
    if manifest is None or manifest["made"].get("what") != what:
        raise ArtifactError(
            expected=f"a folder that `mishran build --format {what}` made",
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
    return folder


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
