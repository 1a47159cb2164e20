"""What a cleaning would do: recipe, files, where the result goes, and the keys of its two stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mishran.config import read_config
from mishran.config_corpus import CorpusConfig
from mishran.corpus.files import input_files
from mishran.errors import ArtifactError
from mishran.pipeline.corpus_inputs import Inputs, find_inputs
from mishran.pipeline.corpus_models import check_rules, model_files, model_inputs
from mishran.pipeline.corpus_tokens import TokenCounter, token_counter
from mishran.pipeline.progress import Progress, Silent
from mishran.run import Stage, package_versions, sha256_file, sha256_value

# Raised whenever the code of a stage changes what it writes.
MODELS = 2
CORPUS = 2
OURS = ".corpus"  # says that a folder is of cleanings, from the first one's beginning
# What a cleaning puts into its folder, and replaces there.
_REPLACED = (
    "clean",
    "dropped",
    "models",
    "work",
    "corpus.json",
    "recipe.yaml",
    "report.html",
)
# Packages whose code decides what the result is.
_DECIDE = (
    "datatrove",
    "ftfy",
    "indic-nlp-library",
    "numba",
    "numpy",
    "pyarrow",
    "regex",
    "scikit-learn",
    "tokenizers",
    "trafilatura",
)


@dataclass(frozen=True)
class Planned:
    """What would be cleaned: the configuration, its files, and where the result goes.

    seeds: sha256 of every file that something is learned from. count: of tokens, if they are counted.
    """

    config: CorpusConfig
    inputs: Inputs
    seeds: dict[str, str]
    count: TokenCounter | None
    folder: Path


def plan_corpus(
    path: str | Path, run: str | Path | None = None, progress: Progress | None = None
) -> Planned:
    """Read a recipe and look at its files.

    Raises:
        MishranError: a recipe or files that cannot be used.
    """
    path = Path(path)
    config: CorpusConfig = read_config(path, CorpusConfig)
    check_rules(config, str(path))
    base = path.resolve().parent
    folder = Path(run) if run is not None else base / config.run
    seeds = model_inputs(config, base)
    count = token_counter(config.tokenizer, base) if config.tokenizer is not None else None
    inputs = find_inputs(config, base, progress or Silent())
    return Planned(config, inputs, seeds, count, folder)


def check_folder(planned: Planned, base: Path) -> None:
    """Nothing if nobody's files are lost when the result is put into its folder.

    Raises:
        ArtifactError: what lies there is no result of ours, or what is read lies among the result.
    """
    folder = planned.folder
    if not (folder / OURS).exists():  # no cleaning has ever been here
        for name in _REPLACED:
            if (folder / name).exists():
                raise ArtifactError(
                    expected="a folder that is empty, or has a result of an earlier cleaning",
                    found=f"{name}, which no cleaning has put there",
                    where=str(folder),
                    fix="name another folder in run:, or with --run",
                )
    places = [(folder / name).resolve() for name in _REPLACED]
    read = [(f"source {source!r}", Path(file.path)) for source, file in planned.inputs.files]
    read += [(w, path) for w, n in model_files(planned.config) for path in input_files(base / n, w)]
    if planned.config.tokenizer is not None:
        read.append(("tokenizer", base / planned.config.tokenizer))
    for what, path in read:
        if any(path.resolve().is_relative_to(place) for place in places):
            raise ArtifactError(
                expected="input outside of what the result replaces",
                found=str(path),
                where=what,
                fix="move it, or name another folder in run:",
            )


def models_stage(planned: Planned) -> Stage:
    config = planned.config
    params = {
        name: config.model_dump(mode="json")[name]
        for name in ("languages", "mixing", "gibberish", "decontaminate", "facts", "seed")
    }
    for language in params["languages"].values():
        language.pop("rules")  # of no concern to what is learned
        if not config.gibberish:  # only bounds for gibberish are learned of what is kept alone
            language.pop("keep")
    if params["facts"] is not None:
        for seeds in params["facts"]["languages"].values():
            seeds.pop("minimum")
    params["packages"] = package_versions(_DECIDE)
    return Stage("models", MODELS, params, planned.seeds, ("models/",))


def corpus_stage(planned: Planned, models: Stage, base: Path) -> Stage:
    params = planned.config.model_dump(mode="json", exclude={"run", "where"})
    params["packages"] = package_versions(_DECIDE)
    inputs = {f"{source}/{file.name}": file.sha256 for source, file in planned.inputs.files}
    inputs["order"] = sha256_value([f"{s}/{file.name}" for s, file in planned.inputs.files])
    inputs["models"] = models.key
    if planned.config.tokenizer is not None:
        folder = (base / planned.config.tokenizer).resolve()
        inputs["tokenizer"] = sha256_file(folder / "tokenizer.json")
    outputs = ("clean/", "corpus.json") + (("dropped/",) if planned.config.dropped else ())
    return Stage("corpus", CORPUS, params, inputs, outputs)
