"""Frequencies of words as installed packages carry them."""

import pytest

from carebot_assets import word_counts


@pytest.mark.parametrize(
    ("lang", "frequent", "rare", "unknown"),
    [("en", "the", "kidney", "kidnye"), ("zh", "的", "糖尿病", "病糖尿")],
)
def test_words_have_counts(lang: str, frequent: str, rare: str, unknown: str) -> None:
    counts = dict(word_counts.packaged(lang).iter_rows())
    assert counts[frequent] > 100 * counts[rare] > 0
    assert unknown not in counts


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(word_counts.FILES, "zh", ("no_such_package", "words.txt"))
    with pytest.raises(ValueError, match=r"no_such_package with its words\.txt is not installed"):
        word_counts.packaged("zh")
