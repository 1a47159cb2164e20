"""What a training of a tokenizer would do: recipe, texts, and the keys of its stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mishran.config import parse_config, read_config
from mishran.config_tokenizer import Algorithm, TokenizerConfig
from mishran.pipeline.corpus_models import plain
from mishran.pipeline.tokenizer_inputs import (
    Texts,
    check_languages,
    check_parallel,
    parallel_hashes,
    read_parallel,
    split_use,
    training_texts,
)
from mishran.run import Stage, package_versions, sha256_file
from mishran.tokenizer.alphabet import check_special
from mishran.tokenizer.parallel import Parallel
from mishran.tokenizer.pretokens import PATTERN
from mishran.tokenizer.shape import Shape, shape_of

# Raised whenever the code of a stage changes what it writes.
WORDS = SEARCH = TOKENIZER = MEASURES = 1
_DECIDE = ("numpy", "pyarrow", "regex", "scipy", "sentencepiece", "tokenizers")


@dataclass(frozen=True)
class PlannedTokenizer:
    """A recipe that was read, with its text found.

    texts: language -> source -> how to read it. inputs: sha256 of its files. parallel: of every entry of
    the recipe. searched, reported: those texts divided. reference: language that parity is against.
    """

    config: TokenizerConfig
    base: Path
    folder: Path
    texts: Texts
    inputs: dict[str, str]
    parallel: tuple[Parallel, ...]
    reference: str
    shape: Shape

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.texts)

    @property
    def searched(self) -> tuple[Parallel, ...]:
        """Without languages that are not trained on: they have no share to change."""
        found = split_use(self.config.parallel, self.parallel)[0]
        kept = (text.only(self.tags) for text in found)
        return tuple(text for text in kept if len(text.texts) > 1)

    @property
    def reported(self) -> tuple[Parallel, ...]:
        return split_use(self.config.parallel, self.parallel)[1]

    @cached_property
    def words(self) -> Stage:
        """Tables of words."""
        params: dict[str, Any] = {
            "pattern": PATTERN,
            "languages": self.tags,
            "packages": package_versions(_DECIDE),
        }
        if self.config.languages is not None:
            fields = {tag: one.text for tag, one in self.config.languages.items()}
            params["files"] = {k: [f.model_dump(mode="json") for f in v] for k, v in fields.items()}
        return Stage("words", WORDS, params, self.inputs, ("words/",))

    @cached_property
    def _material(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Parameters and inputs of whatever is trained."""
        config = self.config
        inputs = {"words": self.words.key}
        for tag, one in (config.boundaries or {}).items():
            inputs[f"boundaries.{tag}"] = sha256_file(self.base / str(one.path or one.inflections))
        data = config.model_dump(mode="json")
        names = ("character_coverage", "boundaries", "special_tokens")
        params = {name: data[name] for name in names} | {"packages": package_versions(_DECIDE)}
        return params, inputs

    @cached_property
    def line(self) -> Stage:
        """Where parity is equal."""
        params, inputs = self._material
        used = tuple(one for one in self.config.parallel if one.use != "report")
        more = {
            "parallel": [one.model_dump(mode="json") for one in used],
            "vocabularies": sorted(set(self.config.vocabularies)),
            "reference": self.reference,
        }
        inputs = inputs | parallel_hashes(used, self.base)
        return Stage("line", SEARCH, params | more, inputs, ("line.json",))

    @property
    def attempts(self) -> tuple[tuple[str, Algorithm, float, float], ...]:
        """File, algorithm, temperature and strength of each: every size at once.

        Where every language is one source, temperatures change nothing, and one is tried.
        """
        config = self.config
        several = any(len(own) > 1 for own in self.texts.values())
        temperatures = config.temperatures if several else (1.0,)
        return tuple(
            (f"search/{algorithm}-{i}-{j}.json", algorithm, temperature, strength)
            for algorithm in config.algorithms
            for i, temperature in enumerate(temperatures)
            for j, strength in enumerate(config.strengths)
        )

    def attempt(
        self, name: str, algorithm: Algorithm, temperature: float, strength: float
    ) -> Stage:
        """One of these."""
        more = {"algorithm": algorithm, "temperature": temperature, "strength": strength}
        key = {"line": self.line.key}
        return Stage(name.removesuffix(".json"), SEARCH, self.line.params | more, key, (name,))

    def tokenizer(self, wanted: dict[str, Any]) -> Stage:
        """The tokenizer that was chosen or asked for, and the proportional one."""
        params, inputs = self._material
        return Stage(
            "tokenizer", TOKENIZER, params | wanted, inputs, ("tokenizer/", "proportional/")
        )

    def measures(self, tokenizer: Stage) -> Stage:
        """Both on text that the search did not see."""
        used = tuple(one for one in self.config.parallel if one.use != "search")
        params = {
            "parallel": [one.model_dump(mode="json") for one in used],
            "reference": self.reference,
            "seed": self.config.seed,
            "shape": plain(self.shape),
            "packages": package_versions(_DECIDE),
        }
        inputs = parallel_hashes(used, self.base) | {"tokenizer": tokenizer.key}
        return Stage("measures", MEASURES, params, inputs, ("measures.json",))


def plan_tokenizer(
    path: str | Path, run: str | Path | None = None, **changed: Any
) -> PlannedTokenizer:
    """Read a recipe and look at its files.

    Args:
        changed: fields of the recipe with other values, where not None.

    Raises:
        MishranError: a recipe or files that cannot be used.
    """
    path = Path(path)
    config: TokenizerConfig = read_config(path, TokenizerConfig)
    given = {name: value for name, value in changed.items() if value is not None}
    if given:
        data = config.model_dump(exclude_unset=True, mode="json")
        config = parse_config({**data, **given}, f"{path}, as it was asked for", TokenizerConfig)
    base = path.resolve().parent
    folder = Path(run) if run is not None else base / config.run
    model = config.model
    shape = Shape(model.hidden_size, model.body_parameters, model.tied)
    if model.config is not None:
        shape = shape_of(base / model.config)
    texts, inputs = training_texts(config, base)
    beside = tuple(read_parallel(one, base) for one in config.parallel)
    check_special(config.special_tokens)
    check_languages(config, tuple(texts), base)
    reference = check_parallel(config, tuple(texts), beside)
    return PlannedTokenizer(config, base, folder, texts, inputs, beside, reference, shape)
