"""Accuracy by ranking choices: is the right answer the one that the model finds likeliest?

Every choice is put where the answer goes, behind the same prompt, and scored in nats; the cheapest is what
the model chose. Three ways to count, since a long choice costs more than a short one whatever it says:

- `sum`, the default: nats of the whole choice. What lm-evaluation-harness calls acc.
- `byte`: nats per UTF-8 byte of it. Its acc_bytes; and its acc_norm, which counts characters, where a
  character is a byte.
- `token`: nats per token; depends on the tokenizer.

Scored without the end of the answer, as the harness does and published numbers are. Of equal choices the
first in the record's list wins, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.errors import DataError
from mishran.evaluate.held_out import HeldOut
from mishran.evaluate.intervals import wilson
from mishran.evaluate.losses import at_a_time, check_finite, num_bytes
from mishran.specialists.validate import Interval, nats_per_row
from mishran.tasks.render import Rendered, Renderer
from mishran.tasks.task import Example
from mishran.train.answers import (
    AnswerLogits,
    answer_logits,
    answer_nats,
    logits_bytes,
    num_answers,
)
from mishran.train.batch import Part, chunks, lay_out
from mishran.train.models import Loaded

By = Literal["sum", "token", "byte"]
WAYS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True)
class Ranked:
    """Every held-out example of a task whose choices all fit the model.

    gold: (m,) place of the right answer in its list. nats, tokens, bytes: per example, of each choice.
    too_long: examples left out because a choice does not fit.
    """

    ids: tuple[str, ...]
    gold: NDArray[np.int64]
    nats: tuple[NDArray[np.float64], ...]
    tokens: tuple[NDArray[np.int64], ...]
    bytes: tuple[NDArray[np.int64], ...]
    too_long: int

    def chosen(self, by: By = "sum") -> NDArray[np.int64]:
        """(m,) place of the likeliest choice; of equal ones the first."""
        sizes = {"sum": map(np.ones_like, self.nats), "token": self.tokens, "byte": self.bytes}[by]
        return np.array([int(np.argmin(n / s)) for n, s in zip(self.nats, sizes, strict=True)])

    def right(self, by: By = "sum") -> NDArray[np.bool_]:
        """(m,) whether it is the right one."""
        return self.chosen(by) == self.gold

    def accuracy(self, by: By = "sum") -> Interval:
        """Share of right choices with its Wilson interval over examples."""
        return wilson(self.right(by))

    @property
    def chance(self) -> float:
        """Accuracy of choosing blindly."""
        return float(np.mean([1 / len(nats) for nats in self.nats]))


def check_choices(held: HeldOut) -> None:
    """Nothing if all examples offer choices, all different, and the right answer is one of each.

    Raises:
        DataError: the first example where that is not so.
    """
    for example in held.examples:
        answer, choices = example.answer_text, example.choices
        if not choices:
            raise DataError(
                expected=f"a list of choices in every held-out example of task {held.task!r}",
                found="none here",
                where=example.where,
                fix="give every record its choices, or leave accuracy out of the measures",
            )
        if answer not in choices:
            raise DataError(
                expected=f"the answer among the choices {', '.join(map(repr, choices))}",
                found=repr(answer),
                where=example.where,
                fix="correct or remove the record, or leave accuracy out of the measures",
            )
        twice = next((c for i, c in enumerate(choices) if c in choices[:i]), None)
        if twice is not None:
            raise DataError(
                expected="choices that differ",
                found=f"{twice!r} twice",
                where=example.where,
                fix="correct or remove the record, or leave accuracy out of the measures",
            )


def rank(loaded: Loaded, held: HeldOut, render: Renderer) -> Ranked:
    """Score every choice of every example.

    Raises:
        DataError: see `check_choices`; or no example fits. ModelError: values that are not finite.
    """
    check_choices(held)
    bare = replace(render, eos_id=None)
    asked = [[with_answer(e, choice) for choice in e.choices] for e in held.examples]
    flat = bare.render_many([one for choices in asked for one in choices])
    starts = np.cumsum([0, *(len(choices) for choices in asked)])
    spans = [range(a, b) for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]
    fits = [all(len(flat[i].input_ids) <= render.max_tokens for i in span) for span in spans]
    if not any(fits):
        raise DataError(
            expected=f"choices of at most {render.max_tokens} tokens with their prompts",
            found="an example too long in all of them",
            where=f"task {held.task!r}",
            fix="raise max_tokens (up to the model's context), or shorten the examples",
        )
    kept = [i for i, fit in enumerate(fits) if fit]
    rows = [[flat[j] for j in spans[i]] for i in kept]
    nats = nats_of_choices(loaded, rows)
    check_finite(np.concatenate(nats), f"task {held.task!r}")
    return Ranked(
        ids=tuple(held.ids[i] for i in kept),
        gold=np.array([gold(held.examples[i]) for i in kept]),
        nats=nats,
        tokens=tuple(np.array([num_answers(row) for row in some]) for some in rows),
        bytes=tuple(np.array([num_bytes(one) for one in asked[i]]) for i in kept),
        too_long=len(fits) - len(kept),
    )


def nats_of_choices(
    loaded: Loaded, rows: Sequence[Sequence[Rendered]]
) -> tuple[NDArray[np.float64], ...]:
    """Nats of every choice of every example; rows: of one example, they differ in the answer only.

    Where all choices are one token, as labels are, the prompt goes through the model once for all.
    """
    labels = [i for i, some in enumerate(rows) if all(num_answers(row) == 1 for row in some)]
    texts = sorted(set(range(len(rows))) - set(labels))
    found = dict(zip(labels, _label_nats(loaded, [rows[i] for i in labels]), strict=True))
    flat = [row for i in texts for row in rows[i]]
    nats = nats_per_row(loaded.model, flat, loaded, tokens=at_a_time(loaded.device))[0]
    ends = np.cumsum([len(rows[i]) for i in texts])[:-1]
    found |= zip(texts, np.split(nats, ends), strict=True) if texts else ()
    return tuple(found[i] for i in range(len(rows)))


def _label_nats(loaded: Loaded, rows: Sequence[Sequence[Rendered]]) -> list[NDArray[np.float64]]:
    """The same for choices of one token: all are read off the logits behind the prompt."""
    model, device = loaded.model, loaded.device
    out = [np.zeros(0)] * len(rows)
    size = max(map(len, rows), default=0) * logits_bytes(model, 1)
    training = model.training
    model.eval()
    with torch.inference_mode():
        for index in chunks([some[0] for some in rows], at_a_time(device), lambda row: size):
            part = Part([rows[i][0] for i in index], None)
            found = answer_logits(model, lay_out([part], loaded.pad_id, loaded.packs).to(device))
            which = torch.tensor([j for j, i in enumerate(index) for _ in rows[i]], device=device)
            said = torch.tensor([r.input_ids[-1] for i in index for r in rows[i]], device=device)
            nats = answer_nats(AnswerLogits(found.logits[which], said, which)).double().cpu()
            for i, some in zip(index, nats.split([len(rows[i]) for i in index]), strict=True):
                out[i] = some.numpy()
    model.train(training)
    return out


def gold(example: Example) -> int:
    """Place of the right answer in the list."""
    return example.choices.index(example.answer_text)


def with_answer(example: Example, answer: str) -> Example:
    """The example, had this been its answer."""
    if not example.messages:
        return replace(example, answer=answer)
    last = {**example.messages[-1], "content": answer}
    return replace(example, messages=(*example.messages[:-1], last))


def has_choices(examples: Sequence[Example]) -> bool:
    return any(example.choices for example in examples)
