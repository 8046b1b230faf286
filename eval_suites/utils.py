"""Data of the suites for lm-eval; stands alone, so that the folder works without carebot_assets."""

import json
import os
from pathlib import Path
from typing import Any

from datasets import Dataset

DATA_VARIABLE = "CAREBOT_SUITE_DATA"
LETTERS = "ABCDEFGHIJ"


def load(
    suite: str,
    data_dir: str | None = None,
    titles: dict[str, str] | None = None,
    **metadata: Any,
) -> dict[str, Dataset]:
    """The test split of a suite (lm-eval calls this as the task's `custom_dataset`).

    Args:
        suite: folder name.
        data_dir: folder of `<suite>/test.jsonl`; else `$CAREBOT_SUITE_DATA`; else the small
            `sample.jsonl` beside the task file is used.
        titles: how the prompt names a subject.
        metadata: whatever else lm-eval passes on; not used.
    """
    path = find(suite, data_dir or os.environ.get(DATA_VARIABLE))
    lines = path.read_text("utf-8").split("\n")
    rows = [prepare(json.loads(line), titles or {}) for line in lines if line.strip()]
    return {"test": Dataset.from_list(rows)}


def find(suite: str, data_dir: str | None) -> Path:
    """The JSONL file to read.

    Raises:
        FileNotFoundError: there is none; the message says how to get one.
    """
    if data_dir:
        path = Path(data_dir) / suite / "test.jsonl"
        hint = f"{DATA_VARIABLE} (or data_dir) is {data_dir}"
    else:
        path = Path(__file__).parent / suite / "sample.jsonl"
        hint = f"{DATA_VARIABLE} is not set and no sample is shipped with this suite"
    if not path.is_file():
        raise FileNotFoundError(f"suite {suite}: no {path}; {hint}. See eval_suites/README.md")
    return path


def prepare(item: dict[str, Any], titles: dict[str, str]) -> dict[str, Any]:
    """Add what the prompts show: the lettered options, the possible answers and the right one.

    A blank option is neither shown nor possible; the others keep their letters.
    """
    lettered = [
        (letter, option)
        for letter, option in zip(LETTERS, item["options"], strict=False)
        if option.strip()
    ]
    in_words = item["answer"] in item["options"] and item["answer"] not in LETTERS
    choices = item["options"] if in_words else [letter for letter, _ in lettered]
    subject = item["subject"] or ""
    return {
        **item,
        "subject": subject,
        "context": item["context"] or "",
        "title": titles.get(subject, subject.replace("_", " ")),
        "listed": "\n".join(f"{letter}. {option.strip()}" for letter, option in lettered),
        "choices": choices,
        "target": choices.index(item["answer"]),
    }
