"""Planted dirt is what it says it is, and the judge of a cleaning judges rightly."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "bilingual-corpus"
sys.path.insert(0, str(EXAMPLE))

from dirt import (  # noqa: E402
    KINDS,
    Planted,
    Texts,
    pii,
    plant,
    rng_of,
)
from dirt import duplicates as dup  # noqa: E402
from dirt.boilerplate import LINES, line  # noqa: E402
from dirt.evaluation import items  # noqa: E402
from dirt.languages import FIRST, MIXED_TO, code_mixed  # noqa: E402
from dirt.mojibake import misread  # noqa: E402
from dirt.planted import SEED, UTTERANCES, expand, insert, read_rows, weave  # noqa: E402
from judge import Fate, fold, judge, left  # noqa: E402

LIMIT, NUM = 1500, 66
PAIRS = ("near-duplicate", "exact-duplicate")


@pytest.fixture(scope="module")
def texts(data_root: Path) -> Texts:
    return Texts(data_root, seed=0, limit=LIMIT)


@pytest.fixture(scope="module")
def planted(texts: Texts) -> dict[str, list[Planted]]:
    return {kind: plant(kind, NUM, rng_of(0, kind), texts) for kind in KINDS}


# ---- check digits, by other means than the ones they were made with


def luhn(number: str) -> bool:
    """Doubling by table, from the left."""
    twice = "0246813579"
    own = number.zfill(20)
    return sum(int(twice[int(c)]) if i % 2 == 0 else int(c) for i, c in enumerate(own)) % 10 == 0


# The printed tables of the dihedral code.
D = [
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
]
P = [
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
]


def verhoeff(number: str) -> bool:
    c = 0
    for i, digit in enumerate(reversed(number)):
        c = int(D[c][int(P[i % 8][int(digit)])])
    return c == 0


def ascii_digits(text: str) -> str:
    return "".join(str(int(c)) for c in text if c.isdecimal())


def test_published_check_digits():
    """7992739871-3 of the Luhn patent's usual example, 236-3 of Verhoeff's."""
    assert pii.luhn_digit("7992739871") == 3 and pii.verhoeff_digit("236") == 3
    assert luhn("79927398713") and verhoeff("2363")


def test_numbers_pass_and_fail_as_they_say():
    rng = np.random.default_rng(1)
    for _ in range(400):
        form = pii.pick(pii.DIRTY[10:14], rng)
        assert luhn(ascii_digits(pii.card(form, rng)))
        assert not luhn(ascii_digits(pii.card(form, rng, passes=False)))
        good, bad = pii.aadhaar(rng, devanagari=True), pii.aadhaar(rng, passes=False)
        assert verhoeff(ascii_digits(good)) and len(ascii_digits(good)) == 12
        assert not verhoeff(ascii_digits(bad)) and len(ascii_digits(bad)) == 12
        assert re.fullmatch(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", pii.pan(rng))
        odd = pii.pan(rng, possible=False)
        assert re.fullmatch(r"[A-Z]{5}\d{4}[A-Z]", odd) and odd[3] not in "ABCEFGHJKLPT"


def test_telephone_numbers_have_the_digits_that_they_should():
    rng = np.random.default_rng(2)
    for _ in range(200):
        assert re.fullmatch(r"0?[6-9]\d{9}", ascii_digits(pii.phone("phone-mobile", rng)))
        assert re.fullmatch(r"(00)?91[6-9]\d{9}", ascii_digits(pii.phone("phone-91", rng)))
        assert re.fullmatch(
            r"(0|91)[1-8]\d[2-7]\d{7}", ascii_digits(pii.phone("phone-landline", rng))
        )
        local = pii.phone("phone-devanagari", rng)
        assert not re.search("[0-9]", local) and re.search("[०-९]", local)


def test_isbn():
    rng = np.random.default_rng(3)
    for _ in range(200):
        text = pii.isbn(rng).removeprefix("ISBN ").replace("-", "")
        values = [10 if c == "X" else int(c) for c in text]
        if len(values) == 13:
            assert sum(v * (1, 3)[i % 2] for i, v in enumerate(values)) % 10 == 0
        else:
            assert sum(v * (10 - i) for i, v in enumerate(values)) % 11 == 0


# ---- similarity


def test_similarity_is_what_it_says(planted):
    """By brute force: every 5-gram of one looked for in the other, spans of the list compared."""
    checked = 0
    for p in [*planted["near-duplicate"], *planted["exact-duplicate"]]:
        a, b = p.text.split(), (p.partner or "").split()
        x = list({" ".join(a[i : i + 5]) for i in range(len(a) - 4)})
        y = list({" ".join(b[i : i + 5]) for i in range(len(b) - 4)})
        common = sum(g in y for g in x)
        assert p.jaccard == pytest.approx(common / (len(x) + len(y) - common), abs=1e-12)
        if p.kind == "exact-duplicate":
            assert p.jaccard == 1.0
        elif not p.hard:
            low, high = map(float, p.form.split()[1].split("-"))
            assert low <= p.jaccard < high
        elif p.form != "translation":
            assert 0.3 <= p.jaccard <= 0.6
        checked += 1
    assert checked == 3 * NUM


def test_every_bin_and_form_of_similarity_is_there(planted):
    forms = {p.form for p in planted["near-duplicate"] if not p.hard}
    assert {f.split()[1] for f in forms} == {f"{a:.2f}-{b:.2f}" for a, b in dup.BINS}
    assert {f.split()[0] for f in forms} == set(dup.FORMS)


def test_too_short_for_a_similarity():
    with pytest.raises(ValueError, match="expected a text of at least 60 words, found 5"):
        dup.near("one two three four five", "words", 0.7, 0.75, ["six"], np.random.default_rng(0))


def test_no_two_pieces_are_near_duplicates(texts):
    """Or what is dropped as a duplicate would not be what was planted as one."""
    for language in ("en", "hi"):
        seen: dict[tuple[str, ...], int] = {}
        for i, piece in enumerate(texts.pools[language]):
            own = dup.grams(piece.text.lower())
            shared = sum(g in seen for g in own)
            assert shared <= 0.45 * len(own), piece.source
            seen.update(dict.fromkeys(own, i))


# ---- the plan


def test_numbers_languages_and_names(planted):
    for kind, found in planted.items():
        both = kind not in ("untouched", "exact-duplicate")
        assert len(found) == (2 if both else 1) * NUM, kind
        assert len({p.id for p in found}) == len(found)
        assert sum(p.hard for p in found) == (0 if kind == "exact-duplicate" else NUM)
        if kind != "languages":
            for hard in {p.hard for p in found}:
                own = [p.language for p in found if p.hard == hard]
                assert abs(own.count("en") - own.count("hi")) <= 1
        assert all(p.text.strip() for p in found)


def test_no_piece_is_used_twice(planted):
    """Not within a kind, not across kinds."""
    firsts = [
        p.clean[:80] for kind, found in planted.items() for p in found
        if kind in ("untouched", "pii", "boilerplate", "menus") and not p.hard
    ]  # fmt: skip
    assert len(set(firsts)) == len(firsts)


def test_what_was_planted_is_in_the_text_and_not_in_the_clean_one(planted):
    for kind in ("boilerplate", "pii", "menus", "evaluation"):
        for p in planted[kind]:
            for span in p.spans:
                assert fold(span) in fold(p.text), (p.id, span)
            for kept in p.keep:
                assert fold(kept) in fold(p.text), (p.id, kept)
            if not p.hard:
                assert p.spans and left(p, p.text) == 1.0 and left(p, p.clean) == 0.0, p.id


def of_sources(p: Planted) -> list[str]:
    """`domain:id` of every document that the planted one was made of; ids may have blanks."""
    return re.split(r" (?=[a-z]+_[a-z]+:|hindi/|tasks/)", p.source)


def test_seed_text_is_never_planted(planted, data_root):
    """Neither the first eighth of a file nor the first half of FLORES."""
    paths = sorted((data_root / "pretrain").glob("*.train.jsonl.gz"))
    head, rest = set(), set()
    for path in paths:
        rows = read_rows(path)
        ids = [f"{path.name.removesuffix('.train.jsonl.gz')}:{row['id']}" for row in rows]
        head |= set(ids[: int(SEED * len(rows))])
        rest |= set(ids[int(SEED * len(rows)) :])
    assert head and not head & rest
    for kind, found in planted.items():
        for p in found:
            own = [s for s in of_sources(p) if re.match("(en|hi|hing)_", s)]
            assert not head.intersection(own) and rest.issuperset(own), (p.id, p.source)
            if kind in ("near-duplicate", "repetition", "untouched"):
                assert own or p.source.startswith("hinglish_top"), (p.id, p.source)
    rows = read_rows(data_root / "parallel" / "flores101_devtest.jsonl.gz")
    learned = [str(r["mar"]).strip() for r in rows[:FIRST]]
    for p in planted["languages"]:
        if p.language == "mr" or p.form == "quotes-marathi":
            assert not any(x in p.text for x in learned)


def test_translations_are_of_each_other_and_each_comes_once(texts):
    """The same piece of the same document, and what is planted elsewhere is not like it."""
    found = dup.translations(texts)
    assert len(found) > 50
    for english, hindi, source in found:
        one, two = source.split(" hi_")
        rows = {}
        for name, domain in (("en", one.partition(":")[0]), ("hi", f"hi_{two.partition(':')[0]}")):
            own = {f"{domain}:{r['id']}": r for r in texts.rows(f"pretrain/{domain}.train")}
            rows[name] = own[one if name == "en" else f"hi_{two}"]
        assert rows["en"]["pair"] == rows["hi"]["pair"]
        assert rows["en"]["id"].split("#")[1] == rows["hi"]["id"].split("#")[1]
        assert rows["en"]["text"].startswith(english) and rows["hi"]["text"].startswith(hindi)
    every = [text for english, hindi, _ in found for text in (english, hindi)]
    assert len(set(every)) == len(every)
    pieces = [p for p in texts.pools["en"] if p.source.startswith("en_tech")]
    by_source = {source.partition(" hi_")[0]: english for english, _, source in found}
    beside = [dup.jaccard(by_source[p.source], p.text) for p in pieces if p.source in by_source]
    assert beside and max(beside) < dup.LIKE


def test_a_translation_is_in_the_language_that_it_says(planted):
    found = [p for p in planted["near-duplicate"] if p.form == "translation"]
    assert len(found) == NUM // 3
    for p in found:
        devanagari = [len(re.findall("[\u0900-\u097f]", x)) / len(x) for x in (p.text, p.partner)]
        assert (devanagari[0] > devanagari[1]) == (p.language == "hi"), p.id


def test_what_is_near_another_text_is_left_away():
    words = [f"w{i}" for i in range(60)]
    far, near, same = " ".join(words[::-1]), " ".join(words[:50]), " ".join(words)
    assert dup.unlike([far, near, same], [same]) == [True, False, False]
    assert dup.unlike([far, near], []) == [True, True]


def test_no_two_look_alikes_are_near_duplicates(planted):
    """Of other pairs than the planted ones: what is dropped for that is not the fault of the rules."""
    where: dict[tuple[str, ...], list[int]] = {}
    names, sizes, hard = [], [], []
    for p in (p for found in planted.values() for p in found):
        for text in (p.text, p.partner):
            if text is not None:
                own = dup.grams(text)
                for gram in own:
                    where.setdefault(gram, []).append(len(names))
                names.append(p.id)
                sizes.append(len(own))
                hard.append(p.hard)
    shared: dict[tuple[int, int], int] = {}
    for found in where.values():
        for i, a in enumerate(found):
            for b in found[i + 1 :]:
                if (hard[a] or hard[b]) and names[a] != names[b]:
                    shared[a, b] = shared.get((a, b), 0) + 1
    near = [
        (names[a], names[b]) for (a, b), n in shared.items() if n >= 0.6 * (sizes[a] + sizes[b] - n)
    ]
    assert not near


def test_code_mixed_documents_share_no_sentence(texts):
    """As many as a full proof asks for, of sentences that are neither pieces nor seed text."""
    found = code_mixed(texts, np.random.default_rng(0))
    assert len(found) >= 1000 // 12
    rows = [str(r["target"]) for r in texts.rows("hindi/hinglish_top_en2hing")]
    own, others = set(rows[UTTERANCES:MIXED_TO]), {*rows[:UTTERANCES], *rows[MIXED_TO:]}
    sentences = [s for text in found for s in text.split(". ")]
    assert len(sentences) >= 8 * len(found)
    parts = {s for sentence in own for s in sentence.split(". ")}
    assert parts.issuperset(sentences)
    # a few are of two sentences, and some of those are commonplaces
    assert len(set(sentences)) >= 0.98 * len(sentences)
    assert len(others.intersection(sentences)) <= 0.01 * len(sentences)
    assert all(dup.jaccard(a, b) < 0.1 for i, a in enumerate(found) for b in found[:i])


def test_mojibake_can_be_undone_where_nothing_was_lost(planted):
    """By encoding back, byte by byte: an oracle that does not know the generator's tables."""
    undone = 0
    for p in planted["mojibake"]:
        if p.hard:
            continue
        assert p.text != p.clean and p.spans
        if p.form in ("latin-1", "cp1252", "twice"):
            text = p.text
            for _ in range(2 if p.form == "twice" else 1):
                data = bytearray()
                for c in text:
                    data += c.encode("latin-1") if ord(c) < 256 else c.encode("cp1252")
                text = data.decode("utf-8")
            assert text == p.clean
            undone += 1
    assert undone > 10
    assert misread("é", "latin-1") == "Ã©" and misread("“", "cp1252") == "â€œ"


