"""Verdicts of deduplication, members of clusters, and the checks on them."""

import polars as pl
import pytest

from assets_tests.corpus.test_clustering import SETTINGS, clusters, signatures, words
from assets_tests.corpus.test_minhash import documents
from carebot_assets.corpus import duplicates, minhash
from carebot_assets.tables import BY_NAME


def test_verdicts() -> None:
    text = " ".join(words(5))
    near = text + " more"
    old = " ".join(words(6))
    frame = documents([text, text, near, "another text", text, old]).with_columns(
        verdict=pl.Series(["keep"] * 4 + ["drop", "keep"])
    )
    passing = frame.filter(pl.col("verdict") == "keep")
    table = clusters(
        minhash.signatures(passing.lazy(), SETTINGS), **{"old.jsonl": signatures([old])}
    )
    earlier = frame.select("doc_id", "verdict").lazy()
    found = duplicates.verdicts(frame.drop("verdict").lazy(), table.lazy(), earlier).collect()
    assert dict(found.schema) == dict(BY_NAME["duplicate_verdicts"].schema)
    assert found["verdict"].to_list() == ["drop", "drop", "keep", "keep", "skip", "drop"]
    near_reason, earlier_reason = [duplicates.NEAR], [duplicates.EARLIER]
    assert found["reasons"].to_list() == [near_reason, near_reason, [], [], [], earlier_reason]
    assert found["kept_id"][:2].unique().to_list() == [frame["doc_id"][2]]
    assert found["kept_in"].to_list() == [None] * 5 + ["old.jsonl"]
    assert duplicates.summarize_verdicts(found.lazy()) == {
        "num_kept": 2,
        "num_exact": 0,
        "num_near": 2,
        "num_in_earlier_corpora": 1,
    }


def test_members_of_a_cluster_are_listed_with_the_kept_one() -> None:
    text, other = " ".join(words(5)), " ".join(words(6))
    table = clusters(signatures([other, text, text + " more", other + " x", text]))
    found = duplicates.members(table.lazy()).collect()
    assert found.select("doc_id", "kept").with_columns(pl.col("doc_id").str.tail(1)).rows() == [
        ("2", True),
        ("1", False),
        ("4", False),
        ("3", True),
        ("0", False),
    ]
    assert duplicates.summarize(table.lazy())["num_clusters"] == 2


def clustered(num_documents: int, num_removed: int, cluster_size: int = 2) -> tuple:
    ids = [f"{i:032x}" for i in range(num_documents)]
    table = pl.LazyFrame({"doc_id": ids}, schema={"doc_id": pl.String}).with_columns(
        source=pl.lit("web"), lang=pl.lit("zh")
    )
    removed = pl.LazyFrame(
        {"doc_id": ids[:num_removed], "kept_id": ids[-1:] * num_removed},
        schema={"doc_id": pl.String, "kept_id": pl.String},
    ).with_columns(
        cluster_size=pl.lit(cluster_size, pl.Int64),
        kept_in=pl.lit(None, pl.String),
        source=pl.lit("web"),
        lang=pl.lit("zh"),
    )
    return table, removed


@pytest.mark.parametrize(
    ("num_documents", "num_removed", "cluster_size", "passed"),
    [
        (200, 120, 2, True),
        (200, 121, 2, False),
        (200, 20, 20, True),
        (200, 20, 21, False),
        (99, 98, 99, True),  # too few to judge
        (0, 0, 2, True),
    ],
)
def test_removal_ceiling(num_documents, num_removed, cluster_size, passed) -> None:
    table, removed = clustered(num_documents, num_removed, cluster_size)
    finding = duplicates.removal_ceiling(table, removed, SETTINGS)
    assert finding.passed is passed, finding.description
    assert finding.metadata["gone"] == {}


def test_a_small_source_that_is_gone_is_named() -> None:
    finding = duplicates.removal_ceiling(*clustered(99, 99), SETTINGS)
    assert finding.passed
    assert finding.metadata["gone"] == {"lang zh": 99, "source web": 99}
    assert "nothing is left of lang zh (99), source web (99)" in finding.description


def test_kept_documents_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BATCH_IDS", 2)
    table, removed = clustered(10, 3)
    assert duplicates.kept_are_kept(table, removed).passed
    chained = removed.with_columns(kept_id=pl.col("doc_id").first())
    assert duplicates.kept_are_kept(table, chained).metadata["num_wrong"] == 1
    unknown = removed.with_columns(kept_id=pl.lit("nowhere"))
    assert duplicates.kept_are_kept(table, unknown).metadata["examples"] == ["nowhere"]
    earlier = unknown.with_columns(kept_in=pl.lit("last year"))
    assert duplicates.kept_are_kept(table, earlier).passed
