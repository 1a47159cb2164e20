"""A model whose parameters are to change: all of them, or a LoRA adapter that PEFT put around it.

Parameters that change are in single precision at least. Where the model is in bfloat16, a whole model is
trained in float32 with matrix products in bfloat16 (Micikevicius et al., arXiv 1710.03740), and an adapter
in float32 beside a base that stays in bfloat16.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from mishran.config_train import TrainConfig
from mishran.errors import DependencyError, ModelError, TrainingError
from mishran.train.adapter import add_adapter, write_adapter
from mishran.train.layers import layers_of
from mishran.train.models import Loaded, no_library_bars


class Trainable(torch.nn.Module):
    """See the module.

    cast: what matrix products are computed in, see `mishran.train.loop.train`. kind: of `TrainConfig`.
    Nothing but an adapter's own dropout is dropped out in training: the recipe says all there is.
    """

    def __init__(self, loaded: Loaded, recipe: TrainConfig, seed: int, base_name: str) -> None:
        """base_name: of the model, for the adapter's own record.

        Raises:
            ModelError: there is nothing of the model that can be trained so.
        """
        super().__init__()
        self.kind, self.saved_as = recipe.kind, loaded.dtype
        self.cast: torch.dtype | None = None
        if recipe.kind == "lora":
            self.model = add_adapter(loaded.model, recipe, seed, base_name, "train.targets")
        else:
            self.model = _all(loaded)
            self.cast = loaded.dtype if loaded.dtype.itemsize < 4 else None

    @property
    def trained(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that change, by name, in order; tied ones once."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    @property
    def config(self) -> Any:
        return self.model.config

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.model.get_output_embeddings()

    def forward(self, **inputs: Any) -> Any:
        return self.model(**inputs)

    def train(self, mode: bool = True) -> Trainable:
        for name, module in self.model.named_modules():
            module.training = mode and "lora_dropout" in name
        self.training = mode
        return self

    def compile_layers(self) -> None:
        """Compile each decoder layer, for lines of any length.

        Not the whole: what is hooked to the head differs from batch to batch (see
        `mishran.train.answers.only_at`), and everything would be compiled anew for each.

        Raises:
            ModelError: the model does not say which of its modules are layers. DependencyError: there is
                no C++ compiler, which torch needs for the processor.
        """
        layers = layers_of(self.model, "train.compile", "remove compile")
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        if self.model.device.type == "cpu" and shutil.which(compiler) is None:
            raise DependencyError(
                expected=f"a C++ compiler ({compiler}), as torch.compile needs on a CPU",
                found="none",
                where="train.compile",
                fix="install one, name it in CXX, or remove compile",
            )
        for layer in layers:
            layer.compile(dynamic=True)

    def finish(self) -> None:
        """Training is over: parameters are measured and saved in the type that the model came in."""
        self.eval()
        if self.kind == "full":
            self.model.to(self.saved_as)

    def save(self, folder: Path, tokenizer: Any) -> None:
        """Write the finished model or the adapter, and the tokenizer, for transformers and PEFT."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.kind == "lora":
            write_adapter(self.model, folder)
        else:
            with no_library_bars():
                self.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def optimizer_of(model: Trainable, recipe: TrainConfig, hidden_size: int) -> torch.optim.AdamW:
    """AdamW; matrices decay and vectors (biases, norms) do not."""
    named = model.trained
    matrices = [p for p in named.values() if p.ndim >= 2]
    vectors = [p for p in named.values() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=recipe.peak_learning_rate(hidden_size),
        betas=recipe.betas,
        eps=recipe.epsilon,
        fused=True,
    )


def _all(loaded: Loaded) -> Any:
    if loaded.dtype == torch.float16:
        raise TrainingError(
            expected="bfloat16 or float32 for training all parameters",
            found="float16, whose gradients underflow",
            where="dtype",
            fix="set dtype: bfloat16, or kind: lora",
        )
    for name, parameter in loaded.model.named_parameters():
        if not parameter.is_floating_point():
            raise ModelError(
                expected="a model in floating-point numbers, as kind: full needs",
                found=f"{name} in {str(parameter.dtype).removeprefix('torch.')}",
                where="train.kind",
                fix="use kind: lora, or a model that is not quantised",
            )
    return loaded.model.float().requires_grad_(True)
