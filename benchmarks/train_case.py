"""What benchmarks/train.py measures: the rows of every step, the model, and one training of ours.

Rows are real ones where $MISHRAN_DATA and $MISHRAN_MODELS are set: the tasks of
examples/instructions/mix.yaml in equal shares, or sequences of one length cut out of `pretrain/`. Else
tokens drawn at random, lengths like theirs. Every contender gets the same rows in the same steps, and the
same learning rate at each.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import ROOT, SIZES, real_rows

from mishran.config import TrainConfig
from mishran.stream.apportion import Wish
from mishran.stream.pack_stream import PackStream
from mishran.stream.plan import Plan, make_plan
from mishran.stream.row_stream import RowStream
from mishran.stream.supply import Supply
from mishran.stream.tokens import TokenRows
from mishran.train.feed import feed
from mishran.train.metrics import sinks_for
from mishran.train.models import Loaded
from mishran.train.schedule import schedule
from mishran.train.trainable import Trainable
from mishran.train.trainer import run_training
from mishran.train.world import World

KEPT = ROOT / "build" / "benchmark-train"
VOCABULARY = 8192  # of base-6m
CONTEXT = 1024
PAD = 0
DOCUMENTS = 150  # of each source
PIECE = 400  # tokens of a document at most
SOURCES = ("en_fiction", "en_science", "en_stories", "en_wiki", "hi_literature", "hi_stories")


@dataclass(frozen=True)
class Case:
    """kind: lora or full. text: rows (prompts and answers) or packs (sequences of `length` tokens).

    batch_size: rows or sequences of a step. micro_tokens: what ours lets through at a time; a peer that
    cuts its steps takes as many places.
    """

    kind: str
    text: str
    size: str = "small"
    steps: int = 60
    batch_size: int = 16
    length: int = 256
    micro_tokens: int = 1024
    device: str = "cpu"
    dtype: str = "float32"

    @property
    def name(self) -> str:
        what = "rows of tasks" if self.text == "rows" else f"text in sequences of {self.length}"
        return f"{self.kind}, {what}, {self.size}, {self.dtype}"

    @property
    def recipe(self) -> TrainConfig:
        return TrainConfig(
            kind=self.kind,
            batch_size=self.batch_size,
            packed=self.length if self.text == "packs" else None,
            micro_tokens=self.micro_tokens,
            learning_rate=5e-4 if self.kind == "full" else 2.5e-3,
            validations=0,
        )


class Example(NamedTuple):
    """One row or sequence, as a data set for a peer holds it: (L,) each; labels are -100 on prompts.

    position_ids begin again wherever another text begins.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    position_ids: torch.Tensor


@dataclass(frozen=True)
class Work:
    """plan, stores: for ours. steps: for the peers, the examples of each step.

    factors: of the peak learning rate at each step. tokens, answers: that are in them, without padding.
    """

    case: Case
    plan: Plan
    stores: tuple[TokenRows, ...]
    steps: list[list[Example]]
    factors: list[float]
    tokens: int
    answers: int


@dataclass(frozen=True)
class Outcome:
    """seconds: of the training, (wall clock, processor). losses: of each step, nats per answer token."""

    seconds: tuple[float, float]
    losses: list[float]


def make_work(case: Case) -> Work:
    """Rows, plan and steps; what was read of files is kept in build/benchmark-train."""
    stores = _stores(case)
    supplies = [
        Supply(name, np.diff(rows.offsets), f"content of {name}") for name, rows in stores.items()
    ]
    weights = np.full(len(supplies), 1 / len(supplies))
    if case.text == "rows":
        wish = Wish(weights, case.steps * case.batch_size, "rows", "rows")
    else:
        wish = Wish(weights, case.steps * case.batch_size * case.length, "tokens", "tokens")
    plan = make_plan(supplies, [wish], max_epochs=None)
    rows = tuple(stores.values())
    steps = list(_of_rows(plan, rows, case) if case.text == "rows" else _of_packs(plan, rows, case))
    sizes = np.array([sum(len(e.input_ids) for e in step) for step in steps])
    course = schedule(case.recipe.schedule, warmup=case.recipe.warmup)
    middles = (np.cumsum(sizes) - sizes / 2) / plan.tokens
    return Work(
        case,
        plan,
        rows,
        steps,
        [course(float(x)) for x in middles],
        int(sizes.sum()),
        sum(int((e.labels[1:] >= 0).sum()) for step in steps for e in step),
    )


def _of_rows(plan: Plan, stores: tuple[TokenRows, ...], case: Case) -> Any:
    stream = RowStream(plan, stores, case.batch_size)
    for number in range(len(stream)):
        batch = stream[number]
        step = []
        for a, b, prompt in zip(
            batch.offsets[:-1], batch.offsets[1:], batch.prompts.tolist(), strict=True
        ):
            ids = torch.from_numpy(batch.tokens[a:b].astype(np.int64))
            labels = ids.clone()
            labels[: max(1, prompt)] = -100
            step.append(Example(ids, labels, torch.arange(len(ids))))
        yield step


def _of_packs(plan: Plan, stores: tuple[TokenRows, ...], case: Case) -> Any:
    stream = PackStream(plan, stores, case.length, case.batch_size, PAD, how="wrapped")
    for packs, _ in stream.batches():
        step = []
        for line in range(len(packs)):
            real = int((packs.segments[line] > 0).sum())  # the last sequence of all may be shorter
            fields = (packs.input_ids, packs.labels, packs.position_ids)
            step.append(Example(*(torch.from_numpy(f[line, :real].copy()) for f in fields)))
        yield step


# ---- rows


