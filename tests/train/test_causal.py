"""Models that look ahead, or that padding changes, are refused when they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import FAMILIES, VOCAB, tiny_model
from tiny_tokenizers import byte_level
from transformers import AutoConfig, AutoModelForCausalLM

from mishran.errors import ModelError
from mishran.train.causal import check_causal
from mishran.train.models import load_model, resolve_device

OTHERS = {
    "bert": {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32},
    "rwkv": {"hidden_size": 32, "attention_hidden_size": 32},
    "recurrent_gemma": {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    | {"lru_width": 32, "num_hidden_layers": 3},
    "mamba": {"hidden_size": 32, "state_size": 8},
    "opt": {"hidden_size": 32, "num_attention_heads": 4, "ffn_dim": 64, "word_embed_proj_dim": 32},
}


def other(kind: str, vocab: int = VOCAB) -> torch.nn.Module:
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "vocab_size": vocab}
    settings = {"num_hidden_layers": 2, **special, **OTHERS[kind]}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings)).eval()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", [*FAMILIES, "mamba", "opt"])
def test_models_that_keep_the_rules_pass(family: str, dtype: torch.dtype) -> None:
    model = tiny_model(family) if family in FAMILIES else other(family)
    check_causal(model.to(dtype), 0, VOCAB, "here")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("bert", r"^here: expected a causal language model, found model type 'bert': its logits"),
        ("rwkv", r"not depend on padding, found model type 'rwkv': its logits change by \d+"),
        # Its state of one batch does not fit the next one in transformers 4.
        (
            "recurrent_gemma",
            r"(on padding|two short rows), found model type 'recurrent_gemma'",
        ),
    ],
)
def test_models_that_break_them_are_refused(kind: str, said: str, dtype: torch.dtype) -> None:
    with pytest.raises(ModelError, match=said):
        check_causal(other(kind).to(dtype), 0, VOCAB, "here")


def test_a_short_context_is_enough() -> None:
    model = tiny_model("gpt2")
    model.config.n_positions = 4
    check_causal(model, 0, VOCAB, "here")


def test_loading_asks(tmp_path: Path) -> None:
    tokenizer = byte_level()
    other("bert", len(tokenizer)).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    with pytest.raises(ModelError, match=r"found model type 'bert'"):
        load_model("m", tmp_path, device="cpu")


def test_a_device_without_float64_is_refused() -> None:
    with pytest.raises(ModelError, match=r"computes in float64.*found mps.*set device: cpu"):
        resolve_device("mps")
    assert resolve_device("cpu") == torch.device("cpu")
