"""What training says of itself: records, and the sinks that they go to.

A sink is anything with `write`, `rewind` and `close`; JSON lines are always written, TensorBoard with
`metrics: [tensorboard]`, and other people's by the name of an entry point of the group `mishran.metrics`
(a function: folder -> sink).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from mishran.errors import ConfigError, DependencyError
from mishran.run import storage_errors

GROUP = "mishran.metrics"


@dataclass(frozen=True)
class Record:
    """What is known after `step` optimizer steps and `tokens` training tokens.

    kind: train or valid. values: name -> number, of the whole (loss in nats per answer token,
    learning_rate, gradient_norm, tokens_per_s). tasks: name -> loss in nats per answer token; in train,
    of the steps since the last record, and only of tasks that were in them.
    """

    step: int
    tokens: int
    kind: str
    values: Mapping[str, float]
    tasks: Mapping[str, float]


class Sink(Protocol):
    """Where records go."""

    def write(self, record: Record) -> None: ...

    def rewind(self, step: int) -> None:
        """Training goes on after this step: what was written of later ones is to be forgotten."""
        ...

    def close(self) -> None: ...


class JsonLines:
    """metrics.jsonl: a record a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = open(path, "a", encoding="utf-8")  # noqa: SIM115

    def write(self, record: Record) -> None:
        fields: dict[str, Any] = {"kind": record.kind, "step": record.step, "tokens": record.tokens}
        line = json.dumps({**fields, **record.values, "tasks": dict(record.tasks)})
        with storage_errors(self._path):
            self._handle.write(line + "\n")
            self._handle.flush()

    def rewind(self, step: int) -> None:
        """Keep the lines up to a step; the last line of a killed process may be half a line."""
        self._handle.close()
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        text = "".join(line for line in lines if _step(line) <= step)
        with storage_errors(self._path):
            work = self._path.with_name(f".tmp-{os.getpid()}-{self._path.name}")
            work.write_text(text, encoding="utf-8")
            os.replace(work, self._path)
            self._handle = open(self._path, "a", encoding="utf-8")  # noqa: SIM115

    def close(self) -> None:
        self._handle.close()


class TensorBoard:
    """Event files in the folder `tensorboard`."""

    def __init__(self, folder: Path) -> None:
        """Raises: DependencyError: tensorboard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise DependencyError(
                expected="the package tensorboard",
                found="it is not installed",
                where="train.metrics",
                fix='pip install "mishran[tensorboard]"',
            ) from error
        self._writer: Callable[..., Any] = SummaryWriter
        self._folder = str(folder / "tensorboard")
        self._open = SummaryWriter(self._folder)

    def write(self, record: Record) -> None:
        for name, value in record.values.items():
            self._open.add_scalar(f"{record.kind}/{name}", value, record.step)
        for name, value in record.tasks.items():
            self._open.add_scalar(f"{record.kind}-loss/{name}", value, record.step)

    def rewind(self, step: int) -> None:
        self._open.close()
        self._open = self._writer(self._folder, purge_step=step + 1)

    def close(self) -> None:
        self._open.close()


def sinks_for(folder: Path, names: Sequence[str]) -> list[Sink]:
    """metrics.jsonl and those that were asked for.

    Raises:
        ConfigError: a name that nobody offers. DependencyError: its package is missing.
    """
    out: list[Sink] = []
    offered = {point.name: point for point in entry_points(group=GROUP)}
    for name in names:
        if name == "tensorboard":
            out.append(TensorBoard(folder))
        elif name in offered:
            out.append(offered[name].load()(folder))
        else:
            raise ConfigError(
                expected=f"metrics among {', '.join(sorted({'tensorboard', *offered}))}",
                found=repr(name),
                where="train.metrics",
                fix=f"correct it, or install the package that offers it (entry points {GROUP})",
            )
    return [JsonLines(folder / "metrics.jsonl"), *out]


def _step(line: str) -> float:
    """Of a line; half a one, or what is no record, is as late as can be."""
    try:
        return int(json.loads(line)["step"]) if line.endswith("\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf
