"""Language, script and code-mixing on real text: what identification by seeds gives, and what it costs.

    python examples/bilingual-corpus/language.py [--json FILE] [--markdown FILE]

Seeds: the pretraining text of Hindi and English, dialogue and requests in romanised Hindi, and every second
sentence of FLORES for the other languages. FLORES is one text in all languages: sentences are split by
their number, so that no language is tested on the translation of a seed. What is tested on is no seed of
any language. Settings of the word model were chosen on Hinglish-TOP's validation split. Those of the
identifier (orders, kind of model, penalty) were compared on the same held-out sets as here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: speed is reported for one core

import numpy as np
from records import records
from romanise import romanise

from mishran.corpus import mixed as mixed_module
from mishran.corpus.describe import describe_all
from mishran.corpus.familiar import train_familiarity
from mishran.corpus.identify import Identifier, train
from mishran.corpus.language_check import LanguageCheck, Rate, bucket_names, check, wilson
from mishran.corpus.mixed import MIXED, CodeMixing, words_of
from mishran.corpus.mixed_training import train_mixed
from mishran.corpus.scripts import main_script
from mishran.corpus.sentences import cut
from mishran.places import data_root

FLORES = {"eng": "en", "hin": "hi", "mar": "mr", "npi": "ne", "asm": "as", "ben": "bn", "urd": "ur"}
FLORES |= {
    "snd": "sd",
    "deu": "de",
    "fra": "fr",
    "guj": "gu",
    "kan": "kn",
    "mal": "ml",
    "ory": "or",
}
FLORES |= {"pan": "pa", "tam": "ta", "tel": "te"}
FLORES_STRANGERS = ("mar", "npi", "deu", "fra", "rus", "tam", "urd")
NEIGHBOURS = ("hi", "mr", "ne")
MOST = 3000  # held-out sentences of one set, drawn evenly
Row = Sequence[str]


def pretrain(prefix: str, split: str) -> list[str]:
    """Sentences of all domains of a language; speaker names of dialogues are left out."""
    paths = sorted((data_root() / "pretrain").glob(f"{prefix}_*.{split}.jsonl.gz"))
    return [
        re.sub(r"^(User|System): ", "", sentence)
        for path in paths
        for record in records(f"pretrain/{path.name}")
        for sentence in cut(record["text"])
    ]


def spread(items: list[str], most: int = MOST) -> list[str]:
    step = max(1, -(-len(items) // most))
    return items[::step]


def seeds_and_tests() -> tuple[dict[str, list[str]], dict[str, tuple[str, list[str]]]]:
    """Seeds by language, and held-out sets: name -> (language, sentences)."""
    flores = list(records("parallel/flores101_devtest.jsonl.gz"))
    top = list(records("hindi/hinglish_top_en2hing.jsonl.gz"))
    tatoeba = list(records("hindi/tatoeba_en2hi.jsonl.gz"))
    seeds = {"hi": pretrain("hi", "train"), "en": pretrain("en", "train")}
    seeds["hi-Latn"] = pretrain("hing", "train")
    seeds["hi-Latn"] += [r["target"] for r in top if r["split"] == "train"]
    for key, tag in FLORES.items():
        if tag not in seeds:
            seeds[tag] = [r[key] for r in flores if r["id"] % 2 == 0]
    held = [r for r in flores if r["id"] % 2 == 1]
    tests = {f"FLORES {tag}": (tag, [r[key] for r in held]) for key, tag in FLORES.items()}
    hi = [s for s in pretrain("hi", "valid") if main_script(s) == "Deva"]
    en = [s for s in pretrain("en", "valid") if main_script(s) == "Latn"]
    hindi = [r["target"] for r in tatoeba]
    tests |= {
        "same domains hi": ("hi", spread(hi)),
        "Tatoeba hi": ("hi", hindi),
        "stories and dialogue hi": (
            "hi",
            spread([r["input"] for r in records("hindi/hi_discourse_mode.jsonl.gz")]),
        ),
        "same domains en": ("en", spread(en)),
        "Tatoeba en": ("en", [r["input"] for r in tatoeba]),
        "same domain hi-Latn (dialogue)": ("hi-Latn", pretrain("hing", "valid")),
        "Hinglish-TOP hi-Latn": ("hi-Latn", [r["target"] for r in top if r["split"] == "test"]),
        "rule-romanised Tatoeba hi-Latn": ("hi-Latn", [romanise(s) for s in hindi]),
        "rule-romanised FLORES hi-Latn": ("hi-Latn", [romanise(r["hin"]) for r in held]),
    }
    for key, name in (("rus", "Russian"), ("zho_simpl", "Chinese")):
        tests[f"FLORES {name}, no seeds"] = ("und", [r[key] for r in held])
    return seeds, tests


def fragments(tests: Mapping[str, tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Spans of 1 to 8 words of every held-out FLORES sentence, one each, by language."""
    rng = np.random.default_rng(0)
    out: dict[str, list[str]] = {}
    for name, (tag, sentences) in tests.items():
        if name.startswith("FLORES") and tag != "und":
            for sentence in sentences:
                words = sentence.split()
                size = min(len(words), int(rng.integers(1, 9)))
                first = int(rng.integers(0, len(words) - size + 1))
                out.setdefault(tag, []).append(" ".join(words[first : first + size]))
    return {tag: [s for s in some if main_script(s) not in ("Zyyy",)] for tag, some in out.items()}


