"""`TokenRows`: the rows of one task as flat arrays, in memory or mapped from a folder.

A row is a run of token ids of which the first few, the prompt, are not trained on. Three `.npy` files per
task (tokens, offsets, prompts) are all that a loader touches: no decoding, and the operating system keeps
what is read often.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mishran.errors import ArtifactError
from mishran.run import atomic_write

FILES = ("tokens.npy", "offsets.npy", "prompts.npy")


class TokenRow(Protocol):
    """Token ids of one example and how many of them are prompt (see `mishran.tasks.render`)."""

    @property
    def input_ids(self) -> tuple[int, ...]: ...

    @property
    def num_prompt_tokens(self) -> int: ...


@dataclass(frozen=True)
class TokenRows:
    """n rows.

    tokens: (T,) uint16 or uint32, all rows behind each other. offsets: (n + 1,) int64, where rows begin.
    prompts: (n,) int32, tokens at the beginning of each row that are not trained on. folder: where they are
    mapped from, if they are.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    prompts: np.ndarray
    folder: Path | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Mapped rows go to another process as their folder, not as their tokens."""
        if self.folder is not None:
            return TokenRows.open, (self.folder,)
        return TokenRows, (self.tokens, self.offsets, self.prompts)

    @classmethod
    def joined(cls, parts: Sequence[TokenRows]) -> TokenRows:
        """The rows of several behind each other."""
        shifts = np.cumsum([0, *(int(part.offsets[-1]) for part in parts)])
        ends = [part.offsets[1:] + shift for part, shift in zip(parts, shifts, strict=False)]
        return cls(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([[0], *ends]).astype(np.int64),
            np.concatenate([part.prompts for part in parts]),
        )

    @classmethod
    def of(cls, rows: Sequence[TokenRow]) -> TokenRows:
        lengths = [len(row.input_ids) for row in rows]
        largest = max((max(row.input_ids, default=0) for row in rows), default=0)
        kind = np.uint16 if largest < 2**16 else np.uint32
        flat = (token for row in rows for token in row.input_ids)
        return cls(
            np.fromiter(flat, dtype=kind, count=sum(lengths)),
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
            np.array([row.num_prompt_tokens for row in rows], dtype=np.int32),
        )

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64 tokens of each row."""
        return np.diff(self.offsets)

    @property
    def plain(self) -> TokenRows:
        """Plain arrays of the same memory: a slice of a mapped one takes five times as long."""
        tokens, offsets, prompts = map(np.asarray, (self.tokens, self.offsets, self.prompts))
        return TokenRows(tokens, offsets, prompts, self.folder)

    @property
    def content(self) -> str:
        """sha256 of ids, row borders and prompts; the same in memory and on disk."""
        digest = hashlib.sha256()
        for array, kind in ((self.tokens, "<u4"), (self.offsets, "<i8"), (self.prompts, "<i4")):
            digest.update(len(array).to_bytes(8, "big"))
            for start in range(0, len(array), 1 << 22):
                digest.update(
                    np.ascontiguousarray(array[start : start + (1 << 22)], dtype=kind).tobytes()
                )
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        for name, array in zip(FILES, (self.tokens, self.offsets, self.prompts), strict=True):
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            atomic_write(folder / name, buffer.getvalue())

    @classmethod
    def open(cls, folder: Path) -> TokenRows:
        """Map the files of a folder.

        Raises:
            ArtifactError: one is missing, or they do not belong together.
        """
        try:
            tokens, offsets, prompts = (
                np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in FILES
            )
        except (OSError, ValueError) as error:
            raise ArtifactError(
                expected=f"the files {', '.join(FILES)}",
                found=str(error).splitlines()[0],
                where=str(folder),
                fix="tokenise the task again",
            ) from error
        if len(offsets) != len(prompts) + 1 or int(offsets[-1]) != len(tokens):
            raise ArtifactError(
                expected="files of one task",
                found=f"{len(tokens):,} tokens, {len(offsets):,} offsets and {len(prompts):,} prompts",
                where=str(folder),
                fix="tokenise the task again",
            )
        return cls(tokens, offsets, prompts, folder)
