"""LLaMA-Factory: Parquet, `data/dataset_info.json` and `train.yaml`.

Materialised: one dataset, read in its order. Config only: a dataset per task with `num_samples`, its rows
in the plan. Parquet and not JSON lines: its reader of JSON takes a column in which every text is a date
for dates, and LLaMA-Factory then drops the rows (executed). Prompts and answers go through its `empty`
template, which adds nothing; BOS is given as the system message of that template, so that it is tokenised
by itself, as our rows are. Source: code of LLaMA-Factory 0.9.5 (data/loader.py, converter.py, template.py,
processor/), executed by `tools/readback/llama_factory.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml

from mishran.errors import ArtifactError, ConfigError, first_line
from mishran.stream.export.target import Job, Prediction
from mishran.stream.files import count_tasks, write_records
from mishran.stream.texts import Kind

MIXTURE = "mixture"  # name of the materialised dataset

_COLUMNS: dict[Kind, dict[str, Any]] = {
    "prompt": {
        "formatting": "alpaca",
        "columns": {"prompt": "prompt", "response": "answer"},
    },
    # Not "openai": that one writes a system message of its own into every chat without one.
    "chat": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    },
    "text": {"formatting": "alpaca", "columns": {"prompt": "text"}},
}


class LlamaFactory:
    """See the module."""

    title: ClassVar[str] = "LLaMA-Factory"
    versions: ClassVar[str] = "0.9.5"
    config_only: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]] = ("prompt", "chat", "text")

    def predict(self, job: Job) -> Prediction:
        """Rows of each task, exactly.

        Raises:
            ConfigError: chats that it would skip, or prompts of which only some begin with BOS.
        """
        if job.kind == "chat":
            _check_chats(job)
        if job.kind == "prompt" and job.bos:
            _check_bos(job)
        notes = []
        if job.config_only:
            tasks = [job.plan.tasks[i] for i in job.used]
            again = [t for t in tasks if t.rows > t.available_rows]
            if again:
                names = ", ".join(t.name for t in again[:5]) + ", ..." * (len(again) > 5)
                notes.append(
                    f"rows of {names} beyond the first pass are drawn at random with replacement, so that "
                    "some come more often than others"
                )
        if job.kind == "chat":
            notes.append(
                "chats go through its reading of the model's chat template; training begins where the last "
                "answer does"
            )
        if job.kind == "text":
            if job.bos:
                notes.append(
                    "BOS stands in the text; where the tokenizer has add_bos_token, LLaMA-Factory adds "
                    "another"
                )
            if not job.eos:
                notes.append("it ends every document with EOS, which the plan does not count")
        rows = tuple(float(task.rows) for task in job.plan.tasks)
        return Prediction(rows, exact=True, note="; ".join(notes))

    def write(self, job: Job, folder: Path) -> str:
        data = folder / "data"
        data.mkdir()
        info: dict[str, dict[str, Any]] = {}
        if job.config_only:
            for i in job.used:
                task = job.plan.tasks[i]
                records = _texts(job, job.texts.once(i), _once(i, len(job.tokens[i])))
                write_records(data / f"{task.name}.parquet", records, job.kind, "parquet")
                entry = {"file_name": f"{task.name}.parquet", "num_samples": task.rows}
                info[task.name] = {**entry, **_COLUMNS[job.kind]}
        else:
            records = _texts(job, job.in_order(), _in_order(job))
            write_records(data / "train.parquet", records, job.kind, "parquet")
            info[MIXTURE] = {"file_name": "train.parquet", **_COLUMNS[job.kind]}
        # ASCII: LLaMA-Factory opens the file in the encoding of the system.
        (data / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="ascii")
        (folder / "train.yaml").write_text(_settings(job, list(info)), encoding="utf-8")
        return "llamafactory-cli train train.yaml"

    def count(self, job: Job, folder: Path) -> Counter[str]:
        """See `Target`.

        Raises:
            ArtifactError: files that do not belong together.
        """
        out: Counter[str] = Counter()
        try:
            settings = yaml.safe_load((folder / "train.yaml").read_text(encoding="utf-8"))
            data = folder / settings["dataset_dir"]
            info = json.loads((data / "dataset_info.json").read_text(encoding="utf-8"))
            entries = [info[name.strip()] for name in settings["dataset"].split(",")]
            files = [(data / e["file_name"], e.get("num_samples")) for e in entries]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise ArtifactError(
                expected="train.yaml and a dataset_info.json with its datasets",
                found=first_line(error),
                where=str(folder),
                fix="make it again",
            ) from error
        for path, num_samples in files:
            counts = count_tasks(path)
            if num_samples is None:
                out += counts
            else:
                out += Counter({name: num_samples for name in counts})
        return out


def _check_chats(job: Job) -> None:
    """Nothing if LLaMA-Factory takes every chat: it skips, with a warning, what does not alternate.

    Raises:
        ConfigError: the first one that it would skip or fail on.
    """
    for i in job.used:
        of = job.texts.tasks[i]
        for identity, (messages,) in zip(of.ids, of.values, strict=True):
            roles = [m["role"] for m in messages]
            turns = roles[1:] if roles[0] == "system" else roles
            wanted = ["user", "assistant"] * (len(turns) // 2)
            more = sorted({key for m in messages for key in m} - {"role", "content"})
            if turns == wanted and turns and not more:
                continue
            raise ConfigError(
                expected="chats of user and assistant in turn, after at most one system message: "
                "LLaMA-Factory skips others",
                found=f"messages with {', '.join(more)}" if more else ", ".join(roles),
                where=f"{of.name}, row {identity}",
                fix="leave such chats out, or choose another trainer",
            )


def _check_bos(job: Job) -> None:
    """Nothing if every row begins with the same token, which is BOS then.

    A chat that was written out as prompt and answer begins with what its template writes; the template
    `empty` cannot tell it from the others.

    Raises:
        ConfigError: some rows begin with another token.
    """
    first = {int(t) for rows in job.tokens for t in np.unique(rows.tokens[rows.offsets[:-1]])}
    if len(first) > 1:
        raise ConfigError(
            expected=f"prompts that all begin with {job.bos}",
            found="chats among them, which begin as their template does",
            where="--to llama-factory",
            fix="export the tasks with messages and those with prompts apart, or set bos: false",
        )


def _in_order(job: Job) -> Iterator[tuple[int, int]]:
    """(task, example) of every row of the plan."""
    order = job.plan.order
    for start in range(0, len(order), 1 << 16):
        rows = order.rows(start, start + (1 << 16))
        yield from zip(rows.task.tolist(), rows.example.tolist(), strict=True)


def _once(task: int, rows: int) -> Iterator[tuple[int, int]]:
    """(task, example) of every row of a task."""
    yield from ((task, example) for example in range(rows))


def _texts(
    job: Job, records: Iterator[dict[str, Any]], places: Iterator[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """Records with BOS and EOS in their texts where LLaMA-Factory does not add them."""
    for record, (task, example) in zip(records, places, strict=True):
        if job.kind == "prompt":
            rows = job.tokens[task]
            ended = job.eos and int(rows.tokens[rows.offsets[example + 1] - 1]) == job.eos_id
            answer = record["answer"]
            if ended and not answer.endswith(job.eos):
                answer += job.eos
            yield {**record, "prompt": record["prompt"].removeprefix(job.bos), "answer": answer}
        elif job.kind == "text":
            text = record["text"]
            yield {**record, "text": text if text.startswith(job.bos) else job.bos + text}
        else:
            yield record


def _settings(job: Job, datasets: list[str]) -> str:
    """`train.yaml`. Texts stand in double quotes: its reader takes 1e5 for a number and no for False."""
    order = (
        "the tasks lie one after the other, so they must be shuffled"
        if job.config_only
        else "every prefix has the proportions"
    )
    lines = [
        "# Made by `mishran export`. Run in this folder: llamafactory-cli train train.yaml",
        "# The data is the mixture; what is not about data is a beginning: change it.",
        _line("model_name_or_path", job.model),
        _line("stage", "pt" if job.kind == "text" else "sft"),
        _line("do_train", True),
        _line("finetuning_type", "lora"),
        _line("output_dir", "output"),
        "# One pass is the plan; the default would be three.",
        _line("num_train_epochs", 1.0),
        "",
        _line("dataset", ",".join(datasets)),
        _line("dataset_dir", "data"),
        _line("mix_strategy", "concat"),
        f"# {order[0].upper()}{order[1:]}.",
        _line("disable_shuffling", not job.config_only),
        f"# The longest row has {job.max_tokens:,} tokens; packing takes one off.",
        _line("cutoff_len", job.max_tokens + 1),
    ]
    if job.kind == "prompt":
        lines += [
            "# This template adds nothing: EOS stands in the answers, where the plan has it.",
            _line("template", "empty"),
        ]
        if job.bos:
            lines += [
                "# And so its system message is BOS at the beginning of every prompt.",
                _line("default_system", job.bos),
            ]
        lines.append(_line("packing", False))
    elif job.kind == "chat":
        lines += [
            "# No template: LLaMA-Factory derives one from the model's chat template. Where it has one of",
            "# its own for your model, write its name here (template: qwen3, say) and compare the example",
            "# that it prints: some of its templates add a system message.",
            "# The last answer is trained on, as in the plan, and not those before it.",
            _line("mask_history", True),
            _line("packing", False),
        ]
    else:
        lines += [
            "# A document is a row. For blocks instead: packing: true, and cutoff_len: tokens of a block;",
            "# of every 1,000 documents the rest that fills no block is dropped then.",
            _line("packing", False),
        ]
        if job.bos:
            lines += [
                "# BOS stands in the text. Where the tokenizer has add_bos_token it is added again: export",
                "# with bos: false then.",
            ]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any) -> str:
    return f"{key}: {json.dumps(value, ensure_ascii=False)}"
