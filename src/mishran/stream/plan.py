"""`Plan`: integer rows and tokens per task, and everything else that decides the order of training.

A plan is small and is the whole state of the data: with it any row of the order is known (`order.py`). Its
fingerprint covers the full content of every task; a checkpoint holds the fingerprint and a number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mishran.errors import ArtifactError, ConfigError
from mishran.run import sha256_value
from mishran.stream.apportion import Apportioned, Unit, Wish, apportion
from mishran.stream.interleave import LARGEST
from mishran.stream.order import Order, Phase
from mishran.stream.supply import Draws, Supply, drawn_tokens

MANY_EPOCHS = (
    4.0  # beyond, repeated text is worth clearly less than new (Muennighoff et al. 2305.16264)
)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedTask(_File):
    """One task of a plan.

    weight: what was asked for, mean over the phases by their size. rows, tokens: of all phases, exact;
    tokens of the drawn rows, prompt and answer, without padding. row_share, token_share: of the plan.
    epochs: rows / available_rows. content: sha256 of the task's rows; token_content: of their tokens.
    """

    name: str
    weight: float
    rows: int
    tokens: int
    row_share: float
    token_share: float
    epochs: float
    available_rows: int
    available_tokens: int
    content: str
    token_content: str | None = None
    groups: tuple[str, ...] = ()
    license: str | None = None
    origin: str | None = None


class PlannedPhase(_File):
    """A stretch with fixed proportions: counts (n,) whole rows per task as proportions; rows, tokens: its
    size. asked: what was asked for, in words."""

    rows: int
    tokens: int
    counts: tuple[int, ...]
    asked: str


class TokenizerRecord(_File):
    """What tokens were counted with: its name, sha256 of its vocabulary and rules, and how rows are made:
    whether they begin with BOS and end with EOS, and the longest that was kept (None: all)."""

    name: str
    sha256: str
    bos: bool
    eos: bool
    max_tokens: int | None


class Continued(_File):
    """The plan whose first `index` rows this one begins with."""

    plan: str
    index: int


class Plan(_File):
    """See the module.

    shares: what weights are shares of. seed: of the order. max_epochs: the cap it was made under.
    notes: what was changed on the way (redistribution), and what a reader should know.
    """

    schema_version: Literal[1] = 1
    shares: Unit
    seed: int
    max_epochs: float | None
    tokenizer: TokenizerRecord | None
    phases: tuple[PlannedPhase, ...]
    tasks: tuple[PlannedTask, ...]
    notes: tuple[str, ...] = ()
    continues: Continued | None = None

    @cached_property
    def rows(self) -> int:
        return sum(phase.rows for phase in self.phases)

    @property
    def tokens(self) -> int:
        return sum(task.tokens for task in self.tasks)

    @cached_property
    def order(self) -> Order:
        return Order(
            tuple(task.name for task in self.tasks),
            tuple(task.available_rows for task in self.tasks),
            tuple(Phase(phase.counts, phase.rows) for phase in self.phases),
            self.seed,
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of what decides which example comes when: content, proportions, seed."""
        return sha256_value(
            {
                "format": 1,
                "seed": self.seed,
                "tasks": [[t.name, t.available_rows, t.content] for t in self.tasks],
                "phases": [[list(p.counts), p.rows] for p in self.phases],
            }
        )

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Raises ArtifactError: the file is missing or no plan."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            missing = isinstance(error, FileNotFoundError)
            raise ArtifactError(
                expected="a plan file of schema version 1",
                found="no such file" if missing else str(error).splitlines()[0],
                where=str(path),
                fix="make it again with `mishran build`",
            ) from error


def make_plan(
    supplies: Sequence[Supply],
    wishes: Sequence[Wish],
    *,
    max_epochs: float | None = MANY_EPOCHS,
    redistribute: bool = False,
    seed: int = 0,
    tokenizer: TokenizerRecord | None = None,
    history: Plan | None = None,
    index: int = 0,
) -> Plan:
    """Whole rows and tokens per task, phase by phase.

    Args:
        supplies: (n,) what there is. wishes: one for each phase.
        max_epochs: no task is drawn more often in all phases together; None allows any number.
        redistribute: where a task is at its cap the others take the rest; noted in the plan.
        history, index: the plan whose first `index` rows were trained on; the wishes come after them.

    Raises:
        InfeasibleError: see `apportion`. ArtifactError: the history is of other data.
    """
    names = [supply.name for supply in supplies]
    draws = [Draws(supply, seed) for supply in supplies]
    phases: list[PlannedPhase] = []
    before = tokens = np.zeros(len(supplies), dtype=np.int64)
    if history is not None:
        check_same_data(history, supplies, seed)
        if not 0 <= index <= history.rows:
            raise ConfigError(
                expected=f"a row of the history, 0 to {history.rows:,}",
                found=f"{index:,}",
                where="index",
                fix="give the index of the state that training stopped at",
            )
        kept = history.order.changed(index, ()).phases
        for phase, old in zip(kept, history.phases, strict=False):
            order = Order(tuple(names), tuple(s.rows for s in supplies), (phase,), seed)
            after = before + order.counts_before(phase.rows)
            spent, tokens = tokens, drawn_tokens(supplies, seed, after)
            size = int((tokens - spent).sum())
            phases.append(
                PlannedPhase(rows=phase.rows, tokens=size, counts=phase.counts, asked=old.asked)
            )
            before = after
    notes: list[str] = []
    for number, wish in enumerate(wishes, start=len(phases) + 1):
        where = "plan" if len(wishes) == 1 and not phases else f"plan, phase {number}"
        got = apportion(
            wish,
            draws,
            before=before,
            max_epochs=max_epochs,
            redistribute=redistribute,
            where=where,
        )
        before = before + got.counts
        spent, tokens = tokens, drawn_tokens(supplies, seed, before)
        phases.append(
            PlannedPhase(
                rows=int(got.counts.sum()),
                tokens=int((tokens - spent).sum()),
                counts=tuple(map(int, got.counts)),
                asked=f"{wish.amount:,} {wish.unit}, weights are shares of {wish.shares}",
            )
        )
        notes += _notes(got, wish, names, max_epochs, number if len(wishes) > 1 else None)
    weights = _weights(wishes, supplies, phases)
    notes += _often(supplies, before)
    if sum(phase.rows for phase in phases) > LARGEST:
        raise ConfigError(
            expected=f"at most {LARGEST:,} rows",
            found=f"{sum(phase.rows for phase in phases):,}",
            where="plan",
            fix="plan a smaller size; go on from it with history= and index= later",
        )
    return Plan(
        shares=wishes[-1].shares,
        seed=seed,
        max_epochs=max_epochs,
        tokenizer=tokenizer,
        phases=tuple(phases),
        tasks=tuple(
            PlannedTask(
                name=supply.name,
                weight=float(weights[i]),
                rows=int(before[i]),
                tokens=int(tokens[i]),
                row_share=float(before[i] / max(1, before.sum())),
                token_share=float(tokens[i] / max(1, tokens.sum())),
                epochs=float(before[i] / supply.rows),
                available_rows=supply.rows,
                available_tokens=supply.tokens,
                content=supply.content,
                token_content=supply.token_content,
                groups=supply.groups,
                license=supply.license,
                origin=supply.origin,
            )
            for i, supply in enumerate(supplies)
        ),
        notes=tuple(notes),
        continues=None
        if history is None
        else Continued(plan=history.fingerprint, index=min(index, history.rows)),
    )


