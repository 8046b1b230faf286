import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets import tables
from carebot_assets.corpus import (
    mix_audit,
    mix_reading,
    mix_receipts,
    mix_sources,
    mixing,
    packing,
)
from carebot_assets.corpus.overlap import HeldOut
from carebot_assets.settings import MixSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("mix"))


def corpus(prefix: str, zh: int, en: int) -> pl.LazyFrame:
    rows = [
        {
            "doc_id": f"{prefix}{lang}{i:04}",
            "source": f"{prefix}{i % 3}",
            "lang": lang,
            "text": texts[i % 12] * (1 + i % 5),
        }
        for lang, count, texts in (("zh", zh, ZH), ("en", en, EN))
        for i in range(count)
    ]
    schema = dict.fromkeys(("doc_id", "source", "lang", "text"), pl.String)
    return (
        pl.DataFrame(rows, schema=schema)
        .lazy()
        .with_columns(n_tokens=pl.col("text").str.len_chars())
    )


MEDICAL, GENERAL = corpus("m", 300, 300), corpus("g", 300, 300)


def build(folder: Path, settings: MixSettings, **given: Any) -> tuple[pl.DataFrame, dict[str, Any]]:
    values = {"sequence_length": 64, "seed": 1, "held_out": None} | given
    primary, secondary = values.pop("primary", MEDICAL), values.pop("secondary", GENERAL)
    mix = mixing.build_mix(primary, secondary, settings, model_dir=folder, folder=folder, **values)
    return mix.spans.collect(), mix.receipts


def mix(tokens: int, primary: float, zh: float, **more: Any) -> MixSettings:
    return MixSettings(tokens=tokens, primary_share=primary, zh_share=zh, **more)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(4_000, 60_000),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    st.sampled_from([0.0, 0.1, 0.4, 1.0]),
    st.sampled_from([16, 64, 127]),
    st.integers(0, 9),
)
def test_ratios_hold_and_spans_tile_whatever_is_asked(
    folder: Path, tokens: int, primary: float, zh: float, length: int, seed: int
) -> None:
    plan = mix(tokens, primary, zh, tolerance=0)
    spans, receipts = build(folder, plan, sequence_length=length, seed=seed)
    packed = np.load(folder / "tokens.npy")
    # Not within a percent: to the token.
    assert mix_audit.ratios_hold(spans.lazy(), plan).passed
    assert mix_audit.tiled(spans.lazy(), packed.shape).passed
    assert receipts["num_tokens"] == packed.size == sum(r["achieved"] for r in receipts["strata"])
    assert spans.schema == tables.BY_NAME["stable_mix"].schema
    assert spans.select("doc_id", "epoch", "start").is_duplicated().sum() == 0
    starts = np.load(folder / "document_starts.npy")
    assert starts.tolist() == (spans["sequence"] * length + spans["position"]).to_list()
    for key in ("asked", "available", "achieved", "repeated", "cut", "num_documents"):
        for row in receipts["strata"]:
            own = [s[key] for s in receipts["sources"] if s["stratum"] == row["stratum"]]
            assert sum(own) == row[key], key


def test_every_span_holds_the_tokens_of_its_document(folder: Path) -> None:
    spans, receipts = build(folder, mix(20_000, 0.5, 0.4))
    packed = np.load(folder / "tokens.npy")
    assert receipts["largest_token"] == packed.max()
    tokenizer, eos = packing.load_tokenizer(folder)
    texts = dict(pl.concat([MEDICAL, GENERAL]).select("doc_id", "text").collect().iter_rows())
    for row in spans.sample(200, seed=0).iter_rows(named=True):
        whole = [*tokenizer.encode(texts[row["doc_id"]]).ids, eos]
        begin, end = row["start"], row["start"] + row["num_tokens"]
        place = slice(row["position"], row["position"] + row["num_tokens"])
        assert packed[row["sequence"], place].tolist() == whole[begin:end]