def seconds(action: Callable[[], Any]) -> float:
    """Of the processor, the best of three after one to compile: other processes only slow it."""
    action()
    took = []
    for _ in range(3):
        start = time.process_time()
        action()
        took.append(time.process_time() - start)
    return min(took)


def baseline(seeds: Mapping[str, Sequence[str]]) -> tuple[Any, float]:
    """The usual pipeline on the same seeds: at most 20,000 sentences of each, one model for all."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, label = [], []
    for tag in sorted(seeds):
        sentences = list(dict.fromkeys(s for text in seeds[tag] for s in cut(text)))
        for sentence in spread(sentences, 20_000):
            texts.append(sentence)
            label.append(tag)
    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), max_features=1 << 17),
        LogisticRegression(C=1.0, max_iter=100, tol=1e-3, class_weight="balanced"),
    )
    start = time.process_time()
    model.fit(texts, label)
    return model, time.process_time() - start


def shown(rate: Rate) -> str:
    if rate.share is None or rate.low is None or rate.high is None:
        return "-"
    return f"{100 * rate.share:.1f} ({100 * rate.low:.1f}-{100 * rate.high:.1f})"


def table(head: Row, rows: Sequence[Row]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def bootstrap(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float, float]:
    """Ratio of sums (or mean) with its 95 % percentile interval over sentences drawn again."""
    weights = np.ones(len(values)) if weights is None else weights
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(values), len(values)) for _ in range(1000)]
    found = [values[i].sum() / weights[i].sum() for i in draws]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(values.sum() / weights.sum()), float(low), float(high)


def identification(
    identifier: Identifier, plain: Any, tests: Mapping[str, tuple[str, list[str]]]
) -> tuple[dict[str, Any], list[str]]:
    """Accuracy by set beside the baseline, by language and length, confusion, calibration."""
    out: dict[str, Any] = {"sets": {}}
    rows = []
    pooled: dict[str, list[str]] = {}
    for name, (tag, sentences) in tests.items():
        ours = check(identifier, {tag: sentences})
        found = wilson(int(np.sum(plain.predict(sentences) == tag)), len(sentences))
        rows.append([name, str(len(sentences)), shown(ours.accuracy), shown(found)])
        out["sets"][name] = {"ours": ours.as_dict(), "baseline": found.__dict__}
        if not name.startswith("rule-") and tag != "und":
            pooled.setdefault(tag, []).extend(sentences)
    parts = ["## Accuracy by held-out set, % (95 % interval)"]
    parts.append(table(["set", "sentences", "ours", "TfidfVectorizer + LogisticRegression"], rows))
    short = fragments(tests)
    every = {tag: pooled[tag] + short[tag] if tag in short else pooled[tag] for tag in pooled}
    for title, key, held in (
        ("Accuracy by length, all sets and fragments", "all", every),
        ("Accuracy by length, fragments of 1 to 8 words of FLORES", "fragments", short),
    ):
        found = check(identifier, held)
        theirs = {tag: plain.predict(held[tag]) == tag for tag in sorted(held)}
        right = np.concatenate(list(theirs.values()))
        length = np.array([len(s) for tag in sorted(held) for s in held[tag]])
        edges = [0, 20, 50, 100, 200, 1 << 60]
        of = [right[(length >= a) & (length < b)] for a, b in pairwise(edges)]
        rows = [
            [tag, *(shown(r) for r in found.by_language_and_length[tag].values()), shown(rate)]
            for tag, rate in found.by_language.items()
        ]
        rows.append(["all", *(shown(r) for r in found.by_length.values()), shown(found.accuracy)])
        rows.append(
            [
                "all, baseline",
                *(shown(wilson(int(x.sum()), len(x))) for x in of),
                shown(wilson(int(right.sum()), len(right))),
            ]
        )
        parts += [f"## {title}, %", table(["language", *bucket_names(), "all"], rows)]
        parts.append(certainty(found))
        out[key] = found.as_dict()
    parts.append("## Confusion of Devanagari languages: sentences by true language and answer")
    rows = []
    for held, what in ((pooled, "sentences"), (short, "fragments")):
        found = check(identifier, {tag: held[tag] for tag in NEIGHBOURS})
        answers = sorted({a for row in found.confusion.values() for a in row} | set(NEIGHBOURS))
        for tag, row in found.confusion.items():
            rows.append([f"{tag}, {what}", *(str(row.get(a, 0)) for a in NEIGHBOURS)])
            rows[-1].append(str(sum(row.get(a, 0) for a in answers if a not in NEIGHBOURS)))
        out[f"confusion, {what}"] = found.confusion
    parts.append(table(["truth", *NEIGHBOURS, "other"], rows))
    return out, parts


def certainty(found: LanguageCheck) -> str:
    return (
        f"At probability {found.threshold:g} or more: {shown(found.accepted)} % of the sentences, of which "
        f"{shown(found.right_accepted)} % are right; calibration error {found.calibration_error:.4f}."
    )


def strangers(seeds: Mapping[str, list[str]]) -> tuple[dict[str, Any], list[str]]:
    """What an identifier of Hindi and English only makes of languages that it does not know."""
    few = {tag: seeds[tag] for tag in ("hi", "en", "hi-Latn")}
    three, familiarity = train(few), train_familiarity(few)
    held = [r for r in records("parallel/flores101_devtest.jsonl.gz") if r["id"] % 2 == 1]
    tatoeba = list(records("hindi/tatoeba_en2hi.jsonl.gz"))
    top = list(records("hindi/hinglish_top_en2hing.jsonl.gz"))
    sets = {f"FLORES {key}": [r[key] for r in held] for key in FLORES_STRANGERS}
    sets |= {f"FLORES {key} (known)": [r[key] for r in held] for key in ("hin", "eng")}
    sets["Tatoeba hi (known)"] = [r["target"] for r in tatoeba]
    sets["Tatoeba en (known)"] = [r["input"] for r in tatoeba]
    sets["Hinglish-TOP (known)"] = [r["target"] for r in top if r["split"] == "test"]
    rows, out = [], {}
    for name, sentences in sets.items():
        codes, probabilities = three.identify(sentences)
        top_p = probabilities.max(axis=1)
        tags = [three.tag(code) for code in codes.tolist()]
        accepted = [wilson(int((top_p >= at).sum()), len(top_p)) for at in (0.5, 0.9)]
        strange = familiarity.strange(sentences, tags)
        rates = [*accepted, wilson(int(strange.sum()), len(strange))]
        documents = ["\n".join(sentences[i : i + 10]) for i in range(0, len(sentences) - 9, 10)]
        described = describe_all(documents, three, familiarity=familiarity)
        refused = [d.language == "und" or (d.strange or 0.0) > 0.5 for d in described]
        rates.append(wilson(sum(refused), len(refused)))
        answers = Counter(tags)
        common = ", ".join(f"{tag} {n}" for tag, n in sorted(answers.items(), key=lambda p: -p[1]))
        rows.append([name, *map(shown, rates), common])
        out[name] = {"answers": dict(answers), "rates": [rate.__dict__ for rate in rates]}
    head = [
        "sentences",
        "accepted at 0.5",
        "at 0.9",
        "strange",
        "documents of 10 refused",
        "answers",
    ]
    title = (
        "## Languages without seeds, identifier of hi, en and hi-Latn, %\n\n"
        "Strange: below the familiarity of 99 % of held-out seeds of that length. Documents: 10 sentences "
        "of the set; refused where undetermined or more than half strange."
    )
    return out, [title, table(head, rows)]


def sizes(
    seeds: Mapping[str, list[str]], tests: Mapping[str, tuple[str, list[str]]]
) -> tuple[dict[str, Any], list[str]]:
    """How much seed text is needed, and whether more of one language pushes the others aside."""
    some = ("hi", "mr", "ne", "en", "hi-Latn", "de", "fr")
    short = {tag: texts for tag, texts in fragments(tests).items() if tag in some}
    short["hi-Latn"] = [" ".join(s.split()[:4]) for s in tests["Hinglish-TOP hi-Latn"][1]]
    cuts = {tag: list(dict.fromkeys(s for t in seeds[tag] for s in cut(t))) for tag in some}
    rows, out = [], {}
    for n in (100, 250, 500, 2000, 0):
        found = check(train({tag: spread(cuts[tag], n or 10**9) for tag in some}), short)
        name = f"{n:,}" if n else "all"
        rows.append([name, *(shown(found.by_language[tag]) for tag in some)])
        out[name] = found.as_dict()
    title = (
        "## Seed sentences of each language (mr, ne, de and fr have about 600): accuracy on fragments of "
        "1 to 8 words, for hi-Latn the first 4 of Hinglish-TOP, %"
    )
    return out, [title, table(["at most", *some], rows)]


def code_mixing(
    model: CodeMixing, seeds: Mapping[str, list[str]]
) -> tuple[dict[str, Any], list[str]]:
    """Words and shares against distant labels on Hinglish-TOP's test split, and whole sentences."""
    top = [r for r in records("hindi/hinglish_top_en2hing.jsonl.gz") if r["split"] == "test"]
    english = [set(words_of(r["input"])) for r in top]
    words, second, starts = model.word_shares([r["target"] for r in top])
    of = np.repeat(np.arange(len(top)), np.diff(starts))
    truth = np.array([w in english[i] for w, i in zip(words, of.tolist(), strict=True)])
    counts = [
        Counter(w for tag in tags for s in seeds[tag] for w in words_of(s))
        for tags in (["hi-Latn"], ["en"])
    ]
    totals = [sum(c.values()) for c in counts]
    ratio = [
        (counts[1][w] + 0.5) / (totals[1] + 1) > (counts[0][w] + 0.5) / (totals[0] + 1)
        for w in words
    ]
    spelling = model.spelling["Latn"]
    answers = {
        "ours": second > 0.5,
        "ours, without the sentence": np.array(spelling.log_odds(words)) > 0,
        "ratio of word frequencies": np.array(ratio),
        "in the English seeds 3 times or more": np.array([counts[1][w] >= 3 for w in words]),
        "all Hindi": np.zeros(len(words), dtype=bool),
    }
    n = np.diff(starts)
    kept = n > 0
    rows, out = [], {}
    share = np.bincount(of, truth, minlength=len(top))[kept] / n[kept]
    for name, answer in answers.items():
        right = np.bincount(of, answer == truth, minlength=len(top))[kept]
        error = np.abs(np.bincount(of, answer, minlength=len(top))[kept] / n[kept] - share)
        found = {"words": bootstrap(right, n[kept]), "share error": bootstrap(error)}
        found["english recall"] = float(answer[truth].mean())
        found["hindi recall"] = float((~answer[~truth]).mean())
        out[name] = found
        rows.append(
            [
                name,
                "{:.1f} ({:.1f}-{:.1f})".format(*(100 * x for x in found["words"])),
                f"{100 * found['english recall']:.1f}",
                f"{100 * found['hindi recall']:.1f}",
                "{:.3f} ({:.3f}-{:.3f})".format(*found["share error"]),
            ]
        )
    parts = [
        f"## Words of code-mixed sentences: {len(words)} words, {int(kept.sum())} sentences of "
        "Hinglish-TOP (intervals over sentences)",
        table(["", "words right, %", "English found, %", "Hindi found, %", "share error"], rows),
    ]
    tatoeba = list(records("hindi/tatoeba_en2hi.jsonl.gz"))
    held = [r for r in records("parallel/flores101_devtest.jsonl.gz") if r["id"] % 2 == 1]
    by_label = np.zeros(len(top))
    by_label[kept] = np.minimum(share, 1 - share)
    targets = [r["target"] for r in top]
    thresholds = (0.1, 0.15, 0.2, 0.25)
    rows = []
    sets = {
        "English, Tatoeba": [r["input"] for r in tatoeba],
        "English, FLORES": [r["eng"] for r in held],
        "Hindi in Devanagari, Tatoeba": [r["target"] for r in tatoeba],
        "Hindi in Devanagari, FLORES": [r["hin"] for r in held],
        "rule-romanised Hindi, Tatoeba": [romanise(r["target"]) for r in tatoeba],
    }
    for name, sentences in sets.items():
        rates = []
        for at in thresholds:
            right = [not m.is_mixed for m in model.mixed(sentences, at)]
            rates.append(wilson(sum(right), len(right)))
        rows.append([f"{name} (not mixed)", str(len(sentences)), *map(shown, rates)])
        out[name] = [rate.__dict__ for rate in rates]
    for name, wanted in (("mixed", True), ("not mixed", False)):
        rates = []
        for at in thresholds:
            chosen = np.flatnonzero((by_label >= at) == wanted).tolist()
            found = model.mixed([targets[i] for i in chosen], at)
            rates.append(wilson(sum(m.is_mixed == wanted for m in found), len(found)))
        rows.append(
            [f"Hinglish-TOP, {name} by its labels at the same share", "", *map(shown, rates)]
        )
        rows[-1][1] = "-".join(sorted({str(rates[0].n), str(rates[-1].n)}))
        out[f"top {name}"] = [rate.__dict__ for rate in rates]
    head = ["sentences", "n", *(f"share >= {at:g}" for at in thresholds)]
    parts += ["## Code-mixed or not: % right by threshold of the smaller share", table(head, rows)]
    return out, parts


