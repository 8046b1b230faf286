"""Compiled steps of near-duplicate clustering: pairs inside buckets, and who survives.

Documents are known by rank: 0 is the one that wins against all others. Importing this module
imports numba; import it inside functions.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def pair_up(bucket, rank, slot, signatures, min_equal):  # type: ignore[no-untyped-def]
    """Verified pairs inside buckets: winner and loser by rank, and how many hashes agree.

    A member is compared with the *leaders* of its bucket, the better members that resemble no
    leader before them, and paired with those it resembles; resembling none it becomes a leader
    itself. So a bucket of copies costs one comparison a member, and no two leaders of a bucket
    resemble each other.

    Args:
        bucket: bucket of each entry, equal ones adjacent.
        rank: document of each entry, ascending inside a bucket.
        slot: row of `signatures` of each entry.
        signatures: one signature a row.
        min_equal: hashes that must agree; 0 pairs a bucket without comparing.
    """
    size, width = len(bucket), signatures.shape[1]
    winner, loser, num_equal = [np.empty(max(size, 1), np.int64) for _ in range(3)]
    leaders = np.empty(max(size, 1), np.int64)
    used, num_leaders = 0, 0
    for i in range(size):
        if i == 0 or bucket[i] != bucket[i - 1]:
            num_leaders = 0
        resembles = False
        for j in range(num_leaders):
            leader, equal = leaders[j], width
            if min_equal > 0:
                equal = 0
                for p in range(width):
                    equal += signatures[slot[i], p] == signatures[slot[leader], p]
            if equal < min_equal:
                continue
            if used == len(winner):
                winner = np.concatenate((winner, np.empty_like(winner)))
                loser = np.concatenate((loser, np.empty_like(loser)))
                num_equal = np.concatenate((num_equal, np.empty_like(num_equal)))
            winner[used], loser[used], num_equal[used] = rank[leader], rank[i], equal
            used += 1
            resembles = True
        if not resembles:
            leaders[num_leaders] = i
            num_leaders += 1
    return winner[:used].copy(), loser[:used].copy(), num_equal[:used].copy()


@njit(cache=True, nogil=True)
def settle(winner, loser, num_equal, num_documents):  # type: ignore[no-untyped-def]
    """For every document the index of the pair that removes it, -1 where it is kept.

    In order of rank: a document is removed if one of its winners is kept, in favour of the most
    similar one. A winner that was removed itself removes nobody, so similarity does not chain.

    Args:
        winner, loser, num_equal: pairs sorted by loser, then winner.
        num_documents: ranks run below this.
    """
    removed_by = np.full(num_documents, -1, np.int64)
    for i in range(len(loser)):
        if removed_by[winner[i]] >= 0:
            continue
        best = removed_by[loser[i]]
        if best < 0 or num_equal[i] > num_equal[best]:
            removed_by[loser[i]] = i
    return removed_by
