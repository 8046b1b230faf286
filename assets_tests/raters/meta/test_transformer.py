"""The models of the meta-learned rater, and the traps of PyTorch that they go around."""

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from carebot_assets.raters.meta.transformer import (
    Functional,
    LanguageModel,
    Rater,
    RmsNorm,
    Shape,
    flatten,
)

SHAPE = Shape(vocab_size=30, length=8, width=16, layers=2, heads=2)
IDS = torch.randint(0, 30, (3, 8), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([8, 5, 2])


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(SHAPE).double()


def test_fused_attention_gives_the_same_losses(model: LanguageModel) -> None:
    assert torch.allclose(model(IDS, LENGTHS), model(IDS, LENGTHS, fused=True), rtol=1e-10)


def test_padding_and_the_future_are_not_seen(model: LanguageModel) -> None:
    other = IDS.clone()
    other[1, 5:] = 7
    assert torch.allclose(model(IDS, LENGTHS), model(other, LENGTHS), rtol=1e-12)
    rater = Rater(SHAPE).double()
    nn.init.normal_(rater.head.weight)
    assert torch.allclose(rater(IDS, LENGTHS), rater(other, LENGTHS), rtol=1e-12)
    assert not torch.allclose(rater(IDS, LENGTHS), rater(IDS.flip(1), LENGTHS))


def test_the_loss_is_that_of_the_library(model: LanguageModel) -> None:
    states = model.trunk(IDS[:1])
    logits = (states @ model.trunk.tokens.weight.T)[0, :-1]
    expected = nn.functional.cross_entropy(logits, IDS[0, 1:])
    assert torch.allclose(model(IDS, LENGTHS)[0], expected, rtol=1e-12)


def test_a_new_rater_weighs_all_alike() -> None:
    assert torch.equal(Rater(SHAPE)(IDS, LENGTHS), torch.zeros(3))


def test_a_vector_stands_for_the_parameters(model: LanguageModel) -> None:
    vector = flatten(model)
    assert torch.equal(Functional(model)(vector, IDS, LENGTHS), model(IDS, LENGTHS))
    assert not torch.allclose(Functional(model)(2 * vector, IDS, LENGTHS), model(IDS, LENGTHS))


# Each trap: what the code goes around, and what it relies on instead. Where a newer PyTorch changes
# one of these, the first kind of assertion says that a detour has become needless, the second that
# the numbers can no longer be trusted.


def _curvature(norm: nn.Module, forward: str) -> Tensor:
    """Hessian of a small function through a norm, by one of two orders of the modes."""
    x = torch.linspace(-1, 2, 6, dtype=torch.float64)
    direction = torch.linspace(1, -1, 6, dtype=torch.float64)

    def value(v: Tensor) -> Tensor:
        return norm(v).pow(3).sum()

    if forward == "reverse over forward":
        return torch.func.grad(lambda v: torch.func.jvp(value, (v,), (direction,))[1])(x)
    if forward == "forward over reverse":
        with forward_ad.dual_level():
            leaf = forward_ad.make_dual(x.clone().requires_grad_(), direction)
            [gradient] = torch.autograd.grad(value(leaf), [leaf])
            return forward_ad.unpack_dual(gradient).tangent.detach()
    leaf = x.clone().requires_grad_()
    [gradient] = torch.autograd.grad(value(leaf), [leaf], create_graph=True)
    return torch.autograd.grad(gradient @ direction, leaf)[0]


@pytest.mark.parametrize("order", ["reverse over forward", "forward over reverse"])
def test_our_norm_is_right_in_every_order_of_modes(order: str) -> None:
    norm = RmsNorm(6).double()
    expected = _curvature(norm, "reverse over reverse")
    assert torch.allclose(_curvature(norm, order), expected, rtol=1e-10)


def test_the_librarys_layer_norm_is_still_wrong() -> None:
    norm = nn.LayerNorm(6).double()
    expected = _curvature(norm, "reverse over reverse")
    assert not torch.allclose(_curvature(norm, "reverse over forward"), expected, rtol=1e-3)


def test_fused_attention_still_has_no_second_derivative(model: LanguageModel) -> None:
    vector = flatten(model).requires_grad_()
    losses = Functional(model)
    [gradient] = torch.autograd.grad(
        losses(vector, IDS, LENGTHS, fused=True).sum(), [vector], create_graph=True
    )
    with pytest.raises(RuntimeError, match="derivative for aten::_scaled_dot_product"):
        torch.autograd.grad(gradient.sum(), [vector])


def test_fused_attention_still_has_no_forward_mode(model: LanguageModel) -> None:
    vector = flatten(model)
    losses = Functional(model)
    with forward_ad.dual_level(), pytest.raises(NotImplementedError, match="forward AD"):
        losses(forward_ad.make_dual(vector, vector), IDS, LENGTHS, fused=True)


def test_silu_still_lacks_forward_mode_in_its_backward() -> None:
    with forward_ad.dual_level():
        leaf = forward_ad.make_dual(torch.ones(3, requires_grad=True), torch.ones(3))
        with pytest.raises(NotImplementedError, match="forward AD"):
            torch.autograd.grad(nn.functional.silu(leaf).sum(), [leaf])
