"""The peers of benchmarks/specialists.py ask their adapters one after another, and compare the answers."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parent))
from specialist_case import Clock, Recipe, Row, Scores, stretches, within
from specialist_peer_batches import Wanted, wanted_answers


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


def direct_jsd(probs: torch.Tensor, entries: int | None = None) -> torch.Tensor:
    """1/2 KL(p_i | m) + 1/2 KL(p_j | m) over ln 2 of every pair, float32, one specialist with all later.

    Args:
        probs: (n, A, V). entries: of one temporary; by default so many that it stays in a CPU's cache
            (tried: 2^16 to 2^22), and more on a GPU.

    Returns:
        (A, k), pairs in the order of `torch.triu_indices(n, n, 1)`.
    """
    n, num_tokens, vocab = probs.shape
    entries = entries or (1 << 17 if probs.device.type == "cpu" else 1 << 26)
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
