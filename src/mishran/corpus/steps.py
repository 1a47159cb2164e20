"""What happens to a document, in order: the list below is the flow chart.

    repair, html, language, boilerplate, normalise, quotes, pii, rules, gibberish, contamination, facts

An `Editing` step changes text and says what it changed; a `Judging` step may drop the document and says
why. Each is a pure function of one document behind a name; order matters: the language is told from text
that can be read, bounds depend on the language, and what is counted against bounds is the cleaned text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from mishran.config_corpus import UNDETERMINED, CorpusConfig
from mishran.corpus.edited import Edited, edited
from mishran.corpus.thresholds import Thresholds, changed, of

BROKEN = 0.01  # share of replacement characters above which a text is taken for lost; assumption
ROUNDS = 4  # of html and repair after it; assumption, one or two are the rule


@dataclass(frozen=True)
class Editing:
    """A step that changes text: (text, language) -> `Edited`."""

    name: str
    edit: Callable[[str, str], Edited]


@dataclass(frozen=True)
class Judging:
    """A step that may drop a document: returns the reason, or None; may add to its metadata."""

    name: str
    judge: Callable[[Any], str | None]


Step = Editing | Judging

EXACT, NEAR = "exact-duplicates", "near-duplicates"
NAMES: tuple[str, ...] = (
    "read",
    "repair",
    "html",
    "language",
    "boilerplate",
    "normalise",
    "quotes",
)
NAMES += ("pii", "rules", "gibberish", "contamination", "facts", EXACT, NEAR)


@dataclass(frozen=True)
class Models:
    """Files of what was learned from seed text, beside each other in one folder."""

    folder: Path

    @property
    def languages(self) -> Path:
        return self.folder / "languages.npz"

    @property
    def familiarity(self) -> Path:
        return self.folder / "familiarity.npz"

    @property
    def mixing(self) -> Path:
        return self.folder / "mixing.npz"

    @property
    def contamination(self) -> Path:
        return self.folder / "contamination.npz"

    @property
    def facts(self) -> Path:
        return self.folder / "facts"

    @property
    def gibberish(self) -> Path:
        return self.folder / "gibberish"

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Which files these are: learned again, they have the same names."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        facts = [(path, path.stat()) for path in files]
        return tuple((str(path), one.st_mtime_ns, one.st_ino) for path, one in facts)


@dataclass(frozen=True)
class Making:
    """Makes the steps where they run, so that what travels to a process is a configuration and a path."""

    config: CorpusConfig
    models: Models

    def __call__(self) -> tuple[Step, ...]:
        return _made(self.config.model_dump_json(), self.models, self.models.stamp())


def step_names(config: CorpusConfig) -> tuple[str, ...]:
    """The names of all steps in order, as accounts have them."""
    asked = {
        "html": config.html,
        "boilerplate": config.boilerplate,
        "normalise": config.normalise,
        "quotes": config.quotes,
        "gibberish": config.gibberish,
        "pii": bool(config.pii),
        "contamination": config.decontaminate is not None,
        "facts": config.facts is not None,
        EXACT: config.exact,
        NEAR: config.minhash is not None,
    }
    return tuple(name for name in NAMES if asked.get(name, True))


@lru_cache(maxsize=1)
def _made(config: str, models: Models, stamp: tuple[Any, ...]) -> tuple[Step, ...]:
    """Made once in a process, for all of its shards: loading the models takes seconds.

    stamp: of the models, which are other ones in the same place after seed text was changed.
    """
    return make_steps(CorpusConfig.model_validate_json(config), models)


def make_steps(config: CorpusConfig, models: Models) -> tuple[Step, ...]:
    """The steps that a configuration asks for."""
    from mishran.corpus.normalise import normalise
    from mishran.corpus.pii import replace_pii
    from mishran.corpus.repair import repair

    steps: list[Step] = [
        Editing("repair", lambda text, language: repair(text)),
        Judging("repair", _broken),
    ]
    if config.html:
        steps.append(Editing("html", _without_markup))
    steps.append(Judging("language", _language(config, models)))
    if config.boilerplate:
        from mishran.corpus.boilerplate import strip_boilerplate

        steps.append(Editing("boilerplate", strip_boilerplate))
    if config.normalise:
        steps.append(Editing("normalise", normalise))
    if config.quotes:
        from mishran.corpus.quotes import unify_quotes

        steps.append(Editing("quotes", lambda text, language: unify_quotes(text)))
    if config.pii:
        kinds = tuple(config.pii)
        steps.append(Editing("pii", lambda text, language: replace_pii(text, kinds)))
    steps.append(Judging("rules", _rules(config)))
    if config.gibberish:
        steps.append(Judging("gibberish", _gibberish(models)))
    if config.decontaminate is not None:
        steps.append(Judging("contamination", _contamination(models)))
    if config.facts is not None:
        steps.append(Judging("facts", _facts(config, models)))
    return tuple(steps)


def _without_markup(text: str, language: str) -> Edited:
    """HTML stripped; what its entities spell (zero-width, control characters) is repaired once more."""
    from mishran.corpus.html import defused, strip_html
    from mishran.corpus.repair import repair

    counts: Counter[str] = Counter()
    now = text
    for _ in range(ROUNDS):
        stripped = strip_html(now)
        again = repair(stripped.text) if stripped.counts else Edited(now)
        counts.update(stripped.counts)
        counts.update(again.counts)
        now = again.text
        if not again.counts:
            return edited(text, now, counts)
    return edited(text, defused(now, counts), counts)


def bounds_of(config: CorpusConfig, source: str, language: str) -> Thresholds:
    """Published bounds, then those of the recipe: for all, for the language, for the source.

    Raises:
        ConfigError: names that are no bounds, or bounds that cannot be together.
    """
    own = next(one.rules for one in config.sources if one.name == source)
    return changed(of(language), {**config.rules, **config.languages[language].rules, **own})


def _broken(document: Any) -> str | None:
    text = document.text
    lost = text.count("�")
    return "broken-characters" if lost > BROKEN * len(text) else None


def _language(config: CorpusConfig, models: Models) -> Callable[[Any], str | None]:
    """Tells the language; what is in none that is kept, or in another than its source says, is dropped."""
    from mishran.corpus.describe import describe
    from mishran.corpus.familiar import load_familiarity
    from mishran.corpus.identify import load
    from mishran.corpus.mixed import load_mixed

    identifier = load(models.languages)
    familiarity = load_familiarity(models.familiarity) if config.strange is not None else None
    mixing = load_mixed(models.mixing) if config.mixing is not None else None
    kept = {tag for tag, language in config.languages.items() if language.keep}
    said = {source.name: set(source.language) for source in config.sources}

    def judge(document: Any) -> str | None:
        facts = document.metadata
        found = describe(document.text, identifier, mixing, config.sentences, familiarity)
        facts["language"], facts["script"] = found.language, found.script
        facts["probability"] = round(found.probability, 4)
        facts["mixed"] = None if found.mixed is None else round(found.mixed, 4)
        if found.language == UNDETERMINED:
            return "no-known-language"
        if found.probability < config.probability:
            return "uncertain-language"
        if found.language not in kept:
            return "other-language"
        if found.strange is not None and found.strange > (config.strange or 0.0):
            return "unlike-its-language"
        asked = said[facts["source"]]
        return "not-the-source's-language" if asked and found.language not in asked else None

    return judge


def _rules(config: CorpusConfig) -> Callable[[Any], str | None]:
    from mishran.corpus.rules import verdict

    bounds = cache(partial(bounds_of, config))

    def judge(document: Any) -> str | None:
        facts = document.metadata
        return verdict(document.text, bounds(facts["source"], facts["language"]))

    return judge


def _gibberish(models: Models) -> Callable[[Any], str | None]:
    """What is largely like no language that is kept; code in a Hindi page is like English."""
    import json

    from mishran.corpus.gibberish import verdict, windows_of
    from mishran.corpus.prose_model import ProseModel

    bounds = json.loads((models.gibberish / "bounds.json").read_text())
    judges = {
        tag: (
            windows_of(ProseModel.load(models.gibberish / f"{tag}.npz").character_bits),
            bound["bits"],
        )
        for tag, bound in bounds.items()
    }

    def judge(document: Any) -> str | None:
        own = document.metadata["language"]
        ordered = sorted(judges, key=lambda tag: (tag != own, tag))
        return verdict(document.text, [judges[tag] for tag in ordered])

    return judge


def _contamination(models: Models) -> Callable[[Any], str | None]:
    from mishran.corpus.contamination_files import load

    index = load(models.contamination)

    def judge(document: Any) -> str | None:
        found = index.match(document.text)
        if found is None:
            return None
        document.metadata["matched"] = f"{found.set}:{found.item}: {found.ngram}"
        return f"in-{found.set}"

    return judge


def _facts(config: CorpusConfig, models: Models) -> Callable[[Any], str | None]:
    """Adds the score; drops by it only where the recipe says a minimum."""
    from mishran.corpus.facts import FactScorer

    assert config.facts is not None
    scorer = FactScorer.load(models.facts)
    minima = {tag: seeds.minimum for tag, seeds in config.facts.languages.items()}

    def judge(document: Any) -> str | None:
        language = document.metadata["language"]
        score = scorer.score(document.text, language) if language in scorer.languages else None
        document.metadata["facts"] = None if score is None else round(score, 4)
        minimum = minima.get(language)
        below = minimum is not None and score is not None and score < minimum
        return "fact-score" if below else None

    return judge
