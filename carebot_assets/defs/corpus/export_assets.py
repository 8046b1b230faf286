"""The filtered corpus in the form that other tools read, with its check."""

from typing import Any

from carebot_assets.corpus import export
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.checking import Shelf, check
from carebot_assets.expectations import Finding


@artifact(
    inputs=["filtered_corpus", "documents"],
    settings=["corpus.export"],
    partitions="shard",
    kinds={"jsonl"},
    version="3",
)
def corpus_export(step: Step) -> dict[str, Any]:
    """JSON lines of a shard's filtered documents, as dolma and datatrove read them.

    `documents/` holds id, text, source and metadata (origin, licence, domain, quality, ...);
    `attributes/carebot/` the scores as spans, line by line for the same documents. `carebot export`
    collects all shards in one folder.
    """
    corpus, documents = step.scan("filtered_corpus"), step.scan("documents")
    codec, shard = step.settings.corpus.export, step.partition or ""
    return export.write(corpus, documents, step.draft.dir, shard, codec)


@check("corpus_export", blocking=True)
def parses_back(shelf: Shelf) -> Finding:
    """The lines parse back to the ids and texts of `filtered_corpus`, in its order."""
    shard = shelf.partition or ""
    folder = shelf.store.path(shelf.name, shard)
    corpus = shelf.scan("filtered_corpus")
    return export.parses_back(folder, shard, shelf.settings.corpus.export, corpus)
