"""`--plan`: what a fit would do and cost, before any of it is spent.

Counts are exact: tokens, sequences, files. Operations and the memory of one specialist follow from the
model's shape (see `footprint`). Time is an estimate from this machine: the rate of one training step and
one forward pass of the model on rows of these tasks, timed for a second or two. Where there is no more of
the model than its config.json and tokenizer, there is no time, but all else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mishran.config import SpecialistConfig
from mishran.pipeline.facts import TaskFacts
from mishran.pipeline.fit import known_facts, read_fit
from mishran.pipeline.footprint import (
    TFLOPS,
    Bill,
    Footprint,
    footprint,
    has_weights,
    memory_words,
)
from mishran.pipeline.prepare import Prepared, PreparedTask, prepare
from mishran.pipeline.progress import Progress
from mishran.pipeline.solve import cheap_todo
from mishran.pipeline.specialists import known_stages, planned_tokens
from mishran.pipeline.stages import pool_part_stage, pool_stage, specialists_sha256
from mishran.pipeline.waves import read_waves
from mishran.run import Run
from mishran.specialists.adapters import template
from mishran.specialists.bank import SlotUpdates, bank
from mishran.specialists.divergence import pairwise_jsd_fast
from mishran.specialists.evidence import curve_steps
from mishran.specialists.fit import adapter_dtype
from mishran.specialists.full import one_update
from mishran.specialists.validate import SHUFFLES
from mishran.specialists.whole import saved_bytes, whole
from mishran.train.answers import answer_logits, num_answers
from mishran.train.batch import TOKENS, Batch, Part, Row, chunks, lay_out
from mishran.train.checkpointing import checkpointed
from mishran.train.loop import train
from mishran.train.models import (
    Loaded,
    load_model,
    model_commit,
    resolve_device,
    resolve_dtype,
)


@dataclass(frozen=True)
class PlannedStage:
    """One kind of stage: how many are to be made, of how many, and what they take.

    sequences: rows that go through the model forward. tokens: of those, prompt and answer.
    bytes: on disk. time_s: estimated, None when nothing is to be done, or the model is not here.
    operations: floating-point, of the model.
    """

    stage: str
    todo: int
    of: int
    sequences: int
    tokens: int
    bytes: int
    time_s: float | None
    operations: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The stages in order, and where they would go.

    measured: whether the model was here to be timed. footprint: of a specialist that is trained.
    tflops: of the device that hours are counted for.
    """

    run: str
    stages: tuple[PlannedStage, ...]
    measured: bool
    footprint: Footprint
    tflops: float = TFLOPS

    @property
    def time_s(self) -> float | None:
        return sum(s.time_s or 0.0 for s in self.stages) if self.measured else None

    @property
    def bill(self) -> Bill:
        tokens = sum(s.tokens for s in self.stages)
        return Bill(tokens, sum(s.operations for s in self.stages), self.tflops)

    def to_json(self) -> str:
        return json.dumps(
            {
                "run": self.run,
                "stages": [asdict(s) for s in self.stages],
                "time_s": self.time_s,
                "cost": self.bill.as_dict(),
                "memory_bytes": self.footprint.bytes,
                "trained_parameters": self.footprint.trained,
                "parameters": self.footprint.parameters,
            }
        )

    def table(self) -> Group:
        """For the terminal."""
        table = Table(box=None)
        table.add_column("stage")
        for column in ("to do", "forward passes", "tokens", "disk", "about"):
            table.add_column(column, justify="right")
        for s in self.stages:
            table.add_row(
                s.stage,
                f"{s.todo} of {s.of}",
                f"{s.sequences:,}",
                f"{s.tokens:,}",
                f"{s.bytes / 2**20:,.1f} MiB",
                "-" if s.time_s is None else _duration(s.time_s),
            )
        total = sum(s.bytes for s in self.stages)
        end = f"{total / 2**20:,.1f} MiB in {self.run}"
        if self.time_s is not None:
            end = f"in all about {_duration(self.time_s)}, {end}"
        else:
            end += "; no safetensors of the model are here, so nothing was timed"
        lines = [end, str(self.bill), f"one specialist: {memory_words(self.footprint)}"]
        return Group(table, *(Text(line) for line in lines))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def make_plan(
    config: Path,
    *,
    run_dir: Path | None,
    online: bool,
    progress: Progress,
    tflops: float = TFLOPS,
) -> Plan:
    """Count what `fit` would do and time a little of it; nothing is written.

    Args:
        tflops: 10^12 operations per second of the device that hours are counted for.

    Raises:
        MishranError: the same errors of bad input that `fit` would meet.
    """
    settings, base, run = read_fit(config, run_dir)
    prepared = prepare(settings, base, progress, online)
    device = resolve_device(settings.device)
    dtype = resolve_dtype(settings.dtype, device)
    kind = (device.type, str(dtype).removeprefix("torch."))
    stages, _ = known_stages(prepared, run, kind, read_waves(run))
    todo = [t for t in prepared.trained if run.state(stages[t.task.name]) != "done"]
    facts = known_facts(prepared, stages, kind)
    pooled = list(prepared.tasks) if todo else _pool_todo(prepared, run, kind)
    longest = max(len(r.input_ids) for t in prepared.trained for r in t.train.rows)
    taken = footprint(
        settings.model,
        base,
        settings.specialists,
        dtype=dtype,
        tokens=max(TOKENS, longest),
        row_tokens=longest,
        quantize=settings.quantize,
        online=online,
        revision=settings.revision,
    )
    measured = has_weights(settings.model, base)
    if measured:
        loaded = load_model(
            settings.model,
            base,
            device=settings.device,
            dtype=settings.dtype,
            online=online,
            revision=model_commit(settings.model, base, settings.revision),
            quantize=settings.quantize,
        )
        rates = _Rates.measure(prepared, loaded)
    else:
        rates = _Rates.unknown(taken, settings.specialists, dtype)
    return Plan(
        str(run.root),
        (
            _specialists(prepared, todo, rates, taken),
            _pool(prepared, pooled, rates, taken),
            _cheap(prepared, run, facts, bool(pooled)),
        ),
        measured,
        taken,
        tflops,
    )


