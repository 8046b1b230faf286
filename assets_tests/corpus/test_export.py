"""The exported JSON lines: their form, that they parse back, and what a check finds in bad ones."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.conftest import rows_of
from carebot_assets.corpus import export, manifest
from carebot_assets.corpus.export import Codec
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.settings import CorpusSettings, CorpusSource, Settings
from carebot_assets.store import Store, StoreError

TEXTS = ['高血压需要"限盐"。\n\n患者应定期测量血压。', "Tab\t, \\ and \u2028 and 🩺 and \x7f.", "a"]


def corpus_of(texts: list[str]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """`filtered_corpus` and `documents` of one shard with these texts."""
    ids = [f"{i:032x}" for i in range(len(texts))]
    common = [
        {"doc_id": i, "shard": "web-00000", "source": "web", "license": "MIT", "lang": "en"}
        for i in ids
    ]
    scores = {"label": "Health", "p_medical": 0.75, "quality": 3.5, "tier": "high", "n_tokens": 7}
    kept = [c | scores | {"text": t} for c, t in zip(common, texts, strict=True)]
    read = [
        c | {"origin": f"web/a.jsonl#{i}", "source_id": f"pmc{i}"} for i, c in enumerate(common)
    ]
    return (
        rows_of("filtered_corpus", *kept).lazy(),
        rows_of("documents", *read, {"doc_id": "f" * 32}).lazy(),
    )


def lines(path: Path) -> list[Any]:
    raw = path.read_bytes()
    zst = path.suffix == ".zst"
    text = zstandard.ZstdDecompressor().stream_reader(raw).read() if zst else gzip.decompress(raw)
    return [json.loads(line) for line in text.decode().split("\n")[:-1]]


def test_private_values_in_names_of_files_and_ids_are_masked(tmp_path: Path) -> None:
    corpus, documents = corpus_of(TEXTS[:1])
    known = documents.with_columns(
        origin=pl.lit("web/jane.doe@example.com.jsonl#0"), source_id=pl.lit("tel 13812345678")
    )
    export.write(corpus, known, tmp_path, "web-00000", "gz")
    metadata = lines(tmp_path / "documents" / "web-00000.jsonl.gz")[0]["metadata"]
    assert (metadata["origin"], metadata["source_id"]) == ("web/[EMAIL]#0", "tel [PHONE]")


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_lines_have_dolmas_form(tmp_path: Path, codec: Codec) -> None:
    corpus, documents = corpus_of(TEXTS)
    counts = export.write(corpus, documents, tmp_path, "web-00000", codec)
    assert counts["num_documents"] == 3
    found = lines(tmp_path / "documents" / f"web-00000.jsonl.{codec}")
    assert [line["text"] for line in found] == TEXTS
    assert list(found[1]) == ["id", "text", "source", "metadata"]
    assert (
        found[1]["metadata"].items()
        >= {
            "license": "MIT",
            "origin": "web/a.jsonl#1",
            "source_id": "pmc1",
            "quality": 3.5,
            "tier": "high",
            "n_tokens": 7,
        }.items()
    )
    scores = lines(tmp_path / "attributes" / "carebot" / f"web-00000.jsonl.{codec}")
    assert scores[0] == {
        "id": found[0]["id"],
        "source": "web",
        "attributes": {
            "carebot__domain__medical": [[0, len(TEXTS[0]), 0.75]],
            "carebot__quality__score": [[0, len(TEXTS[0]), 3.5]],
        },
    }
    assert isinstance(scores[0]["attributes"]["carebot__quality__score"][0][1], int)
    assert export.parses_back(tmp_path, "web-00000", codec, corpus).passed


def test_the_same_corpus_gives_the_same_bytes(tmp_path: Path) -> None:
    corpus, documents = corpus_of(TEXTS)
    for folder in ("a", "b"):
        export.write(corpus, documents, tmp_path / folder, "web-00000", "gz")
    for a in (tmp_path / "a").rglob("*.gz"):
        assert a.read_bytes() == (tmp_path / "b" / a.relative_to(tmp_path / "a")).read_bytes()


def test_an_empty_shard(tmp_path: Path) -> None:
    tmp_path = tmp_path / "[it's*]"
    corpus, documents = corpus_of([])
    export.write(corpus, documents, tmp_path, "web-00000", "gz")
    finding = export.parses_back(tmp_path, "web-00000", "gz", corpus)
    assert finding.passed and finding.metadata["num_documents"] == 0


def test_a_missing_score_is_no_span(tmp_path: Path) -> None:
    corpus, documents = corpus_of(TEXTS[:1])
    unscored = corpus.with_columns(quality=pl.lit(None, pl.Float64))
    export.write(unscored, documents, tmp_path, "web-00000", "gz")
    (line,) = lines(tmp_path / "attributes" / "carebot" / "web-00000.jsonl.gz")
    assert line["attributes"]["carebot__quality__score"] == []
    assert export.parses_back(tmp_path, "web-00000", "gz", unscored).passed


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text_parses_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("export")
    corpus, documents = corpus_of(texts)
    export.write(corpus, documents, folder, "web-00000", "zst")
    assert [d["text"] for d in lines(folder / "documents" / "web-00000.jsonl.zst")] == texts
    assert export.parses_back(folder, "web-00000", "zst", corpus).passed


def _rewrite(path: Path, change: Any) -> None:
    rows = [json.dumps(line, ensure_ascii=False) for line in change(lines(path))]
    path.write_bytes(gzip.compress("".join(row + "\n" for row in rows).encode()))


@pytest.mark.parametrize(
    ("name", "change", "num_different"),
    [
        ("documents", lambda ls: ls[:-1], {"documents": 1, "attributes": 1}),
        ("documents", lambda ls: [ls[1], ls[0], ls[2]], {"documents": 2, "attributes": 2}),
        (
            "documents",
            lambda ls: [ls[0] | {"text": ""}, *ls[1:]],
            {"documents": 1, "attributes": 1},
        ),
        ("attributes/carebot", lambda ls: [ls[1], ls[0], ls[2]], {"documents": 0, "attributes": 2}),
        (
            "attributes/carebot",
            lambda ls: [{**ls[0], "attributes": {}}, *ls[1:]],
            {"documents": 0, "attributes": 1},
        ),
    ],
)  # fmt: skip
def test_a_changed_export_is_found(
    tmp_path: Path, name: str, change: Any, num_different: dict[str, int]
) -> None:
    corpus, documents = corpus_of(TEXTS)
    export.write(corpus, documents, tmp_path, "web-00000", "gz")
    _rewrite(tmp_path / name / "web-00000.jsonl.gz", change)
    finding = export.parses_back(tmp_path, "web-00000", "gz", corpus)
    assert not finding.passed
    assert finding.metadata["num_different"] == num_different


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(gzip.compress(b'{"id": "a", "text"\n')), "does not parse"),
        (lambda path: path.unlink(), "No files found"),
    ],
)
def test_a_damaged_export_is_named(tmp_path: Path, damage: Any, words: str) -> None:
    corpus, documents = corpus_of(TEXTS)
    export.write(corpus, documents, tmp_path, "web-00000", "gz")
    damage(tmp_path / "documents" / "web-00000.jsonl.gz")
    finding = export.parses_back(tmp_path, "web-00000", "gz", corpus)
    assert not finding.passed and words in finding.description


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_an_export_is_a_source(demo: Settings, tmp_path: Path, codec: Codec) -> None:
    corpus, documents = corpus_of([TEXTS[0], "Chest pain needs a doctor. 胸痛。"])
    export.write(corpus, documents, tmp_path, "web-00000", codec)
    source = CorpusSource(path=str(tmp_path / "documents" / "*"), id="id")
    profile = demo.model_copy(update={"corpus": CorpusSettings(sources={"again": source})})
    plan = manifest.scan(profile)
    read = ShardReader(plan, profile.corpus).documents().collect()
    assert read["text"].to_list() == corpus.collect()["text"].to_list()
    assert read["source_id"].to_list() == corpus.collect()["doc_id"].to_list()
    source = CorpusSource(path=str(tmp_path / "documents" / "*"), id="metadata.source_id")
    profile = demo.model_copy(update={"corpus": CorpusSettings(sources={"again": source})})
    first = ShardReader(manifest.scan(profile), profile.corpus).documents().collect()
    assert first["source_id"].to_list() == ["pmc0", "pmc1"], "the first publisher's ids"


def _publish(store: Store, *exported: str) -> None:
    plan = [{"shard": f"web-0000{i}", "file": f"{i}", "source": "web"} for i in range(2)]
    with store.publish("corpus_manifest") as draft:
        draft.write(rows_of("corpus_manifest", *plan))
    for shard in exported:
        with store.publish("corpus_export", shard) as draft:
            export.write(*corpus_of(TEXTS), draft.dir, shard, "gz")


def test_shards_are_collected_in_one_folder(store: Store, tmp_path: Path) -> None:
    _publish(store, "web-00000", "web-00001", "gone-00000")
    assert store.partitions("corpus_export") == ["gone-00000", "web-00000", "web-00001"]
    out = tmp_path / "out"
    assert export.collect(store, out) == 2
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert files == [
        "attributes/carebot/web-00000.jsonl.gz",
        "attributes/carebot/web-00001.jsonl.gz",
        "documents/web-00000.jsonl.gz",
        "documents/web-00001.jsonl.gz",
    ]
    with pytest.raises(ValueError, match="out is not an empty folder"):
        export.collect(store, out)


def test_a_shard_not_exported_is_named(store: Store, tmp_path: Path) -> None:
    _publish(store, "web-00000")
    with pytest.raises(StoreError, match=r"corpus_export\[web-00001\] has not been materialized"):
        export.collect(store, tmp_path / "out")
    assert not (tmp_path / "out").exists()
