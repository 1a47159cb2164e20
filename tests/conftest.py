"""What every test gets: no network, fixed randomness, real data where it is."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports transformers or datasets; inherited by the processes that tests start.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

settings.register_profile("mishran", derandomize=True, deadline=None)
settings.load_profile("mishran")


def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.mkdtemp(prefix="mishran-test-datasets-")
    os.environ["HF_DATASETS_CACHE"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any connection beyond this machine fails the test, even where the code swallows the error."""
    refused: list[str] = []

    def guard(original):
        def connect(self, address):
            local = self.family == getattr(socket, "AF_UNIX", None) or (
                isinstance(address, tuple)
                and (address[0] in ("localhost", "::1") or str(address[0]).startswith("127."))
            )
            if not local:
                refused.append(str(address))
                raise OSError(f"tests have no network: connection to {address} refused")
            return original(self, address)

        return connect

    monkeypatch.setattr(socket.socket, "connect", guard(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guard(socket.socket.connect_ex))
    yield
    assert not refused, f"the test tried to connect to {', '.join(refused)}"


def _shared(variable: str, default: Path) -> Path:
    given = os.environ.get(variable)
    if given is not None:
        assert Path(given).is_dir(), f"{variable}={given} is not a folder"
        return Path(given)
    if not default.is_dir():
        pytest.skip(f"needs real files: {default} is missing and {variable} is not set")
    return default


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Real data sets; skips where there are none, fails where the variable names none."""
    return _shared("MISHRAN_DATA", ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def models_root() -> Path:
    """Real model folders (base-6m)."""
    return _shared("MISHRAN_MODELS", ROOT.parent / "shared" / "models")
