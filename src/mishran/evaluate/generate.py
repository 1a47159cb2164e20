"""What a model writes when it is asked: greedily, in batches, at most so many tokens.

By transformers' `generate`. The prompts are the tokens that the answers were trained behind. Of the
settings that a model folder brings for generating (sampling, temperature, penalties, lengths) only the
tokens that end a text are used: two models are to be compared, not two settings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mishran.evaluate.held_out import HeldOut
from mishran.evaluate.intervals import bootstrap, wilson
from mishran.evaluate.texts import Likeness, check_installed, likeness
from mishran.specialists.validate import Interval, Tokens
from mishran.tasks.render import Renderer
from mishran.tasks.task import Example
from mishran.train.batch import chunks
from mishran.train.models import Loaded

MAX_NEW_TOKENS = 128
PROMPT_TOKENS = {"cpu": 1 << 12, "cuda": 1 << 14}  # of a batch (assumption)


@dataclass(frozen=True)
class Written:
    """What was written to every held-out example of a task, and how like the answer it is.

    tokens: (m,) written, without the end. ended: (m,) whether the model ended the text itself, rather
    than running out of tokens.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    answers: tuple[str, ...]
    tokens: NDArray[np.int64]
    ended: NDArray[np.bool_]
    likeness: Likeness

    @property
    def exact(self) -> Interval:
        """Share of texts that are the answer; Wilson."""
        return wilson(self.likeness.exact)

    @property
    def normalised(self) -> Interval:
        """The same after normalising; Wilson."""
        return wilson(self.likeness.normalised)

    @property
    def rouge_l(self) -> Interval:
        """Mean over examples; bootstrap."""
        return bootstrap(self.likeness.rouge_l, seed=0)

    @property
    def chrf(self) -> Interval:
        """Mean over examples; bootstrap."""
        return bootstrap(self.likeness.chrf, seed=0)


def write(
    loaded: Loaded, held: HeldOut, render: Renderer, max_new_tokens: int = MAX_NEW_TOKENS
) -> Written:
    """Let the model answer every example.

    Raises:
        DependencyError: what compares texts is not installed.
    """
    check_installed()
    prompts = [row.input_ids[: row.num_prompt_tokens] for row in held.rows]
    stops = ends(loaded, render, held.examples)
    found = generate(loaded, prompts, stops, max_new_tokens, render.max_tokens)
    texts = [
        loaded.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for ids, _ in found
    ]
    answers = [example.answer_text for example in held.examples]
    return Written(
        ids=held.ids,
        texts=tuple(texts),
        answers=tuple(answers),
        tokens=np.array([len(ids) for ids, _ in found]),
        ended=np.array([ended for _, ended in found]),
        likeness=likeness(texts, answers),
    )


def generate(
    loaded: Loaded,
    prompts: Sequence[tuple[int, ...]],
    stops: Collection[int],
    max_new_tokens: int,
    context: int,
) -> list[tuple[tuple[int, ...], bool]]:
    """Greedy continuations without the end, and whether each was ended by one of `stops`.

    Args:
        context: no prompt and continuation are longer; whoever has less room than `max_new_tokens`
            is asked alone, so that no other row depends on it.
    """
    out: list[tuple[tuple[int, ...], bool]] = [((), False)] * len(prompts)
    room = [min(max_new_tokens, context - len(prompt)) for prompt in prompts]
    ample = [i for i in range(len(prompts)) if room[i] == max_new_tokens]
    rows = [Tokens(prompts[i], len(prompts[i])) for i in ample]
    batches = [[ample[j] for j in c] for c in chunks(rows, PROMPT_TOKENS[loaded.device.type])]
    batches += [[i] for i in range(len(prompts)) if 0 < room[i] < max_new_tokens]
    with _without_settings(loaded.model), torch.inference_mode():
        for index in batches:
            found = _batch(loaded, [prompts[i] for i in index], stops, room[index[0]])
            for i, ids in zip(index, found, strict=True):
                end = next((k for k, token in enumerate(ids) if token in stops), None)
                out[i] = (tuple(ids[:end]), end is not None)
    return out


def _batch(
    loaded: Loaded, prompts: Sequence[tuple[int, ...]], stops: Collection[int], room: int
) -> list[list[int]]:
    """Continuations of one batch, padded on the left; what comes after an end is padding."""
    from transformers import GenerationConfig

    wide = max(map(len, prompts))
    ids = np.full((len(prompts), wide), loaded.pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for line, prompt in enumerate(prompts):
        ids[line, wide - len(prompt) :] = prompt
        mask[line, wide - len(prompt) :] = 1
    written = loaded.model.generate(
        input_ids=torch.from_numpy(ids).to(loaded.device),
        attention_mask=torch.from_numpy(mask).to(loaded.device),
        generation_config=GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=room,
            eos_token_id=sorted(stops) or None,
            pad_token_id=loaded.pad_id,
        ),
    )
    return written[:, wide:].tolist()


@contextmanager
def _without_settings(model: Any) -> Iterator[None]:
    """Within it the model has no generation settings; what is not given would be taken from them."""
    from transformers import GenerationConfig

    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def ends(loaded: Loaded, render: Renderer, examples: Sequence[Example]) -> frozenset[int]:
    """Tokens that end a text: the tokenizer's, the model's, and what the chat template writes there."""
    named = getattr(loaded.model.generation_config, "eos_token_id", None)
    found = {loaded.tokenizer.eos_token_id}
    found |= set(named) if isinstance(named, list | tuple) else {named}
    chat = next((example for example in examples if example.messages), None)
    if chat is not None:
        _, _, after = render.texts(chat)[1].rpartition(chat.answer_text.rstrip())
        tail = loaded.tokenizer(after, add_special_tokens=False)["input_ids"]
        special = set(loaded.tokenizer.all_special_ids) | set(loaded.tokenizer.added_tokens_decoder)
        found |= {token for token in tail[:1] if token in special}
    return frozenset(int(token) for token in found if token is not None)
