"""Exact Jaccard similarity of two texts, by sets of tuples: what signatures estimate."""

import re

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNIT = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")


def shingles(text: str, n: int = 5) -> set[tuple[str, ...]]:
    """Distinct runs of `n` words or Chinese characters; a shorter text is one run."""
    units = _UNIT.findall(text.lower())
    size = min(n, len(units))
    return {tuple(units[i : i + size]) for i in range(len(units) - size + 1)} if units else set()


def jaccard(one: str, two: str) -> float:
    """Shared among all distinct shingles; 0 where a text has none."""
    a, b = shingles(one), shingles(two)
    return len(a & b) / len(a | b) if a and b else 0.0
