"""Which encoding a text is in."""

import pytest

from carebot_assets.corpus import encodings

ZH = "高血壓是一種常見的慢性疾病，患者應該減少鹽的攝取，並且定期測量血壓。\n"
CN = "高血压是一种常见的慢性疾病，患者应该减少盐的摄取，并且定期测量血压。\n"
FR = "L'hypertension artérielle est une maladie chronique fréquente ; le sel élève la pression.\n"
DE = "Bluthochdruck ist eine häufige Krankheit; für ältere Menschen über 60 gefährlich.\n"
EN = "Hypertension is a lasting rise of the blood pressure.\n"


@pytest.mark.parametrize("repeat", [1, 40])
@pytest.mark.parametrize(
    ("text", "written", "found"),
    [
        (ZH, "big5", "big5hkscs"),
        (EN + ZH, "big5", "big5hkscs"),
        (CN, "gb18030", "gb18030"),
        (EN + CN, "gbk", "gb18030"),
        (CN, "utf-8", "utf-8"),
        (CN, "utf-8-sig", "utf-8-sig"),
        (EN, "ascii", "utf-8"),
        (FR, "latin-1", "latin-1"),
        (DE, "latin-1", "latin-1"),
        (CN, "utf-16", "utf-16"),
        (CN, "utf-16-le", "utf-16-le"),
        (EN, "utf-16-be", "utf-16-be"),
        (EN + CN, "utf-16-be", "utf-16-be"),
    ],
)
def test_detected(text: str, written: str, found: str, repeat: int) -> None:
    assert encodings.of_bytes((text * repeat).encode(written), "latin-1") == found


def test_zero_bytes_in_utf_8_are_not_utf_16() -> None:
    for text in (EN + "\x00" + EN, CN + "\x00" + CN, "\x00\x00" + EN):
        assert encodings.of_bytes(text.encode(), "latin-1") == "utf-8"


@pytest.mark.parametrize(
    ("page", "declared", "found"),
    [
        (f'<meta charset="gb2312">{CN}'.encode("gb18030"), None, "gb18030"),
        (f'<meta charset="gb2312">{CN}'.encode(), None, "utf-8"),  # saved anew by a browser
        (f'<meta content="text/html; charset=big5">{ZH}'.encode("big5"), None, "big5hkscs"),
        (f"<p>{CN}".encode("gb18030"), None, "gb18030"),
        (f"<p>{FR}".encode("latin-1"), "iso-8859-1", "cp1252"),
        (b'<meta charset="klingon">' + FR.encode("latin-1"), "x-user", "cp1252"),
        ("<p>Артериальная гипертензия".encode("cp1251"), "windows-1251", "cp1251"),
    ],
)
def test_pages(page: bytes, declared: str | None, found: str) -> None:
    assert encodings.of_page(page, declared) == found


def test_bad_bytes_are_marked_and_change_no_line() -> None:
    block = b'{"t": "a"}\n' + b'{"t": "\xff\xfe"}\n' + CN.encode()
    found = encodings.decoded(block).item()
    assert found.count("\n") == 3
    assert found.count(encodings.UNDECODABLE) == 2
    assert encodings.decoded(CN.encode()).item() == CN
