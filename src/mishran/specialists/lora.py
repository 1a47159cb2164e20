"""Many LoRA adapters on one frozen linear layer: each line of a batch goes through its own.

The frozen layer runs once for all lines, whatever their adapter. Then every line gets the low-rank term
of its slot, y += scale * (x A') B'. Two ways to the same numbers: *by slice*, matrix products over the
lines of each slot (CPUs, where a product of a few hundred tokens is cheap to start), and *by line*,
batched products with the matrices of each line's slot gathered (GPUs, where starting is what costs).

The low-rank matrices of a slot are one row of a matrix `weights` (slots x parameters), their gradients
the same row of `grads`, so that an optimizer, a norm or a file sees one vector per specialist.
Gradients are added straight into `grads`: autograd would make a zero-filled copy of it per layer.

Source: Hu et al., "LoRA", arXiv 2106.09685; several adapters in one batch as in S-LoRA, arXiv 2311.03285
(serving) and mLoRA, arXiv 2312.02515 (training). The arrangement is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from mishran.errors import ModelError
from mishran.train.batch import Batch, Group

CHOOSE = "choose other layers; in this one rows cannot be told apart"


@dataclass(frozen=True)
class Site:
    """One adapted layer: its module's name, widths, and where its matrices lie in a slot's vector.

    A is (rank, wide_in) at `start`, B is (wide_out, rank) behind it.
    """

    name: str
    wide_in: int
    wide_out: int
    start: int


@dataclass(frozen=True)
class Layout:
    """All adapted layers of a model, in order, with one rank; `scale` multiplies every low-rank term."""

    sites: tuple[Site, ...]
    rank: int
    scale: float

    @property
    def size(self) -> int:
        """Parameters of a slot."""
        last = self.sites[-1]
        return last.start + self.rank * (last.wide_in + last.wide_out)

    @classmethod
    def of(cls, widths: Sequence[tuple[str, int, int]], rank: int, scale: float) -> Layout:
        """widths: name, wide_in and wide_out of each layer."""
        sites: list[Site] = []
        start = 0
        for name, wide_in, wide_out in widths:
            sites.append(Site(name, wide_in, wide_out, start))
            start += rank * (wide_in + wide_out)
        return cls(tuple(sites), rank, scale)

    def matrices(self, rows: torch.Tensor, site: Site) -> tuple[torch.Tensor, torch.Tensor]:
        """Views (N, rank, wide_in) and (N, wide_out, rank) of (N, size) rows."""
        middle = site.start + self.rank * site.wide_in
        end = middle + self.rank * site.wide_out
        a = rows[:, site.start : middle].unflatten(1, (self.rank, site.wide_in))
        b = rows[:, middle:end].unflatten(1, (site.wide_out, self.rank))
        return a, b


@dataclass(frozen=True)
class Lines:
    """The lines of a batch that have a slot, those of one slot together: what by line reads by.

    numbers: (L,) of the lines. slots: (L,) of each. own: (S,) every slot once. counts: (S,) its lines.
    """

    numbers: torch.Tensor
    slots: torch.Tensor
    own: torch.Tensor
    counts: torch.Tensor

    @classmethod
    def of(cls, groups: Sequence[Group], device: torch.device) -> Lines:
        """groups: with slots, in ascending order."""
        slots = [g.slot for g in groups for _ in range(g.start, g.stop)]
        numbers = torch.cat([torch.arange(g.start, g.stop) for g in groups])
        own, counts = torch.tensor(slots).unique_consecutive(return_counts=True)
        return cls(*(t.to(device) for t in (numbers, torch.tensor(slots), own, counts)))


@dataclass
class Route:
    """Which lines of the batch at work belong to which slot; set before each forward pass.

    groups: those with a slot (the base has none), by line in the order of their slots. lines, wide: of the
    whole batch. sorted: see `Lines`, None by slice. step: of each slot, for dropout. by_line: see the
    module.
    """

    groups: tuple[Group, ...] = ()
    lines: int = 0
    wide: int = 0
    sorted: Lines | None = None
    by_line: bool = False
    dropout: float = 0.0
    seed: int = 0
    steps: dict[int, int] = field(default_factory=dict)

    def set(self, batch: Batch) -> None:
        found = [g for g in batch.groups if g.slot is not None]
        if self.by_line:
            found.sort(key=lambda g: g.slot or 0)
        self.groups = tuple(found)
        self.lines, self.wide = batch.input_ids.shape
        self.sorted = None
        if self.by_line and found:
            self.sorted = Lines.of(found, batch.input_ids.device)

    def check(self, x: torch.Tensor, layer: str) -> None:
        """Lines are told apart by their place in x, so all tokens have to be there, in order.

        Raises:
            ModelError: they are not (experts see the tokens that were chosen for them).
        """
        if x.shape[:-1] not in ((self.lines, self.wide), (self.lines * self.wide,)):
            raise ModelError(
                expected="linear layers that take rows x tokens x numbers, "
                f"{(self.lines, self.wide)} here",
                found=f"input of shape {tuple(x.shape)}",
                where=f"layer {layer!r}",
                fix=CHOOSE,
            )


class StackedLora(torch.nn.Module):
    """A frozen linear layer with one adapter per slot."""

    def __init__(
        self,
        base: torch.nn.Module,
        name: str,
        number: int,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
        route: Route,
        grads: tuple[torch.Tensor, torch.Tensor] | None,
        anchor: torch.Tensor,
    ) -> None:
        """name: for errors. number: of the layer, for dropout. a, b, grads: views of `weights` and `grads`.

        anchor: what requires a gradient, so that autograd comes here even if x does not.
        """
        super().__init__()
        self.base = base
        self._name, self._number, self._scale, self._route = name, number, scale, route
        self._a, self._b, self._grads, self._anchor = a, b, grads, anchor
        self._merged: torch.Tensor | None = None

    @property
    def weight(self) -> torch.Tensor:
        """For models that read the matrix (Mamba): the one of whom all lines belong to.

        Raises:
            ModelError: they belong to several.
        """
        if self._merged is not None:
            return self._merged
        if self._route.groups:
            raise ModelError(
                expected="linear layers that are called",
                found="one whose matrix is read",
                where=f"layer {self._name!r}",
                fix=CHOOSE,
            )
        return self.base.weight  # type: ignore[return-value]

    def merge(self, slot: int | None) -> None:
        """Answer every line as one slot, with its product added to the frozen matrix; None ends it."""
        if slot is None:
            self._merged = None
            return
        a, b = self._a[slot], self._b[slot]
        left, right = (b, a) if isinstance(self.base, torch.nn.Linear) else (a.T, b.T)
        self._merged = torch.addmm(self.base.weight, left, right, alpha=self._scale)

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if self._merged is not None:
            if isinstance(self.base, torch.nn.Linear):
                return torch.nn.functional.linear(x, self._merged, self.base.bias)
            return x @ self._merged + self.base.bias  # a Conv1D of GPT-2
        if not self._route.groups:
            return self.base(x, *args, **kwargs)
        self._route.check(x, self._name)
        how = _ByLine if self._route.by_line else _BySlice
        y = None if how is _BySlice and self.plain(x) else self.base(x, *args, **kwargs)
        if not torch.is_grad_enabled() or self._grads is None:
            return how.forward(None, y, x, self._anchor, self)
        return how.apply(y, x, self._anchor, self)

    def plain(self, x: torch.Tensor) -> bool:
        """Whether the frozen layer is a product in the adapters' type, which gradients may be added to."""
        return type(self.base) is torch.nn.Linear and (
            self.base.weight.dtype == self._a.dtype == x.dtype
        )

    def keep(self, group: Group, dtype: torch.dtype, device: torch.device) -> torch.Tensor | None:
        """What dropout multiplies x by in the lines of a group, None when nothing is dropped.

        A pure function of seed, step, layer and the token's place in the step: the same for any
        arrangement of the batch, for any company in it, and when a forward pass is done again.
        """
        route = self._route
        if not (route.dropout and self.training and self._grads is not None):
            return None
        step = route.steps.get(group.slot or 0, 0)
        generator = torch.Generator(device=device)
        own = np.random.default_rng([route.seed, step, self._number])
        generator.manual_seed(int(own.integers(2**63)))
        shape = (group.step_tokens, self._a.shape[-1])
        kept = torch.rand(shape, generator=generator, device=device) >= route.dropout
        return kept[group.order.to(device)].to(dtype).div_(1.0 - route.dropout)


