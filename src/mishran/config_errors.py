"""What is wrong in a configuration, in words: pydantic's errors as ours, with the line of the file.

Validators raise `FieldProblem`, which carries the remedy; for everything else (types, ranges,
choices, unknown and missing fields) the words are here.
"""

from __future__ import annotations

import difflib
import re
import typing
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from mishran.errors import ConfigError

_TEXT = ("text", 'put it in quotes, "..."')
_WHOLE = ("a whole number", "write a whole number")
_NUMBER = ("a number", "write a number")
_BOOLEAN = ("true or false", "write true or false")
_KINDS = {
    "string_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": ("a finite number", "write a finite number"),
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "tuple_type": ("a list", "write a list, [first, second]"),
    "dict_type": ("a mapping", "write a mapping, {name: value}"),
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


class FieldProblem(ValueError):
    """Raised by validators: what a field should be, what it is, and what to do."""

    def __init__(self, expected: str, found: str, fix: str) -> None:
        self.expected, self.found, self.fix = expected, found, fix
        super().__init__(f"{expected}, got {found}")


def translate(
    error: ValidationError, data: Any, where: str, model: type[BaseModel], text: str | None
) -> ConfigError:
    """The first problem as a `ConfigError`; unknown fields first, then the innermost.

    Args:
        data: what was validated. where: the file. text: its YAML, for line numbers.
    """
    problems = error.errors(include_url=False)
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]
    problem = (unknown or sorted(problems, key=lambda p: -len(p["loc"])))[0]
    loc = _plain(problem)
    # A field of two types (text or a list) fails once for each: their words are joined.
    same = [p for p in problems if _plain(p) == loc and p["type"] in _KINDS]
    kind = problem["type"]
    found = shown(problem["input"])
    if kind == "extra_forbidden":
        names = _fields_at(model, loc[:-1])
        expected, found = f"one of {', '.join(names)}", f"unknown field {loc[-1]!r}"
        fix = _nearest(str(loc[-1]), names) or "remove it"
    elif kind == "missing":
        expected, found = f"field {loc[-1]!r}", "nothing"
        fix = f"add {loc[-1]}: ..."
    elif kind in _KINDS:
        expected = " or ".join(dict.fromkeys(_KINDS[p["type"]][0] for p in same))
        fix = _KINDS[same[-1]["type"]][1]
        if kind == "tuple_type" and isinstance(problem["input"], str):
            fix = f"write [{problem['input']}]"
    elif kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        bound, value = problem["ctx"][name], problem["input"]
        expected = f"{words} {bound:g}"
        percent = kind == "less_than_equal" and bound == 1 and float(value) <= 100
        fix = (
            f"write {float(value) / 100:g} for {float(value):g} %" if percent else f"use {expected}"
        )
    elif kind == "literal_error":
        expected = "one of " + problem["ctx"]["expected"].replace(" or ", ", ")
        choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        fix = _nearest(str(problem["input"]), choices) or "choose one of these"
    elif kind == "too_short":
        least = problem["ctx"]["min_length"]
        expected, fix = f"a list of at least {least}", "add to it, or remove the field"
        found = "an empty list" if not problem["input"] else f"one of {len(problem['input'])}"
    elif kind == "model_type":
        names = _fields_at(model, loc)
        expected = "a mapping of fields"
        fix = f"write {{{names[0]}: ...}}; the fields are {', '.join(names)}"
    elif isinstance(wrong := problem.get("ctx", {}).get("error"), FieldProblem):
        expected, found, fix = wrong.expected, wrong.found, wrong.fix
    else:
        expected, fix = problem["msg"][:1].lower() + problem["msg"][1:], "change the value"
    line = _line(text, loc) if text is not None else None
    place = ": ".join(
        part for part in (f"{where}:{line}" if line else where, _name(loc, data)) if part
    )
    return ConfigError(expected=expected, found=found, where=place, fix=fix)


def duplicate_key(text: str) -> tuple[str, int] | None:
    """The first key that a mapping of a YAML text has twice, and its line; YAML keeps the last."""
    nodes = [yaml.compose(text, Loader=yaml.SafeLoader)]
    visited: set[int] = set()  # an alias may stand for what it is in
    while nodes:
        node = nodes.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen and isinstance(key, yaml.ScalarNode):
                    return key.value, key.start_mark.line + 1
                seen.add(str(key.value))
                nodes.append(value)
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
    return None


def shown(value: Any) -> str:
    """A value as people wrote it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    names = {list: "a list", tuple: "a list", dict: "a mapping"}
    text = names.get(type(value)) or (
        repr(value) if isinstance(value, str | int | float) else str(value)
    )
    return text if len(text) <= 80 else text[:77] + "..."


def _nearest(name: str, names: list[str]) -> str:
    near = [name.lower()] if name.lower() in names else []
    near = near or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


def _plain(problem: Any) -> tuple[int | str, ...]:
    """The location as people know it: pydantic adds the branch of a union, and "[key]"."""
    loc = problem["loc"]
    if problem["type"] == "string_type" and loc[-1:] == ("str",):
        loc = loc[:-1]
    tag = re.compile(r"\[key\]$|(tuple|dict|literal|function-\w+)\[")
    return tuple(part for part in loc if isinstance(part, int) or not tag.match(part))


def _name(loc: tuple[int | str, ...], data: Any) -> str:
    """`mixture.t`; inside a list of tasks: `task 'capitals': path`, or `tasks, entry 2: path`."""
    if len(loc) < 2 or loc[0] != "tasks" or not isinstance(loc[1], int):
        return ".".join(f"entry {p + 1}" if isinstance(p, int) else p for p in loc)
    entry = data["tasks"][loc[1]]
    name = entry.get("name") if isinstance(entry, dict) else None
    task = f"task {name!r}" if isinstance(name, str) else f"tasks, entry {loc[1] + 1}"
    return ": ".join(part for part in (task, ".".join(map(str, loc[2:]))) if part)


def _line(text: str, loc: tuple[int | str, ...]) -> int | None:
    """Line of the innermost part of a location that is in the file."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            entry = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    current: type[BaseModel] = model
    for part in loc:
        if isinstance(part, str) and part in current.model_fields:
            found = _model_in(current.model_fields[part].annotation)
            current = found or current
    return list(current.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
