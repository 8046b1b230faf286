"""The funnel counts what the verdict tables hold, and nothing gets lost between judges."""

import base64

import polars as pl
import pytest

from carebot_assets import tables
from carebot_assets.corpus import funnel
from carebot_assets.tables import BY_NAME

DOCUMENTS = pl.LazyFrame(
    {
        "doc_id": ["a", "b", "c", "d"],
        "source": ["web", "web", "books", "books"],
        "lang": ["zh", "en", "en", "en"],
        "n_tokens": [10, 20, 30, 40],
    }
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
    "rule_verdicts": judge("drop", "keep", "keep", "keep", reasons=[["x_v1", "y_v1"], [], [], []]),
    "duplicate_verdicts": judge("skip", "drop", "keep", "failed"),
    "contamination_verdicts": judge("skip", "skip", "keep", "skip"),
}


def test_funnel() -> None:
    table = funnel.funnel(DOCUMENTS, STAGES)
    assert dict(table.schema) == dict(tables.BY_NAME["quality_funnel"].schema)
    assert table.select(BY_NAME["quality_funnel"].key).is_unique().all()
    rules = table.filter(pl.col("stage") == "rule_verdicts").drop("stage").rows()
    assert rules == [
        ("books", "en", "keep", "", 2, 70),
        ("web", "en", "keep", "", 1, 20),
        ("web", "zh", "drop", "x_v1", 1, 10),
        ("web", "zh", "drop", "y_v1", 1, 10),
    ]
    assert table["stage"].unique(maintain_order=True).to_list() == list(STAGES)


def test_conservation() -> None:
    totals = funnel.totals(DOCUMENTS, STAGES)
    assert totals["keep"].to_list() == [4, 3, 1, 1]
    assert totals["tokens_kept"].to_list() == [100, 90, 30, 30]
    assert funnel.conserved(totals).passed
    assert funnel.matches(funnel.funnel(DOCUMENTS, STAGES), totals).passed


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (judge("skip", "drop", "keep"), "accounts for 3 of 4"),
        (judge("keep", "drop", "keep", "failed"), "judged 4, rule_verdicts kept 3"),
        (judge("skip", "drop", "keep", "skip"), "judged 2, rule_verdicts kept 3"),
    ],
)
def test_lost_documents_are_named(stage: pl.LazyFrame, message: str) -> None:
    finding = funnel.conserved(funnel.totals(DOCUMENTS, STAGES | {"duplicate_verdicts": stage}))
    assert not finding.passed
    assert message in finding.description


def test_a_funnel_of_other_verdicts_is_found_out() -> None:
    stages = STAGES | {"contamination_verdicts": judge("skip", "skip", "drop", "skip")}
    finding = funnel.matches(funnel.funnel(DOCUMENTS, STAGES), funnel.totals(DOCUMENTS, stages))
    assert not finding.passed
    assert "contamination_verdicts" in finding.description


def test_plot_and_table() -> None:
    totals = funnel.totals(DOCUMENTS, STAGES)
    image = funnel.plot(totals)
    assert image == funnel.plot(totals)
    prefix, _, data = image.partition("base64,")
    assert prefix == "![funnel](data:image/png;"
    assert base64.b64decode(data.removesuffix(")")).startswith(b"\x89PNG")
    table = funnel.as_markdown(totals).splitlines()
    assert table[0] == "| stage | keep | drop | skip | failed | tokens_kept |"
    assert table[2] == "| documents | 4 | 0 | 0 | 0 | 100 |"
