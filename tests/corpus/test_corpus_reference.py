"""The reference of the recipe says the bounds that the code has."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from mishran.corpus.thresholds import BY_LANGUAGE, NAMES, Thresholds

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "corpus.md"


def rows() -> list[list[str]]:
    lines = re.findall(r"^\| (`m(?:ax|in)_\w+` .*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    return [[cell.strip(" `") for cell in line.split("|")] for line in lines]


def test_every_default_stands_there():
    said = {row[0]: float(row[1]) for row in rows()[: len(NAMES)]}
    assert said == {field.name: field.default for field in fields(Thresholds)}


def test_every_bound_of_a_language_stands_there():
    text = PAGE.read_text(encoding="utf-8")
    tags = re.findall(r"`([a-z]+)`", re.search(r"^\| bound \| (`.*) \|$", text, re.M)[1])
    assert tags == list(BY_LANGUAGE)
    said = {row[0]: list(map(float, row[1:])) for row in rows()[len(NAMES) :]}
    assert set(said) == {name for bounds in BY_LANGUAGE.values() for name in bounds}
    for name, values in said.items():
        general = getattr(Thresholds(), name)
        assert values == [bounds.get(name, general) for bounds in BY_LANGUAGE.values()], name
