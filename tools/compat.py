"""`make test-compat`: the tests that touch models, on the newest and the last 4.x transformers.

Each gets an environment of its own below `.venv-compat/`; torch is the pinned one. What ran and with
which versions is printed at the end and kept in `docs/results/compat.md`.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETS = {
    "newest": ["transformers>=5,<6", "peft", "datasets", "tokenizers"],
    # The last transformers 4.x, and the lower bounds of pyproject.toml for everything else.
    "last-4x": [
        "transformers==4.57.*",
        "peft==0.18.*",
        "datasets==4.0.*",
        "safetensors==0.5.*",
        "daqp==0.8.*",
        "jinja2==3.1.*",
        "numpy==2.0.*",
        "pyarrow==18.*",
        "pydantic==2.10.*",
        "rich==13.9.*",
        "scipy==1.14.*",
        "typer==0.15.*",
    ],
}
TESTS = ["tests/train", "tests/specialists", "tests/tasks", "tests/system", "tests/test_docs.py"]
SHOWN = ("transformers", "tokenizers", "peft", "datasets", "torch", "numpy")


def run(python: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-m", *command], cwd=ROOT, check=check, text=True, stdout=subprocess.PIPE
    )


def main() -> int:
    failed = False
    rows = []
    for name, packages in SETS.items():
        folder = ROOT / ".venv-compat" / name
        python = folder / "bin" / "python"
        if not python.exists():
            venv.create(folder, with_pip=True)
        quiet = ("pip", "install", "--quiet", "--disable-pip-version-check")
        run(python, *quiet, "-c", "constraints.txt", "torch")
        run(python, *quiet, *packages, "-e", ".[torch,dev]")
        result = run(python, "pytest", "-n", "2", "-m", "not full", *TESTS, check=False)
        print(result.stdout)
        failed |= result.returncode != 0
        listed = dict(
            line.split("==", 1)
            for line in run(python, "pip", "freeze").stdout.splitlines()
            if "==" in line
        )
        versions = " ".join(f"{p} {listed.get(p, '?')}" for p in SHOWN)
        rows.append(f"| {name} | {versions} | {result.stdout.strip().splitlines()[-1]} |")
    page = [
        "# Versions that were tested",
        "",
        "Made by `make test-compat`; the package's own ranges are these.",
        "",
        "| set | versions | result |",
        "|---|---|---|",
        *rows,
    ]
    (ROOT / "docs/results/compat.md").write_text("\n".join(page) + "\n")
    print("\n".join(rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
