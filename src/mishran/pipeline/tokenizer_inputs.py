"""What a tokenizer is trained and measured on: texts of each language, and parallel text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mishran.config_corpus import TextFile
from mishran.config_tokenizer import ParallelConfig, TokenizerConfig
from mishran.corpus.files import input_files
from mishran.errors import ConfigError, DataError
from mishran.pipeline.corpus_inputs import read_records, read_texts
from mishran.pipeline.corpus_result import open_corpus
from mishran.run import sha256_file
from mishran.tokenizer.parallel import Parallel, parallel

Reader = Callable[[], Iterator[str]]
Texts = Mapping[str, Mapping[str, Reader]]  # language -> source -> its texts


def training_texts(config: TokenizerConfig, base: Path) -> tuple[Texts, dict[str, str]]:
    """Language -> source -> its texts, and the sha256 of what they are read from.

    A source is an entry of a language's text, or what the corpus calls so.

    Raises:
        MishranError: no such files, or no such corpus.
    """
    if config.corpus is not None:
        return corpus_texts(base / config.corpus)
    assert config.languages is not None
    texts: dict[str, dict[str, Reader]] = {}
    inputs: dict[str, str] = {}
    for tag, language in config.languages.items():
        where = f"languages.{tag}"
        inputs |= _hashes(language.text, base, where)
        texts[tag] = {
            f"{i}: {Path(file.path).name}": _reader(file, base, where)
            for i, file in enumerate(language.text, start=1)
        }
    return texts, inputs


def _reader(file: TextFile, base: Path, where: str) -> Reader:
    return lambda: read_texts(file, base, where)


def corpus_texts(folder: Path) -> tuple[Texts, dict[str, str]]:
    """Language -> source -> texts of a cleaned corpus, and its sha256.

    Raises:
        ArtifactError: there is none.
    """
    corpus = open_corpus(folder)
    kept = sorted({(r["language"], r["source"]) for r in corpus.facts["accounts"]["kept"]})

    def reader(tag: str, source: str) -> Reader:
        return lambda: (one["text"] for one in corpus.documents(source) if one["language"] == tag)

    texts: dict[str, dict[str, Reader]] = {}
    for tag, source in kept:
        texts.setdefault(tag, {})[source] = reader(tag, source)
    return texts, {"corpus": sha256_file(folder / "manifests" / "corpus.json")}


def _hashes(files: tuple[TextFile, ...], base: Path, where: str) -> dict[str, str]:
    out = {}
    for i, file in enumerate(files):
        for path in input_files(base / file.path, where):
            inside = path.relative_to(base / file.path).as_posix()
            out[f"{where}: {i}: {file.path}: {inside}"] = sha256_file(path)
    return out


def parallel_hashes(configs: tuple[ParallelConfig, ...], base: Path) -> dict[str, str]:
    """sha256 of every file of parallel text."""
    out = {}
    for one in configs:
        where = f"parallel {one.name!r}"
        if one.path is not None:
            out |= _hashes((TextFile(path=one.path),), base, where)
        for tag, file in (one.files or {}).items():
            out |= _hashes((file,), base, f"{where}: {tag}")
    return out


def read_parallel(config: ParallelConfig, base: Path) -> Parallel:
    """Parallel text as the recipe names it.

    Raises:
        DataError: files that cannot be read, or texts that do not stand beside each other.
    """
    where = f"parallel {config.name!r}"
    if config.path is not None:
        assert config.fields is not None
        texts = {
            tag: list(read_texts(TextFile(path=config.path, text=field), base, where))
            for tag, field in config.fields.items()
        }
    elif config.key is None:
        assert config.files is not None
        texts = {
            tag: list(read_texts(file, base, f"{where}: {tag}"))
            for tag, file in config.files.items()
        }
    else:
        texts = _by_key(config, base, where)
    if config.limit is not None:
        texts = {tag: lines[: config.limit] for tag, lines in texts.items()}
    return parallel(config.name, texts, where)


def _by_key(config: ParallelConfig, base: Path, where: str) -> dict[str, list[str]]:
    """Texts of one key put together, of the keys that every language has, in the first language's order."""
    assert config.files is not None and config.key is not None
    grouped: dict[str, dict[str, list[str]]] = {}
    for tag, file in config.files.items():
        own = grouped.setdefault(tag, {})
        for record in read_records(file, base, f"{where}: {tag}", config.key):
            own.setdefault(record.id, []).append(record.text)
    first, *others = grouped.values()
    shared = [key for key in first if all(key in other for other in others)]
    if not shared:
        raise DataError(
            expected=f"texts that share a value of {config.key!r} in {', '.join(grouped)}",
            found="none",
            where=where,
            fix="check key:, which names a field of the records",
        )
    return {tag: ["\n".join(own[key]) for key in shared] for tag, own in grouped.items()}


