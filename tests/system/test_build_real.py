"""Real tasks and raw text, Hindi among them, a real tokenizer: exact shares on disk and in packs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from mishran.pipeline.build import plan_from

pytestmark = pytest.mark.data


def write(folder: Path, recipe: dict[str, Any]) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def text(tmp_path: Path, data_root: Path, models_root: Path) -> Path:
    """A quarter of the tokens Hindi, then a phase of a half."""
    names = {"en_wiki": 0.5, "en_cli": 0.25, "hi_guides": 0.15, "hi_cli": 0.1}
    sources = [
        {"name": n, "path": str(data_root / "pretrain" / f"{n}.train.jsonl.gz")} for n in names
    ]
    phases = [
        {"weights": names, "tokens": 120_000},
        {"weights": {"en_wiki": 0.5, "hi_guides": 0.5}, "tokens": 40_000},
    ]
    recipe = {"tokenizer": str(models_root / "base-6m"), "sources": sources}
    return write(tmp_path, recipe | {"shares": "tokens", "phases": phases})


def test_token_shares_of_raw_text_are_exact(text: Path) -> None:
    planned = plan_from(text)
    plan = planned.plan
    longest = max(int(rows.lengths.max()) for rows in planned.ingredients.tokens)
    assert abs(plan.phases[0].tokens - 120_000) < longest * 4
    hindi = sum(t.token_share for t in plan.tasks if t.name.startswith("hi_"))
    assert hindi == pytest.approx((0.25 * 120 + 0.5 * 40) / 160, abs=0.02)
    for capacity, how in ((512, "bfd"), (512, "wrapped")):
        seen, fills = 0, []
        for batch, _ in planned.packs(capacity, 16, how=how).batches():  # type: ignore[arg-type]
            seen = seen + batch.tokens_by_task
            fills.append(batch.fill)
        assert seen.tolist() == [t.tokens for t in plan.tasks]  # type: ignore[attr-defined]
        assert sum(fills[:-1]) / len(fills[:-1]) > 0.98


def test_real_tasks_on_disk_are_their_files(
    tmp_path: Path, data_root: Path, models_root: Path, mishran: Any
) -> None:
    files = {
        "plurals": "tasks/ii_singular_to_plural",
        "gsm8k": "tasks/gsm8k",
        "hindi_nli": "hindi/hi_nli_hda",
    }
    tasks = [
        {
            "name": n,
            "path": str(data_root / f"{f}.jsonl.gz"),
            "prompt": "{input}\n",
            "answer": "{target}",
        }
        for n, f in files.items()
    ]
    recipe = {"tokenizer": str(models_root / "base-6m"), "tasks": tasks, "max_tokens": 256}
    path = write(tmp_path, recipe | {"weights": "uniform", "tokens": 100_000})
    said = mishran("build", path, "--out", tmp_path / "mixed", "--json")
    assert said.code == 0, said
    manifest = json.loads(said.out)
    rows = pq.read_table(tmp_path / "mixed" / "train.parquet").to_pylist()
    assert Counter(r["task"] for r in rows) == manifest["tasks"]
    assert max(manifest["tasks"].values()) - min(manifest["tasks"].values()) <= 1
    assert abs(manifest["tokens"] - 100_000) < 512
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        models_root / "base-6m", local_files_only=True, trust_remote_code=False
    )
    parts = [
        tokenizer([r[c] for r in rows], add_special_tokens=False) for c in ("prompt", "answer")
    ]
    counted = sum(len(ids) for part in parts for ids in part["input_ids"])
    assert counted + 2 * len(rows) == manifest["tokens"]  # BOS and EOS
