"""Real public records to measure on, read plainly from the folder `open` of the shared data.

Not the readers under test: these take a file apart by its layout in the fewest lines, so that a
record keeps the position that the truth files name.
"""

import csv
import gzip
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import polars as pl

OPEN = Path(__file__).parents[2] / "shared" / "data" / "open"
_TAG = re.compile(r"<[^>]*>")
_CONTAINERS = ("questions", "data")
# Parts of a record that are no text: keys, scores, what the publisher's tools added.
_NO_TEXT = ("metamap_phrases", "documents", "offsets", "id", "url", "label", "answer_idx")


def require() -> Path:
    """The folder, or an end with a message where it is absent."""
    if not OPEN.is_dir():
        raise SystemExit(f"no shared data at {OPEN}")
    return OPEN


def manifest(role: str) -> Iterator[dict[str, Any]]:
    """Lines of MANIFEST.jsonl of a role (benchmarks, corpus, sft_sources, noise)."""
    for line in (require() / "MANIFEST.jsonl").read_text("utf-8").splitlines():
        entry: dict[str, Any] = json.loads(line)
        if entry["role"] == role:
            yield entry


def documents(*roles: str) -> pl.DataFrame:
    """Every record as a document: dataset, file, position in the file and text."""
    rows = [
        (entry["dataset"], _name(entry), index, text)
        for role in roles
        for entry in manifest(role)
        for index, record in enumerate(records(entry))
        if (text := "\n".join(leaves(record)).strip())
    ]
    columns = {"dataset": pl.String, "file": pl.String, "index": pl.Int64, "text": pl.String}
    return pl.DataFrame(rows, schema=columns, orient="row")


def records(entry: dict[str, Any]) -> list[Any]:
    """Records of a file of the manifest, in order."""
    path = OPEN.parent / entry["path"]
    if path.suffix == ".xlsx":
        return _sheet(path)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    # Binary files (WARC) as what is text in them.
    text = raw.decode(_encoding(entry["encoding"]), "replace").removeprefix("\ufeff")
    layout = entry["format"]
    if layout in ("jsonl", "lines") or (layout == "json" and _is_lines(text)):
        lines = [line for line in text.split("\n") if line.strip()]
        return lines if layout == "lines" else [json.loads(line) for line in lines]
    if layout == "json":
        whole = json.loads(text)
        return [whole] if entry["records"] == 1 else _unpack(whole)
    if layout in ("csv", "tsv"):
        # It is the process's: whoever read last has set it.
        csv.field_size_limit(sys.maxsize)
        rows = csv.reader(
            io.StringIO(text, newline=""),
            delimiter="\t" if layout == "tsv" else ",",
            quoting=csv.QUOTE_NONE if layout == "tsv" else csv.QUOTE_MINIMAL,
        )
        has_header = "no header" not in str(entry["fields"]) and layout == "csv"
        return list(rows)[1 if has_header else 0 :]
    if layout == "blocks":
        return [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    return [plain(text) if text.lstrip()[:1] == "<" else text]


def plain(markup: str) -> str:
    """The text between tags, a blank for each tag."""
    return unescape(_TAG.sub(" ", markup))


def leaves(value: Any) -> Iterator[str]:
    """Texts of a record in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if key not in _NO_TEXT:
                yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)


def benchmark_items() -> pl.DataFrame:
    """Every item of every benchmark in the schema of `benchmark_items`."""
    from carebot_assets.tables import BY_NAME

    parse = {
        "medqa_us_4opt_test": lambda r: (None, r["question"], list(r["options"].values()), "en"),
        "medmcqa_dev": lambda r: (None, r["question"], [r[f"op{x}"] for x in "abcd"], "en"),
        "mmlu": lambda r: (None, r[0], r[1:5], "en"),
        "cmmlu": lambda r: (None, r[1], r[2:6], "zh"),
        "cmb_clin_cases": lambda r: (r["case"], r["first_question"], [], "zh"),
        "bioasq_task11b": lambda r: (None, r["body"], [], "en"),
        "cmexam_val": lambda r: (None, r[0], re.split(r"\\n|\n", r[1]), "zh"),
        "pubmedqa": lambda r: (None, r["QUESTION"], [], "en"),
        "agieval_subset": lambda r: (r["passage"], r["question"], r["options"], None),
    }
    rows = []
    for entry in manifest("benchmarks"):
        if "ground_truth" in entry["path"]:
            continue
        for index, record in enumerate(records(entry)):
            context, question, options, lang = parse[entry["dataset"]](record)
            rows.append(
                {
                    "item_id": f"{entry['dataset']}/{_name(entry)}#{index}",
                    "suite": entry["dataset"],
                    "lang": lang or ("en" if "sat-" in entry["path"] else "zh"),
                    "context": context,
                    "question": question,
                    "options": [re.sub(r"^\s*\(?[A-E][).]?\s*", "", o or "") for o in options],
                }
            )
    return pl.DataFrame(rows, schema=BY_NAME["benchmark_items"].schema)


def _name(entry: dict[str, Any]) -> str:
    return str(entry["path"]).split("/", 3)[3]


def _encoding(stated: str) -> str:
    return stated.split(" ")[0] if re.match(r"(utf|gb|latin)", stated) else "utf-8"


def _is_lines(text: str) -> bool:
    try:
        json.loads(text.split("\n", 1)[0])
    except ValueError:
        return False
    return "\n{" in text


def _unpack(whole: Any) -> list[Any]:
    if isinstance(whole, list):
        return whole
    for key in _CONTAINERS:
        if isinstance(whole.get(key), list):
            return list(whole[key])
    return list(whole.values())


def _sheet(path: Path) -> list[list[str]]:
    """Rows of the first sheet of a workbook with inline strings, without the header."""
    from xml.etree import ElementTree

    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        tree = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = tree.iter(f"{space}row")
    cells = ([c.findall(f".//{space}t") for c in row.iter(f"{space}c")] for row in rows)
    return [["".join(t.text or "" for t in cell) for cell in row] for row in cells][1:]
