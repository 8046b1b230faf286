"""Compiled passes over the lines, paragraphs and sentences of a decoded text.

Importing this module imports numba; import it inside functions.
"""

import numpy as np
from numba import njit

from carebot_assets.corpus.alphabet import (
    BRACKET,
    BULLET,
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
from carebot_assets.corpus.c4 import c4_line, ends_sentence
from carebot_assets.corpus.line_phrases import JAVASCRIPT, NUM_URLS, holds
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

_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
# Lines, paragraphs and sentences share one table of hashes.
_PARAGRAPH, _SENTENCE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
_STEP, _FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NEWLINE = 0x0A


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
        value = (np.uint64(stretch[i]) + np.uint64(i) * _STEP) * _FNV_PRIME
        total += (value ^ (value >> np.uint64(32))) * _FACTOR
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
            if entry & np.uint32(STOP) and ends_sentence(codes, entries, j, count):
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
            urls += is_short and holds(codes, entries, begin, end, 0, NUM_URLS)
            scripts += holds(codes, entries, begin, end, JAVASCRIPT, JAVASCRIPT + 1)
        has_bracket = marks & np.uint32(BRACKET) != 0
        found = c4_line(
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
