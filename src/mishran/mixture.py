"""`Mixture`: named weights with intervals, integer rows and tokens, certificate and provenance.

The file `mixture.json` is this model, one to one; `docs/reference/mixture.md` documents its schema.
Weights are stored as integer rows and tokens too, since tools mean three different things by "weight":
share of the result, multiple of a task's own size, absolute count.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mishran.errors import ArtifactError, InfeasibleError
from mishran.types import Array, Solution


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskShare(_File):
    """One task's part of the mixture.

    weight: share of the training rows, in [0, 1]. low, high: 95 % bootstrap interval of the weight.
    rows: integer rows for the budget. epochs: rows / training rows the task has.
    tokens: rows times the mean tokens per row, rounded. available_rows: training rows the task has.
    """

    name: str
    weight: float
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    epochs: float | None = None
    tokens: int | None = None
    available_rows: int | None = None
    groups: tuple[str, ...] = ()


class CertificateFile(_File):
    """The certificate of the solution, as in `mishran.types.Certificate`."""

    primal_residual: float
    dual_residual: float
    gap: float
    scale: float
    relative_gap: float
    simplex: float
    lower: dict[str, float]
    upper: dict[str, float]
    floors: dict[str, float]
    caps: dict[str, float]
    method: str


class RepairFile(_File):
    name: str
    amount: float
    detail: str
    energy_cost: float | None = None


class Budget(_File):
    rows: int
    tokens: int | None = None
    max_epochs: float | None = None


class Mixture(_File):
    """Weights over tasks, why they are what they are, and what they were computed from.

    method: "taskpgm" (exact), "taskpgm-paper-clip" or "taskpgm-paper-project".
    affinity: kind of affinity ("jsd", "pmi-mean", ...). parameters: unary, t and everything else that
    was chosen. representativeness: u'p; diversity: -1/2 p'Sp. inputs: sha256 of every file it was
    computed from. versions: packages.
    """

    schema_version: Literal[1] = 1
    method: str
    source: str
    affinity: str
    parameters: dict[str, Any]
    tasks: tuple[TaskShare, ...]
    effective_tasks: float
    energy: float
    representativeness: float
    diversity: float
    unique: bool
    replicas: int
    certificate: CertificateFile
    repairs: tuple[RepairFile, ...] = ()
    warnings: tuple[str, ...] = ()
    budget: Budget | None = None
    inputs: dict[str, str] = {}
    versions: dict[str, str] = {}

    @property
    def weights(self) -> dict[str, float]:
        """Task name -> weight, in task order."""
        return {task.name: task.weight for task in self.tasks}

    def interval(self, name: str) -> tuple[float, float] | None:
        """95 % bootstrap interval of a task's weight; None when there were no replicas."""
        for task in self.tasks:
            if task.name == name:
                return None if task.low is None or task.high is None else (task.low, task.high)
        raise KeyError(f"no task {name!r} in this mixture; there are {', '.join(self.weights)}")

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Mixture:
        """Read `mixture.json`.

        Raises:
            ArtifactError: the file is missing or not a mixture.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise ArtifactError(
                expected="a mixture file",
                found="no such file",
                where=str(path),
                fix="run `mishran fit` first, or give the run directory that it made",
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise ArtifactError(
                expected="a mixture file of schema version 1",
                found=f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'the top'}",
                where=str(path),
                fix="delete it and run `mishran solve` again",
            ) from error


def certificate_file(solution: Solution) -> CertificateFile:
    """The certificate with its arrays by task name; multipliers that are exactly 0 are left out."""
    proof = solution.certificate

    def named(values: Array) -> dict[str, float]:
        return {n: float(v) for n, v in zip(solution.names, values, strict=True) if v != 0.0}

    return CertificateFile(
        primal_residual=proof.primal_residual,
        dual_residual=proof.dual_residual,
        gap=proof.gap,
        scale=proof.scale,
        relative_gap=proof.relative_gap,
        simplex=proof.simplex,
        lower=named(proof.lower),
        upper=named(proof.upper),
        floors=dict(proof.floors),
        caps=dict(proof.caps),
        method=proof.method,
    )


def quotas(weights: Array, total: int, limits: Array | None = None) -> np.ndarray:
    """Integer counts that sum to `total`, by largest remainder, none above its limit.

    Hamilton's method: everyone gets the floor of `total * weight`; what is left goes one by one to the
    largest remainders (ties to the earlier task). A task at its limit passes its turn on.

    Args:
        weights: (n,) >= 0, sum 1.
        total: rows to give, >= 0.
        limits: (n,) largest count per task, or None.

    Raises:
        InfeasibleError: the limits of the tasks with positive weight sum to less than `total`.
    """
    caps = (
        np.full(len(weights), np.iinfo(np.int64).max) if limits is None else limits.astype(np.int64)
    )
    open_ = np.asarray(weights) > 0
    capacity = sum(int(c) for c in caps[open_])
    if capacity < total:
        raise InfeasibleError(
            expected=f"a budget of at most {capacity} rows (the epoch caps of the tasks in use)",
            found=f"{total} rows",
            where="mixture.budget",
            fix=f"ask for {capacity} rows or fewer, or raise mixture.max_epochs",
        )
    exact = np.asarray(weights, dtype=np.float64) * total
    counts = np.minimum(np.floor(exact + 1e-9).astype(np.int64), caps)
    order = np.lexsort((np.arange(len(counts)), -(exact - counts)))
    left = int(total - counts.sum())
    while left > 0:
        for i in order:
            if left > 0 and open_[i] and counts[i] < caps[i]:
                counts[i] += 1
                left -= 1
    return counts
