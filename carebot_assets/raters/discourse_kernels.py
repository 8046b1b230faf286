"""Compiled loops of `discourse`: texts into units, what relates their sentences, how they end."""

from functools import cache
from typing import Any

import numpy as np

# Kinds of characters, and of the units made of them; CAPITALS is a kind of units alone.
BLANK, LINE, HAN, LOWER, UPPER, DIGIT, END, STOP, MARK, OPEN, CLOSE, CAPITALS = range(12)
MAX_NUMBER, LARGEST_STEP, FURTHEST = 30, 3, 5
# Slots of the table of words of a text.
WORDS = 1 << 16
# What is emitted at most for a unit (opening 2, mentions 3) and for a sentence.
ROOM = 10
FIRST, LATER = 0, 1
(OPENING, OPENING_PAIR, SEAM_KIND, SEAM_UNIT, SEAM_SECOND, STEP, LENGTHS, BEFORE, AFTER,
 DISTANCE) = range(10)  # fmt: skip
# What is emitted for the end of a text; how far back an open bracket still counts.
ENDINGS, BRACKET_REACH, LONGEST_REST = 9, 60, 12


@cache
def kernels() -> tuple[Any, Any, Any, Any]:
    """`units`, `reorder`, `relations` and `endings`, compiled at their first use."""
    from numba import njit

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def fold(code, part):  # type: ignore[no-untyped-def]
        return (code ^ np.uint64(part)) * np.uint64(1099511628211) ^ (code >> np.uint64(29))

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def slot(code, size):  # type: ignore[no-untyped-def]
        mixed = (code ^ (code >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        return np.int64((mixed >> np.uint64(20)) % np.uint64(size))

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def units(points, offsets, kinds, lower, numbers):  # type: ignore[no-untyped-def]
        room = len(points)
        codes, kind = np.empty(room, np.uint64), np.empty(room, np.uint8)
        gaps, sentences = np.empty(room, np.uint8), np.empty(room, np.int32)
        values, starts = np.empty(room, np.int32), np.zeros(len(offsets), np.int64)
        n = 0
        for row in range(len(offsets) - 1):
            stop = offsets[row + 1]
            sentence, gap, filled, ended = 0, 0, False, False
            i = offsets[row]
            while i < stop:
                k = kinds[points[i]]
                if k == LINE:
                    gap = 2 if gap < 2 else 3
                    ended = filled
                if k == BLANK:
                    gap = max(gap, 1)
                if k in (LINE, BLANK):
                    i += 1
                    continue
                # Further marks and what closes a quotation belong to the sentence they end.
                if ended and not (gap == 0 and k in (END, CLOSE)):
                    sentence += 1
                    ended, filled = False, False
                begin, value = i, numbers[points[i]]
                code = fold(np.uint64(k), np.uint64(lower[points[i]]))
                i += 1
                if k in (LOWER, UPPER):
                    while i < stop and (kinds[points[i]] in (LOWER, UPPER) or points[i] == 39):
                        if i == begin + 1 and k == UPPER and kinds[points[i]] == UPPER:
                            k = CAPITALS
                        code = fold(code, np.uint64(lower[points[i]]))
                        i += 1
                elif k == DIGIT:
                    while i < stop and kinds[points[i]] == DIGIT:
                        value = min(100000, 10 * value + numbers[points[i]])
                        i += 1
                    # Large numbers count by how many digits they have.
                    size = value if value <= MAX_NUMBER else MAX_NUMBER + min(i - begin, 6)
                    code = fold(np.uint64(k), np.uint64(size))
                elif k == END:
                    ended = True
                elif k == STOP:
                    # A full stop ends a sentence before a blank only: there are decimals.
                    ended = i == stop or kinds[points[i]] in (BLANK, LINE, CLOSE)
                codes[n], kind[n], gaps[n] = code, k, gap
                sentences[n], values[n] = sentence, value
                gap, filled = 0, True
                n += 1
            starts[row + 1] = n
        return codes[:n], kind[:n], gaps[:n], sentences[:n], values[:n], starts

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def reorder(codes, kind, gaps, sentences, values, starts, turn):  # type: ignore[no-untyped-def]
        """Sentences of every text in another order; what separates them stays where it is."""
        new_codes, new_kind, new_gaps = codes.copy(), kind.copy(), gaps.copy()
        new_sentences, new_values = sentences.copy(), values.copy()
        for row in range(len(starts) - 1):
            first, stop = starts[row], starts[row + 1]
            if first == stop or sentences[stop - 1] == 0:
                continue
            num = sentences[stop - 1] + 1
            begins = np.full(num + 1, stop, np.int64)
            state = np.uint64(turn + 1)
            for t in range(stop - 1, first - 1, -1):
                begins[sentences[t]] = t
                state = fold(state, codes[t])
            order = np.arange(num)
            for i in range(num - 1, 0, -1):
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                other = np.int64((state >> np.uint64(33)) % np.uint64(i + 1))
                order[i], order[other] = order[other], order[i]
            n = first
            for place in range(num):
                start, end = begins[order[place]], begins[order[place] + 1]
                for t in range(start, end):
                    new_codes[n], new_kind[n], new_gaps[n] = codes[t], kind[t], gaps[t]
                    new_values[n], new_sentences[n] = values[t], place
                    if t == start:
                        new_gaps[n] = gaps[begins[place]]
                    n += 1
        return new_codes, new_kind, new_gaps, new_sentences, new_values, starts

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def column(family, han, one, two, three, size):  # type: ignore[no-untyped-def]
        code = fold(np.uint64(1469598103934665603), np.uint64(2 * family + han))
        return slot(fold(fold(fold(code, one), two), three), size)

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def length_of(num):  # type: ignore[no-untyped-def]
        return 0 if num <= 3 else 1 if num <= 8 else 2 if num <= 16 else 3 if num <= 30 else 4

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def number_of(values, begin, stop):  # type: ignore[no-untyped-def]
        for i in range(begin, min(begin + 3, stop)):
            if 0 < values[i] <= MAX_NUMBER:
                return values[i]
        return 0

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def relations(codes, kind, gaps, sentences, values, starts, han, size):  # type: ignore[no-untyped-def]
        columns = np.empty(ROOM * len(codes), np.int32)
        ends = np.zeros(len(starts), np.int64)
        where, spread = np.full(WORDS, -1, np.int32), np.zeros(WORDS, np.int32)
        keys = np.empty(len(codes), np.int64)
        n = 0
        for row in range(len(starts) - 1):
            first, stop = starts[row], starts[row + 1]
            ends[row + 1] = n
            if first == stop or sentences[stop - 1] == 0:
                continue
            lang = np.int64(han[row])
            begin, last_begin, last_number = first, first, 0
            for t in range(first, stop):
                if sentences[t] == 0:
                    columns[n] = column(OPENING, lang, codes[t], 0, 0, size)
                    n += 1
                    if t > first:
                        columns[n] = column(OPENING_PAIR, lang, codes[t - 1], codes[t], 0, size)
                        n += 1
                if t > first and sentences[t] == sentences[t - 1]:
                    continue
                # A sentence begins here.
                last_begin, begin, end = begin, t, t + 1
                while end < stop and sentences[end] == sentences[t]:
                    end += 1
                number = number_of(values, t, end)
                if t > first:
                    is_mark = END <= kind[t - 1] <= CLOSE
                    mark = codes[t - 1] if is_mark else np.uint64(kind[t - 1])
                    second = kind[t + 1] if t + 1 < end else 0
                    for family, part in (
                        (SEAM_KIND, np.uint64(kind[t])),
                        (SEAM_UNIT, codes[t]),
                        (SEAM_SECOND, np.uint64(second)),
                    ):
                        columns[n] = column(family, lang, mark, gaps[t], part, size)
                        n += 1
                    columns[n] = column(
                        LENGTHS, lang, length_of(t - last_begin), length_of(end - t), 0, size
                    )
                    n += 1
                    if number and last_number:
                        step = max(-LARGEST_STEP, min(LARGEST_STEP, number - last_number))
                        columns[n] = column(STEP, lang, step + LARGEST_STEP, 0, 0, size)
                        n += 1
                last_number = number if number else last_number
            # Words of more than one sentence: what stands around the first and later mentions.
            for t in range(first, stop):
                keys[t] = -1
                if kind[t] == HAN:
                    if t + 1 < stop and kind[t + 1] == HAN and sentences[t + 1] == sentences[t]:
                        keys[t] = slot(fold(codes[t], codes[t + 1]), WORDS)
                elif kind[t] in (LOWER, UPPER, CAPITALS):
                    keys[t] = slot(codes[t], WORDS)
                if keys[t] >= 0 and where[keys[t]] != sentences[t]:
                    where[keys[t]] = sentences[t]
                    spread[keys[t]] += 1
            for t in range(first, stop):
                if keys[t] >= 0:
                    where[keys[t]] = -1
            for t in range(first, stop):
                if keys[t] < 0 or spread[keys[t]] < 2 or where[keys[t]] == sentences[t]:
                    continue
                distance = 0 if where[keys[t]] < 0 else sentences[t] - where[keys[t]]
                where[keys[t]] = sentences[t]
                mention = FIRST if distance == 0 else LATER
                after = t + (2 if kind[t] == HAN else 1)
                is_first = t == first or sentences[t - 1] != sentences[t]
                is_last = after >= stop or sentences[after] != sentences[t]
                left = np.uint64(1) if is_first else codes[t - 1]
                right = np.uint64(2) if is_last else codes[after]
                columns[n] = column(BEFORE, lang, mention, left, 0, size)
                columns[n + 1] = column(AFTER, lang, mention, right, 0, size)
                columns[n + 2] = column(DISTANCE, lang, min(distance, FURTHEST), kind[t], 0, size)
                n += 3
            for t in range(first, stop):
                if keys[t] >= 0:
                    where[keys[t]], spread[keys[t]] = -1, 0
            ends[row + 1] = n
        return columns[:n].copy(), ends

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def endings(codes, kind, gaps, sentences, starts, stops, han, size):  # type: ignore[no-untyped-def]
        """What every text ends with if it ends before the unit `stops`: `ENDINGS` columns each."""
        columns = np.zeros((len(stops), ENDINGS), np.int32)
        none = np.uint64(0)
        for row in range(len(stops)):
            first, last = starts[row], stops[row] - 1
            if last < first:
                continue
            begin, opened = last, 0
            while begin > first and sentences[begin - 1] == sentences[last]:
                begin -= 1
            for t in range(max(first, last - BRACKET_REACH), last + 1):
                if kind[t] == OPEN:
                    opened += 1
                elif kind[t] == CLOSE:
                    opened = max(0, opened - 1)
            one = codes[last]
            two = codes[last - 1] if last > first else none
            three = codes[last - 2] if last > first + 1 else none
            before = kind[last - 1] if last > first else 0
            rest, lang = min(last - begin, LONGEST_REST), np.int64(han[row])
            columns[row, 0] = column(0, lang, one, 0, 0, size)
            columns[row, 1] = column(1, lang, two, one, 0, size)
            columns[row, 2] = column(2, lang, three, two, one, size)
            columns[row, 3] = column(3, lang, kind[last], 0, 0, size)
            columns[row, 4] = column(4, lang, before, kind[last], 0, size)
            columns[row, 5] = column(5, lang, before, one, 0, size)
            columns[row, 6] = column(6, lang, rest, kind[last], 0, size)
            columns[row, 7] = column(7, lang, min(opened, 2), 0, 0, size)
            columns[row, 8] = column(8, lang, codes[begin], gaps[begin], kind[last], size)
        return columns

    return units, reorder, relations, endings
