"""Fairness as a number: candidates, the front that none of them beats, and the choice under a bound.

Two knobs of training decide how a vocabulary is divided between languages: its size, and the share of each
language in the text that it is learned from. Shares are moved along one line, from those of the text as
it is (strength 0) towards those at which no language pays more than the reference (strength 1, found by
`equal_shares`); beyond 1 the others are favoured. The line makes two languages or twenty one search.

What it costs is told beside: tokens of the reference language against the best proportional tokenizer of
the same size, in the domain that pays most.

Source: parity as in Petrov et al. 2023 (arXiv 2305.15425); that shares of the training text decide it, e.g.
Ahia et al. 2023 (arXiv 2305.13707). The line of shares is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mishran.config_tokenizer import Algorithm
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.open_bytes import utf8_bytes
from mishran.tokenizer.parallel import Parallel

ROUNDS = 8  # of finding equal shares; each halves the distance or better
_NEAR = 0.01  # a gap that needs no further round
_STILL = 1e-6  # a step that leads nowhere: the bound holds it
_LEAST = 0.02  # share of a language that is in the text at all; assumption


@final
@dataclass(frozen=True)
class Measured:
    """A tokenizer on parallel text. Domains count alike, however long their texts are.

    parity: language -> tokens against the reference, the geometric mean over domains. tokens: language ->
    domain -> how many. bytes_per_token: of all languages and domains, weighted alike.
    """

    parity: Mapping[str, float]
    tokens: Mapping[str, Mapping[str, int]]
    bytes_per_token: float

    @property
    def gap(self) -> float:
        """|parity - 1| of the language that has it worst."""
        return max(abs(p - 1) for p in self.parity.values())


@final
@dataclass(frozen=True)
class Candidate:
    """A tokenizer that was tried.

    strength: place on the line of shares. cost: share of more tokens in the reference language than the
    best proportional tokenizer of the same size, in the domain that pays most. embedding_share: of the
    model's parameters. temperature: of the sources of a language.
    """

    algorithm: Algorithm
    vocabulary: int
    strength: float
    shares: Mapping[str, float]
    measured: Measured
    cost: float
    embedding_share: float
    temperature: float = 1.0


def measured_on(tokenizer: Tokenizer, texts: Sequence[Parallel], reference: str) -> Measured:
    """Parity and compression.

    Args:
        texts: domains, each with the reference language; a language is measured on those that have it.
    """
    tokens: dict[str, dict[str, int]] = {}
    size: dict[str, dict[str, int]] = {}
    for domain in texts:
        for language, lines in domain.texts.items():
            tokens.setdefault(language, {})[domain.name] = int(tokenizer.counts(lines).sum())
            in_bytes = sum(len(utf8_bytes(line)) for line in lines)
            size.setdefault(language, {})[domain.name] = in_bytes
    parity = {
        language: float(
            np.exp(np.mean([np.log(n / tokens[reference][d]) for d, n in found.items()]))
        )
        for language, found in tokens.items()
        if language != reference
    }
    per_byte = [tokens[k][d] / n for k, found in size.items() for d, n in found.items()]
    return Measured(parity, tokens, float(1 / np.mean(per_byte)))


def tilted(
    shares: Mapping[str, float], direction: Mapping[str, float], strength: float
) -> dict[str, float]:
    """Shares so far along the line: each times exp(strength x direction), then made to sum to 1.

    Languages without a direction keep their share: nothing is known of what they pay.
    """
    raw = {
        k: s * float(np.exp(strength * direction[k])) for k, s in shares.items() if k in direction
    }
    kept = sum(s for k, s in shares.items() if k not in direction)
    scale = (1 - kept) / sum(raw.values()) if raw else 0.0
    return {k: raw[k] * scale if k in raw else s for k, s in shares.items()}


def equal_shares(
    shares: Mapping[str, float],
    reference: str,
    parity: Callable[[Mapping[str, float]], Mapping[str, float]],
) -> dict[str, float]:
    """The direction of the line: logarithms that lead from these shares to equal parity.

    Each round gives a language more by a power of what it pays; the power is the slope seen in the round
    before (a secant), between 1 and 16.

    Args:
        shares: of the text as it is.
        parity: shares -> language -> parity, by training with them.

    Returns:
        language -> logarithm; 0 for the reference, none where parity is not known. Where equal parity
        cannot be reached, the line leads to where the reference would keep 2 % of what moves.
    """
    at: dict[str, float] = {reference: 0.0}
    before: tuple[dict[str, float], dict[str, float]] | None = None
    for _ in range(ROUNDS):
        logs = {
            k: float(np.log(p)) for k, p in parity(tilted(shares, at, 1.0)).items() if k in shares
        }
        if all(abs(v) < _NEAR for v in logs.values()):
            break
        old = {k: at.get(k, 0.0) for k in logs}
        moved = {reference: 0.0}
        for k, log in logs.items():
            power = 4.0
            if before is not None and abs(before[1][k] - log) > 1e-4:
                power = (old[k] - before[0][k]) / (before[1][k] - log)
            moved[k] = old[k] + float(np.clip(power, 1.0, 16.0)) * log
        before = (old, logs)
        kept = sum(s for k, s in shares.items() if k not in moved)
        left = tilted(shares, moved, 1.0)[reference] / (1 - kept)
        if left < _LEAST:  # as far as the reference can still be learned
            odds = float(np.log(left / (1 - left)) - np.log(_LEAST / (1 - _LEAST)))
            moved |= {k: moved[k] + odds for k in logs}
        if all(abs(moved[k] - old[k]) < _STILL for k in logs):
            break
        at = moved
    return at


def front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that no other beats in bytes per token, gap and embedding share at once (Pareto), in order."""
    return tuple(c for c in candidates if not any(_beats(other, c) for other in candidates))


