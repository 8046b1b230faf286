"""Web pages, articles and crawls: the text that a reader would see, and what is wrong."""

import gzip
import io
from pathlib import Path
from typing import Any

import brotli
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from assets_tests.corpus.test_manifest import write
from assets_tests.corpus.test_readers import GOOD, read
from carebot_assets.settings import Settings

ZH = "高血压是一种以血压持续升高为特征的慢性疾病，可以损害心脏和肾脏。患者应当限盐并定期测量血压。"
TW = "高血壓是一種以血壓持續升高為特徵的慢性疾病，可以損害心臟和腎臟。患者應當限鹽並定期測量血壓。"
NAVIGATION = "<nav><a href=/>Home</a><a href=/login>Log in</a></nav>"


def page(text: str, charset: str = "utf-8") -> str:
    body = "".join(f"<p>{text}</p>" for _ in range(3))
    return (
        f"<html><head><meta charset='{charset}'><title>T</title><script>var a = 1;</script></head>"
        f"<body>{NAVIGATION}<article><h1>Title</h1>{body}</article><footer>(c) 2024</footer></body>"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (page(GOOD).encode(), GOOD),
        (page(ZH, "gb2312").encode("gb18030"), ZH),
        (page(ZH, "gb2312").encode(), ZH),
        (page(TW, "big5").encode("big5"), TW),
        (page(ZH).encode("utf-16"), ZH),
    ],
)
def test_pages(demo: Settings, tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "a.html").write_bytes(content)
    (tmp_path / "b.htm.gz").write_bytes(gzip.compress(content))
    documents, bad, _ = read(demo, tmp_path / "*")
    assert documents["origin"].to_list() == ["s/a.html#0", "s/b.htm.gz#0"]
    assert bad.is_empty()
    for found in documents["text"]:
        assert text in found
        assert "Log in" not in found and "var a" not in found


def test_a_page_without_text_is_quarantined(demo: Settings, tmp_path: Path) -> None:
    write(tmp_path, a__html=NAVIGATION, b__html="", c__html="no markup at all")
    documents, bad, count = read(demo, tmp_path / "*")
    assert bad["origin"][0] == "s/a.html#0"
    assert documents.height + bad.height == count == 2


JATS = """<?xml version="1.0"?>
<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><journal-meta>Journal</journal-meta>
<article-meta><article-id pub-id-type="pmid">1</article-id>
<article-id pub-id-type="doi">10.1/x</article-id>
<title-group><article-title>On <italic>salt</italic> &amp; pressure</article-title></title-group>
<abstract><p>Less salt,
  less pressure.</p></abstract></article-meta></front>
<body><sec><title>Methods</title><p>We measured<xref>1</xref>.<!-- not this --></p>
<table-wrap><caption><p>A table.</p></caption><table><tr><td>17</td></tr></table></table-wrap>
<p>Nested <list><list-item><p>one</p></list-item></list> tail</p></sec></body>
<back><ref-list><ref>Somebody 1999</ref></ref-list></back></article>"""
CNXML = """<document xmlns="http://cnx.rice.edu/cnxml"><title>Sleep</title>
<metadata xmlns:md="http://cnx.rice.edu/mdml"><md:content-id>m1</md:content-id></metadata>
<content><para>First.</para><section><title>Dreams</title><para>Second.</para></section></content>
</document>"""


@pytest.mark.parametrize(
    ("content", "text", "id"),
    [
        (
            JATS,
            "On salt & pressure\n\nLess salt, less pressure.\n\nMethods\n\nWe measured1.\n\n"
            "A table.\n\nNested\n\none\n\ntail",
            "10.1/x",
        ),
        (CNXML, "Sleep\n\nFirst.\n\nDreams\n\nSecond.", "m1"),
    ],
)
def test_articles(demo: Settings, tmp_path: Path, content: str, text: str, id: str) -> None:
    write(tmp_path, a__xml=content, b__nxml=content.encode("utf-16"))
    documents, bad, _ = read(demo, tmp_path / "*", id="doi")
    assert bad.is_empty()
    assert documents["text"].to_list() == [text] * 2
    assert documents["source_id"].to_list() == [id] * 2


def test_other_xml_is_quarantined(demo: Settings, tmp_path: Path) -> None:
    write(tmp_path, a__xml="<rss/>", b__xml="<article><body>", c__xml="", d__xml="not xml")
    documents, bad, _ = read(demo, tmp_path / "*")
    assert documents.is_empty()
    assert bad["error"][0] == "root element <rss> is none of article, document"
    assert bad["error"].str.starts_with("malformed XML").to_list() == [False, True, True]


def warc(*records: tuple[str, str, bytes, dict[str, str]], zipped: bool = False) -> bytes:
    target = io.BytesIO()
    writer = WARCWriter(target, gzip=zipped)
    for kind, uri, body, headers in records:
        http = {"status": "200 OK", "Content-Type": "text/html"} | headers
        status = http.pop("status")
        record = writer.create_warc_record(
            uri,
            kind,
            payload=io.BytesIO(body),
            http_headers=StatusAndHeaders(status, list(http.items()), protocol="HTTP/1.1")
            if kind == "response"
            else None,
            warc_content_type=None if kind == "response" else http["Content-Type"],
        )
        writer.write_record(record)
    return target.getvalue()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("zipped", [False, True])
