"""Real records that are known to come twice, in the training sources and in the noise."""

from pathlib import Path

import polars as pl

from benchmarks import duplicates_on_real_data as real


def test_recall_by_similarity(shared_data: Path) -> None:
    frame = real.documents("sft_sources", "noise")
    truth = real.pairs(frame)
    assert truth.filter(pl.col("kind") == "twins").height >= 600
    for settings, least, floor in zip(
        real.PROFILES.values(), (0.8, 0.7), (0.99, 0.99), strict=True
    ):
        found, _ = real.clusters(frame, settings)
        gone = found["doc_id"].implode()
        judged = truth.with_columns(found=pl.col("one").is_in(gone) | pl.col("two").is_in(gone))
        recalls = judged.filter((pl.col("kind") == "twins") | (pl.col("jaccard") >= least))
        by_kind = dict(recalls.group_by("kind").agg(pl.col("found").mean()).iter_rows())
        assert by_kind["twins"] == 1.0
        assert by_kind["other"] >= floor
        # Records of one question with different answers stay.
        assert judged.filter(pl.col("jaccard") < 0.3)["found"].mean() < 0.15
