"""Which bounds exclude each other, and how far each alone would have to move.

A conflict is an irreducible infeasible subset of the bounds that somebody wrote: floors, caps, rows
and epoch limits, without any one of which the others could be met. `max_epochs` is one bound,
however many tasks it limits. Bounds on tasks alone conflict in three ways only, and the smallest
conflict is read off; with rows it is a smallest hitting set of the sets of bounds that must go, or,
where that takes too many rounds, what a deletion filter leaves.

Source: Chinneck and Dravnieks, ORSA J. Computing 3 (1991), deletion filter; Ignatiev et al., CP
2015, smallest sets by hitting sets; Dinkelbach, Management Science 13 (1967), ratios.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mishran.energy.bound_system import Bound, Kind, System, lowest, possible, written_bounds
from mishran.energy.constraints import SLACK, Constraints
from mishran.errors import InfeasibleError

# How long a proof of the smallest is looked for: rounds of hitting sets, nodes of each search, and
# bounds that are tried one by one in each round. Assumptions: some 0.5 s at 100 bounds.
ROUNDS, NODES, TRIED = 30, 10, 8
STEPS = 4  # decimals of a share, and one less than the digits of other bounds, in a remedy
SHOWN = 6, 3  # bounds and remedies in a message


@final
@dataclass(frozen=True)
class Member:
    """One bound of a conflict.

    name: of the group, task or row; "max_epochs". field: how it was written, `floors.hindi`.
    nearest: the largest floor or smallest cap or max_epochs with which, all other bounds kept, some
    mixture is left, rounded to the feasible side; None when there is none.
    beside: the same where the other members of the conflict are the only other bounds; looked for
    where no member has a nearest.
    """

    name: str
    kind: Kind
    bound: float
    nearest: float | None
    beside: float | None
    field: str


@final
@dataclass(frozen=True)
class Conflict:
    """Bounds that exclude each other, none of which could be left out.

    smallest: whether it is proven that no conflict has fewer members.
    tasks: those whose rows matter when max_epochs is a member.
    total: what floors on tasks alone add up to, or how much caps on tasks alone allow.
    shrink: the largest factor for all floors of tasks and groups that resolves every conflict;
    looked for where no single bound does.
    """

    members: tuple[Member, ...]
    smallest: bool = True
    tasks: tuple[str, ...] = ()
    total: float | None = None
    shrink: float | None = None


def feasible(constraints: Constraints) -> bool:
    """Whether some mixture satisfies all bounds; one linear programme where there are rows."""
    system = System(constraints, tuple(written_bounds(constraints)))
    return system.feasible(system.everything)


def diagnose(constraints: Constraints) -> Conflict | None:
    """A smallest set of bounds that exclude each other; None where some mixture satisfies all.

    Without rows nothing is solved; with rows one linear programme says that there is a mixture.
    """
    system = System(constraints, tuple(written_bounds(constraints)))
    if system.feasible(system.everything):
        return None
    found, smallest = ([], True) if constraints.rows else (_of_tasks(system), True)
    if not found:
        found, smallest = _of_rows(system)
    nearest = [_nearest(system, k, system.everything) for k in found]
    solo = any(value is not None for value in nearest)
    members = tuple(
        Member(
            system.bounds[k].name,
            system.bounds[k].kind,
            system.bounds[k].bound,
            value,
            None if solo else _nearest(system, k, frozenset(found)),
            system.bounds[k].field,
        )
        for k, value in zip(found, nearest, strict=True)
    )
    return Conflict(
        members,
        smallest,
        _limited_by(system, found),
        _total(system, found),
        None if solo else _shrink(system),
    )


def refusal(conflict: Conflict) -> InfeasibleError:
    """The error that says which bounds conflict and what would do."""
    most_bounds, most_remedies = SHOWN
    found = [
        f"{m.field} = {_text(m.bound)}"
        + (f" (rows of {_listed(conflict.tasks, 3)})" if m.kind == "epochs" else "")
        for m in conflict.members
    ]
    total = ""
    if conflict.total is not None:
        verb = "need" if conflict.members[0].kind == "floor" else "allow"
        total = f", which {verb} {conflict.total:.4g} in all"
    remedies = [_remedy(m, m.nearest) for m in conflict.members if m.nearest is not None]
    if remedies:
        fix = ", or ".join(remedies[:most_remedies])
    elif conflict.shrink is not None:
        fix = f"multiply every floor by {_text(conflict.shrink)}"
    else:
        steps = [_remedy(m, m.beside) for m in conflict.members if m.beside is not None]
        fix = "other bounds conflict too; for these alone " + ", or ".join(steps[:most_remedies])
    return InfeasibleError(
        expected="bounds that some mixture satisfies",
        found=_listed(found, most_bounds) + total,
        where="mixture",
        fix=fix,
    )


def _of_tasks(system: System) -> list[int]:
    """A smallest conflict of bounds on tasks alone.

    A floor above a cap; the largest floors, when they need more than 1; or caps that allow less:
    all of them, or epochs with the caps that take most from what epochs leave.
    """
    floors = system.chosen("floor", tasks=True)
    caps = system.chosen("cap", tasks=True)
    epochs = system.chosen("epochs")
    found: list[list[int]] = []
    limits = system.box(epochs)[1]
    by_task = {system.bounds[k].task: k for k in caps}
    for k in floors:
        task, bound = system.bounds[k].task, system.bounds[k].bound
        if task in by_task and system.bounds[by_task[task]].bound < bound:
            found.append([k, by_task[task]])
        elif task is not None and limits[task] < bound:
            found.append([k, *epochs])
    found.append(_until(floors, [system.bounds[k].bound for k in floors], 1.0))
    found.append(_until(caps, [1 - system.bounds[k].bound for k in caps], len(limits) - 1.0))
    cut = [max(0.0, limits[system.bounds[k].task or 0] - system.bounds[k].bound) for k in caps]
    if epochs:
        some = _until(caps, cut, float(limits.sum()) - 1.0)
        found.append([*some, *epochs] if some or limits.sum() < 1 - SLACK else [])
    return min((f for f in found if f), key=len, default=[])


def _until(bounds: Sequence[int], amounts: Sequence[float], enough: float) -> list[int]:
    """The fewest bounds with more than enough in sum, in their order; none when all have not."""
    order = sorted(range(len(bounds)), key=lambda i: (-amounts[i], i))
    sums = np.cumsum([amounts[i] for i in order])
    over = np.flatnonzero(sums > enough + SLACK)
    return sorted(bounds[i] for i in order[: over[0] + 1]) if enough >= 0 and len(over) else []


def _of_rows(system: System) -> tuple[list[int], bool]:
    """A smallest conflict by hitting sets, and whether it is proven to be smallest.

    Every conflict meets every set of bounds without which the rest is feasible. So a smallest set
    that meets those known so far is a smallest conflict if it is infeasible, and leads to one more
    such set if it is not.
    """
    best = _filtered(system, _by_prices(system))
    of_tasks = _of_tasks(system)
    best = of_tasks if of_tasks and len(of_tasks) <= len(best) else best
    misses: list[frozenset[int]] = []
    for _ in range(ROUNDS):
        hit = _hitting(misses, len(system.bounds))
        if hit is None:
            break
        if len(hit) >= len(best):
            return best, True
        if not system.feasible(hit):
            return hit, True
        misses.append(system.everything - _grown(system, hit))
    return best, False


def _filtered(system: System, kept: Iterable[int]) -> list[int]:
    """The deletion filter: the bounds that are left when each that can go has gone, weak ones first."""
    left = set(kept)

    def strength(k: int) -> float:
        one = system.bounds[k]
        if one.kind == "epochs":
            return np.inf
        if one.task is None:
            return float(np.max(-one.row(one.bound)))
        return one.bound if one.kind == "floor" else 1.0 - one.bound

    for k in sorted(left, key=lambda k: (strength(k), -k)):
        if not system.feasible(left - {k}):
            left.remove(k)
    return sorted(left)


def _by_prices(system: System) -> frozenset[int]:
    """Bounds that exclude each other, by one linear programme; few of them are superfluous."""
    found = system.elastic(())
    priced = () if found is None else np.flatnonzero(found[1] > 1e-9)
    some = frozenset(int(k) for k in priced)
    return system.everything if system.feasible(some) else some


def _grown(system: System, kept: Sequence[int]) -> frozenset[int]:
    """A feasible set with these bounds, to which few others, if any, could be added."""
    found = system.elastic(kept)
    met = () if found is None else np.flatnonzero(found[0] <= 1e-10)
    out = set(kept) | {int(k) for k in met}
    out = out if system.feasible(out) else set(kept)
    rest = sorted(system.everything - out)
    for k in rest if len(rest) <= TRIED else ():
        if system.feasible(out | {k}):
            out.add(k)
    return frozenset(out)


def _hitting(sets: Sequence[frozenset[int]], size: int) -> list[int] | None:
    """A smallest set of numbers below `size` that has one of every set; None for a hard search."""
    if not sets:
        return []
    from scipy.optimize import LinearConstraint, milp

    matrix = np.array([[float(k in one) for k in range(size)] for one in sets])
    found = milp(
        np.ones(size),
        integrality=np.ones(size),
        bounds=(0, 1),
        constraints=LinearConstraint(matrix, 1),
        options={"node_limit": NODES},
    )
    return [int(k) for k in np.flatnonzero(found.x > 0.5)] if found.status == 0 else None


def _nearest(system: System, k: int, kept: frozenset[int]) -> float | None:
    """The bound to which one alone must move, rounded so that it works; None when none does."""
    one, others = system.bounds[k], kept - {k}
    if not system.feasible(others):
        return None
    if one.kind == "epochs":
        return _fewest_epochs(system, k, kept)
    reach = _reach(system, one, others)
    size = max(abs(reach), abs(one.bound))
    digits = STEPS if one.share else STEPS - int(np.floor(np.log10(size))) if size > 0 else 0
    # The reach is known to the linear programme's tolerance; a round number just beyond may do.
    scaled = reach * 10.0**digits
    step = np.floor(scaled + 1e-4) if one.kind == "floor" else np.ceil(scaled - 1e-4)
    for back in range(3):
        moved = float(step - one.sign * back)
        value = moved / 10.0**digits if digits >= 0 else moved * 10.0**-digits
        if one.share and not 0.0 <= value <= 1.0:
            break
        if system.feasible(kept, (k, value)):
            return value
    return None


def _reach(system: System, one: Bound, others: frozenset[int]) -> float:
    """Largest (floor) or smallest (cap) value of what a bound is about, beside other bounds."""
    lower, upper, rows = system.box(others)
    if one.task is not None and not len(rows):
        rest = float(np.delete(lower if one.kind == "floor" else upper, one.task).sum())
        if one.kind == "floor":
            return min(float(upper[one.task]), 1.0 - rest)
        return max(float(lower[one.task]), 1.0 - rest)
    n = len(lower)
    values = np.eye(n)[one.task] if one.task is not None else np.zeros(n)
    per = np.ones(n)
    if one.ratio is not None:
        values, per = one.ratio.values, one.ratio.per
    reach = 0.0
    for _ in range(1 if (per == per[0]).all() else 50):
        p = lowest(-one.sign * (values - reach * per), lower, upper, rows)
        if p is None:  # feasible to one programme and not to the next: at the tolerance
            return one.bound
        last, reach = reach, float(values @ p) / float(per @ p)
        if abs(reach - last) <= 1e-13 * abs(reach):
            break
    return reach


def _fewest_epochs(system: System, k: int, kept: frozenset[int]) -> float | None:
    """Smallest max_epochs in five digits that leaves a mixture, by bisection."""
    low = system.bounds[k].bound
    high = 2.0 * low
    while not system.feasible(kept, (k, high)):
        low, high = high, 2.0 * high
        if high > 1e12:
            return None
    digits = STEPS - int(np.floor(np.log10(low)))
    bottom, top = int(np.floor(low * 10.0**digits)), int(np.ceil(high * 10.0**digits))
    while top - bottom > 1:
        middle = (bottom + top) // 2
        if system.feasible(kept, (k, middle / 10.0**digits)):
            top = middle
        else:
            bottom = middle
    return top / 10.0**digits


def _shrink(system: System) -> float | None:
    """Largest factor, in four decimals, for every floor of a task or group; None when 0 is none."""

    def scaled(factor: float) -> System:
        bounds = tuple(
            replace(b, bound=factor * b.bound) if b.field == f"floors.{b.name}" else b
            for b in system.bounds
        )
        return System(system.constraints, bounds)

    low, high = 0, 10**STEPS
    if not scaled(0.0).feasible(system.everything):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = scaled(middle / 10**STEPS).feasible(system.everything)
        low, high = (middle, high) if enough else (low, middle)
    return float(low / 10**STEPS)


def _limited_by(system: System, conflict: Sequence[int]) -> tuple[str, ...]:
    """The tasks whose epoch limit the conflict needs."""
    constraints = system.constraints
    epochs = next((k for k in conflict if system.bounds[k].kind == "epochs"), None)
    if epochs is None or constraints.written.epochs is None:
        return ()
    lower, upper, rows = system.box([k for k in conflict if k != epochs])
    limits = constraints.written.epochs.shares()
    names = constraints.names
    tight = [i for i in np.argsort(-limits, kind="stable") if limits[i] < upper[i]]
    needed = np.minimum(upper, limits)
    for i in tight:
        without = needed.copy()
        without[i] = upper[i]
        loose = possible(lower, without, rows)
        needed = needed if loose else without
    return tuple(name for i, name in enumerate(names) if needed[i] < upper[i])


def _total(system: System, conflict: Sequence[int]) -> float | None:
    """What floors on tasks add up to, or how much caps on tasks allow, where that is the conflict."""
    bounds = [system.bounds[k] for k in conflict]
    if any(b.task is None and b.kind != "epochs" for b in bounds):
        return None
    lower, upper, _ = system.box(conflict)
    if all(b.kind == "floor" for b in bounds):
        return float(lower.sum())
    return float(upper.sum()) if all(b.kind != "floor" for b in bounds) else None


def _remedy(member: Member, value: float) -> str:
    word = "largest" if member.kind == "floor" else "smallest"
    plain = f"{member.kind}s.{member.name}" == member.field
    what = f"{member.kind} for {member.name}" if plain else member.field
    return f"the {word} feasible {what} is {_text(value)}"


def _listed(items: Sequence[str], most: int) -> str:
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")


def _text(value: float) -> str:
    """A number as one would type it, exactly as far as ten digits go."""
    return f"{value:.10g}"
