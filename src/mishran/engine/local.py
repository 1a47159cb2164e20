"""Jobs in processes of this machine: JSON in, JSON out, a line each.

A worker is a module that is run with `python -m` and calls `serve`. It is told the setup once, then one
job after another, so that what is dear to load is loaded once. A job that fails is an answer; a worker
that dies (out of memory, say) fails its job and is replaced. One that cannot start leaves its jobs to the
others; where none can, what is left fails. Workers end when whoever started them ends,
however that comes about. Answers have a pipe of their own: what a worker prints goes to stderr.

When to use: jobs of seconds to hours that do not talk to each other. Trade-off: values are JSON, large
results belong into files.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, TextIO

from mishran.errors import MishranError

TRIES = 2  # workers in a row that may die while they start
ANSWERS = "MISHRAN_ANSWERS"  # variable with the number of the pipe that a worker answers on


@dataclass(frozen=True)
class Done:
    """Job number `index` and what came of it: an answer, or the one line of an error."""

    index: int
    answer: Any = None
    failed: str = ""


def run_jobs(
    module: str,
    setup: Any,
    jobs: Sequence[Any],
    workers: int,
    environments: Sequence[Mapping[str, str]] = (),
    on_progress: Callable[[float], None] = lambda amount: None,
) -> Iterator[Done]:
    """Run all jobs, each once; answers come as they are ready.

    Args:
        module: name of the worker's module.
        setup: JSON value that every worker is told first.
        environments: further variables of each worker, one mapping per worker.
        on_progress: called with the amounts that workers report.
    """
    waiting: Queue[int] = Queue()
    for index in range(len(jobs)):
        waiting.put(index)
    events: Queue[Done | float | _Lost | Exception] = Queue()
    hands = [
        _Hand(module, setup, jobs, waiting, events, dict(environments[i]) if environments else {})
        for i in range(max(1, min(workers, len(jobs))))
    ]
    try:
        for hand in hands:
            hand.start()
        left = len(jobs)
        lost: list[str] = []
        while left:
            event = events.get()
            if isinstance(event, Done):
                left -= 1
                yield event
            elif isinstance(event, _Lost):
                lost.append(event.why)
                if len(lost) == len(hands):
                    for index in _drained(waiting):
                        events.put(Done(index, failed=event.why))
            elif isinstance(event, Exception):
                raise event
            else:
                on_progress(event)
        if 0 < len(lost) < len(hands):
            told = f"{len(lost)} of {len(hands)} workers could not start: {lost[0]}"
            print(f"mishran: {told}", file=sys.stderr)
    finally:
        for hand in hands:
            hand.stop()


@dataclass(frozen=True)
class _Lost:
    """A hand without a worker, for good."""

    why: str


def _drained(waiting: Queue[int]) -> Iterator[int]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


class _Hand(threading.Thread):
    """Feeds one worker, and replaces it when it dies."""

    def __init__(
        self,
        module: str,
        setup: Any,
        jobs: Sequence[Any],
        waiting: Queue[int],
        events: Queue[Done | float | _Lost | Exception],
        environment: dict[str, str],
    ) -> None:
        super().__init__(daemon=True)
        self._command = [sys.executable, "-m", module]
        self._setup, self._jobs, self._waiting, self._events = setup, jobs, waiting, events
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._lost = ""

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # whoever waits would wait for ever
            self._events.put(error)

    def _work(self) -> None:
        deaths = 0
        while not (self._stopped or self._lost or self._waiting.empty()):
            deaths = 0 if self._serve() else deaths + 1
            if deaths == TRIES:
                self._lost = "the worker process died while it was starting"
        if self._lost:
            self._events.put(_Lost(self._lost))

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _serve(self) -> bool:
        """Start a worker and give it jobs until there are none or it dies; whether it started."""
        reading, writing = os.pipe()
        with open(reading, encoding="utf-8") as answers:
            try:
                process = self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=2,
                    pass_fds=(writing,),
                    text=True,
                    env={**self._environment, ANSWERS: str(writing)},
                )
            finally:
                os.close(writing)
            assert process.stdin is not None
            try:
                return self._feed(process, answers)
            finally:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
                process.wait()

    def _feed(self, process: subprocess.Popen[str], answers: TextIO) -> bool:
        _say(process.stdin, self._setup)
        said = _read(answers)
        if said is None:
            return False
        if "failed" in said:
            self._lost = said["failed"]
            return True
        while not self._stopped:
            try:
                index = self._waiting.get_nowait()
            except Empty:  # others took the rest
                break
            done = self._one(process, answers, index)
            self._events.put(done or Done(index, failed=_death(process)))
            if done is None:
                break
        return True

    def _one(self, process: subprocess.Popen[str], answers: TextIO, index: int) -> Done | None:
        """A job, None where the worker died of it."""
        _say(process.stdin, self._jobs[index])
        while (said := _read(answers)) is not None:
            if "progress" in said:
                self._events.put(float(said["progress"]))
            elif "failed" in said:
                return Done(index, failed=said["failed"])
            else:
                return Done(index, said["answer"])
        return None


def serve(
    begin: Callable[[Any], Any], work: Callable[[Any, Any, Callable[[float], None]], Any]
) -> None:
    """The worker's side: read the setup, then jobs, from stdin, and answer.

    Args:
        begin: the setup -> whatever jobs need.
        work: that, a job and a function to report progress with -> a JSON value.
    """
    number = int(os.environ.pop(ANSWERS))
    os.set_inheritable(number, False)
    answers = open(number, "w", encoding="utf-8")  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for whoever started us
    _end_with(os.getppid())
    setup = sys.stdin.readline()
    if not setup:
        return
    try:
        ready = begin(json.loads(setup))
    except MishranError as error:
        _say(answers, {"failed": str(error)})
        return
    _say(answers, {"answer": "ready"})
    for line in sys.stdin:
        try:
            answer = work(ready, json.loads(line), lambda amount: _report(answers, amount))
            _say(answers, {"answer": answer})
        except MishranError as error:
            _say(answers, {"failed": str(error)})


def _report(answers: TextIO, amount: float) -> None:
    _say(answers, {"progress": amount})


def _end_with(parent: int) -> None:
    """End this process when that one has."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _death(process: subprocess.Popen[str]) -> str:
    """How a process ended."""
    code = process.wait()
    if code >= 0:
        return f"its process ended with exit code {code}, see above"
    memory = " (out of memory?)" if code == -signal.SIGKILL else ""
    return f"its process ended with signal {-code}{memory}"


def _say(stream: Any, value: Any) -> None:
    """A line; a reader that has died is seen when it does not answer."""
    with contextlib.suppress(BrokenPipeError):
        stream.write(json.dumps(value) + "\n")
        stream.flush()


def _read(stream: TextIO) -> dict[str, Any] | None:
    """The next line, None where whoever wrote has died, in the middle of one perhaps."""
    line = stream.readline()
    if not line.endswith("\n"):
        return None
    found: dict[str, Any] = json.loads(line)
    return found
