"""JSON lines from gzip, as all real text of the example is kept."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mishran.places import data_root


def records(name: str | Path) -> Iterator[dict[str, Any]]:
    """Records of a file under $MISHRAN_DATA, or of one by its whole path, in their order."""
    with gzip.open(data_root() / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
