"""Stems and agreement of tokens with them: by hand, by invariants, by chance, on real tables."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, fields
from itertools import accumulate, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.errors import ConfigError, DataError
from mishran.tokenizer.encoded import Encoded
from mishran.tokenizer.inflection import Inflected, read_inflections
from mishran.tokenizer.morphology import stem_agreement, stem_change
from mishran.tokenizer.pretokens import PATTERN
from mishran.tokenizer.stems import (
    Stemmed,
    between_aksharas,
    breaks_letter,
    find_stems,
    stem_length,
)


@dataclass
class Cutter:
    """A tokenizer that cuts a form where `places(form)` says, in bytes; the space is part of the first
    token, or a token of its own."""

    places: object
    lone_space: bool = False
    name: str = "cutter"
    size: int = 1

    def encode(self, texts):
        out = []
        for text in texts:
            assert text[0] == " " and text[1] != " "
            cuts = [1 + place for place in self.places(text[1:])]
            starts = np.array([0, *([1] if self.lone_space else []), *cuts])
            out.append(Encoded(np.zeros(len(starts), int), starts))
        return out


def in_bytes(word, places):
    return [len(word[:place].encode()) for place in places]


def at(cuts):
    """Cuts a form at the places that the mapping gives in code points."""
    return Cutter(lambda form: in_bytes(form, cuts.get(form, ())))


def rng():
    return np.random.default_rng(0)


# Stems


def stems_of(paradigms, **kwargs):
    return find_stems(
        [Inflected(lemma, form, "V") for lemma, of in paradigms.items() for form in of.split()],
        **kwargs,
    )


@pytest.mark.parametrize(
    ("lemma", "forms", "stem"),
    [
        ("तरसना", "तरसता तरसती तरसते", "तरस"),  # तरसत is no beginning of the lemma
        ("तरसना", "तरसा तरसे तरसूँ", "तरस"),  # ends inside an akshara
        ("करना", "करता करूँ करो करने किया की कीजिए", "कर"),  # some irregular forms
        ("लड़का", "लड़के लड़कों", "लड़क"),
        ("run", "runs running ran", "run"),
        ("go", "went gone", "go"),
        ("be", "am is are was were", ""),
        ("पढना", "पढ़ता पढ़ती पढ़ते", "प"),  # ढ and ढ़ are two letters
        ("लिख्ना", "लिखता लिखती लिखते", "लिख"),  # three of four; ख् of the lemma is another letter
        ("लिख्ना", "लिख्ते लिखा", "लि"),  # लिख् is shared by two of three, but ends inside a conjunct
        ("été", "étés", "été"),
        ("e\u0301te", "etes e\u0301tes e\u0301ta", "e\u0301t"),
    ],
)
def test_stems_by_hand(lemma, forms, stem):
    assert lemma[: stem_length(lemma, forms.split())] == stem


def test_every_form_has_its_place():
    stems = stems_of(
        {
            "जाना": "जाता जाती जा गया गए जाऊँ",
            "तरसना": "तरसी तरसना",
            "आना": "आया आता",
            "अकेला": "अकेला",
            "be": "am was",
        }
    )
    assert {(item.form, item.form[: item.stem]) for item in stems.forms} == {
        ("जाता", "जा"),
        ("जाती", "जा"),
        ("जाऊँ", "जा"),
        ("तरसी", "तरस"),
        ("तरसना", "तरस"),
    }
    assert [item.form for item in stems.bare] == ["जा"]
    assert [form for _, form in stems.changed] == ["गया", "गए"]
    assert [form for _, form in stems.unstemmed] == ["आया", "आता", "अकेला", "am", "was"]
    assert {item.form for item in stems_of({"आना": "आया आता"}, least=1).forms} == {"आया", "आता"}


def test_no_stem_at_all():
    with pytest.raises(DataError) as error:
        stems_of({"be": "am is", "x": "x"})
    assert "found 0 bare, 0 changed, 3 without a stem; give several forms" in str(error.value)


@pytest.mark.parametrize(
    ("cut", "letter", "akshara"),
    [
        ("तरस|ी", True, False),
        ("तरस|ती", True, True),
        ("पढ|\u093cता", False, False),  # before a nukta
        ("क|्या", False, False),  # before a virama
        ("क्|या", False, False),  # in a conjunct
        ("हो|ं", True, False),  # anusvara
        ("क्\u200d|य", False, False),
        ("ja|zz", True, True),
        ("e|\u0301t", False, False),
        ("ப்|ப", True, True),  # a Tamil pulli makes no conjunct
    ],
)
def test_kinds_of_places(cut, letter, akshara):
    before, _, after = cut.partition("|")
    place = len(before)
    assert breaks_letter(before + after, place) is not letter
    assert between_aksharas(before + after, place) is akshara


@given(st.permutations(["करता", "करूँ", "करो", "करने", "किया", "की", "कीजिए", "कर"]))
def test_the_order_of_forms_plays_no_part(forms):
    stems = stems_of({"करना": " ".join(forms)})
    assert {item.form for item in stems.forms} == {"करता", "करूँ", "करो", "करने"}


# Agreement

HINDI = [
    Stemmed("तरसना", "तरसती", 3),  # between aksharas
    Stemmed("तरसना", "तरसी", 3),  # inside one
    Stemmed("करना", "करूँगा", 2),  # inside one
    Stemmed("करना", "करता", 2),  # between
]


def test_measures_by_hand():
    tokenizer = at({"तरसती": (1, 3), "करूँगा": (4,), "करता": (2,)})
    found = stem_agreement(tokenizer, HINDI, rng())
    scores = found.all
    assert (scores.forms, scores.lemmas, scores.boundaries, scores.hits) == (4, 2, 4, 2)
    assert scores.recall.value == 2 / 4
    assert scores.precision.value == 2 / 4
    assert scores.f1.value == 2 * 2 / (4 + 4)
    assert scores.intact.value == 1 / 4  # करता; तर|सती has a cut inside the stem
    assert scores.whole.value == 1 / 4  # तरसी
    assert scores.fertility.value == (3 + 1 + 2 + 2) / 4
    # तरसती: 2 on 4 places, तरसी: none, करूँगा: 1 on 5, करता: 1 on 3
    chance = 2 / 4 + 1 / 5 + 1 / 3
    assert scores.chance_recall == pytest.approx(chance / 4)
    assert scores.chance_precision == pytest.approx(chance / 4)
    assert scores.lift.value == pytest.approx(2 / chance)
    assert found.split.forms == 3 and found.split.recall.value == 2 / 3
    assert found.split.precision.value == 2 / 4
    assert found.split.whole.value == 0
    between = found.between  # तरसती on 2 edges (त|र|स|ती has 3), करता on क|र|ता 2
    assert (between.forms, between.recall.value, between.precision.value) == (2, 1, 2 / 3)
    assert between.chance_recall == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_a_space_of_its_own_is_a_token_but_no_boundary():
    tokenizer = Cutter(lambda form: [], lone_space=True)
    scores = stem_agreement(tokenizer, HINDI, rng()).all
    assert scores.boundaries == 0 and scores.whole.value == 1 and scores.fertility.value == 2


def test_boundaries_inside_characters_are_wrong_for_both():
    """Every byte a token: one of 14 inner boundaries of a 5-letter word is right, chance is sure of it."""
    form = HINDI[0]
    scores = stem_agreement(Cutter(lambda word: range(1, 15)), [form], rng()).all
    assert (scores.boundaries, scores.hits) == (14, 1)
    assert scores.precision.value == scores.chance_precision == 1 / 14
    assert scores.recall.value == scores.chance_recall == scores.lift.value == 1
    inside = stem_agreement(Cutter(lambda word: [10]), [form], rng())
    assert inside.all.precision.value == inside.all.chance_precision == 0
    assert inside.all.lift is None and inside.split.forms == 1


def test_no_boundaries_no_precision():
    found = stem_agreement(Cutter(lambda form: []), HINDI, rng())
    assert found.all.recall.value == found.all.chance_recall == 0
    assert found.all.precision is found.all.f1 is found.all.lift is None
    assert found.all.chance_precision is None
    assert found.split is None
    assert stem_agreement(at({}), HINDI[1:3], rng()).between is None


words = st.lists(
    st.tuples(st.sampled_from("xyz"), st.text("abcकाी", min_size=2, max_size=7)),
    min_size=1,
    max_size=8,
).flatmap(
    lambda pairs: st.tuples(
        *[
            st.builds(Stemmed, st.just(lemma), st.just(word), st.integers(1, len(word) - 1))
            for lemma, word in pairs
        ]
    )
)


@given(words)
def test_a_boundary_everywhere_recalls_all_and_is_chance(forms):
    every = Cutter(lambda form: in_bytes(form, range(1, len(form))))
    scores = stem_agreement(every, forms, rng(), replicas=5).all
    assert scores.recall.value == scores.chance_recall == 1
    assert scores.lift.value == pytest.approx(1)
    assert scores.precision.value == pytest.approx(
        len(forms) / sum(len(item.form) - 1 for item in forms)
    )
    none = stem_agreement(Cutter(lambda form: []), forms, rng(), replicas=5).all
    assert none.recall.value == 0 and none.whole.value == 1


@given(words, st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_bounds_and_the_order_of_forms(forms, seed, random):
    def places(form):
        drawn = np.random.default_rng([seed, *form.encode()])
        return np.flatnonzero(drawn.random(len(form.encode())) < 0.3)[1:]

    scores = stem_agreement(Cutter(places), forms, rng(), replicas=20).all
    shuffled = list(forms)
    random.shuffle(shuffled)
    again = stem_agreement(Cutter(places), shuffled, rng(), replicas=20).all
    for field in fields(scores):
        one, other = getattr(scores, field.name), getattr(again, field.name)
        if one is None or isinstance(one, int | float):
            assert one == other or one == pytest.approx(other)
            continue
        assert one.value == pytest.approx(other.value)
        if one.low is None:
            assert other.low is None and other.high is None
        else:
            assert (one.low, one.high) == pytest.approx((other.low, other.high))
            assert one.low <= one.high
    assert scores.hits <= min(scores.forms, scores.boundaries)
    assert scores.intact.value <= scores.recall.value <= 1 - scores.whole.value + 1e-12
    assert scores.chance_recall <= 1


def test_chance_is_what_random_placement_gives():
    drawn = np.random.default_rng(1)
    numbers = {"तरसती": 2, "तरसी": 1, "करूँगा": 3, "करता": 0}
    hits = np.zeros(4)
    rounds = 4000
    for _ in range(rounds):
        for i, item in enumerate(HINDI):
            places = drawn.choice(
                np.arange(1, len(item.form)), size=numbers[item.form], replace=False
            )
            hits[i] += item.stem in places
    tokenizer = at({form: tuple(range(1, n + 1)) for form, n in numbers.items()})
    scores = stem_agreement(tokenizer, HINDI, rng(), replicas=1).all
    assert scores.chance_recall == pytest.approx(hits.sum() / rounds / 4, abs=0.01)
    assert scores.chance_precision == pytest.approx(hits.sum() / rounds / 6, abs=0.01)


def test_chance_over_all_placements_is_exact():
    """Every way to put 2 boundaries on a form of 5, 4 and 6 letters, enumerated."""
    for item in HINDI[:3]:
        ways = list(combinations(range(1, len(item.form)), 2))
        recalls = [
            stem_agreement(at({item.form: way}), [item], rng(), replicas=1).all.recall.value
            for way in ways
        ]
        scores = stem_agreement(at({item.form: ways[0]}), [item], rng(), replicas=1).all
        assert scores.chance_recall == pytest.approx(np.mean(recalls))


def test_intervals_are_over_lemmas():
    """All forms of a lemma right or all wrong: the interval is that of 40 coins, however many forms."""

    def forms(each):
        return [
            Stemmed(f"l{i:02}", f"{i:02}" + "ab" * (j + 1), 2)
            for i in range(40)
            for j in range(each)
        ]

    right = Cutter(lambda form: [2] if int(form[:2]) < 20 else [1])
    few, many = (stem_agreement(right, forms(n), rng()).all.recall for n in (1, 10))
    assert few.value == many.value == 0.5
    assert (few.low, few.high) == pytest.approx((many.low, many.high))
    spread = 1.96 * np.sqrt(0.25 / 40)
    assert (few.low, few.high) == pytest.approx((0.5 - spread, 0.5 + spread), abs=0.03)
    narrow = stem_agreement(right, forms(1), rng(), level=0.5).all.recall
    assert few.low < narrow.low < narrow.high < few.high
    one = stem_agreement(right, forms(3)[:3], rng()).all
    assert one.recall.value == 1 and one.recall.low is one.recall.high is None


def test_a_replica_without_boundaries_leaves_no_interval():
    forms = [Stemmed("a", "abc", 1), Stemmed("b", "bcd", 1)]
    scores = stem_agreement(at({"abc": (1,)}), forms, rng()).all
    assert scores.precision.value == 1 and scores.precision.low is None
    assert scores.recall.low == 0


def test_change_is_paired():
    better, worse = at({i.form: (i.stem,) for i in HINDI}), at({HINDI[0].form: (1,)})
    change = stem_change(worse, better, HINDI, rng())
    assert change.recall.value == change.recall.low == change.recall.high == 1
    assert change.precision.value == 1 and change.precision.low is None  # करना has none in worse
    assert change.whole.value == -0.75 and change.fertility.value == 2 - 1.25
    back = stem_change(better, worse, HINDI, rng())
    assert (back.fertility.low, back.fertility.high) == (
        -change.fertility.high,
        -change.fertility.low,
    )
    same = stem_change(better, better, HINDI, rng())
    assert all(getattr(same, f.name).value == getattr(same, f.name).high == 0 for f in fields(same))
    assert stem_change(at({}), better, HINDI, rng()).precision is None


def test_bad_arguments():
    tokenizer = at({})
    for function in (stem_agreement, lambda *a, **k: stem_change(tokenizer, *a, **k)):
        with pytest.raises(DataError, match="expected forms with a stem and a suffix, found none"):
            function(tokenizer, [], rng())
        for stem in (0, 4, -1):
            with pytest.raises(DataError, match=r"form 'jazz' of 'x': .* from 1 to 3, found"):
                function(tokenizer, [Stemmed("x", "jazz", stem)], rng())
        for bad in ({"replicas": 0}, {"level": 0.0}, {"level": 1.0}):
            with pytest.raises(ConfigError, match="at least 1 replica and a level between 0 and 1"):
                function(tokenizer, HINDI, rng(), **bad)


# Real tables and a real tokenizer


@dataclass
class Learned:
    """Of the package tokenizers, whose offsets are characters."""

    model: object
    name: str

    @property
    def size(self):
        return self.model.get_vocab_size()

    def encode(self, texts):
        out = []
        for text, one in zip(texts, self.model.encode_batch(list(texts)), strict=True):
            offsets = list(accumulate((len(c.encode()) for c in text), initial=0))
            starts = [offsets[start] for start, _ in one.offsets]
            out.append(Encoded(np.array(one.ids), np.array(starts)))
        return out


def learn(counts, size):
    """BPE of characters from a word table; words are handed over whole, text is cut at pre-tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="?"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Split("\n", "removed")
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, special_tokens=["?"], show_progress=False
    )
    model.train_from_iterator(((word + "\n") * round(n) for word, n in counts.items()), trainer)
    model.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERN), "isolated")
    return model


