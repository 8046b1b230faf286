"""The ceilings on what deduplication removes, as a blocking check over real duplicates."""

import random
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.corpus import minhash
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import assets, selection_checks  # noqa: F401 - declare the inputs
from carebot_assets.defs.corpus.selection_assets import duplicate_clusters, duplicate_verdicts
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

Group = tuple[str, str]
GROUPS: list[Group] = [("web", "zh"), ("web", "en"), ("books", "zh"), ("books", "en")]
NUM_DOCUMENTS = 100  # of each group
SHARDS = ("web-00000", "books-00000")
LETTERS = {"zh": "血压心肝脾肺肾发热咳嗽头痛胸闷药", "en": "abcdefghijklmnop"}


def text(lang: str, seed: int) -> str:
    rng = random.Random(seed)
    words = ("".join(rng.choices(LETTERS[lang], k=4)) for _ in range(30))
    return (" " if lang == "en" else "").join(words)


def documents(shard: str, copies: dict[Group, int], of_one: bool) -> pl.DataFrame:
    """A source's documents in both languages: so many of each are copies, of one or all others."""
    rows = []
    for number, (source, lang) in enumerate(GROUPS):
        num_originals = NUM_DOCUMENTS - copies.get((source, lang), 0)
        for i in range(NUM_DOCUMENTS):
            original = i if i < num_originals else 0 if of_one else i % num_originals
            about = {"doc_id": f"{number:02d}{i:030d}", "shard": shard, "n_chars": 1}
            about |= {"source": source, "lang": lang, "text": text(lang, 1000 * number + original)}
            rows += [about] if shard.startswith(source) else []
    return rows_of("documents", *rows)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Store:
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    current_settings.cache_clear()
    store = Store(tmp_path / "store")
    with store.publish("corpus_manifest") as draft:
        draft.write(rows_of("corpus_manifest", *({"file": s, "shard": s} for s in SHARDS)))
    return store


WEB_ZH, WEB_EN, BOOKS_ZH, BOOKS_EN = GROUPS


@pytest.mark.parametrize(
    ("copies", "of_one", "over"),
    [
        ({}, False, None),
        ({WEB_ZH: 60, WEB_EN: 60}, False, None),  # at the ceiling
        ({WEB_ZH: 90, BOOKS_EN: 20}, False, None),  # too many of no source and of no language
        ({WEB_ZH: 60, WEB_EN: 61}, False, "source web loses 60.5%"),
        ({BOOKS_ZH: 75, BOOKS_EN: 60}, False, "source books loses 67.5%"),
        ({WEB_ZH: 60, BOOKS_ZH: 75}, False, "lang zh loses 67.5%"),
        ({WEB_EN: 75, BOOKS_EN: 60}, False, "lang en loses 67.5%"),
        ({BOOKS_EN: 39}, True, None),
        ({BOOKS_EN: 40}, True, "one cluster holds 10.2% of all documents"),
    ],
)
def test_too_much_removed_stops_the_run(
    store: Store, copies: dict[Group, int], of_one: bool, over: str | None
) -> None:
    for shard in SHARDS:
        frame = documents(shard, copies, of_one)
        kept = pl.DataFrame({"verdict": ["keep"], "reasons": [[]]})
        verdicts = frame.select("doc_id", "shard").join(kept, how="cross").to_dicts()
        signatures = minhash.signatures(frame.lazy(), current_settings().duplicates)
        for name, table in (
            ("documents", frame),
            ("rule_verdicts", rows_of("rule_verdicts", *verdicts)),
            ("minhash_signatures", signatures),
        ):
            with store.publish(name, shard) as draft:
                draft.write(table)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("corpus_shard", list(SHARDS))
        result = dg.materialize(
            [duplicate_clusters, duplicate_verdicts, *build_checks("duplicate_clusters")],
            instance=instance,
            partition_key=SHARDS[0],
            resources={"workshop": Workshop()},
            raise_on_error=False,
        )
    assert store.require("duplicate_clusters").rows == sum(copies.values())
    found = {e.check_name: e for e in result.get_asset_check_evaluations()}
    ceiling, limits = found["removal_ceiling"], "60% a group, 10% a cluster"
    said = f"{over} over {limits}" if over else f"every removal within {limits}"
    assert (ceiling.passed, ceiling.description) == (over is None, said)
    assert ceiling.severity == dg.AssetCheckSeverity.ERROR
    assert all(check.passed for name, check in found.items() if name != "removal_ceiling")
    assert result.success is (over is None)
    assert store.partitions("duplicate_verdicts") == ([] if over else [SHARDS[0]])
