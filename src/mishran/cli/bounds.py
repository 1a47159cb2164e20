"""`--quota hindi=0.25` and `--limit "cost: 3*a + 5*b <= 4"`, read strictly."""

from __future__ import annotations

import math
import re
from typing import Any

from mishran.errors import ConfigError

QUOTA = "NAME=SHARE, or 'NAME<=SHARE' for at most"
LIMIT = "'NAME: 3*TASK + 5*TASK <= 4', 'NAME: tokens <= 300' (>= too), or NAME: off"

_NAME = r"[^\W_][\w.\-\u0080-\U0010ffff]*"  # letters of any script, with their marks
_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?"
_QUOTA = re.compile(rf"\s*({_NAME})\s*(=|<=|>=)\s*(\S+)\s*")
_LIMIT = re.compile(rf"\s*({_NAME})\s*:\s*(.+?)\s*(<=|>=)\s*(\S+)\s*")
_OFF = re.compile(rf"\s*({_NAME})\s*:\s*off\s*")
_TERM = re.compile(rf'(?:({_NUMBER})\s*\*\s*)?(?:"([^"]+)"|({_NAME}))')  # "quoted" names as well
_SIGN = re.compile(r"\s+-\s+|\s*\+\s*")


def quotas(items: list[str]) -> dict[str, dict[str, Any]]:
    """`quotas:` of a configuration; = and >= set a smallest share of the tokens, <= a largest.

    Raises:
        ConfigError: an option of another form, a share outside [0, 1], a bound given twice.
    """
    out: dict[str, dict[str, Any]] = {}
    for item in items:
        match = _QUOTA.fullmatch(item)
        if match is None:
            raise _form("--quota", QUOTA, item)
        name, sign, text = match.groups()
        share = _number(text, f"--quota {name}", "hindi=0.25 for 25 % of the tokens")
        if not 0.0 <= share <= 1.0:
            percent = 1 < share <= 100
            raise ConfigError(
                expected="a share between 0 and 1",
                found=text,
                where=f"--quota {name}",
                fix=f"write {share / 100:g} for {share:g} %" if percent else "write 0.25 for 25 %",
            )
        _set(
            out.setdefault(name, {"unit": "tokens"}), "max" if sign == "<=" else "min", share, item
        )
    return out


def limits(items: list[str]) -> dict[str, dict[str, Any] | None]:
    """`limits:` of a configuration; None for one that is taken away.

    Raises:
        ConfigError: an option of another form, a task or bound given twice, two sums of one name.
    """
    out: dict[str, dict[str, Any] | None] = {}
    for item in items:
        off = _OFF.fullmatch(item)
        if off is not None:
            if off[1] in out:
                raise _twice(f"limit {off[1]}", item)
            out[off[1]] = None
            continue
        match = _LIMIT.fullmatch(item)
        if match is None:
            raise _form("--limit", LIMIT, item)
        name, sum_, sign, text = match.groups()
        before = out.get(name)
        if name in out and before is None:
            raise _twice(f"limit {name}", item)
        bound = _number(text, f"--limit {name}", "'cost: 3*a + 5*b <= 4'")
        values = "tokens" if sum_ == "tokens" else _terms(sum_, item)
        if before is not None and before["values"] != values:
            raise ConfigError(
                expected=f"the same sum in both bounds of {name}",
                found=repr(item),
                where="--limit",
                fix="give one of them another name",
            )
        one = out.setdefault(name, {"values": values})
        assert one is not None
        _set(one, "max" if sign == "<=" else "min", bound, item)
    return out


def _terms(text: str, item: str) -> dict[str, float]:
    """3*a + 5*b - c as task -> number."""
    out: dict[str, float] = {}
    lead = re.match(r"-\s*", text)
    sign, at = (-1.0, lead.end()) if lead else (1.0, 0)
    while True:
        match = _TERM.match(text, at)
        if match is None:
            raise _form("--limit", LIMIT, item)
        name = match[2] or match[3]
        if name in out:
            raise _twice(f"task {name}", item)
        out[name] = sign * float(match[1] or 1.0)
        if match.end() == len(text):
            return out
        between = _SIGN.match(text, match.end())
        if between is None:
            raise _form("--limit", LIMIT, item)
        sign, at = (-1.0 if "-" in between[0] else 1.0), between.end()


def _set(bounds: dict[str, Any], end: str, value: float, item: str) -> None:
    if end in bounds:
        raise _twice(f"{end}imum", item)
    bounds[end] = value


def _number(text: str, where: str, example: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise ConfigError(
            expected="a finite number", found=repr(text), where=where, fix=f"write {example}"
        )
    return value


def _form(option: str, shape: str, item: str) -> ConfigError:
    return ConfigError(expected=shape, found=repr(item), where=option, fix="write it in this form")


def _twice(what: str, item: str) -> ConfigError:
    return ConfigError(
        expected="every task and bound once",
        found=f"the {what} twice",
        where=repr(item),
        fix="remove one of them",
    )
