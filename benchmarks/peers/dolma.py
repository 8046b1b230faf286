"""dolma's mixer over an exported corpus (see `benchmarks.export_to_peers`)."""

import gzip
import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Ids of the documents that the mixer lets through where an attribute reaches a limit."""
    source, name = Path(request["folder"]), request["attribute"]
    with tempfile.TemporaryDirectory() as folder:
        config = {
            "processes": 1,
            "streams": [
                {
                    "name": "mixed",
                    "documents": [f"{source}/documents/*.jsonl.gz"],
                    "attributes": ["carebot"],
                    "filter": {
                        "include": [f"$.attributes[?(@.{name}[0][2] >= {request['least']})]"]
                    },
                    "output": {
                        "path": f"{folder}/documents",
                        "max_size_in_bytes": 1 << 30,
                    },
                }
            ],
        }
        file = Path(folder) / "mix.json"
        file.write_text(json.dumps(config), "utf-8")
        dolma = Path(sys.executable).with_name("dolma")
        subprocess.run([str(dolma), "-c", str(file), "mix"], check=True, stdout=sys.stderr)
        rows = [
            json.loads(line)
            for path in sorted(Path(folder).rglob("documents/*.gz"))
            for line in gzip.decompress(path.read_bytes()).splitlines()
        ]
    texts = {row["id"]: row["text"] for row in rows}
    return {"texts": texts, "versions": {"dolma": version("dolma")}}


if __name__ == "__main__":
    # This folder last: its first module has the package's name.
    sys.path.append(sys.path.pop(0))
    print(json.dumps(run(json.load(sys.stdin))))
