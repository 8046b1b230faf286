"""Clusters of duplicates: who goes, who stays, for whose sake, and in how much memory."""

import random
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assets_tests.corpus.test_minhash import documents
from benchmarks import made_signatures
from carebot_assets.corpus import candidates, clustering, minhash, pairing
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


def clusters(
    table: pl.LazyFrame, chosen: DuplicateSettings = SETTINGS, **earlier: pl.LazyFrame
) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return clustering.cluster(table, chosen, Path(folder), earlier).table.collect()


def removed(texts: list[str], chosen: DuplicateSettings = SETTINGS, **columns) -> dict[int, int]:
    table = clusters(signatures(texts, chosen, **columns), chosen)
    return {
        int(doc, 16): int(kept, 16) for doc, kept in table.select("doc_id", "kept_id").iter_rows()
    }


def shingles(text: str) -> set[tuple[str, ...]]:
    parts = text.split()
    return {tuple(parts[i : i + 5]) for i in range(len(parts) - 4)}


def jaccard(one: str, two: str) -> float:
    a, b = shingles(one), shingles(two)
    return len(a & b) / len(a | b)


def test_exact_duplicates_but_for_case_and_white_space() -> None:
    text = " ".join(words(1))
    assert removed([text, text.upper() + "\n", "其他文本"]) == {0: 1}
    assert removed(["患者发热，咳嗽。", "患者发热，\n咳嗽。", "患者腹痛，恶心。"]) == {0: 1}
    # Other words, the same text: of another signature.
    assert removed(["on call at a hospital", "on callata hospital"]) == {1: 0}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_near_duplicates(lang: str) -> None:
    base = words(2) if lang == "en" else [chr(0x4E00 + int(w[1:])) for w in words(2)]
    joiner = " " if lang == "en" else ""
    near = [*base[:100], base[7], *base[101:]]
    far = [w if i % 6 else base[(i * 7) % 200] for i, w in enumerate(base)]
    table = clusters(signatures([joiner.join(t) for t in (base, near, far)]))
    assert table.height == 1
    row = table.row(0, named=True)
    assert {row["doc_id"][-1], row["kept_id"][-1]} == {"0", "1"}
    assert 0.85 <= row["similarity"] < 1.0
    assert (row["exact"], row["cluster_size"], row["kept_in"]) == (False, 2, None)


@pytest.mark.parametrize(
    ("texts", "sources", "wanted", "survivor"),
    [
        (["a b c d e f", "a b c d e f  ", "a b  c d e f"], "cba", {}, 1),  # longest
        (["a b c d e f", "a b c d e F", "a b c d E f"], "cab", {}, 1),  # source
        (["a b c d e f", "a b c d e F", "a b c d E f"], "aaa", {}, 0),  # doc_id
        (["a b c d e f", "a b c d e f  ", "a b  c d e f"], "abc", {"best_by": "-n_chars"}, 0),
        (["a b c d e f", "a b c d e f  ", "a b  c d e f"], "abc", {"prefer_sources": ["c"]}, 2),
        (
            ["a b c d e f", "a b c d e f  ", "a b  c d e f"],
            "aab",
            {"prefer_sources": ["x", "a"]},
            1,
        ),
    ],
)
def test_survivor(texts: list[str], sources: str, wanted: dict, survivor: int) -> None:
    chosen = SETTINGS.model_copy(update=wanted)
    found = removed(texts, chosen, source=list(sources))
    assert found == {i: survivor for i in range(3) if i != survivor}


def test_similarity_does_not_chain() -> None:
    text = words(3, 300)
    a, b, c = (" ".join(t) for t in (text[:200], text[30:225], text[65:250]))
    one, two, three = signatures([a, b, c], EAGER).collect()["signature"].to_list()
    assert sum(x == y for x, y in zip(one, two, strict=True)) / 112 >= EAGER.min_similarity
    assert sum(x == y for x, y in zip(two, three, strict=True)) / 112 >= EAGER.min_similarity
    assert sum(x == y for x, y in zip(one, three, strict=True)) / 112 < EAGER.min_similarity
    assert removed([a, b, c], EAGER) == {1: 0}


def closure(edges: list[tuple[int, int]], count: int) -> float:
    """Share of documents that transitive closure would remove."""
    rows, columns = np.array(edges).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(count, count))
    return 1 - connected_components(graph)[0] / count


def test_a_long_chain_does_not_wipe_out_a_source() -> None:
    """Each page shares nine tenths with the next, and the last nothing with the first."""
    text = words(6, 6000)
    texts = [" ".join(text[i * 10 : i * 10 + 200]) for i in range(500)]
    edges = [
        (i, j)
        for i in range(500)
        for j in range(i + 1, min(i + 6, 500))
        if jaccard(texts[i], texts[j]) >= SETTINGS.min_similarity
    ]
    assert closure(edges, 500) > 0.99
    found = removed(texts)
    assert 0.5 < len(found) / 500 < 0.85
    assert not set(found.values()) & set(found)
    # The estimate has a standard error of 0.043 there.
    assert min(jaccard(texts[i], texts[j]) for i, j in found.items()) > 0.7 - 4 * 0.043


def test_a_shared_template_does_not_wipe_out_a_source() -> None:
    """Half of every page is the template: nearly every two share a bucket, none is a duplicate."""
    template = words(7, 60)
    texts = [" ".join([*template, *words(100 + i, 60)]) for i in range(300)]
    bands = signatures(texts, EAGER).collect().select("doc_id", "bands").explode("bands")
    shared = bands.join(bands, on="bands").select(
        i=pl.col("doc_id").str.to_integer(base=16), j=pl.col("doc_id_right").str.to_integer(base=16)
    )
    assert closure(shared.unique().rows(), 300) > 0.99
    assert removed(texts, EAGER) == {}


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
    assert clusters(signatures(["!!!"]).clear()).is_empty()


