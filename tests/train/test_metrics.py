"""Records of training: lines of a killed process, TensorBoard read back, other people's sinks."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from training_cases import data, disk_with, fit, recipe, trainable

from mishran.errors import ArtifactError, ConfigError, DependencyError
from mishran.train import metrics
from mishran.train.metrics import JsonLines, Record, Sink, TensorBoard, sinks_for


def record(step: int, kind: str = "train", loss: float = 2.5) -> Record:
    return Record(step, 10 * step, kind, {"loss": loss, "learning_rate": 0.1}, {"a": 1.0, "ब": 4.0})


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_is_a_line(tmp_path):
    path = tmp_path / "deep" / "metrics.jsonl"
    sink = JsonLines(path)
    sink.write(record(3))
    assert lines(path) == [  # before it is closed: whoever watches sees it at once
        {"kind": "train", "step": 3, "tokens": 30, "loss": 2.5, "learning_rate": 0.1}
        | {"tasks": {"a": 1.0, "ब": 4.0}}
    ]
    sink.close()


def test_rewinding_forgets_what_came_later(tmp_path):
    path = tmp_path / "metrics.jsonl"
    sink = JsonLines(path)
    for step in range(6):
        sink.write(record(step))
    sink.rewind(3)
    sink.write(record(4, loss=9.0))
    sink.close()
    assert [(x["step"], x["loss"]) for x in lines(path)] == [
        *((i, 2.5) for i in range(4)),
        (4, 9.0),
    ]
    again = JsonLines(path)
    again.rewind(-1)
    again.close()
    assert path.read_text() == "" and [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("tail", ['{"kind": "train", "st', '{"step": 2}', "\0\0\0", "\n", "[]\n"])
def test_half_a_line_of_a_killed_process_is_forgotten(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    sink = JsonLines(path)
    sink.write(record(1))
    sink.close()
    whole = path.read_bytes()
    path.write_bytes(whole + tail.encode() + b"\xff\xfe")
    again = JsonLines(path)
    again.rewind(5)
    again.write(record(2))
    again.close()
    assert [x["step"] for x in lines(path)] == [1, 2]


def test_records_that_cannot_be_written(tmp_path):
    sink = JsonLines(tmp_path / "metrics.jsonl")
    with pytest.raises(ArtifactError, match="a folder that can be written"), disk_with(20):
        sink.write(record(1))
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="a file where a folder is needed"):
        JsonLines(tmp_path / "file" / "metrics.jsonl")


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_tensorboard_reads_what_was_written(tmp_path):
    """And after a rewind, what was written of later steps is purged."""
    sink = TensorBoard(tmp_path)
    for step in (1, 2, 3):
        sink.write(record(step))
    sink.write(record(3, "valid", loss=1.5))
    sink.close()
    found = events(tmp_path / "tensorboard")
    assert found["train/loss"] == [(1, 2.5), (2, 2.5), (3, 2.5)]
    assert found["valid/loss"] == [(3, 1.5)] and found["train-loss/ब"] == [
        (i, 4.0) for i in (1, 2, 3)
    ]
    again = TensorBoard(tmp_path)
    again.rewind(1)
    again.write(record(2, loss=7.0))
    again.close()
    assert events(tmp_path / "tensorboard")["train/loss"] == [(1, 2.5), (2, 7.0)]


def test_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DependencyError) as caught:
        sinks_for(tmp_path, ["tensorboard"])
    assert str(caught.value) == (
        "train.metrics: expected the package tensorboard, found it is not installed; "
        'pip install "mishran[tensorboard]"'
    )


class Kept:
    """Somebody's sink."""

    made: list[Kept]

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen, self.closed = folder, [], False
        type(self).made = [self]

    def write(self, one: Record) -> None:
        self.seen.append(one)

    def rewind(self, step: int) -> None:
        self.seen = [one for one in self.seen if one.step <= step]

    def close(self) -> None:
        self.closed = True


def offer(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    points = [EntryPoint(name, f"{__name__}:Kept", metrics.GROUP) for name in names]
    monkeypatch.setattr(metrics, "entry_points", lambda group: points)


def test_sinks_by_the_name_of_an_entry_point(tmp_path, monkeypatch):
    offer(monkeypatch, "ours")
    found: list[Sink] = sinks_for(tmp_path, ["ours"])
    assert [type(sink).__name__ for sink in found] == ["JsonLines", "Kept"]
    given, settings = data(rows=12), recipe()
    fit(trainable(settings), given, settings, sinks=found)
    (kept,) = Kept.made
    assert kept.folder == tmp_path and kept.closed and [one.step for one in kept.seen] == [1, 2]
    written = [x["loss"] for x in lines(tmp_path / "metrics.jsonl")]
    assert written == [one.values["loss"] for one in kept.seen]


def test_names_that_nobody_offers(tmp_path, monkeypatch):
    offer(monkeypatch, "ours")
    with pytest.raises(ConfigError) as caught:
        sinks_for(tmp_path, ["ours", "wandb"])
    assert str(caught.value) == (
        "train.metrics: expected metrics among ours, tensorboard, found 'wandb'; correct it, or install "
        "the package that offers it (entry points mishran.metrics)"
    )
    assert not (tmp_path / "metrics.jsonl").exists()
