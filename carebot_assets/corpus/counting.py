"""Everything that is counted in a text, in one compiled pass: the numbers behind `measures`.

Importing this module imports numba; import it inside functions.
"""

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus import alphabet, unigrams
from carebot_assets.corpus.alphabet import (
    CLASS_MASK,
    CLASSES,
    COUNTED,
    DOT,
    ELLIPSIS,
    GBK,
    HASH,
    LEAD_2,
    LEAD_3,
    SPACE,
    TAIL,
    class_of,
    decode,
    folded,
)
from carebot_assets.corpus.line_phrases import PHRASES
from carebot_assets.corpus.lines import LINE_MEASURES, lines
from carebot_assets.corpus.unigrams import Unigrams
from carebot_assets.corpus.views import utf8
from carebot_assets.corpus.wording import NGRAM_MEASURES, WORD_MEASURES, mask_for, ngrams, words

UNIQUE_WINDOW = 200
NUM_CODES = 0x110000
CHAR_MEASURES = (
    *("num_chars", *(f"num_{name}" for name in CLASSES)),
    *("num_mojibake", "num_hashes", "num_ellipses", "unique_char_ratio"),
)
MEASURES = (*CHAR_MEASURES, *WORD_MEASURES, *NGRAM_MEASURES, *LINE_MEASURES)
_CHARS, _WORDS = len(CHAR_MEASURES), len(CHAR_MEASURES) + len(WORD_MEASURES)
_NGRAMS = _WORDS + len(NGRAM_MEASURES)
# Tables that a text needs one after the other, each emptied by a new stamp.
_STAMPS = 16


def measures(
    text: pl.Series,
    lang: pl.Series,
    tables: Unigrams | None = None,
    has_phrase: NDArray[np.bool_] | None = None,
) -> pl.DataFrame:
    """All of `MEASURES` of every text, unscaled; ratios lie in 0..1.

    - Lines are split at line ends, those of only white space left out but for bullets and
      ellipses; paragraphs at empty lines; both repeat when they are the same to the character.
      Shares are of their number, or (`_char_`) of their characters among all. `char_dup_ratio` is
      FineWeb's: among all but line ends.
    - Sentences repeat when they are the same but for spaces, case and width; short ones are left
      aside. The share is of the characters but spaces.
    - `top_Ngram_ratio`: characters of the most frequent n-gram, single spaces between words
      included, times its occurrences. N-grams seen once do not count; of several equally frequent
      ones the one that occurs first is taken.
    - `dup_Ngram_ratio`: characters of the n-grams that occurred before, none counted twice: after
      a repeated one the search goes on behind it.
    - `unique_char_ratio`: distinct characters among the first 200 but spaces.
    - `unterminated_ratio`: lines without a closing mark, 0 for fewer than four lines.

    Args:
        text: texts; null is empty.
        lang: language of each, of which `zh` counts differently.
        tables: frequencies of words and characters, the built-in ones if none are given.
        has_phrase: whether each holds one of `line_phrases.PHRASES`, where that is known already.

    Sources: Gopher (Rae et al. 2021, arXiv 2112.11446, section A1.1), C4 (Raffel et al. 2020, arXiv
    1910.10683, section 2.2) and FineWeb (Penedo et al. 2024, arXiv 2406.17557, section 3.4); ties,
    sentences and the counts for Chinese are ours.
    """
    if has_phrase is None:
        holds = text.str.contains_any(list(PHRASES), ascii_case_insensitive=True)
        has_phrase = holds.fill_null(False).to_numpy()
    found = _measure(
        *utf8(text),
        alphabet.table(),
        tuple(tables or unigrams.load()),
        (lang == "zh").fill_null(False).to_numpy(),
        has_phrase,
        alphabet.room(text),
    )
    return pl.DataFrame({name: found[:, i] for i, name in enumerate(MEASURES)})


@njit(cache=True, nogil=True)
def _characters(codes, entries, count, seen, stamp, row):  # type: ignore[no-untyped-def]
    """Classes, signs of a wrong decoding, hashes and ellipses, distinct characters."""
    distinct, window, i = 0, 0, 0
    while i < count and window < UNIQUE_WINDOW:
        code, entry = codes[i], entries[i]
        i += 1
        if class_of(entry) != SPACE:
            window += 1
            value = folded(code, entry)
            distinct += seen[value] != stamp
            seen[value] = stamp
    # Neighbours are mostly of one class: counted in turn, no count waits for the one before it.
    by_class = np.zeros((4, CLASS_MASK + 1), np.int64)
    mojibake, hashes, ellipses, dots, lead, tails, last = 0, 0, 0, 0, 0, 0, -1
    for i in range(count):
        entry = entries[i]
        by_class[i & 3, class_of(entry)] += 1
        if not entry & np.uint32(COUNTED):
            continue
        if i != last + 1:
            dots, lead, tails = 0, 0, 0
        code, last = codes[i], i
        hashes += code == HASH
        ellipses += code == ELLIPSIS
        dots = dots + 1 if code == DOT else 0
        if dots == 3:
            ellipses += 1
            dots = 0
        # A lead of two bytes and a tail, or a lead of three and two tails: two characters each.
        if entry & np.uint32(TAIL):
            tails += 1
            if lead and tails == lead:
                mojibake += 2
                lead = 0
        else:
            tails = 0
            lead = 1 if entry & np.uint32(LEAD_2) else (2 if entry & np.uint32(LEAD_3) else 0)
            mojibake += (entry & np.uint32(GBK)) != 0
    row[0] = count
    row[1 : 1 + len(CLASSES)] = by_class.sum(axis=0)[: len(CLASSES)]
    place = 1 + len(CLASSES)
    row[place], row[place + 1], row[place + 2] = mojibake, hashes, ellipses
    row[place + 3] = distinct / max(window, 1)


@njit(cache=True, nogil=True)
def _measure(data, bounds, table, tables, is_zh, has_phrase, longest):  # type: ignore[no-untyped-def]
    num_texts = len(bounds)
    found = np.zeros((num_texts, len(MEASURES)), np.float64)
    codes, entries = np.empty(longest, np.uint32), np.empty(longest, np.uint32)
    spare = (
        np.empty(longest, np.uint32),
        np.empty(longest, np.uint32),
        np.empty(longest + 1, np.uint32),
    )
    hashes, prefix = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    chars, joins = np.empty(longest + 2, np.int64), np.empty(longest + 2, np.int64)
    starts, places = np.empty(longest + 2, np.int64), np.empty(longest + 2, np.int64)
    size = mask_for(longest) + np.uint64(1)
    slots, stamps = np.empty(size, np.uint64), np.zeros(size, np.int64)
    seen = np.zeros(NUM_CODES, np.int32)  # of which few pages are ever touched
    counts = np.empty(size, np.int32)
    for d in range(num_texts):
        row, stamp = found[d], np.int64(_STAMPS * d + 1)
        count = decode(data, bounds[d, 0], bounds[d, 1], table, codes, entries)
        _characters(codes, entries, count, seen, d + 1, row[:_CHARS])
        num = words(codes, entries, count, tables, hashes, chars, joins, row[_CHARS:_WORDS])
        work = (prefix, starts, places, slots, stamps, counts, stamp)
        ngrams(hashes, num, chars, joins, count, work, row[_WORDS:_NGRAMS])
        table_of_lines = (slots, stamps, stamp + 10, mask_for(count))
        lines(codes, entries, count, is_zh[d], has_phrase[d], spare, table_of_lines, row[_NGRAMS:])
    return found
