"""What a document is written in: language, scripts, and how much of it is code-mixed.

What: sentences are identified one by one; the language of the document has the largest mean probability,
each sentence weighing as many as it has characters. Of a long document only some sentences are looked at,
evenly spread.

When: as a step of its own before the rules of a language are applied, many documents at a time
(`describe_all`), since arrays are cheap and calls are not.

Trade-off: a probability of a document is a mean over its sentences: 0.6 can be a document of one language
that is hard to tell, or one of two languages. `languages` says which. 40 sentences bound the error of
a share by 0.08 (one standard deviation, sampling evenly being no worse than at random).

Source: threshold 0.5 and the script check, identify.py; code-mixing, mixed.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from mishran.config_corpus import UNDETERMINED
from mishran.corpus.familiar import Familiarity
from mishran.corpus.identify import Identifier
from mishran.corpus.mixed import CodeMixing
from mishran.corpus.scripts import script_shares
from mishran.corpus.sentences import LONGEST, cut

SENTENCES = 40  # looked at, of a document; sqrt(0.25 / 40) = 0.08


@final
@dataclass(frozen=True)
class Described:
    """What a document is written in.

    language: its tag, "und" where none of the known ones is written in its script; probability: mean over
    sentences, 0 for und. script, script_shares: of the sentences looked at. languages: share of those
    sentences by the most likely language of each. mixing: mean over sentences of the smaller share of the
    pair; mixed: share of sentences that are code-mixed; both None without a pair, or without its words.
    strange: share of the characters in sentences that are unlike the document's language (familiar.py);
    None where that was not asked, or the language is und.
    """

    language: str
    probability: float
    script: str
    script_shares: dict[str, float]
    languages: dict[str, float]
    num_sentences: int
    mixing: float | None
    mixed: float | None
    strange: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def describe(
    text: str,
    identifier: Identifier,
    mixing: CodeMixing | None = None,
    sentences: int = SENTENCES,
    familiarity: Familiarity | None = None,
) -> Described:
    """One document; `describe_all` is the same for many, and faster."""
    return describe_all([text], identifier, mixing, sentences, familiarity)[0]


def describe_all(
    texts: Sequence[str],
    identifier: Identifier,
    mixing: CodeMixing | None = None,
    sentences: int = SENTENCES,
    familiarity: Familiarity | None = None,
) -> list[Described]:
    """Every document.

    Args:
        texts: documents of any length.
        identifier: what tells languages apart.
        mixing: what tells the words of a pair apart; None: code-mixing is not looked at.
        sentences: looked at per document, at most.
        familiarity: what text of the languages is like; None: not looked at.
    """
    chosen = [sampled(text, sentences) for text in texts]
    every = [sentence for some in chosen for sentence in some]
    codes, probabilities = identifier.identify(every)
    starts = np.cumsum([0, *map(len, chosen)])
    weight = np.fromiter(map(len, every), dtype=np.float64)
    languages = [
        _language(identifier, weight[a:b], probabilities[a:b]) for a, b in pairwise(starts.tolist())
    ]
    smaller, mixed = _mixing(mixing, every)
    strange = np.zeros(len(every), dtype=bool)
    if familiarity is not None:
        tags = np.repeat(np.array([tag for tag, _ in languages], np.str_), np.diff(starts))
        strange = familiarity.strange(every, tags.tolist())
    out = []
    for (a, b), some, (language, probability) in zip(
        pairwise(starts.tolist()), chosen, languages, strict=True
    ):
        shares = script_shares("\n".join(some))
        found = Counter(identifier.tag(code) for code in codes[a:b].tolist())
        order = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        spoken = ~np.isnan(smaller[a:b])
        asked = familiarity is not None and language != UNDETERMINED
        out.append(
            Described(
                language=language,
                probability=probability,
                script=next(iter(shares), "Zyyy"),
                script_shares=shares,
                languages={tag: n / len(some) for tag, n in order},
                num_sentences=len(some),
                mixing=float(smaller[a:b][spoken].mean()) if spoken.any() else None,
                mixed=float(mixed[a:b][spoken].mean()) if spoken.any() else None,
                strange=float(weight[a:b] @ strange[a:b] / weight[a:b].sum()) if asked else None,
            )
        )
    return out


def _language(
    identifier: Identifier, weight: NDArray[np.float64], probabilities: NDArray[np.float32]
) -> tuple[str, float]:
    """The language with the largest mean probability, und where undetermined sentences have more."""
    if not len(weight):
        return UNDETERMINED, 0.0
    mean = weight @ probabilities / weight.sum()
    best = int(mean.argmax())
    if mean[best] <= 0.0 or mean[best] < 1 - mean.sum():
        return UNDETERMINED, 0.0
    return identifier.languages[best], float(mean[best])


def _mixing(
    mixing: CodeMixing | None, sentences: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The smaller share of every sentence, NaN where there is none, and whether it is code-mixed."""
    if mixing is None:
        return np.full(len(sentences), np.nan), np.zeros(len(sentences), dtype=bool)
    found = mixing.mixed(sentences)
    smaller = [min(m.shares.values(), default=np.nan) for m in found]
    return np.array(smaller, dtype=np.float64), np.array([m.is_mixed for m in found], dtype=bool)


def sampled(text: str, most: int) -> list[str]:
    """At most so many sentences, evenly spread; of a very long text only their surroundings are cut."""
    if len(text) <= most * LONGEST:
        pieces = cut(text)
        if len(pieces) <= most:
            return pieces
        return [pieces[(2 * i + 1) * len(pieces) // (2 * most)] for i in range(most)]
    out = []
    for i in range(most):
        at = (2 * i + 1) * len(text) // (2 * most) - LONGEST
        pieces = cut(text[max(0, at) : at + 2 * LONGEST])
        if pieces:
            out.append(pieces[len(pieces) // 2])  # the first and the last may be cut off
    return out
