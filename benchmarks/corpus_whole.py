"""Whole passes: read, judge and write beside datatrove's own pipeline, and where our time goes by step."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import corpus_peers as peers
from corpus_case import MEGA, NOT_SLOWER, REPEATS, Sample, medians, rates, rows, sample
from corpus_steps import GOPHER
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from stream_case import Line, line

from mishran.config import read_config
from mishran.config_corpus import CorpusConfig
from mishran.corpus.executors import Pass, run_task
from mishran.corpus.files import Shard, survey
from mishran.corpus.passes import Work, plan_passes
from mishran.corpus.rules import verdict
from mishran.corpus.steps import Editing, Judging, Models, Step, make_steps
from mishran.corpus.trove import Books, Clean, Hold, Origin, Read, Write
from mishran.pipeline.corpus_inputs import find_inputs
from mishran.pipeline.corpus_models import make_models
from mishran.pipeline.corpus_tokens import token_counter
from mishran.pipeline.progress import Silent

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "examples" / "bilingual-corpus" / "corpus.yaml"
ONE_SHARD = 2**40
SHARE = {False: 12, True: 200}  # one document of the example in so many is cleaned; True: --quick
SEEDS = 100  # documents of a seed file under --quick; the gibberish step needs about 70


def written(of: Sample, folder: Path) -> Path:
    """The texts as JSON lines."""
    path = folder / f"{of.language}.jsonl"
    lines = (
        json.dumps({"id": str(number), "text": text}, ensure_ascii=False)
        for number, text in enumerate(of.texts)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def only_rules() -> tuple[Step, ...]:
    return (Judging("rules", lambda document: verdict(document.text, GOPHER)),)


def pipeline(shards: tuple[Shard, ...], folder: Path, held: bool) -> list[PipelineStep]:
    """Ours with the rules alone: to Parquet, or to what the next pass reads."""
    books = Books(folder / "accounts", None)
    origin = Origin("all", "native", ("en",), "text", "id")
    last = Hold(folder / "held") if held else Write(folder / "clean", ("all",), books)
    return [Read(shards, {"all": origin}, 2**26, books), Clean(only_rules, books, None), last]


def kept_by_ours(folder: Path) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in (folder / "clean").rglob("*.parquet"))


def kept_by_theirs(folder: Path) -> int:
    (path,) = (folder / "out").glob("*.jsonl")
    return path.read_bytes().count(b"\n")


def whole(of: Sample, folder: Path) -> Iterator[Line]:
    """One task of one process, from the same file; statistics and accounts on both sides."""
    file = written(of, folder)
    shards = survey(file, "all", 1000.0, ONE_SHARD).shards

    def once(make: Callable[[Path], list[PipelineStep]], kept: Any = None) -> Any:
        place = folder / "once"
        run_task(Pass("all", make(place), 1), 0, place / "logs")
        out = kept(place) if kept else None
        shutil.rmtree(place)
        return out

    contenders: dict[str, Callable[[Path], list[PipelineStep]]] = {
        "Parquet": lambda place: pipeline(shards, place, False),
        "held": lambda place: pipeline(shards, place, True),
        "datatrove, zstd": lambda place: peers.pipeline(file, place / "out", "zstd"),
        "datatrove, not compressed": lambda place: peers.pipeline(file, place / "out", None),
        "datatrove, gzip (default)": lambda place: peers.pipeline(file, place / "out", "gzip"),
    }
    ours = once(contenders["Parquet"], kept_by_ours)
    theirs = once(contenders["datatrove, not compressed"], kept_by_theirs)
    assert 0 < ours == theirs < len(of.texts), f"{ours} and {theirs} documents kept"
    found = medians({name: lambda make=make: once(make) for name, make in contenders.items()})
    best = min((name for name in contenders if "datatrove" in name), key=lambda n: found[n].cpu)
    name = f"whole, {of.language}"
    yield from rates(f"{name}, to Parquet", of, found["Parquet"], found[best], best, NOT_SLOWER)
    yield from rates(f"{name}, to the next pass", of, found["held"], found[best], best)
    default = "datatrove, gzip (default)"
    yield from rates(f"{name}, to Parquet, defaults", of, found["Parquet"], found[default], default)


class Timed(PipelineStep):
    """A step of a pipeline, and the seconds of it and of all before it."""

    type, name = "timed", "timed"

    def __init__(self, inner: PipelineStep, seconds: dict[int, float], place: int) -> None:
        super().__init__()
        self.inner, self.seconds, self.place = inner, seconds, place

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        start = time.process_time()
        items = iter(self.inner.run(data, rank, world_size) or ())
        while True:
            item = next(items, None)
            self.seconds[self.place] += time.process_time() - start
            if item is None:
                return
            yield item
            start = time.process_time()


def timed_steps(steps: tuple[Step, ...], seconds: dict[str, float]) -> tuple[Step, ...]:
    """The same steps; what each takes is added up under its name."""

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            start = time.process_time()
            out = function(*values)
            seconds[name] += time.process_time() - start
            return out

        return run

    return tuple(
        replace(step, edit=timed(step.name, step.edit))
        if isinstance(step, Editing)
        else replace(step, judge=timed(step.name, step.judge))
        for step in steps
    )


def subset(config: CorpusConfig, share: int, folder: Path) -> CorpusConfig:
    """The sources with one document in so many, as files of JSON lines."""
    sources = []
    for source in config.sources:
        path = folder / f"{source.name}.jsonl"
        every = enumerate(rows(RECIPE.parent / source.path))
        some = [json.dumps(row, ensure_ascii=False) for number, row in every if number % share == 0]
        path.write_text("\n".join(some) + "\n", encoding="utf-8")
        sources.append(source.model_copy(update={"path": str(path)}))
    return config.model_copy(update={"sources": tuple(sources)})


def with_few_seeds(config: CorpusConfig) -> CorpusConfig:
    """For --quick: models that are learnt in seconds; what a look-up costs is about the same."""

    def few(files: Any) -> tuple[Any, ...]:
        return tuple(file.model_copy(update={"limit": SEEDS}) for file in files)

    languages = {
        tag: language.model_copy(update={"seed": few(language.seed)})
        for tag, language in config.languages.items()
    }
    out = config.model_copy(update={"languages": languages})
    if config.facts is None:
        return out
    facts = {
        tag: seeds.model_copy(
            update={"positive": few(seeds.positive), "negative": few(seeds.negative)}
        )
        for tag, seeds in config.facts.languages.items()
    }
    return out.model_copy(update={"facts": config.facts.model_copy(update={"languages": facts})})


def runs_of(quick: bool) -> int:
    """Of the worked example, by which its time is divided among the steps."""
    return 1 if quick else REPEATS


def profile(quick: bool, folder: Path) -> Iterator[Line]:
    """The worked example on a part of its text, pass by pass in this process: processor ms per MB read."""
    config = read_config(RECIPE, CorpusConfig)
    if quick:
        config = with_few_seeds(config)
    models = folder / "models"
    make_models(config, RECIPE.parent, models, Silent())
    (folder / "raw").mkdir()
    config = subset(config, SHARE[quick], folder / "raw")
    shards = find_inputs(config, RECIPE.parent, Silent()).shards
    megabytes = sum(shard.size for shard in shards) / MEGA
    runs = [
        timed_passes(config, shards, Models(models), folder / str(number))
        for number in range(runs_of(quick))
    ]
    spent = {name: statistics.median(run.seconds[name] for run in runs) for name in runs[0].seconds}
    for name, seconds in spent.items():
        yield line(f"profile, {name}: ms/MB", 1000 * seconds / megabytes)
    total = sum(spent.values())
    around = statistics.median(run.around / run.tasks for run in runs)
    yield line("profile, all steps: MB/s", megabytes / total)
    yield line("profile, all steps: documents/s", runs[0].documents / total)
    yield line("profile, begin and end of a task: ms", 1000 * around)


@dataclass
class Spent:
    """Seconds of every step of every pass, in order, and around the steps; documents that were read."""

    seconds: dict[str, float]
    around: float = 0.0
    tasks: int = 0
    documents: int = 0


def warm(steps: tuple[Step, ...], config: CorpusConfig) -> None:
    """A document of each source through all steps: what is compiled, imported and read once, is by then."""
    for source in config.sources:
        row = json.loads(Path(source.path).read_text(encoding="utf-8").split("\n", 1)[0])
        language = (*source.language, next(iter(config.languages)))[0]
        facts = {"source": source.name, "language": language}
        document = Document(text=row["text"], id="", metadata=facts)
        for step in steps:
            if isinstance(step, Editing):
                step.edit(document.text, language)
            elif step.judge(document) is not None:
                document.metadata["language"] = language


def timed_passes(
    config: CorpusConfig, shards: tuple[Shard, ...], models: Models, folder: Path
) -> Spent:
    """Every pass over the shards, one task after the other in this process."""
    work = Work(folder / "work")
    inner: defaultdict[str, float] = defaultdict(float)
    counter = token_counter(config.tokenizer, RECIPE.parent) if config.tokenizer else None

    def count(text: str) -> int:
        start = time.process_time()
        out = counter(text)
        inner["count tokens"] += time.process_time() - start
        return out

    steps = timed_steps(make_steps(config, models), inner)
    passes = plan_passes(config, shards, models, work, count if counter else None)
    # As planned, but with the steps that are timed.
    origins = {
        s.name: Origin(s.name, s.provenance, s.language, s.text, s.id) for s in config.sources
    }
    books = Books(work.accounts / "clean", count if counter else None)
    dropped = work.dropped / "clean" if config.dropped else None
    read = Read(shards, origins, config.limits.line, books)
    first = [read, Clean(lambda: steps, books, dropped), *passes[0].steps[2:]]
    passes[0] = Pass(passes[0].name, first, passes[0].tasks)
    warm(steps, config)
    if counter is not None:
        counter("warm")
    inner.clear()
    spent = Spent({})
    for one in passes:
        upto: defaultdict[int, float] = defaultdict(float)
        timed = [Timed(step, upto, place) for place, step in enumerate(one.steps)]
        start = time.process_time()
        for rank in range(one.tasks):
            run_task(Pass(one.name, list(timed), one.tasks), rank, work.logs)
            if one is passes[0]:
                arrived = books.accounts.arrived.values()
                spent.documents += sum(amount.documents for amount in arrived)
        spent.around += time.process_time() - start - upto[len(one.steps) - 1]
        spent.tasks += one.tasks
        before = 0.0
        for place, step in enumerate(one.steps):
            own = upto[place] - before
            before = upto[place]
            if isinstance(step, Clean):
                spent.seconds |= {f"clean, {name}": took for name, took in inner.items()}
                own -= sum(inner.values())
                name = "clean, accounts and dropped documents"
            else:
                name = f"{one.name}, {step.name.encode('ascii', 'ignore').decode().strip()}"
            spent.seconds[name] = spent.seconds.get(name, 0.0) + own
    return spent


def whole_lines(language: str, megabytes: float, folder: Path) -> Iterator[Line]:
    return whole(sample(language, megabytes), folder)
