"""Does a model keep what all scores rest on: no look ahead, and padding that changes nothing?

Asked once, of two short rows, when a model is loaded. An encoder loads as a causal model and sees the
tokens that it is to predict; a recurrent model may take padding into its state. Rejected: padding on
the right, which spares the recurrent ones, but spreads the answers of a batch over many columns, each
of which then goes through the output head.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from mishran.errors import ModelError, first_line
from mishran.train.answers import answer_logits
from mishran.train.batch import Part, collate, pack

# Largest ratio of difference to logits (root mean squares, centred). Measured: at most 1e-6 in float32
# over 24 families of models; 0.07 to 0.4 where one of the two does not hold. Half precision: assumption.
TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-4}
HALF = 0.05


class _Row(NamedTuple):
    input_ids: tuple[int, ...]
    num_prompt_tokens: int = 1


def check_causal(model: Any, pad_id: int, num_tokens: int, where: str) -> None:
    """Score two rows of different length together and alone, and one with another last token.

    Args:
        num_tokens: ids below it are used.

    Raises:
        ModelError: the logits of a row change with padding, or with tokens that come later, or there
            are none.
    """
    long, short = _rows(model, num_tokens)
    ids = long.input_ids
    changed = _Row((*ids[:-1], (ids[-1] + 1) % num_tokens))

    def logits(*rows: _Row) -> torch.Tensor:
        try:
            with torch.inference_mode():
                return answer_logits(model, collate(rows, pad_id).to(model.device)).logits.double()
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise ModelError(
                expected="a causal language model that answers two short rows",
                found=f"model type {model.config.model_type!r}: {first_line(error)}",
                where=where,
                fix="use a transformer (recurrent models may keep a state between batches)",
            ) from error

    alone = logits(long)
    bar = TOLERANCE.get(model.dtype, HALF)
    kind = f"model type {model.config.model_type!r}"
    ahead = _difference(logits(changed), alone)
    if ahead > bar:
        raise ModelError(
            expected="a causal language model",
            found=f"{kind}: its logits change by {100 * ahead:.2g} % with tokens that come later",
            where=where,
            fix="use a model that was trained to predict the next token, not an encoder",
        )
    padded = _difference(logits(long, short), torch.cat([alone, logits(short)]))
    if padded > bar:
        raise ModelError(
            expected="a model whose answers do not depend on padding",
            found=f"{kind}: its logits change by {100 * padded:.2g} % when a row is padded on the left",
            where=where,
            fix="use a transformer (recurrent models may take padding into their state)",
        )


def can_pack(model: Any, pad_id: int, num_tokens: int) -> bool:
    """Whether rows that share a line, told apart by positions that begin again, stay what they are."""
    rows = [*_rows(model, num_tokens)] * 2
    with torch.inference_mode():
        alone = answer_logits(model, collate(rows, pad_id).to(model.device)).logits.double()
        batch = pack([Part(rows)], pad_id)
        if len(batch.input_ids) == len(rows):
            return False
        try:
            found = answer_logits(model, batch.to(model.device)).logits.double()
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
            return False
    return _difference(found, alone) <= TOLERANCE.get(model.dtype, HALF)


def _rows(model: Any, num_tokens: int) -> tuple[_Row, _Row]:
    """A long row and a short one."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 24
    ids = np.random.default_rng(0).integers(0, num_tokens, max(3, min(24, context))).tolist()
    return _Row(tuple(ids)), _Row(tuple(ids[: -(-len(ids) // 3)] + ids[-1:]))


def _difference(found: torch.Tensor, want: torch.Tensor) -> float:
    """Relative, and NaN where the model is broken: what says so comes later, with the task's name."""
    want = want - want.mean(dim=-1, keepdim=True)
    return float((found - found.mean(dim=-1, keepdim=True) - want).norm() / want.norm())
