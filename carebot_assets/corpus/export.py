"""The filtered corpus as JSON lines that dolma and datatrove read, and the proof that it parses.

`documents/{shard}.jsonl.gz` has `id`, `text`, `source` and `metadata` a line;
`attributes/carebot/{shard}.jsonl.gz` has, line by line for the same documents, the scores as spans
over the whole text, so that dolma's mixer can filter by them. Dolma's optional `added`, `created`
and `version` are left out: the first two are times nobody recorded, and the same input shall give
the same bytes. datatrove puts what is neither `id` nor `text` into its metadata.

Source: allenai/dolma, docs/data-format.md; datatrove, pipeline/readers/{base,jsonl}.py.
"""

import glob
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl

from carebot_assets.corpus import private
from carebot_assets.corpus.sql import query
from carebot_assets.expectations import Finding
from carebot_assets.store import Store

Codec = Literal["gz", "zst"]
CODECS: dict[str, Literal["gzip", "zstd"]] = {"gz": "gzip", "zst": "zstd"}
METADATA = (
    "source_id", "origin", "shard", "license", "lang", "n_tokens", "label", "p_medical", "quality",
    "tier",
)  # fmt: skip
SCORES = {"carebot__domain__medical": "p_medical", "carebot__quality__score": "quality"}
MAX_LINE_BYTES = 1 << 28


def paths(folder: Path, shard: str, codec: Codec) -> tuple[Path, Path]:
    """Files of a shard's documents and attributes."""
    name = f"{shard}.jsonl.{codec}"
    return folder / "documents" / name, folder / "attributes" / "carebot" / name


def write(
    corpus: pl.LazyFrame, documents: pl.LazyFrame, folder: Path, shard: str, codec: Codec
) -> dict[str, Any]:
    """Write a shard of the corpus, streaming, in its order; what is known of each document comes
    along as metadata, private information in the source's own id (a URL, say) and in the name of
    its file masked.

    Returns:
        Number of documents and bytes of each file.
    """
    files = paths(folder, shard, codec)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    origins = documents.select("doc_id", "origin", "source_id")
    known = corpus.join(origins, on="doc_id", how="left", maintain_order="left").with_columns(
        pl.col("source_id", "origin").map_batches(
            private.mask_all, return_dtype=pl.String, is_elementwise=True
        )
    )
    known.select(
        pl.col("doc_id").alias("id"), "text", "source", metadata=pl.struct(METADATA)
    ).sink_ndjson(files[0], compression=CODECS[codec])
    num_documents = _write_attributes(corpus, files[1], codec)
    sizes = [file.stat().st_size for file in files]
    return {
        "num_documents": num_documents,
        "document_bytes": sizes[0],
        "attribute_bytes": sizes[1],
    }


def _write_attributes(corpus: pl.LazyFrame, file: Path, codec: Codec) -> int:
    # Spans mix integers and scores, which only a writer of free JSON values can put in one list.
    import duckdb

    length = pl.col("text").str.len_chars().alias("length")
    rows = corpus.select("doc_id", "source", length, *SCORES.values()).collect(engine="streaming")
    spans = ", ".join(
        f"{name} := CASE WHEN {column} IS NULL THEN json_array() "
        f"ELSE json_array(json_array(0, length, {column})) END"
        for name, column in SCORES.items()
    )
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("rows", rows)
        database.execute(
            f"COPY (SELECT doc_id AS id, source, struct_pack({spans}) AS attributes FROM rows) "
            f"TO $file (FORMAT json, COMPRESSION {CODECS[codec]})",
            {"file": str(file)},
        )
    return rows.height


def parses_back(folder: Path, shard: str, codec: Codec, corpus: pl.LazyFrame) -> Finding:
    """The exported lines, read by another reader than wrote them, are the corpus's ids and texts,
    and the attributes name the same documents in the same order."""
    import duckdb

    documents, attributes = paths(folder, shard, codec)
    wanted = pl.concat(
        [pl.DataFrame(schema=_DIGESTS), *(_digests(batch) for batch in _batches(corpus))]
    )
    try:
        found = _read(documents, "id, md5(text) AS digest, length(text) AS length", codec, "text")
        spans = f"attributes->'$.{next(iter(SCORES))}[0]'"
        scored = _read(attributes, f"id, ({spans}->>1)::BIGINT AS length", codec, "attributes")
    except duckdb.Error as error:
        return Finding(False, f"the export does not parse: {error}", {"num_different": None})
    num_different = {
        "documents": _num_different(wanted.select("id", "digest"), found.select("id", "digest")),
        "attributes": _num_different(
            found.select("id", "length"), scored.with_columns(pl.col("length").fill_null(-1))
        ),
    }
    passed = not any(num_different.values())
    text = (
        f"{found.height} documents parse back to the same ids and texts"
        if passed
        else f"rows that differ: {num_different}"
    )
    return Finding(passed, text, {"num_documents": found.height, "num_different": num_different})


def collect(store: Store, out: Path) -> int:
    """Copy the export of every planned shard into one folder, as dolma lays it out.

    Returns:
        Number of shards.

    Raises:
        StoreError: a planned shard has not been exported.
        ValueError: the folder holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder; name another one, or empty it")
    plan = store.scan("corpus_manifest").select(pl.col("shard").unique().sort()).collect()
    folders = [store.path("corpus_export", shard) for shard in plan["shard"]]
    for folder in folders:
        for part in ("documents", "attributes"):
            shutil.copytree(folder / part, out / part, dirs_exist_ok=True)
    return len(folders)


_DIGESTS = {"id": pl.String, "digest": pl.String}


def _batches(corpus: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    yield from corpus.select(id="doc_id", text="text").collect_batches(maintain_order=True)


def _digests(batch: pl.DataFrame) -> pl.DataFrame:
    return query("SELECT id, md5(text) AS digest FROM batch", batch=batch)


def _read(file: Path, columns: str, codec: Codec, field: str) -> pl.DataFrame:
    kind = "JSON" if field == "attributes" else "VARCHAR"
    name = glob.escape(str(file)).replace("'", "''")
    return query(
        f"SELECT {columns} FROM read_json('{name}', format='newline_delimited', "
        f"columns={{id: 'VARCHAR', {field}: '{kind}'}}, compression='{CODECS[codec]}', "
        f"maximum_object_size={MAX_LINE_BYTES})"
    )


def _num_different(wanted: pl.DataFrame, found: pl.DataFrame) -> int:
    """Rows that are not the same at the same place, and rows that one side lacks."""
    both = min(wanted.height, found.height)
    differs = pl.any_horizontal(
        wanted[name].head(both).ne_missing(found[name].head(both)) for name in wanted.columns
    )
    num = pl.select(differs.sum()).item() if both else 0
    return num + max(wanted.height, found.height) - both
