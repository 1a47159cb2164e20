"""The peers of benchmarks/train.py: plain PyTorch loops and transformers.Trainer, on the rows of ours.

`loop`: what a tutorial has: the step padded on the right, `labels`, the model's own loss, all positions
through the head. `loop_answers`: the rows of a step sorted by length, as many places at a time as ours,
and only answers through the head. `loop_lines`: the rows of a step behind each other in one line, told
apart by positions that begin again (DataCollatorWithFlattening does the same), only answers through the
head.
`trainer`: transformers.Trainer on the same steps, padded on the right. `trainer_grouped`: with its own
order of rows, `train_sampling_strategy: group_by_length`; the same rows, other steps. `trainer_lines`:
on the same steps, laid out as by DataCollatorWithFlattening. All: fused AdamW, gradients clipped, the same
learning rate at each step, nothing evaluated or saved; Trainer logs nothing.

All but `trainer_grouped` compute the same losses: tests/train/test_benchmark_train.py.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from train_case import PAD, Case, Clock, Example, Outcome, Work, new_model

Batch = dict[str, torch.Tensor]


def trainable(case: Case) -> Any:
    """The model with the adapter that ours begins with, or all of it in float32."""
    model = new_model(case)
    if case.kind == "full":
        return model.float().requires_grad_(True).train()
    from peft import LoraConfig, get_peft_model

    recipe = case.recipe
    with torch.random.fork_rng(devices=[model.device] if case.device != "cpu" else []):
        torch.manual_seed(0)
        settings = LoraConfig(
            task_type="CAUSAL_LM",
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            target_modules="all-linear",
        )
        return get_peft_model(model, settings).train()


# ---- batches


def padded(rows: Sequence[Example]) -> Batch:
    """A row a line, on the right; no mask where nothing is padded."""
    batch = {
        "input_ids": pad_sequence([r.input_ids for r in rows], True, PAD),
        "labels": pad_sequence([r.labels for r in rows], True, -100),
        "position_ids": pad_sequence([r.position_ids for r in rows], True, 0),
    }
    several = any(int(r.position_ids[-1]) + 1 < len(r.input_ids) for r in rows)
    if not several:  # positions tell texts of one line apart only where there is no mask
        lengths = torch.tensor([len(r.input_ids) for r in rows])
        del batch["position_ids"]
        if len(set(lengths.tolist())) > 1:
            mask = torch.arange(int(lengths.max())) < lengths[:, None]
            batch["attention_mask"] = mask.long()
    return batch


def in_line(rows: Sequence[Example]) -> Batch:
    """All rows in one line; the first token of each has no label, as nothing in it comes before."""
    labels = [torch.cat([torch.tensor([-100]), r.labels[1:]]) for r in rows]
    return {
        "input_ids": torch.cat([r.input_ids for r in rows])[None],
        "labels": torch.cat(labels)[None],
        "position_ids": torch.cat([r.position_ids for r in rows])[None],
    }


def sorted_parts(rows: Sequence[Example], places: int) -> list[list[Example]]:
    """By length, longest first, at most so many places with their padding."""
    parts: list[list[Example]] = []
    for row in sorted(rows, key=lambda r: -len(r.input_ids)):
        if parts and (len(parts[-1]) + 1) * len(parts[-1][0].input_ids) <= places:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts


# ---- loops


Losses = Callable[[Any, list[Example], Case], Iterator[torch.Tensor]]


def whole_step(model: Any, rows: list[Example], case: Case) -> Iterator[torch.Tensor]:
    batch = {k: v.to(case.device) for k, v in padded(rows).items()}
    yield model(**batch, use_cache=False).loss


def answers_only(model: Any, batch: Batch, count: int, case: Case) -> torch.Tensor:
    """Sum of the answers' losses over `count`; the head sees no other positions."""
    batch = {k: v.to(case.device) for k, v in batch.items()}
    inner = model.get_base_model() if case.kind == "lora" else model
    wanted = batch.pop("labels")[:, 1:]
    picked = wanted != -100
    states = inner.model(**batch, use_cache=False).last_hidden_state[:, :-1][picked]
    logits = inner.lm_head(states).float()
    return cross_entropy(logits, wanted[picked], reduction="sum") / count


def num_answers(rows: Sequence[Example]) -> int:
    return sum(int((r.labels[1:] != -100).sum()) for r in rows)


