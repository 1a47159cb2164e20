"""How fast plans, loaders and packs are, beside datasets, Megatron-Core, MosaicML streaming and TRL.

    python benchmarks/stream.py [--quick] [--only PART ...] [--json FILE] [--page FILE] [--plot FILE]

Medians of 5 after a warm-up, ours and the peers in turn in one process. What a line means stands on the
page, docs/results/stream.md. The peers: `pip install datasets trl megatron-core mosaicml-streaming`; one
that is missing is a line that says so. Files go to a temporary folder and stay in the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parent))
from stream_case import Line
from stream_order import index, resume
from stream_page import page, plot
from stream_reading import loader, packing

PARTS = ("index", "loader", "packing", "resume")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller cases; under 60 s")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, help="write a list of results here")
    parser.add_argument("--page", type=Path, help="write the tables for people here")
    parser.add_argument("--plot", type=Path, help="write rows/s of the order against N here, SVG")
    options = parser.parse_args()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="mishran-stream-") as name:
        makers = {
            "index": lambda: index(options.quick),
            "loader": lambda: loader(options.quick, Path(name)),
            "packing": lambda: packing(options.quick),
            "resume": lambda: resume(options.quick, Path(name)),
        }
        for part in options.only:
            for found in makers[part]():
                lines.append(found)
                if options.json:  # so that an interrupted run leaves what it measured
                    options.json.write_text(json.dumps(lines, indent=1) + "\n")
                if options.page:
                    options.page.write_text(page(lines))
                if options.plot:
                    options.plot.write_text(plot(lines))


if __name__ == "__main__":
    main()
