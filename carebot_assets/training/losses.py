"""Losses of a causal language model on given tokens, without training it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

IGNORED = -100
# Stratum of what a model is trained on, where it is measured before and after like held-out text.
OWN_TEXT = "own_text"
BATCH_TOKENS = 8192


def token_losses(
    model: "PreTrainedModel", sequences: Sequence[Sequence[int]], batch_tokens: int = BATCH_TOKENS
) -> list[np.ndarray]:
    """Loss (nats) of every token given those before it in its sequence, in the given order.

    The first token of a sequence has nothing before it: its loss is NaN. A caller that wants the
    loss of a part (a turn, an answer) slices the array.
    """
    import torch

    results: list[np.ndarray] = [np.full(len(ids), np.nan, np.float32) for ids in sequences]
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        for batch in _batches([len(ids) for ids in sequences], batch_tokens):
            width = max(len(sequences[i]) for i in batch)
            ids = torch.zeros(len(batch), width, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, i in enumerate(batch):
                ids[row, : len(sequences[i])] = torch.as_tensor(sequences[i])
                mask[row, : len(sequences[i])] = 1
            ids, mask = ids.to(device), mask.to(device)
            with torch.no_grad():
                logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
                losses = torch.nn.functional.cross_entropy(
                    logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
                ).view(len(batch), width - 1)
            values = losses.cpu().numpy()
            for row, i in enumerate(batch):
                results[i][1:] = values[row, : len(sequences[i]) - 1]
    finally:
        model.train(was_training)
    return results


def mean_losses(
    model: "PreTrainedModel", strata: dict[str, list[dict[str, list[int]]]]
) -> dict[str, float]:
    """Mean loss over the labelled tokens of each stratum (rows of `input_ids` and `labels`)."""
    rows = [(name, row) for name, group in strata.items() for row in group]
    found = token_losses(model, [row["input_ids"] for _, row in rows])
    sums = dict.fromkeys(strata, 0.0)
    counts = dict.fromkeys(strata, 0)
    for (name, row), losses in zip(rows, found, strict=True):
        counted = np.asarray(row["labels"][1:]) != IGNORED
        sums[name] += float(losses[1:][counted].sum(dtype=np.float64))
        counts[name] += int(counted.sum())
    return {name: sums[name] / counts[name] for name in strata if counts[name]}


def held_out_rows(
    frame: "pl.DataFrame", tokenizer: "PreTrainedTokenizerBase", max_tokens: int
) -> dict[str, list[dict[str, list[int]]]]:
    """Rows of `stratum` and `text` as token rows, each text from its start to `max_tokens`."""
    strata: dict[str, list[dict[str, list[int]]]] = {}
    if frame.is_empty():
        return strata
    encoded: Any = tokenizer(
        frame["text"].to_list(),
        add_special_tokens=False,
        split_special_tokens=True,
        truncation=True,
        max_length=max_tokens,
    )["input_ids"]
    for stratum, ids in sorted(zip(frame["stratum"], encoded, strict=True), key=lambda p: p[0]):
        strata.setdefault(stratum, []).append({"input_ids": ids, "labels": ids})
    return strata


def _batches(lengths: list[int], batch_tokens: int) -> list[list[int]]:
    """Indices of sequences (two tokens or more) of like length, within a budget of tokens."""
    batches: list[list[int]] = []
    order = sorted((i for i, n in enumerate(lengths) if n > 1), key=lambda i: (-lengths[i], i))
    for i in order:
        if not batches or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > batch_tokens:
            batches.append([])
        batches[-1].append(i)
    return batches
