"""C4's tests of a line of a decoded text, compiled.

Source: Raffel et al. 2020 (arXiv 1910.10683, section 2.2); marks and lengths for Chinese are ours.
Importing this module imports numba; import it inside functions.
"""

import numpy as np
from numba import njit

from carebot_assets.corpus.alphabet import (
    C4_END,
    CLOSING,
    DOT,
    HAN,
    KANA,
    SPACE,
    STOP,
    TERMINAL,
    class_of,
)
from carebot_assets.corpus.line_phrases import JAVASCRIPT, LOREM, NEEDLES, POLICY, holds, matches

MIN_WORDS = 3
MIN_CHARS_ZH = 6
MAX_WORD_CHARS = 1000
_CITATIONS = np.zeros((2, 16), np.uint32)
for _i, _phrase in enumerate(("edit]", "citation needed]")):
    _CITATIONS[_i, : len(_phrase)] = [ord(_char) for _char in _phrase]
_BRACKET, _CURLY = 0x5B, 0x7B


@njit(inline="always")
def ends_sentence(codes, entries, i, end):  # type: ignore[no-untyped-def]
    """A full-width stop, or . ! ? before a space or the end."""
    if not entries[i] & np.uint32(STOP):
        return False
    return codes[i] > 0x7F or i + 1 == end or class_of(entries[i + 1]) == SPACE


@njit(cache=True, nogil=True)
def _without_citations(codes, entries, begin, end, out_codes, out_entries):  # type: ignore[no-untyped-def]
    """Copy a stretch without `[12]`, `[edit]` and `[citation needed]`; returns its length."""
    i, count = begin, 0
    while i < end:
        after = i
        if codes[i] == _BRACKET:
            j = i + 1
            while j < end and 0x30 <= codes[j] <= 0x39:
                j += 1
            if j < end and codes[j] == 0x5D:
                after = j + 1
            elif matches(codes, entries, i + 1, end, _CITATIONS, 0):
                after = i + 6
            elif matches(codes, entries, i + 1, end, _CITATIONS, 1):
                after = i + 17
        if after == i:
            out_codes[count], out_entries[count] = codes[i], entries[i]
            count += 1
            after += 1
        i = after
    return count


@njit(inline="always")
def _is_short(codes, entries, begin, end, is_zh):  # type: ignore[no-untyped-def]
    """Fewer than three words between spaces, and for Chinese fewer than six CJK characters."""
    num_words, num_cjk, in_word = 0, 0, False
    for i in range(begin, end):
        kind = class_of(entries[i])
        num_cjk += HAN <= kind <= KANA
        num_words += kind != SPACE and not in_word
        in_word = kind != SPACE
        if num_words >= MIN_WORDS or (is_zh and num_cjk >= MIN_CHARS_ZH):
            return False
    return True


@njit(inline="always")
def _has_long_word(entries, begin, end):  # type: ignore[no-untyped-def]
    # One of so many characters in a row is looked at, and what is around it.
    for i in range(begin + MAX_WORD_CHARS, end, MAX_WORD_CHARS + 1):
        first, last = i, i
        while first >= begin and class_of(entries[first]) != SPACE:
            first -= 1
        while last < end and class_of(entries[last]) != SPACE:
            last += 1
        if last - first - 1 > MAX_WORD_CHARS:
            return True
    return False


@njit(cache=True, nogil=True)
def _sentences(codes, entries, begin, end):  # type: ignore[no-untyped-def]
    """Sentences that end in a stretch, and where the last one does."""
    sentences, after = 0, begin
    for i in range(begin, end):
        if ends_sentence(codes, entries, i, end):
            sentences, after = sentences + 1, i + 1
    return sentences, after


@njit(cache=True, nogil=True)
def c4_line(codes, entries, begin, end, ends, has_bracket, is_zh, has_phrase, spare):  # type: ignore[no-untyped-def]
    """What C4 makes of a stripped line: (kept, sentences, lorem ipsum, curly bracket).

    `ends` is what `_sentences` says of it, where it has no bracket.
    """
    rest_codes, rest_entries, first, last = codes, entries, begin, end - 1
    if has_bracket:
        rest_codes, rest_entries, first = spare[0], spare[1], 0
        last = _without_citations(codes, entries, begin, end, rest_codes, rest_entries) - 1
        if last < 0:
            return False, 0, False, False
    marks = np.uint32(C4_END | CLOSING | TERMINAL) if is_zh else np.uint32(C4_END)
    dots = 0
    while last - dots >= first and dots < 3 and rest_codes[last - dots] == DOT:
        dots += 1
    if not rest_entries[last] & marks or dots == 3:
        return False, 0, False, False
    if _is_short(codes, entries, begin, end, is_zh):
        return False, 0, False, False
    if not is_zh and _has_long_word(entries, begin, end):
        return False, 0, False, False
    if has_phrase and holds(codes, entries, begin, end, LOREM, LOREM + 1):
        return False, 0, True, False
    if has_phrase and holds(codes, entries, begin, end, JAVASCRIPT, JAVASCRIPT + 1):
        return False, 0, False, False
    sentences, after = ends
    if has_bracket:
        for i in range(first, last + 1):
            if rest_codes[i] == _CURLY:
                return False, 0, False, True
        sentences, after = _sentences(rest_codes, rest_entries, first, last + 1)
    if has_phrase and holds(codes, entries, begin, end, POLICY, len(NEEDLES)):
        return False, 0, False, False
    while after <= last and class_of(rest_entries[after]) == SPACE:
        after += 1
    return True, sentences + (after <= last), False, False
