"""From files to documents and quarantine: every format, every kind of bad record."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus.test_manifest import plan_settings, write
from carebot_assets import tables
from carebot_assets.corpus import jsonpaths, manifest, records
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.corpus.recipes import Recipe
from carebot_assets.settings import CorpusSettings, Settings

GOOD = "Hypertension is a lasting rise of the blood pressure."


def read(
    demo: Settings, path: Path, max_bad_ratio: float = 1.0, max_chars: int = 1000, **source: Any
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    config = plan_settings(demo, s={"path": str(path), **source})
    limits = {"max_bad_ratio": max_bad_ratio, "max_bad_records": 0, "max_record_chars": max_chars}
    corpus = config.corpus.model_copy(update=limits)
    reader = ShardReader(manifest.scan(config), corpus)
    documents = reader.documents().collect()
    return documents, reader.quarantine(), reader.num_records


def jsonl(*rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def texts(demo: Settings, path: Path, **source: Any) -> list[str]:
    return read(demo, path, **source)[0]["text"].to_list()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_jsonl_and_its_compressed_forms(demo: Settings, tmp_path: Path, suffix: str) -> None:
    rows = jsonl({"title": "T", "text": "高血压"}, {"title": None, "text": "b"})
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix]
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(rows) + pack(jsonl({"title": " ", "text": "second member"})))
    documents, quarantine, count = read(demo, path, text=["title", "text"])
    assert documents["text"].to_list() == ["T\n\n高血压", "b", "second member"]
    assert documents["origin"].to_list() == [f"s/{path.name}#{i}" for i in range(3)]
    assert documents["doc_id"].str.len_bytes().to_list() == [32] * 3
    assert documents["lang"][0] == "zh"
    assert documents["n_tokens"][0] == 4
    assert (quarantine.height, count) == (0, 3)
    assert documents.schema == tables.BY_NAME["documents"].schema
    assert quarantine.schema == tables.BY_NAME["quarantine"].schema


def test_json_paths(demo: Settings, tmp_path: Path) -> None:
    squad = {"data": [{"paragraphs": [{"context": "a"}, {"context": "b"}]}, {"paragraphs": []}]}
    write(tmp_path, squad__json=json.dumps(squad), list__json='["x", "y"]', rows__json='[{"t": 1}]')
    path = "data[].paragraphs[].context"
    documents = read(demo, tmp_path / "squad.json", text=path)[0]
    assert documents["text"].to_list() == ["a", "b"]
    assert documents["origin"].to_list() == ["s/squad.json#0.0", "s/squad.json#0.1"]
    assert texts(demo, tmp_path / "list.json", text="[]") == ["x", "y"]
    (tmp_path / "one.json").write_text('{"t": 5, "text": "x"}')
    assert texts(demo, tmp_path / "one.json") == ["x"]
    assert read(demo, tmp_path / "one.json", text="t")[1].height == 1
    by_id = {"a": {"text": "x"}, "b": {"text": "y"}}
    (tmp_path / "by_id.json").write_text(json.dumps(by_id))
    assert texts(demo, tmp_path / "by_id.json", text="[].text") == ["x", "y"]
    _, bad, _ = read(demo, tmp_path / "rows.json", text="t")
    assert bad["error"].to_list() == ["field 't' is UBIGINT, not text"]
    (tmp_path / "n.jsonl").write_bytes(jsonl({"a": {"b.c": 1, "病": "x"}, "k": "1"}, {"a": 3}))
    documents, bad, _ = read(demo, tmp_path / "n.jsonl", text="a.病")
    assert documents["text"].to_list() == ["x"]
    assert bad["error"].to_list() == ["no field 'a.病'"]
    assert texts(demo, tmp_path / "n.jsonl", text="a.病", where={"k": "1"}) == ["x"]
    assert texts(demo, tmp_path / "n.jsonl", text="a.病", where={"k": "2"}) == []
    with pytest.raises(ValueError, match=r"a\[\].x, b\[\].x do not share their part"):
        read(demo, tmp_path / "n.jsonl", text=["a[].x", "b[].x"])


def test_bad_json_records_are_quarantined(demo: Settings, tmp_path: Path) -> None:
    lines = [
        jsonl({"text": GOOD}),
        b'{"text": "cut off\n',
        b"\n",
        b'{"text": "bad \xff byte of mary@example.com"}\n',
        jsonl({"text": "x" * 1001}),
        jsonl({"text": " \u200b "}),
        jsonl({"body": "no text"}),
        jsonl({"text": ["list"]}),
        jsonl([1, 2]),
        jsonl({"text": "last"}).rstrip(),
    ]
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    documents, bad, count = read(demo, tmp_path / "a.jsonl")
    assert documents["origin"].to_list() == ["s/a.jsonl#0", "s/a.jsonl#9"]
    errors = dict(bad.select(pl.col("origin").str.slice(10), "error").iter_rows())
    assert errors == {
        "1": "malformed JSON",
        "3": "undecodable bytes",
        "4": "record above 1000 characters",
        "5": "empty text",
        "6": "no field 'text'",
        "7": "field 'text' is ARRAY, not text",
        "8": "no field 'text'",
    }
    assert count == documents.height + bad.height == 9
    samples = dict(bad.select("error", "sample").iter_rows())
    assert samples["undecodable bytes"] == '{"text": "bad \\xff byte of [EMAIL]"}'
    assert bad["sample"].str.len_chars().max() <= 200


def test_csv_with_quirks(demo: Settings, tmp_path: Path) -> None:
    content = (
        "name,text,,,\r\n"
        '高血压,"第一行\n第二行，含""引号""与,逗号",,,\r\n'
        "\r\n"
        "糖尿病,正文,,,\r\n"
        "少一列\r\n"
        "多,一,,,,列\r\n"
        ",,,,\r\n"
    )
    (tmp_path / "a.csv").write_bytes(content.encode("gb18030"))
    documents, bad, count = read(demo, tmp_path / "a.csv", text=["name", "text"])
    assert documents["text"].to_list() == [
        '高血压\n\n第一行\n第二行，含"引号"与,逗号',
        "糖尿病\n\n正文",
    ]
    assert dict(bad.select("origin", "error").iter_rows()) == {
        "s/a.csv#2": "1 fields instead of 5",
        "s/a.csv#3": "6 fields instead of 5",
        "s/a.csv#4": "empty text",
    }
    assert count == documents.height + bad.height


def test_header_less_latin_1_and_where(demo: Settings, tmp_path: Path) -> None:
    rows = "spam,\u00a3100 f\u00fcr you\nham,na\u00efve caf\u00e9\n"
    (tmp_path / "a.csv").write_bytes(rows.encode("latin-1"))
    columns = {"text": "v2", "columns": ["v1", "v2"]}
    assert texts(demo, tmp_path / "a.csv", **columns) == ["\u00a3100 f\u00fcr you", "naïve café"]
    assert texts(demo, tmp_path / "a.csv", where={"v1": "ham"}, **columns) == ["naïve café"]
    assert texts(demo, tmp_path / "a.csv", where={"v2": "naïve café"}, **columns) == ["naïve café"]


def test_parquet_text_and_lines(demo: Settings, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"k": ["a", "b", "a"], "doc": [{"t": "一"}, {"t": "二"}, {"t": None}], "n": [1, 2, 3]}
    )
    frame.write_parquet(tmp_path / "a.parquet")
    documents, bad, _ = read(demo, tmp_path / "a.parquet", text="doc.t", where={"k": "a"})
    assert documents["text"].to_list() == ["一"]
    assert bad.select("origin", "error").rows() == [("s/a.parquet#2", "empty text")]
    write(tmp_path, b__txt="one\r\ntwo\r\n\r\nthree")
    assert texts(demo, tmp_path / "b.txt") == ["one\ntwo\n\nthree"]
    documents = read(demo, tmp_path / "b.txt", format="lines")[0]
    assert documents["text"].to_list() == ["one", "two", "three"]
    assert documents["origin"].to_list() == ["s/b.txt#0", "s/b.txt#1", "s/b.txt#3"]


def test_utf_16_and_a_far_too_long_line(
    demo: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BATCH_BYTES", 16)
    (tmp_path / "a.txt").write_text("一二三\n" + "四" * 5000 + "\n五", "utf-16")
    documents, bad, _ = read(demo, tmp_path / "a.txt", format="lines", max_chars=100)
    assert documents["text"].to_list() == ["一二三", "五"]
    assert documents["origin"].to_list() == ["s/a.txt#0", "s/a.txt#2"]
    assert bad["error"].to_list() == ["record above 100 characters"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl.gz", gzip.compress(jsonl({"text": GOOD}) * 500)[:-20], "a.jsonl.gz cannot be"),
        ("a.jsonl.zst", zstandard.compress(jsonl({"text": GOOD}) * 500)[:-9], "a.jsonl.zst cannot"),
        ("a.parquet", b"PAR1 not really", "a.parquet cannot be read as parquet"),
        ("a.json", b'{"text": ', "a.json cannot be read as json"),
        ("a.csv", b"id,body\n1,b\n", "a.csv has no column 'text'; its columns are id, body"),
    ],
)
def test_unreadable_files(
    demo: Settings, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(demo, tmp_path / name)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt", "a.tsv"])
def test_empty_files_give_empty_tables(demo: Settings, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    documents, bad, count = read(demo, tmp_path / name)
    assert (documents.height, bad.height, count) == (0, 0, 0)
    assert documents.schema == tables.BY_NAME["documents"].schema


def test_too_many_bad_records_stop_the_shard(demo: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl({"text": GOOD}) * 9 + b"broken\n")
    assert read(demo, tmp_path / "a.jsonl", max_bad_ratio=0.1)[1].height == 1
    message = r"shard s-00000: 1 of 10 records are bad.*malformed JSON \(1, .* is s/a.jsonl#9\)"
    with pytest.raises(ValueError, match=message):
        read(demo, tmp_path / "a.jsonl", max_bad_ratio=0.09)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELL, CELL.map(lambda t: f"x{t}\n,{t}")), max_size=8))
def test_csv_round_trip(
    demo: Settings, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("id", "text"), *rows])
    batches = [
        batch
        for row in manifest.scan(
            plan_settings(demo, s={"path": str(path), "encoding": "utf-8"})
        ).iter_rows(named=True)
        for batch in records.read(Recipe.of(row, CorpusSettings()))
    ]
    found = pl.concat(batches)["text"].to_list() if batches else []
    assert found == [text for _, text in rows]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_are_accounted_for(
    demo: Settings, tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    documents, bad, count = read(demo, path, encoding="utf-8")
    assert documents.height + bad.height == count
    assert count <= path.read_bytes().count(b"\n") + 1


VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["1", "true", "1e5", "\x00", "\ud800", "-0"]),
    st.lists(st.integers(), max_size=2),
)
RECORD = st.dictionaries(st.sampled_from(["text", "k", "z"]), VALUE, max_size=3)
LINE = st.one_of(
    RECORD.map(json.dumps),
    st.tuples(RECORD.map(json.dumps), st.integers(0, 30)).map(lambda t: t[0][: t[1]]),
    st.sampled_from(["null", "1", "[]", '{"text": "a", "text": "b"}', '{"te\\u0078t": "a"}']),
    st.text('{}[]":,atex 1\\\t\x01', max_size=12),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=4), st.sampled_from([(), ("k",)]))
def test_the_fast_way_through_json_finds_what_the_other_does(
    lines: list[str], others: tuple[str, ...]
) -> None:
    frame = pl.DataFrame(
        {"position": range(len(lines)), "line": lines, "error": [None] * len(lines)}
    )
    found = jsonpaths.extract(frame, ("text",), others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonpaths, "_plain", lambda *_: None)
        expected = jsonpaths.extract(frame, ("text",), others)
    # The text of a bad record is not looked at.
    whole = pl.col("error").is_null()
    assert found.select(expected.columns).filter(whole).equals(expected.filter(whole))
    assert found["error"].equals(expected["error"])
