"""What the language and the length of a text need counted, in one light pass over its bytes.

Of the same names as among `counting.measures`, which needs longer, the same numbers. Importing this
module imports numba; import it inside functions.
"""

from functools import lru_cache

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus import alphabet, lexicons
from carebot_assets.corpus.alphabet import (
    CLASS_MASK,
    CLASSES,
    HAN,
    KANA,
    LATIN,
    NUMBER,
    class_of,
    decoded,
    folded,
)
from carebot_assets.corpus.views import utf8
from carebot_assets.corpus.wording import bits_of, fill, place_of

NUM_CLASSES = len(CLASSES)
OUTLINE = (
    *("num_chars", *(f"num_{name}" for name in CLASSES)),
    *("num_tokens", "num_words", "num_stop_hits", "stop_words_en"),
)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
# Of a word as a number: its last eight characters, a byte each, this one for all but ASCII ones.
_BYTE, _OTHER = np.uint64(8), np.uint64(0xFF)


def outline(texts: pl.Series) -> pl.DataFrame:
    """Characters, words and English stop words of every text (null is empty).

    Columns: `num_chars`, characters by class (`num_han`, ...), `num_tokens` (units: words and
    single CJK characters), `num_words` (units but CJK characters), `num_stop_hits` (words that are
    English stop words) and `stop_words_en` (how many different ones).
    """
    found = _outline(*utf8(texts), alphabet.table(), *_stop_words())
    return pl.DataFrame({name: found[:, i] for i, name in enumerate(OUTLINE)})


@lru_cache(maxsize=1)
def _stop_words() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """An open hash table of English stop words (0 is empty), and a bit for the word of each."""
    words = [int.from_bytes(word.encode("ascii"), "big") for word in lexicons.STOP_WORDS_EN]
    values = np.array(words, np.uint64)
    slots, bits = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    bits[fill(values * _FACTOR, values, slots)] = np.uint64(1) << np.arange(
        len(words), dtype=np.uint64
    )
    return slots, bits


@njit(inline="always")
def _stop(word, slots, bits):  # type: ignore[no-untyped-def]
    """The bit of a stop word, 0 of another one."""
    slot = place_of(word * _FACTOR, word, slots)
    return bits[slot] if slots[slot] == word else np.uint64(0)


@njit(cache=True, nogil=True)
def _outline(data, bounds, entries_of, slots, bits):  # type: ignore[no-untyped-def]
    num_texts = len(bounds)
    found = np.zeros((num_texts, len(OUTLINE)), np.float64)
    # Neighbours are mostly of one class: counted in turn, no count waits for the one before it.
    by_class = np.empty((4, CLASS_MASK + 1), np.int64)
    for d in range(num_texts):
        by_class[:] = 0
        i, end, count, num_words, num_hits = bounds[d, 0], bounds[d, 1], 0, 0, 0
        word, in_word, stops = np.uint64(0), False, np.uint64(0)
        while i < end:
            code, entry, i = decoded(data, i, entries_of)
            kind = class_of(entry)
            by_class[count & 3, kind] += 1
            count += 1
            if LATIN <= kind <= NUMBER:
                char = np.uint64(folded(code, entry))
                word = word << _BYTE | (char if char < 0x80 else _OTHER)
                in_word = True
            elif in_word:
                num_words += 1
                stop = _stop(word, slots, bits)
                num_hits += stop > 0
                stops |= stop
                word, in_word = np.uint64(0), False
        if in_word:
            num_words += 1
            stop = _stop(word, slots, bits)
            num_hits += stop > 0
            stops |= stop
        row = found[d]
        totals = by_class.sum(axis=0)
        row[0] = count
        row[1 : 1 + NUM_CLASSES] = totals[:NUM_CLASSES]
        row[1 + NUM_CLASSES] = num_words + totals[HAN : KANA + 1].sum()
        row[2 + NUM_CLASSES], row[3 + NUM_CLASSES] = num_words, num_hits
        row[4 + NUM_CLASSES] = bits_of(stops)
    return found
