"""waves.json: which specialists are trained together, recorded before they are.

Who shares a batch changes rounding, so a wave is part of its members' keys, and a run that was
interrupted forms the same waves again. A task that is new, or whose data changed, comes into a new wave;
the others keep theirs.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from mishran.run import Run, atomic_write, sha256_value


@dataclass(frozen=True)
class Wave:
    """Specialists that are trained at once.

    members: task -> key of what its specialist is made from, in order. tokens: of a batch at most.
    """

    members: dict[str, str]
    tokens: int

    @property
    def name(self) -> str:
        """A hash of its members' names and the tokens.

        Not of their keys: a wave that forgets a member keeps its name, and so the others keep their wave.
        """
        return sha256_value([list(self.members), self.tokens])[:16]


_WAVES = TypeAdapter(tuple[Wave, ...])


def read_waves(run: Run) -> tuple[Wave, ...]:
    """The recorded waves; none where there is no file, or not as we write it."""
    try:
        return _WAVES.validate_json(run.path("waves.json").read_bytes())
    except (OSError, ValueError):
        return ()


def write_waves(run: Run, waves: Sequence[Wave]) -> None:
    text = json.dumps([asdict(w) for w in waves], indent=1, ensure_ascii=False)
    atomic_write(run.path("waves.json"), text + "\n")


def wave_of(waves: Sequence[Wave], task: str, key: str) -> Wave | None:
    """The wave that a task was trained in, or is to be, as it is now."""
    return next((w for w in waves if w.members.get(task) == key), None)


def kept(waves: Sequence[Wave], keys: Mapping[str, str]) -> tuple[Wave, ...]:
    """Waves of which a member is as it was."""
    return tuple(w for w in waves if any(keys.get(t) == k for t, k in w.members.items()))


def whole(wave: Wave, keys: Mapping[str, str]) -> bool:
    """Whether all members are as they were, so that the wave can be trained again."""
    return all(keys.get(task) == key for task, key in wave.members.items())


def without(waves: Sequence[Wave], tasks: Sequence[str]) -> tuple[Wave, ...]:
    """The waves with some members forgotten: the others keep their wave's name.

    A task that failed is planned anew, alone, so that trying again does not train the others again.
    """
    return tuple(
        Wave({t: k if t not in tasks else "" for t, k in w.members.items()}, w.tokens)
        for w in waves
    )


def split(tasks: Sequence[str], keys: Mapping[str, str], slots: int, tokens: int) -> list[Wave]:
    """Waves of about equal size, of at most `slots` members, in order."""
    number = -(-len(tasks) // slots)
    bounds = [round(i * len(tasks) / number) for i in range(number + 1)]
    return [Wave({t: keys[t] for t in tasks[a:b]}, tokens) for a, b in itertools.pairwise(bounds)]