def test_boilerplate_has_many_surface_forms():
    rng = np.random.default_rng(0)
    for language, forms in LINES.items():
        found = {line(language, pii.pick(list(forms), rng), rng) for _ in range(600)}
        assert len(found) >= 60, language
        assert not any(re.search(r"[{}|]{2}|\{|\}", x) for x in found)


def test_no_item_of_big_bench_hard(texts):
    names = {item.source.split(":")[0] for g in ("en", "hi") for item in items(texts, g)}
    assert len(names) == 9 and not any("bbh" in n for n in names)


def test_no_template_is_left_open(planted):
    for found in planted.values():
        for p in found:
            assert "\x00" not in p.text and "\x01" not in p.text and "{x}" not in p.text


def test_more_than_there_is(texts):
    with pytest.raises(ValueError, match=r"expected more than .* found no more; plant fewer"):
        plant("pii", 5000, rng_of(0, "pii"), texts)
    with pytest.raises(ValueError, match=r"kind: expected one of mojibake, .* found 'mud'"):
        plant("mud", 1, np.random.default_rng(0), texts)


# ---- determinism


def digest(found: list[Planted]) -> str:
    return hashlib.sha256(repr(found).encode()).hexdigest()


def test_the_same_in_another_process_and_alone(planted, data_root):
    """Another hash seed, one kind only."""
    code = (
        f"import sys, hashlib; sys.path.insert(0, {str(EXAMPLE)!r})\n"
        "from pathlib import Path; from dirt import *\n"
        f"t = Texts(Path({str(data_root)!r}), seed=0, limit={LIMIT})\n"
        "for kind in ('gibberish', 'pii', 'near-duplicate', 'languages'):\n"
        f"    print(hashlib.sha256(repr(plant(kind, {NUM}, rng_of(0, kind), t)).encode()).hexdigest())\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
        check=True,
    ).stdout.split()
    assert said == [digest(planted[k]) for k in ("gibberish", "pii", "near-duplicate", "languages")]


