"""A control is like what it is compared with in everything but the choice."""

import polars as pl
import pytest

from carebot_assets.corpus import chain, control


@pytest.fixture
def documents() -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "doc_id": [f"{i:04}" for i in range(400)],
            "source": [f"s{i % 3}" for i in range(400)],
            "lang": [("zh", "en")[i % 2] for i in range(400)],
            "n_tokens": [8 + 37 * i % 200 for i in range(400)],
        }
    )


def test_the_control_matches_source_language_and_length(documents: pl.LazyFrame) -> None:
    chosen = documents.filter(pl.col("n_tokens") > 90, pl.col("source") != "s1")
    found = control.matched(documents, chosen.select("doc_id"), 3)

    def histogram(frame: pl.LazyFrame) -> pl.DataFrame:
        length = pl.col("n_tokens").log(2).floor().alias("length")
        counts = frame.group_by("source", "lang", length).len()
        return counts.sort("source", "lang", "length").collect()

    assert histogram(found).equals(histogram(chosen))
    ids = set(found.collect()["doc_id"])
    assert ids != set(chosen.collect()["doc_id"])
    assert ids == set(control.matched(documents, chosen.select("doc_id"), 3).collect()["doc_id"])
    assert ids != set(control.matched(documents, chosen.select("doc_id"), 4).collect()["doc_id"])


def test_what_a_judge_dropped_goes_and_what_it_skipped_stays(documents: pl.LazyFrame) -> None:
    few = documents.head(4)
    one = pl.LazyFrame({"doc_id": ["0000", "0001", "0002"], "verdict": ["keep", "drop", "skip"]})
    two = pl.LazyFrame({"doc_id": ["0003"], "verdict": ["drop"]})
    assert chain.not_dropped(few, one, two).collect()["doc_id"].to_list() == ["0000", "0002"]


@pytest.mark.parametrize(("number", "expected"), [(10, 10), (1000, 400), (0, 0)])
def test_a_draw_is_the_same_for_the_same_seed(
    documents: pl.LazyFrame, number: int, expected: int
) -> None:
    drawn = [set(chain.drawn(documents, number, seed).collect()["doc_id"]) for seed in (1, 1, 2)]
    assert len(drawn[0]) == expected and drawn[0] == drawn[1]
    assert number != 10 or drawn[0] != drawn[2]
