"""Filling a template: one HTML text with its style inside, everything from outside escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def fill(
    template: str,
    sheets: tuple[str, ...],
    filters: Mapping[str, Callable[..., Any]],
    **values: Any,
) -> str:
    """A page from a template of this folder.

    Args:
        template: its file name.
        sheets: file names of its style, in order; the template gets them as `css`.
        filters: what the template may call by name after a bar.
        values: everything else that it shows; a name that is missing is an error.

    Returns:
        HTML text, to be written as UTF-8.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    css = "\n".join((HERE / name).read_text("utf-8") for name in sheets)
    return environment.get_template(template).render(css=Markup(css), **values)
