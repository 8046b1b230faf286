"""ConFilter: how much the history of a dialogue helps to predict each of its turns.

For turn t with history H, `CF(t) = L(t|H) / L(t)`: the mean negative log-likelihood of the turn's
tokens after everything said before, over the same after nothing. Above 1 the history misleads (the
turns do not belong together); far below 1 the turn repeats what was said.

Example: a turn of two tokens with losses 1.0 and 2.0 after its history and 2.0 and 3.0 alone has
L(t|H) = 1.5, L(t) = 2.5 and CF = 0.6.

Both losses are over the same token ids, tokenised once, after the turn's own role header. Left out
are the first turn, which has no history, turns of a few tokens ("thank you"), whose ratio is noise,
and the end-of-turn tokens, which are always easy. The paper does not say whose turns count nor how
they are combined: here both speakers' and the mean over turns.
Source: CareBot 1.4, equation 3.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.dialogue.frame import frame_of, load_tokenizer, tokenise
from carebot_assets.dialogue.sequences import (
    Sequence,
    Turn,
    batches,
    conditioned_sequences,
    direct_sequences,
)

TOKEN_BUDGET = 2048


def score(
    dialogues: pl.LazyFrame,
    model_dir: Path,
    model_hash: str,
    min_turn_tokens: int,
    token_budget: int = TOKEN_BUDGET,
) -> pl.DataFrame:
    """Table `confilter_scores` of multi-turn dialogues.

    Args:
        dialogues: `record_id`, `source` and `turns`, alternating.
        model_dir: the scoring checkpoint, with its tokenizer and chat template.
        model_hash: what the rows name as their model.
        min_turn_tokens: shorter turns do not count.
        token_budget: padded tokens of one batch.
    """
    import torch
    from transformers import AutoModelForCausalLM

    records = dialogues.select("record_id", "source", "turns").collect()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        model_dir, dtype=torch.float32, local_files_only=True
    )
    model.to(device).eval()
    tokenizer = load_tokenizer(model_dir)
    frame = frame_of(tokenizer)
    turns = _tokenise_turns(records, tokenizer, min_turn_tokens)
    limit = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
    conditioned = turn_losses(model, conditioned_sequences(turns, frame, limit), token_budget)
    direct = turn_losses(model, direct_sequences(turns, frame, limit), token_budget)
    return _table(records, turns, conditioned, direct, model_hash)


def turn_losses(model: Any, sequences: list[Sequence], token_budget: int) -> dict[int, float]:
    """Mean loss of every span, by turn number.

    Sequences of like length share a batch, padded on the right: under causal attention no token
    sees the padding. Logits are made only from the first needed position on.
    """
    import torch
    from torch.nn.functional import cross_entropy

    losses: dict[int, float] = {}
    with torch.inference_mode():
        for batch in batches(sequences, token_budget):
            longest = len(batch[0].ids)
            ids = torch.zeros(len(batch), longest, dtype=torch.long)
            for row, sequence in enumerate(batch):
                ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
            # The token at position p is predicted at p - 1.
            first = min(sequence.spans[0].first for sequence in batch) - 1
            ids = ids.to(model.device)
            logits = model(input_ids=ids, logits_to_keep=longest - first, use_cache=False).logits
            token_losses = cross_entropy(
                logits[:, :-1].float().flatten(0, 1),
                ids[:, first + 1 :].flatten(),
                reduction="none",
            ).view(len(batch), -1)
            table = token_losses.double().cpu().numpy()
            for row, sequence in enumerate(batch):
                for span in sequence.spans:
                    part = table[row, span.first - first - 1 : span.last - first - 1]
                    losses[span.turn] = float(np.mean(part))
    return losses


def _tokenise_turns(records: pl.DataFrame, tokenizer: Any, min_turn_tokens: int) -> list[Turn]:
    flat = (
        records.with_row_index("record")
        .select("record", "turns")
        .explode("turns", empty_as_null=False)
        .select("record", pl.col("turns").struct.unnest())
        .with_columns(position=pl.int_range(pl.len()).over("record"))
    )
    contents = tokenise(tokenizer, flat["text"].to_list())
    return [
        Turn(record, role, content, position > 0 and len(content) >= max(min_turn_tokens, 1))
        for record, role, position, content in zip(
            flat["record"], flat["role"], flat["position"], contents, strict=True
        )
    ]


def _table(
    records: pl.DataFrame,
    turns: list[Turn],
    conditioned: dict[int, float],
    direct: dict[int, float],
    model_hash: str,
) -> pl.DataFrame:
    scored = sorted(conditioned.keys() & direct.keys())
    long = pl.DataFrame(
        {
            "record": [turns[number].record for number in scored],
            "conditioned_loss": [conditioned[number] for number in scored],
            "direct_loss": [direct[number] for number in scored],
            "num_tokens": [len(turns[number].content) for number in scored],
        },
        schema={
            "record": pl.UInt32,
            "conditioned_loss": pl.Float64,
            "direct_loss": pl.Float64,
            "num_tokens": pl.Int64,
        },
    )
    ratio = pl.col("conditioned_loss") / pl.col("direct_loss")
    by_record = long.group_by("record").agg(
        "conditioned_loss",
        "direct_loss",
        "num_tokens",
        cf=ratio.mean(),
        cf_min=ratio.min(),
        cf_max=ratio.max(),
    )
    lists = pl.col("conditioned_loss", "direct_loss", "num_tokens").fill_null([])
    return (
        records.select("record_id", "source")
        .with_row_index("record")
        .join(by_record, on="record", how="left", maintain_order="left")
        .with_columns(lists, model=pl.lit(model_hash))
        .drop("record")
    )


def summarize(scores: pl.LazyFrame, band: tuple[float, float]) -> dict[str, Any]:
    """Counts and quantiles of CF, for metadata."""
    cf = scores.select("cf").collect()["cf"]
    low, high = band
    quantiles = {f"cf_p{int(100 * q)}": cf.quantile(q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
    return {
        "num_dialogues": cf.len(),
        "num_undefined": cf.null_count(),
        "num_unrelated": int((cf > high).sum()),
        "num_redundant": int((cf < low).sum()),
        "in_band_ratio": float(cf.is_between(low, high).sum() / max(cf.len(), 1)),
        "mean_cf": cf.mean(),
        **quantiles,
    }
