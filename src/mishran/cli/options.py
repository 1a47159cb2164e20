"""What options of the form NAME=VALUE mean, read strictly; every error shows the form."""

from __future__ import annotations

from typing import Any

from mishran.errors import ConfigError


def unary(
    targets: list[str], values: list[str], utility: bool, strength: float | None
) -> dict[str, Any]:
    """The `unary:` that the options mean."""
    if values and (targets or utility):
        raise ConfigError(
            expected="--value, or --target, or --utility with or without --target",
            found="--value beside another",
            where="mishran solve",
            fix="leave one of them away",
        )
    if not (values or targets or utility):
        raise ConfigError(
            expected="--target, --value or --utility beside --strength",
            found="none of them",
            where="--strength",
            fix="with the unary coverage the dial is --t",
        )
    kind = "given" if values else "utility" if utility else "target"
    out: dict[str, Any] = {"kind": kind}
    if targets:
        out["targets"] = targets
    if values:
        out["values"] = _numbers(values, "--value", "TASK=NUMBER", "capitals=1.5, say")
    if strength is not None:
        out["strength"] = strength
    return out


def _pair(item: str, option: str, shape: str, last: bool = False) -> tuple[str, str]:
    """Name and value around the first =, or around the last: tasks of a matrix may have one too."""
    name, equals, value = item.rpartition("=") if last else item.partition("=")
    if not (name and equals and value):
        raise ConfigError(expected=shape, found=repr(item), where=option, fix=f"write {shape}")
    return name, value


def shares(items: list[str], option: str) -> dict[str, float]:
    return _numbers(items, option, "NAME=SHARE", "hindi=0.25 for 25 %")


def _numbers(items: list[str], option: str, shape: str, example: str) -> dict[str, float]:
    pairs = [_pair(item, option, shape, last=True) for item in items]
    return once(
        [(name, _number(value, f"{option} {name}", example)) for name, value in pairs], option
    )


def whole(items: list[str], option: str) -> dict[str, int]:
    out = _numbers(items, option, "GROUP=NUMBER", "hindi=3")
    for name, value in out.items():
        if value != int(value):
            raise ConfigError(
                expected="a whole number",
                found=f"{value:g}",
                where=f"{option} {name}",
                fix=f"write {name}={max(1, round(value))}",
            )
    return {name: int(value) for name, value in out.items()}


def _number(text: str, where: str, example: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(
            expected="a number", found=repr(text), where=where, fix=f"write {example}"
        ) from error


def once(pairs: list[tuple[str, Any]], option: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in pairs:
        if name in out:
            raise ConfigError(
                expected="every name once",
                found=f"{name!r} twice",
                where=option,
                fix="remove one of them",
            )
        out[name] = value
    return out


def members(item: str) -> tuple[str, tuple[str, ...]]:
    name, value = _pair(item, "--group", "NAME=TASK,TASK")
    return name, tuple(part for part in value.split(",") if part)
