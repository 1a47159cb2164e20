"""kill -9 at any point, then the same command: bit-identical to a run that was never killed.

Two ways: the parent watches the run directory and kills while a stage works; or the process kills
itself at its k-th call of os.replace, os.fsync or os.unlink, that is, between any two writes.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_project import digests, make_project

FIT = ["fit", "mix.yaml", "--quiet"]
# What is there while a stage works.
AT_WORK: dict[str, str] = {
    "specialists": ".tmp-*-specialists-turned",
    "pool": ".tmp-*-pool-sums",
    "join": ".tmp-*-pool",
    "affinity": ".tmp-*-affinity-jsd",
    "mixture": ".tmp-*-mixture",
    "report": ".tmp-*-report",
}


@pytest.fixture
def never_killed(fitted_once: Path) -> dict[str, str]:
    return digests(fitted_once.parent / "runs" / "mix")


def resumes(server, mix: Path, expected: dict[str, str]) -> str:
    said = server.run(["fit", "mix.yaml"], mix.parent)
    assert said.code == 0, said
    assert digests(mix.parent / "runs" / "mix") == expected
    return said.err


def there(run: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(run.glob(pattern))


@pytest.mark.parametrize(
    "stage",
    [
        s if s in ("specialists", "pool") else pytest.param(s, marks=pytest.mark.full)
        for s in AT_WORK
    ],
)
def test_killed_while_a_stage_works(project, fork_server, never_killed, stage):
    run = project.parent / "runs" / "mix"
    said = fork_server.run(FIT, project.parent, kill_when=there(run, AT_WORK[stage]))
    assert said.code == -signal.SIGKILL
    done = {p.stem for p in (run / "manifests").rglob("*.json")}
    news = resumes(fork_server, project, never_killed)
    if stage == "specialists":
        assert {"capitals", "capitals_hi", "sums"} <= done
        assert "training specialists (1,600 tokens)" in news  # the wave again, for the last of it
    else:
        assert "training" not in news


def killed_at(server, mix: Path, k: int) -> bool:
    """Whether the process lived long enough for its k-th write."""
    code = server.run(FIT, mix.parent, kill=k).code
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.parametrize("k", [30, 75])
def test_killed_between_two_writes(project, fork_server, never_killed, k):
    assert killed_at(fork_server, project, k)
    resumes(fork_server, project, never_killed)


@pytest.mark.full
def test_killed_again_and_again(project, fork_server, never_killed):
    """A few more writes each time, enough for one stage, until one lives."""
    times = 0
    while killed_at(fork_server, project, 40):
        times += 1
        assert times < 60, "no progress between kills"
    assert times > 2
    resumes(fork_server, project, never_killed)


@pytest.mark.full
def test_killed_at_every_write(tmp_path, tiny_model, fork_server, never_killed):
    k = 0
    while True:
        k += 1
        mix = make_project(tmp_path / str(k), tiny_model)
        if not killed_at(fork_server, mix, k):
            break
        resumes(fork_server, mix, never_killed)
    assert k > 80


@pytest.mark.full
def test_killed_while_solving_again(fitted, fork_server, never_killed):
    """`solve` replaces a mixture: whatever is there after the kill, `fit` restores what it says."""
    k = 0
    while True:
        k += 1
        code = fork_server.run(["solve", "runs/mix", "--t", "0.2"], fitted.parent, kill=k).code
        resumes(fork_server, fitted, never_killed)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert k > 5
