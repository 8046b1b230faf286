from __future__ import annotations

import csv
import hashlib
import json
import re
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.sample.conftest import WORLD
from carebot_assets.sample.benchmarks import _distinct
from carebot_assets.sample.corpus import apportion
from carebot_assets.sample.dirt import DIRT_KINDS
from carebot_assets.sample.private import PRIVATE_KINDS, luhn_check, resident_id_check
from carebot_assets.sample.publishers import PUBLISHERS
from carebot_assets.sample.sources import SOURCES
from carebot_assets.sample.world import write_world

Truth = list[dict[str, Any]]
TITLED = {source.name: source.titled for source in SOURCES}
PATTERNS = {
    "email": r"\w+@example\.(com|org)",
    "phone_cn": r"(?<!\d)1[3-9]\d{9}(?!\d)",
    "phone_us": r"\(?\d{3}\)?[- ]\d{3}-\d{4}",
    "cn_resident_id": r"(?<!\d)\d{17}[\dX](?!\d)",
    "us_ssn": r"\d{3}-\d{2}-\d{4}",
    "bank_card": r"(?<!\d)(\d{19}|\d{16})(?!\d)",
    "medical_record_number": r"(MRN|住院号|病历号)\W*\d{6,8}",
    "person_name": r"(姓名：|Patient name: )\w+",
    "ip": r"\d+\.\d+\.\d+\.\d+",
    "url_credentials": r"https://\w+:\w+@",
}


def place(row: dict[str, Any]) -> str:
    return f"{row['source']}/{row['file']}#{row['position']}"


def text(stored: dict[str, Any], where: str) -> str:
    head, body = stored[where]
    return f"{head}\n{body}" if TITLED[where.split("/")[0]] else str(body)


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_arguments_give_the_same_bytes(world: Path, tmp_path: Path) -> None:
    write_world(tmp_path, **WORLD)
    assert digest(tmp_path) == digest(world)


def test_counts_add_up(tmp_path: Path) -> None:
    counts = write_world(tmp_path, documents=503, dialogues=101, questions=12, seed=1)
    for part, total in (("corpus", 503), ("dialogues", 101), ("benchmarks", 39)):
        assert sum(n for name, n in counts.items() if name.startswith(part + "/")) == total
    assert counts["documents"] == pl.read_parquet(tmp_path / "truth/corpus.parquet").height
    assert counts["dialogues"] == pl.read_parquet(tmp_path / "truth/dialogues.parquet").height


def test_every_record_has_its_truth_row(truth: Truth, stored: dict[str, Any]) -> None:
    assert [place(row) for row in truth] == list(stored)


def test_large_sources_are_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carebot_assets.sample.sources.RECORDS_PER_FILE", 50)
    monkeypatch.setattr("carebot_assets.sample.world.RECORDS_PER_FILE", 50)
    write_world(tmp_path, documents=1_000, dialogues=0, questions=4, seed=2)
    names = [path.name for path in sorted((tmp_path / "corpus/web_en").iterdir())]
    assert names == [f"part-0000{i}.jsonl" for i in range(5)]


def test_shares(truth: Truth) -> None:
    def share(test: Any) -> float:
        return sum(1 for row in truth if test(row)) / len(truth)

    assert share(lambda row: row["dirt"]) == pytest.approx(0.25, abs=0.03)
    assert share(lambda row: row["medical"]) == pytest.approx(0.5, abs=0.05)
    assert share(lambda row: row["lang"] == "zh") == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("kind", DIRT_KINDS)
def test_dirt_is_where_truth_says(kind: str, truth: Truth, stored: dict[str, Any]) -> None:
    rows = [row for row in truth if kind in row["dirt"]]
    assert rows
    for row in rows:
        record = stored[place(row)]
        copied = kind in ("exact_duplicate", "near_duplicate")
        assert 0 <= row["quality"] <= (5 if copied else 2)
        assert (row["duplicate_of"] is not None) == copied
        assert (row["leaked_item"] is not None) == (kind == "benchmark_leak")
        if kind in ("malformed_json", "undecodable_bytes"):
            assert isinstance(record, bytes)
            if kind == "undecodable_bytes":
                with pytest.raises(UnicodeDecodeError):
                    record.decode()
        elif kind == "exact_duplicate":
            assert text(stored, place(row)) == text(stored, row["duplicate_of"])
        elif kind == "near_duplicate":
            copy, original = text(stored, place(row)), text(stored, row["duplicate_of"])
            assert copy != original and abs(len(copy) - len(original)) < 0.08 * len(original)
        elif kind == "repetition":
            most = Counter(re.findall(r"\w{2,}", record[1])).most_common(1)[0][1]
            assert most >= 6 or max(Counter(record[1]).values()) >= 15
        elif kind == "too_short":
            assert len(record[1]) < 90
        elif kind == "private_information":
            assert row["private_kinds"]
            for private in row["private_kinds"]:
                assert re.search(PATTERNS[private], record[1]), (private, record)


def test_clean_records_are_clean(truth: Truth, stored: dict[str, Any]) -> None:
    for row in truth:
        if not row["dirt"]:
            body = stored[place(row)][1]
            assert 2 <= row["quality"] <= 5 and row["duplicate_of"] is None
            assert "\ufffd" not in body and len(body) > 100
            assert not any(re.search(pattern, body) for pattern in PATTERNS.values())


