"""Layouts of the benchmark publishers' files: how a record becomes an item.

An adapter reads the records of a file in order and parses each into the fields of an item. The
`README.md` of each folder of `eval_suites/` names the publisher whose layout it is.
"""

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

Fields = dict[str, Any]
Records = Iterable[tuple[int, Any]]

LETTERS = "ABCDEFGHIJ"
YES_NO_MAYBE = ["yes", "no", "maybe"]


@dataclass(frozen=True)
class Adapter:
    """Reads `(position, record)` pairs of a file and parses one record.

    `parse` gets the record and the subject that the file's name gives; None means that the record
    is no item of this suite. Anything wrong with a record is a KeyError, TypeError or ValueError.
    """

    read: Callable[[Path], Records]
    parse: Callable[[Any, str], Fields | None]
    subject_of_file: bool = False


def _read_jsonl(path: Path) -> Records:
    for position, line in enumerate(path.read_text("utf-8-sig").split("\n")):
        if line.strip():
            try:
                yield position, json.loads(line)
            except ValueError as error:
                raise ValueError(f"record {position} is not JSON: {error}") from None


def _read_json_array(path: Path) -> Records:
    records = json.loads(path.read_text("utf-8-sig"))
    if not isinstance(records, list):
        raise ValueError(f"expected a JSON array, found {type(records).__name__}")
    return enumerate(records)


def _read_cmb(path: Path) -> Records:
    # The test questions are published without answers, which lie in a file of their own.
    answers_path = path.with_name("CMB-test-choice-answer.json")
    answers = {}
    if answers_path.is_file() and answers_path != path:
        answers = {str(row["id"]): row["answer"] for _, row in _read_json_array(answers_path)}
    for position, row in _read_json_array(path):
        if "answer" not in row and str(row.get("id")) in answers:
            row["answer"] = answers[str(row["id"])]
        yield position, row


def _read_pubmedqa(path: Path) -> Records:
    # The official test set is the PMIDs of the second file, not a range of positions.
    truth_path = path.with_name("test_ground_truth.json")
    truth = json.loads(truth_path.read_text("utf-8")) if truth_path.is_file() else None
    records = json.loads(path.read_text("utf-8-sig"))
    if not isinstance(records, dict):
        raise ValueError(f"expected a JSON object of PMIDs, found {type(records).__name__}")
    for position, (pmid, record) in enumerate(records.items()):
        if truth is None:
            yield position, record
        elif pmid in truth:
            yield position, {**record, "final_decision": truth[pmid]}


def _read_csv_rows(path: Path) -> Records:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        yield from enumerate(row for row in csv.reader(handle) if row)


def _read_csv_dicts(path: Path) -> Records:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        yield from enumerate(csv.DictReader(handle))


def _choice(question: str, options: list[str], answer: str, subject: str | None = None) -> Fields:
    letters = LETTERS[: len(options)]
    options = [_text(option) for option in options]
    right = _text(answer).strip().upper()
    if len(options) < 2:
        raise ValueError(f"{len(options)} options")
    if not right or any(letter not in letters for letter in right):
        raise ValueError(f"answer {answer!r} is none of {', '.join(letters)}")
    if any(not options[letters.index(letter)] for letter in right):
        raise ValueError(f"the text of the right option {right} is blank")
    return {
        "subject": subject,
        "question": _filled("question", question),
        "options": options,
        "answer": right,
    }


def _consultation(rounds: list[tuple[str, str]], **fields: Any) -> Fields:
    turns = []
    for question, answer in rounds:
        turns.append({"role": "user", "text": _filled("patient's turn", question)})
        turns.append({"role": "assistant", "text": _filled("doctor's turn", answer)})
    if not turns:
        raise ValueError("no turns")
    return {"question": rounds[0][0], "turns": turns, **fields}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {value!r}")
    return value.strip()


def _filled(name: str, value: Any) -> str:
    text = _text(value)
    if not text:
        raise ValueError(f"{name} is blank")
    return text


