"""Rows of tokens: the same in memory and mapped from a folder, and damaged files are noticed."""

from __future__ import annotations

import numpy as np
import pytest
from stream_cases import store

from mishran.errors import ArtifactError
from mishran.stream.supply import Draws, Supply, content_sha256
from mishran.stream.tokens import FILES, TokenRows
from mishran.tasks.render import Rendered


def test_rows_are_the_rendered_ones() -> None:
    rows = TokenRows.of([Rendered((5, 6, 7), 2), Rendered((8,), 0)])
    assert rows.tokens.tolist() == [5, 6, 7, 8] and rows.tokens.dtype == np.uint16
    assert rows.offsets.tolist() == [0, 3, 4] and rows.prompts.tolist() == [2, 0]
    assert rows.lengths.tolist() == [3, 1] and len(rows) == 2
    assert TokenRows.of([Rendered((70_000,), 0)]).tokens.dtype == np.uint32
    assert len(TokenRows.of([])) == 0


def test_mapped_rows_are_those_that_were_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = store(3, 50)
    rows.write(tmp_path / "t")
    read = TokenRows.open(tmp_path / "t")
    assert isinstance(read.tokens, np.memmap)
    assert read.content == rows.content
    assert read.tokens.tolist() == rows.tokens.tolist()


def test_every_value_is_in_the_content() -> None:
    base = store(3, 50)
    found = {base.content}
    for name in ("tokens", "offsets", "prompts"):
        arrays = {n: getattr(base, n).copy() for n in ("tokens", "offsets", "prompts")}
        arrays[name][20] += 1
        found.add(TokenRows(**arrays).content)
    assert len(found) == 4
    assert (
        TokenRows(base.tokens.astype(np.uint32), base.offsets, base.prompts).content == base.content
    )
    assert content_sha256([b"ab", b"c"]) != content_sha256([b"a", b"bc"])


def test_damaged_files_are_noticed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = store(3, 50)
    rows.write(tmp_path / "t")
    np.save(tmp_path / "t" / "prompts.npy", rows.prompts[:-1])
    with pytest.raises(ArtifactError, match="files of one task"):
        TokenRows.open(tmp_path / "t")
    for name in FILES:
        rows.write(tmp_path / "t")
        (tmp_path / "t" / name).write_bytes(b"no array")
        with pytest.raises(ArtifactError, match="tokenise the task again"):
            TokenRows.open(tmp_path / "t")
        (tmp_path / "t" / name).unlink()
        with pytest.raises(ArtifactError, match="expected the files"):
            TokenRows.open(tmp_path / "t")


def test_counting_draws_is_adding_them_up() -> None:
    rows = store(0, 17)
    draws = Draws(Supply("t0", rows.lengths, ""), seed=2)
    sums = [draws.tokens(k) for k in range(120)]
    assert sums[17] == rows.lengths.sum() and sums == sorted(sums)
    for tokens in range(0, sums[-2], 7):
        nearest = min(range(120), key=lambda k: (abs(sums[k] - tokens), k))
        assert abs(sums[draws.count(tokens)] - tokens) == abs(sums[nearest] - tokens)
