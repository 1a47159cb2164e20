"""A base model in 4 bits: its linear layers as NF4, all else as it was.

For models that fill the card: 7B parameters take 3.9 GB instead of 13.5. Only adapters can be trained on
such a base, and the base itself answers a little differently, so it is another model to every key of a
run. Embeddings, norms and the output head keep their type, which is also the type of all products.

Source: Dettmers et al., "QLoRA", arXiv 2305.14314 (NF4, double quantisation); the library is
`bitsandbytes`.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import torch

from mishran.errors import DependencyError

Quantize = Literal["4bit"]


def quantization(wanted: Quantize, dtype: torch.dtype) -> Any:
    """What `from_pretrained` is told. dtype: of the products.

    Raises:
        DependencyError: bitsandbytes is not installed.
    """
    assert wanted == "4bit"
    if importlib.util.find_spec("bitsandbytes") is None:
        raise DependencyError(
            expected="the package bitsandbytes, for quantize: 4bit",
            found="it is not installed",
            where="quantize",
            fix='pip install "mishran[quant]", or remove quantize',
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def keep_packing(model: torch.nn.Module) -> None:
    """Forbid that a forward pass repacks the weights for inference.

    On CPUs with AVX512-BF16 the library does so at the first pass in evaluation mode; products then are
    bfloat16 whatever was asked for, and no gradient goes through them (bitsandbytes 0.50).
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
