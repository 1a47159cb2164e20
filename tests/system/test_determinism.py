"""The same project in two fresh processes, with other hash seeds, in other folders: equal bytes."""

from __future__ import annotations

import json

from tiny_project import digests

# Files that may differ between two runs of one configuration. None does; name the reason if one must.
MAY_DIFFER: tuple[str, ...] = ()


def test_two_processes_give_equal_bytes(fitted_once, fitted_by_script):
    """PYTHONHASHSEED is 1 and 12345; the folders have other names and depths."""
    mix, _ = fitted_by_script
    first, second = (
        digests(fitted_once.parent / "runs" / "mix"),
        digests(mix.parent / "runs" / "mix"),
    )
    assert set(first) == set(second)
    assert {k for k in first if first[k] != second[k]} <= set(MAY_DIFFER)
    assert len(first) > 30
    for path in (mix.parent / "runs" / "mix").rglob("*"):
        assert not path.is_file() or str(mix.parent.parent).encode() not in path.read_bytes()


def test_the_base_of_an_adapter_is_named_as_in_the_configuration(fitted_once):
    run = fitted_once.parent / "runs" / "mix"
    config = json.loads((run / "specialists" / "sums" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "model"


def test_a_project_that_moved_has_nothing_to_do(fitted, fork_server):
    """Nothing is keyed by where the files are."""
    moved = fitted.parent.rename(fitted.parent.with_name("moved"))
    before = {p: p.stat().st_mtime_ns for p in (moved / "runs").rglob("*.npz")}
    said = fork_server.run(["fit", "mix.yaml"], moved)
    assert said.code == 0 and "training" not in said.err and "answering" not in said.err
    assert {p: p.stat().st_mtime_ns for p in (moved / "runs").rglob("*.npz")} == before
