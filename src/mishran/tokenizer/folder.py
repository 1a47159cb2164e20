"""A trained tokenizer as a folder that transformers, tokenizers and SentencePiece load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mishran.config_tokenizer import SPECIAL
from mishran.tokenizer.train import Trained


def write_tokenizer(
    trained: Trained, folder: Path, extra: Sequence[str], about: Mapping[str, Any]
) -> None:
    """tokenizer.json, tokenizer_config.json, tokenizer.model where it is SentencePiece's, training.json.

    Args:
        extra: special tokens beside the four.
        about: how it was trained, for training.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pad, begin, end, unknown = SPECIAL
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": pad,
        "bos_token": begin,
        "eos_token": end,
        "unk_token": unknown,
        "additional_special_tokens": list(extra),
        "clean_up_tokenization_spaces": False,
        "model_max_length": 10**9,
    }
    (folder / "tokenizer.json").write_text(trained.json, encoding="utf-8")
    _write(folder / "tokenizer_config.json", config)
    if trained.model is not None:
        (folder / "tokenizer.model").write_bytes(trained.model)
    _write(folder / "training.json", about)


def _write(path: Path, data: Mapping[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    path.write_text(text, encoding="utf-8")
