"""A judge skips what an earlier one did not keep, and names every reason of a drop."""

import polars as pl

from carebot_assets.corpus import chain

DOCUMENTS = pl.LazyFrame({"doc_id": ["c", "a", "b"], "text": ["1", "2", "3"]})


def judged(**verdicts: str) -> pl.LazyFrame:
    return pl.LazyFrame({"doc_id": list(verdicts), "verdict": list(verdicts.values())})


def test_alive_in_the_order_of_documents() -> None:
    found = chain.with_alive(DOCUMENTS, judged(a="keep", b="drop")).collect()
    assert found.select("doc_id", "alive").rows() == [("c", False), ("a", True), ("b", False)]


def test_survivors_of_several_judges() -> None:
    first, second = judged(a="keep", b="keep", c="keep"), judged(a="failed", b="keep", c="keep")
    found = chain.survivors(DOCUMENTS, first, second).collect()
    assert found.to_dict(as_series=False) == {"doc_id": ["c", "b"], "text": ["1", "3"]}


def test_verdict() -> None:
    frame = pl.DataFrame(
        {
            "alive": [True, True, True, False],
            "long": [False, True, True, True],
            "odd": [None, None, True, True],
        }
    )
    found = frame.select(
        chain.verdict(pl.col("alive"), {"long_v1": pl.col("long"), "odd_v1": pl.col("odd")})
    )
    assert found["verdict"].to_list() == ["keep", "drop", "drop", "skip"]
    assert found["reasons"].to_list() == [[], ["long_v1"], ["long_v1", "odd_v1"], []]
