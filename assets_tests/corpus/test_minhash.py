"""Signatures of documents, streamed, and the probability that a pair is found."""

import itertools

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


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (28, 4), (1, 1), (3, 20)])
def test_the_parameters_say_how_likely_a_pair_is_found(bands: int, rows: int) -> None:
    found = minhash.parameters(DuplicateSettings(bands=bands, rows=rows))
    named = {name: value for name, value in found.items() if name.startswith("match_probability")}
    assert named == {
        f"match_probability_at_{s}": pytest.approx(1 - (1 - s**rows) ** bands, abs=1e-6)
        for s in (0.7, 0.8, 0.9)
    }


def test_summary_counts_texts_without_shingles() -> None:
    settings = DuplicateSettings()
    table = minhash.signatures(documents(["!!!", "one two three four five six"]).lazy(), settings)
    found = minhash.summarize(table, settings)
    assert (found["num_signatures"], found["num_without_shingles"]) == (2, 1)
    assert found["match_probability_at_0.8"] == pytest.approx(0.9235, abs=1e-4)
    assert [found[name] for name in ("ngram", "num_hashes", "bands", "rows", "hash_seed")] == [
        5, 112, 14, 8, 0
    ]  # fmt: skip


@pytest.mark.parametrize("min_similarity", [0.0, 0.5, 0.7, 1.0])
def test_removal_probability_counts_all_ways(min_similarity: float) -> None:
    chosen = DuplicateSettings(bands=3, rows=3, min_similarity=min_similarity)
    expected = 0.0
    for ways in itertools.product([False, True], repeat=9):
        found = any(all(ways[i : i + 3]) for i in (0, 3, 6)) and sum(ways) / 9 >= min_similarity
        expected += found * 0.8 ** sum(ways) * 0.2 ** (9 - sum(ways))
    assert minhash.removal_probability(0.8, chosen) == pytest.approx(expected)


def test_the_score_is_a_column_of_documents_or_measures() -> None:
    frame = documents(["a b", "a b c"]).lazy()
    measures = pl.LazyFrame({"doc_id": [f"{1:032x}", f"{0:032x}"], "digit_ratio": [0.5, 0.25]})

    def scores(best_by: str) -> list[float]:
        chosen = DuplicateSettings(best_by=best_by)
        return minhash.signatures(frame, chosen, measures).collect()["score"].to_list()

    assert scores("n_chars") == [3.0, 5.0]
    assert scores("-digit_ratio") == [-0.25, -0.5]
    with pytest.raises(ValueError, match=r"best_by: 'beauty' .* there are digit_ratio, n_chars"):
        scores("beauty")


def test_another_seed_makes_another_signature() -> None:
    frame = documents(["one two three four five six"]).lazy()
    one, two, again = (
        minhash.signatures(frame, DuplicateSettings(hash_seed=seed)).collect() for seed in (0, 1, 0)
    )
    assert one.equals(again)
    assert one["signature"][0].is_in(two["signature"][0]).sum() == 0
    assert one["text_hash"].equals(two["text_hash"])
