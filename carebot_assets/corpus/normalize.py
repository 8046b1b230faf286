"""Normalisation of text: what may change between a record and its document."""

import unicodedata
from functools import lru_cache
from itertools import chain

import polars as pl

# U+0080..U+009F come from Windows-1252 read as Latin-1: read them as Windows-1252, as browsers do.
_C1 = [bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0xA0)]
_C1_CHARS = [chr(byte) for byte in range(0x80, 0xA0)]
# Tab and newline stay; zero-width, direction, soft-hyphen and tag marks, byte order marks go.
_INVISIBLE = (
    r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_ENDS = r"[\r\u2028\u2029\x0b\x0c]"
# Space before a line's end, empty lines in a row.
_BLANKS = r"[ \t\u3000]\n|\n\n\n"


def normalize(text: pl.Expr) -> pl.Expr:
    """NFC, `\\n` line ends, no control or invisible characters, no trailing or surplus space.

    Characters are never mapped to other characters beyond that (no NFKC): full-width punctuation
    is part of Chinese text, and damage stays visible to the rules.
    """
    return text.map_batches(_normalized, pl.String, is_elementwise=True)


def _normalized(texts: pl.Series) -> pl.Series:
    # Most texts hold nothing that the slow steps change: those are not even copied.
    rows = texts.str.contains(rf"{_odd()}|{_BLANKS}").fill_null(False).arg_true()
    if not rows.is_empty():
        text = pl.col("text")
        some = texts.gather(rows).to_frame("text").select(
            _cleaned(text)
            .str.replace_all(r"[ \t\u3000]+\n", "\n")
            .str.replace_all(r"\n{3,}", "\n\n")
        )  # fmt: skip
        texts = texts.clone().scatter(rows, some.to_series())  # which works in place
    return texts.str.strip_chars()


def _cleaned(text: pl.Expr) -> pl.Expr:
    return (
        text.str.normalize("NFC")
        .str.replace_all("\r\n", "\n", literal=True)
        .str.replace_all(_LINE_ENDS, "\n")
        .str.replace_many(_C1_CHARS, _C1)
        .str.replace_all(_INVISIBLE, "")
        .str.replace_all("\u00a0", " ", literal=True)
    )


@lru_cache(maxsize=1)
def _odd() -> str:
    """Class of every character that `_cleaned` may change, alone or beside others.

    NFC changes a text only where there is a mark, a Hangul letter or a character that is not NFC
    by itself.
    """
    blocks = (range(0x300, 0x3400), range(0xF900, 0x20000), range(0x2F800, 0x2FA20))
    alone = (chr(code) for code in chain(*blocks) if not 0xD800 <= code < 0xE000)
    not_nfc = "".join(char for char in alone if not unicodedata.is_normalized("NFC", char))
    return rf"[\p{{M}}\u1100-\u11ff\u0080-\u00a0{not_nfc}{_INVISIBLE}{_LINE_ENDS}]"
