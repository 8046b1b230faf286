"""Rows spoilt on purpose, of the same length and source as clean ones: does a rater find them?"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from carebot_assets.raters.meta.rows import ABOUT, Rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

KINDS = ("shuffled", "noise", "spliced", "repeated")
PIECE = 4  # tokens of a splice or of the piece that is repeated
NOISE = 0.3  # share of characters
SPLICED_FROM = 10_000  # rows


def spoil(
    kind: str,
    ids: np.ndarray,
    others: list[np.ndarray],
    tokenizer: "Tokenizer",
    random: np.random.Generator,
) -> np.ndarray:
    """As many token ids as there were, without their sense.

    Args:
        kind: `shuffled` tokens; `noise`, printable ASCII in place of characters; `spliced` from
            pieces of other rows; one piece `repeated`.
        ids: token ids of a clean row.
        others: token ids of clean rows to splice from.
    """
    length = len(ids)
    if kind == "shuffled":
        return random.permutation(ids)
    if kind == "repeated":
        start = random.integers(max(1, length - PIECE + 1))
        return np.resize(ids[start : start + PIECE], length)
    if kind == "spliced":
        chosen = random.integers(len(others), size=-(-length // PIECE))
        return np.concatenate([_piece(others[i], random) for i in chosen])[:length]
    text = list(tokenizer.decode(ids.tolist()))
    for at in np.flatnonzero(random.random(len(text)) < NOISE):
        text[at] = chr(random.integers(33, 127))
    # Noise may join characters into fewer tokens than there were.
    found = tokenizer.encode("".join(text), add_special_tokens=False).ids or ids.tolist()
    return np.resize(np.array(found, ids.dtype), length)


def plant(folder: Path, tokenizer: "Tokenizer", share: float, seed: int) -> None:
    """Spoil a share of the inner rows in a folder, in equal parts by kind.

    `about` gets the column `planted`, the kind or null. Which rows are spoilt is chance, so that
    neither length nor source tells them.
    """
    random, rows = np.random.default_rng(seed), Rows.read(folder, "r+")
    inner = np.flatnonzero((rows.about["split"] == "inner").to_numpy())
    chosen = np.sort(random.permutation(inner)[: round(share * len(inner))])
    kinds = random.permutation(np.resize(KINDS, len(chosen)))
    pieces = random.permutation(np.setdiff1d(inner, chosen))[:SPLICED_FROM]
    clean = [np.array(rows.ids[i, : rows.lengths[i]]) for i in pieces]
    for row, kind in zip(chosen, kinds, strict=True):
        ids = rows.ids[row, : rows.lengths[row]]
        ids[:] = spoil(str(kind), np.array(ids), clean, tokenizer, random)
    kind_of = pl.DataFrame({"row": chosen, "planted": kinds.astype(str)}).cast({"row": pl.UInt32})
    about = rows.about.with_row_index("row").join(kind_of, on="row", how="left")
    about.sort("row").drop("row").write_parquet(folder / ABOUT)


def _piece(ids: np.ndarray, random: np.random.Generator) -> np.ndarray:
    start = random.integers(max(1, len(ids) - PIECE + 1))
    return np.resize(ids[start : start + PIECE], PIECE)
