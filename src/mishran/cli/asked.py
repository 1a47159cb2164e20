"""Questions about a solved mixture that are answered when asked: `--pair`, `--sensitivity`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mishran.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from mishran.pipeline.mix import Mixed

STEP = 0.01  # of affinity
SHOWN = 6


def check_asked(mixed: Mixed, option: str) -> None:
    """Refuse where the mixture is no optimum, whose derivative means nothing.

    Raises:
        ConfigError: it is robust, the paper's or another method's.
    """
    if mixed.answer is None or not mixed.answer.optimal:
        raise ConfigError(
            expected=f"an exact mixture beside {option}",
            found=mixed.mixture.method,
            where=option,
            fix=f"leave {option} out, or --robust, --solution and --method",
        )


def pair_effect(mixed: Mixed, pair: str) -> dict[str, Any]:
    """What the mixture does when two tasks are found 0.01 more alike, to first order.

    Raises:
        ConfigError: not two names with a comma between, or no such tasks.
    """
    from mishran.energy import pair_influence

    names = pair.split(",")
    if len(names) != 2:
        raise ConfigError(
            expected="TASK,TASK", found=repr(pair), where="--pair", fix="write two names"
        )
    check_asked(mixed, "--pair")
    found = mixed.answer
    influence = pair_influence(
        found.energy, found.bounds, found.solution, mixed.mixture.parameters["repair"]
    )
    change = STEP * influence.derivative(names[0], names[1])
    return {
        "tasks": names,
        "step": STEP,
        "moved": float(abs(change).sum() / 2),
        "changes": dict(zip(found.energy.names, map(float, change), strict=True)),
    }


def pair_sentence(effect: dict[str, Any]) -> str:
    """The effect in words, the largest changes first."""
    first, second = effect["tasks"]
    if effect["moved"] < 1e-12:
        return f"If {first} and {second} were {STEP} more alike, nothing would move."
    ranked = sorted(effect["changes"].items(), key=lambda item: -abs(item[1]))
    shown = ", ".join(
        f"{name} {100 * value:+.3f}" for name, value in ranked[:SHOWN] if abs(value) > 1e-12
    )
    return (
        f"If {first} and {second} were {STEP} more alike, {100 * effect['moved']:.2g} % of the "
        f"mixture would move; in points: {shown}"
    )


def sensitivity_table(mixed: Mixed) -> str:
    """dp/du as CSV with names: by how much each row's weight rises per unit of each column's u.

    Raises:
        ConfigError: the mixture is no optimum.
    """
    from mishran.energy import sensitivity

    check_asked(mixed, "--sensitivity")
    found = mixed.answer
    matrix = sensitivity(
        found.energy, found.bounds, found.solution, mixed.mixture.parameters["repair"]
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", *found.energy.names])
    for name, row in zip(found.energy.names, matrix.tolist(), strict=True):
        writer.writerow([name, *map(repr, row)])
    return text.getvalue()


def start_weights(file: Path) -> dict[str, float]:
    """Weights of a mixture file to start from.

    Raises:
        ArtifactError: no such file, or not a mixture.
    """
    from mishran.mixture import Mixture

    try:
        return Mixture.read(file).weights
    except ArtifactError as error:
        raise ArtifactError(
            expected=error.expected,
            found=error.found,
            where=f"--start {file}",
            fix="give a mixture.json, or another file that --out wrote",
        ) from error
