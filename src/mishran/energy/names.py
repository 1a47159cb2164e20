"""Positions of named tasks; a name that does not exist is an error that offers the nearest one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from mishran.errors import ConfigError


def unknown(name: str, known: Iterable[str], where: str, kind: str = "task") -> ConfigError:
    """The error for a name that is none of `known`."""
    names = list(known)
    if not names:
        return ConfigError(
            expected=f"the name of a {kind}, of which there is none",
            found=repr(name),
            where=where,
            fix=f"define the {kind}, or leave this out",
        )
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return ConfigError(
        expected=f"the name of a {kind} ({shown})",
        found=repr(name),
        where=where,
        fix=f"did you mean {close[0]!r}?" if close else "use one of these names",
    )


def positions(wanted: Iterable[str], names: Sequence[str], where: str) -> list[int]:
    """Index of every wanted name in `names`.

    Raises:
        ConfigError: a name is not there; the nearest one is named.
    """
    index = {name: i for i, name in enumerate(names)}
    out = []
    for name in wanted:
        if name not in index:
            raise unknown(name, names, where)
        out.append(index[name])
    return out
