"""The peers of benchmarks/specialists.py: N adapters trained and asked one after another.

`trainer`: PEFT and transformers.Trainer with what makes them fast here: our batches (rows of one length
together, padded to the batch; its own `group_by_length` pads 2 % more), only answer positions through
the output head (`logits_to_keep`, an argument of the model), only answer tokens into the loss
(`compute_loss_func`), fused AdamW, no evaluation, saving, logging or bars. Then PEFT's `set_adapter`, once
per adapter and stretch of the pool, rows sorted by length, and the JSD by its definition in float32.
`trainer_plain`: as most scripts have it, `labels` with -100 on the prompt and `group_by_length`, so that
every position goes through the output head; asked like `trainer`.
`one_by_one`: the plain loop that the bank replaced, as it was before.

All of them compute the same: tests/specialists/test_benchmark_peers.py.
Source: documentation of transformers 5.23 and peft 0.21; the settings were tried one by one (the page).
"""

from __future__ import annotations

import dataclasses
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import Clock, Outcome, Recipe, Row, Task
from specialist_peer_batches import IGNORED, answer_collator, plain_collator, wanted_answers
from specialist_peer_scores import score_peft, score_plain_loop

from mishran.train.loop import warmup_linear


@contextmanager
def fresh_adapter(model: Any, recipe: Recipe) -> Iterator[Any]:
    """The same initial LoRA for every task and contender; the model is itself again afterwards."""
    from peft import LoraConfig, get_peft_model

    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(recipe.seed)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            target_modules="all-linear",
        )
        wrapped = get_peft_model(model, config)
    wrapped.peft_config["default"].base_model_name_or_path = "base"
    try:
        yield wrapped
    finally:
        wrapped.unload()


Train = Callable[[Any, Task, Recipe], None]  # a fresh adapter on the model, which it trains


def train_all(
    train: Train, model: Any, tasks: Sequence[Task], recipe: Recipe, folder: Path, clock: Clock
) -> list[Path]:
    """One task after another; adapters are saved, which is timed as a part of training."""
    folders = []
    for i, task in enumerate(tasks):
        with clock("train"), fresh_adapter(model, recipe) as wrapped:
            train(wrapped, task, recipe)
            wrapped.save_pretrained(folder / str(i), save_embedding_layers=False)
        folders.append(folder / str(i))
    return folders


def train_trainer(wrapped: Any, task: Task, recipe: Recipe, plain: bool = False) -> None:
    """`transformers.Trainer` on answer tokens.

    Args:
        plain: as most scripts have it, see above.
    """
    from torch.utils.data import DataLoader
    from transformers import PrinterCallback, Trainer, TrainingArguments

    known = {field.name for field in dataclasses.fields(TrainingArguments)}
    new = "train_sampling_strategy" in known
    grouping = {"train_sampling_strategy": "group_by_length"} if new else {"group_by_length": True}
    parameters = [p for p in wrapped.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0, fused=True)
    steps = len(task.batches)
    data = [{"input_ids": r.input_ids, "prompt": r.num_prompt_tokens} for r in task.rows]
    collator = plain_collator if plain else answer_collator

    class Batched(Trainer):
        def get_train_dataloader(self) -> Any:
            if plain and recipe.grouped:
                return super().get_train_dataloader()
            return DataLoader(data, batch_sampler=task.batches, collate_fn=self.data_collator)

    with tempfile.TemporaryDirectory() as nothing_is_written:
        trainer = Batched(
            model=wrapped,
            args=TrainingArguments(
                output_dir=nothing_is_written,
                per_device_train_batch_size=recipe.batch_size,
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
                dataloader_pin_memory=wrapped.device.type == "cuda",
                use_cpu=wrapped.device.type == "cpu",
                bf16=wrapped.dtype == torch.bfloat16,
                seed=recipe.seed,
                **grouping,
            ),
            train_dataset=data,
            data_collator=lambda rows: collator(rows, recipe.pad_id),
            compute_loss_func=None if plain else answer_loss,
            optimizers=(
                optimizer,
                torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_linear(steps, recipe.warmup)),
            ),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def train_trainer_plain(wrapped: Any, task: Task, recipe: Recipe) -> None:
    train_trainer(wrapped, task, recipe, plain=True)


def answer_loss(outputs: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
    """Mean over the answer tokens; other kept positions cost no softmax."""
    wanted = labels != IGNORED
    return cross_entropy(outputs.logits[wanted].float(), labels[wanted])


def train_plain_loop(wrapped: Any, task: Task, recipe: Recipe) -> None:
    """The loop as it was before the bank, without its validation."""
    parameters = [p for p in wrapped.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    factor = warmup_linear(len(task.batches), recipe.warmup)
    wrapped.train()
    for step, index in enumerate(task.batches):
        batch = wanted_answers([task.rows[i] for i in index], recipe, wrapped.device)
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * factor(step)
        logits = wrapped(**batch.inputs, use_cache=False).logits[batch.wanted]
        loss = cross_entropy(logits.float(), batch.targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
        if not (math.isfinite(float(loss.detach())) and math.isfinite(float(norm))):
            raise FloatingPointError(f"{task.name}: loss or gradient is not finite, step {step}")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


TRAIN: dict[str, Train] = {
    "trainer": train_trainer,
    "trainer_plain": train_trainer_plain,
    "one_by_one": train_plain_loop,
}


def one_after_another(
    contender: str,
    model: Any,
    tasks: Sequence[Task],
    n: int,
    pool: Sequence[Row],
    recipe: Recipe,
    folder: Path,
    clock: Clock,
) -> Outcome:
    """What a contender of `TRAIN` does.

    n: specialists that answer the pool; where fewer tasks are trained, their adapters again.
    """
    trained = train_all(TRAIN[contender], model, tasks, recipe, folder, clock)
    folders = [trained[i * len(tasks) // n] for i in range(n)]
    score = score_plain_loop if contender == "one_by_one" else score_peft
    return Outcome(folders, score(model, folders, pool, recipe, clock))
