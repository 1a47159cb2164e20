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
        assert len(found) >= 101 and 1.0 in found and (found[0], found[-1]) == (0.0, end)
        assert found == sorted(found)  # the slider's 101 values, and the breakpoints between
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


def share_of_tokens(found: Mixture, run: Path, group: str) -> float:
    facts = {f["name"]: f for f in json.loads((run / "tasks.json").read_text())}
    tokens = {t.name: t.weight * facts[t.name]["mean_tokens"] for t in found.tasks}
    inside = sum(tokens[t.name] for t in found.tasks if group in t.groups)
    return inside / sum(tokens.values())


def test_quotas_and_limits_of_a_run(run, solved, refuses):
    free = solved(run)
    least = share_of_tokens(free, run, "skills") + 0.1
    found = solved(run, "--quota", f"skills={least:.3f}")
    assert share_of_tokens(found, run, "skills") == pytest.approx(round(least, 3), abs=1e-9)
    assert found.certificate.floors["skills tokens"] > 0
    assert found.parameters["quotas"] == {"skills": {"unit": "tokens", "min": round(least, 3)}}
    assert "quotas" not in free.parameters and "limits" not in free.parameters
    facts = {f["name"]: f["mean_tokens"] for f in json.loads((run / "tasks.json").read_text())}
    mean = sum(t.weight * facts[t.name] for t in free.tasks)
    found = solved(run, "--limit", f"length: tokens <= {mean - 0.5}")
    assert sum(t.weight * facts[t.name] for t in found.tasks) == pytest.approx(mean - 0.5)
    assert found.certificate.caps["length"] > 0
    bounds = ["--floor", "hindi=0", "--quota", "skills=0.9", "--quota", "facts=0.2"]
    line = refuses("solve", run, *bounds)
    assert "quotas.skills.min = 0.9, quotas.facts.min = 0.2" in line
    assert "quotas.skills.min is 0.8, or the largest feasible quotas.facts.min is 0.1" in line
    line = refuses("solve", run, "--limit", "cots: off")
    assert "expected a limit that the run has, found 'cots'" in line
    assert "'skils'; did you mean 'skills'?" in refuses("solve", run, "--quota", "skils=0.9")


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (
            ["--quota", "a=0.2"],
            "mixture.quotas.a: expected the sizes of the tasks, to count tokens, found a bare "
            "matrix; solve a run that `mishran fit` made, or give a limit with a number per task",
        ),
        (
            ["--limit", "cost: 3*a + 5*bb <= 4"],
            "mixture.limits.cost: expected the name of a task (a, b, c), found 'bb'; did you mean "
            "'b'?",
        ),
        (
            ["--limit", "cost: 3*a + 3*b + 3*c <= 2"],
            "mixture: expected bounds that some mixture satisfies, found limits.cost.max = 2; the "
            "smallest feasible limits.cost.max is 3",
        ),
        (
            ["--limit", "a: b <= 0.5"],
            "mixture.limits.a: expected a name of its own for the row, found 'a', which is a "
            "group, a task or another row; rename the row",
        ),
        (
            ["--limit", "cost: off"],
            "--limit cost: expected NAME: off with a run directory only, found a matrix, {matrix}, "
            "which has no limits; leave it out",
        ),
        (
            ["--limit", "cost: a <= 0.5", "--solution", "paper-clip"],
            "mixture.solution: expected no floors, caps, quotas, limits or max_epochs beside the "
            "paper's closed form, which knows the simplex only, found cost; use solution: exact, "
            "or remove them",
        ),
    ],
)
def test_bounds_that_a_matrix_cannot_have(matrix, refuses, argv, line):
    said = refuses("solve", matrix, *argv)
    assert said.strip() == "mishran: " + line.replace("{matrix}", str(matrix))


def test_a_limit_on_a_matrix(matrix, solved):
    found = solved(matrix, "--limit", "cost: 3*a + 5*b <= 1", "--t", 1)
    assert 3 * found.weights["a"] + 5 * found.weights["b"] == pytest.approx(1)
    assert found.certificate.caps["cost"] > 0
