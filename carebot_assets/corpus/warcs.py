"""Records of WARC files: the pages of a web crawl."""

from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import polars as pl

from carebot_assets.corpus import encodings, markup
from carebot_assets.corpus.recipes import Recipe, batch, failed

KINDS = ("response", "resource", "conversion")
TEXT_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "")
CUT_OFF = "damaged record: it is cut off"


def read(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """The main text of every page, one record each; `id` names a header (`WARC-Target-URI`).

    Pages are the answers with status 200, resources and conversions whose type is html or plain
    text. `position` counts all records of the file.
    """
    from warcio.archiveiterator import ArchiveIterator

    if not raw.peek(1):
        return
    records = ArchiveIterator(raw)
    records.known_format = "warc"  # else a line of five words passes for a record of ARC
    records.INC_RECORD = ""  # a warning that quotes the file
    num_read = 0
    for record in _each(records, recipe):
        page, num_too_long = None, records.err_count
        header = record.rec_headers.to_bytes()
        if record.length is not None and _has_no_status(record):
            page = failed(recipe, "damaged record: an answer without a status", header)
        elif record.length is not None and _is_page(record):
            page = _page(record, _content_type(record), recipe)
        records.read_to_end()
        if record.length is None:
            page = failed(recipe, "damaged record: its header has no length", header)
        elif records.err_count > num_too_long:
            page = failed(recipe, "damaged record: it is longer than its header says", header)
        elif page is None and record.raw_stream.limit > 0:
            page = failed(recipe, CUT_OFF, header)
        if page is not None:
            yield page.with_columns(position=pl.lit(str(num_read)))
        num_read += 1
    # The iterator ends in silence where the file does, be it in the middle of a header.
    if records.next_line or not num_read:
        yield failed(recipe, CUT_OFF, records.next_line or b"", num_read)


def _each(records: Any, recipe: Recipe) -> Iterator[Any]:
    from warcio.exceptions import ArchiveLoadFailed

    try:
        yield from records
    except ArchiveLoadFailed as error:
        what = str(error).partition(", first line")[0]  # the rest is what the file says
        raise ValueError(f"{recipe.file} cannot be read as warc: {what}") from None
    except AttributeError:  # where the library takes an address for granted
        what = "a response without WARC-Target-URI"
        raise ValueError(f"{recipe.file} cannot be read as warc: {what}") from None


def _is_page(record: Any) -> bool:
    is_text = record.rec_type in KINDS and _content_type(record) in TEXT_TYPES
    return is_text and _status(record) == "200"


def _has_no_status(record: Any) -> bool:
    """Whether a record says that it is a web server's answer and is none."""
    if record.rec_type != "response":
        return False
    if record.http_headers:
        return not _status(record).isdecimal()
    return (record.rec_headers.get_header("WARC-Target-URI") or "").startswith("http")


def _page(record: Any, kind: str, recipe: Recipe) -> pl.DataFrame:
    try:
        content = _content(record, recipe.max_page_bytes + 1)
    except (OSError, EOFError, ValueError) as error:
        return failed(recipe, f"damaged record: {error}", record.rec_headers.to_bytes())
    if len(content) > recipe.max_page_bytes:
        return failed(recipe, recipe.page_too_long, content)
    encoding = encodings.of_page(content, _charset(record))
    source_id = record.rec_headers.get_header(recipe.id) if recipe.id else None
    if kind != "text/plain":
        return markup.page_batch(content, recipe, encoding, source_id=source_id)
    text = content.decode(encoding, "replace")
    row = {"position": "0", "text": text, "sample": text[:300], "source_id": source_id}
    return batch(pl.DataFrame([row]))


def _content(record: Any, limit: int) -> bytes:
    """Decoded content of a record, at most `limit` bytes of it.

    Raises:
        ValueError: the record is cut off, or encoded in an unknown way.
    """
    from warcio.bufferedreaders import BufferedReader, ChunkedDataReader

    headers = record.http_headers
    coding = (headers.get_header("Content-Encoding") if headers else None) or ""
    coding = coding.strip().lower().removeprefix("x-")
    if coding not in ("", "identity", "gzip", "deflate", "br"):
        raise ValueError(f"content encoding {coding!r}")
    chunked = headers and (headers.get_header("Transfer-Encoding") or "").lower() == "chunked"
    inner = coding if coding in ("gzip", "deflate") else None
    reader = ChunkedDataReader if chunked else BufferedReader
    stream = reader(record.raw_stream, decomp_type=inner)
    content = b""
    while len(content) < limit and (more := stream.read(limit - len(content))):
        content += more
    if len(content) < limit and record.raw_stream.limit > 0:
        raise ValueError("it is cut off")
    return _brotli(content, limit) if coding == "br" else content


def _brotli(content: bytes, limit: int) -> bytes:
    import brotli

    try:
        return bytes(brotli.Decompressor().process(content, output_buffer_limit=limit))
    except brotli.error as error:
        raise ValueError(f"brotli: {error}") from None


def _headers(record: Any) -> Any:
    """Headers of the content: HTTP's where there are any."""
    return record.http_headers or record.rec_headers


def _status(record: Any) -> str:
    return record.http_headers.get_statuscode() if record.http_headers else "200"


def _content_type(record: Any) -> str:
    kind = _headers(record).get_header("Content-Type") or ""
    return kind.partition(";")[0].strip().lower()


def _charset(record: Any) -> str | None:
    parameters = (_headers(record).get_header("Content-Type") or "").partition(";")[2]
    name, _, value = parameters.strip().partition("=")
    return value.strip("\"' ") if name.strip().lower() == "charset" else None
