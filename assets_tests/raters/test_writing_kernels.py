"""The character model against a slow one that follows the formula."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.raters import ngrams
from carebot_assets.raters.writing_kernels import ALIKE, NARROW, kernels

WINDOW, COUNTERS = 4, 1 << 18
texts = st.lists(st.text("abc 炎症。", max_size=40), min_size=1, max_size=6)


def slow(known: list[str], text: str) -> list[float]:
    counts, followers = Counter[str](), defaultdict[str, set[str]](set)
    for one in known:
        for start in range(len(one)):
            counts[""] += 1
            for stop in range(start + 1, min(start + 4, len(one)) + 1):
                counts[one[start:stop]] += 1
                followers[one[start : stop - 1]].add(one[stop - 1])
    logs = []
    for i, char in enumerate(text):
        p = 1 / ALIKE
        for length in range(min(3, i) + 1):
            context = text[i - length : i]
            kinds = len(followers[context])
            if kinds:
                p = (counts[context + char] + kinds * p) / (counts[context] + kinds)
        logs.append(math.log(p))
    return logs


def measured(logs: list[float]) -> list[float]:
    num = len(logs)
    if num < 2 * WINDOW:
        return [0.0] * 4
    mean = sum(logs) / num
    windows, narrow = (
        [sum(logs[i : i + width]) / width for i in range(num - width + 1)]
        for width in (WINDOW, NARROW)
    )
    pairs = sum(a < mean - 2.5 and b < mean - 2.5 for a, b in pairwise(logs))
    return [
        (min(0.0, *windows) - mean) / 5,
        (min(0.0, *narrow) - mean) / 5,
        min(1.0, 5 * sum(w < mean - 2 for w in windows) / num),
        min(1.0, 10 * pairs / num),
    ]


@settings(deadline=None, max_examples=60)
@given(texts, texts)
def test_oddness_is_that_of_the_formula(known: list[str], asked: list[str]) -> None:
    known = [*known, "炎症。"]
    count, oddness = kernels()
    runs = np.zeros((2, COUNTERS + 1), np.uint32)
    count(*ngrams.code_points(pl.Series(known)), runs)
    found = oddness(*ngrams.code_points(pl.Series(asked)), runs, WINDOW)
    expected = [measured(slow(known, text)) for text in asked]
    np.testing.assert_allclose(found, expected, atol=1e-9)
