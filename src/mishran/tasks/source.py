"""`Source`: a named body of raw text, document by document, for pretraining.

Documents are held in memory as text, and as tokens in 2 or 4 bytes each.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mishran.config import TaskConfig
from mishran.config_recipe import SourceConfig
from mishran.errors import DataError
from mishran.tasks.fields import valid_unicode
from mishran.tasks.parts import read_parts
from mishran.tasks.template import parse_template


@dataclass(frozen=True)
class Document:
    """One text. id: the record's own, or its number. where: file and line, for messages to people."""

    id: str
    text: str
    where: str


@dataclass(frozen=True)
class Source:
    """Documents of one kind. num_empty: records without text, left out."""

    name: str
    documents: tuple[Document, ...]
    groups: tuple[str, ...]
    num_empty: int = 0


def load_source(config: SourceConfig, base: Path, seed: int = 0, online: bool = False) -> Source:
    """One source; `limit` draws documents by the hash of their number, in file order.

    Raises:
        DataError: a file or record that is not what the source needs, or no text in any.
    """
    place = TaskConfig(
        name=config.name, path=config.path, subset=config.subset, revision=config.revision
    )
    parts = read_parts(place, base, online)
    template = parse_template(config.text, f"source {config.name!r}: text")
    documents: list[Document] = []
    records = [record for part in parts for record in part.records]
    empty = 0
    for number, record in enumerate(records, start=1):
        text = valid_unicode(template.fill(record.fields, record.where), record.where)
        own = record.fields.get("id")
        identity = str(own) if isinstance(own, str | int) else str(number)
        if text.strip():
            documents.append(Document(valid_unicode(identity, record.where), text, record.where))
        else:
            empty += 1
    if not documents:
        raise DataError(
            expected="at least one document with text",
            found=f"{empty:,} without" if empty else "an empty file",
            where=f"source {config.name!r}: {config.path}",
            fix="check the file and the template text, or remove the source",
        )
    if config.limit is not None and len(documents) > config.limit:
        order = sorted(
            range(len(documents)), key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest()
        )
        documents = [documents[i] for i in sorted(order[: config.limit])]
    return Source(config.name, tuple(documents), config.groups, empty)