def test_hindi_stems_and_agreement_before_and_after_cuts(data_root):
    from mishran.tokenizer.boundaries import cut, keep_aksharas, table_cuts
    from mishran.tokenizer.pretokens import splitter

    stems = find_stems(read_inflections(data_root / "hindi" / "hi_inflection.jsonl.gz").forms)
    assert len(stems.forms) > 1000 and len(stems.changed) + len(stems.unstemmed) < 30
    found = {item.lemma: item.form[: item.stem] for item in stems.forms}
    assert all(
        lemma == stem + "ना" for lemma, stem in found.items()
    )  # every infinitive is stem + ना
    assert {"करना": "कर", "तरसना": "तरस", "होना": "हो"}.items() <= found.items()
    assert ("करना", "किया") in stems.changed

    counts: dict[str, float] = {}
    with gzip.open(data_root / "pretrain" / "hi_stories.train.jsonl.gz", "rt") as lines:
        for line in lines:
            for word in splitter().findall(json.loads(line)["text"]):
                counts[word] = counts.get(word, 0) + 1
    cuts = table_cuts(stems).cuts
    plain, given, kept = (
        Learned(learn(table, 2000), name)
        for name, table in (
            ("plain", counts),
            ("given", cut(counts, cuts)),
            ("kept", cut(counts, keep_aksharas(cuts))),
        )
    )
    scores = {it.name: stem_agreement(it, stems.forms, rng(), 200) for it in (plain, given, kept)}
    first = scores["plain"].all
    assert 0.4 < first.recall.value < 0.85 and first.lift.low > 1
    assert 0.3 < scores["plain"].between.chance_recall < 0.9
    assert first.recall.value < scores["kept"].all.recall.value < scores["given"].all.recall.value
    change = stem_change(plain, given, stems.forms, rng(), 200)
    assert change.recall.low > 0 and change.precision.low > 0
    assert abs(change.fertility.value) < 0.5
