"""Compiled passes over the words of a decoded text: n-grams, stop words, frequencies.

A *unit* is a word (a run of letters, marks and numbers) or a single CJK character. Importing this
module imports numba; import it inside functions.
"""

import numpy as np
from numba import njit

from carebot_assets.corpus.alphabet import (
    DIGIT,
    GREEK,
    HAN,
    KANA,
    LATIN,
    NUMBER,
    OTHER_LETTER,
    class_of,
    folded,
)

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
WORD_MEASURES = (
    *("num_tokens", "num_words", "num_alpha", "num_unit_chars", "num_scored", "log_probability"),
    *("stop_words_en", "stop_words_zh"),
)
NGRAM_MEASURES = tuple(
    [f"top_{n}gram_ratio" for n in TOP_SIZES] + [f"dup_{n}gram_ratio" for n in DUPLICATE_SIZES]
)
MIN_TABLE = 16
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C15)
# Classes as bits.
_LETTERS = np.uint32(1 << LATIN | 1 << GREEK | 1 << OTHER_LETTER)
_NUMBERS = np.uint32(1 << DIGIT | 1 << NUMBER)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@njit(inline="always")
def mix(z):  # type: ignore[no-untyped-def]
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def mask_for(num):  # type: ignore[no-untyped-def]
    """Mask of a hash table for so many values: as small as can be, to stay in the cache."""
    size = MIN_TABLE
    while size < 2 * num:
        size *= 2
    return np.uint64(size - 1)