def test_another_seed_is_other_dirt(texts, planted):
    assert digest(plant("pii", NUM, rng_of(1, "pii"), texts)) != digest(planted["pii"])


# ---- the judge


def fates_of(p: Planted, text: str | None) -> tuple[Fate, Fate | None]:
    one = Fate(text) if text is not None else Fate(None, None, "why")
    return one, (None if p.partner is None else Fate(p.partner))


def test_a_cleaning_that_does_nothing(planted):
    """Catches nothing and harms nothing."""
    for found in planted.values():
        for p in found:
            outcome = judge(p, *fates_of(p, p.text))
            assert not outcome.caught and not outcome.wrong, (p.id, outcome)


def test_a_perfect_cleaning(planted):
    for found in planted.values():
        for p in found:
            ideal = p.text if p.hard else (p.clean if p.clean and p.kind not in PAIRS else None)
            outcome = judge(p, *fates_of(p, ideal))
            assert outcome.caught != p.hard and not outcome.wrong and not outcome.both, (
                p.id,
                outcome,
            )
            if ideal is not None and p.clean:
                assert outcome.good == 1.0


def test_a_cleaning_that_drops_everything(planted):
    for found in planted.values():
        for p in found:
            partner = None if p.partner is None else Fate(None, None, "why")
            outcome = judge(p, Fate(None, None, "why"), partner)
            assert outcome.caught != p.hard and outcome.wrong == p.hard and outcome.reason == "why"
            assert outcome.both == (p.partner is not None)