def _pool_todo(prepared: Prepared, run: Run, kind: tuple[str, str]) -> list[PreparedTask]:
    """The tasks whose probes have to be answered, when all specialists are there."""
    answerers = specialists_sha256(prepared, run)
    stages = [(t, pool_part_stage(prepared, t, answerers, *kind)) for t in prepared.tasks]
    return [t for t, stage in stages if run.state(stage) != "done"]


def _specialists(
    prepared: Prepared, todo: Sequence[PreparedTask], rates: _Rates, taken: Footprint
) -> PlannedStage:
    recipe = prepared.config.specialists
    trained = sum(planned_tokens(prepared, t) for t in todo)
    sequences = round(sum(planned_tokens(prepared, t) / max(1.0, t.mean_tokens) for t in todo))
    checks = checked = 0
    for t in todo:
        points = 2 if t.adapter is not None else len(curve_steps(1 << 20, recipe.curve_points))
        times = points + min(SHUFFLES, len(t.held_out.rows) - 1)
        checks += times * len(t.held_out.rows)
        checked += times * t.held_out.tokens
    return PlannedStage(
        stage="specialists",
        todo=len(todo),
        of=len(prepared.trained),
        sequences=sequences + checks,
        tokens=trained + checked,
        bytes=len(todo) * rates.specialist_bytes,
        time_s=rates.time(trained, checked) if todo else None,
        operations=trained * taken.per_token + checked * taken.per_token_forward,
    )


def _pool(
    prepared: Prepared, todo: Sequence[PreparedTask], rates: _Rates, taken: Footprint
) -> PlannedStage:
    n = len(prepared.trained)
    limit = prepared.config.probes.answer_tokens
    rows = [r for t in todo for r in t.probes.rows]
    answers = sum(min(limit, num_answers(r)) for r in rows)
    tokens = (n + 1) * sum(len(r.input_ids) for r in rows)
    pairs = n * (n - 1) // 2
    return PlannedStage(
        stage="pool",
        todo=len(todo),
        of=len(prepared.tasks),
        sequences=(n + 1) * len(rows),
        tokens=tokens,
        bytes=2 * len(rows) * (8 * (n + 2) + 4 * pairs),
        time_s=rates.time(0, tokens, answers * pairs) if todo else None,
        operations=tokens * taken.per_token_forward,
    )


