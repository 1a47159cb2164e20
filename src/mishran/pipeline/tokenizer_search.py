"""The search: how candidates are measured, kept and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mishran.config_tokenizer import Algorithm
from mishran.pipeline.tokenizer_train import Material, opened
from mishran.tokenizer.fair import (
    Candidate,
    Choice,
    Measured,
    equal_shares,
    front,
    measured_on,
    tilted,
)
from mishran.tokenizer.parallel import Parallel
from mishran.tokenizer.shape import Shape

LINE: Algorithm = "sentencepiece-bpe"  # the line of shares is found with it: it trains fastest


def find_line(
    made: Material,
    shares: Mapping[str, float],
    texts: Sequence[Parallel],
    reference: str,
    vocabularies: Sequence[int],
) -> dict[str, float]:
    """Language -> logarithm, from the shares of the text to equal parity, at the middle vocabulary."""
    middle = sorted(vocabularies)[len(vocabularies) // 2]

    def parity(at: Mapping[str, float]) -> Mapping[str, float]:
        trained = made.train(at, LINE, middle)
        return measured_on(opened(trained), texts, reference).parity

    return equal_shares(shares, reference, parity)


def try_strength(
    made: Material,
    shares: Mapping[str, float],
    temperature: float,
    algorithm: Algorithm,
    vocabularies: Sequence[int],
    texts: Sequence[Parallel],
    reference: str,
) -> list[dict[str, Any]]:
    """One algorithm at one place on the line, at every size: what it does on the search text."""
    sizes = sorted(set(vocabularies))
    found = []
    for trained in made.train_sizes(shares, algorithm, sizes, temperature):
        on = measured_on(opened(trained), texts, reference)
        found.append(
            {
                "vocabulary": trained.vocabulary,
                "parity": dict(on.parity),
                "tokens": {k: dict(v) for k, v in on.tokens.items()},
                "bytes_per_token": on.bytes_per_token,
            }
        )
    return found


def read_candidates(
    folder: Path,
    attempts: Sequence[tuple[str, Algorithm, float, float]],
    proportional: Mapping[str, float],
    line: Mapping[str, float],
    reference: str,
    shape: Shape,
) -> list[Candidate]:
    """Every candidate that was tried, with its cost, in order.

    Args:
        attempts: file below the folder, algorithm, temperature and strength of each attempt.
    """
    rows = [
        (algorithm, temperature, strength, row)
        for name, algorithm, temperature, strength in attempts
        for row in json.loads((folder / name).read_text(encoding="utf-8"))
    ]
    plain: dict[int, dict[str, int]] = {}
    for _, temperature, strength, row in rows:
        if strength == 0 and temperature == 1:
            tokens, best = row["tokens"][reference], plain.setdefault(row["vocabulary"], {})
            best.update({d: min(n, best.get(d, n)) for d, n in tokens.items()})
    return [
        Candidate(
            algorithm=algorithm,
            vocabulary=row["vocabulary"],
            strength=strength,
            shares=tilted(proportional, line, strength),
            measured=Measured(row["parity"], row["tokens"], row["bytes_per_token"]),
            cost=_cost(row["tokens"][reference], plain[row["vocabulary"]]),
            embedding_share=shape.embedding_share(row["vocabulary"]),
            temperature=temperature,
        )
        for algorithm, temperature, strength, row in rows
    ]


def _cost(tokens: Mapping[str, int], plain: Mapping[str, int]) -> float:
    """Share of more tokens in the domain that pays most."""
    return max(n / plain[domain] for domain, n in tokens.items()) - 1


def search_facts(
    candidates: Sequence[Candidate], choice: Choice, line: Mapping[str, Any]
) -> dict[str, Any]:
    """What search.json holds: every candidate, which are on the front, which one was chosen and why."""
    best = front(candidates)
    rows = [
        {
            "algorithm": c.algorithm,
            "vocabulary": c.vocabulary,
            "strength": c.strength,
            "temperature": c.temperature,
            "shares": dict(c.shares),
            "parity": dict(c.measured.parity),
            "gap": c.measured.gap,
            "bytes_per_token": c.measured.bytes_per_token,
            "tokens": {k: dict(v) for k, v in c.measured.tokens.items()},
            "cost": c.cost,
            "embedding_share": c.embedding_share,
            "front": c in best,
            "chosen": c == choice.candidate,
        }
        for c in candidates
    ]
    return {**line, "candidates": rows, "why": choice.why, "reached": choice.reached}
