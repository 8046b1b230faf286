import hashlib
from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.dialogue.conftest import record
from carebot_assets import tables
from carebot_assets.dialogue import selection
from carebot_assets.expectations import accounted, conforms
from carebot_assets.settings import InstructionSettings, SftSettings

SETTINGS = InstructionSettings(
    min_deita_score=9.0,
    confilter_band=(0.3, 1.0),
    preference_share=0.25,
    sft=SftSettings(max_steps=1, batch_size=1, learning_rate=1.0),
)
CASES: list[tuple[str, float | None, Any, str, list[str]]] = [
    ("single", 9.0, "absent", "keep", []),
    ("single", 8.9, "absent", "drop", ["deita_v1"]),
    ("single", None, "absent", "failed", ["instruction_score_failed_v1"]),
    ("choice", None, "absent", "keep", []),
    ("multi", 20.0, 0.7, "keep", []),
    ("multi", 20.0, 1.0, "keep", []),
    ("multi", 20.0, 1.01, "drop", ["confilter_unrelated_v1"]),
    ("multi", 5.0, 0.29, "drop", ["deita_v1", "confilter_redundant_v1"]),
    ("multi", 20.0, None, "drop", ["confilter_undefined_v1"]),
    ("multi", 20.0, "absent", "failed", ["confilter_missing_v1"]),
    ("multi", None, 0.1, "failed", ["instruction_score_failed_v1", "confilter_redundant_v1"]),
]


def select(*rows: dict[str, object], verdict: str = "keep") -> pl.DataFrame:
    ids = [str(row["record_id"]) for row in rows]
    return selection.select(
        rows_of("sft_dialogues", *rows).lazy(),
        rows_of("sft_verdicts", *({"record_id": i, "verdict": verdict} for i in ids)).lazy(),
        rows_of(
            "instruction_scores",
            *({"record_id": r["record_id"], "score": r["score"]} for r in SCORES if "score" in r),
        ).lazy(),
        rows_of(
            "confilter_scores",
            *({"record_id": r["record_id"], "cf": r["cf"]} for r in SCORES if r["cf"] != "absent"),
        ).lazy(),
        SETTINGS,
    )


SCORES: list[dict[str, Any]] = [
    {"record_id": str(n), "score": score, "cf": cf} for n, (_, score, cf, _, _) in enumerate(CASES)
]
ROWS = [
    record(str(n), f"q{n}", "a", kind=kind, question_key=hashlib.md5(str(n).encode()).hexdigest())
    for n, (kind, *_) in enumerate(CASES)
]


def test_every_case() -> None:
    chosen = select(*ROWS)
    assert conforms(tables.BY_NAME["sft_set"], chosen.lazy()).passed
    assert accounted(chosen.lazy()).passed
    found = chosen.select("verdict", "reasons").rows()
    assert found == [(verdict, reasons) for *_, verdict, reasons in CASES]
    assert [turns is not None for turns in chosen["turns"]] == [v == "keep" for v, _ in found]
    report = selection.summarize(chosen.lazy())
    assert (report["num_candidates"], report["num_kept"], report["num_failed"]) == (11, 4, 3)
    assert "| a | 11 | 4 |" in report["sources"]


def test_unfit_records_are_no_candidates() -> None:
    assert select(*ROWS, verdict="drop").is_empty()


def test_the_split_goes_by_question() -> None:
    keys = [hashlib.md5(str(n).encode()).hexdigest() for n in range(4000)]
    share = pl.DataFrame({"k": keys}).select(selection.hashed_share(pl.col("k"))).to_series()
    assert share.is_between(0, 1, closed="left").all()
    assert (share < 0.25).mean() == pytest.approx(0.25, abs=0.03)
    twins = [
        record("0", "same", "a", kind="choice", question_key="00" * 16),
        record("1", "same", "b", kind="choice", question_key="00" * 16),
        record("2", "other", "b", kind="choice", question_key="ff" * 16),
    ]
    assert select(*twins)["split"].to_list() == ["preference", "preference", "sft"]
