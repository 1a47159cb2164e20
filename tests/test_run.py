"""The run directory: when a stage counts as done, what a half-written one leaves, who holds the lock."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mishran.errors import ArtifactError
from mishran.run import Run, Stage, atomic_write, canonical_json, sha256_tree

STAGE = Stage("part/one", 1, {"a": [1, 2.5], "b": None}, {"in": "0" * 64}, ("one.txt", "sub/"))


def make(folder: Path) -> dict:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "sub" / "deep" / "two.txt").write_text("two")
    return {"rounding": 0.5}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    assert run.complete(STAGE, make)
    return run


def test_a_finished_stage_is_not_made_again(run):
    assert run.state(STAGE) == "done"
    assert not run.complete(STAGE, lambda folder: pytest.fail("made again"))
    manifest = run.manifest(STAGE.name)
    assert manifest["recorded"] == {"rounding": 0.5}
    assert set(manifest["outputs"]) == {"one.txt", "sub/deep/two.txt"}
    assert not run.leftovers()


@pytest.mark.parametrize(
    "other",
    [
        replace(STAGE, version=2),
        replace(STAGE, params={"a": [1, 2.5], "b": 0}),
        replace(STAGE, inputs={"in": "1" * 64}),
        replace(STAGE, inputs={}),
    ],
)
def test_whatever_goes_in_changes_the_key(run, other):
    assert other.key != STAGE.key
    assert run.state(other) == "stale"
    said: list[str] = []
    assert run.complete(other, make, said.append)
    assert said == [] and run.state(other) == "done"


def test_order_of_keys_does_not_matter():
    turned = replace(STAGE, params={"b": None, "a": [1, 2.5]})
    assert turned.key == STAGE.key
    assert canonical_json({"b": 1, "a": "हिन्दी"}) == '{"a":"हिन्दी","b":1}'


@pytest.mark.parametrize("name", ["one.txt", "sub/deep/two.txt"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_damaged_output_is_made_again_and_said(run, name, how):
    path = run.path(name)
    path.unlink() if how == "gone" else path.write_text("!")
    assert run.state(STAGE) == "damaged" and run.verify(STAGE.name) == name
    with pytest.raises(ArtifactError, match=name):
        run.need(STAGE.name)
    said: list[str] = []
    assert run.complete(STAGE, make, said.append)
    assert said == [f"part/one: {name} is damaged or missing; computing it again"]
    assert run.state(STAGE) == "done"
    run.need(STAGE.name)


def test_every_flipped_byte_of_a_manifest_is_seen(run):
    """Except in what was recorded: no other place knows it."""
    path = run.manifest_path(STAGE.name)
    data = path.read_bytes()
    start = data.index(b'"recorded"')
    end = data.index(b"}", start)
    for i in [*range(start), *range(end, len(data))]:
        path.write_bytes(data[:i] + bytes([data[i] ^ (1 + i % 64)]) + data[i + 1 :])
        assert run.state(STAGE) in ("damaged", "stale"), (i, data[i : i + 1])
    path.write_bytes(data[: len(data) // 2])
    assert run.state(STAGE) == "damaged"


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"key": 1, "outputs": []}', "\xff", "[" * 99_999]
)
def test_manifests_of_anything(run, text):
    run.manifest_path(STAGE.name).write_text(text, encoding="latin-1")
    assert run.manifest(STAGE.name) is None
    assert run.state(STAGE) == "damaged"
    with pytest.raises(ArtifactError, match="a finished stage 'part/one'"):
        run.outputs(STAGE.name)


def test_outputs_that_the_manifest_does_not_list(run):
    """A manifest without them would make a stage done that has no files."""
    path = run.manifest_path(STAGE.name)
    data = json.loads(path.read_text())
    data["outputs"] = {}
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    assert run.state(STAGE) == "damaged"


def test_work_that_fails_leaves_nothing(tmp_path):
    run = Run(tmp_path / "run")

    def fails(folder: Path) -> None:
        make(folder)
        raise KeyError("ours")

    with pytest.raises(KeyError):
        run.complete(STAGE, fails)
    assert list(run.root.iterdir()) == []
    assert run.state(STAGE) == "missing"


def test_a_stage_that_is_made_again_drops_old_files_of_its_folder(run):
    def fewer(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "one.txt").write_text("1")
        (folder / "sub" / "other.txt").write_text("2")

    run.complete(replace(STAGE, version=2), fewer)
    assert set(sha256_tree(run.path("sub"))) == {"other.txt"}


def test_failed_writes_are_help(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError) as caught:
        atomic_write(tmp_path / "file" / "x", "text")
    assert "it resumes" in str(caught.value) and "a file where a folder is needed" in str(
        caught.value
    )
    with pytest.raises(ArtifactError, match="a folder that can be written"):
        Run(tmp_path / "file").complete(STAGE, make)


def test_an_input_that_cannot_be_read_is_named(tmp_path):
    """And is not called a run directory that cannot be written."""
    run, gone = Run(tmp_path / "run"), tmp_path / "adapter.safetensors"

    def reads(folder: Path) -> None:
        make(folder)
        gone.read_bytes()

    with pytest.raises(ArtifactError) as caught:
        run.complete(STAGE, reads)
    line = str(caught.value)
    assert line.startswith(f"{gone}: expected a file that can be read, found No such file")
    assert "it resumes" in line and "can be written" not in line
    assert list(run.root.iterdir()) == []


@pytest.mark.parametrize("name", [None, "sub/x"])
def test_a_write_that_fails_inside_a_stage(tmp_path, name):
    """With the name of a file that was being made, or with none, as on a full disk."""
    run = Run(tmp_path / "run")

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device", name and str(folder / name))

    with pytest.raises(ArtifactError, match=r"can be written, found No space left on device \("):
        run.complete(STAGE, full)


def test_every_output_is_hashed_once(run, monkeypatch):
    import mishran.run

    hashed: list[str] = []
    original = mishran.run.sha256_file
    monkeypatch.setattr(
        mishran.run, "sha256_file", lambda path: (hashed.append(path.name), original(path))[1]
    )
    assert not run.complete(STAGE, make)
    assert sorted(hashed) == ["one.txt", "two.txt"]


def test_atomic_write_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "a"
    atomic_write(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        atomic_write(path, "new")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_lock(run):
    busy = pytest.raises(ArtifactError, match="another mishran process at work")
    with run.locked(), busy, run.locked():
        pass
    with run.locked():
        pass


def test_sweep_deletes_leftovers_and_follows_no_link(run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    (run.root / ".tmp-1-link").symlink_to(outside)
    (run.root / ".tmp-99999999999999999999-x" / "sub").mkdir(parents=True)
    (run.root / "sub" / ".tmp-2-file").write_text("")
    assert run.sweep() == 3
    assert (outside / "kept").exists() and not run.leftovers()
    assert run.path("one.txt").exists()


def test_files_of_a_stage_stay_in_the_run(run, tmp_path):
    (tmp_path / "precious").write_text("")
    path = run.manifest_path(STAGE.name)
    data = json.loads(path.read_text())
    data["outputs"]["../precious"] = data["outputs"][str(tmp_path / "precious")] = "0" * 64
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    files = {p.name for p in run.stage_files(STAGE.name)}
    assert files == {"one.txt", "two.txt"}