@njit(inline="always")
def slot_of(value, slots, stamps, stamp, mask):  # type: ignore[no-untyped-def]
    """Slot of a value in an open hash table that a new `stamp` empties."""
    slot = (value ^ (value >> np.uint64(32))) & mask
    while stamps[slot] == stamp and slots[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(inline="always")
def place_of(hashed, value, slots):  # type: ignore[no-untyped-def]
    """Slot of a value in an open hash table in which 0 is empty."""
    mask = np.uint64(len(slots) - 1)
    slot = (hashed ^ (hashed >> np.uint64(32))) & mask
    while slots[slot] != 0 and slots[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def fill(hashed, values, slots):  # type: ignore[no-untyped-def]
    """Put values, none of them 0, into an open hash table; returns their slots."""
    places = np.empty(len(values), np.int64)
    for i in range(len(values)):
        places[i] = place_of(hashed[i], values[i], slots)
        slots[places[i]] = values[i]
    return places


@njit(cache=True, nogil=True)
def word_hashes(codes, sizes):  # type: ignore[no-untyped-def]
    """Hash of each of several folded words that stand in a row, as `words` hashes them."""
    hashes, i = np.empty(len(sizes), np.uint64), 0
    for number in range(len(sizes)):
        value, end = _FNV_OFFSET, i + sizes[number]
        while i < end:
            value = (value ^ np.uint64(codes[i])) * _FNV_PRIME
            i += 1
        hashes[number] = value
    return hashes


@njit(inline="always")
def bits_of(mask):  # type: ignore[no-untyped-def]
    count = 0
    while mask:
        mask &= mask - np.uint64(1)
        count += 1
    return count


@njit(cache=True, nogil=True)
def words(codes, entries, count, unigrams, hashes, chars, joins, row):  # type: ignore[no-untyped-def]
    """Hash every unit and count what its letters and its frequency say.

    `chars` and `joins` become running sums: characters of the units, and the spaces between them
    (none between two CJK characters).
    """
    slots, word_values, word_stops, char_values, char_stops = unigrams
    num, num_words, num_alpha, num_scored, total = 0, 0, 0, 0, 0.0
    english, chinese = np.uint64(0), np.uint64(0)
    i, was_cjk = 0, False
    chars[0], joins[0] = 0, 0
    while i < count:
        kind = class_of(entries[i])
        if HAN <= kind <= KANA:
            code = codes[i]
            hashes[num] = mix((_FNV_OFFSET ^ np.uint64(code)) * _FNV_PRIME)
            joins[num + 1] = joins[num] + (0 if was_cjk or num == 0 else 1)
            chars[num + 1] = chars[num] + 1
            num += 1
            num_alpha += 1
            if kind != KANA and code < len(char_values):
                num_scored += 1
                total += char_values[code]
                if char_stops[code] >= 0:
                    chinese |= np.uint64(1) << np.uint64(char_stops[code])
            was_cjk = True
            i += 1
            continue
        if not LATIN <= kind <= NUMBER:
            i += 1
            continue
        start, raw, plain, kinds = i, _FNV_OFFSET, _FNV_OFFSET, np.uint32(0)
        while i < count:
            entry = entries[i]
            kind = class_of(entry)
            if not LATIN <= kind <= NUMBER:
                break
            raw = (raw ^ np.uint64(codes[i])) * _FNV_PRIME
            plain = (plain ^ np.uint64(folded(codes[i], entry))) * _FNV_PRIME
            kinds |= np.uint32(1) << kind
            i += 1
        hashes[num] = mix(raw)
        joins[num + 1] = joins[num] + (0 if num == 0 else 1)
        chars[num + 1] = chars[num] + (i - start)
        num += 1
        num_words += 1
        num_alpha += (kinds & _LETTERS) != 0
        was_cjk = False
        if kinds & _NUMBERS:
            continue
        num_scored += 1
        slot = place_of(plain, plain, slots)
        total += word_values[slot]
        if word_stops[slot] >= 0:
            english |= np.uint64(1) << np.uint64(word_stops[slot])
    row[0], row[1], row[2], row[3] = num, num_words, num_alpha, chars[num]
    row[4], row[5] = num_scored, total
    row[6], row[7] = bits_of(english), bits_of(chinese)
    return num


@njit(cache=True, nogil=True)
def ngrams(hashes, num, chars, joins, num_chars, work, row):  # type: ignore[no-untyped-def]
    """Shares of the characters in the top and in duplicated n-grams (see `counting`).

    An n-gram can repeat only where the (n-1)-grams it begins and ends with do: of the places
    `found` for one size only neighbours are looked up for the next.
    """
    prefix, found, places, slots, stamps, counts, stamp = work
    row[:] = 0.0
    prefix[0] = 0
    for i in range(num):
        prefix[i + 1] = prefix[i] * _BASE + hashes[i]
        found[i] = i
    num_found, power = num - 1, _BASE
    for n in range(2, 5):
        stamp, power, mask = stamp + 1, power * _BASE, mask_for(num_found)
        for k in range(num_found):
            value = prefix[found[k] + n] - prefix[found[k]] * power
            slot = slot_of(value, slots, stamps, stamp, mask)
            if stamps[slot] != stamp:
                stamps[slot], slots[slot], counts[slot] = stamp, value, 0
            counts[slot] += 1
            places[k] = slot
        best, best_first, kept = 1, -1, 0
        for k in range(num_found):
            count = counts[places[k]]
            if count > best:  # of the most frequent ones the one that occurs first
                best, best_first = count, found[k]
            found[kept] = found[k]
            kept += count > 1
        if not kept:
            return
        size = chars[best_first + n] - chars[best_first]
        size += joins[best_first + n] - joins[best_first + 1]
        row[n - 2] = min(1.0, best * size / num_chars)
        if n < 4:
            num_found = 0
            for k in range(kept - 1):
                found[num_found] = found[k]
                num_found += found[k + 1] == found[k] + 1
    num_found, runs = kept, places  # of repeating windows that begin at a place, one after another
    for k in range(num_found - 1, -1, -1):
        has_next = k + 1 < num_found and found[k + 1] == found[k] + 1
        runs[k] = runs[k + 1] + 1 if has_next else 1
    for n in range(5, 11):
        stamp, power, mask = stamp + 1, power * _BASE, mask_for(num_found)
        kept, after, repeated = 0, 0, 0
        for k in range(num_found):
            if runs[k] < n - 3:
                continue
            i, found[kept], runs[kept] = found[k], found[k], runs[k]
            kept += 1
            if i < after:
                continue
            value = prefix[i + n] - prefix[i] * power
            slot = slot_of(value, slots, stamps, stamp, mask)
            if stamps[slot] == stamp:
                repeated += chars[i + n] - chars[i]
                after = i + n
            else:
                stamps[slot], slots[slot] = stamp, value
        row[n - 2] = repeated / num_chars
        if repeated == 0:
            return
        num_found = kept
