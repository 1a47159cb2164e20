"""How fast the pairwise divergences are, beside the logarithms they need and the direct form in torch.

    python benchmarks/jsd.py [--quick] [--threads 1 2] [--json FILE] [--page FILE]

From logits of N specialists at A answer tokens over V entries to A x N(N-1)/2 divergences, softmax
included. Ours overwrites its logits, as in a fit; that they are copied back for the next repeat is not
counted. Three numbers of each case, in the same process, taken in turn, medians of 5 after a warm-up:
the time of A N(N-1)/2 V logarithms at the machine's rate (torch.log, float32, in cache, the same
number of threads); the best of the direct forms below, whose logarithms of p are computed once, with
threads inside of operations or over tokens, whichever is faster; ours, as one fused loop (needs
numba) and as operations of torch. Errors are against
`mishran.affinity.pairwise_jsd` in float64.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from mishran.affinity import pairwise_jsd
from mishran.specialists.divergence import exponentials, pairwise_jsd_fast
from mishran.specialists.divergence_kernel import fused_kernel

WORK = 6e7  # pairs x entries x tokens of a case, about
CACHED = 1 << 16  # numbers whose logarithm is taken at a time


def answers(n: int, tokens: int, vocab: int, seed: int = 0) -> torch.Tensor:
    """Logits like a language model's: a common part that falls with rank, and differences."""
    rng = torch.Generator().manual_seed(seed)
    rank = -1.1 * torch.log(torch.arange(1.0, vocab + 1.0))
    common = rank[torch.randperm(vocab, generator=rng)]
    return common + 1.5 * torch.randn(n, tokens, vocab, generator=rng)


def direct_by_pair(logits: torch.Tensor) -> torch.Tensor:
    """(KL(p || m) + KL(q || m)) / 2, pair by pair on all tokens."""
    logs = torch.log_softmax(logits, dim=-1)
    p = logs.exp()
    out = []
    for i, j in zip(*np.triu_indices(len(p), 1), strict=True):
        m = ((p[i] + p[j]) / 2).log()
        out.append((p[i] * (logs[i] - m) + p[j] * (logs[j] - m)).sum(dim=-1) / 2)
    return torch.stack(out, dim=1) / np.log(2.0)


