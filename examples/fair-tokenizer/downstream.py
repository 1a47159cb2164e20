"""What a tokenizer and the size of its vocabulary make of a small model: bits per byte at equal text.

    python examples/fair-tokenizer/downstream.py --arm ours=FOLDER --arm plain=FOLDER ...
    python examples/fair-tokenizer/downstream.py --vocabulary FOLDER FOLDER ... [--plot curve.svg]

*downstream* (`--arm`): the same model body on every tokenizer, and paired differences to the first arm over
the seeds. *curve* (`--vocabulary`): tokenizers of several sizes in two designs. With *equal parameters* the
body shrinks as the embedding grows; with an *equal body* the embedding comes on top. The recommended size
is the smallest whose bits per byte (mean of the languages, of equal weight) lie within the 95 % interval of
the best one's over the seeds, and which is not shown to be worse at the same seeds.

How text and bytes are kept equal: `small_models.py`. Every finished training is kept in the work folder, so
that the same command goes on where it was stopped.

Trade-off: models of about a million parameters on a few million bytes. They tell tokenizers apart, but the
best vocabulary grows with the model (Tao et al., arXiv 2407.13623). Two things favour large vocabularies
here: models that learn little beyond words, and tokenizers that have read more text than the models do and
bring its words along. The second goes away with tokenizers trained on no more text than `--bytes`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from small_models import (
    RATE,
    TRAIN,
    Arm,
    Shape,
    Texts,
    Trained,
    equal_parameters,
    num_bytes,
    read_texts,
    train,
    vocabulary_of,
)

from mishran.errors import ConfigError
from mishran.evaluate.paired import Paired, paired
from mishran.places import data_root
from mishran.specialists.validate import Interval, interval

LANGUAGES = ("en", "hi")
BODY = Shape(0, 64, 4, 172)  # 198,208 parameters under the embedding
DESIGNS = ("equal parameters", "equal body")
COLOURS = ("#1b6ca8", "#d1495b")

Found = Sequence[Trained]


def downstream_arms(given: Mapping[str, Path]) -> list[Arm]:
    """The same body for every tokenizer, under an embedding of its size."""
    return [Arm(name, path, _on(path, BODY)) for name, path in given.items()]


def curve_arms(folders: Sequence[Path], parameters: int) -> dict[str, list[Arm]]:
    """Design -> an arm for each tokenizer, the smallest first.

    Raises:
        ConfigError: two tokenizers of one size. ModelError: see `equal_parameters`.
    """
    found = [vocabulary_of(path) for path in folders]
    if twice := sorted({size for size in found if found.count(size) > 1}):
        raise ConfigError(
            expected="tokenizers of different sizes",
            found=f"{found.count(twice[0])} of {twice[0]:,} tokens",
            where="--vocabulary",
            fix="give one of them, or compare them with --arm",
        )
    out: dict[str, list[Arm]] = {}
    for design in DESIGNS:
        for path in sorted(folders, key=vocabulary_of):
            shape = _on(path, BODY)
            if design == DESIGNS[0]:
                shape = equal_parameters(shape.vocabulary, parameters, BODY)
            name = f"{design.replace(' ', '-')}-{shape.vocabulary}"
            out.setdefault(design, []).append(Arm(name, path, shape))
    return out


def _on(tokenizer: Path, body: Shape) -> Shape:
    return Shape(vocabulary_of(tokenizer), body.width, body.layers, body.ffn)


def train_all(
    arms: Sequence[Arm],
    texts: Texts,
    seeds: int,
    once: Sequence[int],
    rate: float,
    threads: int,
    work: Path,
) -> list[Trained]:
    """Every arm with every seed; seeds outside, so that a run that is cut short has whole ones.

    Args:
        once: sizes of vocabularies that are trained with the first seed only.
    """
    found: list[Trained] = []
    for seed in range(seeds):
        for arm in arms:
            if seed and arm.shape.vocabulary in once:
                continue
            found.append(train(arm, texts, seed, rate, threads, work))
            last = found[-1]
            said = ", ".join(f"{g} {v:.4f}" for g, v in last.bits.items())
            print(
                f"{arm.name}, seed {seed}: {said} bits per byte, {last.cpu_s:.0f} s of the processor",
                file=sys.stderr,
                flush=True,
            )
    assert len({tuple(t.bytes.items()) for t in found}) == 1, "the same bytes for every arm"
    assert len({t.steps for t in found}) == 1, "the same passages in every step"
    return found


def of(found: Found, arm: str) -> list[Trained]:
    """The trainings of an arm, by seed."""
    return sorted((t for t in found if t.arm == arm), key=lambda t: t.seed)


def score(one: Trained, language: str | None) -> float:
    """Bits per byte of a language; None: the mean of all."""
    return one.mean if language is None else one.bits[language]


def over_seeds(found: Found, arm: str, language: str | None = None) -> Interval:
    """Mean bits per byte and t interval over the seeds."""
    return interval(np.array([score(t, language) for t in of(found, arm)]))


def difference(found: Found, arm: str, base: str, language: str | None = None) -> Paired:
    """Bits per byte of `arm` less those of `base`, over the seeds that both have."""
    other = {t.seed: score(t, language) for t in of(found, base)}
    own = [score(t, language) - other[t.seed] for t in of(found, arm) if t.seed in other]
    return paired(own)


def recommended(found: Found, arms: Sequence[Arm]) -> tuple[Arm, str]:
    """The smallest vocabulary that is as good as the best, and why in words."""
    means = {arm.name: over_seeds(found, arm.name) for arm in arms}
    tried = [arm.shape.vocabulary for arm in arms]
    best = min(arms, key=lambda arm: means[arm.name].mean)
    least, high = best.shape.vocabulary, means[best.name].high
    why = f"{least:,} reaches the fewest bits per byte"
    if least in (min(tried), max(tried)):
        why += f", at the {'upper' if least == max(tried) else 'lower'} end of what was tried"
    if high is None:
        return best, f"{why}; with one seed there is no interval that a smaller one could be in."
    as_good = [
        arm
        for arm in arms
        if means[arm.name].mean <= high and not shown_worse(found, arm.name, best.name)
    ]
    smallest = min(as_good, key=lambda arm: arm.shape.vocabulary)
    rule = "within its interval over the seeds, and not shown worse at the same seeds"
    if smallest == best:
        return best, f"{why}; no smaller one lies {rule}."
    return smallest, f"{why}; this is the smallest {rule}."


def shown_worse(found: Found, arm: str, base: str) -> bool:
    """Whether the interval of the paired difference lies above 0.

    Seeds share the order of the text, so that an interval over them can be much wider than that of a
    difference at the same seeds.
    """
    low = difference(found, arm, base).low
    return low is not None and low > 0


def shape_cells(arm: Arm, found: Found) -> list[str]:
    """What an arm is and what it took: see `shape_heads`."""
    own = of(found, arm.name)
    s = arm.shape
    return [
        f"{s.vocabulary:,}",
        f"{s.width} x {s.layers}, {s.ffn}",
        f"{s.parameters:,}",
        f"{100 * s.embedding / s.parameters:.0f} %",
        *(f"{own[0].tokens[g]:,}" for g in own[0].tokens),
        f"{own[0].flops / 1e12:.2f}",
        f"{np.mean([t.cpu_s for t in own]):.0f}",
    ]


def shape_heads(languages: Sequence[str]) -> list[str]:
    """Of `shape_cells`; seconds are of the processor, as other work may share the machine."""
    tokens = [f"tokens {g}" for g in languages]
    what = ["vocabulary", "width x layers, ffn", "parameters", "in embedding"]
    return [*what, *tokens, "10^12 operations", "processor s"]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def span(one: Interval | Paired, sign: str = "") -> str:
    """An interval in a cell."""
    if one.low is None or one.high is None:
        return "-"
    return f"{one.low:{sign}.4f} to {one.high:{sign}.4f}"


def downstream_text(found: Found, arms: Sequence[Arm], texts: Texts) -> str:
    """Markdown of the first experiment."""
    languages = list(texts.valid)
    reached = [
        [arm.name, *shape_cells(arm, found)]
        + [f"{over_seeds(found, arm.name, g).mean:.4f}" for g in (*languages, None)]
        for arm in arms
    ]
    differences = []
    for arm in arms[1:]:
        for g in (*languages, None):
            d = difference(found, arm.name, arms[0].name, g)
            p = "-" if d.p is None else f"{d.p:.3f}"
            cells = [f"{arm.name} - {arms[0].name}", g or "mean", f"{d.mean:+.4f}"]
            differences.append([*cells, span(d, "+"), p, str(d.n)])
    heads = ["tokenizer", *shape_heads(languages), *languages, "mean"]
    parts = [conditions(found, texts), markdown(heads, reached)]
    if differences:
        heads = ["difference in bits per byte", "language", "mean", "95 % interval", "p", "seeds"]
        parts += [markdown(heads, differences)]
    best = min(arms, key=lambda arm: over_seeds(found, arm.name).mean)
    said = f"Fewest bits per byte, mean of the languages: **{best.name}**"
    parts.append(f"{said}, {over_seeds(found, best.name).mean:.4f}.")
    return "\n\n".join(parts)


def curve_text(found: Found, designs: Mapping[str, Sequence[Arm]], texts: Texts) -> str:
    """Markdown of the second experiment."""
    languages = list(texts.valid)
    parts = [conditions(found, texts)]
    for design, arms in designs.items():
        chosen, why = recommended(found, arms)
        best = min(arms, key=lambda arm: over_seeds(found, arm.name).mean)
        rows = []
        for arm in arms:
            whole = over_seeds(found, arm.name)
            d = difference(found, arm.name, best.name)
            rows.append(
                shape_cells(arm, found)
                + [f"{over_seeds(found, arm.name, g).mean:.4f}" for g in languages]
                + [f"{whole.mean:.4f}", span(whole), str(whole.n)]
                + (["0", "-"] if arm is best else [f"{d.mean:+.4f}", span(d, "+")])
            )
        heads = [*shape_heads(languages), *languages, "mean", "95 % interval", "seeds"]
        parts += [f"### {design.capitalize()}", markdown([*heads, "less the best", "95 %"], rows)]
        parts.append(f"Recommended: **{chosen.shape.vocabulary:,}**. {why}")
    return "\n\n".join(parts)


def sizes(texts: Texts) -> dict[str, int]:
    """Language -> bytes that every arm is trained on."""
    return {g: num_bytes(p) for g, p in texts.train.items()}


def numbers(found: Found) -> list[dict[str, Any]]:
    """Trainings as JSON values, with what follows from them."""
    return [
        asdict(t) | {"parameters": t.shape.parameters, "flops": t.flops, "mean": t.mean}
        for t in found
    ]


def conditions(found: Found, texts: Texts) -> str:
    """What holds of all arms, in words."""
    train_bytes = ", ".join(f"{size:,} of {g}" for g, size in sizes(texts).items())
    valid_bytes = ", ".join(f"{num_bytes(p):,} of {g}" for g, p in texts.valid.items())
    return (
        f"Every arm reads the same bytes ({train_bytes}) once, in {found[0].steps:,} steps of "
        f"{TRAIN['batch_size']} passages, and is measured on the same bytes ({valid_bytes}). "
        "Operations are 6 N D (parameters, tokens). A larger vocabulary has fewer tokens in a step; with "
        "a fixed number of tokens in a step, as large trainings have, it would also take fewer steps, "
        "which is no part of these numbers."
    )


LEFT, TOP, WIDE, HIGH, GAP = 60, 44, 230, 220, 60


def curve_svg(found: Found, designs: Mapping[str, Sequence[Arm]], languages: Sequence[str]) -> str:
    """Bits per byte over the vocabulary: a panel for each language and their mean, a line a design."""
    panels: list[str | None] = [*languages, None]
    size = f"0 0 {LEFT + len(panels) * (WIDE + GAP)} {TOP + HIGH + 46}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" '
        'style="font:12px system-ui,sans-serif;fill:#222;background:#fff">'
    ]
    for k, design in enumerate(designs):
        x = LEFT + 170 * k
        parts.append(f'<circle cx="{x + 5}" cy="12" r="3.5" fill="{COLOURS[k]}"/>')
        parts.append(f'<text x="{x + 14}" y="16">{escape(design)}</text>')
    for i, language in enumerate(panels):
        parts += _panel(found, designs, language, LEFT + i * (WIDE + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(
    found: Found, designs: Mapping[str, Sequence[Arm]], language: str | None, left: int
) -> Iterator[str]:
    """One language; the scale is its own, since languages differ by more than vocabularies do."""
    lines = {
        design: [(a.shape.vocabulary, over_seeds(found, a.name, language)) for a in arms]
        for design, arms in designs.items()
    }
    values = [v for line in lines.values() for _, m in line for v in (m.mean, m.low, m.high)]
    known = [v for v in values if v is not None]
    room = 0.05 * (max(known) - min(known)) or 0.01
    low, high = min(known) - room, max(known) + room
    every = sorted({size for line in lines.values() for size, _ in line})
    first, last = np.log2(every[0]), np.log2(every[-1])

    def across(size: int) -> float:
        inside = (np.log2(size) - first) / (last - first) if last > first else 0.5
        return round(float(left + 12 + (WIDE - 24) * inside), 1)

    def down(value: float) -> float:
        return round(TOP + HIGH * (high - value) / (high - low), 1)

    yield f'<text x="{left}" y="{TOP - 8}">{escape(language or "mean")}, bits per byte</text>'
    for value in np.linspace(low, high, 5):
        y = down(value)
        yield f'<line x1="{left}" x2="{left + WIDE}" y1="{y}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{value:.3f}</text>'
    for size in every:
        label = f"{size / 1024:.3g}k" if size >= 1024 else str(size)
        yield f'<text x="{across(size)}" y="{TOP + HIGH + 16}" text-anchor="middle">{label}</text>'
    middle = left + WIDE / 2
    yield f'<text x="{middle}" y="{TOP + HIGH + 34}" text-anchor="middle">vocabulary</text>'
    for k, (colour, line) in enumerate(zip(COLOURS, lines.values(), strict=False)):
        beside = 4 * k - 2  # so that intervals do not cover each other
        path = " ".join(f"{across(size) + beside},{down(m.mean)}" for size, m in line)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        for size, m in line:
            x = across(size) + beside
            if m.low is not None and m.high is not None:
                ends = f'x1="{x}" x2="{x}" y1="{down(m.low)}" y2="{down(m.high)}"'
                yield f'<line {ends} stroke="{colour}" stroke-width="2"/>'
            yield f'<circle cx="{x}" cy="{down(m.mean)}" r="3" fill="{colour}"/>'


def named(text: str) -> tuple[str, Path]:
    """NAME=FOLDER.

    Raises:
        ArgumentTypeError: it is not.
    """
    name, _, folder = text.partition("=")
    if not name or not folder or "/" in name:
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, got {text!r}")
    return name, Path(folder).resolve()


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--arm", type=named, action="append", default=[], help="NAME=FOLDER of a tokenizer")
    add("--vocabulary", type=Path, nargs="+", default=[], help="folders of tokenizers by size")
    add("--only", choices=("downstream", "curve"), help="one of the two experiments")
    add("--bytes", type=int, help="of training text; default 3,000,000, of the curve 1,250,000")
    add("--valid-bytes", type=int, default=100_000, help="of each language")
    add("--parameters", type=int, default=1_200_000, help="of the equal-parameter design")
    add("--seeds", type=int, default=3)
    add("--once", type=int, nargs="+", default=[], help="vocabulary sizes of one seed only")
    add("--rate", type=float, default=RATE, help="peak learning rate at width 64")
    add("--threads", type=int, default=1)
    add("--work", type=Path, default=Path("build/fair-tokenizer"), help="finished trainings")
    add("--quick", action="store_true", help="a fortieth of the text, two seeds")
    add("--json", type=Path, help="write every number into this file too")
    add("--plot", type=Path, help="write the curve into this SVG file")
    asked = parser.parse_args(argv)
    if asked.only == "downstream":
        asked.vocabulary = []
    if asked.only == "curve":
        asked.arm = []
    if len(asked.arm) == 1 or len(dict(asked.arm)) < len(asked.arm):
        parser.error("expected at least two --arm, of different names")
    if not asked.arm and not asked.vocabulary:
        parser.error("expected --arm NAME=FOLDER (two or more) or --vocabulary FOLDER ...")
    if asked.seeds < 1:
        parser.error("expected one seed or more")
    return asked


def main(argv: Sequence[str] | None = None) -> int:
    asked = parsed(argv)
    less = 40 if asked.quick else 1
    seeds = min(asked.seeds, 2) if asked.quick else asked.seeds
    first, second = downstream_arms(dict(asked.arm)), curve_arms(asked.vocabulary, asked.parameters)
    result: dict[str, Any] = {"languages": LANGUAGES, "threads": asked.threads, "rate": asked.rate}

    def run(
        arms: Sequence[Arm], size: int, once: Sequence[int] = ()
    ) -> tuple[Texts, list[Trained]]:
        amounts = [n // less for n in (asked.bytes or size, asked.valid_bytes)]
        texts = read_texts(data_root() / "pretrain", LANGUAGES, amounts[0], amounts[1])
        settings = (seeds, once, asked.rate, asked.threads, asked.work.resolve())
        return texts, train_all(arms, texts, *settings)

    if first:
        texts, found = run(first, 3_000_000)
        print(f"## Downstream\n\n{downstream_text(found, first, texts)}\n")
        result["downstream"] = {"train_bytes": sizes(texts), "trained": numbers(found)}
    if second:
        texts, found = run([a for arms in second.values() for a in arms], 1_250_000, asked.once)
        print(f"## Size of the vocabulary\n\n{curve_text(found, second, texts)}\n")
        result["curve"] = {"train_bytes": sizes(texts)}
        for design, arms in second.items():
            own = [t for arm in arms for t in of(found, arm.name)]
            best = recommended(found, arms)[0].shape.vocabulary
            result["curve"][design] = {"trained": numbers(own), "recommended": best}
        if asked.plot:
            asked.plot.parent.mkdir(parents=True, exist_ok=True)
            asked.plot.write_text(curve_svg(found, second, LANGUAGES), encoding="utf-8")
    print(f"Threads: {asked.threads}.")
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
