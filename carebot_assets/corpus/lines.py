"""Compiled passes over the lines, paragraphs and sentences of a decoded text.

Importing this module imports numba; import it inside functions.
"""

import numpy as np
from numba import njit

from carebot_assets.corpus.alphabet import (
    BRACKET,
    BULLET,
    C4_END,
    CLOSING,
    DOT,
    ELLIPSIS,
    HAN,
    KANA,
    SPACE,
    STOP,
    TERMINAL,
    class_of,
    folded,
)
from carebot_assets.corpus.wording import mix, slot_of

LINE_MEASURES = (
    *("dup_line_ratio", "dup_line_char_ratio", "char_dup_ratio"),
    *("dup_paragraph_ratio", "dup_paragraph_char_ratio", "dup_sentence_ratio"),
    *("bullet_line_ratio", "ellipsis_line_ratio", "unterminated_ratio", "line_punctuation_ratio"),
    *("short_line_ratio", "url_line_ratio", "javascript_line_ratio", "num_newlines"),
    *("c4_line_ratio", "num_c4_sentences", "num_lorem_ipsum_lines", "num_curly_lines"),
)
MIN_LINES = 4
# A line longer than this is text, whatever phrase it holds.
FURNITURE_CHARS = 120
# FineWeb's 30 characters; a Chinese character says about as much as two Latin letters.
SHORT_LINE_CHARS = 30
SHORT_LINE_CHARS_ZH = 15
# A Chinese character counts twice: shorter sentences are headings and stock answers.
MIN_SENTENCE_WIDTH = 14
MIN_C4_WORDS = 3
MIN_C4_CHARS_ZH = 6
MAX_C4_WORD_CHARS = 1000

# Phrases searched in the lines of texts that hold any of them. The first three are URLs, then
# `lorem ipsum`, `javascript` and the policies of C4.
PHRASES = (
    *("http://", "https://", "www."),
    *("lorem ipsum", "javascript"),
    *("terms of use", "privacy policy", "cookie policy"),
    *("uses cookies", "use of cookies", "use cookies"),
)
NUM_URLS, LOREM, JAVASCRIPT, POLICY = 3, 3, 4, 5
NEEDLES = np.zeros((len(PHRASES), max(map(len, PHRASES))), np.uint32)
for _i, _phrase in enumerate(PHRASES):
    NEEDLES[_i, : len(_phrase)] = [ord(_char) for _char in _phrase]
_CITATIONS = np.zeros((2, 16), np.uint32)
for _i, _phrase in enumerate(("edit]", "citation needed]")):
    _CITATIONS[_i, : len(_phrase)] = [ord(_char) for _char in _phrase]

_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
# Lines, paragraphs and sentences share one table of hashes.
_PARAGRAPH, _SENTENCE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
_NEWLINE, _BRACKET, _CURLY = 0x0A, 0x5B, 0x7B


@njit(inline="always")
def _matches(codes, entries, i, end, needles, row):  # type: ignore[no-untyped-def]
    """Whether a folded phrase (0 ends it) stands at `i`."""
    for place in range(needles.shape[1]):
        if needles[row, place] == 0:
            break
        if i >= end or folded(codes[i], entries[i]) != needles[row, place]:
            return False
        i += 1
    return True


@njit(cache=True, nogil=True)
def _holds(codes, entries, begin, end, first, last):  # type: ignore[no-untyped-def]
    """Whether a stretch holds one of the phrases `first` to `last`."""
    for i in range(begin, end):
        char = folded(codes[i], entries[i])
        for phrase in range(first, last):
            if char == NEEDLES[phrase, 0] and _matches(codes, entries, i, end, NEEDLES, phrase):
                return True
    return False


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
            elif _matches(codes, entries, i + 1, end, _CITATIONS, 0):
                after = i + 6
            elif _matches(codes, entries, i + 1, end, _CITATIONS, 1):
                after = i + 17
        if after == i:
            out_codes[count], out_entries[count] = codes[i], entries[i]
            count += 1
            after += 1
        i = after
    return count


@njit(inline="always")
def _ends_sentence(codes, entries, i, end):  # type: ignore[no-untyped-def]
    """A full-width stop, or . ! ? before a space or the end."""
    if not entries[i] & np.uint32(STOP):
        return False
    return codes[i] > 0x7F or i + 1 == end or class_of(entries[i + 1]) == SPACE


