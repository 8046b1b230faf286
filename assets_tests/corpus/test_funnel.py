"""The funnel counts what the verdict tables hold, and nothing gets lost between judges."""

import polars as pl
import pytest

from carebot_assets import tables
from carebot_assets.corpus import funnel
from carebot_assets.tables import JUDGES

DOCUMENTS = pl.LazyFrame(
    {
        "doc_id": ["a", "b", "c", "d"],
        "source": ["web", "web", "books", "books"],
        "lang": ["zh", "en", "en", "en"],
        "n_tokens": [10, 20, 30, 40],
    }
)
QUARANTINE = pl.LazyFrame(
    {"origin": ["web/x/y.jsonl#3", "scans/z.txt#0"], "error": ["malformed JSON", "empty text"]}
)


def judge(*verdicts: str, reasons: list[list[str]] | None = None) -> pl.LazyFrame:
    default = [["rule_v1"] if verdict == "drop" else [] for verdict in verdicts]
    return pl.LazyFrame(
        {
            "doc_id": ["a", "b", "c", "d"][: len(verdicts)],
            "verdict": list(verdicts),
            "reasons": reasons or default,
        },
        schema={"doc_id": pl.String, "verdict": pl.String, "reasons": pl.List(pl.String)},
    )


STAGES = {
    "rule_verdicts": judge(
        "drop", "keep", "keep", "keep", reasons=[["min_tokens_v1", "mojibake_v1"], [], [], []]
    ),
    "duplicate_verdicts": judge("skip", "drop", "keep", "failed"),
    "contamination_verdicts": judge("skip", "skip", "keep", "skip"),
}
NOTHING_LEFT = {name: judge("drop", "drop", "drop", "drop") for name in JUDGES[:1]} | {
    name: judge("skip", "skip", "skip", "skip") for name in JUDGES[1:]
}


def tally(stages: dict[str, pl.LazyFrame], shard: str = "s") -> pl.DataFrame:
    return funnel.tally(shard, DOCUMENTS, QUARANTINE, stages)


def total(stages: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    return funnel.added(tally(stages).lazy())


def rows_at(table: pl.DataFrame, stage: str) -> list[tuple]:
    return table.filter(pl.col("stage") == stage).drop("stage").rows()


def test_a_document_with_two_reasons_counts_under_both() -> None:
    table = funnel.funnel(total(STAGES))
    declared = tables.BY_NAME["quality_funnel"]
    assert dict(table.schema) == dict(declared.schema)
    assert table.select(declared.key).is_unique().all()
    assert rows_at(table, "rule_verdicts") == [
        ("books", "en", "keep", "", "", 2, 70),
        ("scans", "unknown", "keep", "", "", 0, 0),
        ("web", "en", "keep", "", "", 1, 20),
        ("web", "unknown", "keep", "", "", 0, 0),
        ("web", "zh", "drop", "min_tokens_v1", "configured", 1, 10),
        ("web", "zh", "drop", "mojibake_v1", "defect", 1, 10),
        ("web", "zh", "keep", "", "", 0, 0),
    ]
    stages = table["stage"].unique(maintain_order=True).to_list()
    assert stages == ["documents", *STAGES]


def test_what_could_not_be_read_stands_in_front() -> None:
    drops = [row for row in rows_at(funnel.funnel(total(STAGES)), "documents") if row[2] == "drop"]
    assert drops == [
        ("scans", "unknown", "drop", "empty text", "defect", 1, 0),
        ("web", "unknown", "drop", "malformed JSON", "defect", 1, 0),
    ]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("domain_not_medical_v1", "configured"),
        ("quality_below_threshold_v1", "configured"),
        ("language_v1", "configured"),
        ("max_tokens_v2", "configured"),
        ("private_phone_v1", "configured"),
        ("benchmark_contamination_v2", "configured"),
        ("near_duplicate_v1", "defect"),
        ("gopher_top_ngram_v1", "defect"),
        ("some_new_rule_v1", "defect"),
    ],
)
def test_causes(reason: str, cause: str) -> None:
    stages = {"rule_verdicts": judge("drop", "keep", reasons=[[reason], []])}
    table = funnel.funnel(total(stages)).filter(pl.col("reason") == reason)
    assert table["cause"].to_list() == [cause]


