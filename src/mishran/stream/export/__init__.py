"""Exports: a file per trainer, behind one interface (`target.py`).

Adding one is a file, a line here, a row in docs/guide/build.md and a test.
"""

from __future__ import annotations

from importlib import import_module

from mishran.errors import ConfigError
from mishran.stream.export.target import Target

TARGETS = {
    "axolotl": "mishran.stream.export.axolotl:Axolotl",
    "datasets": "mishran.stream.export.hf_datasets:HfDatasets",
    "llama-factory": "mishran.stream.export.llama_factory:LlamaFactory",
    "megatron": "mishran.stream.export.megatron:Megatron",
    "trl": "mishran.stream.export.trl:Trl",
}


def target(name: str) -> Target:
    """The export of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in TARGETS:
        raise ConfigError(
            expected=f"one of {', '.join(TARGETS)}",
            found=repr(name),
            where="--to",
            fix="choose one; for another trainer, `mishran build` writes plain Parquet or JSONL",
        )
    module, kind = TARGETS[name].split(":")
    made: Target = getattr(import_module(module), kind)()
    return made
