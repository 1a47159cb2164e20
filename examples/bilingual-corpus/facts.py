"""How good the fact score is on Hindi and English, and what fools it.

    python examples/bilingual-corpus/facts.py [--json FILE] [--replicas 1000]

Seeds: encyclopaedia, abstracts and technical guides against novels, plays and service dialogues in English;
technical guides against literature in Hindi (the literature lost its punctuation, digits and Latin words
upstream, on purpose not repaired here: the tables show what such seeds do). 30 % of the source documents
of every domain are held out. Domains that no seed came from: passages of Wikipedia in both languages
(XQuAD), children's stories, guides on open source, manual pages, the English web.

Prints Markdown; the JSON also has ROC points and the beginnings of the examples. About three minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from records import records

from mishran.corpus.fact_check import (
    Interval,
    Roc,
    agreement,
    baselines,
    deciles,
    roc,
    scores_of,
)
from mishran.corpus.fact_controls import cut, levelled, levelled_to
from mishran.corpus.fact_features import FEATURES, prose_of
from mishran.corpus.facts import FactDocument, FactScorer
from mishran.corpus.prose_model import train_prose_model
from mishran.places import data_root

Documents = list[FactDocument]
SEED = 0
MOST = 300  # documents of a domain as seeds, and as held-out documents; for time
SHUFFLES, SHUFFLED = 6, 40  # draws, documents of a domain in each
HELD_OUT = 0.3  # of the source documents of a domain
POSITIVE = {"en": ("en_wiki", "en_science", "en_tech"), "hi": ("hi_tech",)}
NEGATIVE = {"en": ("en_fiction", "en_dialogue", "en_drama"), "hi": ("hi_literature",)}
PAIRED = ("tech", "guides", "stories", "cli")
# Names, numbers, definitions; without the features of style and the model of prose.
CONTENT = (
    "capitals",
    "capital_runs",
    "name_cues",
    "quoted_names",
    "numbers",
    "digits",
    "dates",
    "quantities",
    "definitions",
    "parentheses",
)
LEVEL = {"en": levelled, "hi": levelled_to("Devanagari")}


def domain(name: str) -> Documents:
    """All pieces of a domain, both of its files; translations share the name of their source."""
    folder = data_root() / "pretrain"
    return [
        FactDocument(d["id"], d["text"], name[:2], d.get("pair") or d["id"].split("#")[0], name)
        for path in sorted(folder.glob(f"{name}.*.jsonl.gz"))
        for d in records(path)
    ]


def passages(language: str) -> dict[str, FactDocument]:
    """Passages of XQuAD by the id of their first question that both languages have."""
    out: dict[str, FactDocument] = {}
    files = {k: list(records(data_root() / "hindi" / f"xquad_{k}.jsonl.gz")) for k in ("en", "hi")}
    text = {
        k: {d["id"].rsplit("-", 1)[0]: d["input"].rsplit("\n\n", 1)[0] for d in rows}
        for k, rows in files.items()
    }
    article = {d["id"].rsplit("-", 1)[0]: str(d["meta"]["article"]) for d in files["en"]}
    seen: set[str] = set()
    for stem in sorted(set(text["en"]) & set(text["hi"])):
        if text["en"][stem] not in seen:
            seen.add(text["en"][stem])
            one = text[language][stem]
            out[stem] = FactDocument(stem, one, language, article[stem], f"{language}_xquad")
    return out


def split(documents: Documents) -> tuple[Documents, Documents]:
    """Seeds and held out, by source: the same for both languages of a translation."""
    held = {s for s in {d.source for d in documents} if share(s) < HELD_OUT}
    return (
        few([d for d in documents if d.source not in held]),
        few([d for d in documents if d.source in held]),
    )


def share(source: str) -> float:
    """A number in [0, 1) that a name decides, the same in every process."""
    return np.random.default_rng([SEED, *source.encode()]).random()


def few(documents: Documents) -> Documents:
    order = np.random.default_rng(SEED).permutation(len(documents))[:MOST]
    return [documents[i] for i in sorted(order)]


def whole(documents: Documents) -> dict[str, FactDocument]:
    """Pieces of each source joined again, by source."""
    parts: dict[str, list[FactDocument]] = defaultdict(list)
    for d in documents:
        parts[d.source].append(d)
    return {s: replace(p[0], text="\n\n".join(d.text for d in p)) for s, p in parts.items()}


def of(value: Interval, digits: int = 3) -> str:
    return f"{value.value:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    print("|", " | ".join(head), "|")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("|", " | ".join(map(str, row)), "|")
    print()


class Measured:
    """Held-out sets by name, and the ROC of any scores on them."""

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas
        self.seeds: dict[str, tuple[Documents, Documents]] = {}
        parts = {
            n: split(domain(n))
            for side in (POSITIVE, NEGATIVE)
            for language in side.values()
            for n in language
        }
        # One play: all of its pieces are one source, so it can be a seed or held out, not both.
        parts["en_drama"] = (few(domain("en_drama")), [])
        self.parts = parts
        self.positive = [d for ns in POSITIVE.values() for n in ns for d in parts[n][0]]
        self.negative = [d for ns in NEGATIVE.values() for n in ns for d in parts[n][0]]
        self.sets = {}
        for k in ("en", "hi"):
            xquad, stories = list(passages(k).values()), few(domain(f"{k}_stories"))
            self.sets[f"{k}: held-out sources of the seeds' domains"] = (
                [d for n in POSITIVE[k] for d in parts[n][1]],
                [d for n in NEGATIVE[k] for d in parts[n][1]],
            )
            self.sets[f"{k}: Wikipedia passages, stories"] = (xquad, stories)
            self.sets[f"{k}: guides, stories"] = (few(domain(f"{k}_guides")), stories)
        self.sets["en: Wikipedia passages, web"] = (
            list(passages("en").values()),
            few(domain("en_web")),
        )

    def train(self, change: Callable | None = None, **options: Any) -> FactScorer:
        sides = [list(map(change, s)) if change else s for s in (self.positive, self.negative)]
        return FactScorer.train(*sides, ["en", "hi"], SEED, **options)

    def roc(self, scores: Sequence[float | None], positive: Documents, negative: Documents) -> Roc:
        both = positive + negative
        sides = [True] * len(positive) + [False] * len(negative)
        rng = np.random.default_rng(SEED)
        return roc(scores, sides, [d.source for d in both], rng, self.replicas)

    def of(self, scorer: FactScorer, positive: Documents, negative: Documents) -> Roc:
        return self.roc(scores_of(scorer, positive + negative), positive, negative)


def shuffled(m: Measured, part: int, rng: np.random.Generator) -> tuple[Documents, Documents]:
    """Seeds (0) or held-out documents (1), sides drawn at random by source; few, for time."""
    pool = [plain(d) for p in m.parts.values() for d in p[part][:SHUFFLED]]
    sources = sorted({d.source for d in pool})
    heads = dict(zip(sources, rng.random(len(sources)) < 0.5, strict=True))
    return [d for d in pool if heads[d.source]], [d for d in pool if not heads[d.source]]


def by_language(sides: tuple[Documents, Documents], language: str) -> tuple[Documents, Documents]:
    return tuple([d for d in side if d.language == language] for side in sides)


def price_list(text: str, rng: np.random.Generator) -> str:
    """Two words and two numbers a line: what no one would call facts."""
    words = [w.strip(".,।()") for w in text.split()]
    return "\n".join(
        f"{a} {b} {rng.integers(10, 9999)} ({rng.integers(1, 99)} %)"
        for a, b in zip(words[::2], words[1::2], strict=False)
    )


def level(document: FactDocument) -> FactDocument:
    return replace(document, text=LEVEL[document.language](document.text))


def plain(document: FactDocument) -> FactDocument:
    return replace(document, domain="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--replicas", type=int, default=1000)
    asked = parser.parse_args()
    started = time.perf_counter()
    m, out = Measured(asked.replicas), {}
    scorer = m.train()
    separate = m.train(kind="separate")
    by_document = m.train(change=plain)
    flat = m.train(change=level)
    content = m.train(features=CONTENT)
    names = list(m.sets)

    print("## Fact score\n\n### Seeds\n")
    table(
        ["domain", "side", "seeds", "held out"],
        [
            (n, s, len(m.parts[n][0]), len(m.parts[n][1]))
            for s, side in (("positive", POSITIVE), ("negative", NEGATIVE))
            for ns in side.values()
            for n in ns
        ],
    )
    print(f"Penalty chosen: C = {scorer.penalty['en']:g} by domains, ", end="")
    print(f"{by_document.penalty['en']:g} by documents; separate: {separate.penalty}\n")

    print("### ROC AUC on held-out documents, 95 % bootstrap over source documents\n")
    found = {n: m.of(scorer, *m.sets[n]) for n in names}
    base = {
        n: {
            k: m.roc(v, *m.sets[n])
            for k, v in baselines(scorer, [*m.sets[n][0], *m.sets[n][1]]).items()
        }
        for n in names
    }
    flat_sets = {n: tuple(list(map(level, s)) for s in m.sets[n]) for n in names}
    columns = ["fact score", *next(iter(base.values()))]
    table(
        ["documents", "positive + negative", "sources", *columns],
        [
            (
                n,
                f"{r.positive} + {r.negative}",
                f"{r.positive_sources} + {r.negative_sources}",
                of(r.auc),
                *(of(b.auc) for b in base[n].values()),
            )
            for n, r in found.items()
        ],
    )
    out["roc"] = {n: asdict(r) for n, r in found.items()}
    out["baselines"] = {n: {k: asdict(b) for k, b in base[n].items()} for n in names}

    print("### Variants: weights, folds, and texts levelled to bare letters\n")
    variants = {
        "shared weights, folds by domain": (scorer, m.sets),
        "separate weights": (separate, m.sets),
        "shared, folds by document": (by_document, m.sets),
        "features of content only": (content, m.sets),
        "levelled, trained and tested": (flat, flat_sets),
        "levelled only when tested": (scorer, flat_sets),
    }
    rows = {v: [m.of(s, *sets[n]).auc for n in names] for v, (s, sets) in variants.items()}
    table(
        ["documents", *rows], [(n, *(of(r[i]) for r in rows.values())) for i, n in enumerate(names)]
    )
    out["variants"] = {v: dict(zip(names, map(asdict, r), strict=True)) for v, r in rows.items()}

    print("### The same number of words on both sides: the first n of each document\n")
    sizes, cuts = (25, 50, 100, 200), {}
    for n in names:
        for size in sizes:
            p, q = (cut(side, size) for side in m.sets[n])
            if min(len(p), len(q)) >= 10:
                cuts[n, size] = m.of(scorer, p, q)
    table(
        ["documents", *(f"{s} words" for s in sizes)],
        [
            (
                n,
                *(
                    f"{of(cuts[n, s].auc)}, {cuts[n, s].positive} + {cuts[n, s].negative}"
                    if (n, s) in cuts
                    else "-"
                    for s in sizes
                ),
            )
            for n in names
        ],
    )
    out["cut"] = {f"{n}, {s} words": asdict(r) for (n, s), r in cuts.items()}
    rng = np.random.default_rng(SEED)
    print("Spearman of score and number of words within one side:\n")
    lengths = {}
    for n in names:
        for side, documents in zip(("positive", "negative"), m.sets[n], strict=True):
            s = scores_of(scorer, documents)
            words = [float(len(d.text.split())) for d in documents]
            lengths[f"{n}; {side}"] = agreement(
                s, words, [d.source for d in documents], rng, m.replicas
            ).spearman
    table(["side", "Spearman"], [(n, of(v, 2)) for n, v in lengths.items()])
    out["length"] = {n: asdict(v) for n, v in lengths.items()}

    print("### Agreement on translated pairs (none is a seed)\n")
    pairs = {}
    held = {d.source for k in ("en", "hi") for d in m.parts[f"{k}_tech"][1]}
    for name in PAIRED:
        a, b = (whole(domain(f"{k}_{name}")) for k in ("en", "hi"))
        keep = sorted(s for s in set(a) & set(b) if name != "tech" or s in held)
        pairs[name] = ([a[s] for s in keep], [b[s] for s in keep])
    a, b = passages("en"), passages("hi")
    pairs["Wikipedia passages"] = (list(a.values()), [b[s] for s in a])
    pairs["all"] = tuple([d for p in pairs.values() for d in p[i]] for i in (0, 1))
    rows = []
    for name, (a, b) in pairs.items():
        row = [name, len(a)]
        for label, s in (
            ("shared", scorer),
            ("separate", separate),
            ("folds by document", by_document),
        ):
            found_pairs = agreement(
                scores_of(s, a), scores_of(s, b), [d.source for d in a], rng, m.replicas
            )
            out.setdefault("agreement", {}).setdefault(name, {})[label] = asdict(found_pairs)
            row += [of(found_pairs.spearman, 2), of(found_pairs.same_side, 2)]
            row += [of(found_pairs.difference, 2)] if s is scorer else []
        rows.append(row)
    kinds = ("shared", "separate", "folds by document")
    heads = [f"{k}: {w}" for k in kinds for w in ("Spearman", "same side")]
    table(["pairs", "n", *heads[:2], "shared: English less Hindi", *heads[2:]], rows)

    print("### Features: weight, and AUC of the feature alone\n")
    sets = [n for n in names if "passages, stories" in n or "seeds" in n]
    alone = {}
    measured = {
        n: [[scorer.features(d.text, d.language) for d in side] for side in m.sets[n]] for n in sets
    }
    for f in FEATURES:
        for n in sets:
            p, q = m.sets[n]
            values = [d.get(f) for side in measured[n] for d in side]
            known = [v is not None for v in values]
            if any(known[: len(p)]) and any(known[len(p) :]):
                alone[f, n] = roc(
                    values,
                    [True] * len(p) + [False] * len(q),
                    list(map(str, range(len(values)))),
                    np.random.default_rng(SEED),
                    2,
                ).auc.value
    weights = {
        k: dict(zip(FEATURES, x.models["en"].weights, strict=True))
        for k, x in (("scorer", scorer), ("levelled", flat))
    }
    hindi = dict(zip(FEATURES, separate.models["hi"].weights, strict=True))
    table(
        ["feature", "weight", "Hindi alone", "levelled", *sets],
        [
            (
                f,
                f"{weights['scorer'][f]:+.2f}",
                f"{hindi[f]:+.2f}",
                f"{weights['levelled'][f]:+.2f}",
                *(f"{alone[f, n]:.3f}" if (f, n) in alone else "-" for n in sets),
            )
            for f in FEATURES
        ],
    )
    out["weights"] = {**weights, "separate_hindi": hindi}

    print("### Domains: quartiles of the score\n")
    rows = []
    for n in sorted({d.name.split(".")[0] for d in (data_root() / "pretrain").glob("*.gz")}):
        if n[:2] in ("en", "hi") and n[2] == "_":
            documents = m.parts[n][1] if n in m.parts and m.parts[n][1] else few(domain(n))
            s = [v for v in scores_of(scorer, documents) if v is not None]
            rows.append((n, len(s), *(f"{v:.2f}" for v in np.quantile(s, (0.25, 0.5, 0.75)))))
    table(["domain", "documents", "25 %", "median", "75 %"], sorted(rows, key=lambda r: r[3]))
    out["domains"] = rows

    print("### What fools it, and controls\n")
    rows = []
    for k in ("en", "hi"):
        real = list(passages(k).values())
        rng = np.random.default_rng(SEED)
        mixed = [replace(d, text=" ".join(rng.permutation(d.text.split()))) for d in real]
        price = [replace(d, text=price_list(d.text, rng)) for d in real]
        stories = few(domain(f"{k}_stories"))
        for label, documents in (
            ("passages as they are", real),
            ("their words shuffled", mixed),
            ("their words as a price list", price),
            ("stories", stories),
        ):
            s = scores_of(scorer, documents)
            r = m.of(scorer, documents, stories).auc if documents is not stories else None
            rows.append((f"{k}: {label}", f"{np.median(s):.2f}", of(r) if r else "-"))
    table(["documents", "median score", "AUC against stories"], rows)
    out["fooled"] = rows
    modes: dict[str, Documents] = defaultdict(list)
    for d in records(data_root() / "hindi" / "hi_discourse_mode.jsonl.gz"):
        modes[d["target"]].append(FactDocument(d["id"], d["input"], "hi"))
    hard = m.of(scorer, modes["Informative"], modes["Narrative"] + modes["Dialogue"])
    print(
        "Single sentences of Hindi stories that people marked informative, against narrative and "
        f"dialogue: {of(hard.auc)}, {hard.positive} + {hard.negative}.\n"
    )
    out["discourse_modes"] = asdict(hard)
    print("### Labels shuffled\n")
    rng = np.random.default_rng(SEED)
    draws = []
    for _ in range(SHUFFLES):
        seeds, fresh = (shuffled(m, i, rng) for i in (0, 1))
        chance = FactScorer.train(*seeds, ["en", "hi"], SEED)
        draws.append([m.of(chance, *by_language(fresh, k)).auc.value for k in ("en", "hi")])
    out["shuffled"] = draws
    means = np.mean(draws, 0)
    print(
        f"Mean AUC of {SHUFFLES} scorers trained on shuffled labels, on held-out documents with "
        f"shuffled labels: English {means[0]:.3f}, Hindi {means[1]:.3f} (of single ones: "
        f"{np.min(draws):.3f} to {np.max(draws):.3f}).\n"
    )

    print("### Bits per character of positive documents\n")
    rows = []
    for k in ("en", "hi"):
        prose = [prose_of(d.text) for n in POSITIVE[k] for d in m.parts[n][0]]
        fresh = [prose_of(d.text) for n in POSITIVE[k] for d in m.parts[n][1]]
        model = train_prose_model(prose)
        mean = [
            np.mean([b for t in x if (b := model.bits_per_character(t))]) for x in (prose, fresh)
        ]
        rows.append((k, f"{mean[0]:.2f}", f"{mean[1]:.2f}"))
    table(["language", "read by the model", "held out"], rows)
    out["bits"] = rows

    print("### Speed, one core\n")
    rows = []
    for k in ("en", "hi"):
        documents = [d for n in names if n.startswith(k) for side in m.sets[n] for d in side]
        begin = time.perf_counter()
        scores_of(scorer, documents)
        spent = time.perf_counter() - begin
        size = sum(len(d.text.encode()) for d in documents)
        rows.append(
            (k, len(documents), f"{len(documents) / spent:,.0f}", f"{size / 1e6 / spent:.1f}")
        )
    table(["language", "documents", "documents/s", "MB/s"], rows)

    print(
        "### Examples at each decile of all held-out documents (beginnings of the texts: in the JSON)\n"
    )
    for k in ("en", "hi"):
        pool = {d.id: d for n in names if n.startswith(k) for side in m.sets[n] for d in side}
        examples = deciles(scorer, list(pool.values()))
        out.setdefault("deciles", {})[k] = [asdict(e) for e in examples]
        table(
            ["decile", "document", "score", "what counted"],
            [
                (
                    e.decile,
                    f"`{e.id}`",
                    f"{e.score:.3f}",
                    ", ".join(f"{c.feature} {c.log_odds:+.2f}" for c in e.contributions),
                )
                for e in examples
            ],
        )
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    if asked.json:
        asked.json.write_text(
            json.dumps(out, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
