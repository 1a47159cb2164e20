"""Fact features, scorer and its check: properties, oracles, files, real data."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mishran.config import parse_config
from mishran.config_corpus import CorpusConfig
from mishran.corpus.fact_check import (
    agreement,
    area,
    baselines,
    deciles,
    roc,
    scores_of,
)
from mishran.corpus.fact_controls import cut, levelled, levelled_to
from mishran.corpus.fact_features import (
    FEATURES,
    Reference,
    fact_features,
    prose_of,
    widespread_words,
    words_of,
)
from mishran.corpus.fact_patterns import PATTERNS, FactPatterns
from mishran.corpus.facts import FactDocument, FactScorer
from mishran.corpus.prose_model import train_prose_model
from mishran.corpus.steps import Models, _facts
from mishran.errors import ConfigError, DataError

MODEL = train_prose_model(["the river is one of the longest in the world नदी एक है"])


def features(text: str, language: str = "en", common: tuple[str, ...] = ()) -> dict[str, float]:
    reference = Reference(PATTERNS.get(language), MODEL, ("the", "of", "है"), common)
    return fact_features(text, reference)


@pytest.mark.parametrize(
    ("text", "language", "name", "expected"),
    [
        ("We met Anna Rao in Delhi.", "en", "capitals", 3 / 6),
        ("We met Anna Rao in Delhi.", "en", "capital_runs", 100 / 6),
        ("Anna came. Rao left: Then I slept\nDelhi", "en", "capitals", 0),
        ("then I'm told I’ve won", "en", "capitals", 0),
        ("born in 1947", "en", "dates", 100 / 3),
        ("सन् १९४७ में", "hi", "dates", 100 / 3),
        ("on 15 August", "en", "dates", 100 / 3),
        ("१५ अगस्त को", "hi", "dates", 100 / 3),
        ("August 15 came", "en", "dates", 100 / 3),
        ("about 9999 of 0947", "en", "dates", 0),
        ("gave 5 lakh rupees", "en", "quantities", 25),
        ("पाँच नहीं ५ करोड़ थे", "hi", "quantities", 20),
        ("a 5km walk, ₹500 and 7%", "en", "quantities", 50),
        ("५०% लोग", "hi", "quantities", 50),
        ("a १२ b 3 c", "en", "numbers", 2 / 5),
        ("१२", "hi", "digits", 1.0),
        ("A yak is a beast known as such", "en", "definitions", 25),
        ("यह वह पशु है जो उड़े", "hi", "definitions", 100 / 6),
        ('the "Red Fort" and "he ran."', "en", "quoted_names", 100 / 6),
        ("a (b) c", "en", "parentheses", 100 / 3),
        ("why? oh! no", "en", "questions", 200 / 3),
        ("the king of Ur", "en", "function_words", 0.5),
        ("I told you myself", "en", "first_person", 0.5),
        ("मैंने तुमसे कहा", "hi", "second_person", 1 / 3),
        ("a b c. d e f! g h i", "en", "sentence_length", math.log2(3)),
        ('a b ( c d ) e. f "', "en", "sentence_length", math.log2(3)),
        ("ab abcd", "en", "word_length", 3),
        ("a b " * 25, "en", "distinct_words", 2 / 50),
    ],
)
def test_what_each_feature_counts(text, language, name, expected):
    assert features(text, language)[name] == pytest.approx(expected)


def test_an_uncommon_word_before_a_postposition_is_a_cue_for_a_name():
    text = "राम ने पानी को देखा"
    assert features(text, "hi")["name_cues"] == pytest.approx(2 / 5)
    assert features(text, "hi", ("पानी",))["name_cues"] == pytest.approx(1 / 5)
    assert "name_cues" not in features("Rama saw water")


def test_what_cannot_be_measured_is_absent_not_zero():
    assert features("") == features(" ...\n--") == {}
    few = features("one line", "xx")
    assert not {"dates", "definitions", "first_person", "quantities"} & set(few)
    assert not {"distinct_words", "sentence_length"} & set(few)
    assert few["numbers"] == 0
    assert list(few) == [f for f in FEATURES if f in few]


@given(st.text(st.sampled_from("ab1५. \n?क्षA(\"'’"), min_size=0, max_size=80))
@settings(max_examples=150)
def test_features_do_not_depend_on_how_often_a_text_is_repeated(text):
    """Rates and shares: twenty copies, a line each, have the same numbers as one."""
    once, often = features(text, "hi"), features("\n".join([text] * 20), "hi")
    # A quotation mark left open finds its partner in the next copy; the others see neighbours.
    for name in set(once) - {"bits_per_character", "distinct_words", "quoted_names"}:
        assert often[name] == pytest.approx(once[name], rel=1e-6, abs=1e-9), name


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_any_text_has_finite_features(text):
    assert all(math.isfinite(v) for v in features(text).values())


def test_the_model_of_prose_does_not_see_punctuation_case_or_which_digit():
    assert prose_of("“Ram’s 15, क्या?”") == " ram s 00 क्या "
    a, b = features("The river — in 1950!"), features("the river in 2024")
    assert a["bits_per_character"] == pytest.approx(b["bits_per_character"])


def test_words_of_one_topic_are_not_function_words():
    groups = [[words_of("the data is the data")] * 3, [words_of("the old king")] * 3]
    assert widespread_words(groups, 5) == ("the",)
    assert widespread_words([[["b", "a", "b"], ["a", "b"]]], 9) == ("b", "a")
    assert widespread_words([[["b1", "a"]]], 9) == ("a",)


def test_the_table_of_patterns_is_what_the_matching_expects():
    for language, p in PATTERNS.items():
        for words in (p.months, p.units, p.first_person, p.second_person, p.after_names):
            for w in words:
                assert words_of(w) == [w], (language, w)
        for phrase in p.definitions:
            assert words_of(phrase) == phrase.split(), (language, phrase)
    assert FactPatterns() == FactPatterns(months=())


# Invented documents: facts against chat, in two languages, with noise by document.
FACT = {
    "en": "The river {a} is one of the longest in {b} ({n} km) and was measured in 19{m}.",
    "hi": "{a} नदी {b} में {n} किमी लंबी है जो 19{m} में मापी गई (स्रोत).",
}
CHAT = {
    "en": "I said to you that we were so sad! Would you go to my {c}? No, I told her.",
    "hi": "मैंने तुमसे कहा कि हम बहुत उदास हैं! क्या तुम मेरे {c} चलोगे? नहीं, मैं बोला।",
}


def made(language: str, side: str, n: int, seed: int, domains: int = 1) -> list[FactDocument]:
    rng = np.random.default_rng([seed, side == "fact", language == "hi"])
    names = ["Anu", "Bela", "Charu", "Divya", "Esha", "Farid", "Gita", "घर", "वन", "गाँव"]
    out = []
    for i in range(n):
        parts = []
        for _ in range(int(rng.integers(3, 9))):
            kind = FACT if (rng.random() < 0.8) == (side == "fact") else CHAT
            a, b, c = rng.choice(names, 3)
            values = {"a": a, "b": b, "c": c, "n": rng.integers(9, 999), "m": rng.integers(10, 99)}
            parts.append(kind[language].format(**values))
        out.append(
            FactDocument(
                f"{side}-{language}-{seed}-{i}",
                " ".join(parts),
                language,
                domain=f"{side}{i % domains}",
            )
        )
    return out


def sides(seed: int, n: int = 25, languages: tuple[str, ...] = ("en", "hi"), domains: int = 1):
    return tuple(
        [d for k in languages for d in made(k, side, n, seed, domains)] for side in ("fact", "chat")
    )


@pytest.fixture(scope="module")
def scorer() -> FactScorer:
    return FactScorer.train(*sides(0), ["en", "hi"], 0)


@pytest.mark.parametrize("kind", ["shared", "separate"])
@pytest.mark.parametrize("domains", [1, 2])
def test_facts_score_above_chat_on_documents_not_seen(kind, domains):
    found = FactScorer.train(*sides(0, domains=domains), ["hi", "en"], 0, kind)
    assert found.languages == ("en", "hi")
    assert found.trained_on == {"en": (25, 25), "hi": (25, 25)}
    for language in found.languages:
        up, down = sides(9, languages=(language,))
        scores = scores_of(found, up + down)
        assert all(0 <= s <= 1 for s in scores)
        assert area(np.array(scores), np.arange(50) < 25) > 0.9


def test_shuffled_labels_teach_nothing():
    areas = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        both = [d for side in sides(seed, 40, ("en",)) for d in side]
        heads = rng.permutation(len(both)) < len(both) // 2
        found = FactScorer.train(
            [d for d, h in zip(both, heads, strict=True) if h],
            [d for d, h in zip(both, heads, strict=True) if not h],
            ["en"],
            0,
        )
        fresh = [d for side in sides(seed + 100, 40, ("en",)) for d in side]
        areas.append(area(np.array(scores_of(found, fresh)), rng.permutation(80) < 40))
    assert abs(np.mean(areas) - 0.5) < 0.08  # standard error of the mean of six: 0.027


def test_contributions_and_intercept_are_the_log_odds(scorer):
    for document in (d for side in sides(3, 3) for d in side):
        score = scorer.score(document.text, document.language)
        terms = scorer.explain(document.text, document.language)
        total = scorer.models[document.language].intercept + sum(c.log_odds for c in terms)
        assert 1 / (1 + math.exp(-total)) == pytest.approx(score, rel=1e-9)
        assert {c.feature for c in terms} == set(FEATURES)
        assert [abs(c.log_odds) for c in terms] == sorted(abs(c.log_odds) for c in terms)[::-1]
        absent = [c for c in terms if c.value is None]
        assert all(c.log_odds == 0 for c in absent)


def test_swapping_the_sides_mirrors_the_score(scorer):
    """Word lists do not depend on the side; without the model of prose nothing else does."""
    names = [f for f in FEATURES if f != "bits_per_character"]
    up, down = sides(0)
    one = FactScorer.train(up, down, ["en", "hi"], 0, features=names)
    other = FactScorer.train(down, up, ["en", "hi"], 0, features=names)
    assert one.penalty == other.penalty
    for document in up[:3] + down[-3:]:
        score, mirrored = (s.score(document.text, document.language) for s in (one, other))
        assert score == pytest.approx(1 - mirrored, abs=1e-3)
    assert one.score(up[0].text, "en") > 0.5 > other.score(up[0].text, "en")


def test_a_feature_that_is_left_out_has_no_weight(scorer):
    found = FactScorer.train(*sides(0), ["en", "hi"], 0, features=["numbers", "questions"])
    weights = dict(zip(FEATURES, found.models["en"].weights, strict=True))
    assert {f for f, w in weights.items() if w} == {"numbers", "questions"}
    assert weights["numbers"] > 0 > weights["questions"]


def test_seeds_in_another_order_give_the_same_scores_up_to_rounding(scorer):
    up, down = sides(0)
    turned = FactScorer.train(up[::-1], down[::-1], ["hi", "en"], 0)
    for d in up[:3] + down[-3:]:
        again = turned.score(d.text, d.language)
        assert again == pytest.approx(scorer.score(d.text, d.language), abs=1e-4)


def test_a_text_without_words_has_no_score(scorer):
    assert scorer.score("", "en") is None
    assert scorer.score("?! ...", "hi") is None


def test_a_language_without_seeds_is_refused(scorer):
    with pytest.raises(ConfigError, match=r"trained on \(en, hi\), found 'mr'"):
        scorer.score("x", "mr")


def test_a_language_without_patterns_is_scored_by_the_rest():
    up, down = ([replace(d, language="xx") for d in side] for side in sides(0, languages=("en",)))
    found = FactScorer.train(up, down, ["xx"], 0)
    assert "definitions" not in found.features(up[0].text, "xx")
    assert found.score(up[0].text, "xx") > found.score(down[0].text, "xx")


def test_bad_seeds_are_refused():
    up, down = sides(0, 6, ("en",))
    with pytest.raises(DataError, match="at least 5 source documents with words, found 4"):
        FactScorer.train(up[:4], down, ["en"], 0)
    with pytest.raises(DataError, match=r"negative seeds in en.*found 1"):
        FactScorer.train(up, [replace(d, group="book") for d in down], ["en"], 0)
    with pytest.raises(DataError, match=r"positive seeds in en.*found 0"):
        FactScorer.train([replace(d, text="...") for d in up], down, ["en"], 0)
    with pytest.raises(ConfigError, match="expected seeds in hi, found fact-en-0-0 in 'en'"):
        FactScorer.train(up, down, ["hi"], 0)
    with pytest.raises(ConfigError, match="expected a language, found none"):
        FactScorer.train(up, down, [], 0)
    with pytest.raises(ConfigError, match="kind: expected shared or separate, found 'both'"):
        FactScorer.train(up, down, ["en"], 0, "both")
    with pytest.raises(ConfigError, match=r"features: .*found 'dats'; correct the name"):
        FactScorer.train(up, down, ["en"], 0, features=["dats"])
    with pytest.raises(ConfigError, match="found none"):
        FactScorer.train(up, down, ["en"], 0, features=[])


def test_files_come_back_the_same(tmp_path, scorer):
    scorer.save(tmp_path / "a")
    again = FactScorer.load(tmp_path / "a")
    again.save(tmp_path / "b")
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["facts.json", "prose-en.npz", "prose-hi.npz"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    for d in sides(4, 2)[0]:
        assert again.score(d.text, d.language) == scorer.score(d.text, d.language)
    assert (again.kind, again.penalty, again.trained_on) == (
        scorer.kind,
        scorer.penalty,
        scorer.trained_on,
    )


def test_another_process_writes_the_same_bytes(tmp_path):
    up, down = sides(0, 8)
    code = (
        "import json, sys; from pathlib import Path\n"
        "from mishran.corpus.facts import FactDocument, FactScorer\n"
        "up, down = ([FactDocument(**d) for d in side] for side in json.load(sys.stdin))\n"
        "FactScorer.train(up, down, ['hi', 'en'], 0).save(Path(sys.argv[1]))\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "other")],
        input=json.dumps([[asdict(d) for d in side] for side in (up, down)]),
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    FactScorer.train(up, down, ["en", "hi"], 0).save(tmp_path / "own")
    for path in (tmp_path / "own").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes(), path.name


def damaged(value: dict, way: str) -> object:
    part = value["languages"]["en"]
    changes = {
        "format": lambda: value.update(format=9),
        "list": lambda: [],
        "features": lambda: value.update(features=["x"]),
        "kind": lambda: value.update(kind="both"),
        "languages": lambda: value.update(languages={}),
        "part": lambda: value["languages"].update(en=3),
        "weights": lambda: part.update(weights=[1.0]),
        "mean": lambda: part["mean"].__setitem__(0, "x"),
        "scale": lambda: part["scale"].__setitem__(0, -1.0),
        "intercept": lambda: part.update(intercept=None),
        "words": lambda: part.update(common_words=[1]),
        "trained_on": lambda: part.update(trained_on=[1]),
        "sha": lambda: part.pop("prose_sha256"),
        "other sha": lambda: part.update(prose_sha256="0"),
    }
    out = changes[way]()
    return value if way != "list" else out


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("format", "format 9"),
        ("list", "format 'list'"),
        ("features", "expected the features of this version"),
        ("kind", "kind 'both'"),
        ("languages", "found no languages"),
        ("part", "expected the numbers of en, found int"),
        ("weights", f"weights that are not {len(FEATURES)} numbers"),
        ("mean", f"mean that are not {len(FEATURES)} numbers"),
        ("scale", "a scale below 0"),
        ("intercept", "intercept None"),
        ("words", "common_words that are no list of words"),
        ("trained_on", r"trained_on \[1\]"),
        ("sha", "no prose_sha256"),
        ("other sha", "found another file"),
    ],
)
def test_damaged_files_are_refused(tmp_path, scorer, way, said):
    scorer.save(tmp_path)
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(damaged(json.loads(path.read_text()), way)))
    with pytest.raises(DataError, match=said) as error:
        FactScorer.load(tmp_path)
    assert error.value.fix == "train the fact scorer again"


def test_missing_and_broken_files_are_refused(tmp_path, scorer):
    with pytest.raises(DataError, match=r"facts\.json: expected a fact scorer, found No such file"):
        FactScorer.load(tmp_path)
    scorer.save(tmp_path)
    (tmp_path / "prose-hi.npz").unlink()
    with pytest.raises(DataError, match=r"prose-hi\.npz: expected a model of prose, found No such"):
        FactScorer.load(tmp_path)
    (tmp_path / "facts.json").write_bytes(b'{"format": 1')
    with pytest.raises(DataError, match="found no JSON"):
        FactScorer.load(tmp_path)


# The check


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_area_equals_scikit_learn(rows):
    scores = np.array([s for s, _ in rows], float)
    positive = np.array([p for _, p in rows])
    if positive.all() or not positive.any():
        assert math.isnan(area(scores, positive))
        return
    assert area(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert area(-scores, positive) == pytest.approx(1 - area(scores, positive))
    weights = np.arange(1.0, len(rows) + 1)
    expected = roc_auc_score(positive, scores, sample_weight=weights)
    assert area(scores, positive, weights) == pytest.approx(expected)


def test_interval_is_over_sources_not_pieces():
    """40 pieces of two books say less than 40 documents of their own."""
    rng = np.random.default_rng(0)
    book = np.repeat([0.3, 0.6], 20) + rng.normal(0, 0.01, 40)
    scores = [*(rng.normal(0.5, 0.1, 40)), *book]
    positive = [True] * 40 + [False] * 40
    few = [*map(str, range(40)), *(["x"] * 20 + ["y"] * 20)]
    many = list(map(str, range(80)))
    a, b = (roc(scores, positive, s, np.random.default_rng(1), 300) for s in (few, many))
    assert a.auc.value == b.auc.value
    assert a.auc.high - a.auc.low > 2 * (b.auc.high - b.auc.low)
    assert (a.positive_sources, a.negative_sources) == (40, 2)


def test_roc_points_and_what_has_no_score():
    found = roc(
        [0.9, None, 0.4, 0.6, 0.1],
        [True, True, True, False, False],
        list("abcde"),
        np.random.default_rng(0),
        20,
    )
    assert found.points == ((0.0, 0.5, 0.9), (0.5, 1.0, 0.4), (1.0, 1.0, 0.1))
    assert (found.positive, found.negative, found.unscored) == (2, 2, 1)
    assert found.auc.value == 0.75
    with pytest.raises(DataError, match="documents on both sides, found 1 positive and 0 negative"):
        roc([0.1, None], [True, False], ["a", "b"], np.random.default_rng(0))


def test_interval_covers_the_truth_about_as_often_as_it_says():
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scores = [*rng.normal(1, 1, 30), *rng.normal(0, 1, 30)]
        found = roc(scores, [True] * 30 + [False] * 30, list(map(str, range(60))), rng, 200)
        inside += found.auc.low <= 0.7602 <= found.auc.high  # Phi(1 / sqrt 2)
    assert 50 <= inside <= 60


def test_agreement():
    rng = np.random.default_rng(0)
    a = list(rng.random(60))
    names = list(map(str, range(60)))
    same = agreement(a, [x**3 for x in a], names, rng, 200)
    assert same.spearman.value == pytest.approx(1) and same.same_side.value == 1
    assert same.difference.value == pytest.approx(np.mean(a) - np.mean(np.array(a) ** 3))
    turned = agreement(a, [-x for x in a], names, rng, 50)
    assert turned.spearman.value == pytest.approx(-1) and turned.same_side.value == 0
    chance = agreement(a, list(rng.random(60)), names, rng, 200)
    assert chance.spearman.low < 0 < chance.spearman.high
    assert chance.same_side.low < 0.5 < chance.same_side.high
    with pytest.raises(DataError, match="at least 3 translated pairs, found 2"):
        agreement([1, 2], [1, 2], ["a", "b"], rng)


def test_a_minimum_drops_in_its_language_alone(tmp_path, scorer):
    """Everybody has the score; only English has a minimum."""
    scorer.save(tmp_path / "facts")
    files = {"positive": "p", "negative": "n"}
    data = {
        "run": "out",
        "sources": [{"name": "web", "path": "raw", "provenance": "native"}],
        "languages": {tag: {"seed": "seeds"} for tag in ("en", "hi", "mr")},
        "facts": {"languages": {"en": {**files, "minimum": 0.5}, "hi": files}},
    }
    judge = _facts(parse_config(data, "test", CorpusConfig), Models(tmp_path))
    for tag in ("en", "hi", "mr"):
        up, down = sides(9, languages=("hi" if tag == "hi" else "en",))
        for one in up + down:
            document = SimpleNamespace(text=one.text, metadata={"language": tag})
            reason = judge(document)
            score = document.metadata["facts"]
            assert (score is None) == (tag == "mr")
            assert reason == ("fact-score" if tag == "en" and score < 0.5 else None)
    assert [scorer.score(d.text, "en") < 0.5 for d in sides(9, languages=("en",))[1]].count(
        True
    ) > 20


def test_deciles_are_examples_in_order_with_reasons(scorer):
    pool = [d for side in sides(5) for d in side]
    examples = deciles(scorer, [*pool, FactDocument("empty", "", "en")], 2)
    assert [e.decile for e in examples] == sorted(list(range(1, 11)) * 2)
    assert [e.score for e in examples] == sorted(e.score for e in examples)
    assert all(len(e.text) <= 200 and len(e.contributions) == 4 for e in examples)
    assert len(deciles(scorer, pool[:3])) == 3


def test_deciles_of_documents_with_the_same_score_and_id(scorer):
    """Copies of one record, from two files: nothing else tells them apart, and nothing has to."""
    one = sides(5)[0][0]
    examples = deciles(scorer, [one, replace(one, domain="other"), one, replace(one)])
    assert [(e.id, e.text) for e in examples] == [(one.id, " ".join(one.text.split())[:200])] * 4
    assert len({e.score for e in examples}) == 1


def test_levelled_texts_show_letters_only():
    assert levelled("“Ram”, 15\n(Agra)? क्या") == "ram agra क्या"
    assert levelled_to("Devanagari")("Ram ने १५ को, कहा।\nok?") == "ने को कहा"


def test_cut_keeps_lines_and_drops_what_is_shorter():
    documents = [FactDocument("a", " one\ntwo  three four", "en"), FactDocument("b", "one", "en")]
    assert [(d.id, d.text) for d in cut(documents, 3)] == [("a", " one\ntwo  three")]


def test_baselines_say_nothing_of_an_empty_text(scorer):
    found = baselines(scorer, [FactDocument("a", "", "en"), *sides(0, 1, ("en",))[0]])
    assert found["number of words"][0] == 0 and found["share of digits"][0] is None
    assert found["model of prose"][1] < 0 < found["word length"][1]


def test_real_text_of_domains_that_no_seed_came_from(data_root):
    def read(name: str, language: str, least: int, most: int) -> list[FactDocument]:
        out = []
        with gzip.open(data_root / "pretrain" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as f:
            for line in f:
                d = json.loads(line)
                if len(out) < most and len(d["text"]) >= least:
                    source = d["id"].split("#")[0]
                    out.append(FactDocument(d["id"], d["text"][:1500], language, source, name))
        return out

    up = read("en_science.train", "en", 500, 60) + read("en_wiki.train", "en", 500, 60)
    up += read("hi_tech.train", "hi", 500, 80)
    down = read("en_fiction.train", "en", 500, 200)[::4] + read("en_dialogue.train", "en", 500, 60)
    down += read("hi_literature.train", "hi", 500, 80)
    found = FactScorer.train(up, down, ["en", "hi"], 0)
    for language in ("en", "hi"):
        guides = read(f"{language}_guides.train", language, 500, 40)
        stories = read(f"{language}_stories.train", language, 500, 80)
        scores = scores_of(found, guides + stories)
        assert area(np.array(scores), np.arange(len(scores)) < len(guides)) > 0.85
