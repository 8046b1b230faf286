"""The audits' own way of reading UTF-8. Importing this module imports numba."""

import numpy as np
from numba import njit


@njit(inline="always")
def character_at(data, i):  # type: ignore[no-untyped-def]
    """Code point of the character at `i` of valid UTF-8, and its number of bytes."""
    # How many bytes a character has says its first one; each further one brings six bits.
    code, size = np.uint32(data[i]), 1
    if code >= 0x80:
        size = 2 + (code >= 0xE0) + (code >= 0xF0)
        code &= np.uint32(0x7F >> size)
        for j in range(i + 1, i + size):
            code = code << np.uint32(6) | np.uint32(data[j] & 0x3F)
    return code, size
