"""Simplified and traditional Chinese characters, as OpenCC knows them."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

Way = Literal["s2t", "t2s"]


@lru_cache(maxsize=2)
def converter(way: Way) -> Any:
    """OpenCC's converter to traditional or to simplified text; its dictionaries are read once."""
    from opencc import OpenCC

    return OpenCC(way)


def converted(characters: Iterable[str], way: Way) -> list[str]:
    """What becomes of each character by itself."""
    # A line a character, so that no two are taken for a word.
    found: list[str] = converter(way).convert("\n".join(characters)).split("\n")
    return found


@lru_cache(maxsize=1)
def han_variants() -> dict[str, str]:
    """Characters that only simplified, and that only traditional writing uses: those that one
    direction of the conversion changes and the other does not."""
    every = [chr(code) for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))]
    changed: dict[Way, list[str]] = {
        way: [a for a, b in zip(every, converted(every, way), strict=True) if a != b]
        for way in ("s2t", "t2s")
    }
    both = set(changed["s2t"]) & set(changed["t2s"])
    return {
        "simplified": "".join(char for char in changed["s2t"] if char not in both),
        "traditional": "".join(char for char in changed["t2s"] if char not in both),
    }
