"""Weights and a budget to whole rows: exact counts, exact tokens, caps, refusals and their remedies."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_cases import WEIGHTS, plan_of, stores, supplies, wish

from mishran.errors import ArtifactError, InfeasibleError
from mishran.stream.plan import Plan, make_plan

ROWS = stores((40, 200, 900, 3000), longest=60)


def drawn_tokens(plan: Plan) -> list[int]:
    """Tokens of each task by adding up every row of the order."""
    rows = plan.order.rows(0, plan.rows)
    return [int(r.lengths[rows.example[rows.task == i]].sum()) for i, r in enumerate(ROWS)]


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any),
    st.integers(1, 5000),
    st.sampled_from(["rows", "tokens"]),
    st.sampled_from(["rows", "tokens"]),
)
def test_rows_tokens_and_shares_are_those_of_the_order(weights, amount, unit, shares) -> None:  # type: ignore[no-untyped-def]
    p = np.array(weights) / sum(weights)
    amount *= 30 if unit == "tokens" else 1
    plan = plan_of(ROWS, wish(amount, unit, shares, p))
    assert drawn_tokens(plan) == [t.tokens for t in plan.tasks]
    assert sum(t.tokens for t in plan.tasks) == plan.tokens == sum(x.tokens for x in plan.phases)
    assert sum(t.rows for t in plan.tasks) == plan.rows
    longest = [int(r.lengths.max()) for r in ROWS]
    if unit == "rows":
        assert plan.rows == amount
    if shares == "rows":
        assert all(abs(t.rows - w * plan.rows) < 1 for t, w in zip(plan.tasks, p, strict=True))
        if unit == "tokens":  # a row more or less, of whichever task
            assert abs(plan.tokens - amount) <= 2 * max(longest)
    elif unit == "tokens":  # within half an example of its share
        for t, w, most in zip(plan.tasks, p, longest, strict=True):
            assert abs(t.tokens - w * amount) <= most / 2
    else:  # the last rows go to whoever is furthest from its share: within an example
        for t, w, most in zip(plan.tasks, p, longest, strict=True):
            assert abs(t.tokens - w * plan.tokens) <= 2 * most
    assert all(t.rows == 0 for t, w in zip(plan.tasks, p, strict=True) if w == 0)


def test_largest_remainder() -> None:
    plan = plan_of(ROWS, wish(10, weights=[0.25, 0.25, 0.26, 0.24]))
    assert [t.rows for t in plan.tasks] == [3, 2, 3, 2]


def test_a_plan_of_everything_once_takes_every_row() -> None:
    sizes = np.array([len(r) for r in ROWS])
    plan = plan_of(ROWS, wish(int(sizes.sum()), weights=sizes / sizes.sum()), max_epochs=1)
    assert [t.epochs for t in plan.tasks] == [1, 1, 1, 1]
    assert plan.tokens == sum(int(r.lengths.sum()) for r in ROWS)


@pytest.mark.parametrize("unit", ["rows", "tokens"])
@pytest.mark.parametrize("shares", ["rows", "tokens"])
def test_a_refusal_names_goal_best_culprit_and_remedies_that_work(unit: str, shares: str) -> None:
    asked = wish(4000 if unit == "rows" else 120_000, unit, shares)
    with pytest.raises(InfeasibleError) as caught:
        plan_of(ROWS, asked, max_epochs=4)
    text = str(caught.value)
    assert f"found {asked.amount:,} {unit}" in text  # the goal
    assert "t0 with its 40 rows is drawn" in text  # the culprit
    best = int(re.search(r"which allow ([\d,]+)", text)[1].replace(",", ""))  # type: ignore[index]
    needed = float(re.search(r"set max_epochs to ([\d.]+)", text)[1])  # type: ignore[index]
    assert "redistribute" in text
    plan = plan_of(ROWS, wish(best, unit, shares), max_epochs=4)
    assert max(t.epochs for t in plan.tasks) <= 4
    with pytest.raises(InfeasibleError):
        plan_of(ROWS, wish(round(best * 1.02) + 1, unit, shares), max_epochs=4)
    plan = plan_of(ROWS, asked, max_epochs=needed)
    assert plan.rows == 4000 or unit == "tokens"
    with pytest.raises(InfeasibleError):
        plan_of(ROWS, asked, max_epochs=needed - 0.05)
    plan = plan_of(ROWS, asked, max_epochs=4, redistribute=True)
    assert plan.tasks[0].epochs == 4 and max(t.epochs for t in plan.tasks) <= 4
    got = plan.rows if unit == "rows" else plan.tokens
    assert abs(got - asked.amount) <= (0 if unit == "rows" else 120)
    assert any("redistributed: t0" in note for note in plan.notes)
    two, three = plan.tasks[2], plan.tasks[3]  # the others keep their proportions
    attribute = "rows" if shares == "rows" else "tokens"
    assert getattr(two, attribute) / getattr(three, attribute) == pytest.approx(3 / 4, rel=0.02)


def test_where_everything_is_at_its_cap_there_is_nothing_to_redistribute() -> None:
    with pytest.raises(
        InfeasibleError, match="budget of at most 4,140 rows, 1 epochs of every task"
    ) as caught:
        plan_of(ROWS, wish(9000), max_epochs=1, redistribute=True)
    needed = float(re.search(r"set max_epochs to ([\d.]+)", str(caught.value))[1])  # type: ignore[index]
    assert plan_of(ROWS, wish(9000), max_epochs=needed, redistribute=True).rows == 9000


def test_caps_hold_over_all_phases() -> None:
    plan = plan_of(ROWS, wish(1000), wish(600), max_epochs=4)
    assert [p.rows for p in plan.phases] == [1000, 600] and plan.tasks[0].rows == 160
    with pytest.raises(
        InfeasibleError, match=r"plan, phase 2: .* t0 with its 40 rows is drawn 161 times"
    ):
        plan_of(ROWS, wish(1000), wish(610), max_epochs=4)
    plan = plan_of(ROWS, wish(1000), wish(610), max_epochs=4, redistribute=True)
    assert plan.tasks[0].rows == 160 and plan.rows == 1610
    assert any(note.startswith("phase 2: redistributed") for note in plan.notes)


def test_what_gets_nothing_and_what_is_read_often_is_said() -> None:
    notes = plan_of(ROWS, wish(3, weights=[0.9, 0.03, 0.03, 0.04])).notes
    assert "no row for t1, t2, t3" in notes[0]
    assert (
        "read more than 4 times: t0 9.0;" in plan_of(ROWS, wish(360, weights=[1, 0, 0, 0])).notes[0]
    )


def test_fingerprint_covers_content_proportions_and_seed() -> None:
    base = plan_of(ROWS, wish(100))
    others = [
        plan_of(ROWS, wish(101)),
        plan_of(ROWS, wish(100), seed=1),
        plan_of(ROWS, wish(100, weights=[0.4, 0.3, 0.2, 0.1])),
        plan_of(ROWS, wish(60), wish(40)),
    ]
    changed = list(supplies(ROWS))
    prompts = ROWS[3].prompts.copy()
    prompts[17] += 1
    from mishran.stream.tokens import TokenRows

    rows = (*ROWS[:3], TokenRows(ROWS[3].tokens, ROWS[3].offsets, prompts))
    others.append(make_plan(supplies(rows), [wish(100)], max_epochs=None))
    found = {base.fingerprint, *(o.fingerprint for o in others)}
    assert len(found) == 6 and changed[3].content != supplies(rows)[3].content
    assert base.fingerprint == plan_of(ROWS, wish(100)).fingerprint


def test_continuing_with_other_weights() -> None:
    first = plan_of(ROWS, wish(500), wish(500))
    later = plan_of(ROWS, wish(300, weights=[0, 0, 0.5, 0.5]), history=first, index=700)
    assert later.rows == 1000 and [p.rows for p in later.phases] == [500, 200, 300]
    assert later.continues is not None and later.continues.index == 700
    a, b = first.order.rows(0, 700), later.order.rows(0, 700)
    assert a.example.tolist() == b.example.tolist()
    assert drawn_tokens(later) == [t.tokens for t in later.tasks]
    assert sum(t.weight for t in later.tasks) == pytest.approx(1)
    capped = wish(300, weights=[1, 0, 0, 0])
    with pytest.raises(InfeasibleError, match="phase 3"):
        plan_of(ROWS, capped, history=first, index=700, max_epochs=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("text", "task t2 with other text in its rows"),
        ("size", "task t2 with 899 rows instead of 900"),
        ("gone", "no task t3"),
        ("new", "a new task t4"),
        ("seed", "seed 1 instead of 0"),
        ("two", r"task t0 with .* \(1 more tasks changed too\)"),
    ],
)
def test_continuing_on_other_data_is_refused_and_explained(change: str, message: str) -> None:
    first = plan_of(ROWS, wish(500))
    rows, more = list(ROWS), {}
    if change == "text":
        rows[2] = stores((40, 200, 900), longest=59)[2]
    elif change == "size":
        rows[2] = stores((40, 200, 899), longest=60)[2]
    elif change == "gone":
        del rows[3]
    elif change == "new":
        rows.append(stores((1, 1, 1, 1, 9))[4])
    elif change == "seed":
        more = {"seed": 1}
    else:
        rows[0], rows[1] = stores((39, 199), longest=60)
    wanted = wish(10, weights=np.full(len(rows), 1 / len(rows)))
    with pytest.raises(ArtifactError, match=message):
        make_plan(supplies(rows), [wanted], history=first, index=100, **more)


def test_a_plan_file_reads_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    plan = plan_of(ROWS, wish(100))
    (tmp_path / "plan.json").write_text(plan.to_json())
    assert Plan.read(tmp_path / "plan.json") == plan
    for text, found in (
        ("{}", "validation error"),
        ("[", "validation error"),
        (None, "no such file"),
    ):
        path = tmp_path / "bad.json"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        with pytest.raises(ArtifactError, match=found):
            Plan.read(path)


def test_weights_are_kept_as_they_were_asked() -> None:
    assert [t.weight for t in plan_of(ROWS, wish(100)).tasks] == pytest.approx(list(WEIGHTS))
