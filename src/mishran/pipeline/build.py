"""A run or a recipe -> plan -> data on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mishran.config import parse_config
from mishran.config_recipe import PhaseConfig
from mishran.errors import ConfigError
from mishran.pipeline.ingredients import Ingredients, Settings, gather, settings_of, weights_of
from mishran.pipeline.progress import Progress, Silent
from mishran.stream.apportion import Wish
from mishran.stream.build import build, build_ordered, build_tokens
from mishran.stream.files import Format
from mishran.stream.pack import How
from mishran.stream.pack_stream import PackStream
from mishran.stream.plan import Plan, make_plan
from mishran.stream.row_stream import RowStream


@dataclass(frozen=True)
class Planned:
    """Rows, and how many of which.

    `rows` and `packs` are loaders of them in the order of the plan, see `mishran.stream.row_stream` and
    `mishran.stream.pack_stream`.
    """

    ingredients: Ingredients
    plan: Plan

    def rows(self, batch_rows: int, rank: int = 0, ranks: int = 1) -> RowStream:
        return RowStream(self.plan, self.ingredients.tokens, batch_rows, rank, ranks)

    def packs(
        self,
        capacity: int,
        batch_packs: int,
        *,
        how: How = "bfd",
        pad_id: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> PackStream:
        tokens = self.ingredients.tokens
        return PackStream(
            self.plan, tokens, capacity, batch_packs, pad_id, how, rank=rank, ranks=ranks
        )


def plan_from(
    place: str | Path,
    *,
    budget: Mapping[str, float] | None = None,
    shares: str | None = None,
    tokenizer: str | None = None,
    max_epochs: float | None = None,
    redistribute: bool = False,
    seed: int | None = None,
    history: Plan | None = None,
    index: int = 0,
    online: bool = False,
    progress: Progress | None = None,
) -> Planned:
    """Rows and plan of a run directory or a recipe file; what is None is as it says there.

    Args:
        budget: {"rows": N}, {"tokens": N} or {"epochs": x}.
        tokenizer: folder or hub name of the tokenizer to count and to cut with.
        history, index: go on from row `index` of an earlier plan; what was read stays read.

    Raises:
        MishranError: bad input, or a plan that its data cannot fulfil.
    """
    progress, place = progress or Silent(), Path(place)
    settings = settings_of(place)
    changes: dict[str, Any] = {}
    if budget:
        if len(settings.phases) > 1:
            raise ConfigError(
                expected="a recipe of one phase beside a budget",
                found=f"{len(settings.phases)} phases",
                where=str(place),
                fix="change the sizes of the phases in the recipe",
            )
        weights = settings.phases[0].weights
        changes["phases"] = (parse_config({"weights": weights, **budget}, "budget", PhaseConfig),)
    if tokenizer is not None:
        local = Path(tokenizer)
        name = str(local.resolve()) if local.is_dir() else tokenizer
        changes |= {"tokenizer": name, "revision": None, "trained": {}}
    if shares is not None:
        if shares not in ("rows", "tokens"):
            raise ConfigError(
                expected="rows or tokens",
                found=repr(shares),
                where="shares",
                fix="write one of them",
            )
        changes["shares"] = shares
    if max_epochs is not None:
        changes["max_epochs"] = max_epochs
    if seed is not None:
        changes["seed"] = seed
    if index and history is None:
        raise ConfigError(
            expected="a history beside index",
            found="none",
            where="index",
            fix="give the plan that it is a row of",
        )
    settings = replace(settings, **changes, redistribute=settings.redistribute or redistribute)
    _check_sizes(settings, place)
    found = gather(settings, progress, online)
    wishes = [_wish(phase, found, settings) for phase in settings.phases]
    plan = make_plan(
        found.supplies,
        wishes,
        max_epochs=settings.max_epochs,
        redistribute=settings.redistribute,
        seed=settings.seed,
        tokenizer=found.tokenizer,
        history=history,
        index=index,
    )
    notes = (*found.notes, *_left_out(found), *plan.notes)
    return Planned(found, plan.model_copy(update={"notes": notes}))


def _check_sizes(settings: Settings, place: Path) -> None:
    for number, phase in enumerate(settings.phases, start=1):
        if phase.rows is None and phase.tokens is None and phase.epochs is None:
            of = f" of phase {number}" if len(settings.phases) > 1 else ""
            raise ConfigError(
                expected=f"the size{of}",
                found="none",
                where=str(place),
                fix="give --rows, --tokens or --epochs, or write one of them into the file",
            )


def _wish(phase: PhaseConfig, found: Ingredients, settings: Settings) -> Wish:
    shares: Any = settings.shares
    weights = weights_of(phase, found.supplies, shares)
    if phase.rows is not None:
        return Wish(weights, phase.rows, "rows", shares)
    if phase.tokens is not None:
        return Wish(weights, phase.tokens, "tokens", shares)
    assert phase.epochs is not None
    used = [s for s, w in zip(found.supplies, weights, strict=True) if w > 0]
    total = sum(s.rows if shares == "rows" else s.tokens for s in used)
    return Wish(weights, max(1, round(phase.epochs * total)), shares, shares)


def _left_out(found: Ingredients) -> list[str]:
    longest = found.tokenizer.max_tokens
    return [
        f"{name}: {num:,} rows of more than {longest:,} tokens were left out"
        for name, num in found.too_long.items()
    ]


def build_from(
    planned: Planned,
    out: str | Path,
    format_: Format | Literal["tokens", "ordered"] = "parquet",
    progress: Progress | None = None,
) -> tuple[dict[str, Any], bool]:
    """Write the rows of a plan; the manifest, and whether anything had to be written."""
    out = Path(out)
    if format_ == "tokens":
        return build_tokens(planned.plan, planned.ingredients.tokens, out)
    if format_ == "ordered":
        return build_ordered(planned.plan, planned.ingredients.tokens, out)
    with (progress or Silent()).bar("writing rows", planned.plan.rows, "rows") as advance:
        return build(planned.plan, planned.ingredients.texts, out, format_, advance)