def _stores(case: Case) -> dict[str, TokenRows]:
    real = os.environ.get("MISHRAN_DATA") and os.environ.get("MISHRAN_MODELS")
    vocabulary = vocabulary_of(case)
    if case.text == "rows":
        if real:
            return {name: _joined(rows) for name, (rows, _) in real_rows(8, KEPT).items()}
        return _drawn(vocabulary, 38, 600, lambda rng: (10 * 8 ** rng.random(), 0.4))
    if real:
        return _texts()
    return _drawn(vocabulary, 6, 100, lambda rng: (40 * 4 ** rng.random(), None))


def _joined(rows: Sequence[Any]) -> TokenRows:
    offsets = np.cumsum([0, *(len(r.input_ids) for r in rows)]).astype(np.int64)
    tokens = np.concatenate([np.asarray(r.input_ids, dtype=np.uint16) for r in rows])
    prompts = np.array([r.num_prompt_tokens for r in rows], dtype=np.int32)
    return TokenRows(tokens, offsets, prompts)


def _texts() -> dict[str, TokenRows]:
    """Documents of `pretrain/`, through the same code as `mishran train recipe.yaml`."""
    from mishran.pipeline.build import plan_from

    sources = [
        {"name": name, "path": f"${{MISHRAN_DATA}}/pretrain/{name}.train.jsonl.gz"}
        | {"limit": DOCUMENTS}
        for name in SOURCES
    ]
    recipe = {"tokenizer": "${MISHRAN_MODELS}/base-6m", "sources": sources, "weights": "uniform"}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "recipe.yaml"
        place.write_text(json.dumps(recipe | {"tokens": 1000}))
        found = plan_from(place).ingredients
        pairs = zip(found.supplies, found.tokens, strict=True)
        return {supply.name: _cut(rows) for supply, rows in pairs}


def _cut(rows: TokenRows) -> TokenRows:
    """Documents in pieces of at most `PIECE` tokens, so that a short training reads all sources."""
    pairs = zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True)
    offsets = [
        0,
        *(min(at + PIECE, end) for begin, end in pairs for at in range(begin, end, PIECE)),
    ]
    prompts = np.zeros(len(offsets) - 1, dtype=np.int32)
    return TokenRows(rows.tokens, np.array(offsets, dtype=np.int64), prompts)


def _drawn(vocabulary: int, count: int, num: int, lengths: Any) -> dict[str, TokenRows]:
    """lengths: generator -> mean prompt and the answer's share of it, None where there is no prompt."""
    rng = np.random.default_rng(0)
    found = {}
    for k in range(count):
        mean, share = lengths(rng)
        size = np.maximum(4, (mean * rng.uniform(0.6, 1.4, num))).astype(np.int64)
        prompts = np.maximum(1, (size * (1 - share))).astype(np.int32) if share else 0 * size
        offsets = np.concatenate([[0], np.cumsum(size)])
        tokens = rng.integers(3, vocabulary, offsets[-1]).astype(np.uint16)
        found[f"drawn_{k}"] = TokenRows(tokens, offsets, prompts.astype(np.int32))
    return found


# ---- the model, and ours


def vocabulary_of(case: Case) -> int:
    return VOCABULARY if case.size in ("small", "tiny") else 32_768


def new_model(case: Case) -> Any:
    """In evaluation mode, frozen, as it is before training: the same for every contender."""
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    shape, folder = SIZES[case.size], os.environ.get("MISHRAN_MODELS")
    dtype = getattr(torch, case.dtype)
    if case.size == "small" and folder:
        model = AutoModelForCausalLM.from_pretrained(Path(folder) / "base-6m", dtype=dtype)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=vocabulary_of(case),
                    hidden_size=shape.hidden,
                    intermediate_size=shape.intermediate,
                    num_hidden_layers=shape.layers,
                    num_attention_heads=shape.heads,
                    num_key_value_heads=shape.kv_heads,
                    max_position_embeddings=CONTEXT,
                    tie_word_embeddings=True,
                )
            )
    return model.to(case.device, dtype).eval().requires_grad_(False)


def ours(work: Work) -> Outcome:
    """`run_training` as `mishran train` calls it: with a line of metrics.jsonl at every step."""
    case, recipe = work.case, work.case.recipe
    model = new_model(case)
    loaded = Loaded(model, None, model.device, model.dtype, PAD, (), packs=True)
    made = Trainable(loaded, recipe, 0, "base")
    steps = feed(
        work.plan,
        work.stores,
        recipe,
        pad_id=PAD,
        packs=True,
        world=World(),
        context=CONTEXT,
    )
    with tempfile.TemporaryDirectory() as folder:
        sinks = sinks_for(Path(folder), ())
        clock = Clock(case)
        run_training(
            made,
            work.plan,
            steps,
            recipe,
            key="benchmark",
            seed=0,
            hidden_size=model.config.hidden_size,
            device=model.device,
            checkpoints=Path(folder) / "checkpoints",
            sinks=sinks,
        )
        seconds = clock.read()
        for sink in sinks:
            sink.close()
        lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return Outcome(seconds, [json.loads(line)["loss"] for line in lines])


class Clock:
    """Since it was made: wall clock and processor, when the device has done what it was told."""

    def __init__(self, case: Case) -> None:
        self._gpu = case.device.startswith("cuda")
        self._start = self._now()

    def read(self) -> tuple[float, float]:
        wall, cpu = self._now()
        return wall - self._start[0], cpu - self._start[1]

    def _now(self) -> tuple[float, float]:
        if self._gpu:
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()


def as_json(case: Case) -> str:
    return json.dumps(asdict(case))
