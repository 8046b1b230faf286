"""How bytes become text: decompression, encoding detection and visible undecodable bytes."""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import polars as pl

from carebot_assets.corpus import locations

# A Unicode noncharacter: no text contains it, so it marks a byte that could not be decoded. Its
# two hexadecimal digits follow; nothing in it breaks the syntax of a record.
UNDECODABLE = "\U0010ffff"
ERRORS = "carebot.escape"
PROBE_BYTES = 1 << 18
MAX_BROKEN = 0.02
MAX_BROKEN_UTF_8 = 0.1
MIN_COMMON = 0.9
MAX_IN_RUNS = 0.2
_BEYOND = bytes(range(0x80, 0x100))
COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}
# Less than this may come out of a compressed file whatever its size.
FREE_BYTES = 1 << 26
# What the web calls by older names, as browsers read it.
SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "iso8859-1": "cp1252"}
# Encodings in which the byte of a line feed is never part of another character.
LINE_SAFE = {
    *("utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312", "big5", "big5hkscs", "cp950"),
    *("ascii", "latin-1", "iso8859-1", "cp1252"),
}
BINARY = "binary"  # read as bytes: the format or each record says how they are encoded
UNREADABLE = "unreadable"
_CHARSET = re.compile(rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([\w-]+)""")

_PLAIN = re.compile("[\t\n\r\x20-\x7e\u2010-\u2027\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(f"{UNDECODABLE}{byte:02x}" for byte in bad), error.end


codecs.register_error(ERRORS, _escape)


def open_bytes(
    file: str, file_format: str, start: int, stop: int, max_expansion: int = 200
) -> io.BufferedReader:
    """Open bytes `start` to `stop` of a file, decompressed by the suffix of its format.

    A truncated stream is an OSError from `read`, never a silent end of file, and so is one that
    grows to more than `max_expansion` times its size; several frames or members are read on.
    """
    raw = locations.open_range(file, start, stop)
    suffix = file_format.rpartition(".")[2]
    if suffix not in COMPRESSIONS:
        return raw
    import pyarrow as pa

    stream = pa.input_stream(raw, compression=COMPRESSIONS[suffix])
    limit = max(FREE_BYTES, max_expansion * (stop - start))
    return io.BufferedReader(_Limited(stream, limit), locations.CHUNK)


class _Limited(io.RawIOBase):
    def __init__(self, stream: Any, limit: int) -> None:
        self._stream, self._limit, self._left = stream, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._stream.readinto(buffer))
        self._left -= count
        if self._left < 0:
            raise OSError(f"it expands to more than {self._limit} bytes (corpus.max_expansion)")
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def as_text(raw: io.BufferedReader, encoding: str) -> Iterator[TextIO]:
    """Bytes as text without byte order mark: lines end at `\\n` only, what cannot be decoded
    becomes `UNDECODABLE` and two hexadecimal digits a byte."""
    if encoding == "utf-8":
        encoding = "utf-8-sig"
    with io.TextIOWrapper(raw, encoding=encoding, errors=ERRORS, newline="\n") as stream:
        yield stream


@contextmanager
def as_utf_8(raw: io.BufferedReader, encoding: str) -> Iterator[io.BufferedReader]:
    """Bytes of any encoding as UTF-8 without byte order mark; UTF-8 is passed on unchecked."""
    if encoding in ("utf-8", "utf-8-sig"):
        if raw.peek(3).startswith(codecs.BOM_UTF8):
            raw.read(3)
        yield raw
        return
    with as_text(raw, encoding) as stream:
        yield io.BufferedReader(_Recoded(stream), locations.CHUNK)


class _Recoded(io.RawIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer) // 4).encode("utf-8", "surrogatepass")
        buffer[: len(data)] = data
        return len(data)


def decoded(block: bytes) -> pl.Series:
    """UTF-8 as a series of one text; its bad bytes, if it has any, are marked."""
    try:
        return pl.Series([block]).cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series([block.decode(errors=ERRORS)])


def detect(file: str, file_format: str, size: int) -> str:
    """Encoding of a text file, judged by its first 256 kB; see `of_bytes`.

    What is neither one of its encodings nor like Latin-1 (another encoding, or several in one file)
    is read as UTF-8: what is not is then seen to be undecodable, record by record.
    """
    with open_bytes(file, file_format, 0, size) as raw:
        probe = raw.read(PROBE_BYTES)
    kind = file_format.partition(".")[0]
    if kind == "html":
        return of_page(probe)
    is_latin = not kind.startswith("json") and _is_latin(probe)
    return of_bytes(probe, otherwise="latin-1" if is_latin else "utf-8")


def of_page(page: bytes, declared: str | None = None) -> str:
    """Encoding of a web page: UTF-8 if it is, else as declared in HTTP or the page, else guessed.

    Many a page that was saved as UTF-8 still declares the encoding that it was served in.
    """
    found = _CHARSET.search(page[:4096].lower())
    meta = found[1].decode("ascii") if found else ""
    guess = of_bytes(page[:PROBE_BYTES], otherwise="")
    if guess.startswith("utf"):
        return guess
    for name in (declared or "", meta):
        try:
            return SUPERSETS.get(canonical(name), canonical(name))
        except LookupError:
            continue
    return guess or ("cp1252" if _is_latin(page[:PROBE_BYTES]) else "utf-8")


def of_bytes(probe: bytes, otherwise: str) -> str:
    """Encoding of the start of a text.

    A byte order mark decides, or zero bytes on one side of byte pairs (UTF-16); else UTF-8 if at
    most one in ten multi-byte sequences is broken (single bad records must not turn a whole file
    into Latin-1); else GB18030 or Big5 if it decodes and at least nine in ten characters are
    common ones: both bytes from 0xA1 on in GB 2312, the first one from 0xA1 to 0xC6 in Big5, which
    Latin-1 letters between ASCII never show.
    """
    if probe.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if probe.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if (wide := _utf_16(probe)) is not None:
        return wide
    if probe.isascii():
        return "utf-8"
    text, num_beyond = _decoded(probe, "utf-8")
    own = probe.count("\ufffd".encode())
    if text.count("\ufffd") - own <= MAX_BROKEN_UTF_8 * num_beyond:
        return "utf-8"
    for encoding, first, second in (
        ("gb18030", (0xA1, 0xFE), 0xA1),
        ("big5hkscs", (0xA1, 0xC6), 0x40),
    ):
        text, num_beyond = _decoded(probe, encoding)
        pairs = [text[i].encode(encoding, "ignore") for i in _beyond_ascii(text)]
        common = sum(len(p) == 2 and first[0] <= p[0] <= first[1] and p[1] >= second for p in pairs)
        if text.count("\ufffd") <= MAX_BROKEN * num_beyond and common >= MIN_COMMON * num_beyond:
            return encoding
    return otherwise


def _is_latin(probe: bytes) -> bool:
    """Whether bytes beyond ASCII come alone or in twos, as in the languages of Western Europe."""
    num_beyond = len(probe) - len(probe.translate(None, _BEYOND))
    return sum(map(len, re.findall(rb"[\x80-\xff]{3,}", probe))) <= MAX_IN_RUNS * num_beyond


def _beyond_ascii(text: str) -> list[int]:
    return [i for i, char in enumerate(text) if char > "\x7f"]


def _utf_16(probe: bytes) -> str | None:
    """Byte order of UTF-16 without mark, which shows in zero bytes: of line feeds, digits, spaces.

    Either most of the text is ASCII, or it is no UTF-8; and in one of the orders nearly all of it
    is ASCII or East Asian, which other text taken for UTF-16 is not.
    """
    num_zeros = probe.count(0)
    is_utf_8 = "\ufffd" not in _decoded(probe, "utf-8")[0]
    if not num_zeros or (is_utf_8 and num_zeros < 0.3 * len(probe)):
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        text = _decoded(probe[:4096], encoding)[0]
        if len(_PLAIN.findall(text)) >= 0.98 * len(text):
            return encoding
    return None


def _decoded(probe: bytes, encoding: str) -> tuple[str, int]:
    """Text of a prefix (a character cut off at its end is no error), characters beyond ASCII."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(probe, final=False)
    return text, len(text) - len(text.encode("ascii", "ignore"))


def canonical(encoding: str) -> str:
    """Python's name of a declared encoding.

    Raises:
        LookupError: no such encoding of text.
    """
    info = codecs.lookup(encoding)
    if not info._is_text_encoding:
        raise LookupError(encoding)
    return info.name
