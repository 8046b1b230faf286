"""Training and validation rows of a labelled sample."""

import hashlib

import numpy as np
import polars as pl

# Near-duplicates differ late or in marks: what decides is the start of the bare letters.
PREFIX_CHARS = 64


def is_validation(texts: pl.Series, ratio: float, seed: int) -> np.ndarray:
    """Which texts are for validation: those whose start hashes below the ratio.

    Texts that begin alike fall on the same side, whatever their case, spacing and punctuation.
    """
    prefixes = (
        texts.str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "").str.head(PREFIX_CHARS)
    )
    # A labelled sample is small; a hash that no library version changes is worth the loop.
    numbers = [
        int.from_bytes(hashlib.blake2b(f"{seed}:{p}".encode(), digest_size=8).digest())
        for p in prefixes
    ]
    return np.array(numbers, dtype=np.uint64) < np.uint64(ratio * (2**64 - 1))
