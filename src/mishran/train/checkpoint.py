"""Checkpoints that are whole or are not there: staged, synced, marked with their digests, then renamed.

A folder `step-00000120` holds the parameters that change, the optimizer's moments and `state.json`;
`marker.json`, written last, lists the sha256 of each file. One that a crash or a disk cut short has no
marker, or another digest, and the one before it is taken. Dropout is drawn from the seed and the step, so
no random state has to be kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mishran.errors import ArtifactError
from mishran.run import TMP, sha256_file, storage_errors

MARKER = "marker.json"
WEIGHTS, MOMENTS, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
KEPT = ("step", "exp_avg", "exp_avg_sq")  # of AdamW
_NAME = "step-{:08d}"


@dataclass(frozen=True)
class Checkpoint:
    """A valid checkpoint. state: what was saved with it; folder: where it lies."""

    folder: Path
    step: int
    state: dict[str, Any]

    def restore(
        self, parameters: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
    ) -> None:
        """Put parameters and moments back, bit for bit.

        Raises:
            ArtifactError: they are of another model.
        """
        from safetensors.torch import load_file

        weights, moments = (load_file(self.folder / name) for name in (WEIGHTS, MOMENTS))
        shapes = {name: tuple(p.shape) for name, p in parameters.items()}
        if {name: tuple(t.shape) for name, t in weights.items()} != shapes:
            raise ArtifactError(
                expected="a checkpoint of the parameters that are trained",
                found="others",
                where=str(self.folder),
                fix="give another --out, or delete the folder to begin anew",
            )
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(weights[name])
                # The count of steps too: a fused AdamW wants it beside the parameter.
                optimizer.state[parameter] = {
                    key: moments[f"{key}/{name}"].to(parameter.device, copy=True) for key in KEPT
                }


def save_checkpoint(
    folder: Path,
    step: int,
    state: dict[str, Any],
    parameters: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    keep: int,
) -> None:
    """Write a checkpoint, then delete all but the newest `keep`, and later ones, which are damaged or it
    would not have been made.

    Raises:
        ArtifactError: it could not be written (a full disk, say); the older ones are as they were.
    """
    from safetensors.torch import save_file

    weights = {name: p.detach().cpu().contiguous() for name, p in parameters.items()}
    moments = {
        f"{key}/{name}": optimizer.state[p][key].detach().cpu().contiguous()
        for name, p in parameters.items()
        for key in KEPT
    }

    def make(work: Path) -> None:
        save_file(weights, work / WEIGHTS)
        save_file(moments, work / MOMENTS)
        (work / STATE).write_text(json.dumps(state), encoding="utf-8")

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        work = folder / f"{TMP}{os.getpid()}-{_NAME.format(step)}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            _written(make, work)
            names = sorted(p.name for p in work.iterdir())
            for name in names:
                _sync(work / name)
            marker = work / MARKER
            digests = {name: sha256_file(work / name) for name in names}
            marker.write_text(json.dumps({"step": step, "files": digests}), encoding="utf-8")
            _sync(marker)
            _sync(work)
            final = folder / _NAME.format(step)
            shutil.rmtree(final, ignore_errors=True)
            os.replace(work, final)
            _sync(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    steps = _steps(folder)
    kept = [old for old in steps if old <= step][:keep]
    for old in set(steps) - set(kept):
        shutil.rmtree(folder / _NAME.format(old), ignore_errors=True)


def newest(folder: Path, say: Callable[[str], None] = lambda text: None) -> Checkpoint | None:
    """The newest valid checkpoint, None where there is none; those that are not are told and passed by."""
    for step in _steps(folder):
        place = folder / _NAME.format(step)
        wrong = _wrong(place)
        if wrong is None:
            state = json.loads((place / STATE).read_text(encoding="utf-8"))
            return Checkpoint(place, step, state)
        say(f"{place.name}: {wrong} is damaged or missing; going back to the checkpoint before it")
    return None


def sweep(folder: Path) -> None:
    """Delete what killed processes left half-written."""
    for path in folder.glob(f"{TMP}*"):
        shutil.rmtree(path, ignore_errors=True)


def discard(folder: Path) -> None:
    """Delete the checkpoints of a training that is over, and nothing else that may lie there."""
    sweep(folder)
    for step in _steps(folder):
        shutil.rmtree(folder / _NAME.format(step), ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _steps(folder: Path) -> list[int]:
    """Steps that there are folders of, newest first."""
    names = (path.name for path in folder.glob("step-*"))
    found = {int(name[5:]) for name in names if name[5:].isdecimal()}
    return sorted((step for step in found if (folder / _NAME.format(step)).is_dir()), reverse=True)


def _wrong(place: Path) -> str | None:
    """The first file of a checkpoint that is not as it was written, or None."""
    try:
        files = json.loads((place / MARKER).read_text(encoding="utf-8"))["files"]
        named = {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return MARKER
    if not {WEIGHTS, MOMENTS, STATE} <= set(named):
        return MARKER
    for name, digest in named.items():
        if not (place / name).is_file() or sha256_file(place / name) != digest:
            return name
    return None


def _written(make: Callable[[Path], None], work: Path) -> None:
    """A write that failed inside safetensors is one of ours too."""
    from safetensors import SafetensorError

    try:
        make(work)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
