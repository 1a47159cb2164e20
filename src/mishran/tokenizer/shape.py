"""The shape of a model, as far as a vocabulary is concerned: what its embeddings cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from mishran.errors import ModelError, first_line


@final
@dataclass(frozen=True)
class Shape:
    """hidden_size: numbers in a token's vector. body_parameters: all but embeddings. tied: input and output
    embeddings are the same."""

    hidden_size: int
    body_parameters: int
    tied: bool

    def parameters(self, vocabulary: int) -> int:
        """Of the whole model."""
        return self.body_parameters + self.embeddings(vocabulary)

    def embeddings(self, vocabulary: int) -> int:
        """Parameters of the embeddings."""
        return vocabulary * self.hidden_size * (1 if self.tied else 2)

    def embedding_share(self, vocabulary: int) -> float:
        """Embeddings among all parameters."""
        return self.embeddings(vocabulary) / self.parameters(vocabulary)


# 32 layers of 2048, FFN 7168, 8 key-value heads of 16: its config.json and the count derived from it.
PARAM_1 = Shape(2048, 1_812_072_448, tied=False)


def shape_of(config: Path) -> Shape:
    """From the config.json of a Llama-like model (Llama, Mistral, Qwen 2 and 3, PARAM-1).

    Raises:
        ModelError: no such file, fields that it does not have, or a mixture of experts.
    """
    file = config / "config.json" if config.is_dir() else config
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        width, layers = int(data["hidden_size"]), int(data["num_hidden_layers"])
        inner, heads = int(data["intermediate_size"]), int(data["num_attention_heads"])
        head = int(data.get("head_dim") or width // heads)
        keys = int(data.get("num_key_value_heads") or heads)
        experts = {"num_experts", "num_local_experts", "n_routed_experts"} & data.keys()
        if experts:
            raise ValueError(f"a mixture of experts ({min(experts)})")
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ModelError(
            expected="the config.json of a Llama-like model",
            found=first_line(error),
            where=str(file),
            fix="give the folder of the model, or hidden_size, body_parameters and tied yourself",
        ) from error
    attention = width * head * (2 * heads + 2 * keys)
    layer = attention + 3 * width * inner + 2 * width
    if data.get("attention_bias"):
        layer += head * (heads + 2 * keys) + width
    elif data.get("model_type") == "qwen2":  # always, and none on the output; no field says so
        layer += head * (heads + 2 * keys)
    if data.get("model_type") == "qwen3":
        layer += 2 * head  # norms of queries and keys
    if data.get("mlp_bias"):
        layer += 2 * inner + width
    return Shape(width, layers * layer + width, bool(data.get("tie_word_embeddings", False)))
