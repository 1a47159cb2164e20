"""What `mishran inspect` shows: numbers of each task and examples with the answer marked.

Plain values, no printing and no colours: the command line decides how they look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mishran.tasks.render import Rendered, Renderer, render_all
from mishran.tasks.task import Example, Split, Task


@dataclass(frozen=True)
class Span:
    """A piece of text, and whether the model is trained to write it."""

    text: str
    is_answer: bool


@dataclass(frozen=True)
class ShownExample:
    """One rendered example.

    spans: prompt and answer as text, special tokens included. tokens: the same, token by token,
    where the tokens of one character are one entry.
    """

    id: str
    where: str
    split: Split
    spans: tuple[Span, ...]
    tokens: tuple[Span, ...]
    num_prompt_tokens: int
    num_answer_tokens: int


@dataclass(frozen=True)
class TaskDescription:
    """One task in numbers.

    num_train, num_valid, num_test: examples, before too long ones are left out. num_too_long: of
    all splits. mean_tokens, max_tokens: of those that fit. answer_share: answer tokens among their
    tokens.
    """

    name: str
    groups: tuple[str, ...]
    eval_only: bool
    rendering: str
    counts: dict[str, int]
    num_train: int
    num_valid: int
    num_test: int
    num_too_long: int
    mean_tokens: float
    max_tokens: int
    answer_share: float
    examples: tuple[ShownExample, ...]


def describe(tasks: Sequence[Task], renderer: Renderer, rows: int) -> list[TaskDescription]:
    """Describe each task, with its first `rows` examples that fit.

    Raises:
        DataError, ModelError: see `render_all`.
    """
    return [_describe(task, renderer, rows) for task in tasks]


def _describe(task: Task, renderer: Renderer, rows: int) -> TaskDescription:
    placed: list[tuple[Split, Example]] = [
        *(("train", e) for e in task.train),
        *(("valid", e) for e in task.valid),
        *(("test", e) for e in task.test),
    ]
    kept, num_too_long = render_all([e for _, e in placed], renderer, task.name)
    lengths = [len(row.input_ids) for _, row in kept]
    return TaskDescription(
        name=task.name,
        groups=task.groups,
        eval_only=task.eval_only,
        rendering=task.rendering,
        counts=task.counts,
        num_train=len(task.train),
        num_valid=len(task.valid),
        num_test=len(task.test),
        num_too_long=num_too_long,
        mean_tokens=sum(lengths) / len(lengths),
        max_tokens=max(lengths),
        answer_share=sum(row.num_answer_tokens for _, row in kept) / sum(lengths),
        examples=tuple(_show(*placed[i], row, renderer) for i, row in kept[:rows]),
    )


def _show(split: Split, example: Example, row: Rendered, renderer: Renderer) -> ShownExample:
    ids, border = row.input_ids, row.num_prompt_tokens
    parts = ((ids[:border], False), (ids[border:], True))
    return ShownExample(
        id=example.id,
        where=example.where,
        split=split,
        spans=tuple(Span(_decode(renderer, part), answer) for part, answer in parts),
        tokens=tuple(
            Span(piece, answer) for part, answer in parts for piece in _pieces(renderer, part)
        ),
        num_prompt_tokens=border,
        num_answer_tokens=row.num_answer_tokens,
    )


def _pieces(renderer: Renderer, ids: Sequence[int]) -> list[str]:
    """Text of each token; tokens that are parts of one character are kept together."""
    pieces: list[str] = []
    held: list[int] = []
    for token in ids:
        held.append(token)
        text = _decode(renderer, held)
        if not text.endswith("\ufffd"):
            pieces.append(text)
            held = []
    return [*pieces, _decode(renderer, held)] if held else pieces


def _decode(renderer: Renderer, ids: Sequence[int]) -> str:
    return renderer.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
