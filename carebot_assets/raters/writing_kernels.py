"""Compiled loops of `writing`: a character model and the oddness of many texts at once.

The model: what character follows up to three others. Source: Witten and Bell 1991 (method C), as
interpolated by Chen and Goodman 1999.
"""

from functools import cache
from typing import Any

import numpy as np

# Characters that a text might hold, of whatever script; those of the narrow window.
ALIKE, NARROW = 20000.0, 5


@cache
def kernels() -> tuple[Any, Any]:
    """`count` and `oddness`, compiled at their first use."""
    from numba import njit

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def slot(code, size):  # type: ignore[no-untyped-def]
        mixed = (code ^ (code >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        return np.int64((mixed >> np.uint64(20)) % np.uint64(size))

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def count(points, offsets, counts):  # type: ignore[no-untyped-def]
        last = counts.shape[1] - 1
        for row in range(len(offsets) - 1):
            for i in range(offsets[row], offsets[row + 1]):
                code, before = np.uint64(1469598103934665603), last
                counts[0, before] += 1
                for n in range(min(4, offsets[row + 1] - i)):
                    code = (code ^ np.uint64(points[i + n])) * np.uint64(1099511628211)
                    at = slot(code, last)
                    counts[1, before] += counts[0, at] == 0
                    counts[0, at] += 1
                    before = at

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def oddness(points, offsets, counts, window):  # type: ignore[no-untyped-def]
        out = np.zeros((len(offsets) - 1, 4))
        most = 0
        for row in range(len(offsets) - 1):
            most = max(most, offsets[row + 1] - offsets[row])
        found = np.zeros(most + 1)
        seen, kinds = np.zeros((4, most + 4)), np.zeros((4, most + 4))
        last = counts.shape[1] - 1
        total, distinct = float(counts[0, last]), float(counts[1, last])
        for row in range(len(offsets) - 1):
            start, num = offsets[row], offsets[row + 1] - offsets[row]
            if num < 2 * window:
                continue
            for i in range(num):
                code = np.uint64(1469598103934665603)
                for n in range(min(4, num - i)):
                    code = (code ^ np.uint64(points[start + i + n])) * np.uint64(1099511628211)
                    at = slot(code, last)
                    seen[n, i], kinds[n, i] = counts[0, at], counts[1, at]
            mean = 0.0
            for i in range(num):
                # A context that many characters follow says little of the next one, and gives way
                # to the shorter context; the shortest gives way to all characters alike.
                p = (seen[0, i] + distinct / ALIKE) / (total + distinct)
                for n in range(1, min(3, i) + 1):
                    others = kinds[n - 1, i - n]
                    if others > 0:
                        p = (seen[n, i - n] + others * p) / (seen[n - 1, i - n] + others)
                found[i] = np.log(min(1.0, p))
                mean += found[i]
            mean /= num
            part, lowest, num_odd = 0.0, 0.0, 0
            short, narrow, num_pairs = 0.0, 0.0, 0
            for i in range(num):
                short += found[i]
                if i >= NARROW:
                    short -= found[i - NARROW]
                if i >= NARROW - 1:
                    narrow = min(narrow, short / NARROW)
                num_pairs += i > 0 and found[i] < mean - 2.5 and found[i - 1] < mean - 2.5
                part += found[i]
                if i >= window:
                    part -= found[i - window]
                if i >= window - 1:
                    value = part / window
                    lowest = min(lowest, value)
                    num_odd += value < mean - 2.0
            out[row, 0] = (lowest - mean) / 5
            out[row, 1] = (narrow - mean) / 5
            out[row, 2] = min(1.0, 5.0 * num_odd / num)
            out[row, 3] = min(1.0, 10.0 * num_pairs / num)
        return out

    return count, oddness
