"""How many threads of the processor torch uses, and only for as long as it is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def using_threads(number: int | None) -> Iterator[int]:
    """Within it, an operation of torch runs in so many threads; None changes nothing.

    Yields how many there were before.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
