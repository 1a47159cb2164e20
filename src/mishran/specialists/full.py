"""Full fine-tuning: every parameter of the model is trained, one specialist after another.

When to use: small models, where a copy per task costs little; what arXiv 2507.12612 most likely did (GPT-2
small). A specialist is a file as large as the model. Training takes the memory of four models in single
precision beside the base: the copy, its gradients and two moments of AdamW (one more where early stopping
keeps the best; and what the copy is rounded to where the base is in a shorter type).

One after another, because all at once (torch.func.vmap over stacked parameters) had 0.7 to 0.97 of that
speed on a CPU for steps of 250 tokens and more, in the shape of the demo's model and of base-6m, at
N = 4, 8 and 16 (measured, docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from mishran.config import SpecialistConfig
from mishran.errors import MishranError, TrainingError
from mishran.specialists.course import Course, Trained
from mishran.specialists.evidence import Trainee
from mishran.specialists.sizing import share
from mishran.specialists.turns import turns
from mishran.specialists.whole import WholeModel, check_floating, whole
from mishran.train.batch import TOKENS, lay_out
from mishran.train.checkpointing import checkpointed
from mishran.train.loop import OneUpdate, Step, train, warmup_linear
from mishran.train.memory import free_bytes
from mishran.train.models import Loaded


def fit_full(
    trainees: Sequence[Trainee],
    loaded: Loaded,
    recipe: SpecialistConfig,
    *,
    seed: int,
    max_tokens: int,
    tokens: int = TOKENS,
    on_tokens: Callable[[int], None] = lambda tokens: None,
) -> list[Trained | MishranError]:
    """Train a specialist for each task, one after another; see `fit_specialists`, whose rules are these.

    Each `Trained` holds as many numbers as the model has parameters.
    """
    out: list[Trained | MishranError] = []
    for trainee in trainees:
        course = Course.begin(
            trainee, 0, loaded, recipe, seed=seed, max_tokens=max_tokens, tokens=tokens
        )
        again = checkpointed(loaded.model, recipe.checkpointing)
        with again, whole(loaded.model) as model:
            failed = _train(model, course, loaded, recipe, tokens, on_tokens)
            out.append(course.end(model, failed))
    return out


def _train(
    model: WholeModel,
    course: Course,
    loaded: Loaded,
    recipe: SpecialistConfig,
    tokens: int,
    on_tokens: Callable[[int], None],
) -> TrainingError | None:
    """Take all steps; the error where a loss or gradient is not finite."""

    def after(step: Step) -> None:
        on_tokens(course.after(step, model))

    batches = (
        lay_out(parts, loaded.pad_id, loaded.packs).to(loaded.device)
        for parts in turns(
            [course.held.trainee.rows], [course.plan], tokens, lambda slot: course.active
        )
    )
    try:
        train(model, batches, one_update(model, recipe, len(course.plan)), after)
    except TrainingError as error:
        return error
    return None


def one_update(model: WholeModel, recipe: SpecialistConfig, steps: int) -> OneUpdate:
    """AdamW over all parameters, as one vector."""
    row = torch.nn.Parameter(model.weights[0])
    row.grad = model.grads[0]
    optimizer = torch.optim.AdamW(
        [row], lr=recipe.learning_rate or 0.0, weight_decay=recipe.weight_decay, fused=True
    )
    return OneUpdate(optimizer, warmup_linear(steps, recipe.warmup), recipe.clip)


def check_full(loaded: Loaded, recipe: SpecialistConfig) -> None:
    """Whether all parameters can be trained, in the memory that is free.

    Raises:
        ModelError: they are no floating-point numbers. TrainingError: they do not fit.
    """
    needed, free = whole_bytes(loaded, recipe), free_bytes(loaded.device)
    planned = share(loaded.device)
    if needed > planned * free:
        raise TrainingError(
            expected=f"memory for full fine-tuning, {needed / 2**20:,.0f} MiB beside the model",
            found=f"{free / 2**20:,.0f} MiB free, of which {planned:.0%} are planned with",
            where="specialists.kind",
            fix="use kind: lora, or a smaller model",
        )


def whole_bytes(loaded: Loaded, recipe: SpecialistConfig) -> int:
    """What a training holds beside the base, activations aside.

    The copy that a specialist ends with is made when the moments of AdamW are gone, so it counts no more.
    """
    parameters = check_floating(loaded.model)
    copies = 4 if recipe.patience is None else 5
    rounded = sum(p.nbytes for p in parameters if p.element_size() < 4)
    return copies * sum(p.numel() * max(4, p.element_size()) for p in parameters) + rounded
