"""A plan -> data and configuration for a trainer, checked by reading it back."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from mishran.errors import ArtifactError, ConfigError
from mishran.pipeline.build import Planned
from mishran.pipeline.progress import Progress, Silent
from mishran.run import sha256_bytes
from mishran.stream.export import target
from mishran.stream.export.target import Job, Prediction
from mishran.stream.folder import write_folder


def job_of(planned: Planned, to: str, out: Path, config_only: bool = False) -> Job:
    """What is to be written.

    Raises:
        ConfigError: a trainer that is not known, cannot take such rows, or does not honour weights.
    """
    chosen, found, settings = target(to), planned.ingredients, planned.ingredients.settings
    if found.texts.kind not in chosen.kinds:
        raise ConfigError(
            expected=f"rows that {chosen.title} takes ({', '.join(chosen.kinds)})",
            found=f"rows of kind {found.texts.kind}",
            where=f"--to {to}",
            fix="choose another trainer, or `mishran build` for plain files",
        )
    if config_only and not chosen.config_only:
        raise ConfigError(
            expected="a trainer that honours weights in its configuration",
            found=f"{chosen.title}, which drops them or has none",
            where="--config-only",
            fix="leave --config-only away: the data is then written in its proportions",
        )
    if config_only and len(planned.plan.phases) > 1:
        raise ConfigError(
            expected="one phase beside --config-only",
            found=f"{len(planned.plan.phases)} phases",
            where="--config-only",
            fix="leave --config-only away, or export each phase by itself",
        )
    folder = settings.base / settings.tokenizer
    model = settings.tokenizer
    if folder.is_dir():
        model = Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix()
    return Job(
        plan=planned.plan,
        texts=found.texts,
        tokens=found.tokens,
        model=model,
        bos=found.bos,
        eos=found.eos,
        eos_id=found.eos_id,
        config_only=config_only,
    )


def export_from(
    job: Job, to: str, out: Path, prediction: Prediction, progress: Progress | None = None
) -> tuple[dict[str, Any], bool]:
    """Write an export; the manifest, and whether anything had to be written.

    Raises:
        ArtifactError: a place that cannot be used, or files that do not say what was planned.
    """
    chosen = target(to)
    facts = {
        "what": "export",
        "to": to,
        "plan": job.plan.fingerprint,
        "plan_sha256": sha256_bytes(job.plan.to_json().encode()),
        "config_only": job.config_only,
        "model": job.model,
    }

    def make(folder: Path) -> dict[str, Any]:
        with (progress or Silent()).bar(f"writing for {chosen.title}", 1) as advance:
            command = chosen.write(job, folder)
            counts = chosen.count(job, folder)
            _check(job, prediction, counts, out)
            (folder / "plan.json").write_text(job.plan.to_json(), encoding="utf-8")
            advance(1)
        return {"command": command, "tasks": dict(sorted(counts.items()))}

    return write_folder(out, facts, make)


def _check(job: Job, prediction: Prediction, counts: Counter[str], out: Path) -> None:
    """Nothing if every task comes as often as was predicted, to within one row."""
    for task, expected in zip(job.plan.tasks, prediction.rows, strict=True):
        if abs(counts[task.name] - expected) > 1:
            raise ArtifactError(
                expected=f"{expected:,.0f} {prediction.unit} of {task.name}, as predicted",
                found=f"{counts[task.name]:,} in what was written",
                where=str(out),
                fix="please report this, with the plan: it is a mistake of ours",
            )
