"""Signatures of earlier corpora, against which a new one is deduplicated.

An earlier corpus is a store (its documents are those of its corpora), or a glob of Parquet or
JSONL files (plain, gz, zst) that hold either signatures (rows of `minhash_signatures`) or text.
"""

import glob
from pathlib import Path

import polars as pl

from carebot_assets.corpus import minhash
from carebot_assets.settings import DuplicateSettings
from carebot_assets.store import Store
from carebot_assets.tables import BY_NAME

CORPORA = ("filtered_corpus", "general_corpus")
IDS = ("doc_id", "id")
JSONL = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json.gz", ".json.zst", ".ndjson")


def files(against: list[str]) -> list[Path]:
    """Every file that the setting `duplicates.against` makes a run read, sorted.

    Raises:
        ValueError: a name is neither a store nor a glob of files.
    """
    return sorted(path for name in against for path in _files(name))


def signatures(settings: DuplicateSettings, folder: Path) -> dict[str, pl.LazyFrame]:
    """Signatures of each corpus in `duplicates.against`, by its name there.

    Those of texts are made now and laid down in the folder.

    Raises:
        ValueError: a corpus or a file of it is not of a known form; the message names it.
    """
    return {name: _signatures(name, settings, folder) for name in settings.against}


def _is_store(name: str) -> bool:
    return (Path(name).expanduser() / "minhash_signatures").is_dir()


def _files(name: str) -> list[Path]:
    if _is_store(name):
        root = Path(name).expanduser()
        tables = ("minhash_signatures", *CORPORA)
        return [path for table in tables for path in (root / table).rglob("*.parquet")]
    found = [Path(path) for path in glob.glob(str(Path(name).expanduser()), recursive=True)]
    if not found or not all(path.is_file() for path in found):
        raise ValueError(
            f"duplicates.against: {name!r} is neither a store with minhash_signatures nor a glob"
            " of files"
        )
    return found


def _signatures(name: str, settings: DuplicateSettings, folder: Path) -> pl.LazyFrame:
    if _is_store(name):
        store = Store(Path(name).expanduser())
        if not any(store.partitions(corpus) for corpus in CORPORA):
            raise ValueError(f"duplicates.against: the store {name} holds none of {CORPORA}")
        held = pl.concat(store.scan(corpus).select("doc_id") for corpus in CORPORA)
        return store.scan("minhash_signatures").join(held, on="doc_id", how="semi")
    return pl.concat(_of_file(path, settings, folder) for path in sorted(_files(name)))


def _of_file(path: Path, settings: DuplicateSettings, folder: Path) -> pl.LazyFrame:
    columns = BY_NAME["minhash_signatures"].schema
    if path.suffix == ".parquet":
        scan = pl.scan_parquet(path)
    elif path.name.endswith(JSONL):
        scan = pl.scan_ndjson(path, infer_schema_length=1000)
    else:
        raise ValueError(f"duplicates.against: {path} is neither Parquet nor one of {JSONL}")
    try:
        schema = scan.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"duplicates.against: {path}: {error}") from error
    if "signature" in schema:
        missing = [column for column in columns if column not in schema]
        if missing:
            raise ValueError(f"duplicates.against: {path} has signatures without {missing}")
        return scan.select(pl.col(column).cast(dtype) for column, dtype in columns.items())
    name = next((column for column in IDS if column in schema), None)
    if name is None or schema.get("text") != pl.String:
        raise ValueError(
            f"duplicates.against: {path} has neither signatures nor a text and one of {IDS}:"
            f" {schema.names()}"
        )
    documents = scan.select(
        pl.col(name).cast(pl.String).alias("doc_id"),
        "text",
        *(pl.lit("").alias(column) for column in ("shard", "source", "lang")),
        n_chars=pl.col("text").str.len_chars().cast(pl.Int64),
    )
    plain = settings.model_copy(update={"best_by": "n_chars"})
    made = folder / f"earlier-{len(list(folder.iterdir()))}.parquet"
    try:
        minhash.signatures(documents, plain).sink_parquet(made, maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"duplicates.against: {path}: {error}") from error
    return pl.scan_parquet(made)
