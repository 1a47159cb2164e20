"""What the contenders of benchmarks/specialists.py share: tasks, pool, recipe, models, and the clock.

Rows are real ones where $MISHRAN_DATA and $MISHRAN_MODELS are set (the tasks of
examples/instructions/mix.yaml, tokenised for base-6m), else tokens drawn at random with lengths like
theirs. Sizes are base-6m with its vocabulary widened to 32,768, and shapes with random weights: cost
does not depend on what a model knows.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import itertools
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mishran.config import SpecialistConfig, read_config
from mishran.train.order import training_batches

ROOT = Path(__file__).resolve().parent.parent
MIX = ROOT / "examples" / "instructions" / "mix.yaml"
VOCABULARY = 32_768
MAX_TOKENS = 256
CLEAR = Path("/proc/self/clear_refs")


class Row(NamedTuple):
    """Tokens of one example (see `mishran.train.batch.Row`)."""

    input_ids: tuple[int, ...]
    num_prompt_tokens: int


@dataclass(frozen=True)
class Task:
    """rows: what is trained on, already cut to the budget. batches: our order, indices into rows."""

    name: str
    rows: tuple[Row, ...]
    batches: tuple[tuple[int, ...], ...]
    probes: tuple[Row, ...]

    @property
    def tokens(self) -> int:
        return sum(len(row.input_ids) for row in self.rows)

    def part(self, k: int, of: int) -> Task:
        """Every `of`-th batch from the k-th."""
        batches = self.batches[k::of]
        places = np.cumsum([0, *(len(batch) for batch in batches)])
        return replace(
            self,
            rows=tuple(self.rows[i] for batch in batches for i in batch),
            batches=tuple(tuple(range(a, b)) for a, b in itertools.pairwise(places)),
        )


@dataclass(frozen=True)
class Recipe:
    """What all contenders share.

    grouped: the plain Trainer groups rows by length itself; else it gets our batches too (tests).
    answer_tokens: how many distributions of an answer are compared. memory: bytes of probabilities held
    at a time by the Trainer's user; score_batch: rows of the pool in one forward pass.
    """

    learning_rate: float
    rank: int = 16
    alpha: float = 32.0
    batch_size: int = 16
    warmup: float = 0.05
    clip: float = 1.0
    seed: int = 0
    pad_id: int = 0
    grouped: bool = True
    answer_tokens: int = 64
    score_batch: int = 32
    memory: int = 1 << 30


class Scores(NamedTuple):
    """nats: (n, m) of the whole answers; base_nats: (m,). jsd: (m, k) of every pair, / ln 2."""

    nats: np.ndarray
    base_nats: np.ndarray
    jsd: np.ndarray


class Outcome(NamedTuple):
    """Adapters in PEFT format, in the order of the tasks, and what they and the base answered."""

    folders: list[Path]
    scores: Scores


class Clock:
    """Wall and processor seconds and the peak of memory (bytes) by phase.

    Phases may lie in one another: what passes in the inner one does not count for the outer.
    """

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.peak: dict[str, int] = {}
        self._open: list[str] = []
        self._since = self._now()

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        self._note()
        self._open.append(phase)
        try:
            yield
        finally:
            self._note()
            self._open.pop()

    def _note(self) -> None:
        """What has passed since the last note is the innermost phase's."""
        now = self._now()
        if self._open:
            phase = self._open[-1]
            for sums, later, before in zip((self.wall, self.cpu), now, self._since, strict=True):
                sums[phase] = sums.get(phase, 0.0) + later - before
            self.peak[phase] = max(self.peak.get(phase, 0), peak_bytes())
        reset_peak()
        self._since = now

    def _now(self) -> tuple[float, float]:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()


def reset_peak() -> None:
    """Forget the peak so far, where the system can (Linux, CUDA)."""
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    elif CLEAR.exists():
        CLEAR.write_text("5")