def split_use(
    configs: tuple[ParallelConfig, ...], texts: tuple[Parallel, ...]
) -> tuple[tuple[Parallel, ...], tuple[Parallel, ...]]:
    """What is searched on and what is reported on; they have no text in common."""
    search, report = [], []
    for config, text in zip(configs, texts, strict=True):
        if config.use == "both":
            search.append(text.part(0, 2))
            report.append(text.part(1, 2))
        else:
            (search if config.use == "search" else report).append(text)
    return tuple(search), tuple(report)


def check_languages(config: TokenizerConfig, tags: tuple[str, ...], base: Path) -> None:
    """Shares and boundaries are of languages that there is text of, and boundaries of files that are there.

    Raises:
        ConfigError: one is not.
    """
    for field, named in (("shares", config.shares), ("boundaries", config.boundaries)):
        for tag in named or {}:
            if tag not in tags:
                raise ConfigError(
                    expected=f"a language of the text ({', '.join(tags)})",
                    found=repr(tag),
                    where=field,
                    fix="change it",
                )
    for tag, one in (config.boundaries or {}).items():
        place = base / str(one.path or one.inflections)
        if not place.is_file():
            raise ConfigError(
                expected="a file of boundaries",
                found="no such file",
                where=f"boundaries.{tag}: {place}",
                fix="check the path",
            )


def check_parallel(
    config: TokenizerConfig, tags: tuple[str, ...], texts: tuple[Parallel, ...]
) -> str:
    """The reference language, which every domain has, beside another one that is trained on.

    Raises:
        ConfigError: a domain has none of them, or there is nothing to search or to report on.
    """
    reference = config.reference or tags[0]
    if reference not in tags:
        raise ConfigError(
            expected=f"a reference among the languages of the text ({', '.join(tags)})",
            found=repr(reference),
            where="reference",
            fix="change it",
        )
    for text in texts:
        if reference not in text.texts:
            raise ConfigError(
                expected=f"the reference language {reference} in every parallel text",
                found=f"{', '.join(text.texts)} only",
                where=f"parallel {text.name!r}",
                fix="add its field or file, or set reference:",
            )
    searched, reported = split_use(config.parallel, texts)
    _check_apart(searched, reported, reference)
    for name, some in (("search", searched), ("report", reported)):
        if name == "search" and config.shares is not None:
            continue
        if not any(tag in text.texts for text in some for tag in tags if tag != reference):
            raise ConfigError(
                expected=f"parallel text to {name} on, in {reference} and another language of the text",
                found="none",
                where="parallel",
                fix=f"set use: both (or {name}) for one of them",
            )
    return reference


def _check_apart(
    searched: tuple[Parallel, ...], reported: tuple[Parallel, ...], reference: str
) -> None:
    """No text is searched and reported on.

    Raises:
        ConfigError: one is, in the reference language.
    """
    seen = {line: text.name for text in searched for line in text.texts[reference]}
    for text in reported:
        for i, line in enumerate(text.texts[reference]):
            if line in seen:
                raise ConfigError(
                    expected="other texts to report on than to search on",
                    found=f"one that is in {seen[line]!r}, too",
                    where=f"parallel {text.name!r}: text {i + 1} of those to report on, {reference}",
                    fix="remove it there or here, or use: search for both",
                )
