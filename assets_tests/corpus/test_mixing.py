from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets import tables
from carebot_assets.corpus import mix_audit, mix_sources, mixing, packing
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
    values = {"sequence_length": 64, "seed": 1} | given
    primary, secondary = values.pop("primary", MEDICAL), values.pop("secondary", GENERAL)
    return mixing.build_mix(primary, secondary, settings, model_dir=folder, folder=folder, **values)


def mix(tokens: int, primary: float, zh: float, **more: Any) -> MixSettings:
    return MixSettings(tokens=tokens, primary_share=primary, zh_share=zh, **more)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
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
    plan = mix(tokens, primary, zh, tolerance=0.02)
    spans, receipts = build(folder, plan, sequence_length=length, seed=seed)
    packed = np.load(folder / "tokens.npy")
    assert mix_audit.ratios_hold(spans.lazy(), plan).passed
    assert mix_audit.tiled(spans.lazy(), packed.shape).passed
    assert receipts["num_tokens"] + receipts["num_tail_tokens"] == sum(
        int(row["asked"] * receipts["scale"]) for row in receipts["strata"]
    )
    assert spans.schema == tables.BY_NAME["stable_mix"].schema
    assert spans.select("doc_id", "epoch", "start").is_duplicated().sum() == 0


def test_every_span_holds_the_tokens_of_its_document(folder: Path) -> None:
    spans, _ = build(folder, mix(20_000, 0.5, 0.4))
    packed = np.load(folder / "tokens.npy")
    tokenizer, eos = packing.load_tokenizer(folder)
    texts = dict(pl.concat([MEDICAL, GENERAL]).select("doc_id", "text").collect().iter_rows())
    for row in spans.sample(200, seed=0).iter_rows(named=True):
        whole = [*tokenizer.encode(texts[row["doc_id"]]).ids, eos]
        begin, end = row["start"], row["start"] + row["num_tokens"]
        place = slice(row["position"], row["position"] + row["num_tokens"])
        assert packed[row["sequence"], place].tolist() == whole[begin:end]


def test_the_same_input_in_another_order_gives_the_same_mix(folder: Path) -> None:
    plan = mix(20_000, 0.95, 0.1)
    first, first_receipts = build(folder, plan)
    tokens = (folder / "tokens.npy").read_bytes()
    shuffled = MEDICAL.collect().sample(fraction=1.0, shuffle=True, seed=5).lazy()
    second, second_receipts = build(folder, plan, primary=shuffled)
    assert first.equals(second) and first_receipts == second_receipts
    assert (folder / "tokens.npy").read_bytes() == tokens
    other, _ = build(folder, plan, seed=2)
    assert not first.equals(other)
    assert not (folder / "pool.u32").exists()


def test_a_short_stratum_repeats_then_shrinks_the_mix(folder: Path) -> None:
    few = corpus("m", 20, 300)
    plan = mix(6_000, 0.5, 0.4, max_epochs=4)
    spans, receipts = build(folder, plan, primary=few)
    row = receipts["strata"][0]
    assert row["stratum"] == "primary_zh" and row["available"] < row["asked"]
    assert row["repeated"] == pytest.approx(row["achieved"] - row["available"], abs=64)
    assert receipts["scale"] == 1 and receipts["limited_by"] is None
    assert spans.filter(pl.col("stratum") == "primary_zh")["epoch"].max() == 2

    spans, receipts = build(folder, mix(60_000, 0.5, 0.4, max_epochs=4), primary=few)
    assert receipts["limited_by"] == "primary_zh" and receipts["scale"] < 1
    assert spans["epoch"].max() == 3
    assert mix_audit.ratios_hold(spans.lazy(), plan).passed
    assert "Shrunk to" in mix_audit.receipts_table(receipts)


@pytest.mark.parametrize(
    ("primary", "secondary", "words"),
    [
        (corpus("m", 0, 9), GENERAL, "primary_zh has no documents: 2000 tokens are missing"),
        (MEDICAL, corpus("g", 9, 0), "secondary_en has no documents: 3000 tokens are missing"),
        (MEDICAL, None, "secondary_zh has no documents"),
    ],
)
def test_an_empty_stratum_is_named(
    folder: Path, primary: pl.LazyFrame, secondary: pl.LazyFrame | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        build(folder, mix(10_000, 0.5, 0.4), primary=primary, secondary=secondary)


def test_an_empty_stratum_nobody_asked_for_does_not_matter(folder: Path) -> None:
    spans, _ = build(folder, mix(5_000, 1.0, 0.0), primary=corpus("m", 0, 99), secondary=None)
    assert spans["stratum"].unique().to_list() == ["primary_en"]


def test_less_than_a_sequence_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="less than one sequence of 64"):
        build(folder, mix(40, 1.0, 0.0))


def test_findings_fail_on_a_wrong_mix(folder: Path) -> None:
    plan = mix(20_000, 0.5, 0.4)
    spans, receipts = build(folder, plan)
    shape = (receipts["num_sequences"], 64)
    cases = {
        "missing span": spans.filter(pl.int_range(pl.len()) != 5),
        "overlap": spans.with_columns(
            pl.when(pl.int_range(pl.len()) == 5)
            .then(pl.col("num_tokens") + 1)
            .otherwise("num_tokens")
        ),
        "last sequence missing": spans.filter(pl.col("sequence") < pl.col("sequence").max()),
    }
    for name, wrong in cases.items():
        assert not mix_audit.tiled(wrong.lazy(), shape).passed, name
    assert mix_audit.tiled(spans.lazy(), shape).passed
    lopsided = spans.filter(pl.col("stratum") != "primary_zh")
    finding = mix_audit.ratios_hold(lopsided.lazy(), plan)
    assert not finding.passed and "primary_zh_share 0.0000 instead of 0.4000" in finding.description
    leaked = spans.select("doc_id").head(1).lazy()
    assert not mix_audit.none_held_out(spans.lazy(), leaked).passed
    unknown = pl.LazyFrame({"doc_id": ["nobody"]})
    assert mix_audit.none_held_out(spans.lazy(), unknown).passed


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
