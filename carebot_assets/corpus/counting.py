"""Everything that is counted in a text, in one compiled pass: the numbers behind `measures`.

Importing this module imports numba; import it inside functions.
"""

import numpy as np
import polars as pl
from numba import njit

from carebot_assets.corpus import alphabet, kernels, unigrams
from carebot_assets.corpus.alphabet import (
    CLASSES,
    GBK,
    LEAD_2,
    LEAD_3,
    SPACE,
    TAIL,
    class_of,
    decode,
    folded,
)
from carebot_assets.corpus.lines import LINE_MEASURES, PHRASES, lines
from carebot_assets.corpus.unigrams import Unigrams
from carebot_assets.corpus.wording import NGRAM_MEASURES, WORD_MEASURES, ngrams, slot_of, words

UNIQUE_WINDOW = 200
CHAR_MEASURES = (
    *("num_chars", *(f"num_{name}" for name in CLASSES)),
    *("num_mojibake", "num_hashes", "num_ellipses", "unique_char_ratio"),
)
MEASURES = (*CHAR_MEASURES, *WORD_MEASURES, *NGRAM_MEASURES, *LINE_MEASURES)
_CHARS, _WORDS = len(CHAR_MEASURES), len(CHAR_MEASURES) + len(WORD_MEASURES)
_NGRAMS = _WORDS + len(NGRAM_MEASURES)
# Tables that a text needs one after the other, each emptied by a new stamp.
_STAMPS = 16
MIN_TABLE = 16


def characters(text: pl.Series, tables: Unigrams | None = None) -> pl.DataFrame:
    """Characters and words of every text: what the language and the length need.

    Columns: `num_chars`, characters by class (`num_han`, ...), `num_tokens` (units: words and
    single CJK characters), `num_words` (units but CJK characters), `num_stop_hits` (words that are
    English stop words), and the other measures of characters and words.
    """
    return _frame(text, None, None, tables or unigrams.load())


def measures(text: pl.Series, lang: pl.Series, tables: Unigrams | None = None) -> pl.DataFrame:
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

    Sources: Gopher (Rae et al. 2021, arXiv 2112.11446, section A1.1), C4 (Raffel et al. 2020, arXiv
    1910.10683, section 2.2) and FineWeb (Penedo et al. 2024, arXiv 2406.17557, section 3.4); ties,
    sentences and the counts for Chinese are ours.
    """
    is_zh = (lang == "zh").fill_null(False).to_numpy()
    phrases = list(PHRASES)
    has_phrase = text.to_frame("t").select(
        pl.col("t").str.contains_any(phrases, ascii_case_insensitive=True).fill_null(False)
    )
    return _frame(text, is_zh, has_phrase.to_series().to_numpy(), tables or unigrams.load())


def _frame(text, is_zh, has_phrase, tables) -> pl.DataFrame:  # type: ignore[no-untyped-def]
    data, offsets = kernels._buffers(text)
    flags = np.zeros(len(text), np.bool_)
    found = _measure(
        data,
        offsets,
        alphabet.table(),
        tuple(tables),
        flags if is_zh is None else is_zh,
        flags if has_phrase is None else has_phrase,
        is_zh is not None,
        alphabet.room(text),
    )
    wanted = MEASURES[: _WORDS if is_zh is None else None]
    return pl.DataFrame({name: found[:, i] for i, name in enumerate(wanted)})


@njit(cache=True, nogil=True)
def _characters(codes, entries, count, table, row):  # type: ignore[no-untyped-def]
    """Classes, signs of a wrong decoding, hashes and ellipses, distinct characters."""
    slots, stamps, stamp, mask = table
    # Neighbours are mostly of one class: counted in turn, no count waits for the one before it.
    by_class = np.zeros((2, len(CLASSES)), np.int64)
    mojibake, hashes, ellipses, dots, lead, tails = 0, 0, 0, 0, 0, 0
    distinct, window, i = 0, 0, 0
    while i < count and window < UNIQUE_WINDOW:
        code, entry = codes[i], entries[i]
        i += 1
        if class_of(entry) == SPACE:
            continue
        window += 1
        value = np.uint64(folded(code, entry))
        slot = slot_of(value, slots, stamps, stamp, mask)
        if stamps[slot] != stamp:
            stamps[slot], slots[slot] = stamp, value
            distinct += 1
    for i in range(count):
        code, entry = codes[i], entries[i]
        by_class[i & 1, class_of(entry)] += 1
        hashes += code == 0x23
        ellipses += code == 0x2026
        dots = dots + 1 if code == 0x2E else 0
        if dots == 3:
            ellipses += 1
            dots = 0
        if not entry & np.uint32(TAIL | LEAD_2 | LEAD_3 | GBK):
            lead, tails = 0, 0
        # A lead of two bytes and a tail, or a lead of three and two tails: two characters each.
        elif entry & np.uint32(TAIL):
            tails += 1
            if lead and tails == lead:
                mojibake += 2
                lead = 0
        else:
            tails = 0
            lead = 1 if entry & np.uint32(LEAD_2) else (2 if entry & np.uint32(LEAD_3) else 0)
            mojibake += (entry & np.uint32(GBK)) != 0
    row[0] = count
    row[1 : 1 + len(CLASSES)] = by_class[0] + by_class[1]
    place = 1 + len(CLASSES)
    row[place], row[place + 1], row[place + 2] = mojibake, hashes, ellipses
    row[place + 3] = distinct / max(window, 1)


@njit(cache=True, nogil=True)
def _measure(data, offsets, table, tables, is_zh, has_phrase, with_repetition, longest):  # type: ignore[no-untyped-def]
    num_texts = len(offsets) - 1
    found = np.zeros((num_texts, len(MEASURES)), np.float64)
    codes, entries = np.empty(longest, np.uint32), np.empty(longest, np.uint32)
    spare = (np.empty(longest, np.uint32), np.empty(longest, np.uint32))
    hashes, windows = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    chars, joins = np.empty(longest + 2, np.int64), np.empty(longest + 2, np.int64)
    runs, places = np.empty(longest + 2, np.int64), np.empty(longest + 2, np.int64)
    size = MIN_TABLE
    while size < 2 * longest:
        size *= 2
    slots, stamps = np.empty(size, np.uint64), np.zeros(size, np.int64)
    counts, firsts = np.empty(size, np.int32), np.empty(size, np.int32)
    for d in range(num_texts):
        row, stamp = found[d], np.int64(_STAMPS * d + 1)
        count = decode(data, offsets[d], offsets[d + 1], table, codes, entries)
        size = MIN_TABLE
        while size < 2 * count:
            size *= 2
        mask = np.uint64(size - 1)
        _characters(codes, entries, count, (slots, stamps, stamp, mask), row[:_CHARS])
        num = words(codes, entries, count, tables, hashes, chars, joins, row[_CHARS:_WORDS])
        if not with_repetition:
            continue
        work = (windows, runs, places, slots, stamps, counts, firsts, stamp, mask)
        ngrams(hashes, num, chars, joins, count, work, row[_WORDS:_NGRAMS])
        table_of_lines = (slots, stamps, stamp + 10, mask)
        lines(codes, entries, count, is_zh[d], has_phrase[d], spare, table_of_lines, row[_NGRAMS:])
    return found
