"""How a text is written, whatever it is about: order, seams, oddness, ending.

What a bag of n-grams or one vector of a text cannot see: whether sentences follow from each other,
whether a passage or an advert has been put in, whether characters are wrong, whether the text
breaks off. A small character model, learned from the seeds, knows what is odd; all else is
measured on the text alone. Each row depends on its own text only.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import ngrams
from carebot_assets.raters.writing_kernels import kernels

MAX_CHARS = 6000
MAX_SENTENCE_CHARS = 240
FEATURES = 1 << 14
SIZES = (2, 4)
# Counters of the character model.
COUNTERS = 1 << 20
# Training texts are measured in this many parts, each by a character model of the others.
FOLDS = 4
# Of a measure: its least spread, how many spreads count, and what one weighs beside a unit vector.
MIN_SPREAD, MAX_SPREADS, SCALE = 1e-3, 4.0, 0.1
# Characters of a window in which oddness is averaged: about the width of a seam.
WINDOW = 12
MARK = "\x00"
END = r"([。！？；!?;]+[\"'”’）)】」]*|\.[\"'”’)]*(?:\s+|$)|\n+)"
COHERENCE = ("follows", "alike", "order", "skips", "seam", "thirds", "outlier", "opens", "closes")
ODDNESS = ("likely", "unlikely", "odd_window", "odd_narrow", "odd_ratio", "odd_pairs")
MEASURES = (
    *COHERENCE, *ODDNESS, "rare", "ended", "started", "digits", "capitals", "marks", "brackets",
    "mixed_words", "last_length",
)  # fmt: skip


class CharModel:
    """Counts of hashed runs of one to four characters, as an interpolated model of the next one."""

    def __init__(self, counts: np.ndarray) -> None:
        self.counts = counts

    @classmethod
    def fit(cls, texts: pl.Series) -> "CharModel":
        counts = np.zeros(COUNTERS, np.uint16)
        kernels()[0](*_points(texts), counts)
        return cls(counts)

    def measure(self, texts: pl.Series) -> np.ndarray:
        """One row of `ODDNESS` a text."""
        return np.asarray(kernels()[1](*_points(texts), self.counts, WINDOW))


class Writing:
    """Measures of a text, scaled by what is usual in its language; columns of each language apart.

    Attributes:
        model: what is odd.
        centre, spread: of every measure over the training texts, a row a language.
    """

    def __init__(self, model: CharModel, centre: np.ndarray, spread: np.ndarray) -> None:
        self.model, self.centre, self.spread = model, centre, spread

    def encode(self, texts: pl.Series) -> np.ndarray:
        """One row of `2 * len(MEASURES)` numbers a text."""
        return self._scaled(measure(texts, self.model), texts)

    def _scaled(self, rows: np.ndarray, texts: pl.Series) -> np.ndarray:
        num, lang = len(MEASURES), _is_han(texts).astype(int)
        around = (rows - self.centre[lang]) / self.spread[lang]
        scaled = np.zeros((len(rows), 2 * num), np.float32)
        columns = lang[:, None] * num + np.arange(num)
        np.put_along_axis(scaled, columns, np.clip(around, -MAX_SPREADS, MAX_SPREADS) * SCALE, 1)
        return scaled

    def tensors(self) -> dict[str, np.ndarray]:
        """What has to be kept."""
        return {"counts": self.model.counts, "centre": self.centre, "spread": self.spread}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "Writing":
        return cls(CharModel(tensors["counts"]), tensors["centre"], tensors["spread"])


def learn(good: pl.Series, texts: pl.Series, origins: np.ndarray) -> tuple[Writing, np.ndarray]:
    """A writing model and the rows of the texts it is learned with.

    A text is measured by a character model that has not learned from it: otherwise nothing in it
    would be odd.

    Args:
        good: the texts to learn from.
        texts: these and texts made of them.
        origins: the row in `good` of every text.
    """
    rows = np.zeros((len(texts), len(MEASURES)))
    number = np.arange(len(good)) % FOLDS
    for fold in range(FOLDS):
        own = np.flatnonzero(origins % FOLDS == fold)
        rows[own] = measure(
            texts.gather(own), CharModel.fit(good.filter(pl.Series(number != fold)))
        )
    han = _is_han(texts)
    parts = [rows[han == value] if (han == value).any() else rows for value in (False, True)]
    centre = np.array([part.mean(axis=0) for part in parts])
    spread = np.array([part.std(axis=0) for part in parts]) + MIN_SPREAD
    writing = Writing(CharModel.fit(good), centre, spread)
    return writing, writing._scaled(rows, texts)


def measure(texts: pl.Series, model: CharModel) -> np.ndarray:
    """One row of `MEASURES` a text, each around -1..1."""
    cut = texts.fill_null("").str.head(MAX_CHARS)
    rows, sizes = _sentences(cut)
    coherence = kernels()[2](rows.indices, rows.data, rows.indptr, sizes, FEATURES)
    return np.hstack([coherence, model.measure(cut), _rare(cut), _surface(cut)])


def _is_han(texts: pl.Series) -> np.ndarray:
    cut = texts.fill_null("").str.head(MAX_CHARS)
    return (5 * cut.str.count_matches(r"\p{Han}") > cut.str.len_chars()).to_numpy()


def _sentences(texts: pl.Series) -> tuple[Any, np.ndarray]:
    """Vectors of all sentences, and how many each text has."""
    parts = (
        texts.str.replace_all(MARK, " ", literal=True)
        .str.replace_all(END, "${1}" + MARK)
        .str.split(MARK)
        .list.eval(pl.element().str.strip_chars().filter(pl.element().str.len_chars() > 1))
    )
    sizes = parts.list.len().to_numpy().astype(np.int64)
    flat = parts.explode(empty_as_null=False, keep_nulls=False)
    return ngrams.vectorize(flat, MAX_SENTENCE_CHARS, FEATURES, SIZES), sizes


@cache
def _everyday() -> np.ndarray:
    """Which code points are no Han characters, or are among the 3755 of GB 2312's first level."""
    known = np.ones(0x110000, bool)
    known[0x3400:0xA000] = False
    for code in range(0xB0A1, 0xD800):
        char = code.to_bytes(2, "big").decode("gb2312", "ignore")
        if char:
            known[ord(char)] = True
    return known


