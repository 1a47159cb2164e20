"""How a record becomes an example: templates, chat messages, or the usual field names.

Without templates the first record decides, by the list `USUAL`; what was decided is the task's
`rendering`, shown by `mishran inspect` and in the report. Alpaca's `input` is used wherever a record has
it, whether or not the first one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mishran.errors import DataError
from mishran.run import canonical_json
from mishran.tasks.chat import read_messages
from mishran.tasks.template import Template, field_value, parse_template

# (prompt field, answer field), in this order; the names that public instruction data sets use.
USUAL = (
    ("prompt", "answer"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "target"),
    ("input", "output"),
    ("inputs", "targets"),
    ("question", "answer"),
)
USUAL_CHAT = ("messages", "conversations")


@dataclass(frozen=True)
class Texts:
    """What one record says: prompt and answer, or messages; cut: messages after the last answer."""

    prompt: str = ""
    answer: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    cut: int = 0


@dataclass(frozen=True)
class TemplateFields:
    """Prompt and answer by template.

    separator goes between them where neither has whitespace at the seam (and the prompt is not
    empty): "Capital of France?" + "Paris" would otherwise become one word. optional: field of the
    second prompt template; where it is missing or empty the first one is used (Alpaca's `input`).
    """

    prompt: Template
    answer: Template
    separator: str
    longer_prompt: Template | None = None
    optional: str = ""

    @property
    def rendering(self) -> str:
        prompt = _quoted(self.prompt.source)
        if self.longer_prompt is not None:
            longer = _quoted(self.longer_prompt.source)
            prompt = f"{longer} (where {self.optional} is empty or missing: {prompt})"
        joined = "joined as they are"
        if self.separator:
            joined = f"{_quoted(self.separator)} between them where neither has whitespace there"
        return f"prompt {prompt}, answer {_quoted(self.answer.source)}, {joined}"

    def texts(self, record: dict[str, Any], where: str) -> Texts:
        template = self.prompt
        if self.longer_prompt is not None and record.get(self.optional) not in (None, ""):
            template = self.longer_prompt
        prompt, answer = template.fill(record, where), self.answer.fill(record, where)
        if prompt and not prompt[-1].isspace() and not answer[:1].isspace():
            prompt += self.separator
        return Texts(prompt=valid_unicode(prompt, where), answer=valid_unicode(answer, where))


@dataclass(frozen=True)
class MessageFields:
    """Chat messages through the model's chat template."""

    field: Template

    @property
    def rendering(self) -> str:
        return f"messages from {self.field.source[1:-1]!r}, through the model's chat template"

    def texts(self, record: dict[str, Any], where: str) -> Texts:
        (field,) = self.field.parts
        assert not isinstance(field, str)
        messages, cut = read_messages(field_value(field, record, where), field.path, where)
        try:
            valid_unicode(canonical_json(messages), where)
        except TypeError as error:
            raise DataError(
                expected=f"messages of text, numbers, lists and objects in field {field.path!r}",
                found=str(error),
                where=where,
                fix="remove the other values from the messages",
            ) from error
        return Texts(messages=tuple(messages), cut=cut)


def choose_fields(
    first: dict[str, Any],
    where: str,
    *,
    task: str,
    prompt: str | None,
    answer: str | None,
    messages: str | None,
    separator: str,
) -> TemplateFields | MessageFields:
    """The templates that were given, or the usual fields that the first record has.

    Raises:
        ConfigError: a template that does not parse. DataError: no usual fields in the first record.
    """
    if messages is not None:
        return MessageFields(parse_template("{" + messages + "}", f"task {task!r}: messages"))
    if prompt is not None and answer is not None:
        return TemplateFields(
            parse_template(prompt, f"task {task!r}: prompt"),
            parse_template(answer, f"task {task!r}: answer"),
            separator,
        )
    for one, other in USUAL:
        if _is_text(first.get(one)) and _is_text(first.get(other)):
            short = parse_template("{" + one + "}", where)
            target = parse_template("{" + other + "}", where)
            if one != "instruction":
                return TemplateFields(short, target, separator)
            longer = parse_template("{instruction}\n{input}", where)
            return TemplateFields(short, target, separator, longer, "input")
    for name in USUAL_CHAT:
        if isinstance(first.get(name), list):
            return MessageFields(parse_template("{" + name + "}", where))
    pairs = ", ".join(f"{one}/{other}" for one, other in USUAL)
    raise DataError(
        expected=f"templates, or fields {pairs}, {' or '.join(USUAL_CHAT)}",
        found=f"the fields {', '.join(map(str, first)) or '(none)'}",
        where=where,
        fix=f"give task {task!r} a prompt and an answer template, for example "
        f'prompt: "{{{next(iter(first), "question")}}}", or messages: FIELD',
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _quoted(text: str) -> str:
    return '"' + text.replace("\n", "\\n").replace("\t", "\\t") + '"'


def valid_unicode(text: str, where: str) -> str:
    """The text itself; JSON can carry half a surrogate pair, which no tokenizer accepts."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            expected="text that is valid Unicode",
            found=f"half a surrogate pair, {text[error.start]!r}, at character {error.start + 1}",
            where=where,
            fix="remove it (an emoji cut in two is the usual cause)",
        ) from error
    return text
