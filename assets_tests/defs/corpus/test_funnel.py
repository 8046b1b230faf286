"""What the funnel says of private information, over shards of two sources in both languages."""

from collections import Counter
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.corpus.private_values import VALUES
from carebot_assets.corpus import funnel, measures, rules
from carebot_assets.defs.corpus import assets, selection_assets  # noqa: F401 - declare the inputs
from carebot_assets.defs.corpus.funnel_assets import quality_funnel
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

# Of each shard: language and, document by document, how often each kind stands in it.
SHARDS: dict[str, list[tuple[str, dict[str, int]]]] = {
    "clinic-00000": [
        ("zh", {"phone": 2, "person_name": 1}),
        ("zh", {"phone": 1}),
        ("en", {"phone": 1, "us_ssn": 3}),
    ],
    "clinic-00001": [("zh", {"phone": 4}), ("en", {}), ("en", {"email": 1})],
    "forum-00000": [("en", {"phone": 1, "email": 2}), ("zh", {"email": 1}), ("zh", {})],
    # Every kind in both languages, so that no kind is left out.
    "scans-00000": [(lang, {kind: 1}) for kind in VALUES for lang in ("zh", "en")],
}


def texts(planted: list[tuple[str, dict[str, int]]]) -> list[str]:
    return ["".join(VALUES[k][lang].sentence * n for k, n in one.items()) for lang, one in planted]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Store:
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    current_settings.cache_clear()
    store = Store(tmp_path / "store")

    def publish(name: str, frame: pl.LazyFrame | pl.DataFrame, shard: str | None = None) -> None:
        with store.publish(name, shard) as draft:
            draft.write(frame)

    publish(
        "corpus_manifest", rows_of("corpus_manifest", *({"file": s, "shard": s} for s in SHARDS))
    )
    for shard, planted in SHARDS.items():
        about = {"shard": shard, "source": shard.partition("-")[0], "n_tokens": 1}
        rows = [
            about | {"doc_id": f"{shard}/{i}", "lang": lang, "text": text}
            for i, ((lang, _), text) in enumerate(zip(planted, texts(planted), strict=True))
        ]
        documents = rows_of("documents", *rows).lazy()
        measured = measures.measure(documents).collect()
        publish("text_measures", measured, shard)
        judged = {"rule_verdicts": rules.decide(measured.lazy(), current_settings().rules)}
        quarantine = rows_of("quarantine").lazy()
        publish("shard_tally", funnel.tally(shard, documents, quarantine, judged), shard)
        publish("filtered_corpus", rows_of("filtered_corpus"), shard)
    return store


def test_private_information_is_counted_by_kind_source_and_language(store: Store) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [quality_funnel], instance=instance, resources={"workshop": Workshop()}
        )
        [event] = result.asset_materializations_for_node("quality_funnel")
    shown = event.metadata["private_information"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    header, _, *lines = [line.strip("| ").split(" | ") for line in str(shown.value).split("\n")]
    assert header == ["kind", "source", "lang", "documents", "occurrences"]
    documents, occurrences = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for shard, planted in SHARDS.items():
        for lang, kinds in planted:
            for kind, count in kinds.items():
                documents[kind, shard.partition("-")[0], lang] += 1
                occurrences[kind, shard.partition("-")[0], lang] += count
    assert documents["phone", "clinic", "zh"] == 3 and occurrences["phone", "clinic", "zh"] == 7
    wanted = [[*key, str(documents[key]), str(occurrences[key])] for key in sorted(documents)]
    assert lines == wanted
