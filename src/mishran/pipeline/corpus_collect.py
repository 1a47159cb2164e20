"""The result of a finished work: clean documents, dropped ones, and `corpus.json` with the accounts."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from mishran.corpus.accounts import Accounts, merged
from mishran.corpus.passes import Work
from mishran.corpus.steps import Models, step_names
from mishran.pipeline.corpus_plan import Planned
from mishran.run import Stage

NOTE = "_README"  # no source can be called so, and readers of Parquet folders pass over it
ABOUT = ("sha256", "packed", "unpacked", "problem")  # of a file, in corpus.json


def collect(work: Work, models: Models, folder: Path, planned: Planned, stage: Stage) -> None:
    """Result and accounts of a finished work, into the folder of the stage."""
    parts = [
        Accounts.from_dict(json.loads(path.read_text()))
        for path in sorted(work.accounts.rglob("*.json"))
    ]
    accounts = merged(parts)
    accounts.check()
    _link(work.clean, folder / "clean")
    (folder / "clean").mkdir(exist_ok=True)
    for source in planned.config.sources:  # a source of which nothing is left has a folder, too
        (folder / "clean" / source.name).mkdir(exist_ok=True)
    if planned.config.dropped:
        _link(work.dropped, folder / "dropped")
        (folder / "dropped").mkdir(exist_ok=True)
        (folder / "dropped" / NOTE).write_text("Dropped documents, with step and reason.\n")
    (folder / "clean" / NOTE).write_text(
        "Clean documents: a folder for each source; corpus.json has the accounts.\n"
    )
    facts = {
        "accounts": accounts.as_dict(),
        "files": [
            {"source": source, "path": file.name, **{name: getattr(file, name) for name in ABOUT}}
            for source, file in planned.inputs.files
        ],
        "problems": list(planned.inputs.problems),
        "others": list(planned.inputs.others),
        "sources": [
            {"source": one.name, "provenance": one.provenance, "license": one.license}
            for one in planned.config.sources
        ],
        "packages": stage.params["packages"],
        "tokens": planned.config.tokenizer is not None,
        "steps": list(step_names(planned.config)),
        "checks": json.loads((models.folder / "checks.json").read_text(encoding="utf-8")),
    }
    (folder / "corpus.json").write_text(
        json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _link(source: Path, target: Path) -> None:
    """The same files in another place, without copying where the file system can."""
    if not source.is_dir():
        return
    for path in sorted(source.rglob("*.parquet")):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)