def _cheap(prepared: Prepared, run: Run, facts: Sequence[TaskFacts], todo: bool) -> PlannedStage:
    n = len(prepared.trained)
    replicas = prepared.config.mixture.replicas
    stale = todo or run.state(pool_stage(prepared, run, facts)) != "done"
    count = 3 if stale else cheap_todo(run, prepared.config, prepared.base, facts)
    return PlannedStage(
        stage="affinity, mixture, report",
        todo=count,
        of=3,
        sequences=0,
        tokens=0,
        bytes=8 * n * n * (replicas + 1) + (1 << 19),
        time_s=1.0 + 0.005 * replicas if count else None,
    )


@dataclass(frozen=True)
class _Rates:
    """Tokens per second of training and of forward passes, pair-tokens per second of divergences.

    None where the model is not here. specialist_bytes: on disk.
    """

    speeds: tuple[float, float, float] | None
    specialist_bytes: int

    def time(self, trained: float, read: float, pairs: float = 0.0) -> float | None:
        """Seconds for so many tokens trained on, tokens read, and pair-tokens."""
        work = (trained, read, pairs)
        if self.speeds is None:
            return None
        return sum(amount / speed for amount, speed in zip(work, self.speeds, strict=True))

    @classmethod
    def unknown(cls, taken: Footprint, recipe: SpecialistConfig, dtype: torch.dtype) -> _Rates:
        """Nothing timed. Adapters are kept in their own type, whole models in that of the base."""
        size = dtype.itemsize if recipe.kind == "full" else 4
        if recipe.kind == "lora" and recipe.adapter_dtype == "bfloat16":
            size = 2
        return cls(None, taken.trained * size)

    @classmethod
    def measure(cls, prepared: Prepared, loaded: Loaded) -> _Rates:
        recipe = prepared.config.specialists
        rows: list[Row] = [r for t in prepared.trained for r in t.probes.rows]
        spread = [rows[i] for i in next(chunks(rows, TOKENS))]
        batch = lay_out([Part(spread)], loaded.pad_id, loaded.packs).to(loaded.device)

        def forward() -> None:
            with torch.inference_mode():
                answer_logits(loaded.model, batch)

        ahead = batch.num_tokens / _seconds(forward)
        training, size = _training_rate(loaded, recipe, prepared.config.seed, batch)
        vocab = loaded.model.get_output_embeddings().weight.shape[0]
        n = len(prepared.trained)
        flat = torch.ones(n, 4, vocab, device=loaded.device)
        mass = flat.sum(dim=-1)
        pairs = n * (n - 1) // 2
        seconds = _seconds(lambda: pairwise_jsd_fast(flat, mass))
        return cls((training, ahead, 4 * pairs / seconds), size)


def _training_rate(
    loaded: Loaded, recipe: SpecialistConfig, seed: int, batch: Batch
) -> tuple[float, int]:
    """Tokens per second of a training step, and bytes of a specialist on disk."""
    if recipe.kind == "full":
        still = recipe.model_copy(update={"learning_rate": 0.0})
        again = checkpointed(loaded.model, recipe.checkpointing)
        with again, whole(loaded.model) as copy:
            update = one_update(copy, still, 1)
            rate = batch.num_tokens / _seconds(lambda: train(copy, [batch], update))
        return rate, saved_bytes(loaded.model)
    begin = template(loaded.model, recipe, seed, "plan")
    weights = begin.initial.to(loaded.device, adapter_dtype(loaded, recipe)).clone()[None]
    with (
        checkpointed(loaded.model, recipe.checkpointing),
        bank(loaded.model, begin.layout, weights, train=True) as model,
    ):
        updates = SlotUpdates(
            model, [lambda i: 0.0], learning_rate=0.0, weight_decay=0.0, clip=recipe.clip
        )
        rate = batch.num_tokens / _seconds(lambda: train(model, [batch], updates))
    return rate, weights.nbytes


def _seconds(work: Callable[[], object]) -> float:
    """Median of five after a warm-up, at most about two seconds in all."""
    work()
    times: list[float] = []
    while len(times) < 5 and sum(times) < 2.0:
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]
