"""What a value rater costs, against a count by hand."""

import pytest

from carebot_assets.raters.meta import cost
from carebot_assets.settings.value import ValueSettings


def test_every_part_is_charged_once() -> None:
    plan = ValueSettings(
        population=2, unroll=2, batch_size=3, outer_batch_size=5, sequence_length=10,
        meta_steps=4, lifetime=2, settle_steps=7, pretrain_steps=6,
    )  # fmt: skip
    rater, inner = 11, 13
    batch, outer = 30, 50
    plain = 6 * inner * batch + 2 * rater * batch
    meta = 2 * plain + 6 * inner * outer + 4 * inner * batch + 12 * inner * batch
    meta += 2 * 6 * rater * batch
    births = 2 * (1 + 4 / 2)
    wanted = 6 * rater * 6 * 60 + births * 7 * plain + 2 * 4 * meta
    assert cost.meta_training(plan, rater, inner) == pytest.approx(wanted)
    assert cost.training(5, 7) == 210 and cost.scoring(5, 7) == 70
