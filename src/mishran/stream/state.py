"""Where training is, as a checkpoint keeps it: the fingerprint of a plan and one or two numbers.

Resuming reads nothing of what was before. A state belongs to its plan, and a plan to all of its data; what
does not fit is refused, with what differs.
"""

from __future__ import annotations

from dataclasses import dataclass

from mishran.errors import ArtifactError, ConfigError
from mishran.stream.plan import Plan


@dataclass(frozen=True)
class State:
    """Where training is: the plan and how much of it was read.

    index: rows of the global order (RowStream), or the first row of the window (PackStream).
    pack: packs of the window that were read; 0 in a RowStream. packing: how that window was packed, ""
    where none was begun.
    """

    plan: str
    index: int
    pack: int = 0
    packing: str = ""

    def as_dict(self) -> dict[str, str | int]:
        return {"plan": self.plan, "index": self.index, "pack": self.pack, "packing": self.packing}

    @classmethod
    def from_dict(cls, data: object) -> State:
        """Raises ArtifactError: not what `as_dict` gave."""
        kinds = {"plan": str, "index": int, "pack": int, "packing": str}
        if (
            isinstance(data, dict)
            and set(data) == set(kinds)
            and all(type(data[k]) is kind for k, kind in kinds.items())
            and min(data["index"], data["pack"]) >= 0
        ):
            return cls(**data)
        raise ArtifactError(
            expected="the state of a stream: plan, index, pack and packing",
            found=str(data)[:100],
            where="checkpoint",
            fix="give the state that was saved with the checkpoint",
        )


def check_state(state: State, plan: Plan, saved: Plan | None = None) -> None:
    """Nothing if a state belongs to a plan, or to the one that it continues.

    Args:
        saved: the plan of the checkpoint, where it is at hand, to say what changed.

    Raises:
        ArtifactError: it belongs to another one.
    """
    if state.plan == plan.fingerprint and state.index <= plan.rows:
        return
    before = plan.continues
    # Inside a window of packs some of its rows were read and some were not: no place to change weights.
    here = before is not None and (state.plan, state.index) == (before.plan, before.index)
    if here and state.pack == 0:
        return
    if here:
        found = f"pack {state.pack} of the window there, of which some rows were not read"
    elif state.plan == plan.fingerprint:
        found = f"row {state.index:,} of a plan of {plan.rows:,} rows"
    else:
        found = f"the state of plan {state.plan[:12]}"
        if saved is not None and saved.fingerprint == state.plan:
            found += f": {_changes(saved, plan)}"
    raise ArtifactError(
        expected=f"a state of plan {plan.fingerprint[:12]}"
        + (f", or row {before.index:,} of plan {before.plan[:12]}" if before else ""),
        found=found,
        where="checkpoint",
        fix="resume with the plan and the data of the checkpoint, or begin anew; to change weights from "
        "there on, plan with history= and index=",
    )


def _changes(old: Plan, new: Plan) -> str:
    """The differences between two plans, in words."""
    if old.seed != new.seed:
        return f"its seed was {old.seed}, now {new.seed}"
    names = [t.name for t in old.tasks], [t.name for t in new.tasks]
    if names[0] != names[1]:
        gone = [n for n in names[0] if n not in names[1]]
        more = [n for n in names[1] if n not in names[0]]
        said = [f"task {n} is gone" for n in gone[:2]] + [f"task {n} is new" for n in more[:2]]
        return ", ".join(said) or "its tasks were in another order"
    changed = [a.name for a, b in zip(old.tasks, new.tasks, strict=True) if a.content != b.content]
    if changed:
        return f"the rows of {', '.join(changed[:3])}{', ...' * (len(changed) > 3)} have changed"
    return "the data is the same, the weights or the budget have changed"


def check_packing(state: State, packing: str) -> None:
    """Nothing if a state lies between two windows, or in one that was packed like this."""
    if state.pack and state.packing != packing:
        raise ArtifactError(
            expected=f"a state of packs made as {packing!r} (how, capacity, window)"
            if packing
            else "a state between two rows",
            found=f"pack {state.pack} of a window packed as {state.packing!r}",
            where="checkpoint",
            fix="resume with the packing of the checkpoint, or from a checkpoint at the end of a window",
        )


def spans(plan: Plan, batch_rows: int) -> tuple[int, int, int]:
    """First row of the plan's own part, number of batches before it, number of batches in all.

    Where a plan goes on from another one, batches begin anew: the last one before may be short.
    """
    first = 0 if plan.continues is None else plan.continues.index
    before = -(-first // batch_rows)
    return first, before, before - (-(plan.rows - first) // batch_rows)


def span_of(plan: Plan, batch_rows: int, number: int, rank: int, ranks: int) -> tuple[int, int]:
    """The rows of the order that a rank reads of a global batch.

    Raises:
        IndexError: there is no such batch.
    """
    first, before, total = spans(plan, batch_rows)
    if not 0 <= number < total:
        raise IndexError(number)
    if number < before:
        start, stop = number * batch_rows, min((number + 1) * batch_rows, first)
    else:
        start = first + (number - before) * batch_rows
        stop = min(start + batch_rows, plan.rows)
    low, high = part_of(stop - start, rank, ranks)
    return start + low, start + high


def state_after(plan: Plan, batch_rows: int, batches: int) -> State:
    """The state after so many batches of rows."""
    total = spans(plan, batch_rows)[2]
    index = span_of(plan, batch_rows, min(batches, total) - 1, 0, 1)[1] if batches and total else 0
    return State(plan.fingerprint, index)


def batch_of(state: State, plan: Plan, batch_rows: int, saved: Plan | None = None) -> int:
    """Number of the first batch of rows that was not read.

    Raises:
        ArtifactError: the state is of another plan, or inside a batch of this size.
    """
    check_state(state, plan, saved)
    check_packing(state, "")
    first, before, total = spans(plan, batch_rows)
    if state.index == plan.rows:
        return total
    own = state.index >= first
    number, inside = divmod(state.index - first if own else state.index, batch_rows)
    if inside:
        raise ArtifactError(
            expected=f"a state at the end of a batch of {batch_rows} rows",
            found=f"row {state.index:,}",
            where="checkpoint",
            fix="resume with a batch size that divides it, the one of the checkpoint for example",
        )
    return before + number if own else number


def part_of(total: int, rank: int, ranks: int) -> tuple[int, int]:
    """The slice of a rank: sizes differ by at most one."""
    return total * rank // ranks, total * (rank + 1) // ranks


def check_ranks(batch: int, name: str, rank: int, ranks: int) -> None:
    if batch < 1 or not 0 <= rank < ranks:
        raise ConfigError(
            expected=f"{name} >= 1 and a rank from 0 to ranks - 1",
            found=f"{name} {batch}, rank {rank} of {ranks}",
            where="stream",
            fix="correct the numbers",
        )
