"""Which documents of a corpus contain items of evaluation sets.

A document is contaminated if, in comparable words (comparable.py),

- it has 13 consecutive words of an item, where an item is its prompt followed by its answer;
- or it has the whole of an item of 8 to 12 words;
- or it has the whole question of an item (4 to 12 words) and, within 50 words of it, the item's answer: a
  page of questions and answers puts other words between the two. An answer that more than 10 items share
  is a label ("yes", "positive") and proves nothing, as does any repeated answer of a set that has fewer
  than half as many different answers as items; nor does a single character, or a word of the question.

Boilerplate must not condemn everything. GPT-3 ignored 13-grams that matched more than 10 training
documents, which takes a pass of its own over the corpus, and a leaked page that was copied 11 times would
count as boilerplate. Here what is common among the items themselves is left out: n-grams in more than 10
items that also reach into a second set or into more than a tenth of their own set, which instructions do
and passages with many questions do not.

When: last of the steps that judge one document. Trade-offs: GPT-3 cut 200 characters around each
match and kept the rest of a long document, ours is dropped whole, and the match says where; text that an
item quotes from the web (a passage of an encyclopedia) is found on its source page too, as GPT-3 reports of
SQuAD. Give such sets without passages.

Every match is checked word for word: hashes only say where to look, so none is a collision.

Source: GPT-3, arXiv 2005.14165, appendix C (13-grams; no item below 8 words; boilerplate). Assumptions: at
least 4 words of a question, 50 words around it, a tenth and a half of a set.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mishran.corpus.comparable import comparable
from mishran.corpus.contamination_index import (
    COMMON,
    LEAST_QUESTION,
    NEAR,
    Grams,
    Index,
    Int,
    Item,
    Match,
    running_sums,
    windows,
    word_hashes,
)
from mishran.errors import ConfigError, DataError

__all__ = ["COMMON", "NEAR", "WORDS", "Index", "Item", "Match", "build_index"]

WORDS = 13  # GPT-3, appendix C
LEAST_ITEM = 8  # GPT-3, appendix C: below, matches are spurious
COMMON_SHARE = 0.1  # of a set's items; assumption
CLASSES = (
    0.5  # different answers / items of a set, below which repeated answers are labels; assumption
)


def build_index(items: Iterable[Item], n: int = WORDS) -> Index:
    """The index of evaluation items, read once and in order.

    Raises:
        ConfigError: an n below the shortest item that may match.
        DataError: no item, or none with a word.
    """
    if n < LEAST_ITEM:
        raise ConfigError(
            expected=f"n-grams of at least {LEAST_ITEM} words",
            found=str(n),
            where="decontamination",
            fix=f"write {WORDS}",
        )
    number: dict[str, int] = {}
    sets: dict[str, int] = {}
    tokens, starts, answers, set_of = array("I"), array("q", [0]), array("q"), array("q")
    ids: list[str] = []
    for item in items:
        prompt, answer = comparable(item.prompt).split(), comparable(item.answer).split()
        tokens.extend(number.setdefault(word, len(number) + 1) for word in prompt + answer)
        starts.append(len(tokens))
        answers.append(len(tokens) - len(answer))
        set_of.append(sets.setdefault(item.set, len(sets)))
        ids.append(item.id)
    if not len(tokens):
        raise DataError(
            expected="evaluation items with words",
            found=f"{len(ids)} items, all empty" if ids else "no item",
            where="decontamination",
            fix="give the prompts and answers of the evaluation sets",
        )
    bare = Index(
        n,
        tuple(number),
        np.array(tokens, dtype=np.uint32),
        np.array(starts, dtype=np.int64),
        np.array(answers, dtype=np.int64),
        tuple(sets),
        np.array(set_of, dtype=np.int64),
        tuple(ids),
        (),
    )
    return replace(bare, grams=_all_grams(bare))


def _all_grams(index: Index) -> tuple[Grams, ...]:
    """The n-grams to look for, by length."""
    hashes = word_hashes(index.vocabulary)[index.tokens]
    sums, factors = running_sums(hashes)
    starts, ends = index.starts[:-1], index.starts[1:]
    lengths, questions = ends - starts, index.answers - starts
    asked = (index.answers < ends) & ~_labels(index)
    made = []
    for length in range(LEAST_QUESTION, index.n + 1):
        whole = starts[:0]
        if length == index.n:  # every window that lies inside one item
            places = np.arange(len(hashes) - length + 1)
            item = np.searchsorted(index.starts, places, "right") - 1
            whole = places[places + length <= index.starts[item + 1]]
        elif length >= LEAST_ITEM:
            whole = starts[lengths == length]
        question = starts[asked & (questions == length)] if length < index.n else starts[:0]
        at = np.concatenate((whole, question)).astype(np.int64)
        if not len(at):
            continue
        of_question = np.arange(len(at)) >= len(whole)
        values = windows(sums, factors, at, length)
        order = np.lexsort((at, of_question, values))
        values, at, of_question = values[order], at[order], of_question[order]
        keep = _kept(index, values, at, of_question)
        if keep.any():
            made.append(Grams(length, values[keep], at[keep], of_question[keep]))
    return tuple(made)


def _kept(
    index: Index, hashes: NDArray[np.uint64], at: Int, question: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which of the sorted n-grams stay: no boilerplate, and of equal ones the first.

    Of equal questions all stay, since each has its own answer, unless more than `COMMON` items ask them.
    """
    new = np.ones(len(hashes), dtype=np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (question[1:] != question[:-1])
    group = np.cumsum(new) - 1
    item = np.searchsorted(index.starts, at, "right") - 1
    of_set = index.set_of[item]
    items = _different(group, item)
    within = items / np.bincount(index.set_of)[of_set[new]]
    boilerplate = (_different(group, of_set) > 1) | (within > COMMON_SHARE) | question[new]
    common = (items > COMMON) & boilerplate
    kept: NDArray[np.bool_] = (new | question) & ~common[group]
    return kept


def _different(group: Int, value: Int) -> Int:
    """How many different values each group has."""
    pairs = np.unique(np.stack((group, value)), axis=1)
    return np.bincount(pairs[0], minlength=int(group[-1]) + 1).astype(np.int64)


def _labels(index: Index) -> NDArray[np.bool_]:
    """Items whose answer is no evidence: a label, a single character, or words of its own question."""
    bounds = zip(
        index.starts.tolist(), index.answers.tolist(), index.starts[1:].tolist(), strict=False
    )
    tokens = index.tokens.tolist()
    parts = [(tokens[start:middle], tuple(tokens[middle:end])) for start, middle, end in bounds]
    shared = Counter(answer for _, answer in parts)
    different: dict[int, set[tuple[int, ...]]] = {}
    for of_set, (_, answer) in zip(index.set_of.tolist(), parts, strict=True):
        different.setdefault(of_set, set()).add(answer)
    sizes = np.bincount(index.set_of)
    classes = {s: len(a) < CLASSES * sizes[s] for s, a in different.items()}
    return np.array(
        [
            shared[answer] > COMMON
            or (classes[of_set] and shared[answer] > 1)
            or set(answer) <= set(question)
            or sum(len(index.vocabulary[token - 1]) for token in answer) < 2
            for of_set, (question, answer) in zip(index.set_of.tolist(), parts, strict=True)
        ],
        dtype=np.bool_,
    )
