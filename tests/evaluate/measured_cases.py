"""A small model with a tokenizer, and tasks to measure it on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tiny_models import tiny_llama
from tiny_tokenizers import byte_level

from mishran.evaluate.held_out import HeldOut
from mishran.tasks.render import Renderer, render_all, renderer
from mishran.tasks.task import Example
from mishran.train.models import Loaded

CONTEXT = 64
LABELS = ("(A)", "(B)", "(C)")


def loaded(packs: bool = True, **tokens: Any) -> Loaded:
    """A Llama in float64 whose predictions differ a lot, with a byte-level tokenizer."""
    tokenizer = byte_level(**tokens)
    model = tiny_llama(vocab_size=len(tokenizer), max_position_embeddings=CONTEXT).double()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    device = torch.device("cpu")
    return Loaded(model, tokenizer, device, torch.float64, tokenizer.pad_token_id, (), packs)


def render_for(
    ready: Loaded, bos: bool = True, eos: bool = True, context: int = CONTEXT
) -> Renderer:
    return renderer(ready.tokenizer, bos, eos, context)


def examples(num: int = 12) -> tuple[Example, ...]:
    """Of many lengths, English and Hindi, each with three choices."""
    words = ["Paris", "दिल्ली", "a b c", "x", "नमस्ते दुनिया"]
    return tuple(
        Example(
            id=f"e{i}",
            prompt=f"{'why ' * (i % 4)}{words[i % 5]} {i}?\n",
            answer=LABELS[i % 3] if i % 2 else words[(i + 1) % 5],
            where=f"t.jsonl:{i + 1}",
            choices=LABELS if i % 2 else (words[(i + 1) % 5], words[i % 5], "something else"),
        )
        for i in range(num)
    )


def held(render: Renderer, some: tuple[Example, ...], task: str = "t") -> HeldOut:
    """All of them that fit, in the order given."""
    kept, too_long = render_all(some, render, task)
    return HeldOut(
        task,
        "test",
        tuple(some[i] for i, _ in kept),
        tuple(r for _, r in kept),
        len(some),
        too_long,
    )


def chat(example: Example) -> Example:
    """The same as messages."""
    turns = (
        {"role": "user", "content": example.prompt.strip()},
        {"role": "assistant", "content": example.answer},
    )
    return replace(example, prompt="", answer="", messages=turns)


def loss_times_tokens(model: Any, ids: list[int], num_prompt: int) -> float:
    """The oracle: Hugging Face's own mean loss on one unpadded row, times its answer tokens."""
    labels = torch.tensor([[-100] * num_prompt + ids[num_prompt:]])
    with torch.inference_mode():
        loss = model(input_ids=torch.tensor([ids]), labels=labels).loss
    return float(loss) * (len(ids) - num_prompt)
