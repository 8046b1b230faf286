"""Gradients of a held-out loss by the weights of the examples trained on: two engines, one call.

An inner model takes T steps on weighted batches; the loss of the model it becomes is differentiated
by every weight of every step. How weights come from a rater is not known here: its gradient is one
more ordinary backward pass.

`Unrolled` lets autograd differentiate the steps as they are (reverse over reverse): the plain form
and the reference. `Adjoint` stores what each step began with and walks back over them; a step needs
the products of its examples' gradients with one direction and, but for the first, one product with
the Hessian of its weighted loss. Both come from forward mode over reverse mode, so no graph of
second order is built; they are sums over examples, so memory is a choice by `micro_batch`.

Source: DataRater (arXiv 2505.17895) section 3 for the objective; MixFlow-MG (arXiv 2505.00793) for
forward over reverse; the sweep over Adam's moments is ours.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd import forward_ad

from carebot_assets.raters.meta.optimizers import Cotangent, Optimizer, State


class Batch(NamedTuple):
    """Token ids (rows, tokens), padded at the end, and the tokens of each row."""

    ids: Tensor
    lengths: Tensor

    def part(self, rows: slice) -> "Batch":
        return Batch(self.ids[rows], self.lengths[rows])


# Losses (rows) of a batch under a parameter vector; `fused` allows first-order kernels.
Losses = Callable[..., Tensor]


class Found(NamedTuple):
    """What an engine returns.

    `by_weight` holds the derivative of the outer loss by the weights of each step (steps, rows);
    `losses` the examples' losses when each step began.
    """

    by_weight: Tensor
    outer_loss: Tensor
    losses: Tensor
    state: State


class Engine(Protocol):
    """Train on weighted batches and differentiate the outer loss by the weights."""

    def __call__(
        self,
        losses: Losses,
        optimizer: Optimizer,
        state: State,
        batches: Sequence[Batch],
        weights: Sequence[Tensor],
        outer: Batch,
    ) -> Found: ...


@dataclass(frozen=True)
class Unrolled:
    """Double backward through the unrolled steps."""

    def __call__(
        self,
        losses: Losses,
        optimizer: Optimizer,
        state: State,
        batches: Sequence[Batch],
        weights: Sequence[Tensor],
        outer: Batch,
    ) -> Found:
        leaves = [w.detach().requires_grad_() for w in weights]
        current = state._replace(parameters=state.parameters.detach().requires_grad_())
        seen = []
        for batch, weight in zip(batches, leaves, strict=True):
            rows = losses(current.parameters, *batch)
            seen.append(rows.detach())
            [gradient] = torch.autograd.grad(rows @ weight, [current.parameters], create_graph=True)
            current = optimizer.step(current, gradient)
        outer_loss = losses(current.parameters, *outer, fused=True).mean()
        found = torch.autograd.grad(outer_loss, leaves)
        after = State(
            current.parameters.detach(),
            current.first.detach(),
            current.second.detach(),
            current.steps,
        )
        return Found(torch.stack(found), outer_loss.detach(), torch.stack(seen), after)


@dataclass(frozen=True)
class Adjoint:
    """First-order steps, then a sweep back over them in forward mode.

    Attributes:
        micro_batch: rows differentiated at once; None takes a batch whole.
        kept: rows of the last step whose graph waits for the sweep, which starts there, instead of
            being made twice: saves time, costs memory, whatever the number of steps.
    """

    micro_batch: int | None = None
    kept: int = 0

    def __call__(
        self,
        losses: Losses,
        optimizer: Optimizer,
        state: State,
        batches: Sequence[Batch],
        weights: Sequence[Tensor],
        outer: Batch,
    ) -> Found:
        weights = [w.detach() for w in weights]
        begun: list[tuple[State, Tensor]] = []
        seen, current, last = [], state, len(batches) - 1
        for number, (batch, weight) in enumerate(zip(batches, weights, strict=True)):
            kept = self._keep(losses, current.parameters, batch, weight, number == last > 0)
            gradient, rows = self._gradient(losses, current.parameters, batch, weight, kept)
            begun.append((current, gradient))
            seen.append(rows)
            current = optimizer.step(current, gradient)
        even = weights[0].new_full((len(outer.ids),), 1 / len(outer.ids))
        gradient, outer_rows = self._gradient(losses, current.parameters, outer, even)
        after = Cotangent(gradient, torch.zeros_like(gradient), torch.zeros_like(gradient))
        by_weight = []
        for number in range(last, -1, -1):
            before, gradient = begun.pop()
            after, direction = optimizer.backward(before, gradient, after)
            parts = before.parameters, batches[number], weights[number], direction
            # Products take the most memory: what they do not read is let go before.
            del before, gradient
            if number:
                dots, product = self._products(losses, *parts, kept if number == last else None)
                after = after._replace(parameters=after.parameters + product)
            else:
                dots = self._dots(losses, *parts)
            by_weight.append(dots)
        found = torch.stack(by_weight[::-1])
        return Found(found, outer_rows.mean(), torch.stack(seen), current)

    def _keep(
        self, losses: Losses, parameters: Tensor, batch: Batch, weight: Tensor, wanted: bool
    ) -> "_Kept | None":
        """Graph of the first rows, with their gradient in it."""
        if not (self.kept and wanted):
            return None
        first = slice(0, self.kept)
        leaf, weights = parameters.detach().requires_grad_(), weight[first].requires_grad_()
        rows = losses(leaf, *batch.part(first))
        [gradient] = torch.autograd.grad(rows @ weights, [leaf], create_graph=True)
        return _Kept(leaf, weights, gradient, rows.detach())

    def _gradient(
        self,
        losses: Losses,
        parameters: Tensor,
        batch: Batch,
        weight: Tensor,
        kept: "_Kept | None" = None,
    ) -> tuple[Tensor, Tensor]:
        """Gradient of the weighted loss, and the losses of the rows."""
        leaf = parameters.detach().requires_grad_()
        rows = []
        if kept is not None:
            leaf.grad = kept.gradient.detach().clone()
            rows.append(kept.rows)
        for part in self._parts(len(weight), kept):
            found = losses(leaf, *batch.part(part), fused=True)
            (found @ weight[part]).backward()
            rows.append(found.detach())
        assert leaf.grad is not None
        return leaf.grad, torch.cat(rows)

    def _dots(
        self, losses: Losses, parameters: Tensor, batch: Batch, weight: Tensor, direction: Tensor
    ) -> Tensor:
        """Product of every row's gradient with a direction."""

        def along(part: slice) -> Tensor:
            rows = losses(forward_ad.make_dual(parameters, direction), *batch.part(part))
            return forward_ad.unpack_dual(rows).tangent

        with torch.no_grad(), forward_ad.dual_level():
            return torch.cat([along(part) for part in self._parts(len(weight))])

    def _products(
        self,
        losses: Losses,
        parameters: Tensor,
        batch: Batch,
        weight: Tensor,
        direction: Tensor,
        kept: "_Kept | None",
    ) -> tuple[Tensor, Tensor]:
        """The same, and the product of the weighted loss's Hessian with the direction."""
        dots, product = [], torch.zeros_like(direction)
        if kept is not None:
            leaves = [kept.leaf, kept.weights]
            product, found = torch.autograd.grad(kept.gradient @ direction, leaves)
            dots.append(found)

        # Not torch.func.jvp: it computes every product of the forward pass twice.
        with forward_ad.dual_level():
            for part in self._parts(len(weight), kept):
                leaf = forward_ad.make_dual(parameters.detach().requires_grad_(), direction)
                rows = losses(leaf, *batch.part(part))
                [gradient] = torch.autograd.grad(rows @ weight[part], [leaf])
                product += forward_ad.unpack_dual(gradient).tangent
                dots.append(forward_ad.unpack_dual(rows).tangent.detach())
        return torch.cat(dots), product

    def _parts(self, rows: int, kept: "_Kept | None" = None) -> Iterator[slice]:
        size, first = self.micro_batch or rows, 0 if kept is None else len(kept.rows)
        return (slice(start, min(start + size, rows)) for start in range(first, rows, size))


class _Kept(NamedTuple):
    leaf: Tensor
    weights: Tensor
    gradient: Tensor
    rows: Tensor