@njit(inline="always")
def _is_short_c4(codes, entries, begin, end, is_zh):  # type: ignore[no-untyped-def]
    """Fewer than three words between spaces, and for Chinese fewer than six CJK characters."""
    num_words, num_cjk, in_word = 0, 0, False
    for i in range(begin, end):
        kind = class_of(entries[i])
        num_cjk += HAN <= kind <= KANA
        num_words += kind != SPACE and not in_word
        in_word = kind != SPACE
        if num_words >= MIN_C4_WORDS or (is_zh and num_cjk >= MIN_C4_CHARS_ZH):
            return False
    return True


@njit(inline="always")
def _has_long_word(entries, begin, end):  # type: ignore[no-untyped-def]
    # One of so many characters in a row is looked at, and what is around it.
    for i in range(begin + MAX_C4_WORD_CHARS, end, MAX_C4_WORD_CHARS + 1):
        first, last = i, i
        while first >= begin and class_of(entries[first]) != SPACE:
            first -= 1
        while last < end and class_of(entries[last]) != SPACE:
            last += 1
        if last - first - 1 > MAX_C4_WORD_CHARS:
            return True
    return False


@njit(cache=True, nogil=True)
def _sentences(codes, entries, begin, end):  # type: ignore[no-untyped-def]
    """Sentences that end in a stretch, and where the last one does."""
    sentences, after = 0, begin
    for i in range(begin, end):
        if _ends_sentence(codes, entries, i, end):
            sentences, after = sentences + 1, i + 1
    return sentences, after


@njit(cache=True, nogil=True)
def _c4_line(codes, entries, begin, end, ends, has_bracket, is_zh, has_phrase, spare):  # type: ignore[no-untyped-def]
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
    if _is_short_c4(codes, entries, begin, end, is_zh):
        return False, 0, False, False
    if not is_zh and _has_long_word(entries, begin, end):
        return False, 0, False, False
    if has_phrase and _holds(codes, entries, begin, end, LOREM, LOREM + 1):
        return False, 0, True, False
    if has_phrase and _holds(codes, entries, begin, end, JAVASCRIPT, JAVASCRIPT + 1):
        return False, 0, False, False
    sentences, after = ends
    if has_bracket:
        for i in range(first, last + 1):
            if rest_codes[i] == _CURLY:
                return False, 0, False, True
        sentences, after = _sentences(rest_codes, rest_entries, first, last + 1)
    if has_phrase and _holds(codes, entries, begin, end, POLICY, len(NEEDLES)):
        return False, 0, False, False
    while after <= last and class_of(rest_entries[after]) == SPACE:
        after += 1
    return True, sentences + (after <= last), False, False


@njit(inline="always")
def _seen(value, slots, stamps, stamp, mask):  # type: ignore[no-untyped-def]
    """Whether the value is in the table already; puts it there."""
    slot = slot_of(value, slots, stamps, stamp, mask)
    if stamps[slot] == stamp:
        return True
    stamps[slot], slots[slot] = stamp, value
    return False


@njit(cache=True, nogil=True)
def _hash(codes, begin, end):  # type: ignore[no-untyped-def]
    """Hash of a stretch: a sum over its characters and their places, none waiting for another."""
    stretch = codes[begin:end]  # from 0 on, or no places would be taken at once
    total = np.uint64(len(stretch))
    for i in range(len(stretch)):
        value = (np.uint64(stretch[i]) + np.uint64(i) * _PARAGRAPH) * _FNV_PRIME
        total += (value ^ (value >> np.uint64(32))) * _SENTENCE
    return mix(total)


