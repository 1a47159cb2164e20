"""Small real tokenizers of the kinds that models have, built here."""

from __future__ import annotations

from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

TEXT = [
    "What is the capital of France? Paris. The quick brown fox jumps over the lazy dog.",
    "भारत की राजधानी क्या है? नई दिल्ली। question answer user assistant 0 1 2 3 4 5 6 7 8 9",
]
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA2 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content | trim }} {{ eos_token }}{% endif %}{% endfor %}"
)
NO_END = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
COUNTS_MESSAGES = "{{ messages | length }} messages: " + CHATML
REFUSES = "{{ raise_exception('roles must alternate') }}"


def byte_level(bos: bool = True, eos: bool = True, pad: bool = True, **more: Any) -> Any:
    """As GPT-2 and Llama 3: bytes, nothing added by itself."""
    return _wrap(_bpe(pre_tokenizers.ByteLevel(add_prefix_space=False)), bos, eos, pad, **more)


def adds_bos_itself() -> Any:
    """As Llama 3's: a post-processor begins every text with BOS."""
    core = _bpe(pre_tokenizers.ByteLevel(add_prefix_space=False))
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))]
    )
    return _wrap(core, True, True, True)


def sentencepiece(**more: Any) -> Any:
    """As Llama 2 and Mistral: a space before the first word of every text, written as ▁."""
    core = _bpe(pre_tokenizers.Metaspace(prepend_scheme="first"), byte_fallback=True)
    core.decoder = decoders.Metaspace(prepend_scheme="first")
    return _wrap(core, True, True, True, **more)


def words() -> Any:
    """Whole words; whitespace and zero-width characters have no tokens."""
    core = Tokenizer(
        models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2, "yes": 3, "no": 4}, "<unk>")
    )
    core.normalizer = normalizers.Replace("\u200b", "")
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def _bpe(pre_tokenizer: Any, byte_fallback: bool = False) -> Tokenizer:
    core = Tokenizer(models.BPE(unk_token="<unk>" if byte_fallback else None))
    core.pre_tokenizer = pre_tokenizer
    byte_alphabet = [] if byte_fallback else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=SPECIAL, initial_alphabet=byte_alphabet, show_progress=False
    )
    core.train_from_iterator(TEXT, trainer)
    if not byte_fallback:
        core.decoder = decoders.ByteLevel()
    return core


def _wrap(core: Tokenizer, bos: bool, eos: bool, pad: bool, **more: Any) -> Any:
    names = {"bos_token": "<s>"} if bos else {}
    names |= {"eos_token": "</s>"} if eos else {}
    names |= {"pad_token": "<pad>"} if pad else {}
    return PreTrainedTokenizerFast(tokenizer_object=core, **{**names, **more})
