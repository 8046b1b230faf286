"""Quotes, line ends and sizes out of place in csv and tsv files."""

from pathlib import Path

import pytest

from assets_tests.corpus.test_readers import GOOD, read
from carebot_assets.corpus import delimited
from carebot_assets.settings import Settings

MILLION = 1_000_000


def test_an_open_quote_costs_its_own_record_only(demo: Settings, tmp_path: Path) -> None:
    lines = ["id\ttext\tlabel", '1\t"open quote\tx', "2\tsecond\tx", "3\tthird\tx", '4\t"q" e\tx']
    (tmp_path / "a.tsv").write_text("\n".join(lines), "utf-8")
    documents, bad, _ = read(demo, tmp_path / "a.tsv")
    assert documents["text"].to_list() == ["second", "third", "q e"]
    assert bad.select("origin", "error").rows() == [("s/a.tsv#0", "a quote is never closed")]


@pytest.mark.parametrize("num_rows", [50, 200, 3000], ids=str)
@pytest.mark.parametrize("bad_row", [0, 10, -1], ids=["first", "tenth", "last"])
@pytest.mark.parametrize("row", ["{},0", "0,{}", "{}", '0,"{}"', '"{}"', '"{}",0', '"{}\n",0'])
def test_a_quote_never_closed_costs_one_record(
    demo: Settings, tmp_path: Path, row: str, bad_row: int, num_rows: int
) -> None:
    rows = [row.format(f"{GOOD} {i}") for i in range(num_rows)]
    bad_row %= num_rows
    rows[bad_row] = row.replace('"', "").replace("{}", f'"{GOOD} open').replace("\n", "")
    header = ",".join("text" if "{}" in field else "b" for field in row.split(","))
    (tmp_path / "a.csv").write_text("\n".join([header, *rows]) + "\n")
    documents, bad, _ = read(demo, tmp_path / "a.csv")
    assert documents.height == num_rows - 1
    assert bad.select("origin", "error").rows() == [
        (f"s/a.csv#{bad_row}", "a quote is never closed")
    ]


def test_quotes_out_of_place_in_a_line_are_read_loosely(demo: Settings, tmp_path: Path) -> None:
    rows = [
        '"one" more,0',
        'a 5" pipe,0',
        '"two" more,"open',
        '"good\nlines",0',
        "carriage\rreturn,0",
    ]
    (tmp_path / "a.csv").write_text("\n".join(["text,b", *rows, "last,0"]) + "\n", newline="")
    documents, bad, _ = read(demo, tmp_path / "a.csv")
    assert documents["text"].to_list() == ["one more", 'a 5" pipe', "good\nlines", "last"]
    assert bad.select("origin", "error").rows() == [
        ("s/a.csv#2", "a quote is never closed"),
        ("s/a.csv#4", "a carriage return inside a field"),
    ]


def test_a_sea_of_empty_lines_is_no_end(
    demo: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "BATCH_BYTES", 1000)
    (tmp_path / "a.csv").write_text("text\n" + "\n" * 9000 + GOOD)
    assert read(demo, tmp_path / "a.csv")[0]["text"].to_list() == [GOOD]


def test_a_record_of_several_lines_with_a_field_too_few(demo: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'text,b,c\n"{GOOD}\n1",0\n{GOOD},1,2\n')
    documents, bad, _ = read(demo, tmp_path / "a.csv")
    assert documents["origin"].to_list() == ["s/a.csv#2"], "its second line is read again"
    assert bad["error"].to_list() == ["2 fields instead of 3"] * 2


@pytest.mark.parametrize("columns", ["text", "text,b", "b,text"])
def test_a_huge_quoted_field_is_one_record(demo: Settings, tmp_path: Path, columns: str) -> None:
    def row(text: str) -> str:
        return ",".join(f'"{text}"' if name == "text" else "0" for name in columns.split(","))

    huge = "\n".join(["lines of one field, "] * 600_000)
    (tmp_path / "a.csv").write_text("\n".join([columns, row(GOOD), row(huge), row(GOOD + "!")]))
    documents, bad, num_records = read(demo, tmp_path / "a.csv", max_chars=MILLION)
    assert (documents.height, num_records) == (2, 3)
    assert bad.select("origin", "error").rows() == [
        ("s/a.csv#1", "record above 1000000 characters")
    ]


@pytest.mark.parametrize("header", ["text", "text,b"])
def test_a_file_of_open_quotes_is_read_in_one_go(
    demo: Settings, tmp_path: Path, header: str
) -> None:
    lines = [f'"{GOOD} {i}' + ",0" * header.count(",") for i in range(4000)]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
    documents, bad, num_records = read(demo, tmp_path / "a.csv")
    assert (documents.height, bad.height, num_records) == (0, 4000, 4000)
