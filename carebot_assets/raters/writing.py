"""How a text is written, whatever it is about: order, seams, oddness, ending.

What a bag of n-grams or one vector of a text cannot see: whether sentences follow from each other,
whether a passage or an advert has been put in, whether characters are wrong, whether the text
breaks off. What is usual is learned from the seeds: a small character model for what is odd, which
n-grams are common (`passages`), in which order people write (`discourse`). The character model
knows common Chinese words besides: some hundred texts hold too few of them, and a wrong character
or a seam is where words end. Each row depends on its own text only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache

import numpy as np
import polars as pl

from carebot_assets import word_counts
from carebot_assets.raters import discourse, ngrams, passages
from carebot_assets.raters.writing_kernels import kernels

MAX_CHARS = 6000
# Texts that what is usual is learned from: n-grams of all of them are in memory at once, up to half
# a megabyte a text.
MAX_TEXTS, SEED = 8000, 20241215
# Texts measured at once: their n-grams are many times as large as they are.
CHUNK_ROWS = 4096
# Counters of the character model, and from which count in jieba's dictionary it knows a word.
COUNTERS, MIN_WORD_COUNT = 1 << 21, 100
# Training texts are measured in this many parts, each by what is usual in the others.
FOLDS = 4
# Of a measure: its least spread, how many spreads count, and what one weighs beside a unit vector.
MIN_SPREAD, MAX_SPREADS, SCALE = 1e-3, 4.0, 0.1
# Characters of a window in which oddness is averaged: about the width of a seam.
WINDOW = 12
ODDNESS = ("odd_window", "odd_narrow", "odd_ratio", "odd_pairs")
MEASURES = (
    *passages.MEASURES, *discourse.MEASURES, *ODDNESS, "rare", "ended", "started", "digits",
    "capitals", "marks", "brackets", "mixed_words",
)  # fmt: skip


@dataclass(frozen=True)
class Usual:
    """What good texts are like.

    Attributes:
        runs: how often every hashed run of up to four characters comes, and how many characters
            follow it; the last column is that of the run of none. A model of the next character.
        pieces: in how many pieces of texts an n-gram occurs; see `passages`.
        topics: what n-grams are about; see `passages`.
        order: weights of the relations between sentences; see `discourse`.
    """

    runs: np.ndarray
    pieces: np.ndarray
    topics: np.ndarray
    order: np.ndarray

    @classmethod
    def fit(cls, texts: pl.Series) -> "Usual":
        if len(texts) > MAX_TEXTS:
            texts = texts.sample(MAX_TEXTS, seed=SEED)
        cut = texts.fill_null("").str.head(MAX_CHARS)
        runs, han = np.zeros((2, COUNTERS + 1), np.uint32), _is_han(cut)
        for known in (cut, _words()):
            kernels()[0](*_points(known), runs)
        return cls(runs, *passages.fit(cut, han), discourse.fit(cut, han))


class Writing:
    """Measures of a text beside what is usual in its language at its length.

    Columns of each language apart. Without the length, a rater would learn from it: n-grams come
    back more often in a long text, however it is written.

    Attributes:
        usual: what is neither odd nor out of order.
        centre: of every measure over the training texts, as a line over the logarithm of the
            length: two rows a language.
        spread: around it, a row a language.
    """

    def __init__(self, usual: Usual, centre: np.ndarray, spread: np.ndarray) -> None:
        self.usual, self.centre, self.spread = usual, centre, spread

    def encode(self, texts: pl.Series) -> np.ndarray:
        """One row a text: every measure of each of two languages."""
        return self._scaled(measure(texts, self.usual), texts)

    def _scaled(self, rows: np.ndarray, texts: pl.Series) -> np.ndarray:
        num, lang = len(MEASURES), _is_han(texts).astype(int)
        expected = np.einsum("nk,nkm->nm", _length(texts), self.centre[lang])
        around = np.clip((rows - expected) / self.spread[lang], -MAX_SPREADS, MAX_SPREADS)
        scaled = np.zeros((len(rows), 2 * num), np.float32)
        np.put_along_axis(scaled, lang[:, None] * num + np.arange(num), around * SCALE, 1)
        return scaled

    def tensors(self) -> dict[str, np.ndarray]:
        """What has to be kept."""
        return {**asdict(self.usual), "centre": self.centre, "spread": self.spread}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "Writing":
        usual = Usual(**{field.name: tensors[field.name] for field in fields(Usual)})
        return cls(usual, tensors["centre"], tensors["spread"])


def learn(good: pl.Series, texts: pl.Series, origins: np.ndarray) -> tuple[Writing, np.ndarray]:
    """A writing model and the rows of the texts it is learned with.

    A text is measured by what has not been learned from it: otherwise nothing in it would be odd,
    and its sentences would stand in the only order there is.

    Args:
        good: the texts to learn from.
        texts: these and texts made of them.
        origins: the row in `good` of every text.
    """
    rows = np.zeros((len(texts), len(MEASURES)))
    number = np.arange(len(good)) % FOLDS
    for fold in range(FOLDS):
        own = np.flatnonzero(origins % FOLDS == fold)
        rows[own] = measure(texts.gather(own), Usual.fit(good.filter(pl.Series(number != fold))))
    han = _is_han(texts)
    parts = [han == value if (han == value).any() else han >= 0 for value in (False, True)]
    length = _length(texts)
    centre = np.array([np.linalg.lstsq(length[p], rows[p])[0] for p in parts])
    around = [rows[p] - length[p] @ line for p, line in zip(parts, centre, strict=True)]
    spread = np.array([part.std(axis=0) for part in around]) + MIN_SPREAD
    writing = Writing(Usual.fit(good), centre, spread)
    return writing, writing._scaled(rows, texts)


def measure(texts: pl.Series, usual: Usual) -> np.ndarray:
    """One row of `MEASURES` a text."""
    cut = texts.fill_null("").str.head(MAX_CHARS)
    parts = [
        _measure(cut.slice(start, CHUNK_ROWS), usual) for start in range(0, len(cut), CHUNK_ROWS)
    ]
    return np.vstack([np.zeros((0, len(MEASURES))), *parts])


def _measure(cut: pl.Series, usual: Usual) -> np.ndarray:
    han = _is_han(cut)
    return np.hstack(
        [
            passages.measure(cut, han, usual.pieces, usual.topics),
            discourse.measure(cut, han, usual.order),
            kernels()[1](*_points(cut), usual.runs, WINDOW),
            _rare(cut),
            _surface(cut),
        ]
    )


@cache
def _words() -> pl.Series:
    """Common Chinese words, each as often as its frequency has doublings."""
    word, count = pl.col("unit"), pl.col("count")
    times = (count / MIN_WORD_COUNT + 1).log(2).floor().cast(pl.UInt32)
    known = word_counts.packaged("zh").filter(count >= MIN_WORD_COUNT, word.str.len_chars() > 1)
    return known.select(word.repeat_by(times).explode())["unit"]


def _is_han(texts: pl.Series) -> np.ndarray:
    cut = texts.fill_null("").str.head(MAX_CHARS)
    return (5 * cut.str.count_matches(r"\p{Han}") > cut.str.len_chars()).to_numpy()


def _length(texts: pl.Series) -> np.ndarray:
    """One and the logarithm of the characters that are read."""
    chars = texts.fill_null("").str.len_chars().clip(1, MAX_CHARS).to_numpy()
    return np.column_stack([np.ones(len(chars)), np.log(chars)])


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
    return ngrams.code_points(plain)


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
        )
        .to_numpy()
    )
