"""Compiled steps of near-duplicate clustering: what comes twice, pairs in buckets, who survives.

Documents are known by rank: 0 is the one that wins against all others, and those below
`num_earlier` belong to an earlier corpus. All steps take their input in chunks and carry what
they must remember from one to the next, so that memory does not grow with the corpus. Importing
this module imports numba; import it inside functions.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

# A bucket of ever so many texts, each unlike the others, costs at most this many comparisons a
# text: it would take a template that fills a whole band and yet little of the text.
MAX_LEADERS = 1024


class Leaders(NamedTuple):
    """The leaders of the bucket at hand, and counts: see `pair_up`."""

    ranks: NDArray[np.int64]
    signatures: NDArray[np.uint32]
    bucket: NDArray[np.uint64]
    counts: NDArray[np.int64]

    @classmethod
    def none(cls, width: int) -> "Leaders":
        return cls(
            np.empty(MAX_LEADERS, np.int64),
            np.empty((MAX_LEADERS, width), np.uint32),
            np.zeros(1, np.uint64),
            np.zeros(3, np.int64),
        )

    @property
    def num_compared(self) -> int:
        return int(self.counts[1])

    @property
    def num_unled(self) -> int:
        """Members that found no leader and no place among the leaders."""
        return int(self.counts[2])


# Counters of two bits for each hash to count: at eight, an eighth of those that come once share
# one with another.
COUNTERS_PER_KEY = 8


def counters(num_keys: int, max_bytes: int) -> NDArray[np.uint8]:
    """A table for `count`, four counters a byte, a power of two of them."""
    wanted = max(1, num_keys) * COUNTERS_PER_KEY // 4
    size = min(1 << max(0, wanted - 1).bit_length(), 1 << max(1, max_bytes).bit_length() - 1)
    return np.zeros(size, np.uint8)


@njit(cache=True, nogil=True)
def count(hashes, counts):  # type: ignore[no-untyped-def]
    """Count every hash, up to two; several hashes may share a counter."""
    last = np.uint64(4 * len(counts) - 1)
    for value in hashes:
        place = (value >> np.uint64(24)) & last
        byte, shift = place >> np.uint64(2), np.uint8(2 * (place & np.uint64(3)))
        if (counts[byte] >> shift) & 3 < 2:
            counts[byte] += np.uint8(1 << shift)


@njit(cache=True, nogil=True)
def counted_twice(hashes, counts):  # type: ignore[no-untyped-def]
    """Which hashes have a counter that has seen two."""
    last = np.uint64(4 * len(counts) - 1)
    found = np.zeros(len(hashes), np.bool_)
    for i in range(len(hashes)):
        place = (hashes[i] >> np.uint64(24)) & last
        shift = np.uint8(2 * (place & np.uint64(3)))
        found[i] = (counts[place >> np.uint64(2)] >> shift) & 3 == 2
    return found


@njit(cache=True, nogil=True)
def pair_up(bucket, rank, signatures, min_equal, num_earlier, leaders):  # type: ignore[no-untyped-def]
    """Verified pairs inside buckets: winner and loser by rank, and how many hashes agree.

    A member is compared with the *leaders* of its bucket, the better members that resemble no
    leader before them, and paired with those it resembles; resembling none it becomes a leader
    itself. So a bucket of copies costs one comparison a member, and no two leaders of a bucket
    resemble each other. Members of an earlier corpus all become leaders, unless their signature is
    a leader's: each of them counts, whatever it resembles.

    Args:
        bucket: bucket of each entry, equal ones adjacent.
        rank: document of each entry, ascending inside a bucket.
        signatures: signature of each entry.
        min_equal: hashes that must agree.
        num_earlier: ranks below this belong to an earlier corpus.
        leaders: `Leaders.none` at first; changed in place.
    """
    leader_ranks, leader_signatures, current, counts = leaders
    size, width = len(bucket), signatures.shape[1]
    winner, loser, num_equal = [np.empty(max(size, 1), np.int64) for _ in range(3)]
    used, num_leaders = 0, counts[0]
    for i in range(size):
        if bucket[i] != current[0]:
            current[0] = bucket[i]
            num_leaders = 0
        is_earlier = rank[i] < num_earlier
        needed = width if is_earlier else min_equal
        resembles = False
        for j in range(num_leaders):
            equal = 0
            for p in range(width):
                equal += signatures[i, p] == leader_signatures[j, p]
            counts[1] += 1
            if equal < needed:
                continue
            resembles = True
            if is_earlier:
                break
            if used == len(winner):
                winner = np.concatenate((winner, np.empty_like(winner)))
                loser = np.concatenate((loser, np.empty_like(loser)))
                num_equal = np.concatenate((num_equal, np.empty_like(num_equal)))
            winner[used], loser[used], num_equal[used] = leader_ranks[j], rank[i], equal
            used += 1
        if resembles:
            continue
        if num_leaders == len(leader_ranks):
            counts[2] += 1
            continue
        leader_ranks[num_leaders] = rank[i]
        leader_signatures[num_leaders] = signatures[i]
        num_leaders += 1
    counts[0] = num_leaders
    return winner[:used].copy(), loser[:used].copy(), num_equal[:used].copy()


@njit(cache=True, nogil=True)
def settle(loser, winner, removed):  # type: ignore[no-untyped-def]
    """Which pairs remove their loser, with the bit of each removed document set in `removed`.

    In order of rank a document is removed by the first of its winners that is kept. A winner that
    was removed itself removes nobody, so similarity does not chain.

    Args:
        loser, winner: pairs by loser, the most similar winner first.
        removed: one bit a document.
    """
    chosen = np.zeros(len(loser), np.bool_)
    for i in range(len(loser)):
        byte, bit = loser[i] >> 3, np.uint8(1 << (loser[i] & 7))
        if removed[byte] & bit or removed[winner[i] >> 3] & np.uint8(1 << (winner[i] & 7)):
            continue
        removed[byte] |= bit
        chosen[i] = True
    return chosen
