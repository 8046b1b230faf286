"""The mixes as assets, with their checks, on a small corpus of two shards."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.corpus.tiny_tokenizer import EN, ZH, write_tokenizer
from carebot_assets.corpus import mix_index
from carebot_assets.defs.checking import CHECKS, Shelf, build_checks
from carebot_assets.defs.corpus import assets as corpus_assets  # noqa: F401 - registers an input
from carebot_assets.defs.corpus import selection_assets  # noqa: F401 - registers inputs
from carebot_assets.defs.instruction import assets as instruction  # noqa: F401 - registers inputs
from carebot_assets.defs.pretraining import assets, checks  # noqa: F401 - declares
from carebot_assets.defs.recipe import RECIPES
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

SECRET = (
    "Gallstones should be looked for by ultrasound before any operation on the pancreas, and the "
    "patient should be told what the findings mean."
)
SHARDS = ("a-00000", "b-00000")


def documents(table: str, shard: str, count: int) -> pl.DataFrame:
    rows: list[dict[str, object]] = [
        {
            "doc_id": f"{table}-{shard}-{lang}-{i:03}",
            "shard": shard,
            "source": f"source_{i % 2}",
            "lang": lang,
            "text": texts[i % 12] * (1 + i % 4),
            "n_tokens": 20,
            "tier": "very_high" if i % 2 else "high",
        }
        for lang, texts in (("zh", ZH), ("en", EN))
        for i in range(count)
    ]
    columns = rows_of(table).columns
    return rows_of(table, *({k: v for k, v in row.items() if k in columns} for row in rows))


def talks(source: str, count: int, extra: str | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    texts = [(lang, text) for lang, part in (("zh", ZH), ("en", EN)) for text in part] * 4
    texts = [*texts[:count], *([("en", extra)] if extra else [])]
    ids = [f"{source}-{i:03}" for i in range(len(texts))]
    dialogues = [
        {
            "record_id": record_id, "source": source, "lang": lang,
            "turns": [{"role": "user", "text": "?"}, {"role": "assistant", "text": text}],
        }
        for record_id, (lang, text) in zip(ids, texts, strict=True)
    ]  # fmt: skip
    verdicts = [{"record_id": record_id, "source": source, "verdict": "keep"} for record_id in ids]
    return rows_of("sft_dialogues", *dialogues), rows_of("sft_verdicts", *verdicts)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Store:
    values = {"store__root": tmp_path / "store", "pretraining__sequence_length": 32}
    values |= {"pretraining__stable_mix__tokens": 6000, "pretraining__boost_mix__tokens": 3000}
    for name, value in values.items():
        monkeypatch.setenv(f"CAREBOT_SET__{name}", str(value))
    current_settings.cache_clear()
    store = Store(tmp_path / "store")

    def publish(name: str, frame: pl.DataFrame, partition: str | None = None) -> None:
        with store.publish(name, partition) as draft:
            draft.write(frame)

    publish("corpus_manifest", rows_of("corpus_manifest", *({"shard": s} for s in SHARDS)))
    for shard in SHARDS:
        for table in ("filtered_corpus", "general_corpus"):
            publish(table, documents(table, shard, 120), shard)
    held = store.scan("filtered_corpus").head(2).collect()
    rows = held.select("doc_id", "shard", "lang", "text").to_dicts()
    for row in rows:
        row |= {"stratum": "medical_zh", "text": f"held out {row['doc_id']} " * 8}
    rows.append({"doc_id": "x", "lang": "en", "stratum": "general", "text": SECRET})
    publish("held_out_text", rows_of("held_out_text", *rows))
    for number, source in enumerate(sorted(current_settings().instruction.sources)):
        # An instruction record that repeats a held-out text under another id.
        extra = f"Doctor: {SECRET} Goodbye." if number == 0 else None
        for name, frame in zip(
            ("sft_dialogues", "sft_verdicts"), talks(source, 80, extra), strict=True
        ):
            publish(name, frame, source)
    with store.publish("base_model") as draft:
        write_tokenizer(draft.dir)
        draft.metadata.update({"tokens_per_character_zh": 0.9, "unknown_ratio_zh": 0.0})
    return store


def run(*mixes: dg.AssetsDefinition, raise_on_error: bool = True) -> dict[str, bool]:
    result = dg.materialize(
        [*mixes, *build_checks(*(mix.key.to_user_string() for mix in mixes))],
        resources={"workshop": Workshop()},
        raise_on_error=raise_on_error,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return {
        f"{e.asset_key.to_user_string()}.{e.check_name}": e.passed
        for e in result.get_asset_check_evaluations()
    }


def test_both_mixes_hold_what_was_asked_and_nothing_held_out(store: Store) -> None:
    verdicts = run(assets.stable_mix, assets.boost_mix)
    assert len(verdicts) == 16 and all(verdicts.values()), verdicts
    for name in ("stable_mix", "boost_mix"):
        files = {path.name for path in store.path(name).iterdir()}
        assert files == {
            "data.parquet",
            "document_starts.npy",
            "manifest.json",
            "receipts.json",
            "tokens.npy",
        }
        metadata = store.require(name).metadata
        assert metadata["tokens_per_second"] > 0
        assert metadata["receipts"].startswith("| stratum | source | asked |")
        origin = mix_index.token_origin(store.scan(name), 1, 5)
        assert mix_index.document_spans(store.scan(name), origin.doc_id).height
    receipts = json.loads((store.path("boost_mix") / "receipts.json").read_text("utf-8"))
    assert receipts["seed"] == current_settings().seed
    sources = {row["source"] for row in receipts["sources"]}
    assert {"source_0", "source_1"} & sources and len(sources) > 2
    assert RECIPES["boost_mix"].current(store, None) is not None


def test_a_repeated_held_out_text_under_another_id_stays_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than there is, so that every record is read.
    monkeypatch.setenv("CAREBOT_SET__pretraining__boost_mix__tokens", "900000")
    current_settings.cache_clear()
    assert all(run(assets.boost_mix).values())
    metadata = store.require("boost_mix").metadata
    assert metadata["num_held_out_documents"] == 1 and metadata["scale"] < 1
    # Let in, it is found in the token file.
    monkeypatch.setattr(assets, "held_out_index", lambda step: None)
    monkeypatch.setenv("CAREBOT_SET__pretraining__boost_mix__tokens", "900001")
    current_settings.cache_clear()
    verdicts = run(assets.boost_mix, raise_on_error=False)
    assert [name for name, passed in verdicts.items() if not passed] == [
        "boost_mix.no_held_out_text"
    ]


def test_each_check_fails_on_what_it_is_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run(assets.stable_mix)
    folder = store.path("stable_mix")
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    spans = store.scan("stable_mix").collect()
    tokens, starts = np.load(folder / "tokens.npy"), np.load(folder / "document_starts.npy")
    shelf = Shelf("stable_mix", None, store, current_settings())

    def failed() -> set[str]:
        found = {n for n, c in CHECKS["stable_mix"].items() if not c.expectation(shelf).passed}
        for file, content in whole.items():
            (folder / file).write_bytes(content)
        return found

    assert failed() == set()
    spans.filter(pl.col("stratum") != "secondary_zh").write_parquet(folder / "data.parquet")
    assert {"token_ratios", "tiled", "boundaries_recorded"} <= failed()
    held = store.scan("held_out_text").collect()["doc_id"][0]
    spans.with_columns(
        doc_id=pl.when(pl.int_range(pl.len()) == 9).then(pl.lit(held)).otherwise("doc_id")
    ).write_parquet(folder / "data.parquet")
    assert "no_held_out_document" in failed()
    np.save(folder / "document_starts.npy", starts[1:])
    assert failed() == {"boundaries_recorded"}
    np.save(folder / "tokens.npy", np.ascontiguousarray(tokens[::-1]))
    assert {"tokens_are_text", "boundaries_recorded"} <= failed()
    from carebot_assets.corpus import packing

    tokenizer, _ = packing.load_tokenizer(store.path("base_model"))
    ids = tokenizer.encode(SECRET).ids
    leaked = tokens.copy()
    leaked.reshape(-1)[100 : 100 + len(ids)] = ids
    # All of it in one document.
    spans.with_columns(doc_id=pl.lit("one")).write_parquet(folder / "data.parquet")
    np.save(folder / "tokens.npy", leaked)
    assert "no_held_out_text" in failed()
    spans.extend(spans[:1]).write_parquet(folder / "data.parquet")
    assert "unique_key" in failed()

    check = CHECKS["base_model"]["covers_chinese"].expectation
    base = Shelf("base_model", None, store, current_settings())
    assert check(base).passed
    monkeypatch.setenv("CAREBOT_SET__pretraining__max_zh_tokens_per_character", "0.8")
    current_settings.cache_clear()
    assert not check(Shelf("base_model", None, store, current_settings())).passed
