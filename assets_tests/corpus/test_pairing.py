"""Counting up to two: what comes twice is never missed, what comes once is mostly told."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.corpus import pairing

HASHES = st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(st.lists(HASHES | st.integers(0, 3).map(lambda k: k << 30), max_size=60), st.integers(1, 64))
def test_what_comes_twice_is_always_found(hashes: list[int], max_bytes: int) -> None:
    values = np.array(hashes, np.uint64)
    counts = pairing.counters(len(values), max_bytes)
    for part in (values[:20], values[20:]):
        pairing.count(part, counts)
    # Places are bits from the 24th on, as many as the table has.
    places = [value >> 24 & 4 * len(counts) - 1 for value in hashes]
    number = Counter(places)
    assert pairing.counted_twice(values, counts).tolist() == [number[p] > 1 for p in places]


def test_most_of_what_comes_once_is_told() -> None:
    rng = np.random.default_rng(3)
    once = rng.integers(0, 2**64, 100_000, np.uint64)
    counts = pairing.counters(len(once) + 2000, 1 << 30)
    for values in (once, once[:2000]):
        pairing.count(values, counts)
    found = pairing.counted_twice(once, counts)
    assert found[:2000].all()
    assert found[2000:].mean() < 0.13


@pytest.mark.parametrize(
    ("num_keys", "max_bytes", "size"),
    [(0, 100, 2), (1, 100, 2), (1000, 1 << 20, 2048), (1000, 100, 64), (1000, 0, 1)],
)
def test_the_table_is_a_power_of_two_and_within_its_memory(num_keys, max_bytes, size) -> None:
    assert len(pairing.counters(num_keys, max_bytes)) == size
