"""The held-out choice: by hash, a share of each stratum, never none."""

import hashlib

import polars as pl
import pytest

from carebot_assets import tables
from carebot_assets.corpus import held_out


def corpus(name: str, **counts: int) -> pl.LazyFrame:
    keys = [(lang, f"{name}{lang}{i}") for lang, count in counts.items() for i in range(count)]
    return pl.LazyFrame(
        {
            "doc_id": [hashlib.md5(key.encode()).hexdigest() for _, key in keys],
            "shard": ["s"] * len(keys),
            "lang": [lang for lang, _ in keys],
            "text": [key for _, key in keys],
        },
        schema={"doc_id": pl.String, "shard": pl.String, "lang": pl.String, "text": pl.String},
    )


@pytest.mark.parametrize(
    ("share", "cap", "counts"),
    [
        (0.1, 1000, (10, 5, 30)),
        (0.1, 7, (7, 5, 7)),
        (0.0001, 1000, (1, 1, 1)),
        (1.0, 9999, (100, 50, 300)),
    ],
)
def test_share_and_cap(share: float, cap: int, counts: tuple[int, ...]) -> None:
    medical, general = corpus("m", zh=100, en=50, other=9), corpus("g", zh=200, en=100)
    table = held_out.choose(medical, general, share, cap)
    assert tuple(held_out.counts(table).values()) == counts
    assert held_out.every_stratum(table).passed
    found = table.collect()
    assert dict(found.schema) == dict(tables.BY_NAME["held_out_text"].schema)
    assert found["doc_id"].is_unique().all()
    assert found.equals(held_out.choose(medical, general, share, cap).collect())


def test_a_stratum_without_documents_is_found() -> None:
    table = held_out.choose(corpus("m", en=5), corpus("g", en=5), 0.5, 10)
    finding = held_out.every_stratum(table)
    assert not finding.passed
    assert finding.description == "no document in medical_zh"


def test_more_documents_hardly_move_the_choice() -> None:
    few, more = corpus("m", zh=200), corpus("m", zh=210)
    none = corpus("g")
    before = set(held_out.choose(few, none, 0.1, 100).collect()["doc_id"])
    after = set(held_out.choose(more, none, 0.1, 100).collect()["doc_id"])
    assert len(before & after) >= 17