class _BySlice(torch.autograd.Function):
    """y: of the frozen layer, or None, to make it here and its gradient too: both terms in one memory."""

    @staticmethod
    def forward(
        ctx: Any, y: torch.Tensor | None, x: torch.Tensor, anchor: torch.Tensor, layer: StackedLora
    ) -> torch.Tensor:
        groups, lines = layer._route.groups, layer._route.lines
        made = y is None
        if y is None:
            y = torch.nn.functional.linear(x, layer.base.weight, layer.base.bias)
        flat_x, flat_y = x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        wide = len(flat_x) // lines
        inner: list[torch.Tensor] = []
        for g in groups:
            part = slice(g.start * wide, g.stop * wide)
            a, b = layer._a[g.slot], layer._b[g.slot]
            seen = _dropped(layer, g, flat_x[part].to(a.dtype))
            low = seen @ a.T
            _add_product(flat_y[part], low, b.T, layer._scale)
            inner.append(low)
        if ctx is not None:
            if not made:
                ctx.mark_dirty(y)
            ctx.layer, ctx.groups, ctx.wide, ctx.made = layer, groups, wide, made
            ctx.save_for_backward(x, *inner)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        layer, wide = ctx.layer, ctx.wide
        x, *inner = ctx.saved_tensors
        grad_y = gradients[0]
        flat_x, flat_y = x.reshape(-1, x.shape[-1]), grad_y.reshape(-1, grad_y.shape[-1])
        grad_x = None
        if ctx.needs_input_grad[1]:
            grad_x = flat_y @ layer.base.weight if ctx.made else torch.zeros_like(flat_x)
        grad_a, grad_b = layer._grads
        for g, low in zip(ctx.groups, inner, strict=True):
            part = slice(g.start * wide, g.stop * wide)
            a, b = layer._a[g.slot], layer._b[g.slot]
            kept = layer.keep(g, a.dtype, x.device)
            seen = flat_x[part].to(a.dtype)
            out = flat_y[part].to(a.dtype)
            grad_low = (out @ b).mul_(layer._scale)
            grad_b[g.slot].addmm_(out.T, low, alpha=layer._scale)
            grad_a[g.slot].addmm_(grad_low.T, seen if kept is None else seen * kept)
            if grad_x is None:
                continue
            if kept is None:
                _add_product(grad_x[part], grad_low, a, 1.0)
            else:
                grad_x[part] += (grad_low @ a).mul_(kept)
        return (
            None if ctx.made else grad_y,
            None if grad_x is None else grad_x.view_as(x),
            None,
            None,
        )


