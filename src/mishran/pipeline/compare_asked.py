"""What is to be compared: methods, seeds, budget, and how it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mishran.errors import ConfigError
from mishran.evaluate.results import UNIFORM
from mishran.methods import canonical, parse

OWN = "run"  # the mixture of the run as it is, bounds and all
CURVE = (0.5, 2.0)  # budgets at which uniform is trained too, for the steps to equal loss


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    methods: specs (see `mishran.methods.registry`), or "run"; uniform comes by itself. tokens: of each
    training. shares: what weights are shares of, rows or tokens; those of methods that go by sizes are
    of rows, and are converted. curve: multiples of the budget that uniform is trained at as well.
    examples: held-out ones of each task. groups: further groups of tasks that are told apart. workers:
    processes, None for one per processor or GPU. redistribute is always on: a task at max_epochs gives
    the rest away, and says so.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    tokens: int
    shares: str = "rows"
    examples: int = 64
    curve: tuple[float, ...] = CURVE
    max_epochs: float | None = None
    accuracy: bool = True
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    primary: str | None = None
    workers: int | None = None
    model: str | None = None
    keep_models: bool = False


def named(asked: Asked) -> list[str]:
    """Every method once, by its canonical name, uniform first.

    Raises:
        ConfigError: one that does not exist.
    """
    specs = [UNIFORM, *(m.strip() for m in asked.methods)]
    return list(dict.fromkeys(m if m == OWN else canonical(parse(m)) for m in specs))


def check_budgets(asked: Asked) -> None:
    """Nothing if uniform's curve has a point of its own at each multiple.

    Raises:
        ConfigError: in whole tokens, two are the same.
    """
    budgets = [asked.tokens, *(round(asked.tokens * scale) for scale in asked.curve)]
    if len(set(budgets)) < len(budgets) or min(budgets) < 1:
        raise ConfigError(
            expected="multiples that differ from each other and from 1 in whole tokens",
            found=", ".join(f"{budget:,} tokens" for budget in budgets),
            where="--curve",
            fix="write --curve 0.5,2, or --curve none",
        )
