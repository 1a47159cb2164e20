"""What is learned before a corpus is cleaned: languages, prose, the fact score, the index of test items.

All from the user's own files, with what was measured on text that was held out: `models/checks.json`.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mishran.config_corpus import CorpusConfig, EvaluationSetConfig, TextFile
from mishran.corpus.contamination import build_index
from mishran.corpus.contamination_files import save as save_index
from mishran.corpus.contamination_index import Item
from mishran.corpus.fact_check import deciles, roc
from mishran.corpus.facts import FactDocument, FactScorer
from mishran.corpus.files import input_files
from mishran.corpus.gibberish import FEWEST, calibrate, sound, windows_of
from mishran.corpus.prose_model import train_prose_model
from mishran.corpus.steps import Models, bounds_of
from mishran.corpus.thresholds import NOTHING, changed
from mishran.errors import ConfigError, DataError
from mishran.pipeline.corpus_inputs import read_records, read_texts
from mishran.pipeline.progress import Progress
from mishran.run import canonical_json, sha256_file

HELD_OUT = 10  # one seed text in so many is not trained on; assumption
# Texts of a language that are held out; of fewer, longer ones it is their pieces. Assumption.
LEAST_HELD_OUT, PIECE = 200, 500
MOST_CHECKED = 5000  # held-out sentences of a language: an interval of half a point; assumption
PROSE_BYTES = 8 * 2**20  # of seed text per language that a prose model is trained on; assumption


def check_rules(config: CorpusConfig, where: str) -> None:
    """Nothing if every bound of a recipe exists, and together with those it comes on top of is possible.

    Raises:
        ConfigError: it names the nearest.
    """
    places = [("rules", config.rules)]
    places += [(f"languages.{tag}.rules", c.rules) for tag, c in config.languages.items()]
    places += [(f"source {s.name!r}: rules", s.rules) for s in config.sources]
    for place, rules in places:
        with _placed(f"{where}: {place}"):
            changed(NOTHING, rules)
    for source in config.sources:
        for tag, language in config.languages.items():
            if language.keep:
                with _placed(f"{where}: source {source.name!r}: all rules for {tag} together"):
                    bounds_of(config, source.name, tag)


@contextlib.contextmanager
def _placed(where: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            expected=error.expected, found=error.found, where=where, fix=error.fix
        ) from error


def model_files(config: CorpusConfig) -> Iterator[tuple[str, str]]:
    """(what, path) of every file that something is learned from."""
    for tag, language in config.languages.items():
        for file in language.seed:
            yield f"languages.{tag}", file.path
    for one in config.decontaminate.sets if config.decontaminate else ():
        yield f"decontaminate: set {one.name!r}", one.path
    for tag, seeds in config.facts.languages.items() if config.facts else ():
        for file in (*seeds.positive, *seeds.negative):
            yield f"facts.{tag}", file.path


def model_inputs(config: CorpusConfig, base: Path) -> dict[str, str]:
    """sha256 of every such file.

    Raises:
        DataError: one is missing.
    """
    out = {}
    for what, name in model_files(config):
        for path in input_files(base / name, what):
            inside = path.relative_to(base / name).as_posix()  # "." of a file
            out[f"{what}: {name}: {inside}"] = sha256_file(path)
    return out


def make_models(config: CorpusConfig, base: Path, folder: Path, progress: Progress) -> None:
    """Learn all that a recipe asks for and write it into a folder."""
    folder.mkdir(parents=True)
    models = Models(folder)
    checks: dict[str, Any] = {}
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("languages", lambda: _languages(config, base, models)),
    ]
    if config.gibberish:
        steps.append(("gibberish", lambda: _prose(config, base, models)))
    if config.decontaminate is not None:
        steps.append(("contamination", lambda: _contamination(config, base, models)))
    if config.facts is not None:
        steps.append(("facts", lambda: _facts(config, base, models)))
    with progress.bar("learn from seeds", len(steps)) as done:
        for name, make in steps:
            checks[name] = plain(make())
            done(1)
    (folder / "checks.json").write_text(canonical_json(checks) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Dataclasses, tuples and NumPy numbers as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _held_out(text: str) -> bool:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return digest[0] % HELD_OUT == 0


def _seed_texts(config: CorpusConfig, tag: str, base: Path) -> tuple[list[str], list[str]]:
    """Seed texts of a language: those to learn from, and those held out, one in ten by their hash."""
    texts: dict[str, None] = {}
    for file in config.languages[tag].seed:
        texts |= dict.fromkeys(read_texts(file, base, f"languages.{tag}"))
    if sum(map(_held_out, texts)) < LEAST_HELD_OUT:  # few long documents: their pieces
        texts = dict.fromkeys(piece for text in texts for piece in _pieces(text))
    held = [text for text in texts if _held_out(text)]
    if not held or len(held) == len(texts):  # so few that a hash decides nothing
        held = list(texts)[: len(texts) // 2]
    kept = set(held)
    return [text for text in texts if text not in kept], held


def _languages(config: CorpusConfig, base: Path, models: Models) -> Any:
    from mishran.corpus.familiar import train_familiarity
    from mishran.corpus.identify import train
    from mishran.corpus.language_check import check
    from mishran.corpus.mixed_training import train_mixed
    from mishran.corpus.sentences import cut

    parts = {tag: _seed_texts(config, tag, base) for tag in config.languages}
    learn = {tag: texts for tag, (texts, _) in parts.items()}
    identifier = train(learn, config.seed)
    identifier.save(models.languages)
    train_familiarity(learn, config.seed).save(models.familiarity)
    if config.mixing is not None:
        train_mixed(learn, config.mixing).save(models.mixing)
    sentences = {tag: [s for text in held for s in cut(text)] for tag, (_, held) in parts.items()}
    return check(identifier, {tag: _evenly(some, MOST_CHECKED) for tag, some in sentences.items()})


def _evenly(items: list[str], most: int) -> list[str]:
    return items[:: max(1, -(-len(items) // most))]


def _prose(config: CorpusConfig, base: Path, models: Models) -> Any:
    """Prose models of the languages that are kept, and the bound of each for gibberish."""
    models.gibberish.mkdir()
    bounds = {}
    for tag, language in config.languages.items():
        if not language.keep:
            continue
        learn, held = _seed_texts(config, tag, base)
        held = sound(held)
        if len(held) < FEWEST:
            raise DataError(
                expected=f"seed text of which {FEWEST} texts, or pieces of {PIECE} characters, "
                "can be held out",
                found=f"{len(held)}, one in {HELD_OUT} of those that are not encoded or mashed",
                where=f"languages.{tag}",
                fix="give more seed text, or write gibberish: false",
            )
        model = train_prose_model(_first_bytes(learn, PROSE_BYTES))
        model.save(models.gibberish / f"{tag}.npz")
        bounds[tag] = calibrate(windows_of(model.character_bits), held, seed=config.seed)
    text = canonical_json({tag: asdict(bound) for tag, bound in bounds.items()})
    (models.gibberish / "bounds.json").write_text(text + "\n")
    return bounds


_PIECE = re.compile(rf"(?s)\S.{{0,{PIECE - 1}}}(?!\S)|\S.{{0,{PIECE - 1}}}")


def _pieces(text: str) -> list[str]:
    """A text in pieces of so many characters at most, cut at white space where there is any."""
    return [piece.strip() for piece in _PIECE.findall(text)]


def _first_bytes(texts: list[str], most: int) -> list[str]:
    """Texts spread evenly over the list, of so many bytes together."""
    total = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    step = max(1, -(-total // most))
    return texts[::step]


def _contamination(config: CorpusConfig, base: Path, models: Models) -> Any:
    assert config.decontaminate is not None
    counts: dict[str, int] = {}

    def items() -> Iterator[Item]:
        for one in config.decontaminate.sets:  # type: ignore[union-attr]
            for item in _items(one, base):
                counts[one.name] = counts.get(one.name, 0) + 1
                yield item

    index = build_index(items(), config.decontaminate.n_grams)
    save_index(index, models.contamination)
    return {"items": counts}


def _items(one: EvaluationSetConfig, base: Path) -> Iterator[Item]:
    where = f"decontaminate: set {one.name!r}"
    questions = read_texts(TextFile(path=one.path, text=one.question), base, where)
    answers = read_texts(TextFile(path=one.path, text=one.answer), base, where)
    for number, (question, answer) in enumerate(zip(questions, answers, strict=True), start=1):
        yield Item(one.name, str(number), question, answer)


def _facts(config: CorpusConfig, base: Path, models: Models) -> Any:
    """The fact scorer, trained on all but what measures it."""
    assert config.facts is not None
    sides: dict[bool, list[FactDocument]] = {True: [], False: []}
    for tag, seeds in config.facts.languages.items():
        for positive, files in ((True, seeds.positive), (False, seeds.negative)):
            for file in files:
                domain = Path(file.path).name
                for record in read_records(file, base, f"facts.{tag}"):
                    # Pieces of one document are on one side of every split: book#0, book#1, ...
                    group = f"{domain}:{record.id.rpartition('#')[0] or record.id}"
                    document = FactDocument(record.id, record.text, tag, group, domain)
                    sides[positive].append(document)
    learn = {side: [d for d in all_ if not _held_out(d.group)] for side, all_ in sides.items()}
    scorer = FactScorer.train(learn[True], learn[False], tuple(config.facts.languages), config.seed)
    scorer.save(models.facts)
    return _fact_checks(scorer, sides, config.seed)


def _fact_checks(scorer: FactScorer, sides: dict[bool, list[FactDocument]], seed: int) -> Any:
    out: dict[str, Any] = {}
    for tag in scorer.languages:
        held = [
            (document, side)
            for side, documents in sides.items()
            for document in documents
            if document.language == tag and _held_out(document.group)
        ]
        scores = [scorer.score(document.text, tag) for document, _ in held]
        try:
            curve = roc(
                scores,
                [side for _, side in held],
                [document.source for document, _ in held],
                np.random.default_rng(seed),
            )
        except DataError as error:  # too few documents: the check is missing, the score is not
            out[tag] = {"roc": None, "problem": f"expected {error.expected}, found {error.found}"}
            continue
        out[tag] = {"roc": curve, "deciles": deciles(scorer, [document for document, _ in held])}
    return out
