"""Real tasks and a real pretrained model, small: the whole fit, and its scores against the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mishran.pipeline.fit import fit, read_evidence
from mishran.pipeline.tables import read_scores

CONFIG = """
model: {models}/base-6m
specialists: {{tokens: 2000, validation: 16, curve_points: 3}}
probes: {{per_task: 4}}
mixture: {{t: 0.8, floors: {{hindi: 0.3}}, budget: {{rows: 1000}}, replicas: 20}}
tasks:
  - {{name: antonyms, path: "{data}/tasks/ii_antonyms.jsonl.gz",
     prompt: "Opposite of {{input}}:", answer: "{{target}}"}}
  - {{name: plurals, path: "{data}/tasks/ii_singular_to_plural.jsonl.gz",
     prompt: "Plural of {{input}}:", answer: "{{target}}"}}
  - {{name: inflection, path: "{data}/hindi/hi_inflection.jsonl.gz",
     prompt: "{{input}}", answer: "{{target}}", groups: [hindi]}}
  - {{name: flores, path: "{data}/hindi/flores_en2hi.jsonl.gz",
     prompt: "{{input}}", answer: "{{target}}", eval_only: true}}
"""


@pytest.mark.data
def test_real_tasks_on_a_real_model(data_root: Path, models_root: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, __version__

    if int(__version__.split(".")[0]) < 5:
        pytest.skip("base-6m was saved by transformers 5, which 4.x cannot read")
    text = CONFIG.format(data=data_root.resolve(), models=models_root.resolve())
    (tmp_path / "mix.yaml").write_text(text)
    fitted = fit(tmp_path / "mix.yaml")
    weights = fitted.mixture.weights
    assert list(weights) == ["antonyms", "plurals", "inflection"]
    assert weights["inflection"] >= 0.3 - 1e-9
    assert fitted.mixture.certificate.relative_gap <= 1e-9
    assert sum(t.rows for t in fitted.mixture.tasks) == 1000
    for name in weights:
        assert read_evidence(fitted.run, name).gain.low > 1.0, "a nat per token: the form at least"

    scores = read_scores(fitted.run.path("scores.parquet"))
    assert set(scores.probe_task) == {*weights, "flores"}
    tokenizer = AutoTokenizer.from_pretrained(models_root / "base-6m")
    model = AutoModelForCausalLM.from_pretrained(models_root / "base-6m", dtype=torch.float32)
    records = _records(data_root / "tasks/ii_antonyms.jsonl.gz")
    for k, (task, ident) in enumerate(zip(scores.probe_task, scores.probe_id, strict=True)):
        if task != "antonyms":
            continue
        record = records[ident]
        prompt = [1, *_ids(tokenizer, f"Opposite of {record['input']}:\n")]
        answer = [*_ids(tokenizer, record["target"]), 2]
        labels = torch.tensor([[-100] * len(prompt) + answer])
        with torch.inference_mode():
            loss = model(input_ids=torch.tensor([prompt + answer]), labels=labels).loss
        assert scores.tokens[k] == len(answer)
        assert scores.base_nats[k] == pytest.approx(float(loss) * len(answer), rel=1e-4)


def _ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _records(path: Path) -> dict[str, dict]:
    import gzip
    import json

    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {r["id"]: r for r in map(json.loads, lines)}
