"""datatrove reads an exported corpus and writes it again."""

from pathlib import Path
from typing import Any

from datatrove.pipeline.readers.jsonl import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Texts by id, and the names of what it found beside them; all written to `out`."""
    folder = str(Path(request["folder"]) / "documents")
    reader = JsonlReader(folder, glob_pattern="*.jsonl.gz", file_progress=False)
    documents = list(reader.run())
    with JsonlWriter(request["out"], compression="gzip") as writer:
        for document in documents:
            writer.write(document)
    return {
        "texts": {document.id: document.text for document in documents},
        "metadata": sorted({name for document in documents for name in document.metadata}),
    }
