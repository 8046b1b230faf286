"""A rater that can read before it judges: masked-token training of its trunk.

The derivatives that teach a rater say little each; from random weights it would have to find out
with them which tokens follow which. The usual task of bidirectional transformers teaches that from
the same rows, dirty ones among them, and says nothing about which are better.

Source: the task is BERT's (arXiv 1810.04805, section 3.1; of its masking rule only the mask). That
DataRater's own rater started like this is not said (arXiv 2505.17895).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from carebot_assets.raters.meta.gradients import Batch
from carebot_assets.raters.meta.transformer import Rater

MASKED = 0.15
RISE = 50  # steps over which the learning rate rises


def masked_loss(rater: Rater, batch: Batch, random: torch.Generator) -> Tensor:
    """Mean loss of the masked tokens, in nats; the mask is the id after the vocabulary's last."""
    mask_id = rater.trunk.tokens.num_embeddings - 1
    tokens = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    real = tokens < batch.lengths[:, None]
    masked = (torch.rand(batch.ids.shape, generator=random) < MASKED).to(real.device) & real
    masked[:, 0] |= ~masked.any(1)
    states = rater.trunk(batch.ids.masked_fill(masked, mask_id), real, fused=True)[masked]
    logits = states @ rater.trunk.tokens.weight[:mask_id].T
    return nn.functional.cross_entropy(logits, batch.ids[masked])


def pretrain(
    rater: Rater, batches: Iterable[Batch], learning_rate: float, random: torch.Generator
) -> list[float]:
    """Train the rater's trunk on the batches, in place; returns their losses."""
    optimizer = torch.optim.AdamW(rater.trunk.parameters(), learning_rate, weight_decay=0.0)
    losses = []
    for number, batch in enumerate(batches, 1):
        optimizer.param_groups[0]["lr"] = learning_rate * min(1.0, number / RISE)
        loss = masked_loss(rater, batch, random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
