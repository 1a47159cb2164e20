"""Activation checkpointing: a decoder layer keeps its input alone, and is computed again for its gradients.

Memory of a batch falls from all activations of all layers to the inputs of all and the activations of
one; a step takes about a third longer, and gives the same gradients. The adapters' dropout is a pure
function of step, layer and token, so that it is the same the second time.

transformers' own switch asks each layer whether it is in training, which in some families (OPT, BART)
would also switch on the frozen base's dropout; so the layers are wrapped here.

Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from mishran.train.layers import layers_of


@contextmanager
def checkpointed(
    model: Any, wanted: bool = True, where: str = "specialists.checkpointing"
) -> Iterator[None]:
    """Within it, layers of the model are computed again where gradients are taken.

    Raises:
        ModelError: the model does not say which of its modules are layers.
    """
    fix = "remove checkpointing, or lower the batch size or max_tokens"
    layers = layers_of(model, where, fix) if wanted else []
    for layer in layers:
        layer.forward = partial(_twice, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _twice(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
