"""The run directory: stages keyed by content, written beside their place and renamed, manifest last.

A stage has a name, parameters, inputs (sha256 of content) and a version of its code. Their hash is the
stage's key. A stage is *done* when its manifest exists, carries that key, and every output it lists has
the sha256 it lists. Anything else is computed again: never computed, changed inputs, damaged file. Kill
the process at any point and run the same command: what was finished is kept, the rest is made again.

Files are written to a temporary name in the same directory, synced, and renamed; the manifest, which
makes them count, is renamed last. Times and host names are not in any of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mishran.errors import ArtifactError

TMP = ".tmp-"
_FIELDS = ("stage", "key", "version", "params", "inputs", "outputs", "recorded")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_value(value: Any) -> str:
    return sha256_bytes(canonical_json(value).encode())


def sha256_file(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Of packages whose code decides what a stage writes, "" where one is not installed; and of Unicode."""
    found = {"unicode": unicodedata.unidata_version}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def sha256_tree(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by POSIX relative path, sorted."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in files}


RESUMES = "give another run directory, then run the same command: it resumes"


@contextlib.contextmanager
def storage_errors(path: Path, otherwise: str = RESUMES) -> Iterator[None]:
    """Turn a failed write (disk full, no permission) into help; otherwise: what to do instead."""
    try:
        yield
    except OSError as error:
        folder = path if path.is_dir() else path.parent
        free = ""
        with contextlib.suppress(OSError):
            free = f" ({shutil.disk_usage(folder).free / 2**20:.0f} MiB free)"
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        raise ArtifactError(
            expected="a folder that can be written",
            found="a file where a folder is needed"
            if in_the_way
            else f"{error.strerror or error}{free}",
            where=str(path),
            fix=f"free space or {otherwise}",
        ) from error


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write beside, sync, rename: readers see the old file or the new one, never half of it."""
    payload = data.encode() if isinstance(data, str) else data
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp = path.with_name(f"{TMP}{os.getpid()}-{path.name}")
        try:
            with open(tmp, "wb") as handle:
                handle.write(payload)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(tmp, path)
        finally:
            tmp.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stage:
    """One step of a run, named by what goes in.

    name: unique in the run, and the place of its manifest ("specialists/gsm8k", "probe").
    version: raised by us whenever the code of the stage changes what it writes.
    params: JSON values. inputs: name -> sha256 of what it reads.
    outputs: paths relative to the run directory; a path ending in "/" is a folder.
    """

    name: str
    version: int
    params: dict[str, Any]
    inputs: dict[str, str]
    outputs: tuple[str, ...]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        what = [self.name, self.version, self.params, self.inputs, list(self.outputs)]
        object.__setattr__(self, "key", sha256_value(what))


@dataclass(frozen=True)
class Run:
    """A run directory."""

    root: Path

    def path(self, relative: str) -> Path:
        return self.root / relative

    def manifest_path(self, stage: str) -> Path:
        return self.root / "manifests" / f"{stage}.json"

    def manifest(self, stage: str) -> dict[str, Any] | None:
        """The manifest of a stage, or None when there is none, or not as we write them."""
        try:
            text = self.manifest_path(stage).read_text(encoding="utf-8")
            data = json.loads(text)
        except (OSError, ValueError, RecursionError):
            return None
        whole = isinstance(data, dict) and set(data) == set(_FIELDS) and text == _manifest(data)
        if not whole or data["stage"] != stage:
            return None
        maps = [data[key] for key in ("params", "inputs", "outputs", "recorded")]
        plain = all(isinstance(m, dict) for m in maps) and all(
            isinstance(digest, str) for digest in data["outputs"].values()
        )
        return data if plain else None

    def state(self, stage: Stage) -> str:
        """ "done", "missing", "stale" (inputs, parameters or code changed) or "damaged"."""
        return self._check(stage)[0]

    def _check(self, stage: Stage) -> tuple[str, str]:
        """State of a stage; of a damaged one also the first file that is missing or changed."""
        place = self.manifest_path(stage.name)
        manifest = self.manifest(stage.name)
        broken = ("damaged", place.relative_to(self.root).as_posix())
        if manifest is None:
            return broken if place.exists() else ("missing", "")
        described = _describes(manifest, stage)
        if manifest["key"] != stage.key:
            return broken if described else ("stale", "")
        if not described or not _lists(manifest, stage):
            return broken
        wrong = self._wrong(manifest)
        return ("done", "") if wrong is None else ("damaged", wrong)

    def verify(self, stage: str) -> str | None:
        """The first output of a finished stage that is missing or changed, or None."""
        manifest = self.manifest(stage)
        if manifest is None:
            return self.manifest_path(stage).relative_to(self.root).as_posix()
        return self._wrong(manifest)

    def _wrong(self, manifest: dict[str, Any], names: Sequence[str] = ()) -> str | None:
        """The first of these outputs (all, by default) that is missing or changed, or None."""
        outputs = manifest["outputs"]
        for relative in names or outputs:
            path = self.root / relative
            if not path.is_file() or sha256_file(path) != outputs.get(relative):
                return relative
        return None

    def need(self, stage: str, *names: str) -> None:
        """Nothing if these outputs of a finished stage (all, by default) are as they were written.

        Raises:
            ArtifactError: the stage is not finished, or a file is missing or was changed since.
        """
        wrong = self._wrong(self.finished(stage), names)
        if wrong is not None:
            raise ArtifactError(
                expected=f"{wrong} as it was written",
                found="a file that was changed" if self.path(wrong).is_file() else "no such file",
                where=str(self.root),
                fix="run `mishran fit` on the same configuration: it makes what is missing or damaged",
            )

    def outputs(self, stage: str) -> dict[str, str]:
        """sha256 of every file of a finished stage."""
        return self.finished(stage)["outputs"]

    def finished(self, stage: str) -> dict[str, Any]:
        """The manifest of a finished stage.

        Raises:
            ArtifactError: there is none.
        """
        manifest = self.manifest(stage)
        if manifest is None:
            raise ArtifactError(
                expected=f"a finished stage {stage!r}",
                found="no manifest of it",
                where=str(self.root),
                fix="run `mishran fit` on the same configuration: it makes what is missing",
            )
        return manifest

    def stage_files(self, stage: str) -> list[Path]:
        """Files that the manifest of a stage lists and that exist."""
        manifest = self.manifest(stage)
        files = [self.root / name for name in manifest["outputs"]] if manifest else []
        inside = self.root.resolve()  # a manifest may come from anywhere: never leave the run
        return [p for p in files if p.is_file() and p.resolve().is_relative_to(inside)]

    def complete(
        self,
        stage: Stage,
        make: Callable[[Path], dict[str, Any] | None],
        say: Callable[[str], None] = lambda text: None,
    ) -> bool:
        """Make a stage unless it is done; True when it was made.

        `make` gets an empty folder, writes the stage's outputs into it under their relative paths, and
        may return facts to keep in the manifest (`recorded`). The folder is on the run's file system;
        when `make` returns, outputs are renamed into place and the manifest is written last.
        """
        state, wrong = self._check(stage)
        if state == "done":
            return False
        if state == "damaged":
            say(f"{stage.name}: {wrong} is damaged or missing; computing it again")
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            work = self.root / f"{TMP}{os.getpid()}-{stage.name.replace('/', '-')}"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
        try:
            with storage_errors(self.root):
                with _input_errors(work):
                    recorded = make(work) or {}
                self._place(stage, work, recorded)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return True

    def _place(self, stage: Stage, work: Path, recorded: dict[str, Any]) -> None:
        self.manifest_path(stage.name).unlink(missing_ok=True)
        digests: dict[str, str] = {}
        for output in stage.outputs:
            source, target = work / output, self.root / output
            files = (
                sorted(p for p in source.rglob("*") if p.is_file())
                if output.endswith("/")
                else [source]
            )
            for path in files:
                with open(path, "rb") as handle:
                    os.fsync(handle.fileno())
                digests[path.relative_to(work).as_posix()] = sha256_file(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if output.endswith("/"):
                shutil.rmtree(target, ignore_errors=True)
            os.replace(source, target)
        manifest = {
            "stage": stage.name,
            "key": stage.key,
            "version": stage.version,
            "params": stage.params,
            "inputs": stage.inputs,
            "outputs": digests,
            "recorded": recorded,
        }
        atomic_write(self.manifest_path(stage.name), _manifest(manifest))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run directory; the lock goes with the process, however it ends."""
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = open(self.root / ".lock", "w")  # noqa: SIM115
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ArtifactError(
                    expected="a run directory that nobody else is working in",
                    found="another mishran process at work",
                    where=str(self.root),
                    fix="wait for it, or give another directory with --run",
                ) from error
            yield

    def leftovers(self) -> list[Path]:
        """Temporary files of processes that were killed; only to be asked while holding the lock."""
        return sorted(self.root.rglob(f"{TMP}*"))

    def sweep(self) -> int:
        """Delete leftovers, while holding the lock; returns how many there were."""
        found = self.leftovers()
        with storage_errors(self.root):
            for path in found:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        return len(found)


@contextlib.contextmanager
def _input_errors(work: Path) -> Iterator[None]:
    """A file that could not be read is named; what fails in the folder of work is a failed write."""
    try:
        yield
    except OSError as error:
        name = error.filename
        if not isinstance(name, str) or Path(name).resolve().is_relative_to(work.resolve()):
            raise
        raise ArtifactError(
            expected="a file that can be read",
            found=error.strerror or str(error),
            where=name,
            fix="check that it is there and may be read, then run the same command: it resumes",
        ) from error


def _lists(manifest: dict[str, Any], stage: Stage) -> bool:
    """Whether every output of the stage, or a file in it, is in the manifest."""
    names = manifest["outputs"]
    return all(
        any(n.startswith(output) for n in names) if output.endswith("/") else output in names
        for output in stage.outputs
    )


def _describes(manifest: dict[str, Any], stage: Stage) -> bool:
    said = [manifest["version"], manifest["params"], manifest["inputs"]]
    return canonical_json(said) == canonical_json([stage.version, stage.params, stage.inputs])


def _manifest(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
