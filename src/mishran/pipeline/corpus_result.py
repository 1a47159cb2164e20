"""A corpus that was cleaned: its documents, what was dropped, and the accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mishran.corpus.accounts import Accounts
from mishran.errors import ArtifactError
from mishran.run import Run


@dataclass(frozen=True)
class Cleaned:
    """A finished corpus. facts: what `corpus.json` holds. made: whether anything was done just now."""

    folder: Path
    accounts: Accounts
    facts: dict[str, Any]
    made: bool = False

    def documents(self, source: str | None = None) -> Iterator[dict[str, Any]]:
        """Clean documents in order, of one source or of all; `docs/reference/corpus.md` has the fields.

        Raises:
            ArtifactError: no such source.
        """
        sources = [row["source"] for row in self.facts["sources"]]
        if source is not None and source not in sources:
            raise ArtifactError(
                expected=f"one of the sources {', '.join(sources)}",
                found=repr(source),
                where=str(self.folder),
                fix="choose one of these",
            )
        return _rows(self.folder / "clean" / (source or ""))

    def dropped(
        self, step: str | None = None, reason: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Documents that were dropped, by one step or reason or by all, with `step` and `reason`.

        Raises:
            ArtifactError: they were not kept, or nothing was dropped for that.
        """
        folder = self.folder / "dropped"
        if not folder.is_dir():
            raise ArtifactError(
                expected="a corpus with its dropped documents",
                found="no folder dropped/",
                where=str(self.folder),
                fix="write dropped: true in the recipe and clean it again",
            )
        asked = {"step": step, "reason": reason}
        for name, value in asked.items():
            known = sorted({row[name] for row in self.facts["accounts"]["dropped"]})
            if value is not None and value not in known:
                raise ArtifactError(
                    expected=f"one of the {name}s {', '.join(known) or '(none)'}",
                    found=repr(value),
                    where=str(self.folder),
                    fix="choose one of these",
                )
        wanted = {name: value for name, value in asked.items() if value is not None}
        return (
            row
            for row in _rows(folder)
            if all(row[name] == value for name, value in wanted.items())
        )


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for path in sorted(folder.rglob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(256):
                yield from batch.to_pylist()


def open_corpus(folder: str | Path, made: bool = False) -> Cleaned:
    """The result of a cleaning that is done.

    Raises:
        ArtifactError: there is none in that folder, or it was changed.
    """
    folder = Path(folder)
    place = Run(folder)
    if place.manifest("corpus") is None:
        raise ArtifactError(
            expected="a folder with a cleaned corpus",
            found="none",
            where=str(folder),
            fix="run `mishran corpus clean recipe.yaml` first",
        )
    try:
        place.need("corpus", "corpus.json")
    except ArtifactError as error:
        raise ArtifactError(
            expected=error.expected,
            found=error.found,
            where=error.where,
            fix="run `mishran corpus clean` on the same recipe: it makes what is missing or damaged",
        ) from error
    facts = json.loads(place.path("corpus.json").read_text(encoding="utf-8"))
    return Cleaned(folder, Accounts.from_dict(facts["accounts"]), facts, made)
