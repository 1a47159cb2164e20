"""The tables of a run directory as files: Parquet and npz without objects, equal bytes for equal values."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mishran.affinity import GradientTable
from mishran.errors import ArtifactError
from mishran.run import atomic_write
from mishran.types import Affinity, DivergenceTable, Repair, ScoreTable

BASE = "(base)"  # no task can have this name


def write_npz(path: Path, **arrays: Any) -> None:
    """An npz of plain arrays (strings as fixed-width unicode), never pickled."""
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} of {path.name} holds objects, which only pickle can store")
    buffer = io.BytesIO()
    np.savez(buffer, **plain)  # `allow_pickle` came with numpy 2.1; before, it is one more array
    atomic_write(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz.

    Raises:
        ArtifactError: missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in data.files}
    except Exception as error:  # zipfile, zlib, numpy and OS errors alike
        raise _damaged(path, error) from error


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
    """A file that can be read but lacks something, or holds another shape, is damaged too."""
    try:
        yield
    except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ArtifactError:
    missing = isinstance(error, FileNotFoundError)
    return ArtifactError(
        expected=f"a readable {path.name}",
        found="no such file" if missing else f"{type(error).__name__}: {error}",
        where=str(path),
        fix="run `mishran fit` on the same configuration: it makes what is missing or damaged",
    )


def write_table(path: Path, columns: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    atomic_write(path, buffer.getvalue())


def read_table(path: Path) -> dict[str, list[Any]]:
    try:
        # Bytes, since Arrow would expand a path that begins with "~".
        return pq.read_table(pa.BufferReader(path.read_bytes())).to_pydict()
    except Exception as error:
        raise _damaged(path, error) from error


def write_scores(path: Path, table: ScoreTable) -> None:
    """scores.parquet: one row per specialist (and the base) and probe."""
    who = (BASE, *table.specialists)
    nats = np.vstack([table.base_nats, table.nats])
    m = len(table.probe_task)
    write_table(
        path,
        {
            "specialist": [name for name in who for _ in range(m)],
            "task": list(table.probe_task) * len(who),
            "example": list(table.probe_id) * len(who),
            "nats": nats.reshape(-1),
            "tokens": np.tile(table.tokens, len(who)),
        },
    )


def read_scores(path: Path) -> ScoreTable:
    data = read_table(path)
    with _whole(path):
        who = tuple(dict.fromkeys(data["specialist"]))
        m = len(data["specialist"]) // len(who)
        nats = np.array(data["nats"]).reshape(len(who), m)
        return ScoreTable(
            specialists=who[1:],
            probe_task=tuple(data["task"][:m]),
            probe_id=tuple(data["example"][:m]),
            nats=nats[1:],
            base_nats=nats[0],
            tokens=np.array(data["tokens"][:m]),
        )


def write_divergence(path: Path, table: DivergenceTable) -> None:
    write_npz(
        path,
        specialists=np.array(table.specialists, dtype=np.str_),
        probe_task=np.array(table.probe_task, dtype=np.str_),
        probe_id=np.array(table.probe_id, dtype=np.str_),
        jsd=table.jsd.astype(np.float32),
    )


def read_divergence(path: Path) -> DivergenceTable:
    data = read_npz(path)
    with _whole(path):
        return DivergenceTable(
            specialists=tuple(data["specialists"].tolist()),
            probe_task=tuple(data["probe_task"].tolist()),
            probe_id=tuple(data["probe_id"].tolist()),
            jsd=data["jsd"],
        )


def read_gradients(path: Path) -> GradientTable:
    data = read_npz(path)
    with _whole(path):
        return GradientTable(
            tasks=tuple(data["tasks"].tolist()),
            probe_task=tuple(data["probe_task"].tolist()),
            probe_id=tuple(data["probe_id"].tolist()),
            gradients=data["gradients"],
        )


def write_affinity(path: Path, affinity: Affinity) -> None:
    write_npz(
        path,
        names=np.array(affinity.names, dtype=np.str_),
        matrix=affinity.matrix,
        kind=np.array(affinity.kind),
        replicas=affinity.replicas,
        repairs=np.array(json.dumps([asdict(r) for r in affinity.repairs], sort_keys=True)),
    )


def read_affinity(path: Path) -> Affinity:
    data = read_npz(path)
    with _whole(path):
        return Affinity(
            names=tuple(data["names"].tolist()),
            matrix=data["matrix"],
            kind=str(data["kind"]),
            replicas=data["replicas"],
            repairs=tuple(Repair(**r) for r in json.loads(str(data["repairs"]))),
        )


def write_curves(path: Path, curves: Sequence[Any]) -> None:
    """curves.parquet: held-out nats per answer token after so many training tokens, with intervals.

    low, high: null where one held-out example allows no interval.
    """
    points = [(evidence.task, point) for evidence in curves for point in evidence.curve]
    write_table(
        path,
        {
            "specialist": [task for task, _ in points],
            "step": np.array([p.step for _, p in points], dtype=np.int64),
            "tokens": np.array([p.tokens for _, p in points], dtype=np.int64),
            "nats": np.array([p.nats for _, p in points], dtype=np.float64),
            "low": pa.array([p.low for _, p in points], pa.float64()),
            "high": pa.array([p.high for _, p in points], pa.float64()),
        },
    )


def read_curves(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Task -> tokens, nats, low and high of its points; NaN where there is no interval."""
    data = read_table(path)
    with _whole(path):
        who = np.array(data["specialist"], dtype=np.str_)
        columns = {
            name: np.array(data[name], dtype=np.float64)
            for name in ("tokens", "nats", "low", "high")
        }
        return {
            task: {name: column[who == task] for name, column in columns.items()}
            for task in dict.fromkeys(data["specialist"])
        }
