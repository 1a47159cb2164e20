"""A run's specialists, merged: what a mixture loses on held-out rows, by a forward pass and no training.

    with_all = open_proxy(Path("runs/mix"), examples=32)
    with_all.losses([0.5, 0.3, 0.2])           # task -> mean nats per answer token

The rows are those that `fit` validates specialists on, so that what is measured on others later has had no
say in a choice. Whether these losses order mixtures as training does: `mishran.pipeline.proxy_study`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mishran.config import FitConfig
from mishran.errors import ArtifactError
from mishran.evaluate.held_out import HeldOut
from mishran.pipeline.facts import check_measured, read_facts, read_run
from mishran.pipeline.ingredients import gather, settings_of
from mishran.pipeline.measured import validation_sets
from mishran.pipeline.progress import Progress, Silent
from mishran.pipeline.stages import WEIGHTS
from mishran.pipeline.train import answers_to, mean_losses, start_of
from mishran.run import Run, sha256_value
from mishran.specialists.merged import Merge, merge_of
from mishran.train.models import Loaded


@dataclass(frozen=True)
class Proxy:
    """Base, specialists and rows.

    held: of every task, those that are only evaluated included. inputs: what losses depend on beside the
    weights, name -> sha256.
    """

    loaded: Loaded
    merge: Merge
    held: Mapping[str, HeldOut]
    inputs: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Whom weights are of."""
        return self.merge.names

    def losses(self, weights: Sequence[float], scale: float = 1.0) -> dict[str, float]:
        """Task -> mean over its rows of nats per answer token, under base + scale sum_k weights_k delta_k.

        Raises:
            ConfigError: other weights than names. ModelError: losses that are not finite.
        """
        with self.merge.at([scale * weight for weight in weights]) as model:
            return mean_losses(answers_to(model, self.loaded, self.held))


def open_proxy(place: Path, examples: int, progress: Progress | None = None) -> Proxy:
    """Load base, specialists and up to `examples` held-out rows of every task.

    The base is loaded in single precision, whatever the run computes in (see `mishran.specialists.merged`).

    Raises:
        ArtifactError: an unfinished run, or a base, files or data that changed since. ModelError: see
            `merge_of`.
    """
    run = Run(place)
    config: FitConfig = read_run(run)
    facts = read_facts(run)
    check_measured(run, facts)
    names = [f.name for f in facts if not f.eval_only]
    start = replace(start_of(place), dtype="float32")
    inputs = {"model": start.content(0)}
    for name in names:
        stage = f"specialists/{name}"
        run.need(stage)
        if run.finished(stage)["inputs"].get("model") != inputs["model"]:
            raise ArtifactError(
                expected=f"the base model that the specialist of {name!r} was trained on",
                found="another one: its files changed since",
                where=str(start.base / start.name),
                fix="bring the old files back, or run `mishran fit` on the same configuration again",
            )
        files = [f"{stage}/{file}" for file in WEIGHTS[config.specialists.kind]]
        inputs[stage] = sha256_value([run.outputs(stage)[file] for file in files])
    found = gather(settings_of(place), progress or Silent())
    held = validation_sets(place, found, examples, start.context)
    inputs["held_out"] = sha256_value(
        {
            name: [[list(row.input_ids), row.num_prompt_tokens] for row in one.rows]
            for name, one in held.items()
        }
    )
    loaded = start.load(0)
    folders = {name: run.path(f"specialists/{name}") for name in names}
    merge = merge_of(loaded.model, folders, config.specialists.kind)
    return Proxy(loaded, merge, held, inputs)
