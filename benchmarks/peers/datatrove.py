"""Jobs run by datatrove, in its own environment: one JSON request in, one JSON answer out."""

import json
import sys
from collections.abc import Callable
from typing import Any

# This folder last: its first module has the package's name.
sys.path.append(sys.path.pop(0))


def measures(request: dict[str, Any]) -> dict[str, Any]:
    """Gopher, C4 and FineWeb filters over texts: speed of the chain, decisions, values."""
    import datatrove_measures

    return datatrove_measures.run(request)


def minhash(request: dict[str, Any]) -> dict[str, Any]:
    """MinHash from text to clusters."""
    import datatrove_minhash

    return datatrove_minhash.datatrove(request)


def rensa(request: dict[str, Any]) -> dict[str, Any]:
    """rensa, which lives in the same environment: MinHash from text to flags."""
    import datatrove_minhash

    return datatrove_minhash.rensa(request)


def contamination(request: dict[str, Any]) -> dict[str, Any]:
    """N-gram decontamination."""
    import datatrove_contamination

    return datatrove_contamination.run(request)


def readers(request: dict[str, Any]) -> dict[str, Any]:
    """Readers of jsonl, csv and parquet."""
    import datatrove_readers

    return datatrove_readers.run(request)


def exported(request: dict[str, Any]) -> dict[str, Any]:
    """An exported corpus, read and written again."""
    import datatrove_exported

    return datatrove_exported.run(request)


JOBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "contamination": contamination,
    "exported": exported,
    "measures": measures,
    "minhash": minhash,
    "readers": readers,
    "rensa": rensa,
}

if __name__ == "__main__":
    from importlib.metadata import version

    request = json.load(sys.stdin)
    answer = JOBS[request["job"]](request)
    print(json.dumps({"versions": {"datatrove": version("datatrove")}, **answer}))