def test_the_result_depends_neither_on_the_order_nor_on_the_chunks(monkeypatch) -> None:
    texts = [" ".join([*words(i % 9), *words(50 + i, i % 7)]) for i in range(60)]
    table = signatures(texts).collect()
    forward = clusters(table.lazy())
    monkeypatch.setattr(clustering, "CHUNK", 5)
    backward = clusters(table.reverse().lazy(), SETTINGS.model_copy(update={"memory_limit_mb": 64}))
    assert forward.equals(backward)
    assert forward.height == 51


@pytest.mark.parametrize("budget", [1, 1 << 18, 1 << 30])
def test_signatures_are_mapped_piece_by_piece(tmp_path: Path, budget: int) -> None:
    table = np.random.default_rng(0).integers(0, 1 << 32, (1000, 112), dtype=np.uint32)
    table.tofile(tmp_path / "signatures.bin")
    found = candidates.Signatures(tmp_path / "signatures.bin", 1000, 112, budget)
    places = np.random.default_rng(1).integers(0, 1000, 50)
    assert (found.rows(places) == table[places]).all()
    assert found.rows(places[:0]).shape == (0, 112)


def test_a_bucket_of_texts_unlike_each_other_costs_a_bounded_number_of_comparisons() -> None:
    rng = np.random.default_rng(0)
    count = 3 * pairing.MAX_LEADERS
    table = rng.integers(0, 1 << 32, (count, 8), dtype=np.uint32)
    leaders = pairing.Leaders.none(8)
    bucket = np.full(count, 7, np.uint64)
    winner, _, _ = pairing.pair_up(bucket, np.arange(count), table, 6, 0, leaders)
    assert len(winner) == 0
    assert leaders.num_unled == 2 * pairing.MAX_LEADERS
    assert leaders.num_compared < count * pairing.MAX_LEADERS


def test_signatures_made_otherwise_are_refused() -> None:
    for other in ({"rows": 4}, {"ngram": 4}, {"hash_seed": 1}):
        chosen = SETTINGS.model_copy(update=other)
        with pytest.raises(ValueError, match=r"minhash_signatures: .*n=5 bands=14x8 seed=0"):
            clusters(signatures(["a b c"]), chosen)


def test_what_an_earlier_corpus_holds_goes_with_the_matching_id_known() -> None:
    base, other = words(8), words(9)
    near = [*base[:100], "new", *base[101:]]
    # Two of the earlier corpus resemble each other: the second still counts for itself.
    start, middle, end = (" ".join(words(10, 300)[i : i + 200]) for i in (0, 30, 60))
    old = [" ".join(base), start, middle]
    new = [" ".join(near), " ".join(base), " ".join(other), " ".join(other), end]
    table = clusters(
        signatures(new, EAGER), EAGER, **{"last/year.jsonl": signatures(old, EAGER)}
    ).sort("doc_id")
    found = [
        (int(row["doc_id"], 16), int(row["kept_id"], 16), row["kept_in"], row["exact"])
        for row in table.iter_rows(named=True)
    ]
    assert found == [
        (0, 0, "last/year.jsonl", False),
        (1, 0, "last/year.jsonl", True),
        (3, 2, None, True),
        (4, 2, "last/year.jsonl", False),
    ]
    assert table["cluster_size"].to_list() == [3, 3, 2, 2]


def test_recall_is_that_of_theory() -> None:
    """20,000 pairs of exactly 200 common shingles of 250."""
    both = [
        minhash.signatures(half, SETTINGS).collect()
        for half in made_signatures.pairs(25, 20_000, seed=5)
    ]
    bands = [table["bands"].list.to_array(14).to_numpy() for table in both]
    recall = (bands[0] == bands[1]).any(axis=1).mean()
    theory = minhash.match_probability(0.8, 14, 8)
    assert abs(recall - theory) < 0.01, f"{recall:.4f} found, {theory:.4f} expected"
    hashes = [table["signature"].list.to_array(112).to_numpy() for table in both]
    agree = (hashes[0] == hashes[1]).mean(axis=1)
    assert abs(agree.mean() - 0.8) < 0.002
    goes = ((bands[0] == bands[1]).any(axis=1) & (agree >= 0.7 - 1e-9)).mean()
    assert abs(goes - minhash.removal_probability(0.8, SETTINGS)) < 0.01


def test_a_corpus_four_times_the_memory_finds_duplicates_across_shards(tmp_path) -> None:
    """Signatures of 240 MB against a limit of 48 MB: every tenth document comes again."""
    shards, height = 6, 72_000
    made_signatures.write(tmp_path, shards, height, SETTINGS)
    chosen = SETTINGS.model_copy(update={"memory_limit_mb": 48})
    (tmp_path / "work").mkdir()
    scan = pl.scan_parquet(tmp_path / "*.parquet")
    table = clustering.cluster(scan, chosen, tmp_path / "work").table
    of, kept = (pl.col(c).str.head(8).str.to_integer(base=16) for c in ("doc_id", "kept_id"))
    counts = table.select(pl.len(), (of == kept + 1).all(), (pl.col("cluster_size") == 2).all())
    assert counts.collect().row(0) == (height // 10 * (shards - 1), True, True)
