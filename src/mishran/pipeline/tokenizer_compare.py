"""What `mishran tokenizer measure` and `compare` do with their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mishran.config_corpus import TextFile
from mishran.errors import ConfigError, DataError
from mishran.pipeline.corpus_inputs import read_texts
from mishran.pipeline.progress import Progress, Silent
from mishran.pipeline.tokenizer_measure import compare
from mishran.places import data_root
from mishran.report.tokenizer import comparison_markdown, render_comparison
from mishran.run import atomic_write, canonical_json
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.opened import open_tokenizer
from mishran.tokenizer.parallel import Parallel, parallel
from mishran.tokenizer.shape import PARAM_1, shape_of

FLORES = "parallel/flores101_devtest.jsonl.gz"  # below $MISHRAN_DATA
_NOT_LANGUAGES = ("id",)
_ENGLISH = ("en", "eng", "eng_Latn", "english")  # the reference where none is named
WORST = 2  # languages whose worst words are shown, beside the reference


def compare_tokenizers(
    paths: Sequence[str],
    texts: Sequence[str],
    *,
    reference: str | None = None,
    languages: Sequence[str] = (),
    model: Path | None = None,
    online: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Everything that is measured, as JSON values.

    Args:
        paths: of tokenizers, PATH or NAME=PATH. texts: FILE with a field per language, or LANGUAGE=FILE
        each. languages: only these; all by default.

    Raises:
        MishranError: a file that cannot be used, or a language that is not there.
    """
    beside = _only(read_beside(texts), languages, reference)
    base = reference_of(beside, reference)
    shape = PARAM_1 if model is None else shape_of(model)
    opened = open_all(paths, online)
    shown = [tag for tag in beside.texts if tag != base][:WORST]
    return compare(opened, [beside], base, shape, progress or Silent(), worst=[base, *shown])


def open_all(paths: Sequence[str], online: bool) -> list[Tokenizer]:
    """Tokenizers, named by the text before "=" where there is one and it is no path."""
    out = []
    for path in paths:
        name, equals, rest = path.partition("=")
        if equals and not Path(path).exists() and "/" not in name:
            out.append(open_tokenizer(rest, name or None, online=online))
        else:
            out.append(open_tokenizer(path, online=online))
    return out


def once(option: str, given: Sequence[str]) -> None:
    """Nothing if every language of LANGUAGE=VALUE options stands once.

    Raises:
        ConfigError: one stands twice, and only the last would count.
    """
    tags = [one.partition("=")[0] for one in given]
    twice = next((tag for i, tag in enumerate(tags) if tag in tags[:i]), None)
    if twice is not None:
        raise ConfigError(
            expected="every language once",
            found=f"{twice} twice",
            where=option,
            fix="put its files together, or leave one out",
        )


def read_beside(texts: Sequence[str]) -> Parallel:
    """Parallel text of the command line.

    Raises:
        DataError: no such file, texts of unequal number, or fields that are no languages.
    """
    if not texts:
        place = data_root() / FLORES
        if not place.is_file():
            raise DataError(
                expected="parallel text to measure on",
                found=f"none named, and no {FLORES} below $MISHRAN_DATA",
                where="--parallel",
                fix="give --parallel FILE, or --parallel en=FILE --parallel hi=FILE",
            )
        return _of_file(place)
    named = [text.partition("=") for text in texts]
    if all(
        equals and not Path(text).exists()
        for text, (_, equals, _) in zip(texts, named, strict=True)
    ):
        once("--parallel", texts)
        lines = {
            tag: list(read_texts(TextFile(path=file), Path(), f"--parallel {tag}"))
            for tag, _, file in named
        }
        return parallel("given", lines, "--parallel")
    if len(texts) > 1:
        raise DataError(
            expected="one file whose fields are languages, or LANGUAGE=FILE for each language",
            found=", ".join(texts),
            where="--parallel",
            fix="write --parallel en=FILE --parallel hi=FILE",
        )
    return _of_file(Path(texts[0]))


def _of_file(path: Path) -> Parallel:
    """A file of records; every field of the first one that holds text is a language."""
    fields = _fields(path)
    where = f"--parallel {path}"
    texts = {
        name: list(read_texts(TextFile(path=str(path), text=name), Path(), where))
        for name in fields
    }
    name = path.name.split(".")[0]
    return parallel(name, texts, where)


def _fields(path: Path) -> list[str]:
    import gzip
    import json

    from mishran.corpus.unpack import open_bytes

    try:
        with open_bytes(path) as handle:
            line = handle.readline(2**26)
        record = json.loads(line)
        names = [k for k, v in record.items() if isinstance(v, str) and k not in _NOT_LANGUAGES]
    except (OSError, ValueError, AttributeError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(
            expected="JSON lines with a field of text per language",
            found=str(error)[:150] or type(error).__name__,
            where=f"--parallel {path}",
            fix="give such a file, or LANGUAGE=FILE for each language",
        ) from error
    return names


def _only(texts: Parallel, languages: Sequence[str], reference: str | None) -> Parallel:
    wanted = [*languages, *([reference] if reference and languages else [])]
    for tag in [*wanted, *([reference] if reference else [])]:
        if tag not in texts.texts:
            raise ConfigError(
                expected=f"one of the languages {', '.join(texts.texts)}",
                found=repr(tag),
                where="--languages" if tag in languages else "--reference",
                fix="choose of these",
            )
    if not languages:
        return texts
    base = reference_of(texts, reference)
    return texts.only([base, *(tag for tag in languages if tag != base)])


def reference_of(texts: Parallel, reference: str | None) -> str:
    """The language named, else English, else the first."""
    if reference is not None:
        return reference
    return next((tag for tag in _ENGLISH if tag in texts.texts), next(iter(texts.texts)))


_PAGES: dict[str, Callable[[dict[str, Any], Path], str]] = {
    ".html": lambda facts, path: render_comparison(facts, path.stem),
    ".md": lambda facts, path: comparison_markdown(facts),
    ".json": lambda facts, path: canonical_json(facts) + "\n",
}


def check_out(path: Path) -> None:
    """Nothing if a page can be written under this name.

    Raises:
        ConfigError: its ending is of no kind that is written.
    """
    if path.suffix not in _PAGES:
        raise ConfigError(
            expected=f"a file that ends in {' or '.join(_PAGES)}",
            found=path.name,
            where="--out",
            fix="rename it",
        )


def write_comparison(facts: dict[str, Any], path: Path) -> None:
    """A page, Markdown or JSON, by the ending of its name; see `check_out`."""
    atomic_write(path, _PAGES[path.suffix](facts, path))
