"""`Explanation`: why a mixture is what it is, as a file beside it.

`explanation.json` is this model, one to one. What the numbers mean is said once, where they are
computed (`mishran.energy`); here are their names. Weights are shares of the mixture; energies are in
the unit of the energy, whose scale D is in the mixture's certificate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mishran.errors import ArtifactError


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceFile(_File):
    """A bound that holds the mixture, as `mishran.energy.Price`; `sentence` says it in words."""

    name: str
    kind: Literal["floor", "cap", "epochs"]
    bound: float
    is_share: bool
    multiplier: float
    cost: float
    without: float
    sentence: str
    gains: dict[str, float]
    losses: dict[str, float]


class WithoutFile(_File):
    """A task and the mixture without it, as `mishran.energy.LeftOut` and `Substitutes`.

    cost: energy lost, None where bounds keep it in (`reason` says which). takers: who gains weight,
    at most five. nearest: the most similar tasks and their squared distance. entry: rise of its u
    that would bring it in, None for a task with weight and where bounds leave it no room at all.
    """

    name: str
    weight: float
    cost: float | None
    reason: str
    takers: dict[str, float]
    nearest: dict[str, float]
    entry: float | None = None


class ClusterFile(_File):
    """Tasks that repeat each other, as `mishran.energy.Cluster`; `driver` is the most similar pair."""

    tasks: tuple[str, ...]
    driver: tuple[str, str]
    driver_distance: float
    relative_distance: float


class PairFile(_File):
    """moved: share of the mixture that moves per +0.01 of the pair's affinity."""

    first: str
    second: str
    moved: float


class MapFile(_File):
    """points: task -> place in the plane. shown: share of the variance that two axes show."""

    points: dict[str, tuple[float, float]]
    shown: float


class TiesFile(_File):
    """Pairs of tasks whose weights the probes cannot tell apart.

    share: of all pairs. tasks: task -> those it cannot be told apart from.
    """

    share: float
    tasks: dict[str, tuple[str, ...]]


class PathFile(_File):
    """The exact solution path along t, piecewise linear between `t`; constant after the last.

    effective: effective tasks at each. jumps: t where the mixture jumps. diverse, central: smallest
    and largest number of effective tasks that each side reaches. repairs: what was changed in S to
    follow it, in words; the mixture itself has its own.
    """

    t: tuple[float, ...]
    effective: tuple[float, ...]
    jumps: tuple[float, ...]
    diverse: tuple[float, float]
    central: tuple[float, float]
    repairs: tuple[str, ...] = ()


class Explanation(_File):
    """Everything that is said about a mixture. path is None for unaries that have no t, ties where
    there are no replicas, and all else empty or None for a mixture that is not an optimum (the
    paper's closed form)."""

    schema_version: Literal[1] = 1
    prices: tuple[PriceFile, ...] = ()
    without: tuple[WithoutFile, ...] = ()
    clusters: tuple[ClusterFile, ...] = ()
    pairs: tuple[PairFile, ...] = ()
    map: MapFile | None = None
    ties: TiesFile | None = None
    path: PathFile | None = None

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Explanation:
        """Read `explanation.json`.

        Raises:
            ArtifactError: the file is missing or not an explanation.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ArtifactError(
                expected="the explanation of a mixture",
                found=str(error).splitlines()[0],
                where=str(path),
                fix="delete it and run `mishran solve` again",
            ) from error
