"""`Task`: named prompt/answer examples with train, valid and test splits.

Text only; tokens come later, with the model's tokenizer (`tasks/render.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Example:
    """One prompt and its answer.

    id: the record's own id, or its line number. where: file and line, for messages to people.
    messages: chat messages instead of prompt and answer (then both are empty); the last one is the
    assistant's and is the answer.
    """

    id: str
    prompt: str
    answer: str
    where: str
    messages: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Task:
    """A named set of examples.

    counts: what happened while loading ("dropped_leaked": training examples whose text is in a later
    split, "duplicates": repeated inside a split, kept, ...); shown to people, never silent.
    content: sha256 of everything that can influence a run.
    """

    name: str
    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: tuple[Example, ...]
    groups: tuple[str, ...]
    eval_only: bool
    counts: dict[str, int]
    content: str
