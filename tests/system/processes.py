"""Real processes that run the command line, without paying for the import of torch each time.

A server process imports everything once, with one thread, and forks a child per command: the child is
a process of its own, which can be killed, limited and timed like any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# What the server runs. Hooks: "kill": SIGKILL at the k-th call of os.replace, os.fsync or os.unlink;
# "file_size": no file may grow beyond so many bytes, as on a full disk.
_SERVER = """
import json, os, resource, signal, sys
import mishran.cli.main as cli, mishran.pipeline.fit, transformers, peft, pyarrow.parquet
import transformers.models.llama.modeling_llama, transformers.models.auto.modeling_auto
import torch
torch.set_num_threads(1)

def killing(k):
    calls = 0
    def wrap(original):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == k:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)
        return call
    for name in ("replace", "fsync", "unlink"):
        setattr(os, name, wrap(getattr(os, name)))

def child(job):
    os.chdir(job["cwd"])
    for number, path in ((1, job["out"]), (2, job["err"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    hooks = job["hooks"]
    if "file_size" in hooks:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hooks["file_size"],) * 2)
    if "kill" in hooks:
        killing(hooks["kill"])
    sys.argv = ["mishran", *job["argv"]]
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback
        traceback.print_exc()
        code = 1
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)

print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if pid == 0:
        child(job)
    print(pid, flush=True)
    status = os.waitpid(pid, 0)[1]
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def environment(hash_seed: int = 0) -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """code: exit code, or minus the signal that ended the process."""

    code: int
    out: str
    err: str


@dataclass
class ForkServer:
    hash_seed: int = 0
    _process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(self.hash_seed),
        )
        assert self._read() == "ready"

    def run(
        self,
        argv: list[str],
        cwd: Path,
        *,
        kill_when: Callable[[], bool] | None = None,
        **hooks: int,
    ) -> Ended:
        """Run `mishran argv` in a fresh child.

        Args:
            kill_when: polled every millisecond; the child gets SIGKILL when it is true.
        """
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            job = {"argv": argv, "cwd": str(cwd), "out": str(out), "err": str(err), "hooks": hooks}
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            pid = int(self._read())
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended by itself
                while kill_when is not None and Path(f"/proc/{pid}").exists():
                    if kill_when():
                        os.kill(pid, signal.SIGKILL)
                        break
                    time.sleep(0.001)
            return Ended(int(self._read()), out.read_text(), err.read_text())

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server ended"
        return line.strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)


def cli(argv: list[str], cwd: Path, hash_seed: int = 0, timeout: float = 120) -> Ended:
    """The installed console script, as a person runs it."""
    script = Path(sys.executable).with_name("mishran")
    done = subprocess.run(
        [str(script), *argv],
        cwd=cwd,
        env=environment(hash_seed),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
