"""Documents as rows of token ids, each row of one document: what the meta-learned rater reads.

Rows are not packed: seams between documents say where a row comes from, and a rater learns that
before anything else. Losses are means per token, so that lengths weigh alike.
"""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IDS, LENGTHS, ABOUT = "ids.npy", "lengths.npy", "about.parquet"
MIN_TOKENS = 2  # one to see, one to predict


class Rows(NamedTuple):
    """Token ids (rows, tokens), padded at the end, the tokens of each row and what it is of.

    `about` has a row each; of training data `doc_id`, `source` and `split`: the `inner` models
    train on some, their losses on the `outer` ones teach the rater.
    """

    ids: np.ndarray
    lengths: np.ndarray
    about: pl.DataFrame

    def write(self, folder: Path) -> None:
        np.save(folder / IDS, self.ids)
        np.save(folder / LENGTHS, self.lengths)
        self.about.write_parquet(folder / ABOUT)

    @classmethod
    def read(cls, folder: Path) -> "Rows":
        ids, lengths = np.load(folder / IDS, mmap_mode="r"), np.load(folder / LENGTHS)
        return cls(ids, lengths, pl.read_parquet(folder / ABOUT))


def cut(
    documents: pl.DataFrame, tokenizer: "Tokenizer", length: int, min_tokens: int, most: int
) -> Rows:
    """Cut documents into rows.

    Args:
        documents: column `text`; the others go into `about`.
        tokenizer: of the library tokenizers, without padding or truncation.
        length: tokens of a row.
        min_tokens: a shorter rest is left out, unless the document has no other row.
        most: rows of one document, spread evenly over it.

    Returns:
        Rows in the order of the documents. A document of less than two tokens has none.
    """
    texts = documents["text"].to_list()
    encoded = [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    counts = np.fromiter(map(len, encoded), np.int64, len(encoded))
    flat = np.fromiter(chain.from_iterable(encoded), np.uint32, int(counts.sum()))
    full, rest = np.divmod(counts, length)
    has_rest = (rest >= min_tokens) | ((full == 0) & (rest >= MIN_TOKENS))
    windows = full + has_rest
    chosen = np.minimum(windows, most)
    document = np.repeat(np.arange(len(counts)), chosen)
    number = np.arange(len(document)) - np.repeat(chosen.cumsum() - chosen, chosen)
    window = ((number + 0.5) * windows[document] / chosen[document]).astype(np.int64)
    lengths = np.minimum(length, counts[document] - window * length)
    begins = (counts.cumsum() - counts)[document] + window * length
    columns = np.arange(length)
    inside = columns < lengths[:, None]
    ids = np.zeros(inside.shape, np.uint32)
    ids[inside] = flat[(begins[:, None] + columns)[inside]]
    return Rows(ids, lengths, documents.drop("text")[document])


def training_rows(
    inner: pl.DataFrame,
    outer: pl.DataFrame,
    tokenizer: "Tokenizer",
    length: int,
    min_tokens: int,
    most: int,
) -> Rows:
    """Rows of documents (`doc_id`, `source`, `lang`, `text`) to train on and of held-out ones."""
    named = (inner.with_columns(split=pl.lit("inner")), outer.with_columns(split=pl.lit("outer")))
    return cut(pl.concat(named, how="diagonal"), tokenizer, length, min_tokens, most)
