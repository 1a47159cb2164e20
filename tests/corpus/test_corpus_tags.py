"""Tags: a region or the usual script says nothing, another script is another language, for every table."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_corpus_facts import sides

from mishran.corpus.boilerplate_phrases import PHRASES
from mishran.corpus.boilerplate_signs import SIGNS, sign_table
from mishran.corpus.fact_patterns import PATTERNS
from mishran.corpus.facts import FactScorer
from mishran.corpus.normalise import _LANGUAGES, normalise
from mishran.corpus.phrase_reading import phrase_table
from mishran.corpus.tags import _USUAL, lookup
from mishran.corpus.thresholds import BY_LANGUAGE, of

TABLES = {
    "bounds": BY_LANGUAGE,
    "phrases": PHRASES,
    "signs": SIGNS,
    "spellings": _LANGUAGES,
    "patterns": PATTERNS,
}


@cache
def trained(language: str) -> FactScorer:
    tongue = "en" if language.startswith("en") else "hi"
    up, down = ([replace(d, language=language) for d in s] for s in sides(0, 6, (tongue,)))
    return FactScorer.train(up, down, [language], 0)


def patterns(language: str) -> object:
    return trained(language).models[language].reference.patterns


# What each user finds for a tag, and the languages for which that is more than for an unknown one.
USERS = {
    "bounds": (of, ("hi", "mr", "ta")),
    "phrases": (phrase_table, ("en", "hi", "hi-Latn")),
    "signs": (sign_table, ("en", "hi", "hi-Latn")),
    "spellings": (lambda tag: normalise("दस\xa0रुपये", tag), ("hi", "mr", "ta", "sd-Deva")),
    "patterns": (patterns, ("en", "hi")),
}
UNKNOWN = "xx"


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    ("tag", "same"),
    [
        ("hi-IN", "hi"),
        ("hi-Deva", "hi"),
        ("hi-Deva-IN", "hi"),
        ("hi-Latn-IN", "hi-Latn"),
        ("hi-Latn-fonipa", "hi-Latn"),
        ("en-Latn", "en"),
        ("en-Latn-GB", "en"),
        ("en-GB", "en"),
        ("mr-Deva-IN", "mr"),
        ("ta-Taml", "ta"),
        ("ta-LK", "ta"),
        ("sd-Deva-IN", "sd-Deva"),
        ("sd", UNKNOWN),
        ("sd-Arab", UNKNOWN),
        ("sd-PK", UNKNOWN),
        ("hi-Beng", UNKNOWN),
        ("en-Deva", UNKNOWN),
        ("ta-Latn-IN", UNKNOWN),
    ],
)
def test_what_a_tag_is_looked_up_as(user, tag, same):
    find, _ = USERS[user]
    assert find(tag) == find(same)


@pytest.mark.parametrize("user", USERS)
def test_what_is_known_is_more_than_of_an_unknown_language(user):
    find, known = USERS[user]
    for language in known:
        assert find(language) != find(UNKNOWN), language
    for other in {"en", "hi", "hi-Latn", "sd-Deva"} - set(known):
        assert find(other) == find(UNKNOWN), other


def test_patterns_are_found_again_when_a_scorer_is_read(tmp_path):
    for tag, found in (("hi-IN", PATTERNS["hi"]), ("en-Latn", PATTERNS["en"]), ("hi-Latn", None)):
        trained(tag).save(tmp_path / tag)
        again = FactScorer.load(tmp_path / tag).models[tag].reference.patterns
        assert again is found and patterns(tag) is found


@pytest.mark.parametrize("name", TABLES)
def test_every_language_of_a_table_has_a_usual_script(name):
    """Without one, "xy-Latn" would not be found where "xy" is."""
    for key, entry in TABLES[name].items():
        base, _, script = key.partition("-")
        assert base in _USUAL
        assert _USUAL[base] != script, "written without its script"
        whole = key if script else f"{key}-{_USUAL[base]}"
        for tag in (key, whole, f"{whole}-IN", f"{key}-IN"):
            assert lookup(TABLES[name], tag) == entry, tag


@given(
    st.sampled_from([*_USUAL, "de", "xyz"]),
    st.sampled_from(["", *sorted(set(_USUAL.values()))]),
    st.lists(st.sampled_from(["IN", "419", "1996", "fonipa"]), max_size=2),
)
def test_the_script_decides_and_nothing_else_does(base, script, rest):
    tag = "-".join([base, *([script] if script else []), *rest])
    table = {"hi": 1, "hi-Latn": 2, "en": 3, "sd-Deva": 4, "de": 5}
    key = base if script in ("", _USUAL.get(base)) else f"{base}-{script}"
    assert lookup(table, tag) == table.get(key)
    assert lookup({}, tag) is None
