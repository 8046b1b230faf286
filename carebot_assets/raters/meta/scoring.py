"""Scores of documents by a trained value rater, where no gradient is needed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from carebot_assets.raters.meta.rows import Rows, cut

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from carebot_assets.raters.meta.transformer import Rater

BATCH_DOCUMENTS = 512
BATCH_ROWS = 256
WEIGHTS, NOTES, REFERENCE = "rater.safetensors", "rater.json", "reference.parquet"
SCORED = {"doc_id": pl.String, "lang": pl.String, "value_score": pl.Float64}


def load(folder: Path) -> "Rater":
    """The rater that `learn` wrote, ready to score."""
    import torch
    from safetensors.torch import load_file
    from torch.nn.utils import vector_to_parameters

    from carebot_assets.raters.meta.transformer import Rater, Shape

    notes = json.loads((folder / NOTES).read_text("utf-8"))
    rater = Rater(Shape(**notes["shape"])).eval()
    vector_to_parameters(load_file(folder / WEIGHTS)["rater"], rater.parameters())
    return rater.to("cuda" if torch.cuda.is_available() else "cpu")


def score_rows(rater: "Rater", rows: Rows) -> np.ndarray:
    """A score a row, in batches of like lengths."""
    import torch

    device = next(rater.parameters()).device
    scores = np.empty(len(rows.lengths))
    order = np.argsort(rows.lengths, kind="stable")
    with torch.inference_mode():
        for start in range(0, len(order), BATCH_ROWS):
            part = order[start : start + BATCH_ROWS]
            longest = int(rows.lengths[part[-1]])
            ids = torch.from_numpy(rows.ids[part, :longest].astype(np.int64)).to(device)
            lengths = torch.from_numpy(rows.lengths[part].astype(np.int64)).to(device)
            scores[part] = rater(ids, lengths).cpu().numpy()
    return scores


def score_documents(
    rater: "Rater",
    tokenizer: "Tokenizer",
    documents: pl.LazyFrame,
    min_tokens: int,
    most: int,
) -> Iterator[pl.DataFrame]:
    """Batches of `doc_id`, `lang`, `value_score`: the mean over a document's rows, by their tokens.

    Args:
        documents: `doc_id`, `lang` and `text`; streamed.
        min_tokens: of a row that is the rest of a document.
        most: rows of one document that are scored, spread evenly over it.

    Yields:
        A row for every document; null for one of less than two tokens.
    """
    length = rater.trunk.positions.num_embeddings
    chosen = documents.select("doc_id", "lang", "text")
    for batch in chosen.collect_batches(chunk_size=BATCH_DOCUMENTS, maintain_order=True):
        rows = cut(batch, tokenizer, length, min_tokens, most)
        found = rows.about.with_columns(
            score=pl.Series(score_rows(rater, rows), dtype=pl.Float64),
            tokens=pl.Series(rows.lengths).cast(pl.Int64),
        )
        weighted = (pl.col("score") * pl.col("tokens")).sum() / pl.col("tokens").sum()
        means = found.group_by("doc_id").agg(value_score=weighted)
        names = batch.select("doc_id", "lang")
        yield names.join(means, on="doc_id", how="left", maintain_order="left")
