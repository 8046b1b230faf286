"""Shard plans: what is refused, and that a planned file never changes its shard."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        ({"path": "x.dat"}, "cannot tell the format of .*x.dat; set `format` to one of csv"),
        ({"path": "x.txt", "encoding": "klingon"}, "unknown encoding 'klingon'; .* gb18030"),
        ({"path": "x.txt", "encoding": "base64"}, "unknown encoding 'base64'"),
        ({"path": "links/*.txt"}, "outside.txt leaves .*links, by `..` or a link"),
        ({"path": "links/*/../../x.txt"}, r"x.txt leaves .*links, by `\.\.` or a link"),
        ({"path": "odd*"}, r"odd\\u202etxt\.jsonl': the name holds invisible characters"),
    ],
)
def test_refused(demo: Settings, tmp_path: Path, source: dict[str, Any], message: str) -> None:
    write(tmp_path, x__dat="a", x__txt="a", links_S_in__txt="a")
    (tmp_path / "links" / "outside.txt").symlink_to(tmp_path / "x.txt")
    (tmp_path / "links" / "deep").mkdir()
    (tmp_path / "odd\u202etxt.jsonl").touch()
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


@pytest.mark.parametrize("name", ["bad.csv.gz", "bad.jsonl.zst", "bad.parquet"])
def test_a_damaged_file_does_not_stop_the_plan_of_the_others(
    demo: Settings, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"neither gzip nor zstd nor parquet")
    write(tmp_path, good__txt="a")
    plan = manifest.scan(plan_settings(demo, shard_bytes=5, s={"path": str(tmp_path / "*.*")}))
    assert plan["name"].to_list() == [name, "good.txt"]


# Names and the lengths of the lines of their files.
FILES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.lists(st.integers(1, 300), max_size=8)
)


@settings(max_examples=60, deadline=None)
@given(FILES, FILES, st.sampled_from([64, 256, 5000]))
def test_adding_files_never_moves_an_existing_one(
    demo: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    old: dict[str, list[int]],
    added: dict[str, list[int]],
    other_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("files")

    def planned(previous: pl.DataFrame | None, shard_bytes: int = 256) -> pl.DataFrame:
        source = {"path": str(folder / "*.txt"), "format": "lines", "encoding": "utf-8"}
        return manifest.scan(plan_settings(demo, shard_bytes, s=source), previous)

    for name, lengths in {"first": [1], **old}.items():
        (folder / f"{name}.txt").write_text("".join("x" * n + "\n" for n in lengths))
    before = planned(None)
    assert_whole(folder, before)
    for name, lengths in added.items():
        if name not in old:
            (folder / f"{name}.txt").write_text("".join("y" * n + "\n" for n in lengths))
    after = planned(before, other_bytes)
    assert_whole(folder, after)
    mine = after.filter(pl.col("name").is_in(before["name"].to_list()))
    assert mine.equals(before), "whatever the size of a shard is now"
    new = after.filter(~pl.col("name").is_in(before["name"].to_list()))
    assert not set(new["shard"]) & set(before["shard"])
    assert planned(after, other_bytes).equals(after)


def assert_whole(folder: Path, plan: pl.DataFrame) -> None:
    """The parts of every file follow each other, and each begins where a line does."""
    for (name,), parts in plan.group_by("name"):
        content = (folder / str(name)).read_bytes()
        starts, stops = parts["start"].to_list(), parts["stop"].to_list()
        assert [*starts, len(content)] == [0, *stops]
        assert all(content[start - 1 : start] == b"\n" for start in starts[1:])
        assert parts["first"].to_list() == [content[:start].count(b"\n") for start in starts]
