"""The files of a corpus before anything is cleaned: found, read once, cut into shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mishran.config_corpus import CorpusConfig, TextFile
from mishran.corpus.files import Shard, Surveyed, input_files, is_input, shard_size, survey
from mishran.corpus.records import Record, read_shard
from mishran.errors import DataError
from mishran.pipeline.progress import Progress

RATIO = 200.0  # unpacked to packed bytes of seeds and examples, as of sources by default
LONGEST_SEED = 2**26  # bytes of a line of seed text, as of sources by default


@dataclass(frozen=True)
class Inputs:
    """Every file of every source, in the order of the recipe.

    others: a line for every folder that has more than is read.
    """

    files: tuple[tuple[str, Surveyed], ...]
    others: tuple[str, ...] = ()

    @property
    def shards(self) -> tuple[Shard, ...]:
        return tuple(shard for _, file in self.files for shard in file.shards)

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for every file that is damaged, refused or empty."""
        out = []
        for source, file in self.files:
            if file.problem:
                out.append(f"{source}: {file.name}: {file.problem}")
            elif not file.shards:
                out.append(f"{source}: {file.name}: empty")
        return tuple(out)


def find_inputs(config: CorpusConfig, base: Path, progress: Progress) -> Inputs:
    """Look at every file of the sources.

    Raises:
        DataError: a source has no files, or nothing in any of them can be read.
    """
    paths = [
        (source.name, path)
        for source in config.sources
        for path in input_files(base / source.path, f"source {source.name!r}")
    ]
    files = []
    packed = sum(path.stat().st_size for _, path in paths)
    size = shard_size(packed)
    roots = {source.name: base / source.path for source in config.sources}
    with progress.bar("look at files", packed, "B") as done:
        for source, path in paths:
            found = survey(path, source, config.limits.ratio, size)
            root = roots[source]
            name = path.relative_to(root if root.is_dir() else root.parent).as_posix()
            shards = tuple(replace(shard, name=name) for shard in found.shards)
            files.append((source, replace(found, name=name, shards=shards)))
            done(path.stat().st_size)
    others = tuple(line for s in config.sources for line in _left_out(s.name, base / s.path))
    inputs = Inputs(tuple(files), others)
    if not inputs.shards:
        raise DataError(
            expected="text in at least one file",
            found="; ".join(inputs.problems[:3]) or "none",
            where="sources",
            fix="check the paths and the files",
        )
    return inputs


def _left_out(source: str, folder: Path) -> Iterator[str]:
    """What lies in a folder and is not read: files of other kinds, links to folders."""
    if not folder.is_dir():
        return
    found = [p for p in folder.rglob("*") if not is_input(p) or p.is_dir()]
    left = sorted(p.name for p in found if p.is_file() or p.is_symlink())
    if left:
        names = ", ".join(map(repr, left[:3])) + (", ..." if len(left) > 3 else "")
        yield f"{source}: {len(left)} files or links in its folder are not read: {names}"


def read_texts(file: TextFile, base: Path, where: str) -> Iterator[str]:
    """The texts of a file of seeds or examples, see `read_records`."""
    return (record.text for record in read_records(file, base, where))


def read_records(file: TextFile, base: Path, where: str, id_: str = "id") -> Iterator[Record]:
    """The records of a file of seeds or examples; it must be whole.

    Args:
        id_: field that a record's id is taken from.

    Raises:
        DataError: no such file, a line that cannot be read, or no text in it.
    """
    number = 0
    for path in input_files(base / file.path, where):
        found = survey(path, where, RATIO)
        if found.problem:
            raise _broken(where, str(path), found.problem)
        for shard in found.shards:
            for record in read_shard(shard, file.text, id_, LONGEST_SEED):
                if not isinstance(record, Record):
                    raise _broken(where, record.where, f"{record.reason}: {record.detail}")
                number += 1
                if number > file.skip:
                    yield record
                if file.limit is not None and number >= file.skip + file.limit:
                    return
    if number <= file.skip:
        skipped = f", of which {file.skip} are skipped" if file.skip else ""
        raise _broken(where, str(base / file.path), f"{number} texts{skipped}")


def _broken(where: str, place: str, found: str) -> DataError:
    return DataError(
        expected="texts that can be read",
        found=found,
        where=f"{where}: {place}",
        fix="mend the file or give another; `text:` names the field that holds the text, and in a test set "
        "`question:` and `answer:` do",
    )
