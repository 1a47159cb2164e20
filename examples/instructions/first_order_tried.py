"""First-order affinities that first_order.py compares, and the exact inner products behind them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch
from first_order_measures import distance, pairs
from scipy.optimize import minimize
from scipy.special import expit

from mishran.affinity.gradient import GradientTable, gradient_affinity, task_gradients
from mishran.train.answers import answer_logits, answer_nats
from mishran.train.batch import Row, collate
from mishran.train.models import Loaded
from mishran.types import ScoreTable

VARIANTS = ("kernel", "cosine", "centred")


def batches(rows: list[Row], size: int = 16) -> Iterator[list[int]]:
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].input_ids), i))
    yield from (order[k : k + size] for k in range(0, len(rows), size))


def exact_gram(base: Loaded, rows: list[Row], scores: ScoreTable) -> np.ndarray:
    """(n, n) inner products of the tasks' mean gradients, by autograd in the weights, unprojected."""
    weights = [
        p
        for name, p in base.model.named_parameters()
        if p.ndim == 2 and ("self_attn" in name or "mlp" in name)
    ]
    means = []
    for weight in weights:
        weight.requires_grad_(True)
    for task in scores.specialists:
        own = [row for row, t in zip(rows, scores.probe_task, strict=True) if t == task]
        total = torch.zeros(sum(w.numel() for w in weights))
        for index in batches(own):
            found = answer_logits(base.model, collate([own[i] for i in index], base.pad_id))
            count = torch.bincount(found.rows)[found.rows]
            loss = (answer_nats(found) / count).sum() / len(own)
            total += torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
        means.append(total)
    for weight in weights:
        weight.requires_grad_(False)
    flat = torch.stack(means)
    return (flat @ flat.T).double().numpy()


def excess(likelihood: np.ndarray) -> np.ndarray:
    """The PMI affinity (mean) of an estimated (n, n) table: specialist i on task j."""
    relative = likelihood - np.diag(likelihood)[None, :]
    return np.asarray((relative + relative.T) / 2)


def candidates(tables: dict[str, GradientTable], scores: ScoreTable) -> dict[str, np.ndarray]:
    """Everything that was tried, name -> (n, n)."""
    whole = tables["all linear layers"]
    names, tasks = scores.specialists, np.array(scores.probe_task)
    weights = np.array([(tasks == name) / (tasks == name).sum() for name in names])
    g = task_gradients(whole)
    each = whole.gradients.astype(np.float64)
    unit = each / np.linalg.norm(each, axis=1, keepdims=True)
    step = g / np.linalg.norm(g, axis=1, keepdims=True)
    out: dict[str, np.ndarray] = {}
    for part, t in tables.items():
        for variant in VARIANTS:
            out[f"{variant}, {part}"] = gradient_affinity(t, variant, 0).matrix
    out["mean cosine of examples"] = (weights @ unit) @ (weights @ unit).T
    out["inner product"] = g @ g.T
    out["excess loss, equal steps"] = -distance(g @ g.T) / 2
    out["excess loss, unit steps"] = excess(step @ g.T)
    moved = distance(step @ each.T @ each @ step.T)
    out["changes at all probes, unit steps"] = np.exp(-moved / np.median(pairs(moved)))
    n = len(names)
    rng = np.random.default_rng(0)
    subsets = [np.sort(rng.choice(n, n // 4, replace=False)) for _ in range(1500)]
    twos = [np.array(two) for two in combinations(range(n), 2)]
    ones = [np.array([one]) for one in range(n)]
    for label, groups, ridge in (
        ("subsets, ridge 1", subsets, 1.0),
        ("subsets, ridge 0.01", subsets, 0.01),
        ("pairs, ridge 1", twos, 1.0),
    ):
        told = grad_tag(each, weights, scores, groups, ridge)
        np.fill_diagonal(told, np.diag(grad_tag(each, weights, scores, ones, ridge)))
        out[f"Grad-TAG, {label}"] = excess(told)
    loss = weights @ (scores.base_nats / scores.tokens)
    length = np.log(weights @ scores.tokens)
    out["no gradient: base loss"] = -(loss[:, None] + loss[None, :])
    out["no gradient: answer length"] = -np.abs(length[:, None] - length[None, :])
    return out


def grad_tag(
    each: np.ndarray,
    weights: np.ndarray,
    scores: ScoreTable,
    groups: list[np.ndarray],
    ridge: float,
) -> np.ndarray:
    """Its recipe, at the base model: logistic regression on gradient features, for groups of tasks.

    The margin of an example is log p / (1 - p), p its likelihood per token; its gradient is the feature.
    A group's parameters minimise its logistic loss and a ridge (of that times the mean squared feature);
    Entry i, j is minus the loss predicted for j, in the mean over groups with both.
    """
    n = len(weights)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(each.shape[1], 200)))[0]  # 200 numbers, as theirs
    p = np.exp(-scores.base_nats / scores.tokens)
    features = -(each @ turn) / np.maximum(1 - p, 0.01)[:, None]
    margin = np.log(p) - np.log1p(-p)
    strength = ridge * np.square(features).sum(axis=1).mean()
    total, count = np.zeros((n, n)), np.zeros((n, n))
    for chosen in groups:
        share = weights[chosen].mean(axis=0)
        used = share > 0

        def loss(w: np.ndarray, share=share[used], x=features[used], m=margin[used]):  # type: ignore[no-untyped-def]
            z = m + x @ w
            slope = -share * expit(-z)
            return share @ np.logaddexp(0, -z) + strength * w @ w / 2, x.T @ slope + strength * w

        w = minimize(loss, np.zeros(200), jac=True, method="L-BFGS-B").x
        told = -(weights @ np.logaddexp(0, -(margin + features @ w)))
        grid = np.ix_(chosen, chosen)
        total[grid] += told[chosen][None, :]
        count[grid] += 1
    return total / np.maximum(count, 1)
