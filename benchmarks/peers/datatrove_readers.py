"""datatrove's readers: CPU seconds from a file to its last document."""

import time
from pathlib import Path
from typing import Any

from datatrove.pipeline.readers.csv import CsvReader
from datatrove.pipeline.readers.jsonl import JsonlReader
from datatrove.pipeline.readers.parquet import ParquetReader

READERS = {"jsonl": JsonlReader, "csv": CsvReader, "parquet": ParquetReader}


def run(request: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds of every requested file, by format."""
    seconds = {}
    for name in request["files"]:
        path = Path(name)
        kind = path.suffix.removeprefix(".")
        reader = READERS[kind](str(path.parent), glob_pattern=path.name, file_progress=False)
        start = time.process_time()
        count = sum(1 for _ in reader.run())
        seconds[kind] = time.process_time() - start
        assert count == request["documents"], (name, count)
    return {"seconds": seconds}
