"""`{field}` templates over a record: the text of prompts and answers.

`{field}`, nested `{meta.answer}`, indexed `{refs[0]}`, and `{{` `}}` for braces. Not `str.format`:
that reaches attributes of Python objects, formats floats by locale-like codes and reports a missing
field without saying where. A value must be text or a number; lists and objects are refused, because
joining them would be a guess.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from mishran.errors import ConfigError, DataError

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")


@dataclass(frozen=True)
class Field:
    """A place in a record: `path` as written, `steps` from the record to the value."""

    path: str
    steps: tuple[str | int, ...]


@dataclass(frozen=True)
class Template:
    """A parsed template; make it with `parse_template`."""

    source: str
    parts: tuple[str | Field, ...]

    def fill(self, record: dict[str, Any], where: str) -> str:
        """The text for a record.

        Raises:
            DataError: a field is missing (the nearest name is given), null, a list or an object.
        """
        return "".join(
            part
            if isinstance(part, str)
            else value_text(part, field_value(part, record, where), where)
            for part in self.parts
        )


def parse_template(source: str, where: str) -> Template:
    """Parse a template; `where` names the option it came from.

    Raises:
        ConfigError: an unpaired brace or something in braces that is no field.
    """
    parts: list[str | Field] = []
    end = 0
    for match in _TOKEN.finditer(source):
        parts.append(source[end : match.start()])
        end = match.end()
        token = match.group()
        if token in ("{{", "}}"):
            parts.append(token[0])
        elif match.group(1) is None:
            raise ConfigError(
                expected="braces in pairs",
                found=f"a lone {token!r} at character {match.start() + 1} of {source!r}",
                where=where,
                fix=f"write {token * 2} for a brace, {{field}} for a field",
            )
        else:
            parts.append(_field(match.group(1), source, where))
    parts.append(source[end:])
    return Template(source, tuple(part for part in parts if part != ""))


def _field(path: str, source: str, where: str) -> Field:
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer(path):
        if match.start() != end or (match.group(1) and (end == 0) == match.group().startswith(".")):
            break
        steps.append(match.group(1) if match.group(1) is not None else int(match.group(2)))
        end = match.end()
    if end != len(path) or not steps or isinstance(steps[0], int):
        raise ConfigError(
            expected="a field such as {input}, {meta.answer} or {refs[0]}",
            found=f"{{{path}}} in {source!r}",
            where=where,
            fix="mend the template; write {{ and }} for braces that are text",
        )
    return Field(path, tuple(steps))


def field_value(field: Field, record: dict[str, Any], where: str) -> Any:
    """The value at a place in a record; a field whose whole name is the path wins over nesting."""
    if field.path in record:
        return record[field.path]
    value: Any = record
    done = ""
    for step in field.steps:
        if isinstance(step, int):
            if not isinstance(value, list):
                raise _missing(field, where, f"{done} = {_shown(value)}, which is no list")
            if not -len(value) <= step < len(value):
                raise _missing(field, where, f"{done} with {len(value)} entries")
            value, done = value[step], f"{done}[{step}]"
            continue
        if not isinstance(value, dict):
            raise _missing(field, where, f"{done} = {_shown(value)}, which has no fields")
        if step not in value:
            names = [str(name) for name in value]
            near = difflib.get_close_matches(step, names, n=1, cutoff=0.5)
            inside = f"in {done!r} " if done else ""
            found = f"{inside}the fields {', '.join(names)}" if names else f"{inside}no fields"
            better = f"{done}.{near[0]}" if done and near else near[0] if near else ""
            raise _missing(field, where, found, f"did you mean {{{better}}}?" if near else "")
        value, done = value[step], f"{done}.{step}" if done else step
    return value


def _missing(field: Field, where: str, found: str, fix: str = "") -> DataError:
    return DataError(
        expected=f"field {field.path!r}",
        found=found,
        where=where,
        fix=fix or "add the field to the record or change the template",
    )


def value_text(field: Field, value: Any, where: str) -> str:
    """A value as text.

    Raises:
        DataError: it is null, a list or an object.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    if isinstance(value, list):
        found, fix = f"a list, {_shown(value)}", f"index it, for example {{{field.path}[0]}}"
    elif isinstance(value, dict):
        found = f"an object, {_shown(value)}"
        inner = next(iter(value), "name")
        fix = f"name a field of it, for example {{{field.path}.{inner}}}"
    elif value is None or isinstance(value, float):
        found, fix = _shown(value), "fill it in, or remove the record"
    else:
        found, fix = f"a value of type {type(value).__name__}", "store it as text"
    raise DataError(
        expected=f"text or a number in field {field.path!r}", found=found, where=where, fix=fix
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
