"""How fast a corpus is cleaned, beside plain datatrove with its own filters; and in how much memory.

    python benchmarks/corpus.py [--quick] [--only PART ...] [--json FILE] [--page FILE]

Real text from $MISHRAN_DATA/pretrain, English and Hindi separately, one process on one core. Medians of 5
after a warm-up, ours and the peers in turn. What a line means stands on the page that it writes. Without
--quick it takes about an hour, 40 minutes of it for memory: the run over two gigabytes needs
15 GB of disk in the temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy: rates are for one core
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).parent))
from corpus_case import LANGUAGES, MEGABYTES
from corpus_page import page
from stream_case import Line

STEPS = ("rules", "pii", "repair", "html", "contamination", "duplicates")
PARTS = (*STEPS, "whole", "language", "profile", "memory")
# MB of input for the whole example, and for the part of it that does not take hours.
GROWN = ((100.0, 400.0, False), (100.0, 2000.0, True))


def lines_of(part: str, quick: bool, folder: Path) -> Iterator[Line]:
    if part in STEPS:
        from corpus_steps import step_lines

        for language in LANGUAGES:
            yield from step_lines(part, quick, language, folder)
    elif part == "whole":
        from corpus_whole import whole_lines

        for language in LANGUAGES:
            yield from whole_lines(language, MEGABYTES[quick], folder)
    elif part == "language":
        from corpus_language import language as identified

        yield from identified(quick)
    elif part == "profile":
        from corpus_whole import profile

        yield from profile(quick, folder)
    elif not quick:
        from corpus_memory import memory

        for small, large, only_rules in GROWN:
            yield from memory(folder, (small, large), only_rules)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less text, no memory; under 60 s")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, help="write a list of results here")
    parser.add_argument("--page", type=Path, help="write the tables for people here")
    options = parser.parse_args()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="mishran-corpus-") as name:
        for part in options.only:
            place = Path(name) / part
            place.mkdir()
            for found in lines_of(part, options.quick, place):
                lines.append(found)
                if options.json:  # so that an interrupted run leaves what it measured
                    options.json.write_text(json.dumps(lines, indent=1) + "\n")
            if options.page:
                options.page.write_text(page(lines, options.quick))


if __name__ == "__main__":
    main()