def test_warc(demo: Settings, tmp_path: Path, zipped: bool) -> None:
    html, gb = page(GOOD).encode(), page(ZH, "x").encode("gb18030")
    coded: Any = {"Content-Encoding": "gzip"}
    records = [
        ("warcinfo", "", b"software: x", {"Content-Type": "application/warc-fields"}),
        ("response", "http://a/", html, {}),
        ("response", "http://gone/", html, {"status": "404 Not Found"}),
        ("response", "http://image/", b"\x89PNG", {"Content-Type": "image/png"}),
        ("response", "http://zip/", gzip.compress(html), coded),
        ("response", "http://br/", brotli.compress(html), {"Content-Encoding": "br"}),
        ("response", "http://gb/", gb, {"Content-Type": "text/html; charset=GBK"}),
        ("response", "http://chunks/", chunked(html), {"Transfer-Encoding": "chunked"}),
        ("resource", "http://r/", html, {}),
        ("conversion", "http://wet/", GOOD.encode(), {"Content-Type": "text/plain"}),
        ("response", "http://odd/", html, {"Content-Encoding": "rot13"}),
        ("response", "http://broken/", b"not gzip", coded),
    ]
    name = "a.warc.gz" if zipped else "a.warc"
    (tmp_path / name).write_bytes(warc(*records, zipped=zipped))
    documents, bad, _ = read(demo, tmp_path / name, max_chars=5000, id="WARC-Target-URI")
    assert documents["source_id"].to_list() == [
        *("http://a/", "http://zip/", "http://br/", "http://gb/", "http://chunks/"),
        *("http://r/", "http://wet/"),
    ]
    assert documents["origin"][0] == f"s/{name}#1"
    texts = documents["text"].to_list()
    assert ZH in texts.pop(3)
    assert all(GOOD in text for text in texts)
    assert bad["error"][0] == "damaged record: content encoding 'rot13'"
    assert documents.height + bad.height == 9


def test_a_warc_that_is_cut_off_anywhere(demo: Settings, tmp_path: Path) -> None:
    one, two = (
        warc(("response", f"http://{name}/", page(GOOD).encode(), {})) for name in ("a", "b")
    )
    # Behind a record stand two empty lines, which may be missing.
    for length in (two.index(b"200 OK") + 1, *range(1, len(two) - 4, 31)):
        (tmp_path / "a.warc").write_bytes(one + two[:length])
        try:
            documents, bad, _ = read(demo, tmp_path / "a.warc", max_chars=5000)
        except ValueError as error:
            assert "a.warc cannot be read as warc" in str(error), length
            continue
        assert documents["origin"].to_list() == ["s/a.warc#0"], length
        assert bad["origin"].to_list() == ["s/a.warc#1"], length
        assert bad["error"].to_list() == ["damaged record: it is cut off"], length
        assert bad["sample"].item().startswith("WARC/1.0"[:length]), length


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no such thing\r\n" * 9, "Invalid WARC record"),
        (b"five words in one line", "Invalid WARC record"),  # a header of ARC
        (
            b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 1\r\n\r\nx",
            "without WARC-Target-URI",
        ),
    ],
)
def test_what_is_no_warc(demo: Settings, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.warc").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.warc cannot be read as warc: .*{message}"):
        read(demo, tmp_path / "a.warc")


@pytest.mark.parametrize(
    "answer", [b"<p>no HTTP at all</p>", b"HTTP/1.1 abc\r\nContent-Type: text/html\r\n\r\n", b""]
)
def test_a_response_that_is_no_answer_is_a_bad_record(
    demo: Settings, tmp_path: Path, answer: bytes
) -> None:
    good = warc(("response", "http://a/", page(GOOD).encode(), {}))
    head = good[: good.index(b"Content-Length: ")]
    damaged = head + b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (len(answer), answer)
    (tmp_path / "a.warc").write_bytes(good + damaged + good)
    documents, bad, _ = read(demo, tmp_path / "a.warc", max_chars=5000)
    assert documents["origin"].to_list() == ["s/a.warc#0", "s/a.warc#2"]
    assert bad.select("origin", "error").rows() == [
        ("s/a.warc#1", "damaged record: an answer without a status")
    ]
    assert bad["sample"].item().startswith("WARC/1.0")


@pytest.mark.parametrize("content", [b"WARC/1.0\r\n", b"WARC/1.0\r\n\r\n<p>page</p>"])
def test_a_header_without_length(demo: Settings, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.warc").write_bytes(content)
    bad = read(demo, tmp_path / "a.warc")[1]
    assert bad["error"].to_list() == ["damaged record: its header has no length"]


def test_a_record_longer_than_its_header_says_is_bad_and_the_next_is_read(
    demo: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pages = [("resource", f"http://{name}/", page(GOOD).encode(), {}) for name in ("a", "b")]
    first, second = (warc(one) for one in pages)
    longer = first.replace(b"</body>", b"</body>lin@example.com")
    (tmp_path / "a.warc").write_bytes(longer + second)
    documents, bad, _ = read(demo, tmp_path / "a.warc", max_chars=5000)
    assert documents["origin"].to_list() == ["s/a.warc#1"]
    assert bad.select("origin", "error").rows() == [
        ("s/a.warc#0", "damaged record: it is longer than its header says")
    ]
    assert "lin@example.com" not in "".join(capfd.readouterr())
