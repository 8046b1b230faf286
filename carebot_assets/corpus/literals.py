"""Which of several lists of literals a text holds any of, in one compiled pass over its bytes.

As `str.contains_any` of Polars for every list by itself, the case of ASCII letters aside. Importing
this module imports numba; import it inside functions.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus.views import utf8
from carebot_assets.corpus.wording import fill, place_of

# Bytes of a literal's head. A shorter literal has a head with every byte that may stand before it.
_WIDTHS = (7, 6, 4, 3)
_MASKS = tuple(np.uint64((1 << 8 * width) - 1) for width in _WIDTHS)
# A head as a number has its width above its bytes.
_MARKS = tuple(np.uint64(width << 56) for width in _WIDTHS)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
# Which ends of heads occur is looked up first, six bytes of a longer and three of a shorter head:
# bits by the leading bits of a hash, in tables that fit the nearest cache.
_SHORT, _LONG = np.uint64((1 << 24) - 1), np.uint64((1 << 48) - 1)
_LONG_WIDTH = 6
_NUM_LONG = sum(width >= _LONG_WIDTH for width in _WIDTHS)
_BITS = 16
_SHIFT, _WORD, _BIT = np.uint64(64 - _BITS), np.uint64(6), np.uint64(63)
MAX_LISTS = 64


class Literals(NamedTuple):
    """`names` are those of the lists. `slots` is an open hash table of heads, their bytes as a
    number (0 is empty); `some` says which leading bits of their hashes occur, `short` and `long`
    the same of ends of heads, bit by bit. What may follow the head of a slot are the tails `i` from
    `starts[slot]` to `starts[slot + 1]`: `tails[bounds[i] : bounds[i + 1]]`, of the lists with a
    bit in `lists[i]`.
    """

    names: tuple[str, ...]
    slots: NDArray[np.uint64]
    some: NDArray[np.bool_]
    short: NDArray[np.uint64]
    long: NDArray[np.uint64]
    starts: NDArray[np.int64]
    tails: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    lists: NDArray[np.uint64]


def prepared(lists: Mapping[str, Sequence[str]]) -> Literals:
    """At most `MAX_LISTS` lists of literals of two bytes or more by name, to be given to `held`."""
    known: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
    for number, literals in enumerate(lists.values()):
        for data in (literal.encode().lower() for literal in literals):
            width = next((width for width in _WIDTHS if len(data) >= width), 0)
            alone = [bytes([byte]) + data for byte in range(256)]
            for head in [data[:width]] if width else alone:
                tail = data[width:] if width else b""
                known[len(head) << 56 | int.from_bytes(head, "big")].append((tail, 1 << number))
    heads = np.array(sorted(known), np.uint64)
    slots = np.zeros(1 << (4 * len(heads) + 1).bit_length(), np.uint64)
    fill(heads * _FACTOR, heads, slots)
    found = [known.get(int(head), []) for head in slots]
    every = [one for several in found for one in several]
    is_long = heads >> np.uint64(56) >= _LONG_WIDTH
    return Literals(
        tuple(lists),
        slots,
        _occurring(heads),
        np.packbits(_occurring(heads[~is_long] & _SHORT), bitorder="little").view(np.uint64),
        np.packbits(_occurring(heads[is_long] & _LONG), bitorder="little").view(np.uint64),
        np.cumsum([0, *map(len, found)]),
        np.frombuffer(b"".join(tail for tail, _ in every), np.uint8),
        np.cumsum([0, *(len(tail) for tail, _ in every)]),
        np.array([bits for _, bits in every], np.uint64),
    )


def held(texts: pl.Series, wanted: Literals) -> dict[str, NDArray[np.bool_]]:
    """By list, whether each text holds a literal of it; null holds none."""
    names, *tables = wanted
    found: NDArray[np.uint64] = _held(*utf8(texts), tuple(tables))
    return {name: (found >> np.uint64(i) & np.uint64(1)) > 0 for i, name in enumerate(names)}


def _occurring(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    found = np.zeros(1 << _BITS, np.bool_)
    found[values * _FACTOR >> _SHIFT] = True
    return found


@njit(inline="always")
def _lower(byte):  # type: ignore[no-untyped-def]
    if np.uint8(byte - np.uint8(65)) < np.uint8(26):
        byte |= np.uint8(32)
    return byte


@njit(cache=True, nogil=True)
def _lists_at(data, i, end, hashed, value, wanted):  # type: ignore[no-untyped-def]
    """Bits of the lists with a literal whose head is `value` and whose tail stands at `i`."""
    slots, _, _, _, starts, tails, bounds, lists = wanted
    slot, found = place_of(hashed, value, slots), np.uint64(0)
    if slots[slot] != value:
        return found
    for t in range(starts[slot], starts[slot + np.uint64(1)]):
        size = bounds[t + 1] - bounds[t]
        j = 0
        while j < size and i + j < end and _lower(data[i + j]) == tails[bounds[t] + j]:
            j += 1
        if j == size:
            found |= lists[t]
    return found


@njit(cache=True, nogil=True)
def _held(data, bounds, wanted):  # type: ignore[no-untyped-def]
    some, short, long = wanted[1], wanted[2], wanted[3]
    found = np.zeros(len(bounds), np.uint64)
    for d in range(len(found)):
        # What stands before a text is a byte that no text holds.
        last, end, lists = ~np.uint64(0), bounds[d, 1], np.uint64(0)
        for i in range(bounds[d, 0], end):
            last = last << np.uint64(8) | np.uint64(_lower(data[i]))
            one, other = (last & _SHORT) * _FACTOR >> _SHIFT, (last & _LONG) * _FACTOR >> _SHIFT
            may_be_short = short[one >> _WORD] >> (one & _BIT) & np.uint64(1)
            may_be_long = long[other >> _WORD] >> (other & _BIT) & np.uint64(1)
            if may_be_short | may_be_long:
                # The longer ones come first.
                begin = 0 if may_be_long else _NUM_LONG
                for w in range(begin, len(_WIDTHS) if may_be_short else _NUM_LONG):
                    value = last & _MASKS[w] | _MARKS[w]
                    hashed = value * _FACTOR
                    if some[hashed >> _SHIFT]:
                        lists |= _lists_at(data, i + 1, end, hashed, value, wanted)
        found[d] = lists
    return found
