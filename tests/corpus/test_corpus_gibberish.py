"""Gibberish: signs without a model, and windows of a model with a calibrated bound."""

from __future__ import annotations

import base64
import gzip
import json
import math
import string
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import mishran.run
from mishran.corpus.gibberish import (
    FEWEST,
    MAX_BLOB,
    MAX_BLOB_SHARE,
    MAX_STRAY_SIGNS,
    MAX_UNSAYABLE,
    WINDOW,
    Bound,
    calibrate,
    garbled,
    signs,
    sound,
    squeezed,
    verdict,
    windows_of,
)
from mishran.corpus.prose_model import train_prose_model
from mishran.errors import DataError

ENGLISH = "The river was low that year, and nobody crossed it after the first week of harvest. "
HINDI = "उस साल नदी में पानी कम था और फसल के पहले सप्ताह के बाद किसी ने उसे पार नहीं किया। "


class Trigrams:
    """A stand-in for a model of prose: trigrams of characters with add-one smoothing."""

    def __init__(self, texts):
        self.three, self.two, self.known = Counter(), Counter(), set()
        for text in map(squeezed, texts):
            self.known |= set(text)
            self.three.update(text[i : i + 3] for i in range(len(text) - 2))
            self.two.update(text[i : i + 2] for i in range(len(text) - 1))

    def character_bits(self, text):
        kinds = len(self.known) + 1
        bits = [math.log2(kinds)] * min(2, len(text))
        for i in range(2, len(text)):
            likely = (self.three[text[i - 2 : i + 1]] + 1) / (self.two[text[i - 2 : i]] + kinds)
            bits.append(-math.log2(likely))
        return np.array(bits)

    def bits_per_character(self, text):
        return float(self.character_bits(text).mean()) if text else None


def rng(seed=0):
    return np.random.default_rng(seed)


def random_words(letters, number, seed=0):
    r = rng(seed)
    return " ".join("".join(r.choice(list(letters), r.integers(3, 10))) for _ in range(number))


# ---- without a model ----


def blob(size, seed=0):
    return base64.b64encode(rng(seed).bytes(size)).decode()


def test_encoded_blobs():
    good = ENGLISH * 20
    assert verdict(good) is None
    assert verdict(good + blob(300)) == "encoded-blob"
    assert verdict(good + rng().bytes(200).hex()) == "encoded-blob"
    assert verdict(ENGLISH + "\n".join(blob(48, i) for i in range(3))) == "encoded-blob"
    # One checksum, a long path, a long name, a row of dashes or a number are none.
    for fine in (
        rng().bytes(32).hex(),
        "usr/share/lib/" * 5,
        "averylongname" * 5,
        "-" * 80,
        "=" * 90,
    ):
        assert verdict(ENGLISH * 3 + fine) is None, fine
    seen = signs(good + blob(300))
    assert seen.longest_blob == 400 > MAX_BLOB and seen.blob_share < MAX_BLOB_SHARE
    assert signs("0123456789" * 5).longest_blob == 50  # hex without letters is one


def test_unsayable_words():
    assert verdict(random_words(string.ascii_lowercase, 200)) == "unsayable-words"
    assert verdict(random_words("asdfghjkl" * 3 + "qwertyuiop", 200)) == "unsayable-words"
    page = "# wkhtmltopdf\n" + "".join(f"wkhtmltopdf does {word}\n" for word in ENGLISH.split()) * 9
    assert signs(page).unsayable is None  # too few different words to say
    assert verdict(page) is None
    assert signs(random_words("bcdfg", 5)).unsayable is None
    assert signs(ENGLISH).unsayable == 0


@pytest.mark.parametrize("first", [0x900, 0x980, 0xA00, 0xA80, 0xB00, 0xB80, 0xC00, 0xC80, 0xD00])
def test_stray_vowel_signs_in_nine_scripts(first):
    consonant, sign = chr(first + 0x15), chr(first + 0x3F)
    good = f"{consonant}{sign}{consonant} " * 30
    assert signs(good).stray_signs == 0 and verdict(good) is None
    assert signs(f"{consonant}{sign}{sign} " * 30).stray_signs == 0.5
    assert verdict(f"{sign}{consonant} " * 30) == "stray-vowel-signs"
    assert signs(good[:18]).stray_signs is None