def in_parts(model: Any, rows: list[Example], case: Case) -> Iterator[torch.Tensor]:
    count = num_answers(rows)
    for part in sorted_parts(rows, case.micro_tokens):
        yield answers_only(model, padded(part), count, case)


def in_lines(model: Any, rows: list[Example], case: Case) -> Iterator[torch.Tensor]:
    count = num_answers(rows)
    if case.text == "packs":  # they are lines already
        for part in sorted_parts(rows, case.micro_tokens):
            yield answers_only(model, padded(part), count, case)
    else:
        yield answers_only(model, in_line(rows), count, case)


def loop(work: Work, losses: Losses = whole_step) -> Outcome:
    """The plain loop."""
    case, recipe = work.case, work.case.recipe
    model = trainable(case)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=0.0, fused=True
    )
    course = torch.optim.lr_scheduler.LambdaLR(optimizer, factor_of(work))
    cast = torch.bfloat16 if case.kind == "full" and case.dtype == "bfloat16" else None
    seen = []
    clock = Clock(case)
    for rows in work.steps:
        total = torch.zeros((), device=case.device)
        with torch.autocast(case.device.split(":")[0], cast, enabled=cast is not None):
            parts = losses(model, rows, case)
            for loss in parts:
                loss.backward()
                total += loss.detach()
        torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
        optimizer.step()
        course.step()
        optimizer.zero_grad(set_to_none=True)
        seen.append(total)
    found = torch.stack(seen).tolist()
    return Outcome(clock.read(), found)


def factor_of(work: Work) -> Callable[[int], float]:
    return lambda i: work.factors[min(i, len(work.factors) - 1)]


# ---- Trainer


def trainer(work: Work, collate: Any = padded, grouped: bool = False) -> Outcome:
    """`transformers.Trainer`.

    Args:
        grouped: in its own order of rows.
    """
    from torch.utils.data import DataLoader
    from transformers import PrinterCallback, Trainer, TrainingArguments

    case, recipe = work.case, work.case.recipe
    model = trainable(case)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=0.0, fused=True
    )
    data = [example._asdict() for step in work.steps for example in step]
    ends = torch.tensor([len(step) for step in work.steps]).cumsum(0).tolist()
    index = [list(range(b - len(s), b)) for s, b in zip(work.steps, ends, strict=True)]
    known = {field.name for field in dataclasses.fields(TrainingArguments)}
    new = "train_sampling_strategy" in known
    grouping = {"train_sampling_strategy": "group_by_length"} if new else {"group_by_length": True}
    seen: list[torch.Tensor] = []

    class Stepped(Trainer):
        def get_train_dataloader(self) -> Any:
            if grouped:
                return super().get_train_dataloader()
            return DataLoader(data, batch_sampler=index, collate_fn=self.data_collator)

        def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
            seen.append(super().training_step(*args, **kwargs))
            return seen[-1]

    with tempfile.TemporaryDirectory() as nothing_is_written:
        made = Stepped(
            model=model,
            args=TrainingArguments(
                output_dir=nothing_is_written,
                per_device_train_batch_size=case.batch_size,
                num_train_epochs=1,
                max_grad_norm=recipe.clip,
                save_strategy="no",
                logging_strategy="no",
                logging_nan_inf_filter=False,
                eval_strategy="no",
                report_to="none",
                disable_tqdm=True,
                log_level="error",
                remove_unused_columns=False,
                dataloader_pin_memory=case.device != "cpu",
                use_cpu=case.device == "cpu",
                bf16=case.dtype == "bfloat16",
                seed=0,
                **(grouping if grouped else {}),
            ),
            train_dataset=data,
            data_collator=lambda rows: collate([Example(**row) for row in rows]),
            optimizers=(
                optimizer,
                torch.optim.lr_scheduler.LambdaLR(optimizer, factor_of(work)),
            ),
        )
        made.remove_callback(PrinterCallback)
        clock = Clock(case)
        made.train()
        seconds = clock.read()
    return Outcome(seconds, torch.stack(seen).tolist())


PEERS: dict[str, Callable[[Work], Outcome]] = {
    "loop": loop,
    "loop_answers": lambda work: loop(work, in_parts),
    "loop_lines": lambda work: loop(work, in_lines),
    "trainer": trainer,
    "trainer_grouped": lambda work: trainer(work, grouped=True),
    "trainer_lines": lambda work: trainer(work, in_line),
}