@njit(cache=True, nogil=True)
def lines(codes, entries, count, is_zh, has_phrase, spare, table, row):  # type: ignore[no-untyped-def]
    """Measures of lines in the order of `LINE_MEASURES` (see `counting`).

    A paragraph is hashed by the hashes of its lines; a sentence ends at a line's end at the latest.
    """
    slots, stamps, stamp, mask = table
    solid = spare[2]
    row[:] = 0.0
    short = SHORT_LINE_CHARS_ZH if is_zh else SHORT_LINE_CHARS
    num_all, num, newlines, repeated, repeated_chars = 0, 0, 0, 0, 0
    num_paragraphs, same_paragraphs, same_paragraph_chars = 0, 0, 0
    paragraph, paragraph_chars, has_text = _FNV_OFFSET, 0, False
    same_sentence_chars, sentence_chars = 0, 0
    bullets, ellipses, unterminated, terminals, shorts = 0, 0, 0, 0, 0
    urls, scripts, kept, sentences, lorem, curly = 0, 0, 0, 0, 0, 0
    i = 0
    while i < count:
        begin = i
        while i < count and codes[i] != _NEWLINE:
            i += 1
        end, marks = i, np.uint32(0)
        for entry in entries[begin:end]:
            marks |= entry
        value = _hash(codes, begin, end)
        first, last = begin, end - 1
        while first < end and class_of(entries[first]) == SPACE:
            first += 1
        while last > first and class_of(entries[last]) == SPACE:
            last -= 1
        if first == end:
            first = last = -1
        # What is no space is put in a row, without a branch: where words end cannot be foretold.
        chars, num_cjk, num_ends, after = 0, 0, 0, begin
        for j in range(begin, end):
            entry = entries[j]
            kind = class_of(entry)
            solid[chars] = folded(codes[j], entry)
            chars += kind != SPACE
            num_cjk += kind - np.uint32(HAN) <= np.uint32(KANA - HAN)
            if entry & np.uint32(STOP) and _ends_sentence(codes, entries, j, count):
                sentence_chars += chars
                is_long = chars + num_cjk >= MIN_SENTENCE_WIDTH
                if is_long and _seen(
                    _hash(solid, 0, chars) ^ _SENTENCE, slots, stamps, stamp, mask
                ):
                    same_sentence_chars += chars
                chars, num_cjk, num_ends, after = 0, 0, num_ends + 1, j + 1
        sentence_chars += chars
        is_long = chars + num_cjk >= MIN_SENTENCE_WIDTH
        if is_long and _seen(_hash(solid, 0, chars) ^ _SENTENCE, slots, stamps, stamp, mask):
            same_sentence_chars += chars
        newlines += i < count
        i += 1
        num_all += 1
        if end > begin:
            paragraph = (paragraph ^ value) * _FNV_PRIME
            paragraph_chars += end - begin + (paragraph_chars > 0)
            has_text |= first >= 0
        if end == begin or i >= count:
            if has_text:
                num_paragraphs += 1
                if _seen(mix(paragraph ^ _PARAGRAPH), slots, stamps, stamp, mask):
                    same_paragraphs += 1
                    same_paragraph_chars += paragraph_chars
            paragraph, paragraph_chars, has_text = _FNV_OFFSET, 0, False
        if first < 0:
            continue
        num += 1
        if _seen(value, slots, stamps, stamp, mask):
            repeated += 1
            repeated_chars += end - begin
        if is_zh:
            bullets += (entries[first] & np.uint32(BULLET)) != 0
        else:
            bullets += codes[first] == 0x2D or codes[first] == 0x2022
        has_dots = last - 2 >= first and codes[last] == DOT
        has_dots = has_dots and codes[last - 1] == DOT and codes[last - 2] == DOT
        ellipses += codes[last] == ELLIPSIS or has_dots
        unterminated += (entries[last] & np.uint32(CLOSING)) == 0
        terminals += (entries[end - 1] & np.uint32(TERMINAL)) != 0
        shorts += end - begin <= short
        if has_phrase:
            is_short = end - begin <= FURNITURE_CHARS
            urls += is_short and _holds(codes, entries, begin, end, 0, NUM_URLS)
            scripts += _holds(codes, entries, begin, end, JAVASCRIPT, JAVASCRIPT + 1)
        has_bracket = marks & np.uint32(BRACKET) != 0
        found = _c4_line(
            codes,
            entries,
            first,
            last + 1,
            (num_ends, after),
            has_bracket,
            is_zh,
            has_phrase,
            spare,
        )
        kept += found[0]
        sentences += found[1]
        lorem += found[2]
        curly += found[3]
    row[0], row[1] = repeated / max(num, 1), repeated_chars / max(count, 1)
    row[2] = repeated_chars / max(count - newlines, 1)
    row[3] = same_paragraphs / max(num_paragraphs, 1)
    row[4] = same_paragraph_chars / max(count, 1)
    row[5] = same_sentence_chars / max(sentence_chars, 1)
    row[6], row[7] = bullets / max(num_all, 1), ellipses / max(num_all, 1)
    row[8] = unterminated / num if num >= MIN_LINES else 0.0
    row[9], row[10] = terminals / max(num, 1), shorts / max(num, 1)
    row[11], row[12], row[13] = urls / max(num, 1), scripts / max(num, 1), newlines
    row[14], row[15], row[16], row[17] = kept / max(num, 1), sentences, lorem, curly
