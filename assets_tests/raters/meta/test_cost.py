"""What a value rater costs: by hand, and against the operations that PyTorch counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from carebot_assets.raters.meta import cost, optimizers
from carebot_assets.raters.meta.gradients import Adjoint, Batch
from carebot_assets.raters.meta.transformer import Functional, LanguageModel, Shape, flatten
from carebot_assets.settings.value import ValueSettings

ROWS, OUTER_ROWS, TOKENS = 6, 10, 8
LONG = 64  # so that the last token, which predicts nothing, hardly counts


def plan(unroll: int, **others: int) -> ValueSettings:
    values = {"population": 1, "meta_steps": 1, "lifetime": 1, "settle_steps": 0,
              "pretrain_steps": 0, "batch_size": ROWS, "outer_batch_size": OUTER_ROWS,
              "sequence_length": TOKENS} | others  # fmt: skip
    return ValueSettings(unroll=unroll, **values)


@pytest.mark.parametrize("unroll", [1, 2, 4])
def test_a_meta_step_is_what_is_counted(unroll: int) -> None:
    model = LanguageModel(Shape(300, LONG, 64, 2, 2))
    losses, optimizer = Functional(model), optimizers.Adam(1e-3)
    state = optimizers.start(flatten(model))

    def batch(rows: int) -> Batch:
        return Batch(torch.randint(0, 300, (rows, LONG)), torch.full((rows,), LONG))

    weights = [torch.full((ROWS,), 1 / ROWS)] * unroll
    with FlopCounterMode(display=False) as counter:
        Adjoint()(losses, optimizer, state, [batch(ROWS) for _ in range(unroll)], weights,
                  batch(OUTER_ROWS))  # fmt: skip
    counted = counter.get_total_flops()
    expected = cost.meta_training(plan(unroll, sequence_length=LONG), 0, len(state.parameters))
    assert expected == pytest.approx(counted, rel=0.06)


def test_every_part_is_charged_once() -> None:
    """Rater of 10 parameters, inner models of 100, a batch of 48 tokens."""
    no_meta = plan(1, population=2, lifetime=10**9, settle_steps=7, pretrain_steps=5, meta_steps=1)
    meta = cost.meta_training(plan(1, population=2, lifetime=10**9), 10, 100)
    # 7 steps of 2 models (600 forward and backward, 20 for the rater's weights); reading 5 x 48.
    expected = 2 * 7 * 48 * 620 + 5 * 48 * 60
    assert cost.meta_training(no_meta, 10, 100) - meta == pytest.approx(expected, rel=1e-6)
    twice = cost.meta_training(plan(1, population=2, lifetime=10**9, meta_steps=2), 10, 100)
    # 48 x (620 weighted step + 60 rater's gradient + 600 tangents) + 80 x 600 held out.
    assert twice - meta == pytest.approx(2 * (48 * (620 + 60 + 600) + 80 * 600))
    reset = cost.meta_training(plan(1, meta_steps=4, lifetime=2, settle_steps=7), 10, 100)
    once = cost.meta_training(plan(1, meta_steps=4, lifetime=4, settle_steps=7), 10, 100)
    assert reset - once == pytest.approx(7 * 48 * 620)
    assert cost.training(5, 7) == 210 and cost.scoring(5, 7) == 70
