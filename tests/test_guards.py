"""The guards of `conftest.py` themselves: they must fail when they should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

INNER = """
import socket

def test_swallowed_connection():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    except OSError:
        pass

def test_loopback():
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname(), timeout=1).close()
    server.close()

def test_data(data_root):
    pass

def test_models(models_root):
    pass
"""


def test_network_and_missing_data(tmp_path):
    folder = tmp_path / "clone"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("conftest.py"), folder / "tests")
    (folder / "tests" / "test_inner.py").write_text(INNER)
    environment = {k: v for k, v in os.environ.items() if k != "MISHRAN_MODELS"}
    out = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", str(folder / "tests")],
        env={**environment, "MISHRAN_DATA": str(tmp_path / "none")},
        cwd=folder,
        capture_output=True,
        text=True,
    ).stdout
    assert "ERROR tests/test_inner.py::test_swallowed_connection" in out
    assert "the test tried to connect to ('192.0.2.1', 80)" in out
    assert "PASSED tests/test_inner.py::test_loopback" in out
    assert "ERROR tests/test_inner.py::test_loopback" not in out
    assert "ERROR tests/test_inner.py::test_data" in out
    assert f"MISHRAN_DATA={tmp_path}/none is not a folder" in out
    assert "1 skipped" in out and "MISHRAN_MODELS is not set" in out
