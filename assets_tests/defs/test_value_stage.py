"""The value stage on two small shards: the rater, its scores, the showdown, and their checks."""

from random import Random
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.corpus.tiny_tokenizer import EN, ZH
from assets_tests.defs.test_pretraining_comparisons import Here, trained  # noqa: F401 - a fixture
from assets_tests.defs.test_pretraining_mixes import SHARDS, store  # noqa: F401 - a fixture
from assets_tests.training.conftest import one_cpu_thread  # noqa: F401 - a fixture
from carebot_assets.defs.checking import CHECKS, Shelf, build_checks
from carebot_assets.defs.domain import assets as domain_assets  # noqa: F401 - registers inputs
from carebot_assets.defs.quality import assets as quality_assets  # noqa: F401 - registers inputs
from carebot_assets.defs.resources import Workshop
from carebot_assets.defs.value import assets, checks  # noqa: F401 - declares
from carebot_assets.raters.meta import scoring
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

TRAIN = "{max_steps: 4, batch_size: 4, learning_rate: 0.01, log_steps: 2, eval_steps: 2}"
SMALL = "{width: 16, layers: 1, heads: 2}"
SETTINGS = {
    "documents": 150, "rows_per_document": 2, "sequence_length": 24, "min_row_tokens": 8,
    "planted_share": 0.2, "rater": SMALL, "inner": SMALL, "population": 2, "batch_size": 8,
    "outer_batch_size": 8, "pretrain_steps": 20, "settle_steps": 20, "meta_steps": 8,
    "lifetime": 8, "warmup_steps": 1, "eval_steps": 2, "inner_learning_rate": 0.01,
    "showdown": f"{{seeds: 2, tokens: 1200, discards: [0.75], train: {TRAIN}}}",
}  # fmt: skip


def documents(shard: str) -> pl.DataFrame:
    """Sentences and, every fourth, letters without sense; two of each never train."""
    rng = Random(shard)
    rows = []
    for number in range(160):
        lang, texts = (("zh", ZH), ("en", EN))[number % 2]
        text = " ".join(rng.choice(texts) for _ in range(1 + number % 3))
        if number % 8 in (2, 3):
            text = "".join(chr(rng.randrange(33, 127)) for _ in range(len(text)))
        rows.append(
            {
                "doc_id": f"{shard}-{number:03}", "shard": shard, "source": f"source_{number % 3}",
                "lang": lang, "text": text, "n_tokens": len(text),
            }
        )  # fmt: skip
    return rows_of("documents", *rows)


@pytest.fixture
def judged(trained: Store, monkeypatch: pytest.MonkeyPatch) -> Store:  # noqa: F811
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"CAREBOT_SET__value__{name}", str(value))
    current_settings.cache_clear()
    for shard in SHARDS:
        frame = documents(shard)
        noise = pl.int_range(pl.len()) % 8
        dropped = {
            "duplicate_verdicts": pl.int_range(pl.len()) == 0,
            "contamination_verdicts": pl.int_range(pl.len()) == 1,
            "rule_verdicts": noise.is_in([2]),
            "quality_scores": noise.is_in([2, 3]),
        }
        for name, condition in {"documents": None, **dropped}.items():
            with trained.publish(name, shard) as draft:
                if condition is None:
                    draft.write(frame)
                    continue
                verdict = pl.when(condition).then(pl.lit("drop")).otherwise(pl.lit("keep"))
                table = frame.select("doc_id", "shard", verdict=verdict)
                draft.write(rows_of(name, *table.to_dicts()))
    return trained


RATED = {assets.VALUE, assets.BOTH, "value rater, 75% dropped"}


def run(*chosen: dg.AssetsDefinition, partition: str | None = None, **options: Any) -> Any:
    return dg.materialize(
        [*chosen, *build_checks(*(asset.key.to_user_string() for asset in chosen))],
        partition_key=partition,
        resources={"workshop": Workshop(), "launcher": Here()},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        **options,
    )


