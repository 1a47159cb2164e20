"""Methods by name, and how one is written: `name[:key=value]*`, "taskpgm:t=1.5:affinity=pmi-mean".

Keys are the fields of the method; `floor` goes with every method that takes bounds. `canonical` writes the
fields that differ from their defaults in the order of the class, so that equal methods have equal names
on disk. A list is a key repeated. Other packages add methods by the entry point group "mishran.methods".
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mishran.energy.names import unknown
from mishran.errors import ConfigError
from mishran.methods.floored import Floored
from mishran.methods.method import StaticMethod

GROUP = "mishran.methods"
FLOOR = "floor"
METHODS = {
    "uniform": "mishran.methods.uniform:Uniform",
    "proportional": "mishran.methods.proportional:Proportional",
    "temperature": "mishran.methods.temperature:Temperature",
    "unimax": "mishran.methods.unimax:UniMax",
    "random": "mishran.methods.random:Random",
    "taskpgm": "mishran.methods.taskpgm:TaskPGM",
    "minimum-redundancy": "mishran.methods.minimum_redundancy:MinimumRedundancy",
    "mixmin": "mishran.methods.mixmin:MixMin",
    "capacity": "mishran.methods.capacity:Capacity",
    "smart": "mishran.methods.smart:Smart",
    "curves": "mishran.methods.curves:Curves",
}


@cache
def places() -> dict[str, str]:
    """Name -> "module:Class" of every method; ours win over entry points of the same name."""
    others = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**others, **METHODS}


def method_class(name: str) -> type[Any]:
    """The class of a method.

    Raises:
        ConfigError: no method has that name.
    """
    if name not in places():
        raise unknown(name, places(), "method", kind="method")
    module, _, attribute = places()[name].partition(":")
    found: type[Any] = getattr(import_module(module), attribute)
    return found


def parse(text: str) -> StaticMethod:
    """The method that a person wrote.

    Raises:
        ConfigError: a name, key or value that does not exist; the nearest is named.
    """
    name, *pairs = text.strip().split(":")
    kind = method_class(name)
    known = {field.name: field for field in fields(kind)}
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    floor: float | None = None
    for pair in pairs:
        key, equals, value = pair.partition("=")
        where = f"method {text!r}"
        if not equals or not value:
            raise ConfigError(
                expected="key=value after each colon",
                found=repr(pair),
                where=where,
                fix=f"write {key or 'key'}=..., for example taskpgm:t=0.6",
            )
        listed = get_origin(hints.get(key)) is tuple
        if (key in given and not listed) or (key == FLOOR and floor is not None):
            raise ConfigError(
                expected="every key once",
                found=f"{key} twice",
                where=where,
                fix=f"remove one {key}",
            )
        if key == FLOOR:
            floor = _value(value, float, f"{where}: {key}")
        elif key not in known:
            raise unknown(key, [*known, FLOOR], where, kind="parameter")
        elif listed:
            given[key] = (*given.get(key, ()), value)
        else:
            given[key] = _value(value, hints[key], f"{where}: {key}")
    needed = [f.name for f in known.values() if _default(f) is MISSING and f.name not in given]
    if needed:
        raise ConfigError(
            expected=f"{needed[0]}=... for {name}",
            found="none",
            where=text,
            fix=f"add :{needed[0]}=...",
        )
    method: StaticMethod = kind(**given)
    return method if floor is None else Floored(method, floor)


def canonical(method: StaticMethod) -> str:
    """The shortest text that `parse` makes this method of.

    Raises:
        ConfigError: a class that is not registered.
    """
    if isinstance(method, Floored):
        return f"{canonical(method.method)}:{FLOOR}={_text(method.floor)}"
    place = f"{type(method).__module__}:{type(method).__qualname__}"
    name = next((name for name, where in places().items() if where == place), None)
    if name is None:
        raise ConfigError(
            expected="a registered method",
            found=place,
            where="method",
            fix=f"add it as an entry point of the group {GROUP}",
        )
    parts = [name]
    for field in fields(method):  # type: ignore[arg-type]  # StaticMethods are dataclasses
        value = getattr(method, field.name)
        if value != _default(field):
            every = value if isinstance(value, tuple) else (value,)
            parts += [f"{field.name}={_text(one)}" for one in every]
    return ":".join(parts)


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)


def _value(text: str, kind: Any, where: str) -> Any:
    """A value of the type that a field has: a number, a word or a choice."""
    origin = get_origin(kind)
    if origin is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        if text not in choices:
            raise unknown(text, choices, where, kind="choice")
        return text
    if origin in (Union, UnionType):
        (inner,) = [one for one in get_args(kind) if one is not type(None)]
        return _value(text, inner, where)
    if kind is bool and text in ("true", "false"):
        return text == "true"
    if kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is not None and abs(number) < 1e300:  # NaN is not
            return number
    elif kind is str:
        return text
    name = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
    raise ConfigError(
        expected=name, found=repr(text), where=where, fix="write a number, as in t=0.6"
    )
