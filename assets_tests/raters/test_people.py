from pathlib import Path

import pytest

from carebot_assets.raters import people
from carebot_assets.raters.people import PeopleError

LABELS = ["Sports", "Health & Medicine"]


def write(tmp_path: Path, name: str, text: str | bytes) -> str:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "doc_id,text,label\nd1,,Sports\n,足球比赛,Sports\n"),
        ("a.csv", "\ufeffdoc_id,text,label\r\nd1,,Sports\r\n,足球比赛,Sports\r\n"),
        ("a.jsonl", '{"doc_id": "d1", "label": "Sports"}\n\n'
                    '{"text": "足球比赛", "label": "Sports"}\n'),
    ],
)  # fmt: skip
def test_labels(tmp_path: Path, name: str, text: str) -> None:
    found = people.read_labels(write(tmp_path, name, text), LABELS)
    assert found["label"].to_list() == ["Sports"] * 2 and found["doc_id"][0] == "d1"
    assert found["text"].to_list() == [None, "足球比赛"]
    assert found["lang"].to_list() == [None, "zh"] and len(found["doc_id"][1]) == 32
    own = people.texts(found, lambda texts: texts.str.replace("足球", "***"))
    assert own.row(0)[1:] == ("human", "human", "zh", "***比赛", 1.0)
    assert set(people.said(found).values()) == {"Sports"} and len(people.said(found)) == 2


def test_scores_and_no_file(tmp_path: Path) -> None:
    path = write(tmp_path, "s.csv", "doc_id,score\na,4.5\nb,0\na,4.5\n")
    assert people.said(people.read_scores(path)) == {"a": 4.5, "b": 0.0}
    assert people.read_scores(None).height == 0 and people.read_labels(None, LABELS).height == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"a.txt: expected a file ending in .csv"),
        ("a.csv", "doc_id,label\nd1,Weather\n", r"a.csv, record 1: label 'Weather' is none of"),
        ("a.csv", "doc_id,label\nd1,Sports\nd2,\n", r"record 2: no label"),
        ("a.csv", "doc_id,label\n,Sports\n", r"record 1: give either doc_id or text"),
        ("a.csv", "doc_id,text,label\nd,t,Sports\n", r"record 1: give either .* not both"),
        ("a.csv", "id,label\nd1,Sports\n", r"record 1: has \['id', 'label'\]; expected label and"),
        ("a.csv", "doc_id,label\nd1,Sports,x\n", r"record 1: another number of fields"),
        ("a.csv", "doc_id,label\nd1\n", r"record 1: another number of fields"),
        ("a.csv", 'doc_id,label\n"d1,Sports\n', r"record 1: not CSV"),
        ("a.csv", b"doc_id,label\nd1,\xff\n", r"a.csv: not UTF-8 at byte 16"),
        ("a.jsonl", '{"doc_id": "d"', r"a.jsonl, record 1: not JSON"),
        ("a.jsonl", "[1]", r"record 1: not an object"),
        ("a.jsonl", '{"text": "x", "lang": "fr", "label": "Sports"}', r"lang 'fr' is none of"),
        ("a.jsonl", '{"doc_id": "d", "label": "Sports"}\n'
                    '{"doc_id": "d", "label": "Health & Medicine"}',
         r"record 2: label 'Health & Medicine' for d contradicts record 1 with 'Sports'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(PeopleError, match=message):
        people.read_labels(write(tmp_path, name, text), LABELS)


@pytest.mark.parametrize("score", ["5.5", "-1", "nan", "good", "true"])
def test_scores_out_of_range(tmp_path: Path, score: str) -> None:
    value = score if score == "true" else f'"{score}"'
    path = write(tmp_path, "s.jsonl", f'{{"doc_id": "d", "score": {value}}}')
    with pytest.raises(PeopleError, match=r"quality.human_scores: .* is not a number from 0 to 5"):
        people.read_scores(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PeopleError, match=r"human_labels: .*none.csv: No such file"):
        people.read_labels(str(tmp_path / "none.csv"), LABELS)
    assert people.files(None, str(tmp_path / "none.csv")) == []
