"""`corpus.yaml`: raw text, what to do to it, and what is kept, for `mishran corpus clean`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mishran.config_errors import FieldProblem, shown
from mishran.config_fields import Number, Settings, Share, Whole
from mishran.places import check_name

Provenance = Literal["native", "translated", "synthetic"]
Count = Annotated[Whole, Field(ge=1, le=10**12)]
Bound = Annotated[Number, Field(ge=0, le=1e12)] | None
UNDETERMINED = "und"  # ISO 639-2, BCP 47: what is in no language that is known
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z]{4})?(-[A-Za-z0-9]{2,8})*")


def check_language(tag: str) -> str:
    """A tag like "hi", "hi-Latn" or "zh-Hans": two or three small letters, then script and region."""
    if not _TAG.fullmatch(tag) or tag.split("-")[0] == UNDETERMINED:
        raise FieldProblem(
            "a language tag such as hi, hi-Latn or mr",
            shown(tag),
            "write the ISO 639 code, and the script after a hyphen where it is not the usual one",
        )
    for part in tag.split("-")[1:]:
        if len(part) == 4 and part.isalpha() and part != part.title():
            raise FieldProblem(
                "a script with one capital letter, as in hi-Latn",
                shown(tag),
                f"write {tag.replace(part, part.title())}",
            )
    return tag


def _differ(names: tuple[str, ...], what: str) -> None:
    if not names:
        raise FieldProblem(f"at least one {what}", "an empty list", f"add a {what}")
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        j = first.setdefault(name.casefold(), i)
        if j < i:  # they name folders, and some file systems do not tell case apart
            raise FieldProblem(
                f"{what} names that differ by more than case",
                f"{names[j]!r} in entry {j + 1} and {name!r} in entry {i + 1}",
                "rename one",
            )


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


class TextFile(Settings):
    """A file of texts: path, the field that holds the text, and which records of it.

    skip, limit: leave out so many records, then take at most so many.
    """

    path: str
    text: str = "text"
    skip: Annotated[Whole, Field(ge=0)] = 0
    limit: Count | None = None


def _as_file(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


Text = Annotated[TextFile, BeforeValidator(_as_file)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_as_list), Field(min_length=1)]
Rules = dict[str, Bound]


class CorpusSourceConfig(Settings):
    """A named body of raw text.

    path: a file, or a folder of files (.jsonl, .jsonl.gz, .jsonl.zst, .txt, .parquet). text, id: fields of
    a record. language: what it is said to be in, one tag or several; a document in another one is
    dropped; by default any language that is kept. provenance: of every document. license: for the
    report. rules: bounds that differ for this source; null turns one off.
    """

    name: str
    path: str
    text: str = "text"
    id: str = "id"
    language: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    provenance: Provenance
    license: str | None = None
    rules: Rules = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)

    @field_validator("language")
    @classmethod
    def _language(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_language(tag) for tag in tags)


class LanguageConfig(Settings):
    """A language that is told from the others.

    seed: text of it. keep: whether its documents stay; a neighbour that only has to be recognised has
    keep: false. rules: bounds that differ for it.
    """

    seed: Texts
    keep: bool = True
    rules: Rules = Field(default_factory=dict)


class MinhashConfig(Settings):
    """Near duplicates: word n-grams, and buckets of hashes (datatrove's defaults).

    Two documents of Jaccard similarity s are found with probability 1 - (1 - s^hashes)^buckets. numbers:
    whether texts differ that have other numbers in the same places.
    """

    n_grams: Annotated[Whole, Field(ge=1, le=50)] = 5
    buckets: Annotated[Whole, Field(ge=1, le=256)] = 14
    hashes: Annotated[Whole, Field(ge=1, le=64)] = 8
    numbers: bool = True
    seed: Annotated[Whole, Field(ge=0, le=2**31)] = 1


class EvaluationSetConfig(Settings):
    """A set that models are tested on: its file, and the fields of question and answer."""

    name: str
    path: str
    question: str = "input"
    answer: str = "target"

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)


class DecontaminateConfig(Settings):
    """Documents that hold an item of a test are dropped: a shared word n-gram, or question and answer."""

    sets: tuple[EvaluationSetConfig, ...]
    n_grams: Annotated[Whole, Field(ge=8, le=100)] = 13

    @model_validator(mode="after")
    def _some(self) -> DecontaminateConfig:
        _differ(tuple(s.name for s in self.sets), "set")
        return self


class FactSeedConfig(Settings):
    """Examples in one language of text that is rich in facts, and of text that is not.

    minimum: drop what scores less; by default nothing. Levels differ by language.
    """

    positive: Texts
    negative: Texts
    minimum: Share | None = None


class FactsConfig(Settings):
    """The fact score: language -> its examples."""

    languages: dict[str, FactSeedConfig]

    @field_validator("languages")
    @classmethod
    def _tags(cls, languages: dict[str, FactSeedConfig]) -> dict[str, FactSeedConfig]:
        if not languages:
            raise FieldProblem("at least one language", "none", "add one, or remove facts:")
        for tag in languages:
            check_language(tag)
        return languages


class LimitsConfig(Settings):
    """What a file may do: line, in bytes; ratio, of decompressed to compressed size.

    Assumptions: no text of people is as long as 64 MiB, and none packs to a two-hundredth.
    """

    line: Annotated[Whole, Field(ge=1024, le=2**31)] = 64 * 2**20
    ratio: Annotated[Number, Field(ge=2, le=1e6)] = 200.0


class WhereConfig(Settings):
    """Where the work runs.

    kind: local, slurm or ray. workers: processes at once; by default the processors of this machine.
    partition, time, memory_gb, options: of Slurm jobs (options: more of them, as sbatch names them).
    """

    kind: Literal["local", "slurm", "ray"] = "local"
    workers: Count | None = None
    partition: str | None = None
    time: str = "24:00:00"
    memory_gb: Count = 4
    options: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _slurm(self) -> WhereConfig:
        if self.kind == "slurm" and self.partition is None:
            raise FieldProblem("partition with kind: slurm", "none", "name a partition")
        return self


class CorpusConfig(Settings):
    """The file.

    run: folder of the result. sources: raw text. languages: what is told apart, from seed text. mixing: a
    pair of them, the one that takes words in first, of which code-mixed sentences are counted.
    probability: of its language that a document has at least. strange: share of it that may be unlike all
    seed text of its language. html, boilerplate, normalise, quotes (typographic ones
    as " and '): steps that change text. pii: kinds that are
    replaced. rules: bounds for all; those of a language and then of a source come on top. gibberish:
    drop what is unlike all seed text. exact, minhash: duplicates. decontaminate: test sets. facts:
    a score. tokenizer: counts tokens. dropped: keep what was dropped, with the reason. sentences: of a
    document that its language is told from.
    """

    run: str
    sources: tuple[CorpusSourceConfig, ...]
    languages: dict[str, LanguageConfig]
    mixing: tuple[str, str] | None = None
    probability: Share = 0.5
    strange: Share | None = 0.5
    sentences: Annotated[Whole, Field(ge=1, le=10**6)] = 40
    html: bool = True
    boilerplate: bool = True
    normalise: bool = True
    quotes: bool = False
    pii: tuple[Literal["email", "phone", "card", "aadhaar", "pan", "ip", "ifsc", "upi"], ...] = (
        "email",
        "phone",
        "card",
        "aadhaar",
        "pan",
    )
    rules: Rules = Field(default_factory=dict)
    gibberish: bool = True
    exact: bool = True
    minhash: MinhashConfig | None = MinhashConfig()
    decontaminate: DecontaminateConfig | None = None
    facts: FactsConfig | None = None
    tokenizer: str | None = None
    dropped: bool = False
    limits: LimitsConfig = LimitsConfig()
    where: WhereConfig = WhereConfig()
    seed: Annotated[Whole, Field(ge=0, le=2**31)] = 0

    @model_validator(mode="after")
    def _whole(self) -> CorpusConfig:
        _differ(tuple(s.name for s in self.sources), "source")
        if not self.languages:
            raise FieldProblem("at least one language", "none", "add languages: {hi: {seed: ...}}")
        for tag in self.languages:
            check_language(tag)
        tongues = {tag.split("-")[0] for tag in self.languages}
        for tag in self.mixing or ():
            check_language(tag)
            if tag.split("-")[0] not in tongues:
                raise FieldProblem(
                    f"languages of mixing among {', '.join(self.languages)}",
                    shown(tag),
                    "add it to languages:",
                )
        if self.mixing and len({tag.split("-")[0] for tag in self.mixing}) == 1:
            raise FieldProblem(
                "two languages for mixing",
                " and ".join(self.mixing),
                "name the one that words are taken from",
            )
        kept = [tag for tag, language in self.languages.items() if language.keep]
        if not kept:
            raise FieldProblem("a language that is kept", "none", "remove a keep: false")
        for source in self.sources:
            for tag in source.language:
                if tag not in kept:
                    raise FieldProblem(
                        f"a language of source {source.name!r} that is kept ({', '.join(kept)})",
                        shown(tag),
                        "add it to languages:, with seed text",
                    )
        for tag in self.facts.languages if self.facts else ():
            if tag not in self.languages:
                raise FieldProblem(
                    f"languages of facts among {', '.join(self.languages)}",
                    shown(tag),
                    "add it to languages:",
                )
        return self