def _beats(one: Candidate, other: Candidate) -> bool:
    a = (-one.measured.bytes_per_token, one.measured.gap, one.embedding_share)
    b = (-other.measured.bytes_per_token, other.measured.gap, other.embedding_share)
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


@final
@dataclass(frozen=True)
class Choice:
    """The candidate that was chosen, and why. reached: whether it keeps every bound that was asked for."""

    candidate: Candidate
    reached: bool
    why: str


def choose(
    candidates: Sequence[Candidate],
    parity: float | None,
    max_cost: float,
    max_embedding_share: float | None = None,
) -> Choice:
    """The smallest vocabulary that keeps the bounds; without a bound on parity, the smallest gap.

    Args:
        parity: the most that any language may pay against the reference.
        max_cost: the most that the reference language may pay for it.
        max_embedding_share: of the model's parameters.
    """
    allowed = [
        c
        for c in candidates
        if c.cost <= max_cost
        and (max_embedding_share is None or c.embedding_share <= max_embedding_share)
    ]
    bounds = f"at most {max_cost:.1%} more tokens in the reference language"
    if max_embedding_share is not None:
        bounds += f" and {max_embedding_share:.1%} of the parameters in embeddings"
    if not allowed:
        most = 1.0 if max_embedding_share is None else max_embedding_share
        nearest = min(
            candidates,
            key=lambda c: max(0.0, c.cost - max_cost) + max(0.0, c.embedding_share - most),
        )
        why = f"no candidate keeps {bounds}; this one comes nearest, with {nearest.cost:.1%}"
        if max_embedding_share is not None:
            why += f" and {nearest.embedding_share:.1%}"
        return Choice(nearest, False, why)
    fairest = min(allowed, key=lambda c: (c.measured.gap, c.vocabulary))
    if parity is None:
        return Choice(fairest, True, f"the smallest gap with {bounds}")
    fair = [c for c in allowed if max(c.measured.parity.values()) <= parity]
    if not fair:
        # Not the smallest gap, in which languages that pay less than the reference count, too.
        nearest = min(allowed, key=lambda c: (max(c.measured.parity.values()), c.vocabulary))
        reachable = max(nearest.measured.parity.values())
        return Choice(
            nearest,
            False,
            f"parity {parity:g} is not reached with {bounds}: {reachable:.3f} is, by "
            f"{nearest.algorithm} with {nearest.vocabulary:,} tokens",
        )
    found = min(fair, key=lambda c: (c.vocabulary, -c.measured.bytes_per_token))
    return Choice(found, True, f"the smallest vocabulary with parity {parity:g} and {bounds}")
