"""Whether tokens end where stems end: agreement of token boundaries with inflection tables.

A form is encoded as it stands in a sentence, with one space in front. Its *inner* boundaries are the
places behind its first byte where a token begins. There is one right place per form, the end of its
stem (`stems.find_stems`), so of the inner boundaries of all forms together

    recall     share of forms with a boundary at the stem's end: the stem is a run of whole tokens
    precision  share of inner boundaries that are the stem's end
    f1         their harmonic mean
    intact     share of forms whose stem is *one* token
    whole      share of forms without an inner boundary: one token, for what the table asks
    fertility  tokens per form

A whole form has no boundary, right or wrong: it lowers recall and leaves precision alone. Whether that
is a fault is open (a vocabulary may hold करता whole), so everything is also given over the `split`
forms, those with an inner boundary. Compare tokenizers on both; on `split` alone they are measured on
different forms.

Boundaries fall at random places, too. `chance_recall` and `chance_precision` are what the same numbers
of boundaries would reach if each form's were put at random, all different, on its places: k on n places
meet the right one with probability k / n. `lift` is the hits over those expected, the same for both.
Places are those between code points; in the scores `between` (forms whose stem ends between aksharas)
they are those between aksharas, so that keeping aksharas whole is no skill there. A boundary at no
place (inside a character, or inside an akshara) counts as wrong for the tokenizer and for chance.

Intervals: lemmas are drawn with replacement, with all their forms, since the forms of a lemma share a
stem. A form weighs the same however rare it is in text.

Source: boundary precision and recall as in Morpho Challenge, Kurimo et al. 2010, and Creutz and Lagus
2007 (Morfessor); cluster bootstrap, Davison and Hinkley 1997, section 3.8; closed form of chance:
hypergeometric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.errors import ConfigError, DataError
from mishran.tokenizer.encoded import Encoded, Tokenizer
from mishran.tokenizer.stems import Stemmed, between_aksharas

REPLICAS = 1000
LEVEL = 0.95
Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Estimate:
    """A number and its bootstrap interval; None for both ends where there is one lemma, or where a replica
    leaves the number undefined."""

    value: float
    low: float | None
    high: float | None


@final
@dataclass(frozen=True)
class BoundaryScores:
    """Agreement over some forms; the words are on top of this file. None: undefined, no inner boundary.

    forms, lemmas: how many. boundaries: inner ones. hits: those at the end of a stem.
    """

    forms: int
    lemmas: int
    boundaries: int
    hits: int
    recall: Estimate
    precision: Estimate | None
    f1: Estimate | None
    intact: Estimate
    whole: Estimate
    fertility: Estimate
    chance_recall: float
    chance_precision: float | None
    lift: Estimate | None


@final
@dataclass(frozen=True)
class StemAgreement:
    """Agreement of a tokenizer with stems: over all forms, over those with an inner boundary, over those
    whose stem ends between aksharas. None: there are no such forms."""

    tokenizer: str
    all: BoundaryScores
    split: BoundaryScores | None
    between: BoundaryScores | None


@final
@dataclass(frozen=True)
class StemChange:
    """What one tokenizer has more than another on the same forms, all of them; both measured on the same
    drawn lemmas. None: undefined for one of the two."""

    recall: Estimate
    precision: Estimate | None
    f1: Estimate | None
    intact: Estimate
    whole: Estimate
    fertility: Estimate


def stem_agreement(
    tokenizer: Tokenizer,
    forms: Sequence[Stemmed],
    rng: np.random.Generator,
    replicas: int = REPLICAS,
    level: float = LEVEL,
) -> StemAgreement:
    """How well a tokenizer's boundaries agree with the ends of stems.

    Args:
        tokenizer: any.
        forms: each with the end of its stem, as `find_stems` gives them.
        rng: draws the lemmas.
        replicas: bootstrap replicas. level: of the intervals, between 0 and 1.

    Raises:
        DataError: no forms, or a stem that does not end inside its form.
        ConfigError: no replicas, or an impossible level.
    """
    _check(forms, replicas, level)
    encoded = _encode(tokenizer, forms)
    tally = _tally(encoded, forms, aksharas=False)
    scores = _scores(tally, forms, rng, replicas, level)
    split = None
    cut = [int(i) for i in np.flatnonzero(tally[:, _BOUNDARIES])]
    if cut:
        split = _scores(tally[cut], [forms[i] for i in cut], rng, replicas, level)
    edge = [i for i, item in enumerate(forms) if between_aksharas(item.form, item.stem)]
    between = None
    if edge:
        chosen = [forms[i] for i in edge]
        tally = _tally([encoded[i] for i in edge], chosen, aksharas=True)
        between = _scores(tally, chosen, rng, replicas, level)
    return StemAgreement(tokenizer.name, scores, split, between)


def stem_change(
    before: Tokenizer,
    after: Tokenizer,
    forms: Sequence[Stemmed],
    rng: np.random.Generator,
    replicas: int = REPLICAS,
    level: float = LEVEL,
) -> StemChange:
    """What `after` has more than `before`, with paired intervals; the rest as `stem_agreement`."""
    _check(forms, replicas, level)
    tallies = [_tally(_encode(it, forms), forms, aksharas=False) for it in (before, after)]
    sums = _by_lemma(np.hstack(tallies), forms)
    whole, draws = sums.sum(0), _draws(sums, rng, replicas)
    at = len(_COLUMNS)
    first, second = _measures(whole[:at]), _measures(whole[at:])
    first_drawn, second_drawn = _measures(draws[:, :at]), _measures(draws[:, at:])
    change = {
        name: _estimate(
            second[name] - first[name], second_drawn[name] - first_drawn[name], level, len(sums)
        )
        for name in first
    }
    return StemChange(
        recall=_sure(change["recall"]),
        precision=change["precision"],
        f1=change["f1"],
        intact=_sure(change["intact"]),
        whole=_sure(change["whole"]),
        fertility=_sure(change["fertility"]),
    )


_COLUMNS = ("forms", "boundaries", "hits", "intact", "whole", "tokens", "expected")
_BOUNDARIES = _COLUMNS.index("boundaries")


def _check(forms: Sequence[Stemmed], replicas: int, level: float) -> None:
    if not forms:
        raise DataError(
            expected="forms with a stem and a suffix",
            found="none",
            where="stem agreement",
            fix="give forms that find_stems found a stem in",
        )
    for item in forms:
        if not 0 < item.stem < len(item.form):
            raise DataError(
                expected=f"a stem that ends inside the form, from 1 to {len(item.form) - 1}",
                found=str(item.stem),
                where=f"form {item.form!r} of {item.lemma!r}",
                fix="leave out forms without a suffix",
            )
    if replicas < 1 or not 0 < level < 1:
        raise ConfigError(
            expected="at least 1 replica and a level between 0 and 1",
            found=f"replicas={replicas}, level={level:g}",
            where="stem agreement",
            fix=f"use replicas={REPLICAS}, level={LEVEL:g}",
        )


def _encode(tokenizer: Tokenizer, forms: Sequence[Stemmed]) -> list[Encoded]:
    return tokenizer.encode([f" {item.form}" for item in forms])


def _tally(encoded: Sequence[Encoded], forms: Sequence[Stemmed], *, aksharas: bool) -> Floats:
    """(forms, columns) what each form adds to the sums that all measures are ratios of."""
    return np.array(
        [_count(tokens, item, aksharas) for tokens, item in zip(encoded, forms, strict=True)],
        dtype=np.float64,
    )


def _count(tokens: Encoded, item: Stemmed, aksharas: bool) -> list[float]:
    offsets = list(accumulate((len(c.encode()) for c in item.form), initial=0))
    starts = {int(start) - 1 for start in tokens.starts}  # - 1: the space in front
    inner = {start for start in starts if 0 < start < offsets[-1]}
    right = offsets[item.stem]
    places = {
        offsets[place]
        for place in range(1, len(item.form))
        if not aksharas or between_aksharas(item.form, place)
    }
    hit = right in inner
    return [
        1,
        len(inner),
        hit,
        hit and min(inner) == right,
        not inner,
        len(tokens.ids),
        len(inner & places) / len(places),
    ]


def _by_lemma(tally: Floats, forms: Sequence[Stemmed]) -> Floats:
    """(lemmas, columns) sums, lemmas in the order of the alphabet: the order of forms does not matter."""
    lemmas, of = np.unique([item.lemma for item in forms], return_inverse=True)
    sums = np.zeros((len(lemmas), tally.shape[1]))
    np.add.at(sums, of, tally)
    return sums


def _draws(sums: Floats, rng: np.random.Generator, replicas: int) -> Floats:
    """(replicas, columns) sums over lemmas drawn with replacement."""
    even = np.full(len(sums), 1 / len(sums))
    return np.stack([rng.multinomial(len(sums), even) @ sums for _ in range(replicas)])


def _measures(sums: Floats) -> dict[str, Floats]:
    """Every measure of (..., columns) sums; NaN where it is undefined."""
    forms, boundaries, hits, intact, whole, tokens, expected = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "recall": hits / forms,
            "precision": hits / boundaries,
            "f1": np.where(boundaries > 0, 2 * hits / (boundaries + forms), np.nan),
            "intact": intact / forms,
            "whole": whole / forms,
            "fertility": tokens / forms,
            "chance_recall": expected / forms,
            "chance_precision": expected / boundaries,
            "lift": np.where(expected > 0, hits / expected, np.nan),
        }


def _scores(
    tally: Floats,
    forms: Sequence[Stemmed],
    rng: np.random.Generator,
    replicas: int,
    level: float,
) -> BoundaryScores:
    sums = _by_lemma(tally, forms)
    total = sums.sum(0)
    value, drawn = _measures(total), _measures(_draws(sums, rng, replicas))
    found = {name: _estimate(value[name], drawn[name], level, len(sums)) for name in value}
    chance = found["chance_precision"]
    return BoundaryScores(
        forms=len(forms),
        lemmas=len(sums),
        boundaries=int(total[_BOUNDARIES]),
        hits=int(total[_COLUMNS.index("hits")]),
        recall=_sure(found["recall"]),
        precision=found["precision"],
        f1=found["f1"],
        intact=_sure(found["intact"]),
        whole=_sure(found["whole"]),
        fertility=_sure(found["fertility"]),
        chance_recall=_sure(found["chance_recall"]).value,
        chance_precision=None if chance is None else chance.value,
        lift=found["lift"],
    )


def _estimate(value: Floats, drawn: Floats, level: float, lemmas: int) -> Estimate | None:
    if np.isnan(value):
        return None
    if lemmas == 1 or np.isnan(drawn).any():
        return Estimate(float(value), None, None)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(low), float(high))


def _sure(estimate: Estimate | None) -> Estimate:
    """A measure per form, which is always defined."""
    assert estimate is not None
    return estimate