def test_the_same_input_in_another_order_gives_the_same_mix(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = mix(20_000, 0.95, 0.1)
    first, first_receipts = build(folder, plan)
    names = ("tokens.npy", "document_starts.npy", "receipts.json")
    files = [(folder / name).read_bytes() for name in names]
    assert json.loads(files[2]) == first_receipts
    shuffled = MEDICAL.collect().sample(fraction=1.0, shuffle=True, seed=5).lazy()
    # Nor does it matter how much is packed at a time.
    monkeypatch.setattr(mixing, "CHUNK_USES", 7)
    monkeypatch.setattr(packing, "GATHER_TOKENS", 100)
    monkeypatch.setattr(packing, "BATCH_CHARACTERS", 300)
    second, second_receipts = build(folder, plan, primary=shuffled)
    assert first.equals(second) and first_receipts == second_receipts
    assert [(folder / name).read_bytes() for name in names] == files
    other, _ = build(folder, plan, seed=2)
    assert not first.equals(other)
    assert not [path for path in folder.iterdir() if path.is_dir()], "the work is removed"


def test_texts_are_read_on_until_the_budget_is_covered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix_reading, "FIRST_ROUND", 5)
    # Estimates and the first documents say little of the others.
    uneven = MEDICAL.with_columns(
        text=pl.when(pl.col("doc_id").hash(1) < 2**62)
        .then(pl.col("text").str.slice(0, 3))
        .otherwise("text")
    )
    plan = mix(12_000, 0.5, 0.4)
    spans, receipts = build(folder, plan, primary=uneven)
    assert mix_audit.ratios_hold(spans.lazy(), plan).passed
    assert receipts["strata"][2]["num_unread"] > 0
    whole, _ = build(folder, mix(1_000_000, 0.5, 0.4))
    true = dict(
        whole.filter(pl.col("epoch") == 0)
        .group_by("stratum")
        .agg(pl.col("num_tokens").sum())
        .rows()
    )
    estimated = receipts["strata"][2]["available"]
    assert estimated == pytest.approx(true["secondary_zh"], rel=0.2)


def test_a_short_stratum_repeats_then_shrinks_the_mix(folder: Path) -> None:
    few = corpus("m", 20, 300)
    plan = mix(6_000, 0.5, 0.4, max_epochs=4)
    spans, receipts = build(folder, plan, primary=few)
    row = receipts["strata"][0]
    assert row["stratum"] == "primary_zh" and row["available"] < row["asked"] == row["achieved"]
    assert row["repeated"] == row["achieved"] - row["available"]
    assert receipts["scale"] == 1 and receipts["limited_by"] is None
    assert spans.filter(pl.col("stratum") == "primary_zh")["epoch"].max() == 2
    repeated = spans.filter(pl.col("epoch") > 0)["num_tokens"].sum()
    assert receipts["num_repeated_tokens"] == repeated

    plan = mix(60_000, 0.5, 0.4, max_epochs=4)
    spans, receipts = build(folder, plan, primary=few)
    assert receipts["limited_by"] == "primary_zh" and receipts["scale"] < 1
    assert spans["epoch"].max() == 3
    assert mix_audit.ratios_hold(spans.lazy(), plan).passed
    assert "Shrunk to" in mix_receipts.markdown(receipts)

    plan = mix(6_000, 0.5, 0.4, shortage="shrink")
    spans, receipts = build(folder, plan, primary=few)
    assert receipts["limited_by"] == "primary_zh" and spans["epoch"].max() == 0
    for shortage in ("repeat", "refuse"):
        plan = mix(60_000, 0.5, 0.4, shortage=shortage)
        with pytest.raises(ValueError, match=r"primary_zh is short by \d+ tokens"):
            build(folder, plan, primary=few)


@pytest.mark.parametrize(
    ("primary", "secondary", "words"),
    [
        (corpus("m", 0, 9), GENERAL, r"primary_zh is short by 1997 tokens \(1997 asked, 0 avail"),
        (MEDICAL, corpus("g", 9, 0), r"secondary_en is short by 2995 tokens"),
        (MEDICAL, None, r"secondary_zh is short by \d+ tokens .*; secondary_en is short"),
    ],
)
def test_an_empty_stratum_is_named(
    folder: Path, primary: pl.LazyFrame, secondary: pl.LazyFrame | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        build(folder, mix(10_000, 0.5, 0.4), primary=primary, secondary=secondary)


def test_an_empty_stratum_nobody_asked_for_does_not_matter(folder: Path) -> None:
    primary = pl.concat([corpus("m", 0, 99), corpus("o", 3, 0).with_columns(lang=pl.lit("fr"))])
    spans, receipts = build(folder, mix(5_000, 1.0, 0.0), primary=primary, secondary=None)
    assert spans["stratum"].unique().to_list() == ["primary_en"]
    assert receipts["num_documents_of_strata_not_asked"] == {"primary_fr": 3}


def test_less_than_a_sequence_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="less than one sequence of 64"):
        build(folder, mix(40, 1.0, 0.0))


