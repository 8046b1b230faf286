"""How bytes become text: decompression, encoding detection and visible undecodable bytes."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

# A Unicode noncharacter: no text contains it, so it marks a byte that could not be decoded.
UNDECODABLE = "\U0010ffff"
ERRORS = "carebot.escape"
PROBE_BYTES = 1 << 18
MAX_BROKEN_UTF_8 = 0.1
MAX_BROKEN_GB18030 = 0.02
COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(f"{UNDECODABLE}\\x{byte:02x}" for byte in bad), error.end


codecs.register_error(ERRORS, _escape)


def open_bytes(path: Path, file_format: str) -> BinaryIO:
    """Open a file, decompressing by the suffix of its format (`jsonl.gz`, `csv.zst`).

    A truncated stream is an OSError from `read`, never a silent end of file; several frames or
    members in one file are read on.
    """
    import pyarrow as pa

    suffix = file_format.rpartition(".")[2]
    if suffix not in COMPRESSIONS:
        return path.open("rb")
    return cast(BinaryIO, pa.input_stream(str(path), compression=COMPRESSIONS[suffix]))


@contextmanager
def open_text(path: Path, file_format: str, encoding: str) -> Iterator[TextIO]:
    """Open a file as text: lines end at `\\n` only, undecodable bytes become `UNDECODABLE\\xNN`."""
    with open_bytes(path, file_format) as raw:
        yield io.TextIOWrapper(raw, encoding=encoding, errors=ERRORS, newline="\n")


def detect(path: Path, file_format: str) -> str:
    """Encoding of a text file, judged by its first 256 kB.

    A byte order mark decides; else UTF-8 if at most one in ten multi-byte sequences is broken
    (single bad records must not turn a whole file into Latin-1); else GB18030 if it decodes and
    most of it lies in the GB 2312 plane (both bytes >= 0xA1, which Latin-1 letters between ASCII
    never show); else Latin-1 - but JSON, which is UTF-8 by definition, stays UTF-8.
    """
    with open_bytes(path, file_format) as raw:
        probe = raw.read(PROBE_BYTES)
    if probe.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if probe.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if probe.isascii():
        return "utf-8"
    text, num_beyond = _decoded(probe, "utf-8")
    own = probe.count("\ufffd".encode())
    if text.count("\ufffd") - own <= MAX_BROKEN_UTF_8 * num_beyond:
        return "utf-8"
    text, num_beyond = _decoded(probe, "gb18030")
    in_plane = len(text.encode("gb18030", "ignore").translate(None, bytes(range(0xA1)))) / 2
    if text.count("\ufffd") <= MAX_BROKEN_GB18030 * num_beyond and in_plane >= 0.9 * num_beyond:
        return "gb18030"
    return "utf-8" if file_format.startswith("json") else "latin-1"


def _decoded(probe: bytes, encoding: str) -> tuple[str, int]:
    """Text of a prefix (a character cut off at its end is no error), characters beyond ASCII."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(probe, final=False)
    return text, len(text) - len(text.encode("ascii", "ignore"))


def canonical(encoding: str) -> str:
    """Python's name of a declared encoding.

    Raises:
        LookupError: no such encoding.
    """
    return codecs.lookup(encoding).name
