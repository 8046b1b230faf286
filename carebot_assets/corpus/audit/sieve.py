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
from carebot_assets.corpus.audit.decoding import character_at
from carebot_assets.corpus.views import utf8

_BASE = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_MANY, _UNCLEAR = np.uint32(0x200000), np.uint32(0xFFFFFFFF)
# What is looked up first: the low bits of at most twelve letters, by leading bits of a hash.
_LOW_BITS, _MOST_LAST = 5, 12
_BITS = 20
_FINE = np.uint64(64 - _BITS)
_MOST = 4  # letters that one character may become


class Pairs(NamedTuple):
    """Strings to search for, told by their first letters, and which of them belong together.

    `narrow` and `wide` are the numbers of letters that are hashed, `slots` an open hash table (0 is
    empty), `ids` the string of each slot; those that string `i` is in a pair with are
    `partners[starts[i] : starts[i + 1]]`. `bits` says bit by bit what the last of the hashed
    letters may be, a row for each number of them.
    """

    narrow: int
    wide: int
    slots: NDArray[np.uint64]
    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    partners: NDArray[np.int64]
    bits: NDArray[np.uint64]


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
    ends = heads.str.len_chars().cast(pl.Int64).cum_sum().to_numpy()
    bits = np.zeros((2, 1 << _BITS >> 6), np.uint64)
    _put(_codes(heads), ends, narrow, slots, ids, bits)
    sides = frame.join(known, left_on="one", right_on="string")
    sides = sides.join(known, left_on="other", right_on="string").select(a="id", b="id_right")
    both = pl.concat([sides, sides.select(a="b", b="a")]).unique().sort("a", "b")
    counts = np.bincount(both["a"].to_numpy(), minlength=len(heads))
    starts = np.concatenate(([0], np.cumsum(counts)))
    return Pairs(narrow, wide, slots, ids, starts, both["b"].to_numpy(), bits)


def holding(texts: pl.Series, wanted: Pairs) -> pl.Series:
    """Whether the letters of each text hold both of a pair; true, too, where a character's letters
    depend on its neighbours."""
    longest = _MOST * int(texts.str.len_chars().max() or 0)  # type: ignore[arg-type]
    return pl.Series(texts.name, _holding(*utf8(texts), tuple(_folds()), tuple(wanted), longest))


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
def _hash(letters, begin, end):  # type: ignore[no-untyped-def]
    """Hash of a stretch of letters."""
    value = np.uint64(0)
    for i in range(begin, end):
        value = value * _BASE + np.uint64(letters[i])
    return _mixed(value, end - begin)


@njit(inline="always")
def _place(last, width):  # type: ignore[no-untyped-def]
    """Where the bit for the last letters of so many stands, as a word and a bit of it."""
    aside = np.uint64(64 - _LOW_BITS * min(_MOST_LAST, width))
    place = (last << aside) * _BASE >> _FINE
    return place >> np.uint64(6), place & np.uint64(63)


@njit(inline="always")
def _with(letter, last):  # type: ignore[no-untyped-def]
    """The last letters as a number, another one behind them."""
    return last << np.uint64(_LOW_BITS) | np.uint64(letter & np.uint32((1 << _LOW_BITS) - 1))


@njit(cache=True, nogil=True)
def _put(codes, ends, narrow, slots, ids, bits):  # type: ignore[no-untyped-def]
    """Put strings, one after the other in `codes`, into the tables by their numbers."""
    begin = 0
    for number in range(len(ends)):
        value, last = _hash(codes, begin, ends[number]), np.uint64(0)
        slot = _slot(value, slots)
        slots[slot], ids[slot] = value, number
        for i in range(begin, ends[number]):
            last = _with(codes[i], last)
        width = ends[number] - begin
        word, bit = _place(last, width)
        bits[np.int64(width > narrow), word] |= np.uint64(1) << bit
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
def _letters(data, begin, end, folds, out):  # type: ignore[no-untyped-def]
    """Letters of a text, as `plain.letters`; returns their number, or -1 where one is unclear."""
    single, rest, starts = folds
    count, run, i = 0, 0, begin
    while i < end:
        code, size = character_at(data, i)
        i += size
        letter = single[code] if code < len(single) else np.uint32(0)
        if letter < _MANY:
            count, run = _add(letter, out, count, run)
        elif letter == _UNCLEAR:
            return -1
        else:
            for j in range(starts[letter - _MANY], starts[letter - _MANY + 1]):
                count, run = _add(rest[j], out, count, run)
    return count - (run == 1)


@njit(cache=True, nogil=True)
def _holding(data, bounds, folds, wanted, longest):  # type: ignore[no-untyped-def]
    narrow, wide, slots, ids, starts, partners, bits = wanted
    found = np.zeros(len(bounds), np.bool_)
    seen = np.full(len(starts), -1)
    text = np.empty(longest, np.uint32)
    for d in range(len(found)):
        count = _letters(data, bounds[d, 0], bounds[d, 1], folds, text)
        found[d], last = count < 0, np.uint64(0)
        for i in range(count):
            last = _with(text[i], last)
            for row, width in enumerate((narrow, wide)):
                word, bit = _place(last, width)
                if bits[row, word] >> bit & np.uint64(1) and i + 1 >= width:
                    value = _hash(text, i + 1 - width, i + 1)
                    found[d] |= _meets(value, slots, ids, starts, partners, seen, d)
    return found
