"""Tables of frequencies: built in, and a user's own."""

import math
from pathlib import Path

import polars as pl
import pytest

from carebot_assets.corpus import counting, unigrams, variants


def mean_log_probability(text: str, **paths: Path) -> float:
    tables = unigrams.load({lang: str(path) for lang, path in paths.items()})
    found = counting.measures(pl.Series([text]), pl.Series(["en"]), tables)
    row = found.row(0, named=True)
    return float(row["log_probability"] / row["num_scored"])


def test_ordinary_text_is_likelier_than_odd_text() -> None:
    assert mean_log_probability("The heart of the patient was of normal size.") > -8
    assert mean_log_probability("Xqzv bnrtk wpfgh") == pytest.approx(unigrams.UNKNOWN)
    assert mean_log_probability("患者的心脏大小正常") > -8
    assert mean_log_probability("鱻龘靐齉") < -14


def test_a_traditional_character_counts_as_much_as_its_simplified_form() -> None:
    assert mean_log_probability("血壓") == pytest.approx(mean_log_probability("血压"))


def test_variants_are_disjoint() -> None:
    simplified, traditional = (set(v) for v in variants.han_variants().values())
    assert not simplified & traditional
    assert {"压", "医"} <= simplified
    assert {"壓", "醫"} <= traditional


def test_own_files(tmp_path: Path) -> None:
    english, chinese = tmp_path / "en.tsv", tmp_path / "zh.tsv"
    english.write_text("Heart\t3\nliver\t1\n", "utf-8")
    chinese.write_text("心脏\t1\n心\t2\n", "utf-8")
    assert mean_log_probability("heart", en=english) == pytest.approx(math.log(0.75))
    # Words count for each of their characters: 3 of 4.
    assert mean_log_probability("心", zh=chinese) == pytest.approx(math.log(0.75))
    assert mean_log_probability("kidney", en=english) == pytest.approx(unigrams.UNKNOWN)


def test_one_huge_unit_costs_what_it_holds(tmp_path: Path) -> None:
    """Thirty thousand units as wide as it would be 120 GB."""
    file = tmp_path / "en.tsv"
    units = ["x" * 1_000_000, *(f"word{n}" for n in range(30_000))]
    file.write_text("".join(f"{unit}\t1\n" for unit in units), "utf-8")
    assert mean_log_probability("x" * 1_000_000, en=file) == pytest.approx(math.log(1 / 30_001))
    assert mean_log_probability("y", en=file) == pytest.approx(unigrams.UNKNOWN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("heart 3\n", "must hold lines|holds no"),
        ("heart\tmany\n", "must hold lines"),
        ("", "must hold lines|holds no"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "own.tsv"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=f"rules.unigrams.en: .*own.tsv.*({message})"):
        unigrams.load({"en": str(file)})