def test_everything_dropped_leaves_rows_of_zero() -> None:
    table = funnel.funnel(total(NOTHING_LEFT))
    last = table.filter(pl.col("stage") == JUDGES[-1], pl.col("verdict") == "keep")
    read = {("books", "en"), ("web", "zh"), ("web", "en"), ("web", "unknown"), ("scans", "unknown")}
    assert set(last.select("source", "lang").rows()) == read
    assert last["num_documents"].to_list() == [0] * 5
    assert funnel.conserved(total(NOTHING_LEFT)).passed
    nothing = pl.LazyFrame(schema={"source": pl.String, "lang": pl.String, "n_tokens": pl.Int64})
    assert funnel.fills_the_corpus(table, nothing).passed


def test_tallies_of_shards_add_up() -> None:
    both = pl.concat([tally(STAGES, "s"), tally(STAGES, "t")])
    assert dict(both.schema) == dict(tables.BY_NAME["shard_tally"].schema)
    once, twice = funnel.totals(total(STAGES)), funnel.totals(funnel.added(both.lazy()))
    assert twice.drop("stage").equals(once.drop("stage") * 2)


def test_conservation() -> None:
    found = funnel.totals(total(STAGES))
    assert found["keep"].to_list() == [4, 3, 1, 1]
    assert found["tokens_kept"].to_list() == [100, 90, 30, 30]
    assert funnel.conserved(total(STAGES)).passed
    assert funnel.matches(funnel.funnel(total(STAGES)), STAGES).passed


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (judge("skip", "drop", "keep"), "(books, en) accounts for 1 of 2"),
        (judge("keep", "drop", "keep", "failed"), "(web, zh) judged 1, rule_verdicts kept 0"),
        (judge("skip", "drop", "keep", "skip"), "(books, en) judged 1, rule_verdicts kept 2"),
        # Counts over all sources agree; those of the sources do not.
        (judge("keep", "drop", "skip", "failed"), "(books, en) judged 1, rule_verdicts kept 2"),
        (judge(), "(web, en) accounts for 0 of 1"),
    ],
)
def test_lost_documents_are_named(stage: pl.LazyFrame, message: str) -> None:
    finding = funnel.conserved(total(STAGES | {"duplicate_verdicts": stage}))
    assert not finding.passed
    assert message in finding.description


@pytest.mark.parametrize(
    "verdicts",
    [judge("skip", "skip", "drop", "skip"), judge("skip", "skip", "keep"), judge()],
)
def test_a_funnel_of_other_verdicts_is_found_out(verdicts: pl.LazyFrame) -> None:
    stages = STAGES | {"contamination_verdicts": verdicts}
    finding = funnel.matches(funnel.funnel(total(STAGES)), stages)
    assert not finding.passed
    assert "contamination_verdicts" in finding.description


@pytest.mark.parametrize(
    ("tokens", "passed"), [([30], True), ([31], False), ([30, 1], False), ([], False)]
)
def test_the_corpus_is_what_the_last_judge_kept(tokens: list[int], passed: bool) -> None:
    stages = {name: judge("drop", "drop", "keep", "drop") for name in JUDGES}
    table = funnel.funnel(total(stages))
    rows = {"source": ["books"] * len(tokens), "lang": ["en"] * len(tokens), "n_tokens": tokens}
    schema = {"source": pl.String, "lang": pl.String, "n_tokens": pl.Int64}
    finding = funnel.fills_the_corpus(table, pl.LazyFrame(rows, schema=schema))
    assert finding.passed is passed
    assert passed or "books en" in finding.description
