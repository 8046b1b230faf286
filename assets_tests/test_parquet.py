"""Tables come back as they were written, in row groups of a bounded size."""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from carebot_assets import parquet

FRAME = pl.DataFrame(
    {
        "doc_id": [f"{i:032x}" for i in range(3000)],
        "text": ["患者发热三天" * (i % 7) for i in range(2999)] + [None],
        "lang": ["zh"] * 1500 + [None] * 1500,
        "count": range(3000),
        "reasons": [["a", "b"][: i % 3] for i in range(3000)],
    }
)


@pytest.mark.parametrize("compression", ["zstd", "lz4", "uncompressed"])
@pytest.mark.parametrize("columns", [FRAME.columns, ["doc_id", "count", "reasons"]])
@pytest.mark.parametrize("rows", [3000, 1, 0])
def test_a_table_comes_back(
    tmp_path: Path, compression: parquet.Compression, columns: list[str], rows: int
) -> None:
    frame, path = FRAME.select(columns).head(rows), tmp_path / "data.parquet"
    parquet.write(frame.lazy(), path, compression)
    assert pl.read_parquet(path).equals(frame)
    assert pl.read_parquet_schema(path) == frame.schema
    content = path.read_bytes()
    parquet.write(frame.lazy(), path, compression)
    assert path.read_bytes() == content


def test_row_groups_are_bounded_by_rows_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.parquet"
    monkeypatch.setattr(parquet, "ROW_GROUP", 1600)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 60_000)
    texts = ["x" * (10 if i < 3200 else 100) for i in range(6400)]
    parquet.write(pl.LazyFrame({"text": texts}), path, "zstd")
    found = pq.ParquetFile(path).metadata
    sizes = [found.row_group(i).num_rows for i in range(found.num_row_groups)]
    assert sizes == [1600, 1600, 600, 600, 600, 600, 600, 200]


def test_no_text_is_repeated_among_the_statistics(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    parquet.write(FRAME.lazy(), path, "zstd")
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = map(group.column, range(group.num_columns))
    known = {column.path_in_schema: column.is_stats_set for column in columns}
    assert not known["text"]
    assert known["doc_id"] and known["count"]
