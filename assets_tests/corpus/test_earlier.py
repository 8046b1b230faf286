"""Earlier corpora in every form they come in, and what is said of the others."""

import gzip
import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
import zstandard

from assets_tests.corpus.test_clustering import clusters, signatures, words
from assets_tests.corpus.test_minhash import documents
from carebot_assets.corpus import earlier, minhash
from carebot_assets.settings import DuplicateSettings, load_settings
from carebot_assets.store import Store

OLD = [" ".join(words(seed)) for seed in (1, 2, 3)]
LINES = "".join(
    json.dumps({"id": f"old-{i}", "text": text, "source": "s", "metadata": {"n": i}}) + "\n"
    for i, text in enumerate(OLD)
).encode()
NEW = [OLD[1] + " and more", " ".join(words(4))]


def against(*names: str | Path) -> DuplicateSettings:
    return DuplicateSettings(against=[str(name) for name in names])


def clustered(chosen: DuplicateSettings) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        return clusters(signatures(NEW), chosen, **earlier.signatures(chosen, Path(folder)))


def matches(chosen: DuplicateSettings) -> list[tuple[str, str]]:
    table = clustered(chosen)
    assert table["doc_id"].to_list() == [f"{0:032x}"]
    return table.select("kept_id", "kept_in").rows()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("old.jsonl", LINES),
        ("old.jsonl.gz", gzip.compress(LINES)),
        ("old.jsonl.zst", zstandard.compress(LINES)),
    ],
)
def test_text_in_jsonl(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    chosen = against(tmp_path / name)
    assert matches(chosen) == [("old-1", str(tmp_path / name))]
    assert earlier.files(chosen.against) == [tmp_path / name]


def test_text_and_signatures_in_parquet(tmp_path: Path) -> None:
    texts = pl.DataFrame({"doc_id": [7, 8, 9], "text": OLD})
    texts[:2].write_parquet(tmp_path / "texts-1.parquet")
    texts[2:].write_parquet(tmp_path / "texts-2.parquet")
    signatures(OLD).sink_parquet(tmp_path / "signatures.parquet")
    pattern = str(tmp_path / "texts-*.parquet")
    assert matches(against(pattern)) == [("8", pattern)]
    name = str(tmp_path / "signatures.parquet")
    assert matches(against(name)) == [(f"{1:032x}", name)]
    # The first corpus named that holds it.
    assert matches(against(name, pattern)) == [(f"{1:032x}", name)]


def test_a_store_gives_the_documents_of_its_corpora(tmp_path: Path) -> None:
    store = Store(tmp_path / "old")
    frame = documents(OLD)
    with store.publish("minhash_signatures", "web-00001") as draft:
        draft.write(minhash.signatures(frame.lazy(), DuplicateSettings()))
    chosen = against(store.root)
    with pytest.raises(ValueError, match=r"holds none of .*filtered_corpus"):
        earlier.signatures(chosen, tmp_path)
    kept = frame.select("doc_id", "shard", "source", "lang", "text", license=pl.lit("MIT"))
    kept = kept.with_columns(n_tokens=pl.lit(1), label=pl.lit("x"), p_medical=pl.lit(0.1))
    with store.publish("general_corpus", "web-00001") as draft:
        draft.write(kept[1:2])
    assert matches(chosen) == [(f"{1:032x}", str(store.root))]
    held = next(iter(earlier.signatures(chosen, tmp_path).values()))
    assert held.select(pl.len()).collect().item() == 1
    assert len(earlier.files(chosen.against)) == 2


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("old.txt", b"text", "old.txt is neither Parquet nor"),
        ("old.jsonl", b'{"text": "a"}\n', "neither signatures nor a text and one of .*'text'"),
        ("old.jsonl", b'{"id": 1, "text": ["a"]}\n', "neither signatures nor a text"),
        ("old.jsonl", b"no json\n", r"old\.jsonl"),
        ("old.jsonl", LINES + b'{"id": 1, "te', r"old\.jsonl"),
        ("old.parquet", b"PAR?", r"old\.parquet"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    chosen = against(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        clustered(chosen)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"duplicates\.against: .*nothing.* is neither a store"):
        earlier.files([str(tmp_path / "nothing*")])


def test_signatures_of_another_method_are_refused_by_name(tmp_path: Path) -> None:
    signatures(OLD, DuplicateSettings(ngram=3)).sink_parquet(tmp_path / "old.parquet")
    chosen = against(tmp_path / "old.parquet")
    with pytest.raises(ValueError, match=r"old\.parquet: signatures of method .*n=3"):
        clustered(chosen)


def test_earlier_corpora_are_found_from_the_profile_file(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("extends: demo\nduplicates: {against: [old/*.jsonl, /new.parquet]}")
    found = load_settings(str(profile), {}).duplicates.against
    assert found == [str(tmp_path / "old/*.jsonl"), "/new.parquet"]


def test_too_little_memory_is_said_by_the_name_of_the_setting(tmp_path: Path) -> None:
    texts = [" ".join(words(i % 700)) for i in range(1400)]
    chosen = DuplicateSettings(memory_limit_mb=1)
    with pytest.raises(ValueError, match=r"duplicates\.memory_limit_mb = 1 is too little"):
        clusters(signatures(texts), chosen)
