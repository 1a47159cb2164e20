"""Likeness of texts: hand-made cases worked out from the definitions of ROUGE-L and chrF."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from mishran.errors import DependencyError
from mishran.evaluate.texts import Words, check_installed, likeness, normalised


def one(written: str, answer: str) -> tuple[bool, bool, float, float]:
    found = likeness([written], [answer])
    return found.exact[0], found.normalised[0], found.rouge_l[0], found.chrf[0]


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence() -> None:
    """the cat sat / the fat cat sat down: 3 words in order, of 3 and of 5."""
    assert one("the cat sat", "the fat cat sat down")[2] == pytest.approx(2 * 1 * 0.6 / 1.6)
    assert one("b a", "a b")[2] == pytest.approx(0.5)
    assert one("x", "a b")[2] == 0.0
    assert one("", "a b")[2] == 0.0


def test_rouge_l_of_hindi() -> None:
    """दिल्ली भारत की राजधानी है / दिल्ली राजधानी है।: 3 in order, of 5 and of 3; rouge-score itself says 0."""
    written, answer = "दिल्ली भारत की राजधानी है", "दिल्ली राजधानी है।"
    assert one(written, answer)[2] == pytest.approx(2 * 0.6 * 1 / 1.6)
    assert RougeScorer(["rougeL"]).score(answer, written)["rougeL"].fmeasure == 0.0
    assert Words().tokenize("क्\u200dष कि") == ["क्ष", "कि"]


def chrf(written: str, answer: str) -> float:
    """F2 of character n-grams, each order weighing the same, over the orders that both texts have."""
    w, a = written.replace(" ", ""), answer.replace(" ", "")
    precisions, recalls = [], []
    for n in range(1, 7):
        have = [w[i : i + n] for i in range(len(w) - n + 1)]
        want = [a[i : i + n] for i in range(len(a) - n + 1)]
        if have and want:
            common = sum(min(have.count(g), want.count(g)) for g in set(have))
            precisions.append(common / len(have))
            recalls.append(common / len(want))
    if not precisions:
        return 0.0
    p, r = float(np.mean(precisions)), float(np.mean(recalls))
    return 5 * p * r / (4 * p + r) if p + r else 0.0


@pytest.mark.parametrize(
    ("written", "answer"),
    [("the cat", "the cats sat"), ("abc", "abd"), ("x", "y"), ("नई दिल्ली", "दिल्ली"), ("aa a", "a")],
)
def test_chrf_is_the_mean_over_orders(written: str, answer: str) -> None:
    assert one(written, answer)[3] == pytest.approx(chrf(written, answer))


def test_chrf_by_hand() -> None:
    """ab / abc: unigrams 2/2 and 2/3, bigrams 1/1 and 1/2; F2 of (1, 7/12) is 5 (7/12) / (4 + 7/12)."""
    assert one("ab", "abc")[3] == pytest.approx(5 * (7 / 12) / (4 + 7 / 12))


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4))
def test_equal_texts_are_equal_in_every_way(texts: list[str]) -> None:
    found = likeness(texts, texts)
    assert found.exact.all() and found.normalised.all()
    has_words = np.array([bool(Words().tokenize(t)) for t in texts])
    assert found.rouge_l == pytest.approx(has_words.astype(float))
    assert ((found.chrf >= 0) & (found.chrf <= 1 + 1e-12)).all()


def test_exact_and_normalised() -> None:
    assert one("Paris", "Paris")[:2] == (True, True)
    for written in (" paris", "PARIS.", "paris !", "Paris\n"):
        assert one(written, "Paris")[:2] == (False, True)
    for written in ("Pari", "in Paris", "-Paris", ""):
        assert one(written, "Paris")[:2] == (False, False)
    assert normalised("-5") != normalised("5") and normalised("a.b") == "a.b"
    assert normalised("दिल्ली ।") == "दिल्ली"
    assert normalised("e\u0301 ") == normalised("\u00e9")


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_words_are_those_of_rouge_score_in_english(text: str) -> None:
    assert Words().tokenize(text) == DefaultTokenizer().tokenize(text)


@pytest.mark.parametrize(
    ("module", "package"), [("rouge_score.rouge_scorer", "rouge-score"), ("sacrebleu", "sacrebleu")]
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, module, package) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == module.split(".")[0]]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyError) as caught:
        check_installed()
    assert str(caught.value) == (
        f"measure generate: expected the package {package}, found it is not installed; "
        'pip install "mishran[evaluate]"'
    )
