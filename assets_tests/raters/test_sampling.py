import polars as pl
import pytest

from carebot_assets.raters import sampling


def shard(number: int, num: int, source: str = "a", lang: str = "zh") -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "doc_id": [f"{source}{lang}{number}-{i:06d}" for i in range(num)],
            "shard": [str(number)] * num,
            "source": [source] * num,
            "lang": [lang] * num,
            "text": ["x" * 9] * num,
        }
    )


PARTS = [shard(0, 500), shard(1, 40, "b"), shard(2, 300, "a", "en"), shard(3, 200)]


def test_strata_give_alike_and_a_short_one_leaves_its_share() -> None:
    chosen = sampling.choose(PARTS, 180, 1)
    everything = pl.concat(PARTS).collect()
    counts = everything.join(chosen, on="doc_id").group_by("source", "lang").len()
    assert sorted(counts.rows()) == [("a", "en", 70), ("a", "zh", 70), ("b", "zh", 40)]
    assert chosen["doc_id"].is_sorted() and chosen["doc_id"].is_unique().all()


def test_the_drawn_stand_for_the_corpus() -> None:
    chosen = sampling.choose(PARTS, 180, 1, ["azh0-000001"])
    everything = pl.concat(PARTS).collect().join(chosen, on="doc_id")
    drawn = everything.filter(~pl.col("is_wanted"))
    behind = drawn.group_by("source", "lang").agg(pl.col("stands_for").sum().round(6))
    assert sorted(behind.rows()) == [("a", "en", 300), ("a", "zh", 699), ("b", "zh", 40)]
    assert everything.filter("is_wanted")["stands_for"].to_list() == [1.0]


def test_the_choice_depends_on_the_seed_but_not_on_shards_or_order() -> None:
    one = sampling.choose(PARTS, 90, 1)["doc_id"].to_list()
    whole = [pl.concat(PARTS[::-1])]
    assert sampling.choose(whole, 90, 1)["doc_id"].to_list() == one
    assert sampling.choose(PARTS, 90, 2)["doc_id"].to_list() != one


def test_a_larger_choice_contains_a_smaller_one() -> None:
    small, large = (set(sampling.choose(PARTS, num, 1)["doc_id"]) for num in (60, 90))
    assert small < large


@pytest.mark.parametrize(("num", "expected"), [(0, 0), (5000, 1040)])
def test_all_or_nothing(num: int, expected: int) -> None:
    assert sampling.choose(PARTS, num, 1).height == expected


def test_wanted_documents_come_on_top() -> None:
    wanted = ["bzh1-000003", "azh0-000001", "nowhere"]
    chosen = sampling.choose(PARTS, 30, 1, wanted)
    assert chosen.height == 32
    assert chosen.filter("is_wanted")["doc_id"].to_list() == ["azh0-000001", "bzh1-000003"]


def test_texts_of_a_choice() -> None:
    sample = sampling.stratified(PARTS[0], 10, 1, 5)
    assert sample.height == 10 and set(sample["text"]) == {"xxxxx"}
    assert sample.columns == ["doc_id", "shard", "source", "lang", "text"]
