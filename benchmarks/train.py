"""Tokens/s and memory of training: ours beside plain PyTorch loops and transformers.Trainer.

    python benchmarks/train.py [--quick] [--cases lora-rows,full-packs] [--sizes small] [--dtypes float32]
        [--device cuda] [--threads 2] [--steps 16] [--peers loop,...] [--json FILE] [--page FILE]

Same model, rows, steps and learning rates (benchmarks/train_peers.py says what each peer is). Contenders in
turn in one process, medians of 5 after a warm-up; each begins anew. tokens/s counts prompts and answers, no
padding, over the whole training from the first step. Memory is measured in a process of its own for each:
the peak above what is there when all libraries are loaded, the model included. The bars, 1.0 times the
plain loop and 1.15 times Trainer, are on the fastest of each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import give_back, peak_bytes, reset_peak, used_bytes
from train_case import Case, Outcome, Work, as_json, make_work, ours
from train_page import AGREE, NOTHING, Line, line, page
from train_peers import PEERS

CONTENDERS: dict[str, Callable[[Work], Outcome]] = {"ours": ours, **PEERS}
OTHER_STEPS = "trainer_grouped"
REPEATS = 5
STEPS = {"rows": 16, "packs": 6}  # a step of packs is six times as long
LOOP_BAR, TRAINER_BAR = 1.0, 1.15


def measure(case: Case, peers: Sequence[str], repeats: int) -> dict[str, list[Outcome]]:
    """Contender -> its trainings, in turn."""
    work = make_work(case)
    names = ["ours", *peers]
    short = replace(case, steps=2)
    little = make_work(short)
    for name in names:
        CONTENDERS[name](little)
    found: dict[str, list[Outcome]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            found[name].append(CONTENDERS[name](work))
            print(f"  {case.name}: {name} {found[name][-1].seconds[0]:.2f} s", flush=True)
    return found


def memory(case: Case, contender: str) -> float:
    """MiB, of a process of its own."""
    command = [sys.executable, __file__, "--one", contender, "--case", as_json(case)]
    command += ["--threads", str(torch.get_num_threads())]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return float(json.loads(done.stdout.splitlines()[-1]))


def peak_mib(case: Case, contender: str) -> float:
    """Here: the peak of a training above what is there after a shorter one."""
    run = CONTENDERS[contender]
    little, work = make_work(replace(case, steps=1, batch_size=2)), make_work(case)
    run(little)  # after all reading: what that leaves behind would count
    give_back()
    level = used_bytes()
    reset_peak()
    run(work)
    return (peak_bytes() - level) / 2**20


def lines_of(
    case: Case, found: dict[str, list[Outcome]], tokens: int, peaks: dict[str, float]
) -> Iterator[Line]:
    """Speeds, memory, and how far the losses of the steps are apart."""
    rates = {n: statistics.median(tokens / o.seconds[0] for o in of) for n, of in found.items()}
    best = {
        kind: max((n for n in rates if n.startswith(kind)), key=lambda n: rates[n], default=None)
        for kind in ("loop", "trainer")
    }
    bars = {best["loop"]: LOOP_BAR}
    if case.device == "cpu":
        bars[best["trainer"]] = TRAINER_BAR
    for name in found:
        if name == "ours":
            continue
        pairs = zip(found["ours"], found[name], strict=True)
        ratio = statistics.median(theirs.seconds[0] / own.seconds[0] for own, theirs in pairs)
        goal = f"ratio >= {bars[name]}" if name in bars else NOTHING
        yield line(f"{case.name}: tokens/s", rates["ours"], rates[name], name, ratio, goal)
    for name, peak in peaks.items():
        if name != "ours":
            mine = peaks["ours"]
            yield line(f"{case.name}: peak MiB", mine, peak, name, peak / mine, NOTHING)
    own = np.array(found["ours"][0].losses)
    for name, of in found.items():
        if name not in ("ours", OTHER_STEPS):
            apart = float(np.abs(np.array(of[0].losses) - own).max())
            goal = f"ours <= {AGREE}"
            yield line(f"{case.name}: losses apart", apart, None, name, None, goal)


def cases_of(options: argparse.Namespace) -> list[Case]:
    gpu = options.device.startswith("cuda")
    sizes = options.sizes or (["100m", "1b"] if gpu else ["small"])
    dtypes = options.dtypes or (["bfloat16"] if gpu else cpu_dtypes())
    made = []
    for size in sizes:
        for dtype in dtypes:
            for name in options.cases:
                kind, text = name.split("-")
                few = {"batch_size": 8, "length": 128} if options.quick else {}
                more: dict[str, Any] = {"micro_tokens": 8192, "length": 1024} if gpu else {}
                steps = options.steps or (3 if options.quick else STEPS[text])
                shape = {"size": size, "steps": steps, "device": options.device, "dtype": dtype}
                made.append(Case(kind, text, **(shape | more | few)))
    return made


def cpu_dtypes() -> list[str]:
    """bfloat16 too, where the processor computes in it."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text() if path.exists() else ""
    fast = any(word in flags for word in ("avx512_bf16", "amx_bf16", "bf16 "))
    return ["float32", "bfloat16"] if fast else ["float32"]


def words(text: str) -> list[str]:
    return text.split(",")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three small steps; under 60 s")
    parser.add_argument(
        "--cases", type=words, help="of lora-rows, full-rows, lora-packs, full-packs"
    )
    parser.add_argument("--sizes", type=words, help="small, medium, 100m, 1b, tiny")
    parser.add_argument("--dtypes", type=words, help="float32, bfloat16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, help="of each training, by default 16, or 6 of packs")
    parser.add_argument("--peers", type=words, help=f"of {', '.join(PEERS)}")
    parser.add_argument("--repeats", type=int, help="by default 5")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write a list of results here")
    parser.add_argument("--page", type=Path, help="write the tables for people here")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(options.threads)
    if options.one:
        print(json.dumps(peak_mib(Case(**json.loads(options.case)), options.one)))
        return
    every = ["lora-rows", "full-rows", "lora-packs", "full-packs"]
    options.cases = options.cases or (every[::3] if options.quick else every)
    short = ["loop_answers", "trainer_lines"]
    peers = options.peers or (short if options.quick else list(PEERS))
    repeats = options.repeats or (1 if options.quick else REPEATS)
    lines: list[Line] = []
    for case in cases_of(options):
        found = measure(case, peers, repeats)
        peaks = {} if options.quick else {name: memory(case, name) for name in found}
        for one in lines_of(case, found, make_work(case).tokens, peaks):
            lines.append(one)
            print(one, flush=True)
        if options.json:  # after every case, so that an interrupted run leaves what it measured
            options.json.write_text(json.dumps(lines, indent=1) + "\n")
        if options.page:
            options.page.write_text(page(lines, options.threads))


def quiet() -> None:
    """Nothing but what is measured."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)


if __name__ == "__main__":
    main()
