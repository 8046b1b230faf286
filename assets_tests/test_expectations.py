import polars as pl
import pytest

from carebot_assets import tables
from carebot_assets.expectations import accounted, conforms, inside, same_rows, unique

VERDICTS = pl.DataFrame(
    {"verdict": ["keep", "drop", "skip", "failed"], "reasons": [[], ["advert_v1"], [], []]},
    schema={"verdict": pl.String, "reasons": pl.List(pl.String)},
)


def change(row: int, **values: object) -> pl.LazyFrame:
    rows = VERDICTS.to_dicts()
    rows[row].update(values)
    return pl.LazyFrame(rows, schema=VERDICTS.schema)


@pytest.mark.parametrize(
    ("frame", "passed", "words"),
    [
        (VERDICTS.lazy(), True, "4 rows = 1 kept + 1 dropped + 1 skipped + 1 failed"),
        (VERDICTS.head(0).lazy(), True, "0 rows"),
        (change(0, verdict="maybe"), False, "num_rows=4"),
        (change(0, verdict=None), False, "num_rows=4"),
        (change(1, reasons=[]), False, "num_drops_without_reason=1"),
        (change(1, reasons=None), False, "num_drops_without_reason=1"),
        (change(0, reasons=["advert_v1"]), False, "num_keeps_with_reason=1"),
    ],
)
def test_accounted(frame: pl.LazyFrame, passed: bool, words: str) -> None:
    finding = accounted(frame)
    assert finding.passed is passed
    assert words in finding.description


@pytest.mark.parametrize(
    ("ids", "passed", "words"),
    [
        (["a", "b"], True, "doc_id unique"),
        (["a", "a"], False, "1 values of doc_id repeat"),
        (["a", None], False, "1 values of doc_id repeat"),
        ([], True, "doc_id unique"),
    ],
)
def test_unique(ids: list[str | None], passed: bool, words: str) -> None:
    finding = unique(pl.LazyFrame({"doc_id": ids}, schema={"doc_id": pl.String}), ("doc_id",))
    assert finding.passed is passed
    assert finding.description == words


@pytest.mark.parametrize(
    ("mine", "parent", "passed", "words"),
    [
        (["a", "b"], ["a", "b"], True, "same rows"),
        (["a"], ["a", "b"], False, "1 rows missing, 0 unknown"),
        (["a", "c"], ["a", "b"], False, "1 rows missing, 1 unknown"),
        (["b", "a"], ["a", "b"], False, "another order"),
        ([], [], True, "same rows"),
    ],
)
def test_same_rows(mine: list[str], parent: list[str], passed: bool, words: str) -> None:
    frames = [pl.LazyFrame({"doc_id": ids}, schema={"doc_id": pl.String}) for ids in (mine, parent)]
    finding = same_rows(frames[0], frames[1], "doc_id")
    assert finding.passed is passed
    assert words in finding.description


def test_conforms_names_missing_unknown_and_mistyped_columns() -> None:
    table = tables.BY_NAME["domain_seed_sample"]
    good = pl.LazyFrame(schema=table.schema)
    assert conforms(table, good).passed
    finding = conforms(table, good.drop("lang").with_columns(pl.lit(1).alias("more")))
    assert not finding.passed
    assert "lang: missing instead of String" in finding.description
    assert "more: unknown column" in finding.description
    mistyped = good.with_columns(pl.col("lang").cast(pl.Int64))
    assert "lang: Int64 instead of String" in conforms(table, mistyped).description


@pytest.mark.parametrize(
    ("value", "passed"),
    [(0.5, True), (0.0, True), (1.1, False), (None, False), (float("nan"), False)],
)
def test_inside(value: float | None, passed: bool) -> None:
    assert inside("ratio", value, 0.0, 1.0).passed is passed
