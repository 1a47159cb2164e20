"""What `specialists: {fast: true}` does to the affinity of the 38 real tasks, and what it saves.

    python examples/instructions/fast.py [--tokens 10000] [--probes 8]

Three fits of examples/instructions/mix.yaml with fewer tokens and probes: as it is, with adapters in the
upper half of the layers only, and as it is with another seed of the specialists, which shows how much of
a difference is chance. Writes docs/results/fast.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy import stats

from mishran.affinity import jsd_affinity
from mishran.pipeline.fit import fit
from mishran.pipeline.tables import read_divergence

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "fast.md"


class Clock:
    """Seconds of each bar of the fit."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def bar(self, title: str, total: float, unit: str = ""):
        clock = self

        class Bar:
            def __enter__(self):
                self.start = time.perf_counter()
                return lambda amount: None

            def __exit__(self, *exc: object) -> None:
                clock.seconds[title] = time.perf_counter() - self.start

        return Bar()

    def say(self, text: str) -> None:
        return None


def measured(folder: Path, name: str, tokens: int, probes: int, **recipe: object):
    """Affinity and seconds of one fit."""
    mix = yaml.safe_load((HERE / "mix.yaml").read_text())
    mix["specialists"] |= {"tokens": tokens, "curve_points": 2, "validation": 8, **recipe}
    mix["probes"] |= {"per_task": probes}
    mix["mixture"] |= {"replicas": 0}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(mix, allow_unicode=True))
    clock = Clock()
    run = fit(path, progress=clock).run
    return jsd_affinity(read_divergence(run.path("divergence.npz")), 0, 0).matrix, clock.seconds


def alike(one: np.ndarray, other: np.ndarray) -> tuple[float, float, int]:
    """Spearman's rho of the pairs; of what row and column effects leave; equal nearest neighbours."""
    pairs = np.triu_indices(len(one), 1)

    def residual(matrix: np.ndarray) -> np.ndarray:
        n = len(matrix)
        off = matrix - np.diag(np.diag(matrix))
        rows = off.sum(axis=1)
        effect = (rows - rows.sum() / (2 * (n - 1))) / (n - 2)
        return (matrix - effect[:, None] - effect[None, :])[pairs]

    def nearest(matrix: np.ndarray) -> np.ndarray:
        return (matrix - 2 * np.eye(len(matrix))).argmax(axis=1)

    rho = stats.spearmanr(one[pairs], other[pairs]).statistic
    rest = stats.spearmanr(residual(one), residual(other)).statistic
    return float(rho), float(rest), int((nearest(one) == nearest(other)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--probes", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = {
            name: measured(Path(place), name, args.tokens, args.probes, **recipe)
            for name, recipe in (("plain", {}), ("fast", {"fast": True}), ("seed", {"seed": 1}))
        }
    plain, times = found["plain"]
    n = len(plain)
    rows = [
        (label, *alike(plain, found[name][0]), found[name][1])
        for name, label in (("fast", "fast"), ("seed", "another seed, all layers"))
    ]
    train, pool = "training specialists", "answering probes"
    lines = [
        "# fast: adapters in the upper half of the layers",
        "",
        f"Made by `python examples/instructions/fast.py --tokens {args.tokens} --probes {args.probes}`: "
        f"{n} tasks, base-6m, {args.tokens:,} training tokens and {args.probes} probes a task; the "
        f"affinity (JSD) beside that of adapters in all layers. torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, no GPU.",
        "",
        "| specialists | rank correlation | without row and column effects | same nearest task "
        "| training | pool |",
        "|---|---:|---:|---:|---:|---:|",
        f"| all layers | 1 | 1 | {n} of {n} | {times[train]:.0f} s | {times[pool]:.0f} s |",
        *(
            f"| {label} | {rho:.3f} | {rest:.3f} | {same} of {n} | {t[train]:.0f} s | {t[pool]:.0f} s |"
            for label, rho, rest, same, t in rows
        ),
        "",
        "Times are of one run each, in this order, on a machine that others used too: "
        "the first shared it most.",
        "",
    ]
    PAGE.write_text("\n".join(lines))
    print(json.dumps({label: [rho, rest, same] for label, rho, rest, same, _ in rows}))


if __name__ == "__main__":
    main()