def test_normalising_is_no_harm(planted):
    """Quotes, danda, digits, white space: what normalisation may change is not judged."""
    swap = str.maketrans({"“": '"', "”": '"', "’": "'", "—": "-", "।": "|", "१": "1", "२": "2"})
    for kind in ("mojibake", "pii", "untouched", "menus"):
        for p in planted[kind]:
            if p.hard:
                assert not judge(p, Fate(" ".join(p.text.translate(swap).split()))).wrong, p.id


def test_half_a_number_is_still_a_number():
    p = Planted("x", "", "pii", "card-visa", False, "en", "s", "Pay now.", ("4736 0930 1709 9811",))
    assert judge(p, Fate("Pay <card> now.")).caught
    assert not judge(p, Fate("Pay <x> 0930 1709 9811 now.")).caught
    assert not judge(p, Fate("Pay ४७३६-०९३०-१७०९-९८११ now.")).caught
    assert not judge(p, Fate("Pay 4736-0930-1709-9811 now.")).caught


def test_a_menu_of_short_words_is_looked_for_in_lines():
    p = Planted(
        "x", "", "menus", "column", False, "en", "s", "I went Home early.", ("Home", "News")
    )
    assert judge(p, Fate("I went Home early.")).caught
    assert judge(p, Fate("Home\nI went Home early.")).left == 0.5


