"""The rooms: what may import what, where torch lives, and what no line of ours does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "mishran"

ROW_ONE = {"comparison", "errors", "explanation", "types", "mixture", "run", "places"}
ROW_ONE |= {"config", "config_errors", "config_fields", "config_mixture", "config_recipe"}
ROW_ONE |= {"config_corpus", "config_tokenizer", "config_train", "quiet"}

# Room -> what it may import beside row one; transitively, so a room may use what those may.
MAY_IMPORT: dict[str, set[str]] = {
    "engine": set(),
    "tasks": set(),
    "affinity": set(),
    "energy": set(),
    "methods": {"affinity", "energy"},
    "stream": {"tasks"},
    "train": {"stream", "methods", "tasks"},
    "specialists": {"tasks", "train", "affinity", "engine"},
    "corpus": {"engine"},
    "tokenizer": set(),
    "allocate": {"energy", "tokenizer"},
    "swarm": {"train", "methods", "engine", "energy"},
    "evaluate": {"train", "specialists", "methods", "engine"},
    "report": {"energy"},
}
EVERY_ROOM = set(MAY_IMPORT)
MAY_IMPORT["pipeline"] = EVERY_ROOM  # puts the stages together: everything but the command line
MAY_IMPORT["cli"] = EVERY_ROOM | {"pipeline"}

TORCH = {"torch", "peft", "safetensors", "transformers", "accelerate"}
TORCH_ROOMS = {"train", "specialists"}
# Modules of the pipeline that measure; the others must work where torch is not installed.
TORCH_PIPELINE = {
    "build",
    "demo",
    "evaluate",
    "export",
    "extras",
    "fit",
    "footprint",
    "ingredients",
    "inspect",
    "plan",
}
TORCH_PIPELINE |= {"prepare", "proxy", "specialists", "train", "training_plan", "transfer"}
TORCH_PIPELINE |= {"worker", "measured"}
# Modules of evaluate that run a model; the statistics of a comparison need NumPy only.
TORCH_EVALUATE = {
    "choices",
    "generate",
    "harness",
    "harness_tasks",
    "intervals",
    "json_values",
    "load",
    "losses",
    "run",
}

FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def for_checkers_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def nodes(root: ast.AST, functions: bool = True) -> Iterator[ast.AST]:
    """Everything below a node but what only type checkers see; without functions: what import runs."""
    for child in ast.iter_child_nodes(root):
        if for_checkers_only(child):
            continue
        if not functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield child
        yield from nodes(child, functions)


def imported(path: Path, functions: bool = True) -> set[str]:
    """Full names of the modules that a file imports."""
    out: set[str] = set()
    for node in nodes(tree(path), functions):
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import, line {node.lineno}"
            out.add(node.module or "")
            if node.module == "mishran":
                out |= {f"mishran.{alias.name}" for alias in node.names}
    return out


def rooms_imported(path: Path) -> set[str]:
    parts = [name.split(".") for name in imported(path)]
    return {p[1] for p in parts if p[0] == "mishran" and len(p) > 1}


def reachable(room: str) -> set[str]:
    """What a room may import: the rule is transitive."""
    out: set[str] = set()
    todo = set(MAY_IMPORT[room])
    while todo:
        one = todo.pop()
        if one not in out:
            out.add(one)
            todo |= MAY_IMPORT[one]
    return out


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_rooms(path):
    room, uses = room_of(path), rooms_imported(path)
    if path in (SOURCE / "__init__.py", SOURCE / "__main__.py"):
        return  # the public surface, tested in test_imports.py, and the command line by another name
    if path.parent == SOURCE:
        assert room in ROW_ONE, f"{path.name} belongs to no room"
        assert uses <= ROW_ONE
        return
    assert room in MAY_IMPORT, f"{room} is not in the table of rooms"
    strange = uses - ROW_ONE - {room} - reachable(room)
    assert not strange, f"{room} may not import {', '.join(sorted(strange))}"


def test_the_table_has_no_circles():
    for room in MAY_IMPORT:
        assert room not in reachable(room)


def test_nobody_imports_the_command_line():
    for path in FILES:
        own = room_of(path) == "cli" or path == SOURCE / "__main__.py"
        assert own or "cli" not in rooms_imported(path), path


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_torch_stays_in_its_rooms(path):
    """At module level only in train, specialists and the modules that measure."""
    at_import = {name.split(".")[0] for name in imported(path, functions=False)}
    room = room_of(path)
    some = {"pipeline": TORCH_PIPELINE, "evaluate": TORCH_EVALUATE}
    if room in TORCH_ROOMS or path.stem in some.get(room, ()):
        return
    assert not at_import & TORCH
    assert not {"datasets"} & at_import
    heavy = {f"mishran.{room}" for room in TORCH_ROOMS}
    heavy |= {f"mishran.{room}.{name}" for room, names in some.items() for name in names}
    ours = {n for n in imported(path, functions=False) if n.startswith("mishran.")}
    touched = {n for n in ours if any(n == h or n.startswith(h + ".") for h in heavy)}
    assert not touched, f"importing {path.name} loads torch through {touched}"


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in nodes(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_nothing_dangerous(path):
    """No pickle, no code of models, no shell, no server, no eval."""
    names = {name.split(".")[0] for name in imported(path)}
    forbidden = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    servers = {
        "socket",
        "socketserver",
        "http",
        "asyncio",
        "urllib",
        "requests",
        "httpx",
        "aiohttp",
    }
    processes = {"subprocess", "multiprocessing"}
    if path == SOURCE / "engine" / "local.py":  # JSON to and from our own modules
        processes -= {"subprocess"}
    assert not names & (forbidden | servers | processes)
    for name, call in calls(path):
        where = f"{path.name}:{call.lineno}"
        last = name.rsplit(".", 1)[-1]
        assert name not in ("eval", "exec", "compile", "__import__", "os.system", "os.popen"), where
        assert name not in ("torch.load", "torch.save", "yaml.load", "yaml.unsafe_load"), where
        assert last not in ("bind", "listen", "create_server"), where
        for keyword in call.keywords:
            if keyword.arg in ("allow_pickle", "trust_remote_code", "shell"):
                assert ast.unparse(keyword.value) == "False", where
        if last == "from_pretrained" and not name.startswith("PeftModel"):
            given = {keyword.arg for keyword in call.keywords}
            assert {"trust_remote_code", "local_files_only"} <= given, where
        if name == "np.load":
            assert "allow_pickle" in {keyword.arg for keyword in call.keywords}, where


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_no_global_randomness(path):
    """Seeded generators only; torch's global state only inside `fork_rng`."""
    for name, call in calls(path):
        where = f"{path.name}:{call.lineno}"
        if name.startswith("np.random."):
            assert name.startswith(("np.random.default_rng", "np.random.Generator")), where
        assert not name.startswith("random.") or name == "random.Random", where
        if name in ("torch.manual_seed", "torch.cuda.manual_seed_all"):
            text = path.read_text(encoding="utf-8")
            assert "torch.random.fork_rng" in text, where
