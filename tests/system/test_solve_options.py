"""`mishran solve`: what each option promises, on a run and on a matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mishran.mixture import Mixture

MATRIX = "a,b,c\n1,0.5,0.2\n0.5,1,0.1\n0.2,0.1,1\n"


@pytest.fixture
def run(fitted: Path) -> Path:
    return fitted.parent / "runs" / "mix"


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_text(MATRIX)
    return path


@pytest.fixture
def solved(mishran, tmp_path):
    """Solve with options; the mixture that was written."""

    def solve(source: Path, *argv: Any) -> Mixture:
        out = tmp_path / "out.json"
        said = mishran("solve", source, *argv, "--out", out)
        assert said.code == 0, said.err
        return Mixture.read(out)

    return solve


def weights(*values: float) -> dict[str, float]:
    return {name: pytest.approx(value, abs=1e-9) for name, value in zip("abc", values, strict=True)}


def test_targets_values_and_strength_on_a_matrix(matrix, solved):
    """Minimisers by hand: with S = rows of MATRIX, p = S^-1 (u + mu 1) where all are positive."""
    s = np.array([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]])

    def interior(u: np.ndarray) -> np.ndarray:
        one = np.linalg.solve(s, np.ones(3))
        rest = np.linalg.solve(s, u)
        return rest + one * (1 - rest.sum()) / one.sum()

    u = 0.1 * s[:, [0, 2]].mean(axis=1)
    found = solved(matrix, "--target", "a", "--target", "c", "--strength", 0.1)
    assert found.weights == weights(*interior(u))
    assert found.parameters["targets"] == ["a", "c"] and found.parameters["strength"] == 0.1
    u = np.array([0.1, -0.05, 0.0])
    found = solved(matrix, "--value", "a=0.1", "--value", "b=-0.05", "--value", "c=0")
    assert found.weights == weights(*interior(u))
    assert found.parameters["values"] == {"a": 0.1, "b": -0.05, "c": 0.0}


def test_utility_and_back_to_the_dial_on_a_run(run, solved, mishran):
    found = solved(run, "--utility", "--strength", 0.5)
    assert found.parameters["unary"] == "utility" and found.parameters["targets"] == []
    assert found.parameters["strength"] == 0.5
    assert solved(run, "--utility", "--target", "exam").parameters["targets"] == ["exam"]
    assert mishran("solve", run, "--target", "capitals").code == 0
    assert Mixture.read(run / "mixture.json").parameters["unary"] == "target"
    again = solved(run, "--t", 0.5)
    assert again.parameters["unary"] == "coverage" and again.parameters["t"] == 0.5


def test_bounds_of_a_run_are_changed_one_by_one(run, solved):
    settings = Mixture.read(run / "mixture.json").parameters
    assert settings["floors"]
    (own, floor), *_ = settings["floors"].items()
    found = solved(run, "--floor", "capitals=0.4")
    assert found.parameters["floors"] == {own: floor, "capitals": 0.4}
    assert found.weights["capitals"] >= 0.4 - 1e-12
    free = solved(run, "--floor", f"{own}=0")
    assert free.parameters["floors"] == {}
    assert solved(run, "--floor", f"{own}=0", "--solution", "paper-clip").method.endswith("clip")


def test_the_slider_reaches_the_chosen_t(run, mishran):
    for t, end in ((0.3, 2.0), (4.5, 5.0), (1e4, 100.0)):
        assert mishran("solve", run, "--t", t, "--floor", "hindi=0.6").code == 0
        page = (run / "report.html").read_text()
        found = json.loads(page.split('id="dial-data">')[1].split("</script>")[0])["t"]
        assert len(found) == 101 and 1.0 in found and (found[0], found[-1]) == (0.0, end)
        assert ("lies beyond the right end" in page) == (t > 100)
        assert "if bounds allowed it" in page  # the floor holds at t = 1 too


def test_out_never_replaces_what_it_is_computed_from(run, matrix, refuses):
    for source, out in (
        (matrix, matrix),
        (run, run / "mixture.json"),
        (run, run / "manifests" / "mixture.json"),
    ):
        before = out.read_bytes()
        assert "a file of its own" in refuses("solve", source, "--t", 0.5, "--out", out)
        assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--strength", "2"], ("--strength", "--target, --value or --utility")),
        (["--value", "a=1", "--target", "b"], ("--value beside another",)),
        (["--value", "a=x", "--value", "b=1"], ("a number", "'x'")),
        (["--value", "a=1"], ("a value for every task", "b, c")),
        (["--value", "a=1", "--value", "a=2"], ("'a' twice",)),
        (["--target", "z"], ("'z'",)),
        (["--target", "a", "--t", "0.5"], ("only with the unary coverage",)),
        (["--utility"], ("a bare matrix", "mishran fit")),
        (["--side", "central"], ("effective_tasks beside side",)),
        (["--floor", "z=0"], ("'z'",)),
    ],
)
def test_options_that_cannot_be(matrix, refuses, argv, words):
    line = refuses("solve", matrix, *argv)
    assert all(word in line for word in words), line
