"""A folder that appears whole or not at all, and is replaced only if it was made here.

It is written beside its place under a temporary name and renamed. `manifest.json` lists every file with
its sha256; it tells a folder of ours from somebody else's, and a whole one from a damaged one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mishran.errors import ArtifactError
from mishran.run import TMP, atomic_write, canonical_json, sha256_file, storage_errors

MANIFEST = "manifest.json"


def write_folder(
    out: Path, facts: dict[str, Any], make: Callable[[Path], dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    """Make a folder, unless it is there already.

    Args:
        facts: what decides its content; kept in the manifest under "made".
        make: writes the files into an empty folder and returns further facts for the manifest.

    Returns:
        The manifest, and whether the folder was made now.

    Raises:
        ArtifactError: the place is a file or somebody else's folder, or cannot be written.
    """
    _sweep(out)
    old = read_manifest(out)
    if (
        old is not None
        and canonical_json(old["made"]) == canonical_json(facts)
        and changed_file(out, old) is None
    ):
        return old, False
    strange = _strange(out, {} if old is None else old["files"])
    if strange is not None:
        raise ArtifactError(
            expected="a new or empty folder, or one with nothing but what was made here",
            found="a file" if not out.is_dir() else f"a folder with other things in it ({strange})",
            where=str(out),
            fix="give another folder with --out",
        )
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        work = out.parent / f"{TMP}{os.getpid()}-{out.name}"
        work.mkdir()
        try:
            more = make(work)
            files = sorted(p for p in work.rglob("*") if p.is_file())
            digests = {p.relative_to(work).as_posix(): sha256_file(p) for p in files}
            manifest = {"made": facts, **more, "files": digests}
            text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
            atomic_write(work / MANIFEST, text)
            _replace(work, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return json.loads(text), True


def _replace(work: Path, out: Path) -> None:
    if not out.exists():
        os.replace(work, out)
        return
    aside = out.parent / f"{TMP}{os.getpid()}-old-{out.name}"
    os.replace(out, aside)
    os.replace(work, out)
    shutil.rmtree(aside)


def _strange(out: Path, files: dict[str, str]) -> str | None:
    """Something that replacing the folder would destroy and that was not made here, or None."""
    if not out.exists():
        return None
    if not out.is_dir():
        return out.name
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if not path.is_dir() and name not in files and name != MANIFEST:
            return name
    return None


def read_manifest(out: Path) -> dict[str, Any] | None:
    """The manifest of a folder of ours, or None."""
    try:
        data = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = (
        isinstance(data, dict)
        and isinstance(data.get("files"), dict)
        and isinstance(data.get("made"), dict)
    )
    return data if ours else None


def changed_file(out: Path, manifest: dict[str, Any]) -> str | None:
    """The first file of a folder that is missing or not as it was written, or None."""
    for name, digest in manifest["files"].items():
        if not (out / name).is_file() or sha256_file(out / name) != digest:
            return str(name)
    return None


def _sweep(out: Path) -> None:
    """Remove what killed processes left beside the folder."""
    for path in out.parent.glob(f"{TMP}*-{out.name}"):
        owner = path.name.removeprefix(TMP).split("-")[0]
        alive = owner.isdigit() and Path(f"/proc/{owner}").exists() and owner != str(os.getpid())
        if path.is_dir() and not alive:
            with contextlib.suppress(OSError):
                shutil.rmtree(path)
