"""Shard plans: what is refused, and that a planned file never changes its shard."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.conftest import rows_of
from carebot_assets.corpus import manifest
from carebot_assets.settings import CorpusSettings, CorpusSource, Settings


def plan_settings(demo: Settings, shard_bytes: int = 10**9, **sources: dict[str, Any]) -> Settings:
    corpus = CorpusSettings(
        shard_bytes=shard_bytes,
        sources={name: CorpusSource.model_validate(source) for name, source in sources.items()},
    )
    return demo.model_copy(update={"corpus": corpus})


def write(folder: Path, **files: bytes | str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", ".").replace("_S_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_formats_encodings_and_pins(demo: Settings, tmp_path: Path) -> None:
    write(
        tmp_path,
        a__jsonl='{"text": "a"}\n',
        b__csv="标题,正文\n高血压,血压持续升高的慢性疾病\n".encode("gb18030"),
        c__csv="text\nna\u00efve caf\u00e9 d\u00e9j\u00e0 vu\n".encode("latin-1"),
        d__tsv="\ufefftext\n糖尿病\n",
        e__txt="糖尿病".encode("utf-16"),
        f__json='{"text": "a"}\n{"text": "b"}\n',
        g__json="[1]",
    )
    plan = manifest.scan(plan_settings(demo, s={"path": str(tmp_path / "*"), "license": "MIT"}))
    assert dict(plan.select("name", "format").iter_rows()) == {
        "a.jsonl": "jsonl",
        "b.csv": "csv",
        "c.csv": "csv",
        "d.tsv": "tsv",
        "e.txt": "txt",
        "f.json": "jsonl",
        "g.json": "json",
    }
    assert plan["encoding"].to_list() == [
        *("utf-8", "gb18030", "latin-1", "utf-8-sig", "utf-16", "utf-8", "utf-8")
    ]
    assert set(plan["shard"]) == {"s-00000"}
    assert set(plan["license"]) == {"MIT"}
    assert plan["sha256"][0] == (__import__("hashlib").sha256(b'{"text": "a"}\n').hexdigest())


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ('{"text": "血压"}\n'.encode() * 50 + b'{"text": "\xff\xfe"}\n', "utf-8"),
        (b'{"text": "plain \xe9"}\n', "utf-8"),  # JSON is UTF-8: the record is broken
        (("高血压是一种慢性疾病。" * 50).encode("gb18030") + b"\xff", "gb18030"),
    ],
)
def test_single_bad_bytes_do_not_change_the_encoding(
    demo: Settings, tmp_path: Path, content: bytes, encoding: str
) -> None:
    write(tmp_path, a__jsonl=content)
    plan = manifest.scan(plan_settings(demo, s={"path": str(tmp_path / "*.jsonl")}))
    assert plan["encoding"].to_list() == [encoding]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"path": "nothing/*.csv"}, r"corpus\.sources\.web: no file matches .*nothing/\*\.csv"),
        ({"path": "x.dat"}, "cannot tell the format of .*x.dat; set `format` to one of jsonl"),
        ({"path": "x.txt", "encoding": "klingon"}, "unknown encoding 'klingon'; .* gb18030"),
        ({"path": "links/*.txt"}, "outside.txt is a link that leaves .*links"),
        ({"path": "bad.csv.gz"}, "bad.csv.gz cannot be read as csv.gz"),
    ],
)
def test_refused(demo: Settings, tmp_path: Path, source: dict[str, Any], message: str) -> None:
    write(tmp_path, x__dat="a", x__txt="a", bad__csv__gz="not gzip", links_S_in__txt="a")
    (tmp_path / "links" / "outside.txt").symlink_to(tmp_path / "x.txt")
    source["path"] = str(tmp_path / source["path"])
    with pytest.raises(ValueError, match=message):
        manifest.scan(plan_settings(demo, web=source))


def test_source_names_are_shard_names(demo: Settings, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"name 'a/b' may hold letters"):
        manifest.scan(plan_settings(demo, **{"a/b": {"path": str(tmp_path)}}))


def test_links_inside_the_source_are_fine(demo: Settings, tmp_path: Path) -> None:
    write(tmp_path, real__txt="a")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    plan = manifest.scan(plan_settings(demo, s={"path": str(tmp_path / "*.txt")}))
    assert plan["name"].to_list() == ["link.txt", "real.txt"]


def test_new_files_open_new_shards(demo: Settings, tmp_path: Path) -> None:
    write(tmp_path, b__txt="b" * 40, d__txt="d" * 40, e__txt="e" * 40)
    config = plan_settings(demo, shard_bytes=100, s={"path": str(tmp_path / "*.txt")})
    first = manifest.scan(config)
    assert first["shard"].to_list() == ["s-00000", "s-00000", "s-00001"]
    write(tmp_path, a__txt="a", b__txt="changed", f__txt="f" * 200)
    (tmp_path / "e.txt").unlink()
    second = manifest.scan(config, first)
    assert dict(second.select("name", "shard").iter_rows()) == {
        "a.txt": "s-00002",
        "b.txt": "s-00000",
        "d.txt": "s-00000",
        "f.txt": "s-00003",
    }


FILES = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.integers(0, 300))


@settings(max_examples=60, deadline=None)
@given(FILES, FILES)
def test_adding_files_never_moves_an_existing_one(
    demo: Settings, old: dict[str, int], added: dict[str, int]
) -> None:
    config = plan_settings(demo, shard_bytes=256)

    def planned(files: dict[str, int], previous: pl.DataFrame | None) -> dict[str, str]:
        rows = [{"name": name, "bytes": size} for name, size in sorted(files.items())]
        return {row["name"]: row["shard"] for row in manifest._assign("s", rows, previous, config)}

    before = planned(old, None)
    rows = [{"source": "s", "name": name, "shard": shard} for name, shard in before.items()]
    previous = rows_of("corpus_manifest", *rows)
    after = planned({**added, **old}, previous)
    assert {name: after[name] for name in old} == before
    assert not {after[name] for name in set(added) - set(old)} & set(before.values())
    assert planned(old, previous) == before
