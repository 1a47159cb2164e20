"""What came in, what was dropped and why, what was changed, what stayed: in documents, bytes and tokens.

Every document that arrives leaves exactly once, kept or dropped, and every byte and token of it is kept,
dropped or edited away. `check` asserts that; a corpus whose accounts do not balance is never written.

Bytes are UTF-8 bytes of text; of a record that could not be read, those of its line. Tokens are counted by
a function that is handed in and are absent without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, order=True)
class Drop:
    """Why, in which step, and of what kind a document was."""

    step: str
    reason: str
    source: str
    language: str
    provenance: str


@dataclass(frozen=True, order=True)
class Kind:
    """Documents of one source, language, script and provenance."""

    source: str
    language: str
    script: str
    provenance: str


@dataclass(frozen=True, order=True)
class Edit:
    """What a step changed in documents of one source. what: "" for the documents and bytes of the step."""

    step: str
    what: str
    source: str


@dataclass(frozen=True, order=True)
class Refusal:
    """A place of the input that could not be read: file, line and why."""

    where: str
    reason: str
    detail: str


KEPT_REFUSALS = 100  # named for each shard, and in the report of all; every one is counted


@dataclass
class Amount:
    """documents; bytes; tokens (0 where nobody counts)."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, documents: int, bytes_: int, tokens: int) -> None:
        self.documents += documents
        self.bytes += bytes_
        self.tokens += tokens


@dataclass
class Accounts:
    """What happened to the documents of a shard, or of all.

    arrived: by source. edited: for what = "" documents changed, bytes and tokens lost; for every other
    `what` its occurrences, in `documents`. refusals: the first of them.
    """

    arrived: dict[str, Amount] = field(default_factory=dict)
    dropped: dict[Drop, Amount] = field(default_factory=dict)
    edited: dict[Edit, Amount] = field(default_factory=dict)
    kept: dict[Kind, Amount] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def arrive(self, source: str, bytes_: int, tokens: int) -> None:
        self.arrived.setdefault(source, Amount()).add(1, bytes_, tokens)

    def drop(self, drop: Drop, bytes_: int, tokens: int) -> None:
        self.dropped.setdefault(drop, Amount()).add(1, bytes_, tokens)

    def edit(self, step: str, source: str, counts: dict[str, int], bytes_: int) -> None:
        """Count the changes of one document. bytes_: how many it lost, below 0 where it grew."""
        self.edited.setdefault(Edit(step, "", source), Amount()).add(1, bytes_, 0)
        for what, number in counts.items():
            self.edited.setdefault(Edit(step, what, source), Amount()).add(number, 0, 0)

    def edited_tokens(self, source: str, tokens: int) -> None:
        """Tokens that a document lost by all edits together: they are counted before and after."""
        self.edited.setdefault(Edit("edits", "", source), Amount()).add(0, 0, tokens)

    def keep(self, kind: Kind, bytes_: int, tokens: int) -> None:
        self.kept.setdefault(kind, Amount()).add(1, bytes_, tokens)

    def refuse(self, refusal: Refusal) -> None:
        if len(self.refusals) < KEPT_REFUSALS:
            self.refusals.append(refusal)

    def check(self) -> None:
        """In = out + dropped by reason, of every source; bytes and tokens less what was edited away.

        Raises:
            AssertionError: they are not equal, which is a mistake of ours.
        """
        for source, came in self.arrived.items():
            left = Amount()
            leaving: list[tuple[Drop | Kind, Amount]] = [*self.dropped.items(), *self.kept.items()]
            for key, amount in leaving:
                if key.source == source:
                    left.add(amount.documents, amount.bytes, amount.tokens)
            for edit, amount in self.edited.items():
                if edit.source == source and not edit.what:
                    left.add(0, amount.bytes, amount.tokens)
            if left != came:  # and not an assert, which python -O leaves out
                raise AssertionError(f"accounts of {source}: {came} came in, {left} went out")
        sources = {key.source for key in self.dropped} | {key.source for key in self.kept}
        if not sources <= set(self.arrived):
            raise AssertionError(f"documents of no source: {sorted(sources - set(self.arrived))}")

    def as_dict(self) -> dict[str, Any]:
        """JSON values, sorted: equal accounts give equal bytes."""
        return {
            "arrived": [{"source": k, **vars(v)} for k, v in sorted(self.arrived.items())],
            "dropped": [{**vars(k), **vars(v)} for k, v in sorted(self.dropped.items())],
            "edited": [{**vars(k), **vars(v)} for k, v in sorted(self.edited.items())],
            "kept": [{**vars(k), **vars(v)} for k, v in sorted(self.kept.items())],
            "refusals": [vars(r) for r in self.refusals],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Accounts:
        out = cls()
        for row in data["arrived"]:
            out.arrived[row["source"]] = _amount(row)
        for row in data["dropped"]:
            out.dropped[_key(Drop, row)] = _amount(row)
        for row in data["edited"]:
            out.edited[_key(Edit, row)] = _amount(row)
        for row in data["kept"]:
            out.kept[_key(Kind, row)] = _amount(row)
        out.refusals = [Refusal(**row) for row in data["refusals"]]
        return out


def merged(parts: Iterable[Accounts]) -> Accounts:
    """The accounts of several shards or steps as one."""
    out = Accounts()
    for part in parts:
        for name in ("arrived", "dropped", "edited", "kept"):
            into = getattr(out, name)
            for key, amount in getattr(part, name).items():
                into.setdefault(key, Amount()).add(amount.documents, amount.bytes, amount.tokens)
        for refusal in part.refusals:
            out.refuse(refusal)
    return out


def _key(kind: Any, row: dict[str, Any]) -> Any:
    return kind(**{name: row[name] for name in kind.__dataclass_fields__})


def _amount(row: dict[str, Any]) -> Amount:
    return Amount(row["documents"], row["bytes"], row["tokens"])
