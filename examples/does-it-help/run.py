"""Does the mixture help? Every method against uniform, on real tasks, with seeds; and why.

    python examples/does-it-help/run.py [--quick] [--only fit,compare,pairs,merged,others,page]

Fits examples/does-it-help/mix.yaml, trains on the mixture of every method with the same tokens and seeds,
measures pairwise transfer and the proxy of merged specialists, asks the main question again on the tasks of
others.yaml, and writes docs/results/does-it-help.md with what `remarks.md` beside this file says about it.
Everything is kept in the run directory; the same command goes on where it was.
`--quick`: two seeds, few methods and pairs, for a look; its page stays in the run directory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import merged
import numpy as np
import pairs
import picture
import summary

from mishran.cli.ui import Bars
from mishran.comparison import Comparison
from mishran.pipeline.compare import compare
from mishran.pipeline.compare_asked import Asked
from mishran.pipeline.fit import fit
from mishran.pipeline.proxy_study import Asked as Study
from mishran.run import atomic_write

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results" / "does-it-help.md"

METHODS = (
    "uniform:unit=rows",
    "proportional",
    "temperature",
    "unimax",
    "random:seed=1",
    "minimum-redundancy",
    "taskpgm:t=0.5",
    "taskpgm:t=0.8",
    "taskpgm:t=1.5",
    "taskpgm:t=0.5:floor=0.3",
    "taskpgm:t=0.8:floor=0.3",
    "taskpgm:t=1.5:floor=0.3",
    "taskpgm:affinity=pmi-mean:t=0.5",
    "taskpgm:affinity=pmi-mean:t=0.8",
    "taskpgm:affinity=pmi-mean:t=1.5",
    "taskpgm:affinity=pmi-mean:t=0.5:floor=0.3",
    "taskpgm:affinity=pmi-mean:t=0.8:floor=0.3",
    "taskpgm:affinity=pmi-mean:t=1.5:floor=0.3",
    "taskpgm:unary=utility:strength=0.05",
    "taskpgm:unary=utility:strength=0.05:floor=0.3",
    "curves",
    "curves:floor=0.3",
    "curves:pool=0.5",
    "curves:transfer=affinity",
    "curves:transfer=scores",
    "curves:transfer=fitted",
    "mixmin",
    "capacity",
    "smart",
    "smart:kind=facility-location",
    "smart:kind=log-det",
    "smart:over=embeddings",
)
CONFIRM = (
    "uniform:unit=rows",
    "taskpgm:t=0.8",
    "taskpgm:t=1.5:floor=0.3",
    "curves",
    "curves:pool=0.5",
    "mixmin",
)
QUICK = (
    "uniform:unit=rows",
    "proportional",
    "taskpgm:t=0.5",
    "taskpgm:t=1.5:floor=0.3",
    "curves",
    "curves:pool=0.5",
    "mixmin",
)


@dataclass(frozen=True)
class Size:
    """How much is measured. tokens: of a training. examples: held out, of each task."""

    methods: tuple[str, ...]
    seeds: int
    tokens: int
    examples: int
    curve: tuple[float, ...]
    pairs: int
    pair_seeds: int
    mixtures: int


FULL = Size(METHODS, 5, 30_000, 24, (0.5, 2.0), 80, 2, 20)
SMALL = Size(QUICK, 2, 20_000, 12, (0.5, 2.0), 10, 1, 6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="fit,compare,pairs,merged,others,page")
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "mix")
    parser.add_argument("--workers", type=int)
    args = parser.parse_args()
    size, only = (SMALL if args.quick else FULL), args.only.split(",")
    progress, run = Bars(), args.run
    name = "quick" if args.quick else "compare"

    def timed(what: str, work) -> None:
        if what in only:
            start = time.perf_counter()
            work()
            path = run / name / f"minutes-{what}.json"
            before = json.loads(path.read_text())["minutes"] if path.is_file() else 0.0
            minutes = before + (time.perf_counter() - start) / 60
            atomic_write(path, json.dumps({"minutes": minutes, "machine": machine()}) + "\n")

    timed("fit", lambda: fit(HERE / "mix.yaml", run_dir=run, progress=progress))
    bbh = tuple(summary.tasks_in(run, "bbh"))
    kindred = tuple(summary.tasks_in(run, "kindred"))
    asked = Asked(
        methods=size.methods,
        seeds=tuple(range(size.seeds)),
        tokens=size.tokens,
        shares="tokens",
        examples=size.examples,
        curve=size.curve,
        accuracy=False,
        groups={"kindred": kindred, "BIG-Bench Hard": bbh},
        primary="tasks trained on",
        workers=args.workers,
    )
    timed("compare", lambda: compare(run, asked, out=run / name, progress=progress))
    timed(
        "pairs",
        lambda: pairs.measure(
            run, run / name / "pairs", size.pairs, size.pair_seeds, args.workers, progress
        ),
    )
    study = Study(tokens=size.tokens, shares="tokens", examples=16)
    timed(
        "merged",
        lambda: merged.measure(
            run,
            run / name / "merged",
            size.mixtures,
            study,
            workers=args.workers,
            progress=progress,
        ),
    )
    others = run.parent / "others"

    def on_others() -> None:
        fit(HERE / "others.yaml", run_dir=others, progress=progress)
        methods = size.methods if args.quick else CONFIRM
        again = replace(asked, methods=methods, groups={}, primary=None, curve=())
        compare(others, again, out=others / name, progress=progress)

    timed("others", on_others)
    if "page" in only:
        remarks = (HERE / "remarks.md").read_text()
        if args.quick:  # they are about the whole experiment
            remarks = "A quick look with few methods and two seeds: read nothing into it.\n"
        text = summary.page(run, run / name, others / name, asdict(size), remarks)
        page = run / name / PAGE.name if args.quick else PAGE
        atomic_write(page, text)
        shown = [("the tasks", run), ("other tasks", others)]
        drawn = [(what, place / name / "comparison.json") for what, place in shown]
        there = [(what, Comparison.read(path)) for what, path in drawn if path.is_file()]
        atomic_write(page.with_suffix(".svg"), picture.forest(there))


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return f"{model or platform.machine()}, {os.cpu_count()} threads"


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
