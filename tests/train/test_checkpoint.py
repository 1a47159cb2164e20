"""Checkpoints: the newest whole one, bit for bit, whatever a crash or a disk did to the others."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from training_cases import data, disk_with, fit, loaded, recipe, records, trainable

from mishran.errors import ArtifactError
from mishran.train.checkpoint import (
    MARKER,
    MOMENTS,
    STATE,
    WEIGHTS,
    discard,
    newest,
    save_checkpoint,
    sweep,
)

FILES = (MARKER, MOMENTS, STATE, WEIGHTS)


class Small:
    """Two parameters and their optimizer, with moments."""

    def __init__(self, value: float = 1.0) -> None:
        self.parameters = {
            "a": torch.nn.Parameter(torch.full((3, 2), value)),
            "b": torch.nn.Parameter(torch.full((4,), -value)),
        }
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=0.1)
        for parameter in self.parameters.values():
            parameter.grad = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(1))
        self.optimizer.step()

    def save(self, folder: Path, step: int, keep: int = 2) -> None:
        save_checkpoint(folder, step, {"n": step}, self.parameters, self.optimizer, keep)

    def tensors(self) -> list[torch.Tensor]:
        moments = [self.optimizer.state[p] for p in self.parameters.values()]
        return [
            *(p.detach().clone() for p in self.parameters.values()),
            *(value.clone() for state in moments for _, value in sorted(state.items())),
        ]


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    first, other = Small(), Small(5.0)
    first.save(tmp_path, 12)
    found = newest(tmp_path)
    assert found is not None and (found.step, found.state) == (12, {"n": 12})
    assert names(found.folder) == sorted(FILES)
    found.restore(other.parameters, other.optimizer)
    for a, b in zip(first.tensors(), other.tensors(), strict=True):
        assert torch.equal(a, b) and a.dtype == b.dtype
    for one in (first, other):
        one.optimizer.step()
    assert all(map(torch.equal, first.tensors(), other.tensors()))


def test_moments_are_where_a_new_optimizer_has_them(tmp_path):
    """A fused AdamW on a GPU keeps its count of steps there, and takes no other."""
    first, other = Small(), Small(5.0)
    first.save(tmp_path, 1)
    found = newest(tmp_path)
    assert found is not None
    meta = {name: torch.nn.Parameter(p.to("meta")) for name, p in other.parameters.items()}
    optimizer = torch.optim.AdamW(meta.values())
    found.restore(meta, optimizer)
    assert {v.device.type for s in optimizer.state.values() for v in s.values()} == {"meta"}


def test_nothing_there(tmp_path):
    assert newest(tmp_path / "none") is None
    (tmp_path / "step-x").mkdir()
    (tmp_path / "step-00000009").write_text("a file")
    assert newest(tmp_path) is None


def test_the_newest_are_kept(tmp_path):
    for step in (1, 5, 20, 100):
        Small().save(tmp_path, step, keep=3)
    assert names(tmp_path) == ["step-00000005", "step-00000020", "step-00000100"]
    Small().save(tmp_path, 101, keep=1)
    assert names(tmp_path) == ["step-00000101"]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


HARM: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "changed": flip,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", HARM)
def test_a_damaged_one_is_passed_by_and_said(tmp_path, name, how):
    for step in (3, 6):
        Small(float(step)).save(tmp_path, step)
    HARM[how](tmp_path / "step-00000006" / name)
    said: list[str] = []
    found = newest(tmp_path, said.append)
    assert found is not None and found.step == 3 and found.state == {"n": 3}
    # A marker that is changed may name a file that is not there, or another digest of one that is.
    first, _, rest = said[0].partition(" is damaged or missing; ")
    assert first.startswith("step-00000006: ") and rest == "going back to the checkpoint before it"
    assert len(said) == 1 and ((how, name) == ("changed", MARKER) or first.endswith(name))


@pytest.mark.parametrize(
    "text", ["null", "[]", "{}", '{"files": []}', '{"files": {"weights.safetensors": "0"}}', "\xff"]
)
def test_markers_of_anything(tmp_path, text):
    Small().save(tmp_path, 6)
    (tmp_path / "step-00000006" / MARKER).write_text(text, encoding="latin-1")
    said: list[str] = []
    assert newest(tmp_path, said.append) is None
    assert said == [
        f"step-00000006: {MARKER} is damaged or missing; going back to the checkpoint before it"
    ]


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_later_one_never_costs_a_good_one(tmp_path, keep):
    """With keep = 1 and steps compared alone, the damaged one would be the newest, and the good one old."""
    Small().save(tmp_path, 4)
    Small().save(tmp_path, 8)
    (tmp_path / "step-00000008" / MARKER).unlink()
    Small().save(tmp_path, 5, keep=keep)
    found = newest(tmp_path, lambda text: pytest.fail(text))
    assert found is not None and found.step == 5
    assert names(tmp_path) == ["step-00000004", "step-00000005"][2 - keep :]


def test_a_damaged_one_is_replaced_by_the_same_step(tmp_path):
    Small(1.0).save(tmp_path, 4)
    flip(tmp_path / "step-00000004" / WEIGHTS)
    Small(2.0).save(tmp_path, 4)
    assert newest(tmp_path, lambda text: pytest.fail(text)) is not None


def test_leftovers_are_swept_and_others_things_are_not_touched(tmp_path):
    Small().save(tmp_path, 4)
    (tmp_path / ".tmp-1-step-00000005").mkdir()
    (tmp_path / ".tmp-1-step-00000005" / WEIGHTS).write_text("half")
    (tmp_path / "mine").write_text("kept")
    sweep(tmp_path)
    assert names(tmp_path) == ["mine", "step-00000004"]
    discard(tmp_path)
    assert names(tmp_path) == ["mine"]
    (tmp_path / "mine").unlink()
    Small().save(tmp_path, 4)
    discard(tmp_path)
    assert not tmp_path.exists()
    discard(tmp_path)


# ---- a disk that is full


@pytest.mark.parametrize("room", [0, 50, 200, 400])
def test_on_a_full_disk_the_old_one_survives(tmp_path, room):
    """However much of it could be written."""
    Small(1.0).save(tmp_path, 4)
    with pytest.raises(ArtifactError) as caught, disk_with(room):
        Small(2.0).save(tmp_path, 8, keep=1)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path}: expected a folder that can be written, found ")
    assert (
        "File too large" in line and "MiB free); free space or give another run directory" in line
    )
    assert "\n" not in line
    assert names(tmp_path) == ["step-00000004"]
    found = newest(tmp_path, lambda text: pytest.fail(text))
    assert found is not None and found.step == 4


def test_a_training_on_a_full_disk_goes_on_when_there_is_room(tmp_path):
    given = data()
    settings = recipe(kind="full", checkpoint_every=2, validations=0)

    def begun():
        return trainable(settings, loaded(dtype=torch.float32))

    whole = begun()
    fit(whole, given, settings, tmp_path / "whole")
    folder = tmp_path / "full"
    calls = 0

    def fills(tokens: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:  # before the checkpoint of step 4
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    with pytest.raises(ArtifactError, match="a folder that can be written"), disk_with(1 << 40):
        fit(begun(), given, settings, folder, on_tokens=fills)
    assert names(folder / "checkpoints") == ["step-00000002"]
    again = begun()
    assert fit(again, given, settings, folder).resumed == 2
    ours, wanted = again.trained, whole.trained
    assert all(torch.equal(ours[name], wanted[name]) for name in wanted)
    assert records(folder) == records(tmp_path / "whole")
    assert not list(folder.rglob(".tmp-*"))


def test_where_nobody_can_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="a file where a folder is needed"):
        Small().save(tmp_path / "file", 1)


def test_killed_while_it_is_written(tmp_path):
    """At every call that makes a checkpoint count: the old one is whole, and the next start is clean."""
    Small(1.0).save(tmp_path / "begun", 4)
    calls = 0
    while True:
        calls += 1
        folder = tmp_path / str(calls)
        shutil.copytree(tmp_path / "begun", folder)
        pid = os.fork()
        if pid == 0:
            _dies_at(calls)
            Small(2.0).save(folder, 8)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sweep(folder)
        found = newest(folder, lambda text: pytest.fail(text))
        assert found is not None
        assert json.loads((found.folder / STATE).read_text()) == {"n": found.step}
        assert set(names(folder)) <= {"step-00000004", "step-00000008"}
        if code == 0:
            assert found.step == 8
            break
        assert code == -signal.SIGKILL
    assert calls > 6


def _dies_at(call: int) -> None:
    seen = 0

    def wrap(original):
        def counted(*args, **kwargs):
            nonlocal seen
            seen += 1
            if seen == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return counted

    os.fsync, os.replace = wrap(os.fsync), wrap(os.replace)
