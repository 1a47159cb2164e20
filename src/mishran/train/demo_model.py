"""The demo's base model: a byte-level tokenizer and a small Llama, trained on the spot.

When to use: to see the pipeline without downloading anything. It knows the words of the built-in
tasks in all three languages and none of the tasks. Sizes and steps: measured, docs/log.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mishran.tasks.builtin.text import demo_text
from mishran.train.batch import Batch, collate
from mishran.train.loop import OneUpdate, Step, train, warmup_linear
from mishran.train.models import no_library_bars

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
VOCABULARY = 2000
CONTEXT = 128
NUM_LINES = 12_000
BLOCK, BATCH_SIZE, STEPS = 48, 16, 400

# Words keep their vowel signs and joiners (\p{M}), digits and signs stand alone, and a space
# belongs to what follows it. The usual GPT-2 pattern cuts Devanagari words at every vowel sign.
_PIECES = r" ?[\p{L}\p{M}\u200c\u200d]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]|\s+"


@dataclass(frozen=True)
class _Block:
    """Running text as a row: everything after the first token is learned."""

    input_ids: tuple[int, ...]
    num_prompt_tokens: int = 0


def train_demo_model(
    folder: Path,
    seed: int,
    progress: Callable[[Step, int], None] | None = None,
    steps: int = STEPS,
) -> None:
    """Train tokenizer and model and save them as a Hugging Face folder.

    Args:
        folder: made if need be.
        seed: decides text, initial weights and order.
        progress: called after each step with the step and the number of steps.
    """
    text = demo_text(NUM_LINES, seed)
    tokenizer = train_tokenizer(text)
    model = _new_model(tokenizer, seed)
    blocks = _blocks(tokenizer, text)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95), weight_decay=0.01)
    train(
        model,
        _batches(blocks, steps, seed, tokenizer.pad_token_id),
        OneUpdate(optimizer, warmup_linear(steps, 0.1), clip=1.0),
        None if progress is None else lambda step: progress(step, steps),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with no_library_bars():
        model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def train_tokenizer(text: list[str]) -> Any:
    """Byte-level BPE over NFC text; decoding gives the NFC text back, byte for byte."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[PAD, BOS, EOS],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def _new_model(tokenizer: Any, seed: int) -> torch.nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.1,  # 0.02 suits wide models; here attention then stays flat for long
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def _blocks(tokenizer: Any, text: list[str]) -> list[_Block]:
    """Lines, each between its begin and end token, one after another, cut into equal blocks."""
    stream: list[int] = []
    for ids in tokenizer(text, add_special_tokens=False)["input_ids"]:
        stream += [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    starts = range(0, len(stream) - BLOCK + 1, BLOCK)
    return [_Block(tuple(stream[i : i + BLOCK])) for i in starts]


def _batches(blocks: list[_Block], steps: int, seed: int, pad_id: int) -> Iterator[Batch]:
    rng = np.random.default_rng([seed, 3])
    for _ in range(steps):
        chosen = rng.choice(len(blocks), size=min(BATCH_SIZE, len(blocks)), replace=False)
        yield collate([blocks[i] for i in chosen], pad_id)
