"""How much fairness a bounded cost buys, at every vocabulary, on sentences that the search did not see.

    python examples/fair-tokenizer/bars.py --recipe FILE [--json FILE]

For each size and algorithm of a finished run, and for at most 6 % and at most 3 % more English tokens (in
the search's own texts), the candidate with the smallest gap is trained and measured against the
proportional tokenizer of the same size and algorithm. Bars: the gap at least halved at 6 %, a third
smaller at 3 %.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mishran.pipeline.tokenizer_plan import PlannedTokenizer, plan_tokenizer
from mishran.pipeline.tokenizer_search import read_candidates
from mishran.pipeline.tokenizer_train import Material, material, opened
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.fair import Candidate, choose
from mishran.tokenizer.measures import Estimate, drawn, interval
from mishran.tokenizer.parallel import Parallel

BARS = {0.06: 1 / 2, 0.03: 2 / 3}  # more English tokens -> what may be left of the gap
REPLICAS = 1000
RESERVE = 0.1  # of the allowed cost, since the other half of the sentences is another sample


@dataclass(frozen=True)
class Found:
    """One bar at one size.

    share: of Hindi text. before, after: parity. left: of the gap. english, hindi: share of more tokens.
    """

    algorithm: str
    vocabulary: int
    allowed: float
    share: float
    temperature: float
    before: Estimate
    after: Estimate
    left: Estimate
    english: Estimate
    hindi: Estimate

    @property
    def met(self) -> bool:
        return self.left.value <= BARS[self.allowed] and self.english.value <= self.allowed


def measure_all(planned: PlannedTokenizer, language: str) -> list[Found]:
    """Every size and bar of a finished run."""
    place = planned.folder
    line = json.loads((place / "line.json").read_text())
    candidates = read_candidates(
        place,
        planned.attempts,
        line["proportional"],
        line["line"],
        planned.reference,
        planned.shape,
    )
    made = material(planned.config, place / "words", planned.base, planned.texts)
    texts = planned.reported[0].only([planned.reference, language])
    out = []
    for algorithm in planned.config.algorithms:
        for size in sorted(set(planned.config.vocabularies)):
            some = [c for c in candidates if (c.algorithm, c.vocabulary) == (algorithm, size)]
            plain = next(c for c in some if c.strength == 0 and c.temperature == 1)
            before = _trained(made, plain)
            for allowed in BARS:
                chosen = choose(some, None, (1 - RESERVE) * allowed).candidate
                after = _trained(made, chosen)
                out.append(_found(chosen, allowed, before, after, texts, planned, language))
    return out


def _trained(made: Material, one: Candidate) -> Tokenizer:
    return opened(made.train(one.shares, one.algorithm, one.vocabulary, one.temperature))


def _found(
    chosen: Candidate,
    allowed: float,
    before: Tokenizer,
    after: Tokenizer,
    texts: Parallel,
    planned: PlannedTokenizer,
    language: str,
) -> Found:
    draws = np.vstack([np.ones(texts.num), drawn(texts.num, REPLICAS, planned.config.seed)])
    ref = planned.reference

    def sums(tokenizer: Tokenizer, tag: str) -> Any:
        return draws @ tokenizer.counts(texts.texts[tag])

    parity = [sums(t, language) / sums(t, ref) for t in (before, after)]
    left = np.abs(parity[1] - 1) / np.abs(parity[0] - 1)
    english = sums(after, ref) / sums(before, ref) - 1
    other = sums(after, language) / sums(before, language) - 1
    estimates = (interval(float(v[0]), v[1:]) for v in (*parity, left, english, other))
    return Found(
        chosen.algorithm,
        chosen.vocabulary,
        allowed,
        chosen.shares[language],
        chosen.temperature,
        *estimates,
    )


def table(found: list[Found]) -> str:
    """Markdown."""
    lines = [
        "| algorithm | vocabulary | allowed | share of Hindi | temperature | parity before | after "
        "| gap left | English tokens | Hindi tokens | bar |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for one in found:
        cells = (
            one.algorithm,
            f"{one.vocabulary:,}",
            f"{one.allowed:.0%}",
            f"{one.share:.0%}",
            f"{one.temperature:g}",
            say(one.before, "{:.3f}"),
            say(one.after, "{:.3f}"),
            say(one.left, "{:.2f}"),
            say(one.english, "{:+.1%}"),
            say(one.hindi, "{:+.1%}"),
            f"gap <= {BARS[one.allowed]:.2f}: {'met' if one.met else '**missed**'}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def say(one: Estimate, form: str) -> str:
    return f"{form.format(one.value)} ({form.format(one.low)} to {form.format(one.high)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", type=Path, required=True, help="of the finished run")
    parser.add_argument("--language", default="hi")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = measure_all(plan_tokenizer(asked.recipe), asked.language)
    print(table(found))
    if asked.json:
        rows = [
            {
                "name": f"{one.algorithm} {one.vocabulary}, at most {one.allowed:.0%}",
                "gap_left": one.left.value,
                "english": one.english.value,
                "goal": f"gap <= {BARS[one.allowed]:.2f}",
                "met": one.met,
            }
            for one in found
        ]
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