def peak_bytes() -> int:
    """Most memory since `reset_peak`: allocated on the GPU if one is used, else resident.

    Pages of files (libraries) are left out where the system tells: it takes them and brings them back.
    Linux's own rusage would not do: it counts what the process was forked from.
    """
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    status = CLEAR.parent / "status"
    if status.exists():
        (peak,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024 - _pages()[1]
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def used_bytes() -> int:
    """Memory in use now, as `peak_bytes` counts it."""
    if torch.cuda.is_initialized():
        return torch.cuda.memory_allocated()
    resident, files = _pages()
    return resident - files if resident else peak_bytes()


def _pages() -> tuple[int, int]:
    """Bytes that are resident, and those of files among them; 0 where the system does not tell."""
    if not CLEAR.exists():
        return 0, 0
    resident, files = (CLEAR.parent / "statm").read_text().split()[1:3]
    return int(resident) * resource.getpagesize(), int(files) * resource.getpagesize()


def give_back() -> None:
    """Freed memory to the system, where that can be asked for: what counts as in use is then in use."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def machine() -> tuple[str, str]:
    """Processor and versions: a measurement is theirs."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    cpu = next((x.split(":")[1].strip() for x in lines if "model name" in x), platform.machine())
    packages = ["mishran", "torch", "transformers", "peft", "accelerate"]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return cpu, f"Python {platform.python_version()}, {versions}"


def evenly(items: Sequence[Any], count: int) -> list[Any]:
    """`count` of the items, evenly spaced, the first among them."""
    return [items[i * len(items) // count] for i in range(count)]


def within(
    pool: Sequence[Row], size: int, held: int, per_row: Callable[[int], int]
) -> list[list[int]]:
    """Indices by length, longest first, at most `size` together and at most `held` positions.

    Args:
        per_row: positions that a row holds, of the longest answer of its batch.
    """
    out: list[list[int]] = [[]]
    longest = 0
    for i in sorted(range(len(pool)), key=lambda i: (-len(pool[i].input_ids), i)):
        answer = len(pool[i].input_ids) - pool[i].num_prompt_tokens
        longest = max(longest, answer)
        current = out[-1]
        if current and (len(current) == size or (len(current) + 1) * per_row(longest) > held):
            out.append([])
            longest = answer
        out[-1].append(i)
    return out


def stretches(
    pool: Sequence[Row], batches: Sequence[list[int]], held: int, limit: int
) -> list[list[list[int]]]:
    """Batches in groups of at most `held` answer tokens, counting `limit` per row at most."""
    out: list[list[list[int]]] = [[]]
    kept = 0
    for index in batches:
        answers = (len(pool[i].input_ids) - pool[i].num_prompt_tokens for i in index)
        more = sum(min(limit, answer) for answer in answers)
        if out[-1] and kept + more > held:
            out.append([])
            kept = 0
        out[-1].append(index)
        kept += more
    return out


class Size(NamedTuple):
    """Shape of a Llama: hidden, intermediate, layers, heads, key-value heads."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int


SIZES = {
    "small": Size(256, 672, 6, 4, 2),  # base-6m
    "medium": Size(512, 1376, 8, 8, 8),  # 25M parameters beside the embedding
    "100m": Size(768, 2048, 12, 12, 12),
    "1b": Size(2048, 5632, 22, 32, 4),
    "7b": Size(4096, 11008, 32, 32, 32),
    "tiny": Size(32, 64, 2, 4, 2),  # for smoke tests
}


def build_model(size: str, device: str, dtype: str) -> tuple[Any, str]:
    """A frozen Llama in evaluation mode, and in words where its weights come from."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = SIZES[size]
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=1024,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    words = "random weights"
    folder = os.environ.get("MISHRAN_MODELS")
    if size == "small" and folder:
        from safetensors.torch import load_file

        weights = load_file(Path(folder) / "base-6m" / "model.safetensors")
        name = "model.embed_tokens.weight"
        known = weights[name].float()
        widened = model.get_input_embeddings().weight.data.clone()
        widened *= known.std() / widened.std()
        widened[: len(known)] = known
        missing, more = model.load_state_dict({**weights, name: widened}, strict=False)
        assert not more and set(missing) <= {"lm_head.weight"}, (missing, more)
        model.tie_weights()
        words = "weights of base-6m, random rows added to its embedding"
    model = model.to(device, getattr(torch, dtype)).eval().requires_grad_(False)
    return model, words


def learning_rate(size: str) -> float:
    return SpecialistConfig().peak_learning_rate(SIZES[size].hidden)


def make_tasks(n: int, tokens: int, probes: int, batch_size: int, folder: Path) -> list[Task]:
    """n tasks of `tokens` training tokens each.

    Of fewer than the 38 there are, evenly spaced ones; beyond them the same again with one half of
    their rows each and another seed, and then halves of halves.

    Args:
        folder: where the tokens of the real rows are kept between calls.
    """
    found = real_rows(probes, folder) if os.environ.get("MISHRAN_DATA") else drawn_rows(probes)
    names = list(found)
    chosen = evenly(names, n) if n <= len(names) else names * -(-n // len(names))
    tasks = []
    for i, name in enumerate(chosen[:n]):
        copy = i // len(names)
        rows, held = found[name]
        part = rows[:: 2**copy] if len(rows) >= 2**copy else rows
        batches = training_batches(
            [len(r.input_ids) for r in part], batch_size, copy, tokens=tokens
        )
        whole = Task(f"{name}#{copy}" if copy else name, tuple(part), tuple(batches), tuple(held))
        tasks.append(whole.part(0, 1))
    return tasks


def real_rows(probes: int, folder: Path) -> dict[str, tuple[list[Row], list[Row]]]:
    """Task -> training rows and probes, through the same code as `mishran fit`."""
    key = hashlib.sha256((MIX.read_text() + str(probes)).encode()).hexdigest()[:12]
    kept = folder / f"rows-{key}.json"
    if not kept.exists():
        from mishran.pipeline.prepare import prepare
        from mishran.pipeline.progress import Silent

        config = read_config(MIX)
        pool = config.probes.model_copy(update={"per_task": probes})
        ready = prepare(config.model_copy(update={"probes": pool}), MIX.parent, Silent())
        plain = {
            t.task.name: [
                [[list(r.input_ids), r.num_prompt_tokens] for r in part.rows]
                for part in (t.train, t.probes)
            ]
            for t in ready.trained
        }
        folder.mkdir(parents=True, exist_ok=True)
        half = kept.with_suffix(".part")
        half.write_text(json.dumps(plain))
        half.replace(kept)
    return {
        name: tuple([Row(tuple(ids), prompt) for ids, prompt in part] for part in parts)
        for name, parts in json.loads(kept.read_text()).items()
    }


def drawn_rows(probes: int) -> dict[str, tuple[list[Row], list[Row]]]:
    """38 tasks of random tokens: prompts of 10 to 80 and answers of 2 to 60, most of them short."""
    rng = np.random.default_rng(0)
    found = {}
    for k in range(38):
        prompt, answer = 10 * 8 ** rng.random(), 2 * 30 ** (rng.random() ** 2)
        rows = []
        for _ in range(600 + probes):
            lengths = [max(2, round(mean * rng.uniform(0.6, 1.4))) for mean in (prompt, answer)]
            ids = rng.integers(3, VOCABULARY, sum(lengths))
            rows.append(Row(tuple(int(i) for i in ids[:MAX_TOKENS]), lengths[0]))
        found[f"drawn_{k}"] = (rows[probes:], rows[:probes])
    return found
