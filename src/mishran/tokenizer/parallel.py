"""Parallel text: the same content in several languages; what fairness is measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from mishran.errors import DataError


@final
@dataclass(frozen=True)
class Parallel:
    """Texts of one domain in several languages.

    name: of the domain, for tables. texts: language -> (n,) texts; the i-th of each says the same.
    """

    name: str
    texts: Mapping[str, tuple[str, ...]]

    @property
    def num(self) -> int:
        """Texts of each language."""
        return len(next(iter(self.texts.values())))

    def part(self, index: int, of: int) -> Parallel:
        """Every `of`-th text from `index` on: parts that have nothing in common."""
        return Parallel(self.name, {k: v[index::of] for k, v in self.texts.items()})

    def only(self, languages: Sequence[str]) -> Parallel:
        """With these languages, of those that it has."""
        return Parallel(self.name, {k: self.texts[k] for k in languages if k in self.texts})


def parallel(name: str, texts: Mapping[str, Sequence[str]], where: str = "") -> Parallel:
    """Checked: at least two languages, as many texts in each, none empty.

    Raises:
        DataError: the first thing that is wrong.
    """
    where = where or f"parallel text {name!r}"
    if len(texts) < 2:
        raise DataError(
            expected="parallel text in at least two languages",
            found=", ".join(texts) or "none",
            where=where,
            fix="add the field or file of another language",
        )
    sizes = {language: len(lines) for language, lines in texts.items()}
    for language, size in sizes.items():
        if not size or not any(line.strip() for line in texts[language]):
            raise DataError(
                expected=f"text in {language}",
                found=f"{size:,} texts, all of them empty" if size else "none",
                where=where,
                fix="check the field or file, or leave the language out",
            )
    first = next(iter(sizes))
    for language, size in sizes.items():
        if size != sizes[first]:
            raise DataError(
                expected=f"as many texts in {language} as in {first} ({sizes[first]:,})",
                found=f"{size:,}",
                where=where,
                fix="give files of equal length, where line i of each says the same",
            )
    for language, lines in texts.items():
        for i, line in enumerate(lines):
            if not line.strip():
                raise DataError(
                    expected="a text in every language",
                    found=f"an empty one in {language}",
                    where=f"{where}: text {i + 1}",
                    fix="remove that text from all languages",
                )
    return Parallel(name, {language: tuple(lines) for language, lines in texts.items()})
