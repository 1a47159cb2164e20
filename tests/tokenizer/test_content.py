"""Tokens, bytes and content, and what a vocabulary is of a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.errors import ModelError
from mishran.tokenizer.content import UNITS, Rates, account, convert, rates
from mishran.tokenizer.measures import REPLICAS
from mishran.tokenizer.open_bytes import Bytes
from mishran.tokenizer.parallel import parallel
from mishran.tokenizer.shape import PARAM_1, Shape, shape_of


def fixed(**languages: tuple[float, float]) -> Rates:
    """Tokens and bytes for one unit of content, without doubt about them."""
    ones = np.ones(1 + REPLICAS)
    tokens = {k: v[0] * ones for k, v in languages.items()}
    return Rates("en", tokens, {k: v[1] * ones for k, v in languages.items()})


def test_a_quarter_of_the_tokens_at_the_published_parity() -> None:
    """PARAM-1's parity of 1.664: 25 % of the tokens is 16.7 % of the content."""
    at = fixed(en=(0.2, 1.0), hi=(0.2 * 1.664, 2.55))
    found = convert({"en": 0.75, "hi": 0.25}, "tokens", "content", at)
    assert round(found["hi"].value, 3) == 0.167
    assert found["hi"].low == found["hi"].high == pytest.approx(found["hi"].value)


@given(st.floats(0.01, 0.99), st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_there_and_back_is_the_same(share: float, given_: str, wanted: str) -> None:
    at = fixed(en=(0.2, 1.0), hi=(0.3, 2.5), ta=(0.5, 3.1))
    shares = {"en": 1 - share, "hi": share / 2, "ta": share / 2}
    there = convert(shares, given_, wanted, at)
    assert sum(one.value for one in there.values()) == pytest.approx(1)
    back = convert({k: v.value for k, v in there.items()}, wanted, given_, at)
    assert {k: v.value for k, v in back.items()} == pytest.approx(shares)


def test_a_language_without_a_share_has_none() -> None:
    found = convert({"en": 1.0, "hi": 0.0}, "content", "tokens", fixed(en=(0.2, 1), hi=(1, 2)))
    assert (found["en"].value, found["hi"].value, found["hi"].high) == (1, 0, 0)


def test_rates_are_those_of_the_texts() -> None:
    texts = parallel("t", {"en": ["ab", "abcd"], "hi": ["कक", "क"]})
    at = rates(Bytes("b"), texts, "en")
    assert at.bytes["en"][0] == 1 and at.bytes["hi"][0] == at.tokens["hi"][0] == 9 / 6
    assert at.bytes["hi"].shape == (1 + REPLICAS,)
    assert at.bytes["hi"].min() == pytest.approx(3 / 4) and at.bytes["hi"].max() == 3


def test_accounts_add_up() -> None:
    at = fixed(en=(0.25, 1.0), hi=(0.5, 2.0))
    found = {one.language: one for one in account({"en": (3, 600, 150), "hi": (1, 400, 100)}, at)}
    assert found["en"].share_bytes == 0.6 and found["hi"].share_tokens == 0.4
    assert found["hi"].content.value == 200 and found["hi"].share_content.value == 0.25
    assert sum(one.share_content.value for one in found.values()) == 1


def test_the_published_model() -> None:
    assert PARAM_1.parameters(256_000) == 2_860_648_448
    assert round(PARAM_1.embedding_share(256_000), 3) == 0.367
    tied = Shape(10, 100, tied=True)
    assert (tied.embeddings(5), tied.parameters(5)) == (50, 150)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tie_word_embeddings": True, "num_key_value_heads": 4},
        {"attention_bias": True, "mlp_bias": True, "head_dim": 24},
    ],
)
def test_the_shape_of_a_configuration_is_that_of_the_model(tmp_path: Path, more: dict) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        **{"num_key_value_heads": 2, **more},
    )
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    found = shape_of(tmp_path)
    assert found.parameters(64) == model.num_parameters()
    assert found == shape_of(tmp_path / "config.json")
    assert found.tied == bool(more.get("tie_word_embeddings"))


@pytest.mark.parametrize("name", ["Mistral", "Qwen2", "Qwen3"])
def test_biases_and_norms_that_no_field_names(tmp_path: Path, name: str) -> None:
    import torch
    import transformers

    config = getattr(transformers, f"{name}Config")(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        model = getattr(transformers, f"{name}ForCausalLM")(config)
    assert shape_of(tmp_path).parameters(64) == model.num_parameters()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"num_local_experts": 8}, r"found a mixture of experts \(num_local_experts\)"),
        ({"num_attention_heads": 0}, "found integer division"),
        ({"num_attention_heads": None}, "found int"),
    ],
)
def test_models_of_another_make_are_one_line(tmp_path: Path, more: dict, said: str) -> None:
    names = ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads")
    (tmp_path / "config.json").write_text(json.dumps({**dict.fromkeys(names, 8), **more}))
    with pytest.raises(ModelError, match=said):
        shape_of(tmp_path)


def test_the_shape_of_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected the config\.json of a Llama-like model"):
        shape_of(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8}))
    with pytest.raises(ModelError, match="num_hidden_layers"):
        shape_of(tmp_path)
