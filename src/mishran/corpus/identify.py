"""Which language a text is in: its script first, then a linear model over character n-grams.

What: only languages that are written in the main script of a text can be its language. Between those,
logits are sums of weight rows over the text's hashed n-grams (ngrams.py), divided by the square root of
their number, so that longer text gives more certainty, less than in proportion. A text in no script of the
seeds, or without letters, is undetermined: code -1, "und".

When: neighbours in one script (Hindi, Marathi, Nepali), romanised text against English, from about 500
sentences of each. Names the most likely of the *known* languages: French is taken for one of them where
French is none of them and they are written in Latin letters.

Trade-off: logistic regression on n-grams scaled by their naive Bayes log-ratio. Measured
(docs/results/corpus.md) against naive Bayes alone, which is as accurate and far too certain, and plain
logistic regression, which is well calibrated and worse on texts of a few words. Every language weighs the
same (prior: uniform), however much seed text it has.

Source: Wang and Manning, "Baselines and bigrams", ACL 2012 (log-ratio scaling, equations 1 and 2, here
for several classes); threshold 0.5 on the probability and the script check: as a pipeline that continues
from PARAM-1 (arXiv 2507.13390) curates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from mishran.config_corpus import UNDETERMINED
from mishran.corpus.arrays import foreign, need_shapes, read_arrays, write_arrays
from mishran.corpus.ngrams import main_scripts, pack, row_numbers, row_sums
from mishran.corpus.scripts import script_table
from mishran.corpus.seeds import by_script
from mishran.errors import DataError

THRESHOLD = 0.5  # published, see above
NUM_ROWS = 1 << 17  # measured
MOST = 20_000  # seed sentences per language and script, drawn evenly; 6,000 measured a point worse
PENALTY = 1.0  # inverse strength of the L2 penalty (C of scikit-learn), measured
SMOOTHING = 0.1  # added to the counts that scale the n-grams (assumption)
SPAN_WORDS = 6  # seeds also as spans of 1 to 6 words, for certainty on short texts (assumption)
SPANS = 2  # such spans per sentence (assumption)
KIND = "mishran language identifier 1"
_DTYPES = {"languages": "U", "scripts": "U", "columns": "i", "weights": "f", "bias": "f"}
_DTYPES |= {"num_seeds": "i", "num_other": "i"}


@final
@dataclass(frozen=True)
class Identifier:
    """languages: (L,) tags. scripts: (S,) ISO 15924 codes of the seeds.

    columns: (S, W) for texts of a script, the number of the language that a column of the weights is for;
    -1 where there are fewer. weights: (T, rows, W), a table for every script of several languages.
    bias: (S, W). num_seeds: (L,) sentences to learn from; num_other: (L,) seed sentences that were left
    out, being in none of the language's scripts.
    """

    languages: tuple[str, ...]
    scripts: tuple[str, ...]
    columns: NDArray[np.int64]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    num_seeds: NDArray[np.int64]
    num_other: NDArray[np.int64]

    def identify(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The most likely language of every text.

        Returns:
            (n,) number of the language, -1 for undetermined, and (n, L) probabilities, of which those of a
            determined text sum to 1, all 0 for an undetermined one.
        """
        found = np.full((len(texts), len(self.languages)), 0.0, dtype=np.float32)
        points, starts = pack(texts)
        group = self._groups(points, starts)
        several = (self.columns >= 0).sum(axis=1) > 1
        tables = np.where(several, np.cumsum(several) - 1, -1)
        sums, counts = row_sums(points, starts, self.weights, np.append(tables, -1)[group])
        sums /= np.sqrt(np.maximum(counts, 1))[:, None]
        for number, columns in enumerate(self.columns):
            rows = np.flatnonzero(group == number)
            used = columns[columns >= 0]
            logits = sums[rows, : len(used)] + self.bias[number, : len(used)]
            found[rows[:, None], used] = _softmax(logits)
        codes = np.where(group >= 0, found.argmax(axis=1), -1)
        return codes, found

    def tag(self, code: int) -> str:
        """The tag of a number that identify gave."""
        return self.languages[code] if code >= 0 else UNDETERMINED

    def _groups(self, points: NDArray[np.uint32], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        names, table = script_table()
        number = {name: i for i, name in enumerate(self.scripts)}
        of_code = np.array([number.get(name, -1) for name in names])
        return of_code[main_scripts(points, starts, table, len(names))]  # type: ignore[no-any-return]

    def save(self, path: Path) -> None:
        """Write an npz of plain arrays: equal identifiers give equal bytes."""
        write_arrays(
            path,
            KIND,
            languages=np.array(self.languages, dtype=np.str_),
            scripts=np.array(self.scripts, dtype=np.str_),
            columns=self.columns,
            weights=self.weights,
            bias=self.bias,
            num_seeds=self.num_seeds,
            num_other=self.num_other,
        )


def train(seeds: Mapping[str, Sequence[str]], seed: int = 0) -> Identifier:
    """Learn to tell the languages of some seed text apart.

    Args:
        seeds: texts (sentences, lines or documents) by language tag. A tag that names a script (hi-Latn)
            is about text in that script only.
        seed: of the draws of sentences and spans.

    Raises:
        DataError: no languages, or one without a sentence in a script of its own.
    """
    if not seeds:
        raise DataError(
            expected="seed text of at least one language",
            found="none",
            fix="give some sentences of every language that is to be told apart",
        )
    languages = tuple(sorted(seeds))
    by_language = [by_script(tag, seeds[tag], languages) for tag in languages]
    scripts = tuple(sorted({script for found, _ in by_language for script in found}))
    members = [[i for i, (found, _) in enumerate(by_language) if s in found] for s in scripts]
    several = [len(group) > 1 for group in members]
    width = max(map(len, members))
    columns = np.full((len(scripts), width), -1, dtype=np.int64)
    weights = np.zeros((sum(several), NUM_ROWS, width), dtype=np.float32)
    bias = np.zeros((len(scripts), width), dtype=np.float32)
    for number, (script, group) in enumerate(zip(scripts, members, strict=True)):
        columns[number, : len(group)] = group
        if several[number]:
            rng = np.random.default_rng([seed, number])
            texts = [drawn(by_language[i][0][script], rng) for i in group]
            some, offset = _fitted(texts)
            weights[sum(several[:number]), :, : len(group)] = some
            bias[number, : len(group)] = offset
    used = [sum(map(len, found.values())) for found, _ in by_language]
    other = [left for _, left in by_language]
    return Identifier(languages, scripts, columns, weights, bias, np.array(used), np.array(other))


def drawn(sentences: list[str], rng: np.random.Generator) -> list[str]:
    """At most MOST sentences, and SPANS spans of each."""
    if len(sentences) > MOST:
        chosen = np.sort(rng.choice(len(sentences), MOST, replace=False))
        sentences = [sentences[i] for i in chosen.tolist()]
    out = list(sentences)
    for sentence in sentences:
        words = sentence.split()
        sizes = rng.integers(1, SPAN_WORDS + 1, size=SPANS)
        places = rng.random(size=SPANS)
        for size, place in zip(sizes.tolist(), places.tolist(), strict=True):
            if len(words) > size:
                first = int(place * (len(words) - size + 1))
                out.append(" ".join(words[first : first + size]))
    return out


def _fitted(texts: list[list[str]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(rows, k) weights and (k,) biases of k languages in one script."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    points, starts = pack([text for some in texts for text in some])
    rows, ends = row_numbers(points, starts, NUM_ROWS)
    counts = sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.float32), rows.astype(np.int32), ends),
        shape=(len(starts) - 1, NUM_ROWS),
    )
    counts.sum_duplicates()
    sizes = np.array(list(map(len, texts)))
    label = np.repeat(np.arange(len(texts)), sizes)
    per_text = np.maximum(np.diff(ends), 1)

    per_language = np.stack([counts[label == k].sum(axis=0).A1 for k in range(len(texts))], axis=1)
    log_p = np.log((per_language + SMOOTHING) / (per_language.sum(0) + SMOOTHING * NUM_ROWS))
    scale = np.abs(log_p - log_p.mean(axis=1, keepdims=True)).max(axis=1)

    seen = np.flatnonzero(per_language.sum(axis=1))  # the others keep weight 0: no evidence
    features = sparse.diags(1 / np.sqrt(per_text)) @ counts[:, seen] @ sparse.diags(scale[seen])
    weight = (1 / sizes)[label] * len(label) / len(texts)
    model = LogisticRegression(C=PENALTY, max_iter=200, tol=1e-3)
    model.fit(features, label, sample_weight=weight)
    coef, offset = model.coef_, model.intercept_
    if len(texts) == 2:  # scikit-learn gives one row, the logit of the second
        coef, offset = np.vstack([-coef, coef]) / 2, np.concatenate([-offset, offset]) / 2
    weights = np.zeros((NUM_ROWS, len(texts)), dtype=np.float32)
    weights[seen] = coef.T * scale[seen, None]
    return weights, offset.astype(np.float32)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    if not logits.size:
        return logits
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def load(path: Path) -> Identifier:
    """Read what save wrote.

    Raises:
        DataError: missing, damaged, or no identifier.
    """
    arrays = read_arrays(path, KIND, _DTYPES)
    columns, weights = arrays["columns"], arrays["weights"]
    num = len(arrays["languages"])
    if columns.ndim != 2 or weights.ndim != 3:
        raise foreign(path, KIND, f"columns of {columns.ndim} and weights of {weights.ndim} axes")
    tables, rows = int(((columns >= 0).sum(axis=1) > 1).sum()), weights.shape[1]
    shapes: dict[str, Sequence[int]] = {
        "languages": (num,),
        "scripts": (len(columns),),
        "weights": (tables, rows, columns.shape[1]),
        "bias": columns.shape,
        "num_seeds": (num,),
        "num_other": (num,),
    }
    need_shapes(path, KIND, arrays, shapes)
    if rows < 2 or rows & (rows - 1):
        raise foreign(path, KIND, f"{rows} rows of weights, no power of two")
    if columns.min(initial=-1) < -1 or columns.max(initial=-1) >= num:
        raise foreign(path, KIND, "columns of languages that are not there")
    return Identifier(
        tuple(arrays["languages"].tolist()),
        tuple(arrays["scripts"].tolist()),
        *(arrays[name] for name in ("columns", "weights", "bias", "num_seeds", "num_other")),
    )
