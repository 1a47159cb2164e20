"""`${NAME}` in the paths of a configuration: where data and models lie on this machine; and which
names may become paths.

Any environment variable may be used. Two have defaults, so that the examples run from a checkout:
`MISHRAN_DATA` is `../shared/data` and `MISHRAN_MODELS` is `../shared/models`, from the current folder.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import Any

from mishran.config_errors import FieldProblem, shown
from mishran.errors import ConfigError

DEFAULTS = {"MISHRAN_DATA": "../shared/data", "MISHRAN_MODELS": "../shared/models"}
_NAME = re.compile(r"\$\{(\w+)\}")


def data_root() -> Path:
    """Folder of the third-party data that examples and tests use."""
    return Path(os.environ.get("MISHRAN_DATA") or DEFAULTS["MISHRAN_DATA"]).resolve()


def models_root() -> Path:
    """Folder of the third-party models that examples and tests use."""
    return Path(os.environ.get("MISHRAN_MODELS") or DEFAULTS["MISHRAN_MODELS"]).resolve()


def expand(data: Any, where: str) -> Any:
    """Replace `${NAME}` in the path fields of a configuration that was just read.

    Raises:
        ConfigError: a variable that is not set.
    """
    if not isinstance(data, dict):
        return data
    out = dict(data)
    for key in ("model", "tokenizer", "tasks", "run", "corpus"):
        if isinstance(out.get(key), str):
            out[key] = _expanded(out[key], f"{where}: {key}")
    for key in ("tasks", "sources"):
        if isinstance(out.get(key), list):
            out[key] = [_task(t, where, key, i) for i, t in enumerate(out[key], start=1)]
    shape = out.get("model")
    if isinstance(shape, dict) and isinstance(shape.get("config"), str):
        out["model"] = {**shape, "config": _expanded(shape["config"], f"{where}: model.config")}
    mixture = out.get("mixture")
    if isinstance(mixture, dict) and isinstance(mixture.get("affinity"), str):
        at = f"{where}: mixture.affinity"
        out["mixture"] = {**mixture, "affinity": _expanded(mixture["affinity"], at)}
    for key in ("languages", "facts", "decontaminate", "parallel", "boundaries"):
        if key in out:
            out[key] = _inside(out[key], f"{where}: {key}")
    return out


_FILES = ("path", "seed", "positive", "negative", "text", "files", "inflections")


def _inside(value: Any, where: str, is_path: bool = False) -> Any:
    """The paths in a part of a configuration, however deep they are."""
    if isinstance(value, dict):
        return {k: _inside(v, f"{where}.{k}", is_path or k in _FILES) for k, v in value.items()}
    if isinstance(value, list):
        return [_inside(v, where, is_path) for v in value]
    return _expanded(value, where) if is_path and isinstance(value, str) else value


def _task(task: Any, where: str, key: str, number: int) -> Any:
    if not isinstance(task, dict):
        return task
    out = dict(task)
    name = task.get("name")
    kind = key.removesuffix("s")
    where += f": {kind} {name!r}: " if isinstance(name, str) else f": {key}, entry {number}: "
    for key in ("path", "adapter"):
        if isinstance(out.get(key), str):
            out[key] = _expanded(out[key], f"{where}{key}")
    if isinstance(out.get("splits"), dict):
        out["splits"] = {
            k: _expanded(v, f"{where}splits.{k}") if isinstance(v, str) else v
            for k, v in out["splits"].items()
        }
    return out


def _expanded(text: str, where: str) -> str:
    if "\0" in text:
        raise ConfigError(
            expected="a path",
            found="a null character in it",
            where=where,
            fix="remove it",
        )

    def value(match: re.Match[str]) -> str:
        name = match[1]
        found = os.environ.get(name)
        if found:
            return found
        if name in DEFAULTS:
            return str(Path(DEFAULTS[name]).resolve())
        raise ConfigError(
            expected=f"the environment variable {name}",
            found="it is not set",
            where=where,
            fix=f"set {name}, or write the path itself",
        )

    found = _NAME.sub(value, text)
    try:
        return str(Path(found).expanduser()) if found.startswith("~") else found
    except RuntimeError:  # the home of a user that is none: an ordinary name, then
        return found


def check_name(name: str) -> str:
    """Names become file names: letters, digits, `_ . + -`, no leading dot, at most 200 bytes."""
    kinds = [unicodedata.category(c)[0] for c in name]  # L letters, M marks (matras), N numbers
    fine = all(k in "LMN" or c in "_.+-" for c, k in zip(name, kinds, strict=True))
    if not name or not fine or kinds[0] not in "LN" or len(name.encode()) > 200:
        raise FieldProblem(
            "a name of letters, digits, '_', '.', '+' or '-', beginning with a letter or digit, of "
            "at most 200 bytes",
            shown(name),
            "rename it",
        )
    return name
