"""N specialists trained and asked: the bank beside PEFT + transformers.Trainer and beside a plain loop.

    python benchmarks/specialists.py [--quick] [--tasks 8,24,64] [--sizes small,medium] [--tokens 20000]
        [--threads 2] [--json FILE] [--page FILE] [--plot FILE] [--device cuda --dtype bfloat16]

Same base, adapters (LoRA rank 16, alpha 32, all linear layers), tokens and probes; every measurement in
a process of its own after a warm-up, contenders in turn. Each is kept in build/benchmark-specialists/
under its parameters and a hash of the code it ran (the commit is noted), so that an interrupted run goes
on. Where the whole would take too long, evenly spaced parts are measured and scaled by tokens
(training) or answer tokens (asking), see `PARTS`; the page says which.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import (
    MAX_TOKENS,
    ROOT,
    Clock,
    Outcome,
    Recipe,
    Row,
    Scores,
    Task,
    build_model,
    give_back,
    learning_rate,
    machine,
    make_tasks,
    used_bytes,
)
from specialist_page import page, plot, summary
from specialist_peers import TRAIN, one_after_another

KEPT = ROOT / "build" / "benchmark-specialists"
SHARED = ["benchmarks/specialist_case.py", "src/mishran/train/order.py"]
PEER_CODE = [f"benchmarks/specialist_peer{part}.py" for part in ("s", "_batches", "_scores")]
CODE = {  # what a contender's numbers depend on
    "ours": [*SHARED, "benchmarks/specialists.py", "src/mishran/train", "src/mishran/specialists"],
    **{peer: [*SHARED, *PEER_CODE] for peer in TRAIN},
}
# (size, tasks) -> one part of how many, and how many parts are measured.
PARTS = {
    ("small", 8): (8, 3),
    ("small", 24): (12, 5),
    ("small", 64): (64, 2),
    ("medium", 8): (8, 2),
    ("medium", 24): (24, 2),
    ("medium", 64): (64, 1),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement: part k of `parts` of the training of n tasks and of the pool's answers."""

    contender: str
    size: str
    n: int
    tokens: int
    probes: int
    k: int
    parts: int
    batch_size: int
    threads: int
    device: str
    dtype: str

    def place(self, code: str) -> Path:
        real = [bool(os.environ.get(name)) for name in ("MISHRAN_DATA", "MISHRAN_MODELS")]
        text = json.dumps([dataclasses.asdict(self), real, code, machine()], sort_keys=True)
        name = f"{self.contender}-{self.size}-{self.n}-{self.k}"
        return KEPT / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def ours(
    model: Any,
    tasks: Sequence[Task],
    whole: Sequence[Task],
    pool: Sequence[Row],
    recipe: Recipe,
    folder: Path,
    clock: Clock,
) -> Outcome:
    """All N through the bank, in the waves of `mishran fit`, with what the peers do not do left out.

    That is the held-out examples: no curve, no gain, no prompt gain. *once* is what a part of the training
    takes as much of as the whole: planning the waves, making and saving the adapters.
    """
    from mishran.config import SpecialistConfig
    from mishran.specialists import probe
    from mishran.specialists.adapters import save_adapter, template
    from mishran.specialists.bank import SlotUpdates, bank
    from mishran.specialists.fit import adapter_dtype
    from mishran.specialists.panel import panel
    from mishran.specialists.sizing import size_waves
    from mishran.specialists.turns import turns
    from mishran.train.batch import lay_out
    from mishran.train.loop import train, warmup_linear
    from mishran.train.models import Loaded

    loaded = Loaded(model, None, model.device, model.dtype, recipe.pad_id, ())
    settings = SpecialistConfig(
        rank=recipe.rank,
        alpha=recipe.alpha,
        learning_rate=recipe.learning_rate,
        tokens=whole[0].tokens,
        batch_size=recipe.batch_size,
    )
    folders = {str(i): folder / str(i) for i in range(len(tasks))}
    with clock("once"):
        start = template(model, settings, recipe.seed, "base")
        sizing = size_waves(
            loaded,
            start,
            settings,
            [task.rows for task in whole],
            [task.probes for task in whole],
            seed=recipe.seed,
            max_tokens=MAX_TOKENS,
        )
        kind = adapter_dtype(loaded, settings)
        for index in np.array_split(np.arange(len(tasks)), -(-len(tasks) // sizing.slots)):
            wave = [tasks[i] for i in index]
            weights = start.initial.to(model.device, kind).repeat(len(wave), 1)
            with bank(model, start.layout, weights, train=True) as stacked:
                updates = SlotUpdates(
                    stacked,
                    [warmup_linear(len(task.batches), recipe.warmup) for task in wave],
                    learning_rate=recipe.learning_rate,
                    weight_decay=0.0,
                    clip=recipe.clip,
                )
                rows, plans = [t.rows for t in wave], [t.batches for t in wave]
                batches = (
                    lay_out(parts, recipe.pad_id, loaded.packs).to(model.device)
                    for parts in turns(rows, plans, sizing.tokens, lambda slot: True)
                )
                with clock("train"):
                    train(stacked, batches, updates)
            assert not updates.failed, updates.failed
            for i, row in zip(index, weights, strict=True):
                save_adapter(start, row, folders[str(i)])
    with clock("load"):
        everyone = panel(model, folders)

    def compared(*given: torch.Tensor, fused: bool | None = None) -> torch.Tensor:
        with clock("jsd"):
            return divergences(*given, fused=fused)

    divergences = probe.pairwise_jsd_fast
    with mock.patch.object(probe, "pairwise_jsd_fast", compared), clock("forward"):
        found = probe.answer_pool(everyone, loaded, pool, answer_tokens=recipe.answer_tokens)
    everyone.close()
    return Outcome(list(folders.values()), Scores(found.nats, found.base_nats, found.jsd))


def measure(case: Case) -> dict[str, Any]:
    """Run one case here; seconds are of the part, `scale` says what to multiply them by."""
    torch.set_num_threads(case.threads)
    tasks = make_tasks(case.n, case.tokens, case.probes, case.batch_size, KEPT)
    pool = [row for task in tasks for row in task.probes]
    model, words = build_model(case.size, case.device, case.dtype)
    recipe = Recipe(learning_rate(case.size), batch_size=case.batch_size)
    tokens, answers = sum(t.tokens for t in tasks), compared(pool, recipe)
    pool = pool[case.k :: case.parts]
    mine = case.contender == "ours"
    part = shares(tasks, case.k, case.parts) if mine else tasks[case.k :: case.parts]

    def go(part: Sequence[Task], n: int, pool: Sequence[Row], clock: Clock) -> Outcome:
        with tempfile.TemporaryDirectory() as name:
            given = (pool, recipe, Path(name), clock)
            if mine:
                return ours(model, part, tasks[: len(part)], *given)
            return one_after_another(case.contender, model, part, n, *given)

    warm = [task.part(0, len(task.batches)) for task in tasks[:2]]
    go(warm, 2, [task.probes[0] for task in warm], Clock())  # imports and first calls, not counted
    give_back()
    loaded = used_bytes()
    clock = Clock()
    outcome = go(part, case.n, pool, clock)
    trained = sum(task.tokens for task in part)
    return {
        **dataclasses.asdict(case),
        "wall": clock.wall,
        "cpu": clock.cpu,
        "peak_mb": {name: (peak - loaded) / 2**20 for name, peak in clock.peak.items()},
        "loaded_mb": loaded / 2**20,
        "scale": {"train": tokens / trained, "pool": answers / compared(pool, recipe)},
        "tokens_trained": trained,
        "probes_asked": len(pool),
        "answer_tokens": compared(pool, recipe),
        "nats": float(outcome.scores.nats.mean()),
        "base_nats": float(outcome.scores.base_nats.mean()),
        "jsd": float(np.mean(outcome.scores.jsd)),
        "weights": words,
        "data": "real" if os.environ.get("MISHRAN_DATA") else "drawn",
    }


def shares(tasks: Sequence[Task], k: int, parts: int) -> list[Task]:
    """Every `parts`-th batch of each task, from another one on, so that tasks of few count alike."""
    return [task.part((k + i * parts // len(tasks)) % parts, parts) for i, task in enumerate(tasks)]


def compared(pool: Sequence[Row], recipe: Recipe) -> int:
    return sum(min(len(r.input_ids) - r.num_prompt_tokens, recipe.answer_tokens) for r in pool)


def code(contender: str) -> str:
    """sha256 of the contender's code: any commit that leaves it alone keeps its measurements."""
    files = [f for name in CODE[contender] for f in sorted((ROOT / name).rglob("*.py"))]
    files += [ROOT / name for name in CODE[contender] if name.endswith(".py")]
    text = "".join(f"{f.relative_to(ROOT)}\0{f.read_text()}\0" for f in files)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def commit() -> str:
    """The commit that is checked out, + when some code is not committed."""

    def git(*words: str) -> str:
        found = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return found.stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "benchmarks")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def kept_or_measured(case: Case) -> dict[str, Any] | None:
    """From the folder, or of a fresh process; None when that failed."""
    place = case.place(code(case.contender))
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--one", json.dumps(dataclasses.asdict(case))]
        environment = {**os.environ, "OMP_NUM_THREADS": str(case.threads), "HF_HUB_OFFLINE": "1"}
        found = subprocess.run(command, capture_output=True, text=True, env=environment)
        if found.returncode:
            print(
                f"{case.contender} failed: {found.stderr.strip().splitlines()[-1]}", file=sys.stderr
            )
            return None
        result = json.loads(found.stdout.splitlines()[-1])
        place.write_text(json.dumps({**result, "commit": commit()}, indent=1) + "\n")
    return json.loads(place.read_text())


def profile(case: Case) -> str:
    """Where a contender's processor time goes, by operation."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        measure(case)
    return found.key_averages().table(sort_by="self_cpu_time_total", row_limit=20)


def names(text: str) -> list[str]:
    return text.split(",")


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few tasks and tokens; under 60 s")
    parser.add_argument("--tasks", type=numbers, help="numbers of tasks, by default 8,24,64")
    parser.add_argument("--sizes", type=names, help="small, medium, 100m, 1b, tiny")
    parser.add_argument("--tokens", type=int, help="training tokens per task, by default 20000")
    parser.add_argument("--probes", type=int, help="per task, by default 64")
    parser.add_argument("--parts", type=int, help="measure one part of so many, once")
    parser.add_argument("--batch-size", type=int, help="by default 16, on a GPU 4")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument(
        "--contenders", type=names, help=f"of ours, {', '.join(TRAIN)}; by default all but plain"
    )
    parser.add_argument("--json", type=Path, help="write a list of results here")
    parser.add_argument("--page", type=Path, help="write the tables for people here")
    parser.add_argument("--plot", type=Path, help="write the cost against N here, SVG")
    parser.add_argument("--profile", choices=("ours", *TRAIN), help="operations, of a small case")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(Case(**json.loads(options.one)))))
        return
    gpu = options.device.startswith("cuda")
    shapes = ["100m", "1b"] if gpu else ["small", "medium"]
    sizes = options.sizes or (shapes[:1] if options.quick else shapes)
    tasks = options.tasks or ([4] if options.quick else [24] if gpu else [8, 24, 64])
    tokens = options.tokens or (500 if options.quick else 20_000)
    probes = options.probes or (4 if options.quick else 64)
    batch_size = options.batch_size or (4 if gpu else 16)
    common = (batch_size, options.threads, options.device, options.dtype)
    if options.profile:
        case = Case(
            options.profile, sizes[0], tasks[0], tokens, probes, 0, options.parts or 1, *common
        )
        print(profile(case))
        return
    usual = ["trainer", "ours"] if options.quick else ["trainer", "one_by_one", "ours"]
    contenders = options.contenders or usual
    found: list[dict[str, Any]] = []
    for size in sizes:
        for n in tasks:
            default = (1, 1) if options.quick or gpu else PARTS.get((size, n), (1, 1))
            parts, repeats = (options.parts, 1) if options.parts else default
            for repeat in range(repeats):
                k = (2 * repeat + 1) * parts // (2 * repeats)
                first = repeat % len(contenders)
                for contender in contenders[first:] + contenders[:first]:
                    case = Case(contender, size, n, tokens, probes, k, parts, *common)
                    result = kept_or_measured(case)
                    if result is not None:
                        found.append(result)
                        print(summary(result), flush=True)
            write(options, found)


def write(options: argparse.Namespace, found: list[dict[str, Any]]) -> None:
    """After every setting, so that an interrupted run leaves what it measured."""
    from specialist_page import flat

    if options.json:
        options.json.write_text(json.dumps(flat(found), indent=1) + "\n")
    if options.page:
        options.page.write_text(page(found))
    if options.plot:
        options.plot.write_text(plot(found))


if __name__ == "__main__":
    main()
