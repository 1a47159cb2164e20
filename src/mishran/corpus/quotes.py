"""Typographic quotation marks and apostrophes as " and ', in every language.

When: where a tokenizer or a published recipe asks for it; off otherwise, since nothing is wrong with them.
Trade-off: opening and closing marks are the same afterwards.

Source: as a pipeline that continues from PARAM-1 (arXiv 2507.13390) unifies them.
"""

from __future__ import annotations

import re

from mishran.corpus.edited import Edited, edited

_DOUBLE = re.compile("[\u201c-\u201f]")
_SINGLE = re.compile("[\u2018-\u201b\xb4]")


def unify_quotes(text: str) -> Edited:
    """The text and how often: quote. Guillemets and primes stay."""
    now, double = _DOUBLE.subn('"', text)
    now, single = _SINGLE.subn("'", now)
    return edited(text, now, {"quote": double + single})
