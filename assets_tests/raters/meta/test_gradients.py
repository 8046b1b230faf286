"""Meta-gradients: both engines against finite differences and against each other."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from carebot_assets.raters.meta import optimizers
from carebot_assets.raters.meta.gradients import Adjoint, Batch, Engine, Found, Unrolled
from carebot_assets.raters.meta.optimizers import Adam, Optimizer, Sgd, State
from carebot_assets.raters.meta.transformer import Functional, LanguageModel, Shape, flatten

SHAPE = Shape(vocab_size=40, length=10, width=12, layers=2, heads=2)
ROWS = 5
OPTIMIZERS = {"sgd": Sgd(0.05), "adam": Adam(0.01, weight_decay=0.1)}
ADJOINTS = {
    "whole": Adjoint(),
    "micro-batches": Adjoint(micro_batch=2),
    "kept": Adjoint(kept=ROWS),
    "kept in part": Adjoint(micro_batch=2, kept=3),
}


class Case:
    """A small model in double precision that has already taken some steps."""

    def __init__(self, optimizer: Optimizer, steps: int, dtype: torch.dtype = torch.float64):
        torch.manual_seed(steps)
        model = LanguageModel(SHAPE).to(dtype)
        self.losses, self.optimizer = Functional(model), optimizer
        self.batches = [self._batch() for _ in range(steps)]
        self.weights = [torch.randn(ROWS, dtype=dtype).softmax(0) for _ in range(steps)]
        self.outer = self._batch()
        even = torch.full((ROWS,), 1 / ROWS, dtype=dtype)
        # Larger weights, where the loss bends, and moments that are not zero.
        state = optimizers.start(3 * flatten(model))
        for _ in range(3):
            state = self.run(Unrolled(), state, [self._batch()], [even]).state
        self.state = state

    def _batch(self) -> Batch:
        ids = torch.randint(0, SHAPE.vocab_size, (ROWS, SHAPE.length))
        return Batch(ids, torch.randint(3, SHAPE.length + 1, (ROWS,)))

    def run(
        self, engine: Engine, state: State, batches: Sequence[Batch], weights: Sequence[Tensor]
    ):
        return engine(self.losses, self.optimizer, state, batches, weights, self.outer)

    def found(self, engine: Engine) -> Found:
        return self.run(engine, self.state, self.batches, self.weights)

    def outer_loss(self, weights: Sequence[Tensor]) -> Tensor:
        """The held-out loss after the steps, without anybody's derivative of a derivative."""
        state = self.state
        for batch, weight in zip(self.batches, weights, strict=True):
            leaf = state.parameters.detach().requires_grad_()
            [gradient] = torch.autograd.grad(self.losses(leaf, *batch) @ weight, [leaf])
            state = self.optimizer.step(state, gradient)
        with torch.no_grad():
            return self.losses(state.parameters, *self.outer).mean()

    def finite_differences(self, h: float = 2.5e-4) -> Tensor:
        """By the five-point rule, whose error is of fourth order."""
        found = torch.zeros(len(self.weights), ROWS, dtype=torch.float64)
        for step in range(len(self.weights)):
            for row in range(ROWS):
                at = []
                for shift in (2, 1, -1, -2):
                    moved = [weight.clone() for weight in self.weights]
                    moved[step][row] += shift * h
                    at.append(self.outer_loss(moved))
                found[step, row] = (-at[0] + 8 * at[1] - 8 * at[2] + at[3]) / (12 * h)
        return found


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("engine", [Unrolled(), Adjoint()], ids=["unrolled", "adjoint"])
def test_finite_differences_agree(engine: Engine, optimizer: str, steps: int) -> None:
    case = Case(OPTIMIZERS[optimizer], steps)
    assert error(case.found(engine).by_weight, case.finite_differences()) <= 1e-6


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ADJOINTS)
def test_engines_agree_in_double_precision(name: str, optimizer: str, steps: int) -> None:
    case = Case(OPTIMIZERS[optimizer], steps)
    slow, fast = case.found(Unrolled()), case.found(ADJOINTS[name])
    assert error(fast.by_weight, slow.by_weight) <= 1e-10
    assert error(fast.losses, slow.losses) <= 1e-12
    assert abs(fast.outer_loss - slow.outer_loss) <= 1e-12
    for one, other in zip(fast.state[:3], slow.state[:3], strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-14)
    assert fast.state.steps == slow.state.steps == 3 + steps


@pytest.mark.parametrize("name", ADJOINTS)
def test_engines_agree_in_single_precision(name: str) -> None:
    case = Case(Adam(0.003), 2, torch.float32)
    slow, fast = case.found(Unrolled()), case.found(ADJOINTS[name])
    assert error(fast.by_weight, slow.by_weight) <= 1e-3


def test_the_gradient_is_not_first_order_alone() -> None:
    """Without the product with the Hessian the weights of the first of two steps are off."""
    case = Case(Sgd(0.05), 2)
    found = case.found(Adjoint()).by_weight
    last = Case(Sgd(0.05), 2)
    last.batches, last.weights = case.batches[:1], case.weights[:1]
    alone = last.found(Adjoint()).by_weight
    assert error(alone[0], found[0]) > 1e-3


def test_what_is_given_stays_as_it_is() -> None:
    case = Case(Adam(0.01), 2)
    before = [x.clone() for x in (*case.state[:3], *case.weights)]
    for engine in (Unrolled(), *ADJOINTS.values()):
        found = case.found(engine)
        assert not found.by_weight.requires_grad and not found.state.parameters.requires_grad
    after = [*case.state[:3], *case.weights]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any(x.requires_grad or x.grad is not None for x in after)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_transposed_step_is_that_of_autograd(name: str) -> None:
    torch.manual_seed(0)
    optimizer = OPTIMIZERS[name]
    parts = [torch.randn(7, dtype=torch.float64) for _ in range(3)]
    parts[2] = parts[2].square()
    gradient = torch.randn(7, dtype=torch.float64)
    given = optimizers.Cotangent(*(torch.randn(7, dtype=torch.float64) for _ in range(3)))
    leaves = [x.clone().requires_grad_() for x in (*parts, gradient)]
    after = optimizer.step(State(*leaves[:3], 4), leaves[3])
    total = sum(g @ x for g, x in zip(given, after[:3], strict=True))
    expected = torch.autograd.grad(total, leaves)
    before, by_gradient = optimizer.backward(State(*parts, 4), gradient, given)
    for one, other in zip((*before, by_gradient), expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-14)


def test_adam_is_the_librarys() -> None:
    torch.manual_seed(0)
    ours = Adam(0.01, weight_decay=0.1, eps_root=0.0)
    vector = torch.randn(9, dtype=torch.float64)
    theirs = vector.clone().requires_grad_()
    library = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    state = optimizers.start(vector)
    for _ in range(5):
        gradient = torch.randn(9, dtype=torch.float64)
        state, theirs.grad = ours.step(state, gradient), gradient
        library.step()
    assert torch.allclose(state.parameters, theirs.detach(), rtol=1e-12)
