"""Which stages a run directory has, from its own files alone."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mishran.pipeline.facts import read_facts
from mishran.run import Run


@dataclass(frozen=True)
class StageState:
    """state: done, missing or damaged. bytes: on disk. note: what is wrong, or what was recorded."""

    stage: str
    state: str
    bytes: int
    note: str = ""


def stage_states(run: Run) -> list[StageState]:
    """Every stage that the tasks of the run call for, and any other with a manifest.

    Whether a stage still fits its configuration only `mishran fit` knows; here files are checked.
    """
    facts = read_facts(run)
    names = [f"specialists/{f.name}" for f in facts if not f.eval_only]
    names += [f"pool/{f.name}" for f in facts]
    names += ["pool", "mixture", "report"]
    folder = run.root / "manifests"
    found = sorted(p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.json"))
    known = dict.fromkeys(names)
    return [_state(run, name) for name in (*known, *(n for n in found if n not in known))]


def _state(run: Run, name: str) -> StageState:
    path = run.manifest_path(name)
    size = sum(p.stat().st_size for p in run.stage_files(name) if p.is_file())
    if not path.exists():
        return StageState(name, "missing", size)
    wrong = run.verify(name)
    if wrong is not None:
        return StageState(name, "damaged", size, f"{wrong} is missing or changed")
    recorded = (run.manifest(name) or {}).get("recorded") or {}
    return StageState(name, "done", size, json.dumps(recorded) if recorded else "")
