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
    shown, out = out, out.resolve()  # through links: a folder may lie on another disk
    if out in (Path.cwd(), Path(out.anchor)) or os.path.ismount(out):
        raise ArtifactError(
            expected="a folder that can be made anew",
            found="the current folder" if out == Path.cwd() else "the root of a disk",
            where=str(shown),
            fix="give a folder inside it with --out",
        )
    _sweep(out)
    old = read_manifest(out)
    changed = None if old is None else changed_file(out, old)
    if old is not None and changed is None and canonical_json(old["made"]) == canonical_json(facts):
        return old, False
    strange = _strange(out, old)
    if strange is None and changed is not None and (out / changed).exists():
        strange = f"{changed}, changed since it was made"
    if strange is not None:
        raise ArtifactError(
            expected="a new or empty folder, or one with nothing but what was made here",
            found=f"a folder with other things in it ({strange})" if out.is_dir() else "a file",
            where=str(shown),
            fix="give another folder with --out, or delete this one",
        )
    with storage_errors(out, "give another folder with --out"):
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


def _strange(out: Path, old: dict[str, Any] | None) -> str | None:
    """Something that replacing the folder would destroy and that was not made here, or None."""
    if not out.exists():
        return None
    if not out.is_dir():
        return out.name
    ours = set() if old is None else {*old["files"], MANIFEST}
    folders = {parent.as_posix() for name in ours for parent in Path(name).parents}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if name not in (folders if path.is_dir() and not path.is_symlink() else ours):
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
