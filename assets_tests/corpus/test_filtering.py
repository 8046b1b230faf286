"""What becomes of documents after all judges, and the audit of the result."""

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.corpus import private_values
from assets_tests.corpus.private_values import VALUES
from carebot_assets import tables
from carebot_assets.corpus import filtering, measures, rules
from carebot_assets.settings import Settings

OTHER = ["domain_not_medical_v1"]
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
        frames["rule_verdicts"][-1]["masks"] = [{"kind": "phone", "start": 4, "length": 11}]
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
    assert found["doc_id"].to_list() == ["general", "two_reasons"]
    assert "13812345678" not in found["text"][0]
    assert dict(found.schema) == dict(tables.BY_NAME["general_corpus"].schema)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_verdicts_record_what_is_masked_and_where(demo: Settings, lang: str) -> None:
    """The masks put into the raw text one by one give the published one."""
    texts = [private_values.sentences(lang), *(v[lang].sentence for v in VALUES.values()), "none"]
    rows = [{"doc_id": str(i), "lang": lang, "text": text} for i, text in enumerate(texts)]
    documents = rows_of("documents", *rows).lazy()
    kept = demo.rules.model_copy(update={"private_information": {"phone": "keep"}})
    verdicts = rules.decide(measures.measure(documents), kept).collect()
    recorded = [[mask["kind"] for mask in masks] for masks in verdicts["masks"]]
    assert {kind for kinds in recorded for kind in kinds} == set(VALUES) - {"phone"}
    assert [sorted(set(kinds)) for kinds in recorded] == verdicts["masked_kinds"].to_list()
    published = filtering.publishable(
        documents, verdicts.with_columns(verdict=pl.lit("keep")).lazy()
    ).collect()
    for text, masks, found in zip(texts, verdicts["masks"], published["text"], strict=True):
        for mask in reversed(list(masks)):
            end = mask["start"] + mask["length"]
            text = f"{text[: mask['start']]}[{mask['kind'].upper()}]{text[end:]}"
        assert text == found


def test_publishable_masks_only_the_listed_kinds_in_order() -> None:
    frames = shard()
    unmasked = frames["rule_verdicts"].with_columns(pl.col("masks").list.head(0))
    found = filtering.publishable(frames["documents"], unmasked).collect()
    assert found["text"].unique().to_list() == [TEXT]
    assert found["doc_id"].to_list() == [d for d, fate in FATES.items() if fate[0] == "keep"]
