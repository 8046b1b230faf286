"""How texts begin and end, in one compiled pass: equal texts do so alike.

Importing this module imports numba; import it inside functions.
"""

import numpy as np
import polars as pl
from numba import njit

from carebot_assets.corpus.audit.decoding import character_at
from carebot_assets.corpus.views import utf8

# Characters of either end, white space left out; of a shorter text it is all of them.
SIZE = 24
# Unicode's White_Space with all separators.
_SPACES = (*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
           0x202F, 0x205F, 0x3000)  # fmt: skip
_IS_SPACE = np.zeros(max(_SPACES) + 1, np.bool_)
_IS_SPACE[list(_SPACES)] = True
_FACTOR, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(32)


def hashes(texts: pl.Series) -> pl.Series:
    """Hash of the first and the last `SIZE` characters of every text but white space."""
    return pl.Series(texts.name, _hashes(*utf8(texts)), dtype=pl.UInt64)


@njit(cache=True, nogil=True)
def _hashes(data, bounds):  # type: ignore[no-untyped-def]
    found = np.empty(len(bounds), np.uint64)
    for d in range(len(bounds)):
        begin, end = bounds[d, 0], bounds[d, 1]
        value, count, i = np.uint64(0), 0, begin
        while i < end and count < SIZE:
            code, size = character_at(data, i)
            value, count = _with(code, value, count)
            i += size
        count, i = 0, end
        while i > begin and count < SIZE:
            i -= 1
            while data[i] & 0xC0 == 0x80:
                i -= 1
            code, _ = character_at(data, i)
            value, count = _with(code, value, count)
        found[d] = value
    return found


@njit(inline="always")
def _with(code, value, count):  # type: ignore[no-untyped-def]
    """The hash and the count of what has been met, with another character unless it is a space."""
    if code < len(_IS_SPACE) and _IS_SPACE[code]:
        return value, count
    value = (value ^ np.uint64(code)) * _FACTOR
    return value ^ value >> _SHIFT, count + 1
