"""Fill `ReportData` from the files of a run, or from a mixture that was solved from a bare matrix."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mishran.affinity import AffinityDiagnostics
from mishran.errors import ArtifactError
from mishran.explanation import Explanation
from mishran.mixture import Mixture
from mishran.pipeline.facts import TaskFacts, read_facts, read_run
from mishran.pipeline.mix import Mixed
from mishran.pipeline.stages import report_title
from mishran.pipeline.tables import read_affinity, read_npz, read_scores
from mishran.report.data import (
    BaseFacts,
    Curve,
    DiagnosticsView,
    Finding,
    ReportData,
    SpecialistRow,
)
from mishran.report.findings import find
from mishran.run import Run
from mishran.types import Affinity


@dataclass(frozen=True)
class Tried:
    """What was solved from a run and is not written into it, and the affinity that it is of."""

    mixed: Mixed
    affinity: Affinity


def report_data(run: Run, other: Tried | None = None) -> ReportData:
    """Everything that the report of a finished run shows.

    Args:
        other: instead of the run's own mixture.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    if other is None:
        mixture = Mixture.read(run.path("mixture.json"))
        affinity = read_affinity(run.path(f"affinity-{mixture.affinity}.npz"))
        energy = mixture.energy is not None
        why = Explanation.read(run.path("explanation.json")) if energy else None
        path = read_npz(run.path("path.npz"))
        t, along = (path["t"], path["weights"]) if len(path["t"]) else (None, None)
    else:
        mixture, affinity = other.mixed.mixture, other.affinity
        why, t, along = other.mixed.explanation, other.mixed.t_values, other.mixed.t_weights
    evidence = [_evidence(run.path(f"specialists/{t.name}/evidence.json")) for t in mixture.tasks]
    groups = {t.name: t.groups for t in mixture.tasks}
    rows = tuple(_row(e, groups[e["task"]]) for e in evidence if e is not None)
    curves = tuple(_curve(e) for e in evidence if e is not None and e["curve"])
    view, base = _diagnostics(affinity), _base(run, evidence)
    return ReportData(
        title=report_title(run),
        mixture=mixture,
        affinity=affinity,
        diagnostics=view,
        t_values=t,
        t_weights=along,
        t_chosen=mixture.parameters.get("t"),
        specialists=rows,
        curves=curves,
        findings=(*find(mixture, affinity, view, rows, base, why), *data_findings(read_facts(run))),
        base=base,
        explanation=why,
    )


_LOST = {
    "dropped_leaked": "training examples that are also held out",
    "dropped_leaked_valid": "validation examples that are also in test",
    "too_long": "training examples longer than the model or max_tokens allows",
    "too_long_held_out": "held-out examples longer than the model or max_tokens allows",
}


def data_findings(facts: Sequence[TaskFacts]) -> list[Finding]:
    """What loading left out, and texts that tasks share."""
    found = []
    for count, what in _LOST.items():
        lost = [f"{f.name} {f.counts[count]:,}" for f in facts if f.counts.get(count)]
        if lost:
            found.append(Finding("note", f"Left out: {what}", ", ".join(lost) + "."))
    shared = [f"{f.name} and {o} {num:,}" for f in facts for o, num in f.shared.items()]
    if shared:
        found.append(Finding("note", "Tasks share texts", ", ".join(shared) + "."))
    leaks = [f"{num:,} of {f.name} in {o}" for f in facts for o, num in f.leaks.items()]
    if leaks:
        found.append(
            Finding(
                "warning",
                "Training examples of one task are held out in another",
                ", ".join(leaks) + ".",
                "Remove them from one of the two, or read numbers of the latter with care: they "
                "flatter every mixture that uses the former.",
            )
        )
    return found


def matrix_data(title: str, mixed: Mixed, affinity: Affinity) -> ReportData:
    """The report of a mixture that was solved from a bare matrix."""
    view = _diagnostics(affinity)
    return ReportData(
        title=title,
        mixture=mixed.mixture,
        affinity=affinity,
        diagnostics=view,
        t_values=mixed.t_values,
        t_weights=mixed.t_weights,
        t_chosen=mixed.mixture.parameters.get("t"),
        findings=find(mixed.mixture, affinity, view, explanation=mixed.explanation),
        explanation=mixed.explanation,
    )


def _evidence(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            expected="the evidence of a specialist",
            found=str(error).splitlines()[0],
            where=str(path),
            fix="run `mishran fit` on the same configuration: it makes what is damaged again",
        ) from error
    return found if isinstance(found, dict) else None


def _row(e: dict[str, Any], groups: tuple[str, ...]) -> SpecialistRow:
    gain, prompt = e["gain"], e["prompt"] or {}
    return SpecialistRow(
        name=e["task"],
        groups=groups,
        status="own adapter" if e["own_adapter"] and e["status"] == "learned" else e["status"],
        base_nats_per_token=e["base"],
        specialist_nats_per_token=e["specialist"],
        gain=gain["mean"],
        gain_low=gain["low"],
        gain_high=gain["high"],
        prompt_gain=prompt.get("mean"),
        prompt_gain_low=prompt.get("low"),
        prompt_gain_high=prompt.get("high"),
        train_rows=e["train_rows"] or None,
        train_tokens=e["train_tokens"] or None,
    )


def _curve(e: dict[str, Any]) -> Curve:
    points = e["curve"]
    return Curve(
        name=e["task"],
        tokens=tuple(float(p["tokens"]) for p in points),
        nats=tuple(p["nats"] for p in points),
        low=tuple(p["low"] for p in points),
        high=tuple(p["high"] for p in points),
    )


def _diagnostics(affinity: Affinity) -> DiagnosticsView:
    found = AffinityDiagnostics.of(affinity)
    spectrum, index = found.tangent_eigenvalues, {n: i for i, n in enumerate(affinity.names)}
    return DiagnosticsView(
        tangent_min=float(spectrum[0]) if len(spectrum) else None,
        tangent_condition=found.condition,
        effective_rank=found.effective_rank,
        additive_share=found.additive_share,
        floor_rate=found.floor_rate,
        zero_rate=found.zero_rate,
        row_sums=dict(zip(affinity.names, map(float, found.row_sums), strict=True)),
        nearest={
            name: (other, float(affinity.matrix[index[name], index[other]]))
            for name, other in found.nearest.items()
        },
        twins=found.twins,
    )


def _base(run: Run, evidence: list[dict[str, Any] | None]) -> BaseFacts | None:
    if not run.path("scores.parquet").is_file():
        return None
    scores = read_scores(run.path("scores.parquet"))
    tokens = [e["train_tokens"] for e in evidence if e and e["train_tokens"]]
    return BaseFacts(
        model=Path(read_run(run).model).name,
        probes=len(scores.probe_task),
        probe_tasks=len(set(scores.probe_task)),
        task_probes=dict(Counter(scores.probe_task)),
        answer_tokens=int(scores.tokens.sum()),
        train_tokens=int(np.median(tokens)) if tokens else None,
    )