def test_an_accent_that_was_repaired_away_is_harm():
    p = Planted("x", "", "mojibake", "encodings-quoted", True, "en", "s", keep=("see Ã© instead",))
    assert not judge(p, Fate("If you see Ã© instead, check.")).wrong
    assert judge(p, Fate("If you see é instead, check.")).wrong


def test_insertion_keeps_the_text(texts):
    rng = np.random.default_rng(5)
    text = texts.pools["en"][0].text
    for place in ("start", "middle", "end"):
        assert insert(text, "XYZZY", place).replace("XYZZY", "").split() == text.split()
    woven = weave(text, ["XYZZY", "PLUGH"], rng)
    assert woven.replace("XYZZY", "").replace("PLUGH", "").split() == text.split()
    assert expand("{a|a} {b} .", rng) == "a b."


def test_prove_writes_the_corpus(data_root, tmp_path, monkeypatch, capsys):
    """Names say nothing; the truth, a recipe and the text under the dirt are beside it."""
    import prove

    monkeypatch.setattr(prove, "Texts", lambda root, seed: Texts(root, seed, limit=LIMIT))
    asked = ["--only", "exact-duplicate", "pii", "-n", "20", "--out", str(tmp_path), "--plant-only"]
    assert prove.main(asked) == 0
    assert "80 documents planted" in capsys.readouterr().out
    rows = [
        json.loads(x)
        for f in sorted((tmp_path / "raw").iterdir())
        for x in f.open(encoding="utf-8")
    ]
    truth = [json.loads(x) for x in (tmp_path / "truth.jsonl").open(encoding="utf-8")]
    assert len(rows) == 80 and len(truth) == 60
    assert {t["name"] for t in truth} < {r["id"] for r in rows}
    assert all(set(r) == {"id", "text"} and re.fullmatch(r"d\d{6}", r["id"]) for r in rows)
    assert sum(1 for _ in (tmp_path / "real" / "text.jsonl").open(encoding="utf-8")) == 60
    assert (tmp_path / "recipe.yaml").is_file()
