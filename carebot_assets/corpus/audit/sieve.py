"""A sieve before the slow look: texts that hold both of a pair of strings of letters.

One compiled pass with hashes of its own, which may let a text too many pass but none too few: what
does is looked at letter by letter. Importing this module imports numba; import it inside functions.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus.audit import plain

_BASE = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_MANY, _UNCLEAR = np.uint32(0x200000), np.uint32(0xFFFFFFFF)
# Leading bits of a hash that are looked up first, in a table that fits a cache.
_FINE = np.uint64(64 - 18)
# Letters that one character may become, and texts decoded at once: four bytes a character.
_MOST, _TEXTS = 4, 1024


class Pairs(NamedTuple):
    """Strings to search for, told by their first letters, and which of them belong together.

    `narrow` and `wide` are the numbers of letters that are hashed, `slots` an open hash table (0 is
    empty), `ids` the string of each slot, `bits` the leading bits that occur; those that string `i`
    is in a pair with are `partners[starts[i] : starts[i + 1]]`.
    """

    narrow: int
    wide: int
    slots: NDArray[np.uint64]
    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    partners: NDArray[np.int64]
    bits: NDArray[np.bool_]


class _Folds(NamedTuple):
    """What each code point becomes: its one letter; 0 where it is none; `_MANY` + i where it is
    `rest[starts[i] : starts[i + 1]]`; `_UNCLEAR` where that depends on its neighbours."""

    single: NDArray[np.uint32]
    rest: NDArray[np.uint32]
    starts: NDArray[np.int64]


def pairs(frame: pl.DataFrame) -> Pairs:
    """Prepare pairs for `holding`.

    Args:
        frame: columns `one` and `other`, strings as `plain.letters` gives them, none empty.
    """
    strings = pl.concat([frame["one"], frame["other"]]).unique().sort()
    sizes = strings.str.len_chars()
    narrow = int(sizes.min() or 1)  # type: ignore[arg-type]
    is_long = sizes >= 2 * narrow
    wide = int(sizes.filter(is_long).min() or narrow)  # type: ignore[arg-type]
    head = pl.col("string").str.head(pl.when(is_long).then(wide).otherwise(narrow))
    known = pl.DataFrame({"string": strings}).with_columns(head=head)
    known = known.with_columns(id=pl.col("head").rank("dense").cast(pl.Int64) - 1)
    heads = known.unique("id").sort("id")["head"]
    size = 1 << (4 * len(heads) + 1).bit_length()
    slots, ids = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    _put(_codes(heads), heads.str.len_chars().cast(pl.Int64).cum_sum().to_numpy(), slots, ids)
    sides = frame.join(known, left_on="one", right_on="string")
    sides = sides.join(known, left_on="other", right_on="string").select(a="id", b="id_right")
    both = pl.concat([sides, sides.select(a="b", b="a")]).unique().sort("a", "b")
    counts = np.bincount(both["a"].to_numpy(), minlength=len(heads))
    starts = np.concatenate(([0], np.cumsum(counts)))
    bits = np.zeros(1 << (64 - int(_FINE)), np.bool_)
    bits[slots[slots > 0] >> _FINE] = True
    return Pairs(narrow, wide, slots, ids, starts, both["b"].to_numpy(), bits)


def holding(texts: pl.Series, wanted: Pairs) -> pl.Series:
    """Whether the letters of each text hold both of a pair; true, too, where a character's letters
    depend on its neighbours."""
    found = [np.empty(0, np.bool_)]
    for first in range(0, len(texts), _TEXTS):
        some = texts.slice(first, _TEXTS)
        codes = _codes(some)
        ends = some.str.len_chars().cast(pl.Int64).cum_sum().to_numpy()
        longest = _MOST * int(some.str.len_chars().max() or 0)  # type: ignore[arg-type]
        found.append(_holding(codes, ends, tuple(_folds()), tuple(wanted), longest))
    return pl.Series(texts.name, np.concatenate(found))


@lru_cache(maxsize=1)
def _folds() -> _Folds:
    character, letters = pl.col("character"), pl.col("letters")
    frame = (
        plain.characters()
        .to_frame("character")
        .select(
            character,
            letters=plain.folded(character).str.replace_all(plain.NO_LETTER, "\0"),
            is_unclear=plain.joins(character),
        )
        .with_columns(pl.col("is_unclear") | (letters.str.len_chars() > _MOST))
    )
    frame = frame.with_columns(is_many=~pl.col("is_unclear") & (letters.str.len_chars() > 1))
    many = frame.filter("is_many")["letters"]
    codes = _codes(frame["character"])
    single = np.zeros(codes.max() + 1, np.uint32)
    single[codes] = _codes(frame["letters"].str.head(1))
    single[codes[frame["is_many"]]] = _MANY + np.arange(len(many), dtype=np.uint32)
    single[codes[frame["is_unclear"]]] = _UNCLEAR
    starts = np.concatenate(([0], many.str.len_chars().cast(pl.Int64).cum_sum()))
    return _Folds(single, _codes(many), starts)


def _codes(texts: pl.Series) -> NDArray[np.uint32]:
    """Code points of all texts in a row."""
    return np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)


@njit(inline="always")
def _mixed(value, width):  # type: ignore[no-untyped-def]
    """The hash as it is kept; never 0."""
    return (value ^ (value >> _SHIFT) ^ np.uint64(width)) * _BASE | np.uint64(1)


@njit(inline="always")
def _slot(value, slots):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(slots) - 1)
    slot = (value >> _SHIFT) & mask
    while slots[slot] != 0 and slots[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(inline="always")
def _power(width):  # type: ignore[no-untyped-def]
    power = np.uint64(1)
    for _ in range(width):
        power *= _BASE
    return power


@njit(cache=True, nogil=True)
def _put(codes, ends, slots, ids):  # type: ignore[no-untyped-def]
    """Put strings, one after the other in `codes`, into the table by their numbers."""
    begin = 0
    for number in range(len(ends)):
        value = np.uint64(0)
        for i in range(begin, ends[number]):
            value = value * _BASE + np.uint64(codes[i])
        value = _mixed(value, ends[number] - begin)
        slot = _slot(value, slots)
        slots[slot], ids[slot] = value, number
        begin = ends[number]


@njit(cache=True, nogil=True)
def _meets(value, slots, ids, starts, partners, seen, d):  # type: ignore[no-untyped-def]
    """Whether a hash is of a string whose partner has been seen in text `d`; notes the string."""
    slot = _slot(value, slots)
    if slots[slot] != value or seen[ids[slot]] == d:
        return False
    number = ids[slot]
    seen[number] = d
    return np.any(seen[partners[starts[number] : starts[number + 1]]] == d)


@njit(inline="always")
def _add(letter, out, count, run):  # type: ignore[no-untyped-def]
    """Put a letter behind `count` others, of which the last `run` are ASCII in a row; one that
    stood alone goes."""
    is_ascii = (letter - np.uint32(1)) < np.uint32(127)
    count -= (run == 1) & (not is_ascii)
    out[count] = letter
    return count + (letter > 0), (run + 1) * is_ascii


@njit(cache=True, nogil=True)
def _letters(codes, begin, end, folds, out):  # type: ignore[no-untyped-def]
    """Letters of a text, as `plain.letters`; returns their number, or -1 where one is unclear."""
    single, rest, starts = folds
    count, run = 0, 0
    for i in range(begin, end):
        letter = single[codes[i]] if codes[i] < len(single) else np.uint32(0)
        if letter < _MANY:
            count, run = _add(letter, out, count, run)
        elif letter == _UNCLEAR:
            return -1
        else:
            for j in range(starts[letter - _MANY], starts[letter - _MANY + 1]):
                count, run = _add(rest[j], out, count, run)
    return count - (run == 1)


@njit(cache=True, nogil=True)
def _holding(codes, ends, folds, wanted, longest):  # type: ignore[no-untyped-def]
    narrow, wide, slots, ids, starts, partners, bits = wanted
    found = np.zeros(len(ends), np.bool_)
    seen = np.full(len(starts), -1)
    text = np.empty(longest, np.uint32)
    out_narrow, out_wide = _power(narrow), _power(wide)
    begin = 0
    for d in range(len(ends)):
        count = _letters(codes, begin, ends[d], folds, text)
        begin, found[d] = ends[d], count < 0
        one, other = np.uint64(0), np.uint64(0)
        for i in range(count):
            letter = np.uint64(text[i])
            one, other = one * _BASE + letter, other * _BASE + letter
            if i >= narrow:
                one -= np.uint64(text[i - narrow]) * out_narrow
            if i >= wide:
                other -= np.uint64(text[i - wide]) * out_wide
            a, b = _mixed(one, narrow), _mixed(other, wide)
            if bits[a >> _FINE] and i + 1 >= narrow:
                found[d] |= _meets(a, slots, ids, starts, partners, seen, d)
            if bits[b >> _FINE] and i + 1 >= wide:
                found[d] |= _meets(b, slots, ids, starts, partners, seen, d)
    return found
