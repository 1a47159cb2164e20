"""Which stages a run directory has, from its own files alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mishran.pipeline.facts import TaskFacts, measured_keys, read_facts
from mishran.run import Run, canonical_json


@dataclass(frozen=True)
class StageState:
    """state: done, missing, stale or damaged. bytes: on disk. note: what is wrong, or what was recorded."""

    stage: str
    state: str
    bytes: int
    note: str = ""


def stage_states(run: Run) -> list[StageState]:
    """Every stage that the tasks of the run call for, and any other with a manifest.

    Files are checked, and whether specialists and pool are of the tasks as they are now: a fit that
    is under way, or was interrupted, has others to make. All the rest only `mishran fit` knows.
    """
    facts = read_facts(run)
    names = [f"specialists/{f.name}" for f in facts if not f.eval_only]
    names += [f"pool/{f.name}" for f in facts]
    names += ["pool", "mixture", "report"]
    folder = run.root / "manifests"
    found = sorted(p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.json"))
    known = dict.fromkeys(names)
    stale = _stale(run, facts)
    return [_state(run, name, stale) for name in (*known, *(n for n in found if n not in known))]


def _stale(run: Run, facts: Sequence[TaskFacts]) -> set[str]:
    found = set()
    for fact in facts:
        manifest = run.manifest(f"specialists/{fact.name}")
        if not fact.eval_only and manifest and manifest["key"] != fact.keys.get("specialist"):
            found.add(f"specialists/{fact.name}")
    pool = run.manifest("pool")
    if pool and canonical_json(pool["params"]) != canonical_json(measured_keys(facts)):
        found.add("pool")
    return found


def _state(run: Run, name: str, stale: set[str]) -> StageState:
    path = run.manifest_path(name)
    size = sum(p.stat().st_size for p in run.stage_files(name) if p.is_file())
    if not path.exists():
        return StageState(name, "missing", size)
    wrong = run.verify(name)
    if wrong is not None:
        return StageState(name, "damaged", size, f"{wrong} is missing or changed")
    if name in stale:
        return StageState(
            name, "stale", size, "made from tasks or settings that have changed since"
        )
    recorded = (run.manifest(name) or {}).get("recorded") or {}
    return StageState(name, "done", size, json.dumps(recorded) if recorded else "")
