"""The UTF-8 of a text column where it lies: what compiled passes read, and no copy of it."""

import ctypes
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Arrow's views: four numbers a string. A short string follows its length; of a longer one the third
# and the fourth say in which buffer and where it begins.
_VIEW = np.dtype((np.uint32, 4))
_SHORT = 12


def utf8(texts: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A stretch of memory, and of every text where in it that begins and ends (n x 2); null is
    empty.

    What lies between the texts is not theirs: read nothing but these, and write nothing.
    """
    if texts.is_empty():
        return np.empty(0, np.uint8), np.empty((0, 2), np.int64)
    array: Any = texts.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    _, own, *buffers = array.buffers()
    number = array.offset + np.arange(len(array))
    view = np.frombuffer(own, _VIEW)[number]
    sizes = view[:, 0].astype(np.int64)
    begins = own.address + _VIEW.itemsize * number + view.itemsize
    if buffers:
        address = np.array([buffer.address for buffer in buffers])
        in_buffer = np.flatnonzero(sizes > _SHORT)
        begins[in_buffer] = address[view[in_buffer, 2]] + view[in_buffer, 3]
    low, high = begins.min(), (begins + sizes).max()
    memory = (ctypes.c_uint8 * int(high - low)).from_address(int(low))
    memory.owner = array  # type: ignore[attr-defined]  # lives as long as what points into it
    bounds = np.stack([begins, begins + sizes], axis=1) - low
    return np.frombuffer(memoryview(memory), np.uint8), bounds