def _rare(texts: pl.Series) -> np.ndarray:
    points, offsets = _points(texts)
    strange = np.concatenate([[0], np.cumsum(~_everyday()[points])])
    lengths = np.maximum(1, np.diff(offsets))
    share = (strange[offsets[1:]] - strange[offsets[:-1]]) / lengths
    return np.minimum(1.0, 20 * share)[:, None]


def _points(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    plain = texts.fill_null("").str.to_lowercase().str.replace_all(r"\s+", " ")
    lengths = plain.str.len_chars().to_numpy().astype(np.int64)
    points = np.frombuffer("".join(plain).encode("utf-32-le", "replace"), dtype=np.uint32)
    return points, np.concatenate([[0], np.cumsum(lengths)])


def _surface(texts: pl.Series) -> np.ndarray:
    name = pl.col("text")
    chars = name.str.len_chars().clip(1)

    def per_char(pattern: str, factor: float) -> pl.Expr:
        return (factor * name.str.count_matches(pattern) / chars).clip(0, 1)

    opened, closed = (
        name.str.count_matches(r"[(（\[【《「]"),
        name.str.count_matches(r"[)）\]】》」]"),
    )
    # What is cut off here says nothing about how a text ends.
    is_cut = chars >= MAX_CHARS
    last = name.str.strip_chars().str.extract(r"([^。！？；!?;\n.]*)[^。！？；!?;\n]{0,3}$")
    return (
        pl.DataFrame({"text": texts})
        .select(
            ended=(is_cut | name.str.contains(r"[。！？；.!?;:：…][\"'”’）)】」\]]*\s*$")).cast(
                pl.Float64
            ),
            started=(~name.str.contains(r"^\s*[a-z,，。、；）)\]】]")).cast(pl.Float64),
            digits=per_char(r"\d", 5),
            capitals=per_char(r"\p{Lu}", 5),
            marks=per_char(r"[!！|*#~★※￥$£%]", 20),
            brackets=((opened.cast(pl.Int64) - closed.cast(pl.Int64)).abs() / 2).clip(0, 1),
            mixed_words=per_char(r"\p{L}\d\p{L}|\p{Ll}\p{Lu}|[|_]", 40),
            last_length=pl.when(is_cut)
            .then(0.0)
            .otherwise((last.str.len_chars() / 200).clip(0, 1).fill_null(1.0)),
        )
        .to_numpy()
    )
