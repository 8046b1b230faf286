"""Near-duplicates stay on one side, as a slow comparison of all pairs finds them."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest

from assets_tests.raters.test_features import sentences
from carebot_assets.raters import splitting

NUM = 300
# MinHash misses one pair in 340 of this similarity, and one in 24,000 of 0.7; here it misses none.
SIMILAR, UNLIKE = 0.6, 0.2


def shingles(text: str) -> set[str]:
    """Runs of 6 letters and digits, the slow way."""
    plain = "".join(char for char in text.lower() if char.isalnum())
    return {plain[i : i + 6] for i in range(len(plain) - 5)}


def similarities(texts: list[str]) -> list[tuple[int, int, float]]:
    """The Jaccard similarity of every pair of texts."""
    rows = [shingles(text) for text in texts]
    found = []
    for i, j in combinations(range(len(rows)), 2):
        num_shared = len(rows[i] & rows[j])
        found.append((i, j, num_shared / (len(rows[i]) + len(rows[j]) - num_shared)))
    return found


@pytest.fixture(scope="module")
def edited() -> list[str]:
    """Texts of both languages in turn, and of each an edited one: from other case and marks only to
    four fifths of it replaced."""
    texts, others = sentences(NUM), sentences(2 * NUM)[NUM:]
    twins = []
    for number, (text, other) in enumerate(zip(texts, others, strict=True)):
        cut = int(len(text) * 0.8 * (number // 2 * 2) / NUM)
        twins.append(text[: len(text) - cut].upper().replace(" ", " - ") + other[:cut] + "!")
    return [*texts, *twins]


@pytest.fixture(scope="module")
def pairs(edited: list[str]) -> list[tuple[int, int, float]]:
    return similarities(edited)


def test_near_duplicates_are_not_straddled(
    edited: list[str], pairs: list[tuple[int, int, float]]
) -> None:
    groups = splitting.near_duplicate_groups(pl.Series(edited))
    sides = [splitting.is_validation(pl.Series(edited), 0.2, seed) for seed in (1, 2)]
    similar = [(i, j) for i, j, share in pairs if share >= SIMILAR]
    # Of both languages, enough that chance would part some.
    assert min(sum(i % 2 == lang for i, _ in similar) for lang in (0, 1)) > 30
    assert [(i, j) for i, j in similar if groups[i] != groups[j]] == []
    for side in sides:
        assert [(i, j) for i, j in similar if side[i] != side[j]] == []
        assert 0.1 < side.mean() < 0.3
    assert (sides[0] != sides[1]).any()


def test_texts_with_little_in_common_are_apart(
    edited: list[str], pairs: list[tuple[int, int, float]]
) -> None:
    groups = splitting.near_duplicate_groups(pl.Series(edited))
    unlike = [(i, j) for i, j, share in pairs if share < UNLIKE]
    assert len(unlike) > 100_000
    assert [(i, j) for i, j in unlike if groups[i] == groups[j]] == []


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_chain_of_near_duplicates_stays_together(lang: str) -> None:
    """Each shares two thirds with the next, and the first next to nothing with the last."""
    length = 40 if lang == "zh" else 300
    text = "".join(sentences(60)[lang == "en" :: 2])
    step = length // 5
    chain = [text[step * k : step * k + length] for k in range(12)]
    found = {(i, j): share for i, j, share in similarities(chain)}
    assert min(found[i, i + 1] for i in range(11)) > SIMILAR and found[0, 11] < 0.05
    assert len(np.unique(splitting.near_duplicate_groups(pl.Series(chain)))) == 1
    for seed in range(5):
        assert splitting.is_validation(pl.Series(chain), 0.5, seed).std() == 0


def test_the_side_of_a_text_does_not_depend_on_others() -> None:
    texts = pl.Series(sentences(200))
    whole = splitting.is_validation(texts, 0.3, 1)
    assert (whole[50:] == splitting.is_validation(texts[50:], 0.3, 1)).all()


@pytest.mark.parametrize("texts", [[], [""], ["", None], ["a", "a", "b"]])
def test_little_text_is_split_too(texts: list[str | None]) -> None:
    column = pl.Series(texts, dtype=pl.String)
    assert len(splitting.is_validation(column, 0.5, 1)) == len(texts)
