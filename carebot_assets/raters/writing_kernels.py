"""Compiled loops of `writing`: counting, oddness and coherence of many texts at once."""

from functools import cache
from typing import Any

import numpy as np


@cache
def kernels() -> tuple[Any, Any, Any]:
    """`count`, `oddness` and `coherence`, compiled at their first use."""
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
        out = np.zeros((len(offsets) - 1, 6))
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
            spread = 0.0
            for i in range(num):
                spread += (found[i] - mean) ** 2
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
            out[row, 0] = mean / 5
            out[row, 1] = np.sqrt(spread / num) / 3
            out[row, 2] = (lowest - mean) / 5
            out[row, 3] = (narrow - mean) / 5
            out[row, 4] = min(1.0, 5.0 * num_odd / num)
            out[row, 5] = min(1.0, 10.0 * num_pairs / num)
        return out

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def coherence(columns, values, starts, sizes, features):  # type: ignore[no-untyped-def]
        out = np.zeros((len(sizes), 9))
        df = np.zeros(features, np.int32)
        whole = np.zeros(features)
        thirds = np.zeros((3, features))
        one, two = np.zeros(features), np.zeros(features)
        first = 0
        for row in range(len(sizes)):
            size = sizes[row]
            if size < 3:
                first += size
                continue
            begin, end = starts[first], starts[first + size]
            for k in range(begin, end):
                df[columns[k]] += 1
            # An n-gram of every sentence says nothing about which belong together.
            norms = np.zeros(size)
            for s in range(size):
                for k in range(starts[first + s], starts[first + s + 1]):
                    weight = values[k] * np.log((size + 0.5) / df[columns[k]])
                    norms[s] += weight * weight
                norms[s] = max(1e-6, np.sqrt(norms[s]))
            squares = 0.0
            for s in range(size):
                third = min(2, 3 * s // size)
                for k in range(starts[first + s], starts[first + s + 1]):
                    c = columns[k]
                    weight = values[k] * np.log((size + 0.5) / df[c]) / norms[s]
                    whole[c] += weight
                    thirds[third, c] += weight
                    squares += weight * weight
            near, far, lowest, worst = 0.0, 0.0, 1.0, 1.0
            centre, open_like, close_like = 0.0, 0.0, 0.0
            for s in range(size):
                dot_one, dot_two, dot_all, own = 0.0, 0.0, 0.0, 0.0
                for k in range(starts[first + s], starts[first + s + 1]):
                    c = columns[k]
                    weight = values[k] * np.log((size + 0.5) / df[c]) / norms[s]
                    dot_one += weight * one[c]
                    dot_two += weight * two[c]
                    dot_all += weight * whole[c]
                    own += weight * weight
                rest = (dot_all - own) / (size - 1)
                centre += rest
                if s == 0:
                    open_like = rest
                if s == size - 1:
                    close_like = rest
                worst = min(worst, rest)
                if s >= 1:
                    near += dot_one
                    lowest = min(lowest, dot_one)
                if s >= 2:
                    far += dot_two
                    for k in range(starts[first + s - 2], starts[first + s - 1]):
                        two[columns[k]] = 0.0
                if s >= 1:
                    for k in range(starts[first + s - 1], starts[first + s]):
                        two[columns[k]] = one[columns[k]]
                    for k in range(starts[first + s - 1], starts[first + s]):
                        one[columns[k]] = 0.0
                for k in range(starts[first + s], starts[first + s + 1]):
                    c = columns[k]
                    one[c] = values[k] * np.log((size + 0.5) / df[c]) / norms[s]
            for k in range(begin, end):
                one[columns[k]] = 0.0
                two[columns[k]] = 0.0
            mean = 0.0
            for k in range(begin, end):
                c = columns[k]
                mean += whole[c] * whole[c] / df[c]
            mean = (mean - squares) / (size * (size - 1))
            dots = np.zeros(6)
            for k in range(begin, end):
                c = columns[k]
                a, b, d = thirds[0, c], thirds[1, c], thirds[2, c]
                if df[c] > 0:
                    dots[0] += a * b
                    dots[1] += b * d
                    dots[2] += a * d
                    dots[3] += a * a
                    dots[4] += b * b
                    dots[5] += d * d
                    df[c] = 0
                whole[c] = 0.0
                thirds[0, c] = 0.0
                thirds[1, c] = 0.0
                thirds[2, c] = 0.0
            ab = dots[0] / max(1e-6, np.sqrt(dots[3] * dots[4]))
            bd = dots[1] / max(1e-6, np.sqrt(dots[4] * dots[5]))
            ad = dots[2] / max(1e-6, np.sqrt(dots[3] * dots[5]))
            near /= size - 1
            far /= size - 2
            out[row, 0] = 5 * near
            out[row, 1] = 5 * mean
            # Of many sentences a small difference says as much as of few a large one.
            out[row, 2] = 4 * (near - mean) * np.sqrt(size) / np.sqrt(0.05 + mean)
            out[row, 3] = 4 * (far - mean) * np.sqrt(size) / np.sqrt(0.05 + mean)
            out[row, 4] = 2 * min(ab, bd)
            out[row, 5] = 2 * (ad - 0.5 * (ab + bd))
            out[row, 6] = 5 * (worst - centre / size)
            out[row, 7] = 5 * (open_like - centre / size)
            out[row, 8] = 5 * (close_like - centre / size)
            first += size
        return out

    return count, oddness, coherence