def test_private_numbers_pass_their_checks(truth: Truth, stored: dict[str, Any]) -> None:
    found: Counter[str] = Counter(kind for row in truth for kind in row["private_kinds"])
    assert set(found) == set(PRIVATE_KINDS)
    for row in truth:
        if "cn_resident_id" in row["private_kinds"]:
            number = re.search(PATTERNS["cn_resident_id"], stored[place(row)][1])
            assert number and resident_id_check(number[0][:17]) == number[0][17]
        if "bank_card" in row["private_kinds"]:
            numbers = re.finditer(PATTERNS["bank_card"], stored[place(row)][1])
            assert any(luhn_check(one[0][:-1]) == one[0][-1] for one in numbers)


@pytest.mark.parametrize(
    ("check", "digits", "expected"),
    [
        (luhn_check, "7992739871", "3"),
        (luhn_check, "411111111111111", "1"),
        (resident_id_check, "11010519491231002", "X"),
    ],
)
def test_check_digits(check: Any, digits: str, expected: str) -> None:
    assert check(digits) == expected


def test_leaks_quote_their_benchmark_item(
    world: Path, truth: Truth, stored: dict[str, Any]
) -> None:
    folder = world / "benchmarks"
    medqa = [json.loads(line) for line in (folder / "medqa/test.jsonl").open(encoding="utf-8")]
    pubmed = json.loads((folder / "pubmedqa/ori_pqal.json").read_text("utf-8"))
    for row in truth:
        suite, *rest = (row["leaked_item"] or "/").split("/")
        page = stored[place(row)][1]
        if suite == "medqa":
            item = medqa[int(rest[0])]
            assert item["question"] in page and all(o in page for o in item["options"].values())
        elif suite == "pubmedqa":
            assert pubmed[rest[0]]["QUESTION"] in page
        elif suite == "cmmlu_med":
            with open(folder / suite / f"{rest[0]}.csv", encoding="utf-8", newline="") as file:
                item = list(csv.DictReader(file))[int(rest[1])]
            assert item["Question"] in page and item[item["Answer"]] in page


def test_benchmark_layouts(world: Path) -> None:
    folder = world / "benchmarks"
    for line in (folder / "medqa/test.jsonl").open(encoding="utf-8"):
        item = json.loads(line)
        assert item["options"][item["answer_idx"]] == item["answer"]
    pubmed = json.loads((folder / "pubmedqa/ori_pqal.json").read_text("utf-8"))
    gold = json.loads((folder / "pubmedqa/test_ground_truth.json").read_text("utf-8"))
    assert gold == {pmid: item["final_decision"] for pmid, item in pubmed.items()}
    assert set(gold.values()) == {"yes", "no", "maybe"}
    dialogues = json.loads((folder / "cmtmedqa/CMtMedQA_test.json").read_text("utf-8"))
    assert len(dialogues) == WORLD["questions"] // 4
    assert all(1 <= len(one["history"]) <= 4 for one in dialogues)
    for path in (folder / "cmmlu_med").iterdir():
        assert path.read_text("utf-8").startswith(",Question,A,B,C,D,Answer\n0,")


def test_dialogue_layouts(world: Path) -> None:
    folder = world / "dialogues"
    with open(folder / "toyhom.csv", encoding="gb18030", newline="") as file:
        toyhom = list(csv.DictReader(file))
    assert list(toyhom[0]) == ["department", "title", "ask", "answer"]
    assert any("\n" in row["ask"] for row in toyhom)
    loaded = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}
    loaded["toyhom"] = toyhom
    loaded["medqa_train"] = [
        json.loads(line) for line in (folder / "medqa_train.jsonl").open(encoding="utf-8")
    ]
    truth = pl.read_parquet(world / "truth/dialogues.parquet").to_dicts()
    assert Counter(row["source"] for row in truth) == {k: len(v) for k, v in loaded.items()}
    assert b"\r\n" in (folder / "chatdoctor.json").read_bytes()
    answers = {"toyhom": "answer", "medqa_train": "answer", "cmb_train": "answer"}
    for row in truth:
        record = loaded[row["source"]][row["position"]]
        answer = record[answers.get(row["source"], "output")]
        assert (answer in ("", [""])) == ("empty_answer" in row["dirt"]), row
    assert {kind for row in truth for kind in row["dirt"]} == {
        "empty_answer",
        "exact_duplicate",
        "unsafe",
        "private_information",
        "benchmark_leak",
    }
    assert {row["kind"] for row in truth} == {"single", "multi", "choice", "yes_no"}


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, world: Path) -> None:
    peaks = []  # `world` has filled the caches
    for number in (1_000, 4_000):
        tracemalloc.start()
        write_world(tmp_path / str(number), documents=number, dialogues=0, questions=8, seed=3)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("total", [0, 1, 7, 1_000])
def test_apportion_loses_nothing(total: int) -> None:
    shares = {one.name: one.share for one in PUBLISHERS}
    assert sum(apportion(shares, total).values()) == total


@pytest.mark.parametrize("name", ["documents", "dialogues", "questions"])
def test_negative_numbers_are_refused(tmp_path: Path, name: str) -> None:
    small = {"documents": 0, "dialogues": 0, "questions": 0, "seed": 0}
    with pytest.raises(ValueError, match=f"{name} is -1"):
        write_world(tmp_path, **(small | {name: -1}))


def test_more_questions_than_facts_are_refused() -> None:
    with pytest.raises(ValueError, match="questions is too high: medqa has only 2"):
        _distinct("medqa", 3, lambda rng, i: rng.random() < 0.5, bool, seed=0)