def speed(
    identifier: Identifier, model: CodeMixing, plain: Any, trained: Mapping[str, float]
) -> tuple[dict[str, Any], list[str]]:
    held = list(records("parallel/flores101_devtest.jsonl.gz"))
    sets = {
        "FLORES en, hi, mr, de": [r[k] for r in held for k in ("eng", "hin", "mar", "deu")] * 5,
        "pretraining text, en and hi": spread(
            pretrain("en", "valid") + pretrain("hi", "valid"), 20_000
        ),
    }
    rows, out = [], {}
    for name, sentences in sets.items():
        ours = len(sentences) / seconds(lambda s=sentences: identifier.identify(s))
        mixing = len(sentences) / seconds(lambda s=sentences: model.mixed(s))
        some = sentences[:2000]
        theirs = len(some) / seconds(lambda s=some: plain.predict_proba(s))
        mean = float(np.mean([len(s) for s in sentences]))
        out[name] = {"ours": ours, "mixing": mixing, "baseline": theirs, "characters": mean}
        rows.append([name, f"{mean:.0f}", f"{ours:,.0f}", f"{theirs:,.0f}", f"{mixing:,.0f}"])
    texts = [
        r["text"]
        for part in ("hi_tech", "en_web", "hing_dialogue", "hi_literature", "en_fiction")
        for r in list(records(f"pretrain/{part}.train.jsonl.gz"))[:200]
    ]
    size = sum(len(t.encode()) for t in texts)
    for name, pair in (("describe, language only", None), ("describe, with code-mixing", model)):
        took = seconds(lambda p=pair: describe_all(texts, identifier, p))
        out[name] = {"documents/s": len(texts) / took, "MB/s": size / took / 1e6}
        rows.append(
            [
                f"{name}: documents",
                f"{np.mean([len(t) for t in texts]):.0f}",
                f"{len(texts) / took:,.0f} ({size / took / 1e6:.1f} MB/s)",
                "",
                "",
            ]
        )
    out["training"] = dict(trained)
    head = [
        "",
        "mean characters",
        "ours, per second",
        "baseline, per second",
        "code-mixing, per second",
    ]
    lines = ", ".join(f"{name} {took:.0f} s" for name, took in trained.items())
    return out, ["## Speed on one core", table(head, rows), f"Training, processor time: {lines}."]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="also write all numbers to this file")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    args = parser.parse_args()
    seeds, tests = seeds_and_tests()
    start = time.process_time()
    identifier = train(seeds)
    trained = {"identifier": time.process_time() - start}
    start = time.process_time()
    model = train_mixed({tag: seeds[tag] for tag in ("hi", "en", "hi-Latn")}, ("hi", "en"))
    trained["code-mixing"] = time.process_time() - start
    plain, trained["baseline"] = baseline(seeds)

    out: dict[str, Any] = {"seeds": {}, "mixed at": MIXED, "context": mixed_module.CONTEXT}
    numbers = zip(
        identifier.languages,
        identifier.num_seeds.tolist(),
        identifier.num_other.tolist(),
        strict=True,
    )
    rows = []
    for tag, used, left in numbers:
        out["seeds"][tag] = {"sentences": used, "in other scripts": left}
        rows.append([tag, f"{used:,}", f"{left:,}"])
    parts = ["## Seeds", table(["language", "distinct sentences", "left out: other scripts"], rows)]
    for key, (found, lines) in {
        "identification": identification(identifier, plain, tests),
        "sizes": sizes(seeds, tests),
        "strangers": strangers(seeds),
        "code-mixing": code_mixing(model, seeds),
        "speed": speed(identifier, model, plain, trained),
    }.items():
        out[key] = found
        parts += lines
    page = "\n\n".join(parts) + "\n"
    print(page)
    if args.json:
        args.json.write_text(json.dumps(out, indent=1, ensure_ascii=False), encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
