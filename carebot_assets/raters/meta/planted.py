"""Rows spoilt on purpose, of the same length and source as clean ones: does a rater find them?"""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from carebot_assets.raters.meta.rows import Rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

KINDS = ("shuffled", "noise", "spliced", "repeated")
PIECE = 4  # tokens of a splice or of the piece that is repeated
NOISE = 0.3  # share of characters


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


def plant(rows: Rows, tokenizer: "Tokenizer", share: float, seed: int) -> Rows:
    """The rows with a share of the inner ones spoilt, in equal parts by kind.

    `about` gets the column `planted`, the kind or null. Which rows are spoilt is chance, so that
    neither length nor source tells them.
    """
    random = np.random.default_rng(seed)
    inner = np.flatnonzero((rows.about["split"] == "inner").to_numpy())
    chosen = np.sort(random.permutation(inner)[: round(share * len(inner))])
    kinds = random.permutation(np.resize(KINDS, len(chosen)))
    ids, planted = rows.ids.copy(), np.full(len(rows.ids), None, object)
    clean = [rows.ids[i, : rows.lengths[i]] for i in np.setdiff1d(inner, chosen)]
    for row, kind in zip(chosen, kinds, strict=True):
        length = rows.lengths[row]
        ids[row, :length] = spoil(str(kind), rows.ids[row, :length], clean, tokenizer, random)
        planted[row] = str(kind)
    column = pl.Series("planted", planted.tolist(), pl.String)
    return Rows(ids, rows.lengths, rows.about.with_columns(column))


def _piece(ids: np.ndarray, random: np.random.Generator) -> np.ndarray:
    start = random.integers(max(1, len(ids) - PIECE + 1))
    return np.resize(ids[start : start + PIECE], PIECE)
