"""Files that were made, or damaged, to do harm: a clear message or a quarantine row, every time."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import brotli
import polars as pl
import pytest
import zstandard

from assets_tests.corpus.test_manifest import plan_settings, write
from assets_tests.corpus.test_markup import ZH
from assets_tests.corpus.test_readers import GOOD, jsonl, read
from carebot_assets.corpus import encodings, manifest, records
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.settings import Settings

MILLION = 1_000_000
BOMB = b'{"text": "' + b"0" * (1 << 20) + b'"}\n'


@pytest.mark.parametrize(
    ("name", "content", "good"),
    [
        ("a.jsonl", jsonl({"text": GOOD}, {"text": "x" * 9 * MILLION}, {"text": GOOD}), 2),
        ("a.jsonl", jsonl({"text": GOOD}, {"text": "x" * MILLION}, {"text": GOOD}), 2),
        ("a.lines", (GOOD + "\n" + "高" * MILLION + "\n" + GOOD).encode(), 2),
        ("a.csv", f"text,b\n{GOOD},1\n{'x' * 9 * MILLION},2\n{GOOD},3\n".encode(), 2),
        ("a.csv", f"text,b\n{GOOD},1\n{'x' * MILLION},2\n{GOOD},3\n".encode(), 2),
        ("a.txt", b"x" * MILLION, 0),
        ("a.html", b"<p>" + b"x" * MILLION, 0),
        ("a.xml", b"<article><body><p>" + b"x" * MILLION + b"</p></body></article>", 0),
    ],
)
def test_a_million_characters_are_one_bad_record(
    demo: Settings, tmp_path: Path, name: str, content: bytes, good: int
) -> None:
    kind = "lines" if name == "a.lines" else "auto"
    (tmp_path / name).write_bytes(content)
    documents, bad, _ = read(demo, tmp_path / name, max_chars=100_000, format=kind)
    assert documents["text"].to_list() == [GOOD] * good
    assert bad["error"].str.contains("above (100000 characters|200000 bytes)").to_list() == [True]
    assert bad["sample"].str.len_chars().is_between(1, 200).all()


@pytest.mark.parametrize(
    ("name", "pack"), [("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zstandard.compress)]
)
def test_a_bomb_is_refused_before_it_has_grown(
    demo: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Any
) -> None:
    monkeypatch.setattr(encodings, "FREE_BYTES", 1 << 22)
    (tmp_path / name).write_bytes(pack(BOMB * 100))
    tracemalloc.start()
    message = rf"{name} cannot be read as jsonl\..*expands to more than \d+ bytes"
    with pytest.raises(ValueError, match=message):
        read(demo, tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 50 << 20, "of the 100 MiB it would have grown to"
    tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_bomb_that_is_one_record_costs_that_record(
    demo: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}[suffix]
    monkeypatch.setattr(encodings, "FREE_BYTES", 1 << 20)
    (tmp_path / f"a.html{suffix}").write_bytes(pack(b"<p>" + b"0" * (1 << 24)))
    (tmp_path / f"b.txt{suffix}").write_bytes(pack(b"\n" * (1 << 24)))
    (tmp_path / "c.txt").write_text(GOOD)
    documents, bad, _ = read(demo, tmp_path / "*", max_chars=MILLION)
    assert documents["text"].to_list() == [GOOD]
    assert (
        bad["error"].str.contains("page above|expands to more|record above").to_list() == [True] * 2
    )


def test_a_json_that_is_too_large_to_parse(
    demo: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_JSON_BYTES", 100)
    write(tmp_path, a__json=json.dumps([{"text": GOOD}] * 3))
    with pytest.raises(ValueError, match=r"a\.json: json above 100 bytes .* convert it to jsonl"):
        read(demo, tmp_path / "a.json")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt", "html", "warc"])
def test_truncated_streams(demo: Settings, tmp_path: Path, kind: str, pack: Any) -> None:
    content = b"text\n" + b"\n".join(str(i).encode() * 9 for i in range(5000))
    name = f"a.{kind}.{'gz' if pack is gzip.compress else 'zst'}"
    (tmp_path / name).write_bytes(pack(content)[:-200])
    if kind in ("txt", "html"):
        _, bad, _ = read(demo, tmp_path / name, max_chars=MILLION)
        assert bad["error"].str.starts_with(f"cannot be read as {kind}.").to_list() == [True]
        return
    with pytest.raises(ValueError, match=rf"{name} cannot be read as {kind}"):
        read(demo, tmp_path / name)


def test_columns_that_are_missing_or_of_another_type(demo: Settings, tmp_path: Path) -> None:
    pl.DataFrame({"body": ["a"], "n": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"no column 'text'; its columns are body, n"):
        read(demo, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: column 'n' is Int64, not text"):
        read(demo, tmp_path / "a.parquet", text="n")
    with pytest.raises(ValueError, match="no column 'uid'"):
        read(demo, tmp_path / "a.parquet", text="body", id="uid")
    assert read(demo, tmp_path / "a.parquet", text="body", id="n")[0]["source_id"][0] == "1"


def test_nul_bytes_and_direction_overrides(demo: Settings, tmp_path: Path) -> None:
    odd = "high\x00 blood\u202e pressure\u2066 \U000e0041heals\ufeff"
    rows = [
        jsonl({"text": odd}),
        b'{"text": "a raw \x00 NUL"}\n',
        b'{"text": "half \\ud800 pair"}\n',
        jsonl({"text": GOOD}),
    ]
    (tmp_path / "a.jsonl").write_bytes(b"".join(rows))
    documents, bad, _ = read(demo, tmp_path / "a.jsonl")
    assert documents["text"].to_list() == ["high blood pressure heals", GOOD]
    assert bad["error"].to_list() == ["malformed JSON"] * 2
    (tmp_path / "a.csv").write_text(f"text,b\n{odd},1\n", "utf-8")
    assert read(demo, tmp_path / "a.csv")[0]["text"].to_list() == ["high blood pressure heals"]
    pl.DataFrame({"text": [odd]}).write_parquet(tmp_path / "a.parquet")
    assert read(demo, tmp_path / "a.parquet")[0]["text"].to_list() == ["high blood pressure heals"]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "txt", "lines"])
def test_byte_order_marks_are_no_text(
    demo: Settings, tmp_path: Path, mark: bytes, kind: str
) -> None:
    encoding = {3: "utf-8", 2: "utf-16-le" if mark[0] == 0xFF else "utf-16-be"}[len(mark)]
    row = json.dumps({"text": GOOD})
    content = {"jsonl": row, "json": f"[{row}]", "csv": f"text\n{GOOD}\n"}.get(kind, GOOD)
    (tmp_path / f"a.{kind}").write_bytes(mark + content.encode(encoding))
    source = {"format": "lines"} if kind == "lines" else {}
    assert read(demo, tmp_path / f"a.{kind}", **source)[0]["text"].to_list() == [GOOD]


def test_a_json_file_may_hold_a_list_or_lines(demo: Settings, tmp_path: Path) -> None:
    rows = [{"text": "a"}, {"text": "b"}]
    write(tmp_path, list__json=json.dumps(rows, indent=1), lines__json=jsonl(*rows))
    (tmp_path / "zipped.json.gz").write_bytes(gzip.compress(jsonl(*rows)))
    documents = read(demo, tmp_path / "*")[0]
    assert documents["text"].to_list() == ["a", "b"] * 3
    assert documents["origin"][0] == "s/lines.json#0"


def test_deep_nesting(demo: Settings, tmp_path: Path) -> None:
    deep = 100_000
    good = f"<html><body><article><p>{GOOD}</p></article></body></html>"
    write(
        tmp_path,
        a__html="<div>" * deep + GOOD + "</div>" * deep,
        b__xml="<article>" + "<p>" * deep + GOOD + "</p>" * deep + "</article>",
        c__jsonl='{"text": ' + "[" * deep + "]" * deep + "}\n" + json.dumps({"text": GOOD}),
        d__html=good,
    )
    documents, bad, count = read(demo, tmp_path / "*", max_chars=MILLION)
    assert documents["text"].to_list() == [GOOD, GOOD]
    assert (bad.height, count) == (3, 5)


ENTITIES = """<?xml version="1.0"?><!DOCTYPE article SYSTEM "x.dtd" [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY secret SYSTEM "{secret}">]>
<article><body><p>Growth: &c; and &secret; of &alpha;.</p></body></article>"""


def test_entities_neither_grow_nor_read_files(demo: Settings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("PRIVATE")
    write(tmp_path, a__xml=ENTITIES.format(secret=(tmp_path / "secret").as_uri()))
    text = read(demo, tmp_path / "a.xml")[0]["text"].item()
    assert text == "Growth: &c; and &secret; of α."


def test_a_brotli_bomb_in_a_warc(demo: Settings, tmp_path: Path) -> None:
    body = brotli.compress(b"<p>" + b"0" * (1 << 24))
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br\r\n\r\n" + body
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
        "WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Target-URI: http://a/\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    (tmp_path / "a.warc").write_bytes(head.encode() + http + b"\r\n\r\n")
    _, bad, _ = read(demo, tmp_path / "a.warc")
    assert bad["error"].to_list() == ["page above 2000 bytes"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), r"a\.jsonl is gone since it was planned"),
        (lambda path: path.write_bytes(b"{}"), r"a\.jsonl has shrunk to 2 bytes"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"lasting", b"passing")),
            r"a\.jsonl has changed since it was planned: run corpus_manifest again",
        ),
    ],
)
def test_files_that_change_after_they_were_planned(
    demo: Settings, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl({"text": GOOD}))
    config = plan_settings(demo, s={"path": str(path)})
    plan = manifest.scan(config)
    change(path)
    with pytest.raises(ValueError, match=message):
        ShardReader(plan, config.corpus).documents().collect()


def test_one_bad_record_does_not_fail_a_small_shard(demo: Settings, tmp_path: Path) -> None:
    rows = jsonl({"text": GOOD}) * 12
    config = plan_settings(demo, s={"path": str(tmp_path / "a.jsonl")})
    for num_bad, fails in ((1, False), (5, False), (6, True)):
        (tmp_path / "a.jsonl").write_bytes(rows + b"broken\n" * num_bad)
        reader = ShardReader(manifest.scan(config), config.corpus)
        if fails:
            with pytest.raises(ValueError, match=r"max_bad_records = 5 allow"):
                reader.documents().collect()
        else:
            assert reader.documents().collect().height == 12
            assert reader.quarantine().height == num_bad


def test_nothing_but_bad_records_fails_the_smallest_shard(demo: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"broken\n" * 3 + b'{"text": ""}\n')
    config = plan_settings(demo, s={"path": str(tmp_path / "a.jsonl")})
    message = (
        r"4 of 4 records are bad, which leaves none: malformed JSON \(3, the first is "
        r"s/a.jsonl#0\); empty text \(1, the first is s/a.jsonl#3\)$"
    )
    with pytest.raises(ValueError, match=message):
        ShardReader(manifest.scan(config), config.corpus).documents().collect()


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_json_too_deep_to_be_parsed_stops_no_plan(
    demo: Settings, tmp_path: Path, name: str
) -> None:
    pack = gzip.compress if name.endswith("gz") else bytes
    (tmp_path / name).write_bytes(pack(b"[" * 200_000))
    with pytest.raises(ValueError, match=f"{name} cannot be read as json: malformed"):
        read(demo, tmp_path / name)


@pytest.mark.parametrize(
    "other",
    [ZH.encode("gb18030"), "高血圧は血圧が高い病気です。".encode("shift-jis")],
    ids=["gb18030", "shift-jis"],
)
@pytest.mark.parametrize("name", ["a.lines", "a.csv", "a.txt"])
def test_two_encodings_in_a_file_cost_what_one_of_them_cannot_read(
    demo: Settings, tmp_path: Path, other: bytes, name: str
) -> None:
    lines = [ZH.encode(), other] * 40
    (tmp_path / name).write_bytes(b"\n".join([b"text"] * (name == "a.csv") + lines))
    kind = "lines" if name == "a.lines" else "auto"
    documents, bad, _ = read(demo, tmp_path / name, max_chars=100_000, format=kind)
    assert set(documents["text"]) == (set() if name == "a.txt" else {ZH})
    assert documents.height == (0 if name == "a.txt" else 40)
    assert set(bad["error"]) == {"undecodable bytes"}
