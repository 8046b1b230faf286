"""Compiled loops of `writing`: counting and oddness of many texts at once."""

from functools import cache
from typing import Any

import numpy as np


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
        for row in range(len(offsets) - 1):
            for i in range(offsets[row], offsets[row + 1]):
                code = np.uint64(1469598103934665603)
                for n in range(min(4, offsets[row + 1] - i)):
                    code = (code ^ np.uint64(points[i + n])) * np.uint64(1099511628211)
                    at = slot(code, len(counts))
                    if counts[at] < 65535:
                        counts[at] += 1

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def oddness(points, offsets, counts, window):  # type: ignore[no-untyped-def]
        out = np.zeros((len(offsets) - 1, 4))
        most = 0
        for row in range(len(offsets) - 1):
            most = max(most, offsets[row + 1] - offsets[row])
        found = np.zeros(most + 1)
        seen = np.zeros((4, most + 4))
        total = 20000.0
        for row in range(len(offsets) - 1):
            start, num = offsets[row], offsets[row + 1] - offsets[row]
            if num < 2 * window:
                continue
            for i in range(num):
                code = np.uint64(1469598103934665603)
                for n in range(min(4, num - i)):
                    code = (code ^ np.uint64(points[start + i + n])) * np.uint64(1099511628211)
                    seen[n, i] = counts[slot(code, len(counts))]
            mean = 0.0
            for i in range(num):
                # Additive smoothing towards the shorter context, the longest known one counting.
                p = (seen[0, i] + 0.1) / (total + seen[0, i])
                if i >= 1:
                    p = (seen[1, i - 1] + 2.0 * p) / (seen[0, i - 1] + 2.0)
                if i >= 2:
                    p = (seen[2, i - 2] + 2.0 * p) / (seen[1, i - 2] + 2.0)
                if i >= 3:
                    p = (seen[3, i - 3] + 2.0 * p) / (seen[2, i - 3] + 2.0)
                found[i] = np.log(min(1.0, p))
                mean += found[i]
            mean /= num
            part, lowest, num_odd = 0.0, 0.0, 0
            short, narrow, num_pairs = 0.0, 0.0, 0
            for i in range(num):
                short += found[i]
                if i >= 5:
                    short -= found[i - 5]
                    narrow = min(narrow, short / 5)
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