def check_same_data(plan: Plan, supplies: Sequence[Supply], seed: int) -> None:
    """Nothing if a plan is over these rows.

    Raises:
        ArtifactError: the first difference, in words.
    """
    difference = _difference(plan, supplies, seed)
    if difference is not None:
        other_seed = plan.seed != seed
        raise ArtifactError(
            expected=f"the data that plan {plan.fingerprint[:12]} was made of",
            found=difference,
            where="plan",
            fix=f"give the seed {plan.seed}"
            if other_seed
            else "bring that data back, or begin anew with a new plan",
        )


def _difference(plan: Plan, supplies: Sequence[Supply], seed: int) -> str | None:
    if plan.seed != seed:
        return f"seed {seed} instead of {plan.seed}"
    old, new = [t.name for t in plan.tasks], [s.name for s in supplies]
    if old != new:
        gone = [n for n in old if n not in new]
        more = [n for n in new if n not in old]
        said = [f"no task {n}" for n in gone[:1]] + [f"a new task {n}" for n in more[:1]]
        return " and ".join(said) or "the tasks in another order"
    changed = [(t, s) for t, s in zip(plan.tasks, supplies, strict=True) if t.content != s.content]
    if not changed:
        return None
    task, supply = changed[0]
    rows = (
        f"{supply.rows:,} rows instead of {task.available_rows:,}"
        if supply.rows != task.available_rows
        else "other text in its rows"
    )
    more_tasks = f" ({len(changed) - 1} more tasks changed too)" if len(changed) > 1 else ""
    return f"task {task.name} with {rows}{more_tasks}"


def _weights(
    wishes: Sequence[Wish], supplies: Sequence[Supply], phases: Sequence[PlannedPhase]
) -> np.ndarray:
    """What was asked for on average; phases that were trained on before count as they were."""
    out = np.zeros(len(supplies))
    size = 0.0
    old = len(phases) - len(wishes)
    for number, phase in enumerate(phases):
        part = phase.rows if wishes[-1].shares == "rows" else phase.tokens
        counts = np.array(phase.counts, dtype=np.float64)
        out += part * (counts / counts.sum() if number < old else wishes[number - old].weights)
        size += part
    return out / max(size, 1.0)


def _often(supplies: Sequence[Supply], counts: np.ndarray) -> list[str]:
    epochs = {s.name: c / s.rows for s, c in zip(supplies, counts.tolist(), strict=True)}
    many = sorted((n for n in epochs if epochs[n] > MANY_EPOCHS), key=lambda n: -epochs[n])
    if not many:
        return []
    shown = ", ".join(f"{name} {epochs[name]:.1f}" for name in many[:5])
    return [
        f"read more than {MANY_EPOCHS:g} times: {shown}{', ...' * (len(many) > 5)}; from there on repeated "
        "text is worth clearly less than new (arXiv 2305.16264)"
    ]


def _notes(
    got: Apportioned,
    wish: Wish,
    names: Sequence[str],
    max_epochs: float | None,
    phase: int | None,
) -> list[str]:
    place = "" if phase is None else f"phase {phase}: "
    out = []
    if got.capped:
        capped = ", ".join(names[i] for i in got.capped)
        out.append(
            f"{place}redistributed: {capped} reached {max_epochs:g} epochs; {100 * got.moved:.1f} % of the "
            f"{wish.shares} went to other tasks in proportion to their weights"
        )
    empty = [n for n, w, c in zip(names, wish.weights, got.counts, strict=True) if w > 0 and c == 0]
    if empty:
        out.append(
            f"{place}no row for {', '.join(empty[:5])}{', ...' * (len(empty) > 5)}: their weights times "
            "the budget are less than half a row"
        )
    return out
