"""Tiny trainings: a plan over rows of tokens that a tiny model knows, and a loop by hand beside ours."""

from __future__ import annotations

import copy
import json
import math
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_models import VOCAB, tiny_model

from mishran.config_train import TrainConfig
from mishran.stream.apportion import Wish
from mishran.stream.plan import Plan, make_plan
from mishran.stream.supply import Supply
from mishran.stream.tokens import TokenRows
from mishran.train.feed import feed
from mishran.train.metrics import JsonLines, Sink
from mishran.train.models import Loaded
from mishran.train.schedule import schedule
from mishran.train.trainable import Trainable
from mishran.train.trainer import Trained, run_training
from mishran.train.world import World

CPU = torch.device("cpu")


def store(number: int, size: int, longest: int = 12) -> TokenRows:
    """Rows of 2 to `longest` random tokens, each with a prompt and an answer."""
    rng = np.random.default_rng([7, number])
    lengths = rng.integers(2, longest + 1, size=size)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = rng.integers(3, VOCAB, size=int(offsets[-1])).astype(np.uint16)
    return TokenRows(tokens, offsets, rng.integers(1, lengths).astype(np.int32))


@dataclass(frozen=True)
class Data:
    plan: Plan
    stores: tuple[TokenRows, ...]


def data(sizes: Sequence[int] = (5, 9, 14), rows: int = 40, longest: int = 12) -> Data:
    """Tasks t0, t1, ... with as many rows in the plan; some are read more than once."""
    stores = tuple(store(i, size, longest) for i, size in enumerate(sizes))
    supplies = [Supply(f"t{i}", s.lengths, s.content, s.content) for i, s in enumerate(stores)]
    weights = np.arange(1, len(sizes) + 1) / sum(range(1, len(sizes) + 1))
    plan = make_plan(supplies, [Wish(weights, rows, "rows", "rows")], max_epochs=None)
    return Data(plan, stores)


def recipe(**changes: Any) -> TrainConfig:
    """Everything at work: warm-up, clipping, decay of the weights."""
    kind = changes.get("kind", "lora")
    own = {"rank": 2, "alpha": 8.0} if kind == "lora" else {}
    usual = {"kind": kind, "learning_rate": 0.01, "batch_size": 6, "weight_decay": 0.1}
    more = {"clip": 0.5, "warmup": 0.2, "validations": 0}
    return TrainConfig.model_validate({**own, **usual, **more, **changes})


def loaded(family: str = "llama", dtype: torch.dtype = torch.float64, packs: bool = True) -> Loaded:
    return Loaded(tiny_model(family).to(dtype), None, CPU, dtype, 0, (), packs)


def trainable(settings: TrainConfig, found: Loaded | None = None, seed: int = 0) -> Trainable:
    """In the precision of what was loaded: what is trained is in single precision otherwise."""
    found = found or loaded()
    model = Trainable(found, settings, seed, "base")
    if found.dtype == torch.float64:
        model.double()
    if settings.kind == "lora":  # PEFT begins with B = 0, from where A has no gradient
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for name, parameter in model.trained.items():
                if "lora_B" in name:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def fit(
    model: Trainable,
    given: Data,
    settings: TrainConfig,
    folder: Path | None = None,
    *,
    key: str = "key",
    seed: int = 0,
    packs: bool = True,
    world: World | None = None,
    sinks: Sequence[Sink] = (),
    **more: Any,
) -> Trained:
    """Our loop; with a folder, metrics.jsonl and checkpoints in it."""
    world = world or World()
    steps = feed(given.plan, given.stores, settings, pad_id=0, packs=packs, world=world, context=64)
    if folder is not None and world.leads:
        sinks = [JsonLines(folder / "metrics.jsonl"), *sinks]
    try:
        return run_training(
            model,
            given.plan,
            steps,
            settings,
            key=key,
            seed=seed,
            hidden_size=32,
            device=CPU,
            checkpoints=None if folder is None else folder / "checkpoints",
            sinks=sinks,
            world=world,
            **more,
        )
    finally:
        for sink in sinks:
            sink.close()


def records(folder: Path) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl without the speed, which is another each time."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "tokens_per_s"} for x in lines]


@dataclass(frozen=True)
class ByHand:
    """losses, norms: of each step. tasks: of each step, task -> mean nats per answer token."""

    model: torch.nn.Module
    losses: list[float]
    norms: list[float]
    tasks: list[dict[str, float]]


def by_hand(model: Trainable, given: Data, settings: TrainConfig) -> ByHand:
    """A loop as anybody would write it: a row at a time, no padding, no packing, torch's own AdamW."""
    own = copy.deepcopy(model.model).eval()
    named = [p for p in own.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in named if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in named if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=0.0,
        betas=settings.betas,
        eps=settings.epsilon,
        foreach=False,
    )
    plan = given.plan
    factor = schedule(
        settings.schedule, warmup=settings.warmup, decay=settings.decay, final=settings.final
    )
    losses, norms, tasks = [], [], []
    seen = 0
    for start in range(0, plan.rows, settings.batch_size):
        order = plan.order.rows(start, min(start + settings.batch_size, plan.rows))
        nats: dict[str, list[torch.Tensor]] = {}
        before = seen
        for task, example in zip(order.task.tolist(), order.example.tolist(), strict=True):
            rows = given.stores[task]
            low, high = rows.offsets[example], rows.offsets[example + 1]
            ids = torch.from_numpy(rows.tokens[low:high].astype(np.int64))
            labels = ids.clone()
            labels[: int(rows.prompts[example])] = -100
            found = own(input_ids=ids[None], labels=labels[None])
            each = torch.nn.functional.cross_entropy(
                found.logits[0, :-1], labels[1:], reduction="none"
            )[labels[1:] >= 0]
            own_loss = float(found.loss.detach())  # of transformers, in single precision
            assert math.isclose(own_loss, float(each.mean().detach()), rel_tol=1e-5)
            nats.setdefault(plan.tasks[task].name, []).append(each)
            seen += len(ids)
        everything = torch.cat([each for parts in nats.values() for each in parts])
        loss = everything.mean()
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in named if p.grad is not None))
        for p in named:
            if p.grad is not None:
                p.grad.mul_(min(1.0, settings.clip / (norm + 1e-6)))
        for group in optimizer.param_groups:
            middle = (before + seen) / 2 / plan.tokens
            group["lr"] = settings.peak_learning_rate(32) * factor(middle)
        optimizer.step()
        losses.append(float(loss.detach()))
        norms.append(norm)
        tasks.append({k: float(torch.cat(v).mean().detach()) for k, v in nats.items()})
    return ByHand(own, losses, norms, tasks)


@contextmanager
def disk_with(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
