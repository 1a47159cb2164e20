"""Whose step comes next: every turn fills one batch, beginning with the task that lags most.

Tasks have steps of different sizes and numbers, and none waits for another: which steps share a batch
changes no result, only how full the batches are. All tasks end at about the same time, so that batches
stay full to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mishran.train.answers import num_answers
from mishran.train.batch import Part, Row


def turns(
    rows: Sequence[Sequence[Row]],
    plans: Sequence[Sequence[Sequence[int]]],
    tokens: int,
    active: Callable[[int], bool],
) -> Iterator[list[Part]]:
    """Parts of each batch until all steps of all active tasks are done.

    Args:
        rows: of each task (slot). plans: of each task, the rows of each step.
        tokens: of a batch at most; a step that is larger comes in parts, a row that is larger alone.
        active: whether a task goes on; asked before each turn.
    """
    waiting = [
        list(_parts(own, plan, slot, tokens))[::-1]  # the next part is the last item
        for slot, (own, plan) in enumerate(zip(rows, plans, strict=True))
    ]
    sizes = [[sum(len(r.input_ids) for r in part.rows) for part in own] for own in waiting]
    longest = [[max(len(r.input_ids) for r in part.rows) for part in own] for own in waiting]
    left = [sum(own) for own in sizes]
    while True:
        order = sorted(
            (slot for slot, own in enumerate(waiting) if own and active(slot)),
            key=lambda slot: (-left[slot], slot),
        )
        if not order:
            return
        # Rows of about equal length share lines with little waste.
        first = longest[order[0]][-1]
        order[1:] = sorted(order[1:], key=lambda s: (abs(longest[s][-1] - first), -left[s], s))
        turn: list[Part] = []
        room = tokens
        for slot in order:
            size = sizes[slot][-1]
            if turn and size > room:
                continue
            turn.append(waiting[slot].pop())
            longest[slot].pop()
            left[slot] -= sizes[slot].pop()
            room -= size
        yield sorted(turn, key=lambda part: part.slot or 0)


def _parts(
    rows: Sequence[Row], plan: Sequence[Sequence[int]], slot: int, tokens: int
) -> Iterator[Part]:
    for step in plan:
        own = [rows[i] for i in step]
        answers = sum(num_answers(row) for row in own)
        total = sum(len(row.input_ids) for row in own)
        before = start = count = 0
        for stop, row in enumerate(own):
            if stop > start and count + len(row.input_ids) > tokens:
                yield Part(own[start:stop], slot, False, answers, total, before)
                before, start, count = before + count, stop, 0
            count += len(row.input_ids)
        yield Part(own[start:], slot, True, answers, total, before)