def verdicts(result: Any) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def test_from_documents_to_the_showdown(judged: Store) -> None:
    found = verdicts(run(assets.value_rater))
    assert found["inner_models_learn"] and found["scores_differ"]
    metadata = judged.require("value_rater").metadata
    assert metadata["num_held_out_documents"] == 30
    assert metadata["inner_loss_fall"] > 0 and set(metadata["planted_auc_by_kind"]) == {
        "shuffled", "noise", "spliced", "repeated",
    }  # fmt: skip
    assert set(metadata["by_source"]) == {"source_0", "source_1", "source_2"}
    assert metadata["curves"].startswith("![meta-training]")
    files = {path.name for path in judged.path("value_rater").iterdir()}
    assert files >= {scoring.WEIGHTS, scoring.NOTES, scoring.REFERENCE}
    probe = pl.read_parquet(judged.path("value_rater") / "probe.parquet")
    never = {f"{shard}-{n:03}" for shard in SHARDS for n in (0, 1)}
    assert not set(probe["doc_id"]) & never, "copies and benchmark questions teach nothing"

    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("corpus_shard", list(SHARDS))
    for shard in SHARDS:
        result = run(assets.value_scores, partition=shard, instance=instance)
        assert all(verdicts(result).values()), verdicts(result)
    table = judged.scan("value_scores").collect()
    assert table.height == 320 and table["value"].is_not_null().all()
    assert table["percentile"].is_between(0, 1).all()
    assert 0.2 < table["keep"].mean() < 0.8  # type: ignore[operator]

    found = verdicts(run(assets.rater_showdown))
    assert all(found.values()), found
    log = judged.scan("rater_showdown").collect()
    arms = {assets.RANDOM, assets.RULES, assets.QUALITY, assets.VALUE, assets.BOTH}
    assert set(log["arm"]) == arms | {"value rater, 75% dropped"}
    assert log.filter(arm=assets.VALUE)["seed"].n_unique() == 2
    metadata = judged.require("rater_showdown").metadata
    for loss, parts in metadata["compute"].items():
        charged = {arm for arm, part in parts.items() if part is not None and arm in RATED}
        assert set(metadata["compute_with_rater"][loss]) == charged
    assert metadata["num_tokens"] == 4 * 4 * 32 and metadata["rater_cost"] > 0
    assert metadata["compute"]["medical_zh"][assets.RANDOM] <= 1
    assert metadata["minus_random"][assets.RULES]["general"]["num_seeds"] == 2
    assert "| value rater |" in metadata["showdown"]


def test_what_is_trained_on_is_like_the_whole(judged: Store, monkeypatch: Any) -> None:
    """Held-out documents are taken from what the judges keep; what is left of these is drawn as
    often as what they dropped."""
    monkeypatch.setenv("CAREBOT_SET__value__documents", "120")
    current_settings.cache_clear()
    run(assets.value_rater)
    probe = pl.read_parquet(judged.path("value_rater") / "probe.parquet")
    number = pl.col("doc_id").str.slice(-3).cast(pl.Int64)
    once = probe.unique("doc_id")
    kept = once.select(~(number % 8).is_in([2, 3])).to_series()
    assert (kept == once["is_target"]).all()
    # Of 316 candidates 236 are kept, 24 of them held out: 212 of 292 are left.
    assert kept.mean() == pytest.approx(212 / 292, abs=0.13)


def test_a_rater_whose_teachers_stood_still_is_refused(judged: Store) -> None:
    run(assets.value_rater)
    with judged.publish("value_rater") as draft:
        (draft.dir / scoring.NOTES).write_text("{}", "utf-8")
        draft.metadata.update(
            {
                "inner_loss_fall": 0.0, "score_std": 0.0, "rank_stability": 0.1,
                "planted_auc": 0.5, "length_correlation": -0.9,
            }
        )  # fmt: skip
    shelf = Shelf("value_rater", None, judged, current_settings())
    found = {name: check.expectation(shelf).passed for name, check in CHECKS["value_rater"].items()}
    assert found == dict.fromkeys(found, False) and len(found) == 5


def test_nothing_to_compare_is_no_failure(judged: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREBOT_SET__value__showdown", "null")
    current_settings.cache_clear()
    run(assets.value_rater)
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("corpus_shard", list(SHARDS))
    for shard in SHARDS:
        run(assets.value_scores, partition=shard, instance=instance)
    assert all(verdicts(run(assets.rater_showdown)).values())
    assert judged.require("rater_showdown").rows == 0
