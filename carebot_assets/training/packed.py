"""Rows of a packed token file as batches: positions restart where a document does, and attention
stays inside it.

transformers tells packed documents by positions that restart, where no attention mask is given
(`masking_utils.find_packed_sequence_indices`): the `sdpa` and `eager` backends then mask all else
(`flex_attention` by the same code, which no test here runs). Flash attention looks at positions in
batches of one row only (`modeling_flash_attention_utils._is_packed_sequence`): for it the rows of a
batch are laid end to end. Models without attention (state space, linear attention) carry
a state across documents whatever the positions say: `require_isolation` finds out.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from carebot_assets.training.config import TrainingError
from carebot_assets.training.losses import IGNORED

Rows = list[dict[str, torch.Tensor]]
STARTS, RECEIPTS = "document_starts.npy", "receipts.json"
_SETTING = "`pretraining.isolate_documents: false` lets documents of a sequence see each other"


class PackedTokens(torch.utils.data.Dataset):
    """Rows of a memory-mapped token file.

    Args:
        path: NumPy file of token ids [num_sequences, sequence_length].
        isolate: give positions that restart with every document, which `document_starts.npy`
            beside the file lists. The first token of a document is then no label: what comes
            before it in the row is not its context.
    """

    def __init__(self, path: Path, isolate: bool) -> None:
        self.tokens = np.load(path, mmap_mode="r")
        self.length = self.tokens.shape[1]
        starts = Path(path).with_name(STARTS)
        if isolate and not starts.is_file():
            raise TrainingError(f"{starts} is missing; pack the tokens again, or {_SETTING}")
        self.starts = np.load(starts, mmap_mode="r") if isolate else None

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.from_numpy(self.tokens[index].astype(np.int64))
        if self.starts is None:
            return {"input_ids": ids, "labels": ids}
        positions = torch.from_numpy(self.positions(index))
        labels = torch.where(positions == 0, IGNORED, ids)
        return {"input_ids": ids, "labels": labels, "position_ids": positions}

    def sample(self, num_rows: int) -> list[dict[str, list[int]]]:
        """The texts of some rows, spread evenly, each as it is seen in training."""
        count = min(num_rows, len(self))
        texts: list[list[int]] = []
        for index in np.linspace(0, len(self) - 1, count).astype(int):
            row = self.tokens[index]
            cuts = np.flatnonzero(self.positions(index) == 0)[1:] if self.starts is not None else ()
            texts += [part.tolist() for part in np.split(row, cuts)]
        return [{"input_ids": ids, "labels": ids} for ids in texts if len(ids) > 1]

    def positions(self, index: int) -> np.ndarray:
        """Place of each token of a row in its document, or in its part of it in this row."""
        assert self.starts is not None
        begin = index * self.length
        low, high = np.searchsorted(self.starts, (begin, begin + self.length))
        starts = np.unique(np.append(0, self.starts[low:high] - begin))
        lengths = np.diff(np.append(starts, self.length))
        return np.arange(self.length) - np.repeat(starts, lengths)

    def largest_token(self) -> int:
        """The largest token id, from the receipts where there are any: reading all is slow."""
        receipts = Path(self.tokens.filename).with_name(RECEIPTS)
        if receipts.is_file():
            return int(json.loads(receipts.read_text("utf-8"))["largest_token"])
        return int(self.tokens.max())


def collator(model: PreTrainedModel) -> Callable[[Rows], dict[str, torch.Tensor]]:
    """What makes a batch of rows, in the form the model's attention needs."""
    is_flat = "flash" in _attention(model)

    def collate(rows: Rows) -> dict[str, torch.Tensor]:
        batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        if is_flat and "position_ids" in batch:
            batch = {name: values.reshape(1, -1) for name, values in batch.items()}
        return batch

    return collate


def require_isolation(model: PreTrainedModel) -> None:
    """Make sure that no document of a row changes what the model says of the next one.

    Seen on the model itself, but for weights that ZeRO stage 3 has scattered: there the attention
    backend is taken at its word.

    Raises:
        TrainingError: it does change it.
    """
    name = f"{type(model).__name__} with attention {_attention(model)!r}"
    if "position_ids" not in inspect.signature(model.forward).parameters:
        raise TrainingError(f"{name} takes no positions; {_SETTING}")
    if any(hasattr(p, "ds_id") for p in model.parameters()):
        return
    if not _isolates(model):
        raise TrainingError(f"{name} carries over from one document to the next; {_SETTING}")


def _isolates(model: PreTrainedModel, length: int = 8) -> bool:
    """Whether the logits of a row's second document are the same after two different first ones.

    Equal to the bit: the shapes are the same, so the sums are made in the same order.
    """
    device = next(model.parameters()).device
    tokens = torch.arange(3 * length, device=device) % model.config.vocab_size
    positions = torch.arange(length, device=device).repeat(2)[None]
    was_training = model.training
    model.eval()
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled="flash" in _attention(model))
    try:
        with torch.no_grad(), bf16:
            seconds = [
                model(
                    input_ids=torch.cat([first, tokens[2 * length :]])[None],
                    position_ids=positions,
                    use_cache=False,
                ).logits[0, length:]
                for first in (tokens[:length], tokens[length : 2 * length])
            ]
    finally:
        model.train(was_training)
    return torch.equal(*seconds)


def _attention(model: Any) -> str:
    return str(getattr(model.config, "_attn_implementation", None) or "eager")
