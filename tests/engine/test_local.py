"""Jobs in real processes: what they answer, and every way in which a worker can end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mishran.engine.local import Done, run_jobs

HERE = {"PYTHONPATH": str(Path(__file__).parent)}


def run(jobs: Sequence[Any], workers: int = 2, **setup: Any) -> tuple[list[Done], list[float]]:
    """Answers by index, and what was reported."""
    reported: list[float] = []
    environments = [{**HERE, "ODD": str(i)} for i in range(workers)]
    found = list(
        run_jobs("odd_jobs", {"name": "s", **setup}, jobs, workers, environments, reported.append)
    )
    return sorted(found, key=lambda done: done.index), reported


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pids: Sequence[int], within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while any(map(alive, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("workers", [1, 3])
def test_every_job_is_done_once_whoever_does_it(workers):
    """Though the worker, its libraries and its children print before, between and without line ends."""
    found, reported = run(range(7), workers)
    answers = [Done(i, {"twice": 2 * i, "setup": "s", "text": "हिन्दी\n"}) for i in range(7)]
    assert found == answers
    assert sorted(reported) == sorted(float(i) for i in range(7) for _ in range(3))


def test_what_workers_print_is_on_stderr(capfd):
    run([1], 1)
    said = capfd.readouterr()
    assert said.out == ""
    for part in ("while it is imported", "below Python", "while it works", "so do its children"):
        assert part in said.err


def test_no_jobs_and_more_workers_than_jobs():
    assert run([])[0] == []
    assert [d.answer for d in run(["environment"], 5)[0]] == ["0"]


def test_workers_are_kept_from_job_to_job():
    found, _ = run(["pid"] * 6, 2)
    assert 1 <= len({done.answer for done in found}) <= 2


def test_a_job_that_fails_is_an_answer_and_its_worker_goes_on():
    found, _ = run(["pid", "fail", "pid"], 1)
    assert found[1] == Done(1, failed="job 1: expected a job, found none; give another one")
    assert found[0].answer == found[2].answer


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("kill", "its process ended with signal 9 (out of memory?)"),
        ("exit", "its process ended with exit code 7, see above"),
        ("bug", "its process ended with exit code 1, see above"),
    ],
)
def test_a_worker_that_dies_fails_its_job_and_is_replaced(how, said, capfd):
    found, _ = run(["pid", how, "pid", how, "pid"], 1)
    assert [d.failed for d in found] == ["", said, "", said, ""]
    pids = [found[i].answer for i in (0, 2, 4)]
    assert len(set(pids)) == 3 and gone(pids)
    assert ("KeyError: 'ours'" in capfd.readouterr().err) == (how == "bug")


def test_a_worker_that_dies_while_it_starts_is_tried_again(tmp_path):
    found, _ = run([1, 2], 1, die=str(tmp_path / "tries"), times=1)
    assert [d.answer["twice"] for d in found] == [2, 4]
    assert (tmp_path / "tries").read_text() == "xx"


def test_workers_that_never_start_fail_all_jobs(tmp_path):
    found, _ = run([1, 2, 3], 1, die=str(tmp_path / "tries"))
    assert [d.failed for d in found] == ["the worker process died while it was starting"] * 3
    assert (tmp_path / "tries").read_text() == "xx"


def test_a_module_that_is_not_there(capfd):
    (done,) = run_jobs("no_such_module", {}, [1], 1, [HERE])
    assert done.failed == "the worker process died while it was starting"
    assert "No module named no_such_module" in capfd.readouterr().err


def test_a_setup_that_is_refused_fails_all_jobs():
    found, _ = run([1, 2, 3], 2, refuse=True)
    assert {d.failed for d in found} == {"setup: expected a setup, found none; write one"}
    assert [d.index for d in found] == [0, 1, 2]


@pytest.mark.parametrize("how", ["refuse", "die"])
def test_one_worker_that_cannot_start_leaves_its_jobs_to_the_others(how, capfd):
    environments = [{**HERE, "AT_START": how}, HERE]
    answers = run_jobs("odd_jobs", {"name": "s"}, ["slow", 1, 2, 3], 2, environments)
    found = sorted(answers, key=lambda done: done.index)
    assert [d.failed for d in found] == [""] * 4
    assert [d.answer["twice"] for d in found[1:]] == [2, 4, 6]
    assert "mishran: 1 of 2 workers could not start: " in capfd.readouterr().err


def test_a_job_that_is_no_json_is_our_mistake():
    """And not a wait for ever."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        run([{1, 2}], 1)


def test_whoever_stops_asking_ends_the_workers(tmp_path):
    pids = tmp_path / "pids"
    setup = {"name": "s", "pids": str(pids)}
    answers = run_jobs("odd_jobs", setup, [1, "sleep", "sleep"], 2, [HERE, HERE])
    assert next(answers).answer["twice"] == 2
    while not pids.exists() or not pids.read_text().endswith("\n"):
        time.sleep(0.01)
    answers.close()
    assert gone([int(pid) for pid in pids.read_text().split()])


_PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the suite runs in the background
from mishran.engine.local import run_jobs
here, pids = {"PYTHONPATH": sys.argv[1]}, sys.argv[2]
list(run_jobs("odd_jobs", {"name": "s", "pids": pids}, ["sleep", "sleep"], 2, [here, here]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_whoever_started_them(tmp_path, how):
    """SIGKILL runs nothing of ours; an interrupt of the terminal goes to the workers as well."""
    pids = tmp_path / "pids"
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, HERE["PYTHONPATH"], str(pids)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not pids.exists() or pids.read_text().count("\n") < 2:
        assert parent.poll() is None
        time.sleep(0.01)
    workers = [int(pid) for pid in pids.read_text().split()]
    assert all(map(alive, workers))
    os.killpg(parent.pid, how) if how == signal.SIGINT else os.kill(parent.pid, how)
    parent.wait(20)
    assert gone(workers)
    said = parent.stderr.read()
    assert said.count("Traceback") == (
        how == signal.SIGINT
    )  # of the parent, not one of each worker