class _ByLine(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: torch.Tensor, x: torch.Tensor, anchor: torch.Tensor, layer: StackedLora
    ) -> torch.Tensor:
        route = layer._route
        lines = route.sorted
        assert lines is not None
        a, b = layer._a[lines.slots], layer._b[lines.slots]
        seen = x.reshape(route.lines, -1, x.shape[-1])[lines.numbers].to(a.dtype)
        keep = _keep(layer, route.groups, seen)
        low = (seen if keep is None else seen * keep) @ a.mT
        flat = y.view(route.lines, -1, y.shape[-1])
        more = torch.bmm(low, b.mT).mul_(layer._scale)
        flat[lines.numbers] = (flat[lines.numbers] + more).to(y.dtype)
        if ctx is not None:
            ctx.mark_dirty(y)
            ctx.layer, ctx.groups, ctx.lines, ctx.count = layer, route.groups, lines, route.lines
            ctx.save_for_backward(x, low)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        layer, lines = ctx.layer, ctx.lines
        x, low = ctx.saved_tensors
        grad_y = gradients[0]
        a, b = layer._a[lines.slots], layer._b[lines.slots]
        out = grad_y.reshape(ctx.count, -1, grad_y.shape[-1])[lines.numbers].to(a.dtype)
        seen = x.reshape(ctx.count, -1, x.shape[-1])[lines.numbers].to(a.dtype)
        keep = _keep(layer, ctx.groups, seen)
        grad_low = torch.bmm(out, b).mul_(layer._scale)
        grad_a, grad_b = layer._grads
        of_b = torch.bmm(out.mT, low).mul_(layer._scale)
        of_a = torch.bmm(grad_low.mT, seen if keep is None else seen * keep)
        grad_b[lines.own] += _by_slot(of_b, lines.counts)
        grad_a[lines.own] += _by_slot(of_a, lines.counts)
        if not ctx.needs_input_grad[1]:
            return grad_y, None, None, None
        back = torch.bmm(grad_low, a)
        grad_x = torch.zeros_like(x.reshape(ctx.count, -1, x.shape[-1]))
        grad_x[lines.numbers] = (back if keep is None else back * keep).to(x.dtype)
        return grad_y, grad_x.view_as(x), None, None


def _keep(layer: StackedLora, groups: Sequence[Group], seen: torch.Tensor) -> torch.Tensor | None:
    """`StackedLora.keep` of all lines; made again for the gradients, since it is as large as x."""
    kept = [layer.keep(g, seen.dtype, seen.device) for g in groups]
    found = [k for k in kept if k is not None]
    return torch.cat(found).view_as(seen) if found else None


def _by_slot(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(S, ...) sums of (L, ...), of the first counts[0], the next counts[1] and so on.

    One after another, whatever the device: index_add_ has no order there. A product with a 0/1 matrix has,
    but carries a NaN of one slot (0 * NaN) to all. In float32 at least, which this sum does not do itself;
    "unsafe" is not to look at the counts, which would wait for the device.
    """
    wide = values if values.dtype.itemsize >= 4 else values.float()
    return torch.segment_reduce(wide, "sum", lengths=counts, axis=0, unsafe=True)


def _dropped(layer: StackedLora, group: Group, seen: torch.Tensor) -> torch.Tensor:
    kept = layer.keep(group, seen.dtype, seen.device)
    return seen if kept is None else seen * kept


def _add_product(y: torch.Tensor, low: torch.Tensor, b: torch.Tensor, scale: float) -> None:
    """y += scale * low @ b, in place; where types differ the sum is made in the wider one."""
    if y.dtype == low.dtype:
        y.addmm_(low, b, alpha=scale)
    else:
        y.add_((low @ b).mul_(scale))