def test_what_may_carry_a_vowel_sign():
    for good in (
        "ज़ि",
        "ड़ी",
        "क़ा",
        "अॅ",
        "आॅ",
        "को",
        "\u0995\u09c7\u09be",
    ):  # the last: o in two parts
        assert signs(f"{good} " * 40).stray_signs == 0, good
    for bad in ("इि", "कंि", "क ि", "1ि", "aि", "\u0995\u093f", "कीि"):
        assert signs(f"{bad} " * 40).stray_signs >= 0.5, bad
    shuffled = "".join(rng().permutation(list(HINDI * 4)))
    assert signs(shuffled).stray_signs > 3 * MAX_STRAY_SIGNS


@given(st.text(max_size=300))
def test_signs_of_any_text(text):
    seen = signs(text)
    for share in (seen.blob_share, seen.unsayable, seen.stray_signs):
        assert share is None or 0 <= share <= 1
    assert seen.longest_blob <= len(text)


# ---- windows and their bound ----


def cut_out(bits_per_character):
    """The oracle: windows that are cut out of the text, each scored as a text of its own."""

    def windowed(text):
        clean = squeezed(text)
        last = max(len(clean) - WINDOW, 0)
        starts = sorted({*range(0, last + 1, WINDOW // 2), last}) if clean else []
        return np.array([bits_per_character(clean[at : at + WINDOW]) for at in starts], float)

    return windowed


@given(st.text("ab \n", max_size=700))
@example("ab" * 150)
def test_windows_cover_the_text_and_are_those_of_the_oracle(text):
    model = Trigrams(["abba ab"])
    clean = squeezed(text)
    # Half a window apart, from the beginning to the end.
    covered = windows_of(lambda t: np.arange(len(t), dtype=float))(text)
    starts = max(len(clean) - WINDOW, 0) / (WINDOW / 2)
    assert len(covered) == (math.ceil(starts) + 1 if clean else 0)
    if clean:
        assert covered[0] == (min(WINDOW, len(clean)) - 1) / 2
        assert covered[-1] == pytest.approx(len(clean) - 1 - covered[0])
        assert max(np.diff(covered), default=0) <= WINDOW / 2
    # Without a context there is no difference, but of rounding.
    letters = {"a": 1.5, "b": 4.0, " ": 0.25}
    plain = windows_of(lambda t: np.array([letters[c] for c in t]))
    alone = cut_out(lambda t: sum(letters[c] for c in t) / len(t))
    assert plain(text) == pytest.approx(alone(text), rel=1e-12)
    # The first two characters of a window have no context in one of them, hence the tolerance.
    one, other = cut_out(model.bits_per_character), windows_of(model.character_bits)
    worst = 2 * math.log2(4) / max(min(WINDOW, len(clean)), 1)
    assert np.abs(one(text) - other(text)).max(initial=0) <= 4 * worst


def test_the_bound_is_the_conformal_quantile():
    score = cut_out(float)
    seeds = [str(i) for i in range(1, 100)]
    assert calibrate(score, seeds, 0.9).bits == 90  # rank ceil(100 * 0.9)
    bound = calibrate(score, sound([*seeds, " "]), 0.99)
    assert (bound.bits, bound.quantile, bound.documents) == (99, 0.99, 99)
    assert verdict("99", [(score, bound.bits)]) is None
    assert verdict("100", [(score, bound.bits)]) == "gibberish"


def test_few_documents_have_a_lower_quantile_and_fewer_no_bound():
    score = cut_out(float)
    seeds = [str(i) for i in range(1, 100)]
    assert calibrate(score, seeds, 0.995) == Bound(99, 0.99, 99)
    assert calibrate(score, seeds[:FEWEST]) == Bound(FEWEST, FEWEST / (FEWEST + 1), FEWEST)
    with pytest.raises(DataError) as error:
        calibrate(score, seeds[: FEWEST - 1])
    assert str(error.value) == (
        "gibberish: expected 20 texts to calibrate a bound on, found 19; give more seed text, or write "
        "gibberish: false"
    )


def test_seed_that_the_signs_condemn_does_not_set_the_bound():
    score = cut_out(len)
    seeds = ["word " * number for number in range(1, FEWEST + 1)]
    mashed = random_words(string.ascii_lowercase, 200)
    assert sound([*seeds, blob(300), " \n", "", mashed]) == seeds
    alone = calibrate(score, seeds, 0.9)
    assert alone.bits == 5 * 19 - 1  # rank ceil(21 * 0.9)
    assert calibrate(score, sound([*seeds, blob(300)]), 0.9) == alone
    assert calibrate(score, [*seeds, blob(300)], 0.9).bits > alone.bits


def test_the_same_seed_gives_the_same_bound():
    """Words are garbled by chance: where garbled text sets the bound, the seed decides which."""
    score = windows_of(Trigrams([ENGLISH * 5]).character_bits)
    seeds = [(ENGLISH * 5)[at : at + 300] for at in range(0, 100, 2)]
    assert calibrate(score, seeds, seed=3) == calibrate(score, seeds, seed=3)
    assert len({calibrate(score, seeds, seed=seed).bits for seed in range(5)}) > 1


def test_a_window_counts_that_is_beyond_all_bounds():
    def marked(*beyond):
        return (lambda text: np.array([float(i in beyond) for i in range(8)])), 0.5

    assert verdict(ENGLISH) is verdict(ENGLISH, ()) is verdict(ENGLISH, [marked(0)]) is None
    assert verdict(ENGLISH, [marked(0, 5)]) == "gibberish"  # two of eight are a quarter
    both = [marked(0, 1, 2, 5), marked(2, 3, 5, 7)]
    assert verdict(ENGLISH, iter(both)) == verdict(ENGLISH, both[::-1]) == "gibberish"
    assert verdict(ENGLISH, [*both, marked(2, 3, 4)]) is None
    assert verdict(blob(300), [marked()]) == "encoded-blob"
    silent = (lambda text: np.array([])), 0.5
    assert verdict(ENGLISH, [silent]) is None


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=4))
def test_the_verdict_is_that_of_all_windows_at_once(rows):
    models = [((lambda text, row=row: np.array(row, float)), 0.5) for row in rows]
    share = np.logical_and.reduce(np.array(rows)).mean()
    assert verdict(ENGLISH, models) == ("gibberish" if share >= 0.25 else None)


def test_a_page_in_two_languages_is_judged_by_the_models_of_both():
    models = []
    for text in (HINDI, ENGLISH):
        windows = windows_of(Trigrams([text * 5]).character_bits)
        seeds = [(text * 5)[at : at + 300] for at in range(0, 60, 2)]
        models.append((windows, calibrate(windows, seeds).bits))
    mixed = HINDI * 3 + ENGLISH * 3
    assert verdict(mixed, models[:1]) == verdict(mixed, models[1:]) == "gibberish"
    assert verdict(mixed, models) is None
    assert verdict(garbled(mixed, rng()), models) is not None


def test_new_documents_exceed_the_bound_as_seldom_as_said():
    """Coverage over many draws: at least the quantile, and not much more."""
    r, missed = rng(1), []
    score = cut_out(float)
    for _ in range(400):
        draws = [f"{x:.6f}" for x in r.random(100)]
        bound = calibrate(score, draws[:99], 0.9)
        missed.append(verdict(draws[99], [(score, bound.bits)]) == "gibberish")
    assert 0.06 < np.mean(missed) < 0.14


# ---- real text ----


@cache
def real(folder, name):
    with gzip.open(folder / "pretrain" / f"{name}.train.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"][:2000] for _, line in zip(range(500), lines, strict=False)]


