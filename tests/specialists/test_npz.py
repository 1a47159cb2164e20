"""npz files of a run: plain arrays, equal bytes, nothing that only pickle could store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mishran.pipeline.tables import read_npz, write_npz


def test_only_what_was_given_is_stored_whatever_the_version_of_numpy(tmp_path, monkeypatch) -> None:
    real = np.savez

    def before_2_1(file, *args, **arrays):  # there every keyword is an array
        assert set(arrays) == {"a", "name"}
        real(file, *args, **arrays)

    monkeypatch.setattr(np, "savez", before_2_1)
    paths = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for path in paths:
        write_npz(path, a=np.arange(3), name=np.array("jsd"))
    assert set(read_npz(paths[0])) == {"a", "name"}
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("array", [[None, 1], [object()], np.array([(None,)], dtype=[("a", "O")])])
def test_objects_are_refused(array, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a of x\.npz holds objects"):
        write_npz(tmp_path / "x.npz", a=array)
    assert not list(tmp_path.iterdir())
