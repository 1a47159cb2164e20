"""`tokenizer.yaml`: text and parallel text, and what tokenizer is wanted, for `mishran tokenizer train`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mishran.config_corpus import Text, Texts, check_language
from mishran.config_errors import FieldProblem, shown
from mishran.config_fields import Number, Settings, Share, Whole
from mishran.places import check_name

Algorithm = Literal["bpe", "byte-bpe", "sentencepiece-bpe", "sentencepiece-unigram"]
Vocabulary = Annotated[Whole, Field(ge=261, le=2_000_000)]
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str | int) and not isinstance(value, bool) else value


class TrainingText(Settings):
    """Text of a language. limit of a file: its first documents."""

    text: Texts


class ParallelConfig(Settings):
    """Texts that say the same in several languages.

    name: of the domain. path and fields: records that hold all languages, language -> field. files: a
    file per language, record by record or line by line; with key: a field whose value texts of the same
    content share (all of one value are put together, and only what every language has is used). limit:
    use at most so many texts. use: for the search, for the report, or both: then every second text is for
    either.
    """

    name: str
    path: str | None = None
    fields: dict[str, str] | None = None
    files: dict[str, Text] | None = None
    key: str | None = None
    limit: Annotated[Whole, Field(ge=2)] | None = None
    use: Literal["search", "report", "both"] = "both"

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)

    @model_validator(mode="after")
    def _one(self) -> ParallelConfig:
        if (self.path is None) == (self.files is None):
            found = "neither" if self.path is None else "both"
            raise FieldProblem("path with fields, or files", found, "give one of them")
        if (self.path is None) != (self.fields is None):
            raise FieldProblem(
                "path and fields together",
                "only one of them",
                "write fields: {en: FIELD, hi: FIELD}",
            )
        if self.key is not None and self.files is None:
            raise FieldProblem("key with files", "key with path", "remove it")
        for tag in self.languages:
            check_language(tag)
        if len(self.languages) < 2:
            raise FieldProblem(
                "at least two languages", ", ".join(self.languages) or "none", "add one"
            )
        return self

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.fields or self.files or ())


class ShapeConfig(Settings):
    """The model that the vocabulary is for. config: its config.json, or the three numbers; by default
    PARAM-1's.

    body_parameters: all but embeddings. tied: input and output embeddings are the same.
    """

    config: str | None = None
    hidden_size: Annotated[Whole, Field(ge=1, le=10**6)] = 2048
    body_parameters: Annotated[Whole, Field(ge=0, le=10**14)] = 1_812_072_448
    tied: bool = False

    @model_validator(mode="after")
    def _one(self) -> ShapeConfig:
        if self.config is not None and len(self.model_fields_set) > 1:
            raise FieldProblem("config, or the three numbers", "both", "remove one of them")
        return self


class BoundariesConfig(Settings):
    """Where words may be cut before merges are learned: no token that is learned crosses such a place.

    inflections: a table of lemmas and forms, whose stems are kept whole in all words. path: a file of
    words with their parts, such as Morfessor writes; separator: between the parts. aksharas: move a cut
    to the end of its akshara, so that no token is made to begin with a vowel sign.
    """

    inflections: str | None = None
    path: str | None = None
    separator: str = "·"
    aksharas: bool = True

    @model_validator(mode="after")
    def _one(self) -> BoundariesConfig:
        if (self.inflections is None) == (self.path is None):
            found = "neither" if self.path is None else "both"
            raise FieldProblem("inflections or path", found, "give one of them")
        return self


class TokenizerConfig(Settings):
    """The file.

    run: folder of the result. corpus: folder of a cleaned corpus, or languages: text of each. reference:
    language that parity is against; the first by default. parallel: text that parity is measured on.
    vocabularies, algorithms: what is tried. shares: of each language in the training text, in bytes,
    instead of the search. parity: the most that any language may pay for the same content; by default the
    smallest gap. max_cost: share of more tokens that the reference language may pay for it.
    max_embedding_share: of the model's parameters. strengths: places on the line of shares, 0 for the
    text as it is, 1 for equal parity. temperatures: of the sources of a language, each a file or folder
    of it: 1 for their sizes, more for small sources. model: its shape. special_tokens: beside <pad>, <s>,
    </s> and <unk>. character_coverage: of each language's text, by characters with a token of their own.
    boundaries: of morphemes, by language.
    """

    run: str
    corpus: str | None = None
    languages: dict[str, TrainingText] | None = None
    reference: str | None = None
    parallel: tuple[ParallelConfig, ...]
    vocabularies: Annotated[tuple[Vocabulary, ...], BeforeValidator(_as_tuple)] = (32000,)
    algorithms: Annotated[tuple[Algorithm, ...], BeforeValidator(_as_tuple)] = (
        "sentencepiece-bpe",
    )
    shares: dict[str, Share] | None = None
    parity: Annotated[Number, Field(ge=1, le=100)] | None = None
    max_cost: Annotated[Number, Field(ge=0, le=10)] = 0.06
    max_embedding_share: Share | None = None
    strengths: tuple[Annotated[Number, Field(ge=0, le=10)], ...] = (
        *(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1),
    )
    temperatures: tuple[Annotated[Number, Field(ge=0.1, le=1000)], ...] = (1.0, 2.0)
    model: ShapeConfig = ShapeConfig()
    special_tokens: tuple[str, ...] = ()
    character_coverage: Annotated[Number, Field(gt=0, le=1)] = 0.9995
    boundaries: dict[str, BoundariesConfig] | None = None
    seed: Annotated[Whole, Field(ge=0, le=2**31)] = 0

    @field_validator("special_tokens")
    @classmethod
    def _special(cls, tokens: tuple[str, ...]) -> tuple[str, ...]:
        for i, token in enumerate(tokens):
            if not token.strip() or token in SPECIAL or token in tokens[:i]:
                raise FieldProblem(
                    "special tokens that differ from each other and from <pad>, <s>, </s>, <unk>",
                    shown(token),
                    "remove it",
                )
        return tokens

    @model_validator(mode="after")
    def _whole(self) -> TokenizerConfig:
        if (self.corpus is None) == (self.languages is None):
            found = "neither" if self.corpus is None else "both"
            raise FieldProblem("corpus or languages", found, "give one of them")
        for name in ("vocabularies", "algorithms", "strengths", "temperatures", "parallel"):
            if not getattr(self, name):
                raise FieldProblem(f"at least one of {name}", "an empty list", "add one")
        for tag in (*(self.languages or ()), *(self.shares or ())):
            check_language(tag)
        if self.languages is not None and len(self.languages) < 2 and self.shares is None:
            raise FieldProblem(
                "at least two languages to be fair between",
                ", ".join(self.languages) or "none",
                "add one, or write shares: for a tokenizer without a search",
            )
        names = [one.name.casefold() for one in self.parallel]
        if twice := next((n for i, n in enumerate(names) if n in names[:i]), None):
            raise FieldProblem("names of parallel text that differ", shown(twice), "rename one")
        plain = (("strengths", self.strengths, 0.0), ("temperatures", self.temperatures, 1.0))
        for name, values, value in plain:
            if value not in values and self.shares is None:
                raise FieldProblem(
                    f"{value:g} among the {name}: cost is measured against the text as it is",
                    shown(list(values)),
                    "add it",
                )
        if self.shares is not None:
            self._one_tokenizer(self.shares)
        return self

    def _one_tokenizer(self, shares: dict[str, float]) -> None:
        if abs(sum(shares.values()) - 1) > 1e-6:
            raise FieldProblem("shares that sum to 1", f"{sum(shares.values()):g}", "change them")
        single = ("vocabularies", "algorithms", "temperatures")
        set_ = self.model_fields_set
        many = [name for name in single if name in set_ and len(getattr(self, name)) > 1]
        if many:
            raise FieldProblem(f"one of {many[0]} with shares", "several", "leave one")
        for name in ("parity", "max_cost", "max_embedding_share"):
            if name in set_ and getattr(self, name) is not None:
                raise FieldProblem(f"shares or {name}", "both", "remove one of them")
        unknown = set(shares) - set(self.languages or shares)
        if unknown:
            raise FieldProblem(
                f"shares of {', '.join(self.languages or ())}", ", ".join(sorted(unknown)), "rename"
            )
