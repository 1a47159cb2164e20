"""Do merged specialists order mixtures as training on them does?

    python examples/does-it-help/merged.py examples/does-it-help/runs/mix --mixtures 20 --tokens 48K \
        --seed 0 --workers 2

Draws mixtures from a Dirichlet distribution, scores each with the run's specialists merged, without any
training, then trains on each and compares the two orders (see mishran.pipeline.proxy_study). Everything is
kept in `--out`, by default compare/merged in the run directory; the same command goes on where it was. Ends
with merged.json, and merged.md, its tables for a page.

`--seeds 2` trains on every mixture with a second seed: the noise of training, which limits what anybody can
predict. `--concentration` below 1 draws mixtures that differ more.

Decided before the first study: `mixture.t: auto` may be built on merged specialists only if, with c = 1 and
over the mean of the tasks trained on, the interval of rho lies above 0.5, and that of its advantage over
the learning curves, which cost nothing, above 0. Other c are reported, and are no second chances.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from mishran.cli.plans import amount
from mishran.cli.ui import Bars
from mishran.evaluate.results import TRAINED, UNTRAINED
from mishran.pipeline.facts import read_facts
from mishran.pipeline.mixture_file import versions
from mishran.pipeline.progress import Progress
from mishran.pipeline.proxy_study import CURVES, PRIMARY, Asked, random_mixtures, study
from mishran.run import Run, atomic_write

BAR = 0.5


def measure(
    run: Path,
    out: Path,
    mixtures: int,
    asked: Asked,
    *,
    seed: int = 0,
    concentration: float = 1.0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run the study, or go on with it, and write merged.json and merged.md; what the former holds."""
    names = [f.name for f in read_facts(Run(run)) if not f.eval_only]
    weights = random_mixtures(names, mixtures, seed, concentration)
    found = study(run, weights, asked, out=out, workers=workers, progress=progress).to_dict()
    data = {
        "mixtures": {"count": mixtures, "seed": seed, "concentration": concentration},
        "tokens": asked.tokens,
        "seeds": list(asked.seeds),
        "shares": asked.shares,
        "examples": asked.examples,
        "versions": versions(),
        "predicts": predicts(found["predicted"][PRIMARY]),
        **found,
    }
    atomic_write(out / "merged.json", json.dumps(data, indent=1, allow_nan=False) + "\n")
    atomic_write(out / "merged.md", "\n".join(lines(data)) + "\n")
    return data


def predicts(one: dict[str, Any]) -> bool:
    """Whether a prediction passes the bar; one that could not be compared with the curves does not."""
    gain = one["advantage"][TRAINED].get(CURVES, {"low": None})
    return above(one["agreement"][TRAINED]["low"], BAR) and above(gain["low"], 0.0)


def above(value: float | None, bar: float) -> bool:
    """An interval that is not there says nothing for it."""
    return value is not None and value > bar


def lines(found: dict[str, Any]) -> list[str]:
    """Markdown tables, and whether the bar was passed."""
    trained = found["trained"]["groups"][TRAINED]
    failed, drawn = found["failed"], found["mixtures"]
    return [
        f"{len(trained)} mixtures of {len(found['names'])} tasks, {found['tokens']:,} training tokens "
        f"each, drawn from a Dirichlet distribution (concentration {drawn['concentration']:g}); trained "
        f"models lose {min(trained):.3f} to {max(trained):.3f} nats per answer token in the mean "
        f"over tasks (standard deviation {np.std(trained, ddof=1):.3f})."
        + f" Trainings that failed: {'; '.join(failed)}."
        * bool(failed),
        "",
        "Spearman's rho between what was predicted and what training gave (95 % intervals, mixtures "
        "resampled). By task: median over tasks, and how many intervals lie above 0.",
        "",
        "| prediction | tasks trained on | other tasks | by task, trained on | above 0 |",
        "|---|---:|---:|---:|---:|",
        *(_row(name, one, found["names"]) for name, one in found["predicted"].items()),
        "",
        "By how much rho over the tasks trained on is above that of the others:",
        "",
        *_advantages(found["predicted"]),
        "",
        f"The bar that was set beforehand (c = 1: rho above {BAR:g}, advantage over the learning curves "
        f"above 0, intervals and all) was **{'passed' if found['predicts'] else 'not passed'}**.",
    ]


def _row(name: str, one: dict[str, Any], trained: list[str]) -> str:
    by_task = [one["agreement_by_task"].get(task) for task in trained]
    rhos = [a["rho"] for a in by_task if a is not None and a["rho"] is not None]
    sure = sum(above(a["low"], 0.0) for a in by_task if a is not None)
    cells = [_told(one["agreement"].get(group)) for group in (TRAINED, UNTRAINED)]
    median = f"{np.median(rhos):.2f}" if rhos else "-"
    many = f"{sure} of {len(rhos)}" if rhos else "-"
    return f"| {name} | {' | '.join(cells)} | {median} | {many} |"


def _advantages(predicted: dict[str, Any]) -> list[str]:
    tested = {name: one["advantage"][TRAINED] for name, one in predicted.items() if "scale" in one}
    rivals = list(tested[PRIMARY])
    return [
        f"| prediction | {' | '.join(rivals)} |",
        f"|---|{'---:|' * len(rivals)}",
        *(
            f"| {name} | {' | '.join(_told(own[other]) for other in rivals)} |"
            for name, own in tested.items()
        ),
    ]


def _told(one: dict[str, Any] | None) -> str:
    if one is None or one["rho"] is None:
        return "-"
    if one["low"] is None:
        return f"{one['rho']:.2f}"
    return f"{one['rho']:.2f} ({one['low']:.2f} to {one['high']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run directory that `mishran fit` made")
    parser.add_argument("--mixtures", type=int, default=20)
    parser.add_argument("--tokens", default="48K", help="of each training")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the mixtures, and the first training"
    )
    parser.add_argument("--seeds", type=int, default=1, choices=range(1, 10), metavar="N")
    parser.add_argument("--concentration", type=float, default=1.0)
    parser.add_argument("--examples", type=int, default=32, help="held-out ones of each task")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    asked = Asked(
        tokens=amount(args.tokens, "--tokens"),
        seeds=tuple(range(args.seed, args.seed + args.seeds)),
        examples=args.examples,
    )
    out = args.out or args.run / "compare" / "merged"
    found = measure(
        args.run,
        out,
        args.mixtures,
        asked,
        seed=args.seed,
        concentration=args.concentration,
        workers=args.workers,
        progress=Bars(),
    )
    print("\n".join(lines(found)))
    print(f"\nwrote {out}/merged.json")


if __name__ == "__main__":
    main()
