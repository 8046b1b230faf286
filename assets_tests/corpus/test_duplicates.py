"""Clusters, survivors and verdicts of deduplication."""

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus.test_minhash import documents
from carebot_assets.corpus import duplicates, minhash
from carebot_assets.settings import DuplicateSettings

SETTINGS = DuplicateSettings()
# Small bands: every pair worth judging becomes a candidate.
EAGER = DuplicateSettings(bands=56, rows=2, min_similarity=0.6)
QUICK = DuplicateSettings(bands=12, rows=2, min_similarity=0.6)


def words(seed: int, count: int = 200) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(5000)}" for _ in range(count)]


def signatures(texts: list[str], chosen: DuplicateSettings = SETTINGS, **columns) -> pl.LazyFrame:
    frame = documents(texts)
    if columns:
        frame = frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    return minhash.signatures(frame.lazy(), chosen)


def removed(texts: list[str], chosen: DuplicateSettings = SETTINGS, **columns) -> dict[int, int]:
    table = duplicates.cluster(signatures(texts, chosen, **columns), chosen)
    return {
        int(doc, 16): int(kept, 16) for doc, kept in table.select("doc_id", "kept_id").iter_rows()
    }


def test_exact_duplicates_but_for_case_and_white_space() -> None:
    text = " ".join(words(1))
    assert removed([text, text.upper() + "\n", "其他文本"]) == {0: 1}
    assert removed(["患者发热，咳嗽。", "患者发热，\n咳嗽。", "患者腹痛，恶心。"]) == {0: 1}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_near_duplicates(lang: str) -> None:
    base = words(2) if lang == "en" else [chr(0x4E00 + int(w[1:])) for w in words(2)]
    joiner = " " if lang == "en" else ""
    near = [*base[:100], base[7], *base[101:]]
    far = [w if i % 6 else base[(i * 7) % 200] for i, w in enumerate(base)]
    table = duplicates.cluster(signatures([joiner.join(t) for t in (base, near, far)]), SETTINGS)
    assert table.height == 1
    row = table.row(0, named=True)
    assert {row["doc_id"][-1], row["kept_id"][-1]} == {"0", "1"}
    assert 0.85 <= row["similarity"] < 1.0
    assert (row["exact"], row["cluster_size"]) == (False, 2)


@pytest.mark.parametrize(
    ("texts", "sources", "survivor"),
    [
        (["a b c d e f", "a b c d e f  ", "a b  c d e f"], ["c", "b", "a"], 1),  # longest
        (["a b c d e f", "a b c d e F", "a b c d E f"], ["c", "a", "b"], 1),  # source
        (["a b c d e f", "a b c d e F", "a b c d E f"], ["a", "a", "a"], 0),  # doc_id
    ],
)
def test_survivor(texts: list[str], sources: list[str], survivor: int) -> None:
    found = removed(texts, source=sources)
    assert found == {i: survivor for i in range(3) if i != survivor}


def test_similarity_does_not_chain() -> None:
    text = words(3, 300)
    a, b, c = text[:200], text[30:225], text[65:250]
    similar = minhash.signatures(documents([" ".join(t) for t in (a, b, c)]).lazy(), EAGER)
    one, two, three = similar.collect()["signature"].to_list()
    assert sum(x == y for x, y in zip(one, two, strict=True)) / 112 >= EAGER.min_similarity
    assert sum(x == y for x, y in zip(two, three, strict=True)) / 112 >= EAGER.min_similarity
    assert sum(x == y for x, y in zip(one, three, strict=True)) / 112 < EAGER.min_similarity
    assert removed([" ".join(t) for t in (a, b, c)], EAGER) == {1: 0}


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_removal_is_justified_and_nothing_is_left(data: st.DataObject) -> None:
    base = words(4, 60)
    cuts = st.tuples(st.integers(0, 30), st.integers(31, 60))
    texts = [" ".join(base[i:j]) for i, j in data.draw(st.lists(cuts, min_size=1, max_size=12))]
    table = signatures(texts, QUICK).collect()
    found = removed(texts, QUICK)

    def similarity(i: int, j: int) -> float:
        pairs = zip(table["signature"][i], table["signature"][j], strict=True)
        return sum(x == y for x, y in pairs) / 24

    kept = set(range(len(texts))) - set(found)
    assert all(keeper in kept and similarity(doc, keeper) >= 0.6 for doc, keeper in found.items())
    assert not any(
        similarity(i, j) >= 0.6 and set(table["bands"][i]) & set(table["bands"][j])
        for i in kept
        for j in kept
        if i < j
    )


def test_texts_without_units_are_no_near_duplicates() -> None:
    assert removed(["!!!", "???", "..."]) == {}
    assert removed([]) == {}


def test_the_result_does_not_depend_on_the_order_of_shards() -> None:
    texts = [" ".join(words(i % 9)) for i in range(30)]
    table = signatures(texts).collect()
    forward = duplicates.cluster(table.lazy(), SETTINGS)
    backward = duplicates.cluster(table.reverse().lazy(), SETTINGS, memory_limit_mb=200)
    assert forward.equals(backward)
    assert forward.height == 21


def test_signatures_of_other_settings_are_refused() -> None:
    other = DuplicateSettings(bands=4, rows=4)
    with pytest.raises(ValueError, match=r"duplicates\.bands x rows = 16"):
        duplicates.cluster(signatures(["a b c"]), other)


def test_verdicts() -> None:
    text = " ".join(words(5))
    near = text + " more"
    frame = documents([text, text, near, "another text", text]).with_columns(
        verdict=pl.Series(["keep"] * 4 + ["drop"])
    )
    passing = frame.filter(pl.col("verdict") == "keep")
    clusters = duplicates.cluster(minhash.signatures(passing.lazy(), SETTINGS), SETTINGS)
    earlier = frame.select("doc_id", "verdict").lazy()
    found = duplicates.verdicts(frame.drop("verdict").lazy(), clusters.lazy(), earlier).collect()
    assert found["verdict"].to_list() == ["drop", "drop", "keep", "keep", "skip"]
    assert found["reasons"].to_list() == [[duplicates.NEAR]] * 2 + [[]] * 3
    assert found["kept_id"].drop_nulls().unique().to_list() == [frame["doc_id"][2]]


def clustered(num_documents: int, num_removed: int, cluster_size: int = 2) -> tuple:
    ids = [f"{i:032x}" for i in range(num_documents)]
    table = pl.LazyFrame({"doc_id": ids}, schema={"doc_id": pl.String}).with_columns(
        source=pl.lit("web"), lang=pl.lit("zh")
    )
    clusters = pl.LazyFrame(
        {"doc_id": ids[:num_removed], "kept_id": ids[-1:] * num_removed},
        schema={"doc_id": pl.String, "kept_id": pl.String},
    ).with_columns(cluster_size=pl.lit(cluster_size, pl.Int64))
    return table, clusters


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
    table, clusters = clustered(num_documents, num_removed, cluster_size)
    finding = duplicates.removal_ceiling(table, clusters, SETTINGS)
    assert finding.passed is passed, finding.description


def test_kept_documents_are_kept() -> None:
    table, clusters = clustered(10, 3)
    assert duplicates.kept_are_kept(table, clusters).passed
    chained = clusters.with_columns(kept_id=pl.col("doc_id").first())
    assert not duplicates.kept_are_kept(table, chained).passed
    unknown = clusters.with_columns(kept_id=pl.lit("nowhere"))
    assert not duplicates.kept_are_kept(table, unknown).passed
