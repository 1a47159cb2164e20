"""datasets: an export through the `load.py` that lies in it.

    python -P tools/readback/datasets.py FOLDER --reference FILE

See `tools/readback.py` for what comes out. The rows are text; tokens are not compared, but which rows come,
and in which order. Of a weighted export, how far the counts are from the expected ones.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import runpy
import shutil
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

CACHE = tempfile.mkdtemp()
os.environ["HF_DATASETS_CACHE"] = CACHE
os.environ["HF_HUB_OFFLINE"] = "1"
try:
    import datasets
except ImportError as error:
    print(f"datasets cannot be imported: {error}", file=sys.stderr)
    sys.exit(3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    given = parser.parse_args()
    reference = [json.loads(line) for line in given.reference.open(encoding="utf-8")]
    planned = Counter(row["task"] for row in reference)
    sys.dont_write_bytecode = True
    datasets.disable_progress_bars()
    script = runpy.run_path(str(given.folder / "load.py"))
    data = script["load"]()
    counts = Counter(data["task"])
    in_order = None
    if "TASKS" in script:
        worst = max(abs(counts[name] - num) for name, num in planned.items())
        total = len(reference)
        spread = max(math.sqrt(n * (1 - n / total)) for n in planned.values())
        what = (
            f"load.py: counts within {worst:,} rows of the plan, standard deviation {spread:,.1f}"
        )
    else:
        columns = (data["task"], data["id"], data["epoch"])
        found = list(zip(*columns, strict=True))
        wanted = [(row["task"], row["id"], row["epoch"]) for row in reference]
        in_order = found == wanted
        what = f"load.py: {sum(map(tuple.__eq__, found, wanted)):,} of {len(wanted):,} rows in their places"
    shutil.rmtree(CACHE, ignore_errors=True)
    out = {
        "trainer": "datasets",
        "version": version("datasets"),
        "what": what,
        "tasks": dict(sorted(counts.items())),
        "rows": len(data),
        "unit": "rows",
        "checked": 0,
        "same_tokens": 0,
        "in_order": in_order,
    }
    print(json.dumps(out, ensure_ascii=False))


if __name__ == "__main__":
    main()
