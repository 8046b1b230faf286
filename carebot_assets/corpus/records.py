"""Records of one file, in batches (see `recipes`).

Memory is bounded by the batch, whatever the file's size; `json`, which is parsed whole, has a limit
instead.
"""

from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import Any

import polars as pl

from carebot_assets.corpus import (
    columnar,
    delimited,
    encodings,
    jsonpaths,
    locations,
    markup,
    warcs,
)
from carebot_assets.corpus.recipes import (
    BAD_BYTES,
    BATCH_BYTES,
    SAMPLE_CHARS,
    Recipe,
    batch,
    composed,
    failed,
    sample,
    undecodable,
)

MAX_JSON_BYTES = 1 << 28
WHOLE_FILES = ("txt", "html", "xml")


def read(recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Records of a file in its order.

    A file that is one record and cannot be read is a bad record.

    Raises:
        ValueError: a file of many records that cannot be read as its format to its end, or lacks
            a configured column.
    """
    import pyarrow as pa

    try:
        if recipe.encoding == encodings.UNREADABLE:
            raise OSError("it was damaged when it was planned")
        if recipe.kind == "parquet":
            yield from columnar.read(recipe)
            return
        part = (recipe.format, recipe.start, recipe.stop, recipe.max_expansion)
        with encodings.open_bytes(recipe.file, *part) as raw:
            yield from _READERS[recipe.kind](raw, recipe)
    except (OSError, EOFError, UnicodeError, pa.ArrowException) as error:
        what = f"cannot be read as {recipe.format} ({recipe.encoding}): {error}"
        if recipe.kind not in WHOLE_FILES:
            raise ValueError(f"{recipe.file} {what}") from None
        yield failed(recipe, what, _start(recipe))


def _start(recipe: Recipe) -> bytes:
    """First bytes of a file as they are, for the sample of one that cannot be read."""
    try:
        with locations.open_range(recipe.file, recipe.start, recipe.stop) as raw:
            return raw.read(SAMPLE_CHARS)
    except OSError:
        return b""


def _lines(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Frames of whole lines that are not blank: `position` (number of the line), `line`, `error`.

    Of a line over any limit the rest is read and dropped, piece by piece.
    """
    number = recipe.first
    with encodings.as_utf_8(raw, recipe.encoding) as stream:
        while block := stream.read(BATCH_BYTES):
            if not block.endswith(b"\n"):
                block += stream.readline(recipe.max_bytes)
            while not block.endswith(b"\n") and (rest := stream.readline(recipe.max_bytes)):
                block += b"\n" if rest.endswith(b"\n") else b""
            text = encodings.decoded(block.removesuffix(b"\n"))
            lines = text.alias("line").str.split("\n").explode()
            positions = pl.int_range(number, number + len(lines), eager=True)
            number += len(lines)
            line = pl.col("line")
            too_long = line.str.len_bytes() >= recipe.max_bytes
            yield (
                pl.DataFrame({"position": positions, "line": lines})
                .with_columns(
                    line=line.str.strip_suffix("\r"),
                    error=pl.when(too_long).then(pl.lit(recipe.too_long)),
                )
                .filter(line.str.contains(r"\S"))
            )


def _plain_lines(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    for frame in _lines(raw, recipe):
        yield batch(frame.with_columns(text="line", sample=sample(pl.col("line"))))


def _json_lines(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    for frame in _lines(raw, recipe):
        yield _json_records(frame, recipe)


def _json(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    with encodings.as_utf_8(raw, recipe.encoding) as stream:
        content = stream.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(
            f"{recipe.file}: json above {MAX_JSON_BYTES} bytes is not read, for it is parsed as a "
            "whole; convert it to jsonl"
        )
    text = encodings.decoded(content).item().strip()
    if not text:
        return
    if not jsonpaths.is_valid(text):
        raise ValueError(f"{recipe.file} cannot be read as json: malformed")
    frame = pl.DataFrame({"position": [""], "line": [text], "error": [None]})
    yield _json_records(frame, recipe, root_list=text.startswith("["))


def _json_records(frame: pl.DataFrame, recipe: Recipe, root_list: bool = False) -> pl.DataFrame:
    others = recipe.wanted[len(recipe.text) :]
    found = jsonpaths.extract(frame, recipe.text, others, root_list).with_columns(
        error=pl.when(undecodable("line")).then(pl.lit(BAD_BYTES)).otherwise("error"),
        sample=sample(pl.col("line")),
    )
    return composed(found, recipe, [pl.col(f"value_{i}") for i in range(len(recipe.wanted))])


def _text_file(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    with encodings.as_text(raw, recipe.encoding) as stream:
        text = stream.read(recipe.max_chars + 1)
    if text:
        frame = pl.DataFrame({"position": ["0"], "text": [text]})
        yield batch(frame.with_columns(sample=sample(pl.col("text"))))


_READERS: dict[str, Callable[[Any, Recipe], Iterator[pl.DataFrame]]] = {
    "jsonl": _json_lines,
    "json": _json,
    "csv": delimited.read,
    "tsv": delimited.read,
    "txt": _text_file,
    "lines": _plain_lines,
    "html": markup.read_page,
    "xml": markup.read_article,
    "warc": warcs.read,
}