def _lettered(options: dict[str, str]) -> list[str]:
    letters = sorted(options)
    if "".join(letters) != LETTERS[: len(letters)]:
        raise ValueError(f"options are {letters}, expected consecutive letters from A")
    return [options[letter] for letter in letters]


def _parse_medqa(row: Any, subject: str) -> Fields:
    return _choice(row["question"], _lettered(row["options"]), row["answer_idx"])


def _parse_medmcqa(row: Any, subject: str) -> Fields:
    # 1-based in the publisher's JSON; 0-based (and -1 where unlabelled) in the hub's copy.
    cop = row["cop"]
    if cop not in (1, 2, 3, 4):
        raise ValueError(f"cop is {cop!r}, expected 1, 2, 3 or 4 as in the publisher's JSON")
    options = [row[key] for key in ("opa", "opb", "opc", "opd")]
    return _choice(row["question"], options, LETTERS[cop - 1], row.get("subject_name"))


def _parse_mmlu(row: Any, subject: str) -> Fields:
    if len(row) != 6:
        raise ValueError(f"{len(row)} columns, expected question, A, B, C, D, answer")
    return _choice(row[0], row[1:5], row[5], subject)


def _parse_cmmlu(row: Any, subject: str) -> Fields:
    return _choice(row["Question"], [row[k] for k in "ABCD"], row["Answer"], subject)


def _parse_ceval(row: Any, subject: str) -> Fields:
    return _choice(row["question"], [row[k] for k in "ABCD"], row["answer"], subject)


def _parse_cmb(row: Any, subject: str) -> Fields:
    fields = _choice(
        row["question"],
        _lettered(row["option"]),
        row["answer"],
        f"{row['exam_type']}/{row['exam_class']}",
    )
    if any(a >= b for a, b in pairwise(fields["answer"])):
        raise ValueError(f"letters of answer {fields['answer']!r} are not in order")
    return fields


def _parse_pubmedqa(row: Any, subject: str) -> Fields:
    answer = row["final_decision"]
    if answer not in YES_NO_MAYBE:
        raise ValueError(f"final_decision is {answer!r}, expected yes, no or maybe")
    return {
        "context": _filled("CONTEXTS", "\n".join(row["CONTEXTS"])),
        "question": _filled("QUESTION", row["QUESTION"]),
        "options": YES_NO_MAYBE,
        "answer": answer,
    }


def _parse_cmtmedqa(row: Any, subject: str) -> Fields | None:
    if "instruct" in row:  # safety questions share the file; they are judged by another protocol
        return None
    rounds = [(question, answer) for question, answer in row.get("history") or []]
    rounds.append((row["instruction"], row["output"]))
    return _consultation(rounds, subject=row.get("cate1"))


def _parse_cmb_clin(row: Any, subject: str) -> Fields:
    case = _filled("description", row["description"])
    rounds = []
    for pair in row["QA_pairs"]:
        answer = pair["solution"] if "solution" in pair else pair["answer"]
        rounds.append((pair["question"], answer))
    if rounds:
        rounds[0] = (f"以下是一位病人的病例：\n{case}\n{rounds[0][0]}", rounds[0][1])
    return _consultation(rounds, subject=row.get("title"), context=case)


ADAPTERS: dict[str, Adapter] = {
    "medqa": Adapter(_read_jsonl, _parse_medqa),
    "medmcqa": Adapter(_read_jsonl, _parse_medmcqa),
    "mmlu": Adapter(_read_csv_rows, _parse_mmlu, subject_of_file=True),
    "cmmlu": Adapter(_read_csv_dicts, _parse_cmmlu, subject_of_file=True),
    "ceval": Adapter(_read_csv_dicts, _parse_ceval, subject_of_file=True),
    "pubmedqa": Adapter(_read_pubmedqa, _parse_pubmedqa),
    "cmb": Adapter(_read_cmb, _parse_cmb),
    "cmtmedqa": Adapter(_read_json_array, _parse_cmtmedqa),
    "cmb_clin": Adapter(_read_json_array, _parse_cmb_clin),
}
