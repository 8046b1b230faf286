"""Documents as rows of token ids, each row of one document: what the meta-learned rater reads.

Rows are not packed: seams between documents say where a row comes from, and a rater learns that
before anything else. Losses are means per token, so that lengths weigh alike.
"""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IDS, LENGTHS, ABOUT = "ids.bin", "lengths.npy", "about.parquet"
BATCH_DOCUMENTS = 4096
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
        self.ids.tofile(folder / IDS)
        np.save(folder / LENGTHS, self.lengths)
        self.about.write_parquet(folder / ABOUT)

    @classmethod
    def read(cls, folder: Path, mode: Literal["r", "r+"] = "r") -> "Rows":
        """Rows as they were written; ids stay on disk and with `r+` are changed there."""
        lengths, about = np.load(folder / LENGTHS), pl.read_parquet(folder / ABOUT)
        if not len(lengths):
            return cls(np.empty((0, 1), np.uint32), lengths, about)
        ids = np.memmap(folder / IDS, np.uint32, mode)
        return cls(ids.reshape(len(lengths), -1), lengths, about)


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


def write_training_rows(
    folder: Path,
    inner: pl.LazyFrame,
    outer: pl.LazyFrame,
    tokenizer: "Tokenizer",
    length: int,
    min_tokens: int,
    most: int,
) -> None:
    """Write the rows of documents to train on and of held-out ones, a batch at a time.

    Args:
        folder: read again by `Rows.read`.
        inner: `doc_id`, `source`, `lang`, `text`.
        outer: the same of the held-out documents.
        tokenizer: as `cut` takes it, with what follows.
    """
    lengths, about = [], []
    with (folder / IDS).open("wb") as file:
        for split, documents in (("inner", inner), ("outer", outer)):
            named = documents.with_columns(split=pl.lit(split))
            batches = named.collect_batches(chunk_size=BATCH_DOCUMENTS, maintain_order=True)
            # An empty frame has no batch, but its columns.
            for batch in chain([named.head(0).collect()], batches):
                rows = cut(batch, tokenizer, length, min_tokens, most)
                rows.ids.tofile(file)
                lengths.append(rows.lengths)
                about.append(rows.about)
    np.save(folder / LENGTHS, np.concatenate(lengths))
    pl.concat(about).write_parquet(folder / ABOUT)
