"""Documents that a teacher writes for labels with too few of them.

Source: CareBot 4.1 (long-tail classes such as AI are filled up with synthetic text). They are for
training the classifier alone: marked in every table, never validated on, in no corpus.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from carebot_assets.expectations import Finding
from carebot_assets.store import hash_json
from carebot_assets.teacher.client import Answer
from carebot_assets.teacher.language import is_chinese

ROLE = "write_document"
SOURCE = "synthetic"
# No id of a document has it: those are hexadecimal.
ID_PREFIX = "synthetic-"
FORMS = ("encyclopedia", "manual", "news", "forum")
LANGUAGES = ("zh", "en")


def items(seed_labels: pl.LazyFrame, labels: Sequence[str], minimum: int) -> list[dict[str, str]]:
    """The teacher's items: what each label lacks to the minimum, in both languages, all forms."""
    agreed = seed_labels.filter(pl.col("status") == "agreed")
    counts = dict(agreed.group_by("label").len().collect().iter_rows())
    return [
        {
            "label": label,
            "language": LANGUAGES[number % 2],
            "form": FORMS[number // 2 % len(FORMS)],
            "number": str(number + 1),
        }
        for label in labels
        for number in range(max(0, minimum - counts.get(label, 0)))
    ]


def table(asked: Sequence[dict[str, str]], answers: Sequence[Answer], teacher: str) -> pl.DataFrame:
    """Rows of `domain_long_tail`; a text in the other language or written before is rejected."""
    rows, seen = [], set()
    for item, answer in zip(asked, answers, strict=True):
        value = answer.value or {}
        text = f"{value['title']}\n\n{value['text']}" if value else None
        status = "failed" if text is None else "written"
        if text is not None and (
            is_chinese(text) != (item["language"] == "zh") or value["text"] in seen
        ):
            status = "rejected"
        seen.add(value.get("text"))
        rows.append(
            {
                "doc_id": ID_PREFIX + hash_json(item),
                "label": item["label"],
                "lang": item["language"],
                "source": SOURCE,
                "form": item["form"],
                "text": text,
                "status": status,
                "synthetic": True,
                "teacher": teacher,
            }
        )
    schema = {name: pl.String for name in
              ("doc_id", "label", "lang", "source", "form", "text", "status")}  # fmt: skip
    return pl.DataFrame(rows, schema={**schema, "synthetic": pl.Boolean, "teacher": pl.String})


def training_rows(written: pl.LazyFrame) -> pl.LazyFrame:
    """What was written, as seeds of the classifier; `synthetic` must not be validated on."""
    return written.filter(pl.col("status") == "written").select(
        "doc_id", "label", "teacher", "source", "lang", "text", "synthetic"
    )


def summarize(written: pl.LazyFrame, seed_labels: pl.LazyFrame) -> dict[str, Any]:
    """Counts, and what each label has now."""
    frame = written.collect()
    counts = {
        f"num_{status}": int((frame["status"] == status).sum())
        for status in ("written", "failed", "rejected")
    }
    real = dict(
        seed_labels.filter(pl.col("status") == "agreed").group_by("label").len().collect().rows()
    )
    lines = ["| label | agreed documents | written for it |", "|---|---|---|"]
    for label, num in frame.filter(status="written").group_by("label").len().sort("label").rows():
        lines.append(f"| {label} | {real.get(label, 0)} | {num} |")
    return counts | {"labels": "\n".join(lines)}


def is_marked(written: pl.LazyFrame) -> Finding:
    """Every row is marked as synthetic, in its id too."""
    marked = pl.col("synthetic") & pl.col("doc_id").str.starts_with(ID_PREFIX)
    marked &= pl.col("source") == SOURCE
    num = written.select((~marked).sum()).collect().item()
    text = "every document is marked as synthetic" if not num else f"{num} documents are not marked"
    return Finding(not num, text, {"num_unmarked": num})


def fills(
    written: pl.LazyFrame, seed_labels: pl.LazyFrame, labels: Sequence[str], minimum: int
) -> Finding:
    """Every label reaches the minimum with what was written for it."""
    done = written.filter(pl.col("status") == "written").select("label")
    agreed = seed_labels.filter(pl.col("status") == "agreed").select("label")
    counts = dict(pl.concat([done, agreed]).group_by("label").len().collect().iter_rows())
    short = {label: counts.get(label, 0) for label in labels if counts.get(label, 0) < minimum}
    listed = ", ".join(f"{label} ({num})" for label, num in short.items())
    text = f"still fewer than {minimum} documents: {listed}" if short else (
        f"every label has at least {minimum} documents"
    )  # fmt: skip
    return Finding(not short, text, {"num_short_labels": len(short), "short": short})


def not_among(documents: pl.LazyFrame) -> Finding:
    """No synthetic document is in a corpus."""
    synthetic = pl.col("doc_id").str.starts_with(ID_PREFIX)
    num = documents.select(synthetic.sum()).collect(engine="streaming").item()
    text = "no synthetic document" if not num else f"{num} synthetic documents"
    return Finding(not num, text, {"num_synthetic": num})
