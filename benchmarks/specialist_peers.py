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
import inspect
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import Clock, Outcome, Recipe, Row, Scores, Task, stretches, within

from mishran.train.loop import warmup_linear

IGNORED = -100  # the label that the loss of transformers leaves out


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


def plain_collator(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Padded to the batch on the right; labels are -100 on prompt and padding."""
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    labels = [tensor.clone() for tensor in ids]
    for tensor, row in zip(labels, rows, strict=True):
        tensor[: row["prompt"]] = IGNORED
    return {
        "input_ids": pad_sequence(ids, True, pad_id),
        "attention_mask": pad_sequence([torch.ones_like(tensor) for tensor in ids], True, 0),
        "labels": pad_sequence(labels, True, IGNORED),
    }


def answer_collator(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Padded on the left, so that answers end together, and only the columns before them are kept.

    The labels are shifted already: column c holds the token that the kept position c predicts.
    """
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    labels = [tensor.clone() for tensor in ids]
    for tensor, row in zip(labels, rows, strict=True):
        tensor[: max(1, row["prompt"])] = IGNORED
    wanted = pad_sequence(labels, True, IGNORED, padding_side="left")[:, 1:]
    columns = (wanted != IGNORED).any(dim=0).nonzero().squeeze(1)
    mask = pad_sequence([torch.ones_like(t) for t in ids], True, 0, padding_side="left")
    return {
        "input_ids": pad_sequence(ids, True, pad_id, padding_side="left"),
        "attention_mask": mask,
        "position_ids": (mask.cumsum(1) - 1).clamp_min(0),
        "labels": wanted[:, columns],
        "logits_to_keep": columns,
    }


class Wanted(NamedTuple):
    """A batch, and where in its logits (B, K, V) the answers are.

    wanted: (B, K). targets, rows: (A,) token and row of each answer token; first: (A,) those compared.
    """

    inputs: dict[str, torch.Tensor]
    wanted: torch.Tensor
    targets: torch.Tensor
    rows: torch.Tensor
    first: torch.Tensor


def wanted_answers(rows: Sequence[Row], recipe: Recipe, device: torch.device) -> Wanted:
    """Padded on the left, with the positions that the head is to see."""
    inputs = answer_collator(
        [{"input_ids": r.input_ids, "prompt": r.num_prompt_tokens} for r in rows], recipe.pad_id
    )
    inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
    labels = inputs.pop("labels")
    wanted = labels != IGNORED
    first = (wanted.cumsum(1) <= recipe.answer_tokens)[wanted]
    return Wanted(inputs, wanted, labels[wanted], wanted.nonzero(as_tuple=True)[0], first)


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


def load_all(model: Any, folders: Sequence[Path]) -> Any:
    """All adapters on one model, named by their place."""
    from peft import PeftModel

    wrapped = PeftModel.from_pretrained(model, str(folders[0]), adapter_name="0")
    for i, folder in enumerate(folders[1:], 1):
        wrapped.load_adapter(str(folder), adapter_name=str(i), low_cpu_mem_usage=True)
    return wrapped.eval()


def score_peft(
    model: Any, folders: Sequence[Path], pool: Sequence[Row], recipe: Recipe, clock: Clock
) -> Scores:
    """As one writes it with PEFT: a stretch of the pool, every adapter over it, then all its pairs."""
    with clock("load"):
        wrapped = load_all(model, folders)
    known = inspect.signature(wrapped.set_adapter).parameters  # PEFT 0.18 has no inference_mode
    frozen = {"inference_mode": True} if "inference_mode" in known else {}
    n, vocab = len(folders), model.get_output_embeddings().weight.shape[0]
    scores = _empty(n, len(pool))
    held = max(recipe.answer_tokens, recipe.memory // (4 * vocab * n))
    buffer = torch.empty(n, held, vocab, device=model.device)
    batches_of = within(pool, recipe.score_batch, held, lambda a: min(a, recipe.answer_tokens))
    for stretch in stretches(pool, batches_of, held, recipe.answer_tokens):
        with clock("forward"), torch.inference_mode():
            batches = [wanted_answers([pool[i] for i in b], recipe, model.device) for b in stretch]
            kept = sum(int(b.first.sum()) for b in batches)
            probs = buffer[:, :kept]
            for s in range(-1, n):
                if s >= 0:
                    wrapped.set_adapter(str(s), **frozen)
                start = 0
                for index, b in zip(stretch, batches, strict=True):
                    with wrapped.disable_adapter() if s < 0 else nullcontext():
                        logits = wrapped(**b.inputs, use_cache=False).logits
                    logp = torch.log_softmax(logits[b.wanted].float(), dim=-1)
                    nats = -logp.gather(1, b.targets[:, None]).squeeze(1)
                    sums = _sums(nats, b, len(index))
                    (scores.base_nats if s < 0 else scores.nats[s])[index] = sums
                    if s >= 0:
                        end = start + int(b.first.sum())
                        torch.exp(logp[b.first], out=probs[s, start:end])
                        start = end
        with clock("jsd"), torch.inference_mode():
            per_token = direct_jsd(probs)
            start = 0
            for index, b in zip(stretch, batches, strict=True):
                end = start + int(b.first.sum())
                scores.jsd[index] = _means(per_token[start:end].double(), b, len(index))
                start = end
    wrapped.unload()
    return scores


def direct_jsd(probs: torch.Tensor, entries: int = 1 << 17) -> torch.Tensor:
    """1/2 KL(p_i | m) + 1/2 KL(p_j | m) over ln 2 of every pair, float32, one specialist with all later.

    Args:
        probs: (n, A, V). entries: of one temporary, so that it stays in cache (tried: 2^16 to 2^22).

    Returns:
        (A, k), pairs in the order of `torch.triu_indices(n, n, 1)`.
    """
    n, num_tokens, vocab = probs.shape
    tiny = torch.finfo(probs.dtype).tiny
    out = torch.empty(num_tokens, n * (n - 1) // 2, dtype=probs.dtype, device=probs.device)
    rows = max(1, entries // (vocab * max(1, n // 2)))
    for a in range(0, num_tokens, rows):
        p = probs[:, a : a + rows]
        logp = p.clamp_min(tiny).log_()
        at = 0
        for i in range(n - 1):
            logm = ((p[i] + p[i + 1 :]) * 0.5).clamp_min_(tiny).log_()
            left = (p[i] * (logp[i] - logm)).sum(-1)
            right = (p[i + 1 :] * (logp[i + 1 :] - logm)).sum(-1)
            out[a : a + rows, at : at + n - 1 - i] = (0.5 * (left + right)).T
            at += n - 1 - i
    return out / math.log(2.0)


def score_plain_loop(
    model: Any, folders: Sequence[Path], pool: Sequence[Row], recipe: Recipe, clock: Clock
) -> Scores:
    """`answer_pool` as it was before the bank: every batch, every adapter, then its pairs."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    with clock("load"):
        wrapped = load_all(model, folders)
    layers = [m for m in wrapped.modules() if isinstance(m, BaseTunerLayer)]
    n, vocab = len(folders), model.get_output_embeddings().weight.shape[0]
    scores = _empty(n, len(pool))
    held = (1 << 29) // (4 * vocab)
    for index in within(pool, recipe.score_batch, held, lambda a: a * 3 + min(a, 64) * (n + 4)):
        with clock("forward"), torch.inference_mode():
            b = wanted_answers([pool[i] for i in index], recipe, model.device)
            probs = torch.empty(n, int(b.first.sum()), vocab, device=model.device)
            for s in range(-1, n):
                for layer in layers:
                    layer._active_adapter = [str(s)]
                with wrapped.disable_adapter() if s < 0 else nullcontext():
                    logits = wrapped(**b.inputs, use_cache=False).logits[b.wanted]
                nats = cross_entropy(logits.float(), b.targets, reduction="none")
                (scores.base_nats if s < 0 else scores.nats[s])[index] = _sums(nats, b, len(index))
                if s >= 0:
                    probs[s] = torch.softmax(logits[b.first].double(), dim=-1).float()
        with clock("jsd"), torch.inference_mode():
            scores.jsd[index] = _means(entropy_jsd(probs), b, len(index))
    wrapped.unload()
    return scores


def entropy_jsd(probs: torch.Tensor, entries: int = 1 << 18) -> torch.Tensor:
    """Before the bank: entropy of the mean less mean of the entropies, tiles, float64 sums."""

    def entropy(p: torch.Tensor) -> torch.Tensor:
        logs = p.clamp_min(torch.finfo(p.dtype).tiny).log_()
        return -(logs.mul_(p)).sum(dim=-1, dtype=torch.float64)

    n, num_tokens, vocab = probs.shape
    i, j = torch.triu_indices(n, n, 1)
    mixed = torch.zeros(num_tokens, len(i), dtype=torch.float64, device=probs.device)
    own = torch.zeros(num_tokens, n, dtype=torch.float64, device=probs.device)
    tile = max(1, min(vocab, entries // n))
    rows = max(1, entries // (n * tile))
    for a in range(0, num_tokens, rows):
        for v in range(0, vocab, tile):
            block = probs[:, a : a + rows, v : v + tile].contiguous()
            own[a : a + rows] += entropy(block).T
            at = 0
            for s in range(n - 1):
                middle = (block[s] + block[s + 1 :]).mul_(0.5)
                mixed[a : a + rows, at : at + n - 1 - s] += entropy(middle).T
                at += n - 1 - s
    return (mixed - 0.5 * (own[:, i] + own[:, j])) / math.log(2.0)


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


def _empty(n: int, m: int) -> Scores:
    return Scores(np.zeros((n, m)), np.zeros(m), np.zeros((m, n * (n - 1) // 2)))


def _sums(nats: torch.Tensor, batch: Wanted, num_rows: int) -> np.ndarray:
    total = torch.zeros(num_rows, dtype=torch.float64, device=nats.device)
    return total.index_add_(0, batch.rows, nats.double()).cpu().numpy()


def _means(values: torch.Tensor, batch: Wanted, num_rows: int) -> np.ndarray:
    """By row, of what was found at the answer tokens that are compared."""
    rows = batch.rows[batch.first]
    total = torch.zeros(num_rows, values.shape[1], dtype=torch.float64, device=values.device)
    mean = total.index_add_(0, rows, values) / torch.bincount(rows, minlength=num_rows)[:, None]
    return mean.clamp(0, 1).cpu().numpy()
