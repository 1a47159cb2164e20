"""The tiny project, fitted once, and two ways to run the command line: here, and in real processes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tasks"))

from processes import Ended, ForkServer, cli
from tiny_project import make_project, save_model


@dataclass(frozen=True)
class Said:
    """How a command ended. out, err: everything it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def mishran(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Run the console script's function in this process; a traceback fails the test."""
    from mishran.cli.main import main

    def run(*argv: Any) -> Said:
        monkeypatch.setattr(sys, "argv", ["mishran", *map(str, argv)])
        code = 0
        capfd.readouterr()
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        caught = capfd.readouterr()
        return Said(code, caught.out, caught.err)

    return run


@pytest.fixture
def refuses(mishran: Callable[..., Said]) -> Callable[..., str]:
    """Run a command that must end with exit code 2 and one line that begins "mishran: "; returns it.

    Lines before it may be progress or news ("going on with the other tasks"), never a traceback.
    """

    def run(*argv: Any, news: bool = False) -> str:
        said = mishran(*argv)
        lines = said.err.splitlines()
        assert said.code == 2, said
        assert "Traceback" not in said.err
        assert lines and lines[-1].startswith("mishran: "), said.err
        assert sum(line.startswith("mishran: ") for line in lines) == 1, said.err
        if not news:
            assert len(lines) == 1, said.err
        return lines[-1]

    return run


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    """mix.yaml of a project of its own, not fitted."""
    return make_project(tmp_path / "p", tiny_model)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer(hash_seed=1)
    yield server
    server.close()


@pytest.fixture(scope="session")
def fitted_once(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, fork_server: ForkServer
) -> Path:
    """mix.yaml of a fitted project; only to read, or to copy."""
    mix = make_project(tmp_path_factory.mktemp("fitted") / "p", tiny_model)
    said = fork_server.run(["fit", "mix.yaml", "--quiet"], mix.parent)
    assert said.code == 0, said
    return mix


@pytest.fixture(scope="session")
def fitted_by_script(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path
) -> tuple[Path, Ended]:
    """The same project in another folder, fitted by the installed script, and what it printed."""
    mix = make_project(tmp_path_factory.mktemp("script") / "other" / "folder", tiny_model)
    said = cli(["fit", str(mix), "--json"], mix.parent.parent, hash_seed=12345)
    assert said.code == 0, said
    return mix, said


@pytest.fixture
def fitted(fitted_once: Path, tmp_path: Path) -> Path:
    """mix.yaml of a fitted project of its own: a copy that a test may change."""
    folder = tmp_path / "p"
    shutil.copytree(fitted_once.parent, folder)
    return folder / "mix.yaml"