@pytest.fixture(scope="module", params=["en_fiction", "hi_literature"])
def judged(request, data_root):
    """(windows, bound, documents that neither model nor bound has seen)."""
    texts = real(data_root, request.param)
    windows = windows_of(Trigrams(texts[:150]).character_bits)
    return windows, calibrate(windows, sound(texts[150:350]), 0.98), texts[350:]


def test_held_out_documents_stay(judged):
    windows, bound, held_out = judged
    dropped = [verdict(text, [(windows, bound.bits)]) for text in held_out]
    assert sum(reason is not None for reason in dropped) <= 0.08 * len(held_out)


def test_planted_gibberish_is_found(judged):
    windows, bound, held_out = judged
    r = rng(3)
    letters = [c for c in set("".join(held_out)) if c.isalpha()]

    def planted(text):
        text = squeezed(text)
        inside = text[:600], text[600:900]
        yield "".join(r.permutation(list(text[:500]))).join(inside)  # shuffled characters
        yield garbled(text[:600], r).join(inside)
        yield random_words(letters, 100, int(r.integers(99))).join(inside)
        yield f" {blob(300)} ".join(inside)
        yield f" {r.bytes(300).hex()} ".join(inside)

    found = [
        [verdict(text, [(windows, bound.bits)]) is not None for text in planted(t)]
        for t in held_out[:60]
    ]
    shares = np.mean(found, axis=0)
    assert (shares[[0, 2, 3, 4]] > 0.9).all() and shares[1] > 0.5, (
        shares
    )  # trigrams are a weak model


