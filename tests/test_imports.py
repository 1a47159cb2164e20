"""What importing costs, and that everything but measuring works where torch is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ["torch", "transformers", "datasets", "peft", "safetensors", "tokenizers"]
LIGHT = [
    "mishran.affinity",
    "mishran.energy",
    "mishran.evaluate.compare",
    "mishran.methods",
    "mishran.mixture",
    "mishran.config",
    "mishran.pipeline.evidence",
    "mishran.pipeline.mix",
    "mishran.pipeline.solve",
    "mishran.pipeline.resolve",
    "mishran.pipeline.status",
    "mishran.report",
    "mishran.tasks.load",
    "mishran.tasks.render",
    "mishran.cli.main",
]
# As if a package were not installed: importing it raises ImportError.
BLOCK = f"import sys\nfor name in {HEAVY!r}: sys.modules[name] = None\n"
MAIN = BLOCK + "import sys\nfrom mishran.cli.main import main\nmain()\n"


def python(code: str, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_import_of_the_package_is_cheap():
    """Less than 0.3 s, and neither torch nor NumPy. The best of five: other processes only slow it."""
    code = (
        "import time, sys, json\nstart = time.perf_counter()\nimport mishran\n"
        "print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))"
    )
    seconds = []
    for _ in range(5):
        took, modules = json.loads(python(code).stdout)
        seconds.append(took)
        assert not {*HEAVY, "numpy", "scipy", "pyarrow", "pydantic"} & set(modules)
    assert min(seconds) < 0.3


def test_the_public_surface():
    import mishran

    assert set(mishran.__all__) <= set(dir(mishran))
    for name in set(mishran.__all__) - {"fit"}:
        assert getattr(mishran, name) is not None
    with pytest.raises(AttributeError, match="module 'mishran' has no attribute 'sovle'"):
        _ = mishran.sovle


def test_all_but_measuring_imports_without_torch():
    code = BLOCK + "".join(f"import {name}\n" for name in LIGHT) + "print('fine')"
    assert python(code).stdout == "fine\n"


def test_the_command_line_starts_without_the_numeric_rooms():
    """`mishran --help` has to come at once."""
    code = "import sys\nimport mishran.cli.main\nprint([m for m in sys.modules if '.' not in m])"
    loaded = python(code).stdout
    assert not any(f"'{name}'" in loaded for name in (*HEAVY, "scipy", "pyarrow"))


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_text("a,b,c\n1,0.5,0.2\n0.5,1,0.1\n0.2,0.1,1\n")
    return path


def test_solving_a_matrix_without_torch(matrix):
    done = python(MAIN, "solve", str(matrix), "--json", "--floor", "a=0.5")
    assert done.returncode == 0, done.stderr
    weights = [t["weight"] for t in json.loads(done.stdout)["tasks"]]
    assert max(weights) >= 0.5


@pytest.mark.parametrize("argv", [["fit"], ["fit", "--plan"], ["inspect"], ["demo"]])
def test_measuring_without_torch_says_what_to_install(tmp_path, argv):
    (tmp_path / "mix.yaml").write_text("model: m\ntasks: data\n")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    command, *options = argv
    path = [] if command == "demo" else ["mix.yaml"]
    done = python(MAIN, command, *path, *options, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("mishran: ") and len(done.stderr.splitlines()) == 1
    assert 'pip install "mishran[torch]"' in done.stderr
    assert not (tmp_path / "runs").exists() and not (tmp_path / "demo").exists()


def test_python_api_without_torch():
    code = (
        BLOCK + "import mishran as mx\n"
        "a = mx.matrix_affinity(['x', 'y'], [[1, 0.2], [0.2, 1]])\n"
        "print(mx.solve(mx.Energy.coverage(a, t=0.6)).weights)\n"
        "try:\n    mx.fit('mix.yaml')\nexcept mx.MishranError as error:\n    print(error)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert "{'x': 0.5, 'y': 0.5}" in done.stdout
    assert 'pip install "mishran[torch]"' in done.stdout
