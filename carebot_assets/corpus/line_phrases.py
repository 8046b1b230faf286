"""Phrases that are looked for in lines: URLs, and those by which C4 drops a line or a page.

Importing this module imports numba; import it inside functions.
"""

import numpy as np
from numba import njit

from carebot_assets.corpus.alphabet import folded

# The first three are URLs, then `lorem ipsum`, `javascript` and the policies of C4.
PHRASES = (
    *("http://", "https://", "www."),
    *("lorem ipsum", "javascript"),
    *("terms of use", "privacy policy", "cookie policy"),
    *("uses cookies", "use of cookies", "use cookies"),
)
NUM_URLS, LOREM, JAVASCRIPT, POLICY = 3, 3, 4, 5
NEEDLES = np.zeros((len(PHRASES), max(map(len, PHRASES))), np.uint32)
for _i, _phrase in enumerate(PHRASES):
    NEEDLES[_i, : len(_phrase)] = [ord(_char) for _char in _phrase]


@njit(inline="always")
def matches(codes, entries, i, end, needles, row):  # type: ignore[no-untyped-def]
    """Whether a folded phrase (0 ends it) stands at `i`."""
    for place in range(needles.shape[1]):
        if needles[row, place] == 0:
            break
        if i >= end or folded(codes[i], entries[i]) != needles[row, place]:
            return False
        i += 1
    return True


@njit(cache=True, nogil=True)
def holds(codes, entries, begin, end, first, last):  # type: ignore[no-untyped-def]
    """Whether a stretch holds one of the phrases `first` to `last`."""
    for i in range(begin, end):
        char = folded(codes[i], entries[i])
        for phrase in range(first, last):
            if char == NEEDLES[phrase, 0] and matches(codes, entries, i, end, NEEDLES, phrase):
                return True
    return False
