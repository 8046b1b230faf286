"""Masked-token training: the loss falls, padding is not read, nothing is said about scores."""

import torch

from carebot_assets.raters.meta import pretraining
from carebot_assets.raters.meta.gradients import Batch
from carebot_assets.raters.meta.transformer import Rater, Shape


def batches(count: int) -> list[Batch]:
    """Rows in which every token says the next."""
    random = torch.Generator().manual_seed(0)
    starts = torch.randint(20, (count, 16, 1), generator=random)
    ids = (starts + torch.arange(12)) % 20
    return [Batch(part, torch.full((16,), 12)) for part in ids]


def test_the_rater_learns_to_read_and_not_to_judge() -> None:
    torch.manual_seed(0)
    rater = Rater(Shape(21, 12, 16, 1, 2))
    losses = pretraining.pretrain(rater, batches(120), 0.01, torch.Generator().manual_seed(1))
    assert sum(losses[-10:]) / 10 < 0.7 * losses[0]
    assert bool((rater(*batches(1)[0]) == 0).all())


def test_padding_is_neither_masked_nor_seen() -> None:
    torch.manual_seed(0)
    rater = Rater(Shape(21, 12, 16, 1, 2))
    ids, lengths = batches(1)[0].ids.clone(), torch.full((16,), 7)
    losses = []
    for fill in (0, 5):
        ids[:, 7:] = fill
        random = torch.Generator().manual_seed(3)
        losses.append(pretraining.masked_loss(rater, Batch(ids, lengths), random).item())
    assert losses[0] == losses[1]
