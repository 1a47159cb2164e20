"""A worker that does what it is told: `python -m odd_jobs`. Its setup names how it begins."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

print(
    "a library that talks while it is imported", end=""
)  # no line end: would swallow the next one

from mishran.engine.local import serve  # noqa: E402
from mishran.errors import DataError  # noqa: E402


def begin(setup: dict[str, Any]) -> dict[str, Any]:
    print("and when it begins")
    os.write(1, b"and below Python")
    if os.environ.get("AT_START") == "die":
        os._exit(3)
    if setup.get("refuse") or os.environ.get("AT_START") == "refuse":
        raise DataError(expected="a setup", found="none", where="setup", fix="write one")
    if "die" in setup:
        with open(setup["die"], "a") as file:  # how often it was tried
            file.write("x")
        if Path(setup["die"]).stat().st_size <= setup.get("times", 99):
            os._exit(3)
    return setup


def work(setup: dict[str, Any], job: Any, report: Callable[[float], None]) -> Any:
    print("and while it works")
    subprocess.run(["echo", "so do its children"], check=True)
    if job == "fail":
        raise DataError(expected="a job", found="none", where="job 1", fix="give another\none")
    if job == "bug":
        raise KeyError("ours")
    if job == "kill":
        os.kill(os.getpid(), 9)
    if job == "exit":
        os._exit(7)
    if job == "pid":
        return os.getpid()
    if job == "sleep":
        with open(setup["pids"], "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(60)
    if job == "slow":
        return time.sleep(3)
    if job == "environment":
        return os.environ.get("ODD")
    for _ in range(3):
        report(float(job))
    return {"twice": 2 * job, "setup": setup["name"], "text": "हिन्दी\n"}


if __name__ == "__main__":
    assert "numpy" not in sys.modules
    serve(begin, work)
