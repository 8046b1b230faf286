"""Frequencies of words as installed packages carry them."""

import pytest

from carebot_assets import word_counts


@pytest.mark.parametrize(
    ("lang", "first", "known", "unknown"),
    [("en", "the", "kidney", "kidnye"), ("zh", "了", "糖尿病", "病糖尿")],
)
def test_words_come_by_frequency(lang: str, first: str, known: str, unknown: str) -> None:
    frame = word_counts.packaged(lang)
    assert frame["unit"][0] == first
    assert frame["count"].is_sorted(descending=True) and frame["count"].null_count() == 0
    assert known in frame["unit"] and unknown not in frame["unit"]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(word_counts.FILES, "zh", ("no_such_package", "words.txt"))
    with pytest.raises(ValueError, match=r"no_such_package with its words\.txt is not installed"):
        word_counts.packaged("zh")
