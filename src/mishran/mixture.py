"""`Mixture`: named weights with intervals, integer rows and tokens, certificate and provenance.

The file `mixture.json` is this model, one to one; `docs/reference/mixture.md` documents its schema.
Weights are stored as integer rows and tokens too, since tools mean three different things by "weight":
share of the result, multiple of a task's own size, absolute count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mishran.errors import ArtifactError, InfeasibleError
from mishran.types import Array, Certificate, Solution


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskShare(_File):
    """One task's part of the mixture.

    weight: share of the training rows, in [0, 1]. low, high: 95 % bootstrap interval of the weight.
    rows: integer rows for the budget. epochs: rows / training rows the task has.
    tokens: rows times the mean tokens per row, rounded. available_rows: training rows the task has.
    selected: share of the bootstrap replicas in which it gets any weight.
    """

    name: str
    weight: float
    low: float | None = None
    high: float | None = None
    selected: float | None = None
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


class SelectionFile(_File):
    """How at most `max_tasks` tasks were chosen, as `mishran.energy.Selection`.

    gap: what a better set could gain at most, in energy; proven: that is nothing. ended_by: what
    ended the search.
    """

    max_tasks: int
    chosen: tuple[str, ...]
    value: float
    upper_bound: float
    gap: float
    relative_gap: float
    proven: bool
    single: str | None
    single_value: float | None
    greedy_value: float
    found_by: str
    lazy: bool
    lazy_why: str
    gamma_measured: float | None
    gamma_theory: float | None
    guarantee: float
    vacuous: bool
    guarantee_in_words: str
    nodes: int
    ended_by: str


class RobustFile(_File):
    """What a robust mixture guards against, as `mishran.energy.RobustSolution`.

    objective: its regret (worst, or mean plus deviations). plain_objective: that of the mixture
    which is not robust. carrying: replicas against which it is optimal.
    """

    mode: str
    kappa: float
    objective: float
    plain_objective: float
    relative_gap: float
    carrying: int


class Budget(_File):
    rows: int
    tokens: int | None = None
    max_epochs: float | None = None


class Mixture(_File):
    """Weights over tasks, why they are what they are, and what they were computed from.

    method: "taskpgm" (exact), "taskpgm-paper-clip" or "taskpgm-paper-project".
    or another method as it is written. energy, representativeness, diversity, unique: of taskpgm.
    objective: what another method minimised. certificate: None where a method minimises nothing.
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
    energy: float | None = None
    representativeness: float | None = None
    diversity: float | None = None
    unique: bool | None = None
    objective: float | None = None
    replicas: int
    certificate: CertificateFile | None = None
    repairs: tuple[RepairFile, ...] = ()
    warnings: tuple[str, ...] = ()
    budget: Budget | None = None
    selection: SelectionFile | None = None
    robust: RobustFile | None = None
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
        except OSError as error:
            raise ArtifactError(
                expected="a mixture file",
                found="no such file"
                if isinstance(error, FileNotFoundError)
                else error.strerror or str(error),
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


def certificate_file(solution: Solution, chosen: Collection[str] | None = None) -> CertificateFile:
    """The certificate of a solution.

    Args:
        chosen: of a selection; that others get nothing is no cap that anybody wrote.
    """
    return certificate_of(solution.certificate, solution.names, chosen)


def certificate_of(
    proof: Certificate, names: Sequence[str], chosen: Collection[str] | None = None
) -> CertificateFile:
    """The certificate with its arrays by task name; multipliers that are exactly 0 are left out."""

    def named(values: Array) -> dict[str, float]:
        return {n: float(v) for n, v in zip(names, values, strict=True) if v != 0.0}

    return CertificateFile(
        primal_residual=proof.primal_residual,
        dual_residual=proof.dual_residual,
        gap=proof.gap,
        scale=proof.scale,
        relative_gap=proof.relative_gap,
        simplex=proof.simplex,
        lower=named(proof.lower),
        upper={n: v for n, v in named(proof.upper).items() if chosen is None or n in chosen},
        floors=dict(proof.floors),
        caps=dict(proof.caps),
        method=proof.method,
    )


def quotas(
    weights: Array,
    total: int,
    limits: Array | None = None,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Integer counts that sum to `total`, by largest remainder, none above its limit.

    Hamilton's method: everyone gets the floor of `total * weight`; what is left goes one by one to the
    largest remainders (ties to the earlier task). A task at its limit passes its turn on, so every
    count is within 1 of its exact share; limits that would take more than that are an error.

    Args:
        weights: (n,) >= 0, sum 1.
        total: rows to give, >= 0.
        limits: (n,) largest count per task, or None.
        names: for the message of an error.

    Raises:
        InfeasibleError: limits below the exact shares; the tasks are named, and the largest total
            that these weights allow.
    """
    shares = np.asarray(weights, dtype=np.float64)
    fine = len(shares) > 0 and shares.min() >= 0 and abs(float(shares.sum()) - 1.0) <= 1e-6
    if not fine or not 0 <= total <= 2**53:
        raise ValueError(
            f"weights >= 0 of sum 1 and a total >= 0 are needed, got {shares}, {total}"
        )
    none = np.full(len(shares), np.iinfo(np.int64).max)
    caps = none if limits is None else np.asarray(limits).astype(np.int64)
    counts = _counts(shares, total, caps)
    if counts is not None:
        return counts
    used = shares > 0
    most = _largest(shares, total, caps)
    over = np.flatnonzero(np.floor(shares * total) > caps)
    if len(over) == 0:
        over = np.flatnonzero(used & (shares * total > caps))
    shown = [
        f"{names[i] if names else f'task {i}'} {shares[i] * total:,.0f} of at most {caps[i]:,}"
        for i in over[:5]
    ]
    raise InfeasibleError(
        expected=f"a budget of at most {most:,} rows, which these weights and limits allow",
        found=f"{total:,} rows, {', '.join(shown)}" + ", ..." * (len(over) > 5),
        where="mixture.budget",
        fix=f"ask for {most:,} rows or fewer, or raise mixture.max_epochs",
    )


def _largest(shares: Array, total: int, caps: np.ndarray) -> int:
    """A largest total below `total` that the caps allow."""
    low, high = 0, total
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _counts(shares, middle, caps) is None else (middle, high)
    # Rounding may make a total possible just above one that is not.
    above = range(min(total - 1, high + 2 * len(shares)), low, -1)
    return next((k for k in above if _counts(shares, k, caps) is not None), low)


def _counts(shares: Array, total: int, caps: np.ndarray) -> np.ndarray | None:
    """Hamilton's counts, or None where the caps leave no room for them."""
    exact = shares * total
    counts = np.floor(exact).astype(np.int64)
    left = int(total - counts.sum())
    order = np.lexsort((np.arange(len(counts)), counts - exact))
    turns = [i for i in order if shares[i] > 0 and counts[i] < caps[i]][:left]
    if (counts > caps).any() or len(turns) < left:
        return None
    counts[turns] += 1
    return counts
