"""Small causal language models of five families, made from config with seeded weights."""

from __future__ import annotations

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

VOCAB = 97
_ROPE = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FAMILIES = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**_ROPE)),
    # The window is shorter than the rows of the tests, so that sliding matters.
    "mistral": lambda: MistralForCausalLM(MistralConfig(**_ROPE, sliding_window=6)),
    # Biases in its projections, and a window in its upper layer only.
    "qwen2": lambda: Qwen2ForCausalLM(
        Qwen2Config(**_ROPE, use_sliding_window=True, sliding_window=6, max_window_layers=1)
    ),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=64)
    ),
    "neox": lambda: GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=VOCAB,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
        )
    ),
}


def tiny_llama(**shape: int) -> LlamaForCausalLM:
    """In float32 and evaluation mode, with the weights that transformers begins with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(LlamaConfig(**_ROPE | shape)).eval().requires_grad_(False)


def tiny_model(family: str) -> torch.nn.Module:
    """In float64 and evaluation mode; weights large enough that predictions differ a lot."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FAMILIES[family]().double().eval()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


_UNUSUAL = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "pad_token_id": 0,
}


def soft_capped_model() -> torch.nn.Module:
    """Gemma 2: something comes after the output head."""
    config = Gemma2Config(
        **_UNUSUAL, num_key_value_heads=1, head_dim=16, final_logit_softcapping=2.0
    )
    return _as_it_comes(Gemma2ForCausalLM, config)


def model_with_a_biased_head() -> torch.nn.Module:
    """Phi."""
    model = _as_it_comes(PhiForCausalLM, PhiConfig(**_UNUSUAL))
    torch.nn.init.normal_(model.lm_head.bias, generator=torch.Generator().manual_seed(0))
    return model


def _as_it_comes(kind: type, config: object) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(config).double().eval().requires_grad_(False)