def test_what_overlaps_held_out_text_and_what_is_empty_is_left_out_and_counted(
    folder: Path,
) -> None:
    secret = "胆囊结石患者术前应评估肝功能与凝血功能，必要时行磁共振胰胆管成像检查明确诊断。"
    odd = pl.LazyFrame(
        {
            "doc_id": ["near", "inside", "empty", "other"],
            "source": "odd",
            "lang": "zh",
            "text": [secret.replace("必要时", "需要时"), ZH[0] + secret + ZH[1], "", ZH[2]],
        },
        schema_overrides={"n_tokens": pl.UInt32},
    ).with_columns(n_tokens=pl.col("text").str.len_chars())
    held_out = HeldOut(pl.Series([secret]), 0.5)
    primary = pl.concat([MEDICAL, odd])
    # More than there is: everything is read.
    spans, receipts = build(folder, mix(200_000, 0.5, 0.4), primary=primary, held_out=held_out)
    assert receipts["num_held_out_documents"] == 2 and receipts["num_empty_documents"] == 1
    assert receipts["held_out_examples"] == ["inside", "near"]
    used = set(spans["doc_id"])
    assert "other" in used and not used & {"near", "inside", "empty"}


def test_findings_fail_on_a_wrong_mix(folder: Path) -> None:
    plan = mix(20_000, 0.5, 0.4)
    spans, receipts = build(folder, plan)
    shape = (receipts["num_sequences"], 64)
    fifth = pl.int_range(pl.len()) == 5
    cases = {
        "missing span": spans.filter(~fifth),
        "overlap": spans.with_columns(
            pl.when(fifth).then(pl.col("num_tokens") + 1).otherwise("num_tokens")
        ),
        "last sequence missing": spans.filter(pl.col("sequence") < pl.col("sequence").max()),
        "jump in a document": spans.with_columns(
            pl.when(fifth).then(pl.col("start") + 1).otherwise("start")
        ),
        "another order": spans.reverse(),
    }
    for name, wrong in cases.items():
        assert not mix_audit.tiled(wrong.lazy(), shape).passed, name
    assert mix_audit.tiled(spans.lazy(), shape).passed
    lopsided = spans.filter(pl.col("stratum") != "primary_zh")
    finding = mix_audit.ratios_hold(lopsided.lazy(), plan)
    assert not finding.passed and "primary_zh has 0 tokens instead of" in finding.description
    # Two percent less of the smallest stratum, which no share of the whole would show.
    small = mix(50_000, 0.95, 0.1)
    spans, _ = build(folder, small)
    least = (pl.col("stratum") == "secondary_zh") & (pl.col("num_tokens") > 6)
    fewer = spans.with_columns(
        pl.when(least).then(pl.col("num_tokens") - 5).otherwise("num_tokens")
    )
    assert mix_audit.ratios_hold(spans.lazy(), small).passed
    assert not mix_audit.ratios_hold(fewer.lazy(), small).passed
    assert not mix_audit.ratios_hold(spans.clear().lazy(), small).passed
    leaked = spans.select("doc_id").head(1).lazy()
    assert not mix_audit.none_held_out(spans.lazy(), leaked).passed
    unknown = pl.LazyFrame({"doc_id": ["nobody"]})
    assert mix_audit.none_held_out(spans.lazy(), unknown).passed


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_the_size_of_a_batch_changes_no_finding(
    folder: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    spans, receipts = build(folder, mix(5_000, 0.5, 0.4), sequence_length=16)
    monkeypatch.setattr(mix_audit, "BATCH_SPANS", batch)
    shape = (receipts["num_sequences"], 16)
    assert mix_audit.tiled(spans.lazy(), shape).passed
    assert not mix_audit.tiled(spans.lazy(), (shape[0] + 1, 16)).passed


def test_sources_leave_out_what_is_held_out_or_unfit() -> None:
    held = MEDICAL.head(10).select("doc_id")
    left = mix_sources.without(MEDICAL, held).collect()
    assert left.height == 590 and not left["doc_id"].is_in(held.collect()["doc_id"].implode()).any()
    talk = [{"role": "user", "text": "头痛？"}, {"role": "assistant", "text": "休息。"}]
    talks = pl.LazyFrame(
        [{"record_id": r, "source": "s", "lang": "zh", "turns": talk} for r in ("a", "b")]
    )
    verdicts = pl.LazyFrame({"record_id": ["a", "b"], "verdict": ["keep", "drop"]})
    found = mix_sources.dialogue_documents(talks, verdicts).collect()
    assert found.rows() == [("a", "s", "zh", "头痛？\n\n休息。", 8)]
    assert mix_sources.zh_share(corpus("x", 0, 5)) == 0
    assert mix_sources.zh_share(corpus("x", 5, 0)) == 1
    assert mix_sources.zh_share(corpus("x", 0, 0)) == 0
    texts = mix_sources.sample_texts(MEDICAL, 7, 1)
    assert len(texts) == 7 and texts == mix_sources.sample_texts(MEDICAL.reverse(), 7, 1)
