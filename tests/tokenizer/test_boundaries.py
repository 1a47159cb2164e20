"""Cuts for constrained training: where they come from, how they are moved, what they do to a word table."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mishran.errors import ConfigError, DataError
from mishran.tokenizer.boundaries import (
    cut,
    keep_aksharas,
    learned_cuts,
    read_cuts,
    suffix_lemmas,
    table_cuts,
)
from mishran.tokenizer.stems import Stemmed, Stems, between_aksharas


def shown(word, places):
    return "|".join(word[a:b] for a, b in zip((0, *places), (*places, len(word)), strict=True))


def stems(*cuts, bare=()):
    """From "lemma stem|suffix ..."."""
    forms = []
    for line in cuts:
        lemma, *words = line.split()
        forms += [Stemmed(lemma, w.replace("|", ""), w.index("|")) for w in words]
    return Stems(
        tuple(forms), tuple(Stemmed(form + "ना", form, len(form)) for form in bare), (), ()
    )


def test_cuts_of_a_table():
    found = table_cuts(stems("बनना बन|ा बन|ी", "बनाना बना|ता", bare=["बना", "बन"]))
    assert found.disputed == ("बना",)
    assert found.cuts == {"बना": (), "बनी": (2,), "बनाता": (3,), "बन": ()}
    both = table_cuts(stems("x ab|cd", "y a|bcd", "z ab|cd"))
    assert both.cuts == {"abcd": ()} and both.disputed == ("abcd",)


def test_suffixes_count_lemmas_not_forms():
    found = suffix_lemmas(stems("x ab|s ab|ed", "y cd|s", "y cd|s", bare=["ab"]))
    assert found == {"s": 2, "ed": 1, "": 1}


KNOWN = {"s": 9, "ed": 9, "ing": 9, "t": 1, "": 9, "d": 9}


def cuts_of(words, **thresholds):
    counts = dict.fromkeys(words.split(), 1.0)
    options = {"lemmas": 5, "suffixes": 3, "least": 2} | thresholds
    found = learned_cuts(counts, KNOWN, **options)
    return {shown(word, places) for word, places in found.items()}


def test_the_rule_by_hand():
    # walk with the empty suffix, s, ed, ing; walke with d alone, so that walke|d never is
    assert cuts_of("walk walks walked walking") == {"walk|s", "walk|ed", "walk|ing"}
    # two suffixes and the bare word are three
    assert cuts_of("walk walks walked") == {"walk|s", "walk|ed"}
    assert cuts_of("walks walked") == set()
    assert cuts_of("walks walked", suffixes=2) == {"walk|s", "walk|ed"}
    # t is the suffix of one lemma only
    assert cuts_of("walk walks walked walkt") == {"walk|s", "walk|ed"}
    assert "walk|t" in cuts_of("walk walks walked walkt", lemmas=1)
    # stems have two letters at least
    assert cuts_of("a as aed aing") == set()
    assert cuts_of("a as aed aing", least=1) == {"a|s", "a|ed", "a|ing"}


def test_the_stem_with_more_suffixes_wins_then_the_shorter():
    known = {"a": 9, "b": 9, "ta": 9, "tb": 9, "c": 9, "d": 9}
    more = dict.fromkeys(["koa", "kob", "koc", "kota", "kotb", "kotc"], 1.0)
    # kota: ko has a, b, c, ta, tb (5), kot has a, b, c (3)
    found = learned_cuts(more, known, 5, 3)
    assert {shown(w, p) for w, p in found.items()} == {
        "ko|a", "ko|b", "ko|c", "ko|ta", "ko|tb", "kot|c",
    }  # fmt: skip
    equal = dict.fromkeys(["kota", "kotb", "koc"], 1.0)  # ko: ta, tb, c; kot: a, b
    assert learned_cuts(equal, known, 5, 2)["kota"] == (2,)
    tie = dict.fromkeys(["kota", "kotb"], 1.0)
    assert learned_cuts(tie, known, 5, 2)["kota"] == (2,)


def test_spaces_counts_and_order_of_words():
    counts = {" walks": 2.0, "walks": 1.0, " walked": 1.0, "walk": 1.0, " walking": 0.0}
    found = learned_cuts(counts, KNOWN, 5, 3)
    assert found == {"walks": (4,), "walked": (4,)}  # a word of count 0 is neither evidence nor cut
    assert list(found) == ["walks", "walked"]
    backwards = learned_cuts(dict(reversed(counts.items())), KNOWN, 5, 3)
    assert backwards == found and list(backwards) == ["walked", "walks"]


def test_no_cut_breaks_a_letter():
    words = dict.fromkeys(["कढ\u093cा", "कढा", "कढी", "कढे"], 1.0)
    found = learned_cuts(words, {"\u093cा": 9, "ा": 9, "ी": 9, "े": 9}, 5, 3)
    assert found == {"कढा": (2,), "कढी": (2,), "कढे": (2,)}


def test_thresholds():
    for bad in ({"lemmas": 0}, {"suffixes": 0}, {"least": 0}):
        with pytest.raises(
            ConfigError, match=f"thresholds of at least 1, found .*{next(iter(bad))}=0"
        ):
            learned_cuts({"a": 1.0}, KNOWN, **bad)
    with pytest.raises(ConfigError, match="expected suffixes that 10 lemmas take, found at most 9"):
        learned_cuts({"a": 1.0}, KNOWN | {"": 99}, lemmas=10)
    with pytest.raises(ConfigError, match="found at most 0; lower lemmas"):
        learned_cuts({"a": 1.0}, {"": 99})


def test_segmented_words_of_a_file(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("करता\tकर·ता\n\nunhappily\tun·happi·ly\nघर\tघर\nकरता\tकर·ता\n", "utf-8")
    found = read_cuts(path)
    assert found == {"करता": (2,), "unhappily": (2, 7), "घर": ()}
    packed = tmp_path / "words.tsv.gz"
    packed.write_bytes(gzip.compress(path.read_text("utf-8").replace("·", "-").encode()))
    assert read_cuts(packed, "-") == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected segmented words, found an empty file; write lines such as करता TAB कर·ता"),
        ("करता कर·ता\n", "words.tsv:1: expected word TAB morphemes parted by '·'"),
        ("\tकर·ता\n", "expected word TAB"),
        (" करता\t कर·ता\n", "expected word TAB"),
        ("करता\tकर··ता\n", "expected word TAB"),
        ("करता\t\n", "expected word TAB"),
        (
            "\ncity\tcit·ies\n",
            "words.tsv:2: expected morphemes that make up 'city', found 'cities'",
        ),
        ("abc\ta·bc\nabc\tab·c\n", "words.tsv:2: expected one segmentation of 'abc'"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "words.tsv"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError) as error:
        read_cuts(path)
    assert message in str(error.value)
    with pytest.raises(ConfigError, match="expected a separator of morphemes, found an empty text"):
        read_cuts(path, "")
    with pytest.raises(DataError, match="expected a text file in UTF-8"):
        read_cuts(tmp_path / "missing")


def test_aksharas_kept_by_hand():
    given = {
        "करूँगा": (2,),
        "तरसी": (3,),
        "करता": (2,),
        "unhappily": (2, 7),
        "कियाता": (1, 2),
        "घर": (),
    }
    kept = keep_aksharas(given)
    assert {shown(word, places) for word, places in kept.items()} == {
        "करूँ|गा", "तरसी", "कर|ता", "un|happi|ly", "कि|याता", "घर",
    }  # fmt: skip
    assert keep_aksharas({"क्या": (1,), "सत्य": (2, 3)}) == {"क्या": (), "सत्य": ()}


def test_word_table_by_hand():
    counts = {" करता": 5, "करता": 2, " ता": 1, "ता": 4, "घर": 3, " ": 1, "": 2}
    table = cut(counts, {"करता": (2,), "घर": ()})
    assert table == {" कर": 5, "ता": 11, "कर": 2, " ता": 1, "घर": 3, " ": 1, "": 2}
    assert cut({" unhappily": 1}, {"unhappily": (2, 7)}) == {" un": 1, "happi": 1, "ly": 1}
    assert cut(counts, {}) == counts


@pytest.mark.parametrize("places", [(0,), (4,), (-1,), (2, 2), (3, 1), (9,)])
def test_bad_places(places):
    message = r"cuts of 'करता': expected rising places from 1 to 3, found \["
    with pytest.raises(DataError, match=message):
        cut({" करता": 1}, {"करता": places})
    with pytest.raises(DataError, match=message):
        keep_aksharas({"करता": places})


tables = st.dictionaries(st.text(" abकरताीूँ\u093c\u094d", max_size=8), st.integers(0, 9), max_size=8)


@given(tables, st.data())
def test_every_character_is_counted_as_often_as_before(counts, data):
    places = {}
    for word in {word.removeprefix(" ") for word in counts}:
        inner = st.sets(st.integers(1, len(word) - 1)) if len(word) > 1 else st.just(set())
        places[word] = tuple(sorted(data.draw(inner)))

    def characters(table):
        sums = {}
        for word, count in table.items():
            for character in word:
                sums[character] = sums.get(character, 0) + count
        return sums

    table = cut(counts, places)
    assert characters(table) == characters(counts)
    kept = keep_aksharas(places)
    assert characters(cut(counts, kept)) == characters(counts)
    for word, moved in kept.items():
        assert all(between_aksharas(word, place) for place in moved)
        assert len(moved) <= len(places[word])
    assert keep_aksharas(kept) == kept


def test_no_merge_is_learned_across_a_cut():
    """कर and ता are always together; plain BPE joins them, constrained BPE never sees them meet."""
    tokenizers = pytest.importorskip("tokenizers")

    def tokens(counts):
        model = tokenizers.Tokenizer(tokenizers.models.BPE())
        model.pre_tokenizer = tokenizers.pre_tokenizers.Split("\n", "removed")
        trainer = tokenizers.trainers.BpeTrainer(vocab_size=50, show_progress=False)
        model.train_from_iterator([(word + "\n") * int(n) for word, n in counts.items()], trainer)
        return model.encode(" करता").tokens

    counts = {" करता": 50, " मरता": 20, "ता": 1}
    assert tokens(counts) == [" करता"]
    assert tokens(cut(counts, {"करता": (2,), "मरता": (2,)})) == [" कर", "ता"]
