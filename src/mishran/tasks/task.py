"""`Task`: named prompt/answer examples with train, valid and test splits.

Text only; tokens come later, with the model's tokenizer (`tasks/render.py`).
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Example:
    """One prompt and its answer.

    id: the record's own id, or its line number. where: file and line, for messages to people.
    messages: chat messages instead of prompt and answer (then both are empty); the last one is the
    assistant's and is the answer. choices: the answers that were offered, written as `answer` is;
    empty where none were.
    """

    id: str
    prompt: str
    answer: str
    where: str
    messages: tuple[dict[str, Any], ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def answer_text(self) -> str:
        """What the assistant said, or the answer."""
        return str(self.messages[-1]["content"]) if self.messages else self.answer


@dataclass(frozen=True)
class Task:
    """A named set of examples.

    counts: what happened while loading ("dropped_leaked": training examples whose text is in a
    later split, "duplicates": repeated inside a split, kept, ...); shown to people, never silent.
    rendering: how a record becomes an example, in words, for people.
    """

    name: str
    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: tuple[Example, ...]
    groups: tuple[str, ...]
    eval_only: bool
    counts: dict[str, int]
    rendering: str = ""

    @property
    def held_out(self) -> tuple[Example, ...]:
        """Where probes and validation come from: valid, or test in a task without valid."""
        return self.valid or self.test


def text_key(example: Example) -> bytes:
    """sha256 of prompt and answer together, in NFC and with runs of whitespace folded."""
    parts = [str(message["content"]) for message in example.messages]
    text = "\n".join(parts or [example.prompt, example.answer])
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(folded.encode()).digest()