def test_real_text_has_few_signs(data_root):
    """Bounds without a model: nothing in 8 kinds of text, and half a bound away from most."""
    for name in (
        "en_cli",
        "en_web",
        "en_tech",
        "en_wiki",
        "hi_guides",
        "hi_literature",
        "hi_stories",
    ):
        for text in real(data_root, name):
            assert verdict(text) is None, text[:100]
    path = data_root / "parallel" / "flores101_devtest.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for language in [
        "asm",
        "ben",
        "guj",
        "hin",
        "kan",
        "mal",
        "mar",
        "npi",
        "ory",
        "pan",
        "tam",
        "tel",
    ]:
        for i in range(0, 1000, 10):
            seen = signs(" ".join(row[language] for row in rows[i : i + 10]))
            assert seen.stray_signs is not None and seen.stray_signs < MAX_STRAY_SIGNS / 2
    for i in range(0, 1000, 10):
        assert signs(" ".join(row["deu"] for row in rows[i : i + 10])).unsayable < MAX_UNSAYABLE / 2


def test_babble_of_the_models_own_kind_is_not_found(judged):
    """The limit that the docstring states: a chain of trigrams looks like its own language."""
    windows, bound, held_out = judged
    text, r = squeezed(" ".join(held_out[:40])), rng(5)
    after = {}
    for i in range(len(text) - 3):
        after.setdefault(text[i : i + 3], []).append(text[i + 3])
    babble = text[:3]
    while len(babble) < 1000:
        babble += str(r.choice(after.get(babble[-3:], [" "])))
    assert verdict(babble, [(windows, bound.bits)]) is None


def test_code_is_unlike_prose_and_no_gibberish(data_root):
    """What is merely unlike the seed stays; the same with the characters of its words shuffled does not."""
    seeds = [*real(data_root, "en_web"), *real(data_root, "en_science")]
    windows = windows_of(train_prose_model(seeds[::2]).character_bits)
    bound = calibrate(windows, sound(seeds[1::4]))
    code = Path(mishran.run.__file__).read_text()
    texts = [code[at : at + 1500] for at in range(0, 9000, 1500)]
    assert [verdict(text, [(windows, bound.bits)]) for text in texts] == [None] * len(texts)
    spoilt = [garbled(text, rng(i)) for i, text in enumerate(texts)]
    assert sum(verdict(text, [(windows, bound.bits)]) is not None for text in spoilt) >= 4


def test_the_bound_is_where_garbled_seed_text_is():
    """Between good and garbled text of a language there is room, and the bound lies at its upper end."""
    model = Trigrams([ENGLISH * 5])
    score = windows_of(model.character_bits)
    seeds = [(ENGLISH * 5)[at : at + 300] for at in range(0, 100, 2)]
    bound = calibrate(score, seeds, 0.9)
    assert max(np.median(score(text)) for text in seeds) < bound.bits
    spoilt = [verdict(garbled(text, rng(i)), [(score, bound.bits)]) for i, text in enumerate(seeds)]
    assert np.mean([reason is not None for reason in spoilt]) > 0.8
