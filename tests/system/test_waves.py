"""Waves: recorded before training, kept when tasks come, the same after an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_project import digests, rows, settings, write_mix, write_rows

import mishran.pipeline.specialists as training
from mishran.pipeline.waves import Wave, kept, split, wave_of, whole, without

NAMES = ["capitals", "capitals_hi", "sums", "turned"]


@pytest.fixture
def run(fitted: Path) -> Path:
    return fitted.parent / "runs" / "mix"


def waves(run: Path) -> list[list[str]]:
    return [list(w["members"]) for w in json.loads((run / "waves.json").read_text())]


@pytest.fixture
def small_waves(monkeypatch) -> None:
    """Memory for two specialists at a time."""
    real = training.size_waves

    def two(*args, **more):
        sizing = real(*args, **more)
        return type(sizing)(**{**vars(sizing), "slots": 2})

    monkeypatch.setattr(training, "size_waves", two)


def test_a_new_task_forms_a_wave_and_the_others_keep_theirs(fitted, run, mishran) -> None:
    assert waves(run) == [NAMES]
    before = digests(run)
    write_rows(fitted.parent / "data" / "more.jsonl", rows("sums", train=30))
    tasks = settings()["tasks"]
    more = {**tasks[2], "name": "more", "path": "data/more.jsonl"}
    write_mix(fitted.parent, settings() | {"tasks": [*tasks, more]})
    assert mishran("fit", fitted, "-q").code == 0
    assert waves(run) == [NAMES, ["more"]]
    after = digests(run)
    same = [f for f in before if f.startswith(("specialists/", "manifests/specialists/"))]
    assert same and all(before[f] == after[f] for f in same)


def test_a_task_whose_data_changed_leaves_its_wave(fitted, run, mishran) -> None:
    before = digests(run)
    write_rows(fitted.parent / "data" / "sums.jsonl", rows("sums", train=20))
    assert mishran("fit", fitted, "-q").code == 0
    assert waves(run) == [NAMES, ["sums"]]
    after = digests(run)
    changed = {
        f.split("/")[1] for f in before if f.startswith("specialists/") and before[f] != after[f]
    }
    assert changed == {"sums"}


def test_waves_are_of_about_equal_size_and_the_run_is_done(project, mishran, small_waves) -> None:
    run = project.parent / "runs" / "mix"
    assert mishran("fit", project, "-q").code == 0
    assert waves(run) == [NAMES[:2], NAMES[2:]]
    said = mishran("fit", project)
    assert said.code == 0 and "training" not in said.err


def test_killed_between_waves_the_second_is_trained_alone(
    project, mishran, small_waves, monkeypatch
) -> None:
    run = project.parent / "runs" / "mix"
    real, trained = training.fit_specialists, []

    def watched(trainees, *args, **kwargs):
        trained.append([t.task for t in trainees])
        if trained == [NAMES[:2], NAMES[2:]]:
            raise KeyboardInterrupt
        return real(trainees, *args, **kwargs)

    monkeypatch.setattr(training, "fit_specialists", watched)
    assert mishran("fit", project, "-q").code not in (0, 2)
    recorded = (run / "waves.json").read_bytes()
    monkeypatch.setattr(training, "size_waves", None)  # what was planned is not planned again
    assert mishran("fit", project, "-q").code == 0
    assert trained[2:] == [NAMES[2:]]
    assert (run / "waves.json").read_bytes() == recorded


def out_of_memory(monkeypatch, wave: list[str], error: RuntimeError) -> list[list[str]]:
    """Let memory run out in the training of a wave; the waves that are trained from here on."""
    real, trained = training.fit_specialists, []

    def ends(trainees, *args, **kwargs):
        trained.append([t.task for t in trainees])
        if trained[-1] == wave:
            raise error
        return real(trainees, *args, **kwargs)

    monkeypatch.setattr(training, "fit_specialists", ends)
    return trained


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_a_wave_that_does_not_fit_is_planned_anew(
    project, mishran, refuses, small_waves, monkeypatch, error
) -> None:
    """As where a run goes on with a smaller card: what is written is kept, with its wave."""
    run = project.parent / "runs" / "mix"
    trained = out_of_memory(monkeypatch, NAMES[2:], error)
    line = refuses("fit", project, "-q")
    assert line.startswith(
        "mishran: specialists: expected memory to train 2 specialists at once in batches of 1,024 tokens, "
        f"found too little ({error}); run the same command again: what is written is kept"
    )
    assert waves(run) == [NAMES[:2]]
    before = digests(run)
    one_less = training.size_waves  # memory for one at a time

    def one(*args, **more):
        return type(found := one_less(*args, **more))(**{**vars(found), "slots": 1})

    monkeypatch.setattr(training, "size_waves", one)
    assert mishran("fit", project, "-q").code == 0
    assert trained == [NAMES[:2], NAMES[2:], NAMES[2:3], NAMES[3:]]
    assert waves(run) == [NAMES[:2], NAMES[2:3], NAMES[3:]]
    kept_files = [f for f in before if f.startswith("specialists/")]
    assert kept_files and all(before[f] == digests(run)[f] for f in kept_files)


def test_one_that_was_lost_from_a_wave_that_does_not_fit_is_trained_alone(
    fitted, run, mishran, refuses, monkeypatch
) -> None:
    before = digests(run)
    (run / "specialists/sums/adapter_model.safetensors").unlink()
    trained = out_of_memory(monkeypatch, NAMES, torch.OutOfMemoryError("CUDA out of memory"))
    refuses("fit", fitted, "-q")
    assert mishran("fit", fitted, "-q").code == 0
    assert trained == [NAMES, ["sums"]] and waves(run) == [NAMES, ["sums"]]
    others = [f for f in before if f.startswith("specialists/") and "/sums/" not in f]
    assert all(before[f] == digests(run)[f] for f in others)


def test_other_errors_of_torch_forget_nothing(project, mishran, monkeypatch) -> None:
    trained = out_of_memory(monkeypatch, NAMES, RuntimeError("sizes of tensors must match"))
    with pytest.raises(RuntimeError, match="sizes of tensors"):
        mishran("fit", project, "-q")
    assert trained == [NAMES] == waves(project.parent / "runs" / "mix")


def test_a_file_of_waves_that_is_damaged_is_made_again(fitted, run, mishran) -> None:
    """Without it nobody knows how the specialists came to be: they are trained again."""
    before = digests(run)
    (run / "waves.json").write_text("[{]")
    assert mishran("fit", fitted, "-q").code == 0
    assert digests(run) == before


def test_a_run_that_only_has_its_waves_goes_on(fitted, run, mishran) -> None:
    before = digests(run)
    for path in sorted(run.rglob("*"), reverse=True):
        if path.is_file() and path.name != "waves.json":
            path.unlink()
        elif path.is_dir():
            path.rmdir()
    assert mishran("fit", fitted, "-q").code == 0
    assert digests(run) == before


def test_waves_as_values() -> None:
    keys = {name: f"key of {name}" for name in NAMES}
    cut = split(NAMES, keys, 3, 512)
    assert [list(w.members) for w in cut] == [NAMES[:2], NAMES[2:]] and cut[0].tokens == 512
    assert [len(w.members) for w in split(NAMES, keys, 1, 512)] == [1] * 4
    first = cut[0]
    assert wave_of(cut, "capitals", keys["capitals"]) is first
    assert wave_of(cut, "capitals", "another") is None
    assert whole(first, keys) and not whole(first, {**keys, "capitals": "another"})
    (forgotten, _) = without(cut, ["capitals"])
    assert forgotten.name == first.name and not whole(forgotten, keys)
    assert kept([first], {**keys, "capitals": "x"}) == (first,) and kept([first], {}) == ()
    assert Wave(first.members, 256).name != first.name
