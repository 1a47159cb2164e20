"""Pages about tokenizers."""
from __future__ import annotations
from collections.abc import Mapping
from typing import Any
def render_tokenizer(measures: Mapping[str, Any], search: Mapping[str, Any], training: Mapping[str, Any], title: str) -> str:
    return "<html></html>"
