"""Do datatrove and dolma read the exported corpus, and do we read what datatrove writes?

    python -m benchmarks.export_to_peers [documents]

Public texts of both languages, half of them scored 3 and more, exported as `corpus_export` does.
datatrove reads them and writes them again, we read that; dolma's mixer filters them by the score.
Prints one JSON line: documents, and how many differ in id or text on each way.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import open_data, peers
from carebot_assets import tables
from carebot_assets.corpus import export, manifest
from carebot_assets.corpus.normalize import normalize
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.settings import CorpusSettings, CorpusSource, load_settings

LEAST, ATTRIBUTE, SHARD = 3.0, "carebot__quality__score", "open-00000"


def write(folder: Path, count: int) -> pl.DataFrame:
    """Export that many texts; their `doc_id`, `text` and `quality`."""
    texts = (
        open_data.documents("corpus")
        .select(text=normalize(pl.col("text")))
        .unique("text", maintain_order=True)
        .sample(count, seed=5)
        .with_columns(
            doc_id=pl.int_range(pl.len()).cast(pl.String).str.zfill(32),
            shard=pl.lit(SHARD),
            source=pl.lit("open"),
            quality=(pl.int_range(pl.len()) % 6).cast(pl.Float64),
            p_medical=pl.lit(0.5),
        )
    )
    schema = tables.BY_NAME["filtered_corpus"].schema
    lacking = {name: kind for name, kind in schema.items() if name not in texts.columns}
    corpus = texts.with_columns(pl.lit(None, kind).alias(name) for name, kind in lacking.items())
    origins = corpus.select("doc_id", origin=pl.lit("open"), source_id=pl.lit("1"))
    export.write(corpus.lazy(), origins.lazy(), folder, SHARD, "gz")
    return texts.select("doc_id", "text", "quality")


def read(folder: Path) -> dict[str, str]:
    """Texts by their sources' ids, as our reader finds them."""
    source = CorpusSource.model_validate({"path": f"{folder}/*.jsonl.gz", "id": "id"})
    corpus = CorpusSettings(sources={"back": source})
    plan = manifest.scan(load_settings("demo", {}).model_copy(update={"corpus": corpus}))
    rows = pl.concat(ShardReader(plan, corpus)._batches())
    return dict(rows.select("source_id", "text").iter_rows())


def different(wanted: dict[str, str], found: dict[str, str]) -> int:
    return sum(wanted.get(key) != found.get(key) for key in wanted.keys() | found.keys())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        folder, again = Path(name) / "export", Path(name) / "again"
        frame = write(folder, count)
        request: dict[str, Any] = {"job": "exported", "folder": str(folder), "out": str(again)}
        trove = peers.run("datatrove", request)
        good = frame.filter(pl.col("quality") >= LEAST)
        dolma = peers.run("dolma", {"folder": str(folder), "attribute": ATTRIBUTE, "least": LEAST})
        texts = dict(frame.select("doc_id", "text").iter_rows())
        result = {
            "documents": frame.height,
            "different": {
                "read_by_datatrove": different(texts, trove["texts"]),
                "written_by_datatrove_and_read_by_us": different(texts, read(again)),
                "mixed_by_dolma": different(
                    dict(good.select("doc_id", "text").iter_rows()), dolma["texts"]
                ),
            },
            "mixed_by_dolma": len(dolma["texts"]),
            "metadata_in_datatrove": trove["metadata"],
            "versions": trove["versions"] | dolma["versions"],
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
