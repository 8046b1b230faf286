"""Whether sentences stand in an order in which people write them, learned from texts themselves.

Each seed is set against twins: its sentences in other orders, a passage of another patched in, its
end cut off. What tells them apart is counted: what a text opens with, which mark, gap and word meet
where two sentences do, whether the numbers of a list go up, how long neighbours are, what stands
around the first mention of a word and around later ones, how far mentions are apart; and for the
end, the last words and marks and how long ago a sentence ended. No list of connectives is needed.
Source: Barzilay and Lapata 2008 (entity grid, learned by ranking a text above permutations of
itself); Elsner and Charniak 2008 (words that are new to the discourse).
"""

import unicodedata
from functools import cache
from random import Random
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import discourse_kernels as loops
from carebot_assets.raters import faults, ngrams, ranking

FEATURES = 1 << 17
MEASURES = ("not_disordered", "not_patched", "not_broken_off")
# Twins of every text of each kind; which part of a text is left by a cut.
TWINS, LEFT = 4, (0.3, 0.95)
C, TOLERANCE, SEED = 0.3, 1e-2, 20241215

Units = tuple[np.ndarray, ...]


def fit(texts: pl.Series, han: np.ndarray) -> np.ndarray:
    """Weights, a row a fault: what speaks for a text and against its twins."""
    from scipy.sparse import vstack

    units = split(texts)
    clean, reorder = relations(units, han), loops.kernels()[1]
    disordered = [clean - relations(reorder(*units, turn), han) for turn in range(TWINS)]
    patched = [clean - relations(split(_patched(texts, han, turn)), han) for turn in range(TWINS)]
    whole = endings(units, han)
    broken_off = [whole - endings(units, han, turn) for turn in range(TWINS)]
    lacking = (vstack(rows).tocsr() for rows in (disordered, patched, broken_off))
    return np.stack([ranking.above(rows, C, TOLERANCE) for rows in lacking])


def measure(texts: pl.Series, han: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One row of `MEASURES` a text: log-odds against each fault."""
    units = split(texts)
    inside, end = relations(units, han) @ weights[:2].T, endings(units, han) @ weights[2:].T
    return np.hstack([inside, end]).astype(np.float64)


def split(texts: pl.Series) -> Units:
    """Words, Han characters, numbers and marks of all texts, with their sentences."""
    found: Units = loops.kernels()[0](*ngrams.code_points(texts), *characters())
    return found


def relations(units: Units, han: np.ndarray) -> Any:
    """Hashed relations between the sentences of every text, over the root of their number."""
    from scipy.sparse import csr_matrix

    columns, ends = loops.kernels()[2](*units, np.asarray(han, bool), FEATURES)
    starts = units[-1]
    num = np.ones(len(starts) - 1)
    filled = starts[1:] > starts[:-1]
    num[filled] += units[3][starts[1:][filled] - 1]
    values = np.repeat(1 / np.sqrt(num), np.diff(ends)).astype(np.float32)
    rows = csr_matrix((values, columns, ends), shape=(len(num), FEATURES))
    rows.sum_duplicates()
    return rows


def endings(units: Units, han: np.ndarray, turn: int | None = None) -> Any:
    """What every text ends with, hashed; with a turn, what it would end with if it were cut."""
    from scipy.sparse import csr_matrix

    codes, kind, gaps, sentences, _, starts = units
    stops = starts[1:]
    if turn is not None:
        lengths = np.diff(starts)
        left = np.random.default_rng((SEED, turn)).uniform(*LEFT, len(lengths))
        stops = starts[:-1] + np.minimum(lengths, np.maximum(1, (lengths * left).astype(np.int64)))
    han = np.asarray(han, bool)
    columns = loops.kernels()[3](codes, kind, gaps, sentences, starts, stops, han, FEATURES)
    filled = stops > starts[:-1]
    values = np.repeat(np.where(filled, 1 / np.sqrt(loops.ENDINGS), 0.0), loops.ENDINGS)
    ends = np.arange(len(stops) + 1) * loops.ENDINGS
    rows = csr_matrix((values.astype(np.float32), columns.ravel(), ends),
                      shape=(len(stops), FEATURES))  # fmt: skip
    rows.sum_duplicates()
    return rows


def _patched(texts: pl.Series, han: np.ndarray, turn: int) -> pl.Series:
    """Each text with a passage of another of its language; itself where it is too short."""
    known = texts.to_list()
    same = {lang: texts.filter(pl.Series(han == lang)).to_list() for lang in (False, True)}
    found = []
    for text, lang in zip(known, han.tolist(), strict=True):
        rng = Random(f"{SEED}:{turn}:{text}")
        other = rng.choice(same[lang])
        is_long = len(faults.parts_of(text)) >= faults.MIN_PARTS
        can_be = is_long and other != text
        found.append(faults.patched(text, rng, other, ()) if can_be else text)
    return pl.Series(found, dtype=pl.String)


@cache
def characters() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kind, lower case and value as a number of every code point."""
    kinds = np.full(0x110000, loops.LOWER, np.uint8)
    lower = np.arange(0x110000, dtype=np.uint32)
    numbers = np.zeros(0x110000, np.int32)
    of = {"Lu": loops.UPPER, "Ps": loops.OPEN, "Pi": loops.OPEN, "Pe": loops.CLOSE,
          "Pf": loops.CLOSE}  # fmt: skip
    of_first = {"Z": loops.BLANK, "C": loops.BLANK, "L": loops.LOWER, "M": loops.LOWER,
                "N": loops.DIGIT}  # fmt: skip
    for point in range(0x10000):
        char = chr(point)
        category = unicodedata.category(char)
        kinds[point] = of.get(category, of_first.get(category[0], loops.MARK))
        if len(char.lower()) == 1:
            lower[point] = ord(char.lower())
        value = unicodedata.numeric(char, 0)
        if value == int(value) and 0 < value <= 20:
            numbers[point] = int(value)
    for start, stop in ((0x3040, 0x3100), (0x3400, 0xA000), (0xF900, 0xFB00), (0x20000, 0x32000)):
        kinds[start:stop] = loops.HAN
    for marks, kind in (("。！？；!?;", loops.END), (".", loops.STOP), ("\n", loops.LINE),
                        ("\"'", loops.CLOSE)):  # fmt: skip
        kinds[[ord(mark) for mark in marks]] = kind
    return kinds, lower, numbers
