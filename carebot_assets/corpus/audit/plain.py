"""What the audits share: which documents they read, and their own way of taking text apart."""

import re
import unicodedata
from functools import lru_cache

import polars as pl

BATCH_DOCUMENTS = 4000

_CJK = r"\x{3040}-\x{30FF}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{3FFFF}"
_UNIT = rf"[{_CJK}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{_CJK}]]+"


def sample(corpus: pl.LazyFrame, max_documents: int) -> tuple[pl.LazyFrame, dict[str, int | float]]:
    """The documents, or about `max_documents` of more, chosen by their ids; and their number."""
    total = corpus.select(pl.len()).collect(engine="streaming").item()
    if total <= max_documents:
        return corpus, {"num_documents": total, "audited_ratio": 1.0}
    chosen = pl.col("doc_id").hash(1) % 2**32 < max_documents / total * 2**32
    return corpus.filter(chosen), {"num_documents": total, "audited_ratio": max_documents / total}


def units(text: pl.Expr) -> pl.Expr:
    """Words and single CJK characters of a text as a list of folded strings."""
    folded = text.str.normalize("NFKC").str.to_lowercase().str.replace_many(_simplified())
    return folded.str.extract_all(_UNIT)


def units_of(text: str) -> list[str]:
    """The same of one text, not folded to simplified characters."""
    pattern = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+"
    return re.findall(pattern, unicodedata.normalize("NFKC", text).lower())


@lru_cache(maxsize=1)
def _simplified() -> dict[str, str]:
    import opencc

    characters = "".join(map(chr, range(0x4E00, 0xA000)))
    convert = opencc.OpenCC("t2s").convert
    pairs = ((character, convert(character)) for character in characters)
    return {character: simple for character, simple in pairs if character != simple}
