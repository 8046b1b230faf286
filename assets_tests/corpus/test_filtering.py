"""What becomes of documents after all judges, and the audit of the result."""

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.corpus.test_contamination import EN, FILLER_EN, FILLER_ZH, ITEMS, ZH
from carebot_assets import tables
from carebot_assets.corpus import audit, filtering
from carebot_assets.settings import ContaminationSettings, Settings

OTHER = [filtering.NOT_MEDICAL]
# doc_id: verdicts of rules, duplicates, contamination, domain (with reasons), quality
FATES = {
    "medical": ("keep", "keep", "keep", ("keep", []), "keep"),
    "low": ("keep", "keep", "keep", ("keep", []), "drop"),
    "unscored": ("keep", "keep", "keep", ("keep", []), "failed"),
    "general": ("keep", "keep", "keep", ("drop", OTHER), "skip"),
    "unclassified": ("keep", "keep", "keep", ("failed", []), "skip"),
    "two_reasons": ("keep", "keep", "keep", ("drop", [*OTHER, "else_v1"]), "skip"),
    "ruled_out": ("drop", "skip", "skip", ("skip", []), "skip"),
    "duplicate": ("keep", "drop", "skip", ("skip", []), "skip"),
    "contaminated": ("keep", "keep", "drop", ("skip", []), "skip"),
    # Tables that contradict the chain: an earlier judge's drop stands.
    "disagreed": ("drop", "keep", "keep", ("keep", []), "keep"),
    "disagreed_general": ("keep", "drop", "keep", ("drop", OTHER), "skip"),
}
TEXT = "患者电话13812345678，发热。"


def shard() -> dict[str, pl.LazyFrame]:
    def table(name: str, rows: list[dict]) -> pl.LazyFrame:
        return rows_of(name, *rows).lazy()

    names = ("rule_verdicts", "duplicate_verdicts", "contamination_verdicts", "quality_scores")
    frames: dict[str, list[dict]] = {name: [] for name in ("documents", "domain_verdicts", *names)}
    for doc_id, (*fates, domain, quality) in FATES.items():
        row = {"doc_id": doc_id, "shard": "s"}
        frames["documents"].append(
            row | {"text": TEXT, "source": "web", "lang": "zh", "license": "MIT", "n_tokens": 9}
        )
        for name, verdict in zip(names, [*fates, quality], strict=True):
            frames[name].append(row | {"verdict": verdict, "reasons": []})
        frames["rule_verdicts"][-1]["masked_kinds"] = ["phone"]
        frames["quality_scores"][-1] |= {"score": 4.5, "tier": "very_high"}
        frames["domain_verdicts"].append(
            row
            | {"verdict": domain[0], "reasons": domain[1]}
            | {"label": "Health & Medicine", "p_medical": 0.9}
        )
    return {name: table(name, rows) for name, rows in frames.items()}


def test_filtered_corpus_holds_what_every_judge_kept() -> None:
    frames = shard()
    found = filtering.filtered(
        frames["documents"],
        frames["rule_verdicts"],
        frames["duplicate_verdicts"],
        frames["contamination_verdicts"],
        frames["domain_verdicts"],
        frames["quality_scores"],
    ).collect()
    assert found["doc_id"].to_list() == ["medical"]
    assert found["text"].to_list() == ["患者电话[PHONE]，发热。"]
    assert found.select("quality", "tier", "p_medical").row(0) == (4.5, "very_high", 0.9)
    assert dict(found.schema) == dict(tables.BY_NAME["filtered_corpus"].schema)
    assert filtering.summarize(found.lazy()) == {"num_documents_zh": 1, "num_tokens_zh": 9}


def test_general_corpus_holds_what_is_only_not_medical() -> None:
    frames = shard()
    found = filtering.general(
        frames["documents"],
        frames["rule_verdicts"],
        frames["duplicate_verdicts"],
        frames["contamination_verdicts"],
        frames["domain_verdicts"],
    ).collect()
    assert found["doc_id"].to_list() == ["general"]
    assert "13812345678" not in found["text"][0]
    assert dict(found.schema) == dict(tables.BY_NAME["general_corpus"].schema)


def test_publishable_masks_only_the_listed_kinds_in_order() -> None:
    frames = shard()
    unmasked = frames["rule_verdicts"].with_columns(masked_kinds=pl.lit([], pl.List(pl.String)))
    found = filtering.publishable(frames["documents"], unmasked).collect()
    assert found["text"].unique().to_list() == [TEXT]
    assert found["doc_id"].to_list() == [d for d, fate in FATES.items() if fate[0] == "keep"]


def corpus(*texts: str) -> pl.LazyFrame:
    return pl.LazyFrame({"doc_id": [f"{i}" for i in range(len(texts))], "text": texts})


@pytest.mark.parametrize(
    ("texts", "passed"),
    [
        (["one text", "another text"], True),
        (["one text", "one  text\n"], False),
        (["患者发热", "患者\u3000发热"], False),
    ],
)
def test_audit_of_duplicates(texts: list[str], passed: bool) -> None:
    assert audit.no_duplicate_text(corpus(*texts)).passed is passed


@pytest.mark.parametrize(
    ("text", "passed"),
    [("患者[PHONE]发热", True), (TEXT, False), ("write to a.b@example.com", False)],
)
def test_audit_of_private_information(text: str, passed: bool, demo: Settings) -> None:
    finding = audit.no_private_information(corpus(FILLER_EN, text), demo.rules)
    assert finding.passed is passed, finding.description


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        (FILLER_EN, True),
        (f"{FILLER_EN}\n{EN.upper()}", False),
        (f"{FILLER_ZH}{ZH.replace('V1', 'Ｖ１')}", False),
        (f"{FILLER_ZH}突发胸骨后压榨样疼痛3小时{FILLER_ZH}", True),
        ("short", True),
        ("", True),
    ],
)
def test_audit_of_benchmark_text(text: str, passed: bool) -> None:
    finding = audit.no_benchmark_text(
        corpus(FILLER_ZH, text, FILLER_EN), ITEMS.lazy(), ContaminationSettings()
    )
    assert finding.passed is passed, finding.description
