"""The answers that a record offers, for measuring how often the right one is the likeliest.

A list of texts (or numbers) in one field of the record. Where the answer's template has text around its
field, each choice gets the same text. Without `choices:` in the task, a field of that name is used, where
the answer is nothing but a field, and only if it is such a list: whoever does not ask for choices gets no
errors about them. Choices take no part in training or splits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mishran.config_errors import shown
from mishran.errors import ConfigError, DataError
from mishran.tasks.fields import valid_unicode
from mishran.tasks.template import Field, Template, field_value, parse_template, value_text

USUAL = "choices"


@dataclass(frozen=True)
class ChoiceField:
    """Where the choices are, and the text around each. asked: whether the task names the field."""

    field: Field
    before: str = ""
    after: str = ""
    asked: bool = True

    def of(self, record: dict[str, Any], where: str) -> tuple[str, ...]:
        """The choices of a record, written as its answer is; () where they were not asked for.

        Raises:
            DataError: the field that was asked for is missing, or no list of at least two texts.
        """
        try:
            return self._read(record, where)
        except DataError:
            if self.asked:
                raise
            return ()

    def _read(self, record: dict[str, Any], where: str) -> tuple[str, ...]:
        values = field_value(self.field, record, where)
        if not isinstance(values, list) or len(values) < 2:
            raise DataError(
                expected=f"a list of at least two choices in field {self.field.path!r}",
                found=shown(values),
                where=where,
                fix="correct the record, or choices: in the task",
            )
        places = [Field(f"{self.field.path}[{i}]", ()) for i in range(len(values))]
        texts = [value_text(p, v, where) for p, v in zip(places, values, strict=True)]
        return tuple(valid_unicode(self.before + text + self.after, where) for text in texts)


def choice_field(task: str, choices: str | None, answer: Template | None) -> ChoiceField | None:
    """Where choices are looked for; None where nowhere.

    Args:
        choices: the field that the task names. answer: its template, None for chat messages.

    Raises:
        ConfigError: the name is no field, or the answer is not made of one field.
    """
    parts = answer.parts if answer is not None else ()
    at = [i for i, part in enumerate(parts) if isinstance(part, Field)]
    if choices is None:
        bare = len(parts) == 1 and len(at) == 1
        return ChoiceField(Field(USUAL, (USUAL,)), asked=False) if bare else None
    (field,) = parse_template("{" + choices + "}", f"task {task!r}: choices").parts
    assert isinstance(field, Field)
    if answer is None:
        return ChoiceField(field)
    if len(at) != 1:
        raise ConfigError(
            expected="an answer template with one field beside choices, which each choice replaces",
            found=f"{answer.source!r}, with {len(at) or 'none'}",
            where=f"task {task!r}: choices",
            fix="change the answer template, or remove choices",
        )
    before, after = parts[: at[0]], parts[at[0] + 1 :]
    return ChoiceField(field, "".join(map(str, before)), "".join(map(str, after)))
