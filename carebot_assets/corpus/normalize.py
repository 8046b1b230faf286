"""Normalisation of text: what may change between a record and its document."""

import polars as pl

# U+0080..U+009F come from Windows-1252 read as Latin-1: read them as Windows-1252, as browsers do.
_C1 = [bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0xA0)]
_C1_CHARS = [chr(byte) for byte in range(0x80, 0xA0)]
# Tab and newline stay; zero-width, direction and soft-hyphen marks, byte order marks go.
_INVISIBLE = r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"


def normalize(text: pl.Expr) -> pl.Expr:
    """NFC, `\\n` line ends, no control or invisible characters, no trailing or surplus space.

    Characters are never mapped to other characters beyond that (no NFKC): full-width punctuation
    is part of Chinese text, and damage stays visible to the rules.
    """
    lines = (
        text.str.normalize("NFC")
        .str.replace_all("\r\n", "\n", literal=True)
        .str.replace_all(r"[\r\u2028\u2029\x0b\x0c]", "\n")
    )
    clean = lines.str.replace_many(_C1_CHARS, _C1).str.replace_all(_INVISIBLE, "")
    return (
        clean.str.replace_all("\u00a0", " ", literal=True)
        .str.replace_all(r"[ \t\u3000]+\n", "\n")
        .str.replace_all(r"\n{3,}", "\n\n")
        .str.strip_chars()
    )
