"""A task of ours with its choices, as lm-evaluation-harness reads it: a YAML file, and JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

from mishran.evaluate.choices import check_choices, gold, with_answer
from mishran.evaluate.harness_files import put_task
from mishran.evaluate.held_out import HeldOut
from mishran.tasks.render import Renderer

METRICS = ("acc", "acc_norm", "acc_bytes")


def write_task(work: Path, held: HeldOut, render: Renderer) -> str:
    """A task with choices as YAML and JSONL; returns its name.

    Prompts begin with the text of the model's BOS, where ours do: not all tokenizers add it. Like ours,
    choices have no end.

    Raises:
        DataError: see `check_choices`.
    """
    check_choices(held)
    bos = "" if render.bos_id is None else render.tokenizer.decode([render.bos_id])
    lines = []
    for example in held.examples:
        prompt, _ = render.texts(example)
        if bos and not example.messages and not prompt.startswith(bos):
            prompt = bos + prompt
        choices = [render.texts(with_answer(example, choice))[1] for choice in example.choices]
        doc = {"id": example.id, "prompt": prompt, "choices": choices, "gold": gold(example)}
        lines.append(json.dumps(doc, ensure_ascii=False))
    data = work / "data" / f"{held.task}.jsonl"
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "task": held.task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": "",
        "num_fewshot": 0,
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in METRICS
        ],
    }
    put_task(work, held.task, config)
    return held.task
