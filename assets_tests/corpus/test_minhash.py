"""Signatures of documents, streamed, and the probability that a pair is found."""

import polars as pl
import pytest

from carebot_assets import tables
from carebot_assets.corpus import minhash
from carebot_assets.settings import DuplicateSettings


def documents(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "doc_id": [f"{i:032x}" for i in range(len(texts))],
            "shard": "web-00001",
            "source": "web",
            "lang": "en",
            "n_chars": [len(text) for text in texts],
            "text": texts,
        }
    )


def test_rows_are_those_of_the_table() -> None:
    found = minhash.signatures(
        documents(["a b c d e f g", "发热咳嗽三天"]).lazy(), DuplicateSettings()
    )
    assert dict(found.collect().schema) == dict(tables.BY_NAME["minhash_signatures"].schema)


def test_batches_do_not_change_the_result(tmp_path) -> None:
    frame = documents([f"document number {i} about a cough" for i in range(100)])
    frame.write_parquet(tmp_path / "documents.parquet", row_group_size=7)
    scanned = pl.scan_parquet(tmp_path / "documents.parquet")
    settings = DuplicateSettings(bands=2, rows=2)
    minhash.signatures(scanned, settings).sink_parquet(tmp_path / "out.parquet")
    whole = minhash.signatures(frame.lazy(), settings).collect()
    assert pl.read_parquet(tmp_path / "out.parquet").equals(whole)


@pytest.mark.parametrize(
    ("jaccard", "probability"),
    [(0.0, 0.0), (0.7, 0.5645), (0.8, 0.9235), (0.9, 0.9996), (1.0, 1.0)],
)
def test_match_probability(jaccard: float, probability: float) -> None:
    assert minhash.match_probability(jaccard, 14, 8) == pytest.approx(probability, abs=1e-4)


def test_summary_counts_texts_without_shingles() -> None:
    settings = DuplicateSettings()
    table = minhash.signatures(documents(["!!!", "one two three four five six"]).lazy(), settings)
    found = minhash.summarize(table, settings)
    assert (found["num_signatures"], found["num_without_shingles"]) == (2, 1)
    assert found["match_probability_at_0.8"] == pytest.approx(0.9235, abs=1e-4)
