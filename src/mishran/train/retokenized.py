"""A model with the rows of another vocabulary: embedding, output head, and what its configuration says.

Kept rows are copied bit for bit, in the model's own type; new ones are computed in double precision. Rows
behind the last token (padding of the matrix) are dropped: nothing is known of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mishran.errors import ConfigError, ModelError
from mishran.train.models import check_vocabulary
from mishran.train.new_embeddings import METHODS, Helper, Matrix, fvt, random, sava
from mishran.train.pieces import ROLES, Vocabulary, shared_ids
from mishran.train.vocabulary import Change


@dataclass(frozen=True)
class Retokenized:
    """What became of the rows.

    shared, new: tokens that kept a row, and others. unwritten: of the new, those whose text the old
    tokenizer cannot write or that have none; they have the mean of the old rows, but under random. unseen:
    of the new with text, those that the helper does not know; they have the row of fvt. dropped: padding
    rows of the old embedding. maps: ridge and share of variance explained of each map of sava.
    """

    shared: int
    new: int
    unwritten: int
    unseen: int
    dropped: int
    maps: tuple[tuple[float, float], ...]


def retokenize(
    model: Any, change: Change, method: str, *, helper: Helper | None = None, seed: int = 0
) -> Retokenized:
    """Give a model, which is changed, the rows of `change.new`.

    Args:
        method: of `mishran.train.new_embeddings`.
        helper: for sava.
        seed: for random.

    Raises:
        ConfigError: no such method, or sava without a helper. ModelError: fewer rows than tokens, a head
            that is not linear, or see `linear_map`.
    """
    if method not in METHODS or (method == "sava" and helper is None):
        raise ConfigError(
            expected=f"one of {', '.join(METHODS)}, and a helper for sava",
            found="sava without a helper" if method == "sava" else repr(method),
            where="method",
            fix="give a helper or text, or use fvt",
        )
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    check_vocabulary(change.old, embedding.weight.shape[0], change.old.where)
    if not isinstance(head, torch.nn.Linear) or head.out_features != embedding.num_embeddings:
        raise ModelError(
            expected="a causal LM whose head is linear, with a row per row of the embedding",
            found=type(head).__name__,
            where=type(model).__name__,
            fix="give a model of another family",
        )
    tied = head.weight is embedding.weight
    added, old, text = change.added, len(change.old), _with_text(change.new)
    pieces = [change.new.pieces[i] for i in added]
    parts = change.old.parts([p or b"" for p in pieces])
    rng = np.random.default_rng(seed)
    helper = helper if method == "sava" else None
    maps: list[tuple[float, float]] = []

    def moved(table: torch.Tensor, known: Matrix | None) -> torch.Tensor:
        """(n, d) of (V, d); known: (n, h) of the helper."""
        rows = table[:old].double().cpu().numpy()
        if method == "random":
            first = random(rows, len(added), rng)
        elif known is None or helper is None:
            first = fvt(rows, parts)
        else:
            seen = helper.seen & text
            both = np.flatnonzero((change.kept >= 0) & seen)
            y = rows[change.kept[both]]
            first, found = sava(rows, parts, known[both], y, known[added], seen[added])
            maps.append((found.ridge, found.explained))
        out = table[torch.from_numpy(np.maximum(change.kept, 0))]
        out[torch.from_numpy(added)] = torch.from_numpy(first).to(table)
        return out

    unseen = 0 if helper is None else int((~helper.seen & text)[added].sum())
    with torch.no_grad():
        new_input = moved(embedding.weight.detach(), None if helper is None else helper.rows)
        new_head = None
        if not tied or head.bias is not None:  # a bias is one more column of the head
            bias = [] if head.bias is None else [head.bias.detach()[:, None]]
            whole = torch.cat([head.weight.detach(), *bias], dim=1)
            new_head = moved(whole, None if helper is None else helper.head)
        dropped = embedding.num_embeddings - old
        _resize(model, len(change.new))
        model.get_input_embeddings().weight.copy_(new_input)
        head = model.get_output_embeddings()
        if new_head is not None:
            if not tied:
                head.weight.copy_(new_head[:, : head.in_features])
            if head.bias is not None:
                head.bias.copy_(new_head[:, -1])
    _say_ids(model, change)
    shared = int((change.kept >= 0).sum())
    unwritten = sum(1 for ids in parts if not ids)
    return Retokenized(shared, len(added), unwritten, unseen, dropped, tuple(maps))


def helper_of(model: Any, own: Vocabulary, new: Vocabulary) -> Helper:
    """What a model knows of the tokens of `new`: its rows of the same pieces.

    Args:
        own: the vocabulary of the helper.
    """
    ids = shared_ids(own, new)
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    rows = [one.weight.detach().double().cpu().numpy()[np.maximum(ids, 0)] for one in tables]
    return Helper(rows[0], rows[1], ids >= 0)


def _with_text(vocabulary: Vocabulary) -> np.ndarray:
    return np.array([piece is not None for piece in vocabulary.pieces])


def _resize(model: Any, size: int) -> None:
    """Rows for so many tokens; what the library draws for them is overwritten."""
    trained = model.get_input_embeddings().weight.requires_grad
    with torch.random.fork_rng(devices=[]):
        model.resize_token_embeddings(size, mean_resizing=False)
    for one in (model.get_input_embeddings(), model.get_output_embeddings()):
        one.requires_grad_(trained)


def _say_ids(model: Any, change: Change) -> None:
    """Ids of tokens with a role, wherever the configuration names one; what names none stays so."""
    moved = {int(old): new for new, old in enumerate(change.kept) if old >= 0}
    places = [model.config, model.config.get_text_config(), model.generation_config]
    for place in {id(p): p for p in places if p is not None}.values():
        for role in ROLES[:3]:
            name = f"{role}_token_id"
            said = getattr(place, name, None)
            if said is None:
                continue
            own = change.new.roles.get(role)
            found = [moved[i] for i in (said if isinstance(said, list) else [said]) if i in moved]
            ids = found or ([] if own is None else [own])
            setattr(place, name, ids if isinstance(said, list) else (ids or [None])[0])
    embedding = model.get_input_embeddings()
    if embedding.padding_idx is not None:
        embedding.padding_idx = model.config.get_text_config().pad_token_id
