import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.dialogue.adapters.records import _split_array, decode, extract, read_records

TWO = [{"q": "高血压患者能吃党参吗", "a": [1, "x"]}, {"q": "cough", "a": None}]


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("array.json", json.dumps(TWO, ensure_ascii=False, indent=2)),
        ("array_with_bom.json", b"\xef\xbb\xbf" + json.dumps(TWO).encode()),
        ("lines.jsonl", "\n".join(map(json.dumps, TWO)) + "\n\n"),
        ("lines_as.json", "\r\n".join(map(json.dumps, TWO))),
        ("gb.json", json.dumps(TWO, ensure_ascii=False).encode("gb18030")),
    ],
)
def test_containers_give_the_same_records(tmp_path: Path, name: str, data: str | bytes) -> None:
    records = read_records(write(tmp_path, name, data))
    assert records["position"].to_list() == [0, 1]
    assert records["error"].to_list() == [None, None]
    assert [json.loads(raw) for raw in records["raw"]] == TWO


def test_parquet_rows_are_records(tmp_path: Path) -> None:
    pl.DataFrame({"q": [TWO[0]["q"]]}).write_parquet(tmp_path / "a.parquet")
    assert json.loads(read_records(tmp_path / "a.parquet")["raw"][0]) == {"q": TWO[0]["q"]}


def test_csv_with_quoted_line_ends_and_wrong_rows(tmp_path: Path) -> None:
    text = 'department,ask\n内科,"第一行\n第二行，""引""号"\n内科\n\n外科,好\n外科,多,了\n'
    records = read_records(write(tmp_path, "a.csv", text.encode("gb18030")))
    assert records["position"].to_list() == [0, 1, 2, 3]
    assert json.loads(records["raw"][0])["ask"] == '第一行\n第二行，"引"号'
    assert json.loads(records["raw"][2]) == {"department": "外科", "ask": "好"}
    assert records["error"].to_list() == [
        None,
        "1 fields instead of 2",
        None,
        "3 fields instead of 2",
    ]


def test_an_unclosed_quote_does_not_swallow_the_file_in_silence(tmp_path: Path) -> None:
    text = 'a,b\n1,2\n3,"' + "x,y\n" * 50_000
    records = read_records(write(tmp_path, "a.csv", text))
    assert records["error"][0] is None
    assert "the rest of the file is unread" in records["error"][-1]


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ('[{"a": 1}, {"a": 2,,}, {"a": 3}]', [None, "not valid JSON", None]),
        ('[{"a": 1}, {"a": 2}', [None, None, "the file ends inside the JSON array"]),
        ('[{"a": 1}, {"a": ', [None, "not valid JSON"]),
        ('{"a": 1}\nnot json\n{"a": 3}', [None, "not valid JSON", None]),
        ("[]", []),
        ("", []),
    ],
)
def test_broken_json_is_named_at_its_position(
    tmp_path: Path, text: str, errors: list[str | None]
) -> None:
    found = read_records(write(tmp_path, "a.json", text))["error"].to_list()
    assert [e and e.split(":")[0] for e in found] == errors


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=3), st.text(max_size=8) | st.lists(st.text(max_size=4)), max_size=3
        ),
        max_size=6,
    )
)
def test_the_salvaging_splitter_agrees_with_the_parser(values: list[dict[str, Any]]) -> None:
    rows = _split_array(json.dumps(values, ensure_ascii=False))
    assert [error for _, error in rows] == [None] * len(values)
    assert [json.loads(raw) for raw, _ in rows] == values


def test_decoding_tells_damaged_utf8_from_gb18030() -> None:
    chinese = "高血压患者能吃党参吗？" * 20
    assert decode(chinese.encode()) == (chinese, True)
    assert decode(chinese.encode("gb18030")) == (chinese, False)
    damaged, _ = decode(chinese.encode() + b"\xff" + chinese.encode())
    assert damaged == chinese + "\ufffd" + chinese
    broken, _ = decode(chinese.encode("gb18030") + b"\xff\xff" + chinese.encode("gb18030"))
    assert broken.startswith(chinese) and "\ufffd" in broken


def test_extract_takes_the_deepest_scalar_and_lists_as_asked() -> None:
    raws = [
        '{"q": [["deep", "other"]], "h": [["a", "b"], ["c", null]]}',
        '{"q": ["flat"], "h": "no list"}',
        '{"q": 7}',
        '{"q": []}',
        '"no object"',
    ]
    records = pl.DataFrame({"position": range(5), "raw": raws})
    frame = extract(records, {"q": "$.q[0][0]|$.q[0]|$.q"}, lists={"h": "$.h VARCHAR[][]"})
    assert frame["q"].to_list() == ["deep", "flat", "7", None, None]
    assert frame["h"].to_list()[:2] == [[["a", "b"], ["c", None]], None]
