"""Optimisers as pure functions of vectors, with their exact derivative.

A step maps parameters, moments and a gradient to new parameters and moments, element by element, so
that its transposed derivative is a few element-wise products.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class State(NamedTuple):
    """Parameters with both moments and the number of steps taken."""

    parameters: Tensor
    first: Tensor
    second: Tensor
    steps: int


class Cotangent(NamedTuple):
    """Derivatives of a loss by what a `State` and a gradient hold."""

    parameters: Tensor
    first: Tensor
    second: Tensor


def start(parameters: Tensor) -> State:
    """Parameters before any step."""
    return State(parameters, torch.zeros_like(parameters), torch.zeros_like(parameters), 0)


class Optimizer(Protocol):
    """What an inner model is trained with."""

    def step(self, state: State, gradient: Tensor) -> State:
        """The next state; differentiable by autograd."""

    def backward(
        self, state: State, gradient: Tensor, after: Cotangent
    ) -> tuple[Cotangent, Tensor]:
        """Derivatives by the state and by the gradient, from those by the next state."""


@dataclass(frozen=True)
class Sgd:
    """Plain gradient descent; the moments stay as they are."""

    learning_rate: float

    def step(self, state: State, gradient: Tensor) -> State:
        moved = state.parameters - self.learning_rate * gradient
        return State(moved, state.first, state.second, state.steps + 1)

    def backward(
        self, state: State, gradient: Tensor, after: Cotangent
    ) -> tuple[Cotangent, Tensor]:
        return after, -self.learning_rate * after.parameters


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

    `eps_root` under the root keeps its slope finite where the second moment is zero.
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    eps_root: float = 1e-12
    weight_decay: float = 0.0

    def step(self, state: State, gradient: Tensor) -> State:
        first = self.beta1 * state.first + (1 - self.beta1) * gradient
        second = self.beta2 * state.second + (1 - self.beta2) * gradient.square()
        steps = state.steps + 1
        mean, root = self._corrected(first, second, steps)
        kept = 1 - self.learning_rate * self.weight_decay
        moved = kept * state.parameters - self.learning_rate * mean / (root + self.eps)
        return State(moved, first, second, steps)

    def backward(
        self, state: State, gradient: Tensor, after: Cotangent
    ) -> tuple[Cotangent, Tensor]:
        steps = state.steps + 1
        first = self.beta1 * state.first + (1 - self.beta1) * gradient
        second = self.beta2 * state.second + (1 - self.beta2) * gradient.square()
        mean, root = self._corrected(first, second, steps)
        scaled = -self.learning_rate * after.parameters / (root + self.eps)
        by_first = after.first + scaled / (1 - self.beta1**steps)
        by_root = -scaled * mean / (root + self.eps)
        by_second = after.second + by_root / (2 * root * (1 - self.beta2**steps))
        by_gradient = (1 - self.beta1) * by_first + 2 * (1 - self.beta2) * gradient * by_second
        kept = 1 - self.learning_rate * self.weight_decay
        before = Cotangent(kept * after.parameters, self.beta1 * by_first, self.beta2 * by_second)
        return before, by_gradient

    def _corrected(self, first: Tensor, second: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Mean and root of the second moment, both without the bias of their start at zero."""
        root = (second / (1 - self.beta2**steps) + self.eps_root).sqrt()
        return first / (1 - self.beta1**steps), root
