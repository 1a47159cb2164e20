"""Shared texts between tasks, against counting by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mishran.tasks.duplicates import Leak, Overlap, SharedTexts, overlaps
from mishran.tasks.task import Example, Task


def task(name: str, train: str = "", valid: str = "", test: str = "") -> Task:
    """A task whose texts are the letters given."""

    def examples(letters: str) -> tuple[Example, ...]:
        return tuple(Example(str(i), c, "a", "") for i, c in enumerate(letters))

    return Task(name, examples(train), examples(valid), examples(test), (), False, {})


def test_by_hand():
    one = task("one", train="aabc", valid="d", test="e")
    two = task("two", train="ae", valid="x", test="c")
    three = task("three", train="z", valid="a")
    assert overlaps([one, two, three]) == Overlap(
        shared=(
            SharedTexts(("one", "two"), 3),
            SharedTexts(("one", "three"), 1),
            SharedTexts(("two", "three"), 1),
        ),
        leaks=(
            Leak("one", "two", 1),
            Leak("one", "three", 2),
            Leak("two", "one", 1),
            Leak("two", "three", 1),
        ),
    )


def test_nothing_shared():
    assert overlaps([]) == overlaps([task("a", "x", "y"), task("b", "z", "w")]) == Overlap((), ())


letters = st.text("abcdefg", max_size=8)


@given(st.lists(st.tuples(letters, letters, letters), max_size=5))
def test_against_pairwise_counting(parts):
    tasks = [task(str(i), *texts) for i, texts in enumerate(parts)]
    found = overlaps(tasks)
    shared = {s.tasks: s.num for s in found.shared}
    leaks = {(leak.trained, leak.held_out): leak.num for leak in found.leaks}
    for i, (train, valid, test) in enumerate(parts):
        for j, (other_train, other_valid, other_test) in enumerate(parts):
            if i < j:
                both = set(train + valid + test) & set(other_train + other_valid + other_test)
                assert shared.get((str(i), str(j)), 0) == len(both)
            if i != j:
                expected = sum(c in other_valid + other_test for c in train)
                assert leaks.get((str(i), str(j)), 0) == expected