def direct_by_row(logits: torch.Tensor) -> torch.Tensor:
    """The same, token by token, a specialist with all later ones at once."""
    n, tokens, _ = logits.shape
    out = torch.empty(tokens, n * (n - 1) // 2)
    for a in range(tokens):
        logs = torch.log_softmax(logits[:, a], dim=-1)
        p = logs.exp()
        first = 0
        for i in range(n - 1):
            m = ((p[i] + p[i + 1 :]) / 2).log()
            terms = p[i] * (logs[i] - m) + p[i + 1 :] * (logs[i + 1 :] - m)
            out[a, first : first + n - 1 - i] = terms.sum(dim=-1) / 2
            first += n - 1 - i
    return out / np.log(2.0)


def entropies_by_row(logits: torch.Tensor) -> torch.Tensor:
    """H(m) - (H(p) + H(q)) / 2 on whole rows: one logarithm for a pair, no tiles."""
    n, tokens, _ = logits.shape
    first, second = torch.triu_indices(n, n, 1)
    out = torch.empty(tokens, len(first))
    for a in range(tokens):
        logs = torch.log_softmax(logits[:, a], dim=-1)
        p = logs.exp()
        own = (p * logs).sum(dim=-1)
        start = 0
        for i in range(n - 1):
            m = (p[i] + p[i + 1 :]) / 2
            out[a, start : start + n - 1 - i] = -(m * m.log()).sum(dim=-1)
            start += n - 1 - i
        out[a] += (own[first] + own[second]) / 2
    return out / np.log(2.0)


DIRECT = {"by pair": direct_by_pair, "by row": direct_by_row}


def from_logits(logits: torch.Tensor, fused: bool) -> torch.Tensor:
    """Ours, softmax included; it overwrites logits."""
    weights, _, mass = exponentials(logits)
    return pairwise_jsd_fast(weights, mass, fused=fused)


def logarithms(count: int, threads: int) -> Callable[[], object]:
    """That many logarithms in all, by so many threads at once, each on its own numbers in cache."""
    space = [(torch.rand(CACHED), torch.empty(CACHED)) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def one(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
        for _ in range(round(count / threads / CACHED)):
            torch.log(pair[0], out=pair[1])

    def run() -> None:
        torch.set_num_threads(1)
        list(pool.map(one, space))
        torch.set_num_threads(threads)

    return run


def shared(
    form: Callable[[torch.Tensor], torch.Tensor], logits: torch.Tensor, threads: int
) -> Callable[[], object]:
    """A direct form with the tokens shared out among threads instead of each operation."""
    pool = ThreadPoolExecutor(threads)
    parts = logits.tensor_split(threads, dim=1)

    def work(part: torch.Tensor) -> None:
        with torch.inference_mode():
            form(part)

    def run() -> None:
        torch.set_num_threads(1)
        list(pool.map(work, parts))
        torch.set_num_threads(threads)

    return run


def clock(run: Callable[[], object], threads: int) -> float:
    """Seconds; with one thread those of the processor, so that waiting for others does not count."""
    now = time.process_time if threads == 1 else time.perf_counter
    start = now()
    run()
    return now() - start


def case(n: int, vocab: int, threads: int, quick: bool) -> list[dict]:
    torch.set_num_threads(threads)
    pairs = n * (n - 1) // 2
    tokens = threads * max(1, round(WORK / (pairs * vocab * threads)))
    logits = answers(n, tokens, vocab)
    room = logits.clone()
    ways = {"torch": lambda: from_logits(room, fused=False)}
    if fused_kernel() is not None:
        ways = {"fused": lambda: from_logits(room, fused=True), **ways}
    others = {**DIRECT, "entropies by row": entropies_by_row}
    peers = {name: lambda f=f: f(logits) for name, f in others.items()}
    if threads > 1:
        peers |= {f"{name}, shared": shared(f, logits, threads) for name, f in others.items()}
    runs = {"log": logarithms(tokens * pairs * vocab, threads), **ways, **peers}
    times: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for _ in range(1 + (3 if quick else 5)):
            for name, run in runs.items():
                room.copy_(logits)
                times[name].append(clock(run, threads))
    best = {name: statistics.median(of[1:]) for name, of in times.items()}
    direct = min((name for name in peers if name.startswith("by ")), key=lambda name: best[name])
    entropies = min(best[name] for name in peers if name.startswith("entropies"))
    rows = []
    for way in ways:
        title = f"N={n} V={vocab} A={tokens}, {threads} threads, {way}"
        for peer, name, goal in (
            (best["log"], "its logarithms alone", "ratio >= 0.6"),
            (best[direct], f"direct {direct}", "ratio >= 2.5"),
            (entropies, "entropies by row", "none"),
        ):
            rows.append(row(f"{title} / {name}", best[way], peer, name, goal))
    return rows


def row(name: str, ours: float, peer: float | None, peer_name: str | None, goal: str) -> dict:
    ratio = peer / ours if peer and ours else None
    print(f"{name}: {ours:.4g}" + ("" if ratio is None else f", ratio {ratio:.3g}"), flush=True)
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "ratio": ratio,
        "goal": goal,
    }


def errors(quick: bool) -> list[dict]:
    """Largest absolute difference from float64, ours and the better direct form's."""
    vocab = 32001 if quick else 152001
    noise = torch.randn(8, 1, vocab, generator=torch.Generator().manual_seed(1))
    one_hot = torch.full((3, 1, 8192), -1e4)
    one_hot[0, 0, 0] = one_hot[1, 0, 0] = one_hot[2, 0, 5] = 1e4
    cases = {
        "like a language model's": answers(8, 1, vocab),
        "near identical (1e-4)": answers(1, 1, vocab) + 1e-4 * noise,
        "near flat (1e-4)": 1e-4 * noise,
        "normal, spread 5": 5 * noise,
        "huge (spread 3000)": 3000 * noise,
        "one-hot": one_hot,
        "N=64": answers(64, 1, 8001) if quick else answers(64, 2, 32001),
    }
    ways = [False] + [True] * (fused_kernel() is not None)
    rows = []
    for name, logits in cases.items():
        want = pairwise_jsd(torch.log_softmax(logits.double(), dim=-1).numpy())
        others = [np.abs(f(logits).double().numpy() - want).max() for f in DIRECT.values()]
        for fused in ways:
            got = from_logits(logits.clone(), fused=fused).numpy()
            title = f"error, {name}, {'fused' if fused else 'torch'}"
            worst = float(np.abs(got - want).max())
            rows.append(row(title, worst, float(min(others)), "direct", "ours <= 1e-6"))
    return rows


def page(rows: list[dict]) -> str:
    """One line per setting; what each number means stands above."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((x.split(":")[1].strip() for x in lines if "model name" in x), platform.machine())
    packages = ["torch", *(["numba"] if fused_kernel() is not None else [])]
    threads = sorted(set(re.findall(r"(\d+) threads", "\n".join(r["name"] for r in rows))))
    worst = max(r["ours"] for r in rows if r["name"].startswith("error"))
    direct = max(r["peer"] for r in rows if r["name"].startswith("error"))
    text = [
        "# Pairwise divergences",
        "",
        f"Made by `python benchmarks/jsd.py --threads {' '.join(threads)} --page docs/results/jsd.md`,",
        "where it says what is measured.",
        "",
        f"Machine: {cpu}. " + ", ".join(f"{p} {version(p)}" for p in packages) + ".",
        "",
        f"Largest error against float64: {worst:.1e} (bar 1e-6); the better direct form's is {direct:.1e}.",
        "",
        "*logarithms*: seconds that a pair's one logarithm per entry takes alone, over ours (bar 0.6).",
        "*direct*: the best direct form's seconds over ours (bar 2.5).",
        "",
        "| case | seconds | logarithms | direct |",
        "|---|---:|---:|---:|",
    ]
    cases: dict[str, dict[str, dict]] = {}
    for r in rows:
        if not r["name"].startswith("error"):
            case, _, peer = r["name"].partition(" / ")
            cases.setdefault(case, {})[peer.split()[0]] = r
    for case, found in cases.items():
        log, beside = found["its"], found["direct"]
        text.append(f"| {case} | {log['ours']:.3g} | {marked(log, 0.6)} | {marked(beside, 2.5)} |")
    return "\n".join([*text, ""])


def marked(r: dict, bar: float) -> str:
    """Bold where the bar is met."""
    return f"**{r['ratio']:.2f}**" if r["ratio"] >= bar else f"{r['ratio']:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer cases; under 60 s")
    parser.add_argument("--threads", type=int, nargs="*", help="default: 1 2; with --quick 1")
    parser.add_argument("--json", type=Path, help="write a list of results here")
    parser.add_argument("--page", type=Path, help="write the table for people here")
    options = parser.parse_args()
    rows = errors(options.quick)
    sizes = (8, 38) if options.quick else (8, 24, 38, 64)
    for threads in options.threads or ([1] if options.quick else [1, 2]):
        for n in sizes:
            for vocab in (8192, 32000) if options.quick else (8192, 32000, 152000):
                rows += case(n, vocab, threads, options.quick)
                if options.json:
                    options.json.write_text(json.dumps(rows, indent=1) + "\n")
                if options.page:
                    options.page.write_text(page(rows))


if __name__ == "__main__":
    main()
