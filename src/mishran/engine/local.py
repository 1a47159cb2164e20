"""Jobs in processes of this machine: JSON in, JSON out, a line each.

A worker is a module that is run with `python -m` and calls `serve`. It is told the setup once, then one
job after another, so that what is dear to load is loaded once. A job that fails is an answer; a worker
that dies (out of memory, say) fails its job and is replaced. Workers end when whoever started them ends,
however that comes about.

When to use: jobs of seconds to hours that do not talk to each other. Trade-off: values are JSON, large
results belong into files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, TextIO

from mishran.errors import MishranError

TRIES = 2  # workers that may die before they took their first job


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
    events: Queue[Done | float] = Queue()
    hands = [
        _Hand(module, setup, jobs, waiting, events, dict(environments[i]) if environments else {})
        for i in range(max(1, min(workers, len(jobs))))
    ]
    for hand in hands:
        hand.start()
    try:
        left = len(jobs)
        while left:
            event = events.get()
            if isinstance(event, Done):
                left -= 1
                yield event
            else:
                on_progress(event)
    finally:
        for hand in hands:
            hand.stop()


class _Hand(threading.Thread):
    """Feeds one worker, and replaces it when it dies."""

    def __init__(
        self,
        module: str,
        setup: Any,
        jobs: Sequence[Any],
        waiting: Queue[int],
        events: Queue[Done | float],
        environment: dict[str, str],
    ) -> None:
        super().__init__(daemon=True)
        self._command = [sys.executable, "-m", module]
        self._setup, self._jobs, self._waiting, self._events = setup, jobs, waiting, events
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def run(self) -> None:
        deaths = 0
        while not self._stopped and not self._waiting.empty():
            taken = self._serve()
            deaths = 0 if taken else deaths + 1
            if deaths == TRIES:
                self._refuse("the worker process died while it was starting")
                return

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _serve(self) -> int:
        """Start a worker and give it jobs until there are none or it dies; how many it took."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        process, taken = self._process, 0
        assert process.stdin is not None and process.stdout is not None
        if not _say(process.stdin, self._setup):
            return 0
        said = _read(process.stdout)
        if said is None:
            process.wait()
            return 0
        if "failed" in said:
            self._refuse(said["failed"])
            return 1
        while not self._stopped:
            try:
                index = self._waiting.get_nowait()
            except Empty:  # others took the rest
                break
            taken += 1
            self._events.put(self._one(process, index))
            if process.poll() is not None:
                return taken
        process.stdin.close()
        process.wait()
        return taken

    def _one(self, process: subprocess.Popen[str], index: int) -> Done:
        assert process.stdin is not None and process.stdout is not None
        if _say(process.stdin, self._jobs[index]):
            while (said := _read(process.stdout)) is not None:
                if "progress" in said:
                    self._events.put(float(said["progress"]))
                elif "failed" in said:
                    return Done(index, failed=said["failed"])
                else:
                    return Done(index, said["answer"])
        code = process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Done(index, failed=f"its process ended with {how} (out of memory?)")

    def _refuse(self, why: str) -> None:
        """Fail all jobs that are left."""
        while not self._waiting.empty():
            try:
                self._events.put(Done(self._waiting.get_nowait(), failed=why))
            except Empty:
                return


def serve(
    begin: Callable[[Any], Any], work: Callable[[Any, Any, Callable[[float], None]], Any]
) -> None:
    """The worker's side: read the setup, then jobs, from stdin; answer on stdout.

    Args:
        begin: the setup -> whatever jobs need.
        work: that, a job and a function to report progress with -> a JSON value.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    _end_with(os.getppid())
    try:
        ready = begin(json.loads(sys.stdin.readline()))
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


def _say(stream: Any, value: Any) -> bool:
    try:
        stream.write(json.dumps(value) + "\n")
        stream.flush()
    except (BrokenPipeError, ValueError):
        return False
    return True


def _read(stream: Any) -> dict[str, Any] | None:
    line = stream.readline()
    if not line:
        return None
    found: dict[str, Any] = json.loads(line)
    return found
