"""Compiled passes over the words of a decoded text: n-grams, stop words, frequencies.

A *unit* is a word (a run of letters, marks and numbers) or a single CJK character. Importing this
module imports numba; import it inside functions.
"""

import numpy as np
from numba import njit

from carebot_assets.corpus.alphabet import (
    HAN,
    KANA,
    LATIN,
    MARK,
    NUMBER,
    OTHER_LETTER,
    class_of,
    folded,
)

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)
WORD_MEASURES = (
    *("num_tokens", "num_words", "num_alpha", "num_unit_chars", "num_scored", "log_probability"),
    *("num_stop_hits", "stop_words_en", "stop_words_zh"),
)
NGRAM_MEASURES = tuple(
    [f"top_{n}gram_ratio" for n in TOP_SIZES] + [f"dup_{n}gram_ratio" for n in DUPLICATE_SIZES]
)
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@njit(inline="always")
def mix(z):  # type: ignore[no-untyped-def]
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


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


@njit(inline="always")
def _bits(mask):  # type: ignore[no-untyped-def]
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
    num, num_words, num_alpha, num_scored, num_hits, total = 0, 0, 0, 0, 0, 0.0
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
        start, raw, plain, is_alpha, is_word = i, _FNV_OFFSET, _FNV_OFFSET, False, True
        while i < count:
            entry = entries[i]
            kind = class_of(entry)
            if not LATIN <= kind <= NUMBER:
                break
            raw = (raw ^ np.uint64(codes[i])) * _FNV_PRIME
            plain = (plain ^ np.uint64(folded(codes[i], entry))) * _FNV_PRIME
            is_alpha |= kind <= OTHER_LETTER
            is_word &= kind <= MARK
            i += 1
        hashes[num] = mix(raw)
        joins[num + 1] = joins[num] + (0 if num == 0 else 1)
        chars[num + 1] = chars[num] + (i - start)
        num += 1
        num_words += 1
        num_alpha += is_alpha
        was_cjk = False
        if not is_word:
            continue
        num_scored += 1
        slot = place_of(plain, plain, slots)
        total += word_values[slot]
        if word_stops[slot] >= 0:
            num_hits += 1
            english |= np.uint64(1) << np.uint64(word_stops[slot])
    row[0], row[1], row[2], row[3] = num, num_words, num_alpha, chars[num]
    row[4], row[5], row[6] = num_scored, total, num_hits
    row[7], row[8] = _bits(english), _bits(chinese)
    return num


@njit(cache=True, nogil=True)
def ngrams(hashes, num, chars, joins, num_chars, work, row):  # type: ignore[no-untyped-def]
    """Shares of the characters in the top and in duplicated n-grams (see `counting`).

    An n-gram can repeat only where the (n-1)-grams it begins and ends with do: `runs` says for
    every place how many repeating windows of the last size start there in a row, and only those
    of the next size inside such runs are looked up.
    """
    windows, runs, places, slots, stamps, counts, firsts, stamp, mask = work
    row[:] = 0.0
    for i in range(num):
        windows[i], runs[i] = hashes[i], 2
    repeats = True
    for n in range(2, 5):
        stamp += 1
        best, best_first, last = 1, -1, num - n + 1
        if last <= 0 or not repeats:
            return
        for i in range(last):
            windows[i] = windows[i] * _BASE + hashes[i + n - 1]
            if runs[i] < 2:
                continue
            slot = slot_of(windows[i], slots, stamps, stamp, mask)
            places[i] = slot
            if stamps[slot] != stamp:
                stamps[slot], slots[slot], counts[slot], firsts[slot] = stamp, windows[i], 0, i
            counts[slot] += 1
            # Of the most frequent ones the one that occurs first.
            if counts[slot] > best or (counts[slot] == best > 1 and firsts[slot] < best_first):
                best, best_first = counts[slot], firsts[slot]
        repeats = best > 1
        if repeats:
            size = chars[best_first + n] - chars[best_first]
            size += joins[best_first + n] - joins[best_first + 1]
            row[n - 2] = min(1.0, best * size / num_chars)
        runs[last] = 0
        for i in range(last - 1, -1, -1):
            runs[i] = runs[i + 1] + 1 if runs[i] >= 2 and counts[places[i]] > 1 else 0
    if not repeats:
        return
    for n in range(5, 11):
        stamp += 1
        i, last, repeated = 0, num - n + 1, 0
        for j in range(last):
            windows[j] = windows[j] * _BASE + hashes[j + n - 1]
        while i < last:
            if runs[i] < n - 3:
                i += 1
                continue
            slot = slot_of(windows[i], slots, stamps, stamp, mask)
            if stamps[slot] == stamp:
                repeated += chars[i + n] - chars[i]
                i += n
            else:
                stamps[slot], slots[slot] = stamp, windows[i]
                i += 1
        row[n - 2] = repeated / num_chars
        if repeated == 0:
            return
