"""What the rules need to know of a text, as numbers: the only pass of the rule filter over text."""

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import lexicons, private

SCHEMA = tables.BY_NAME["text_measures"].schema
# A line longer than this is text, whatever phrase it holds.
FURNITURE_CHARS = 120
_URL = r"(?i)https?://|www\."
# UTF-8 read as Windows-1252 (or as Latin-1: normalisation made one of the other): the characters
# that lead bytes of two and three byte sequences and their continuation bytes turn into.
_TAIL = bytes(b for b in range(0x80, 0xC0) if b != 0xA0).decode("cp1252", "replace")
_TAIL = f"[{pl.escape_regex(''.join(sorted(set(_TAIL))))}]"
_AS_LATIN = f"[\u00c2-\u00c5\u00d0\u00d1\u00d8\u00d9]{_TAIL}|[\u00e0-\u00ef]{_TAIL}{{2}}"
# UTF-8 read as GBK: first characters of what the commonest Chinese words and marks turn into, and
# the classic signs of lost characters.
_AS_GBK = "[鐨銆锛鏄鍦鍜鈥鍥鏈綉娴绾鏂寮]|锟斤拷|烫烫|屯屯"


def measure(documents: pl.LazyFrame) -> pl.LazyFrame:
    """Measures of every document (table `text_measures`), independent of any threshold.

    Sources: token count, repetition, stop words - Gopher (Rae et al. 2021, arXiv 2112.11446,
    table A1); unterminated lines, boilerplate phrases, bad words - C4 (Raffel et al. 2020, arXiv
    1910.10683, section 2.2); special characters, distinct characters, flagged words - ROOTS
    (Laurencon et al. 2022, arXiv 2303.03915, section 3); lines of URLs and digits - RefinedWeb
    (Penedo et al. 2023, arXiv 2306.01116, G.2); tokens, special characters, toxicity and private
    information are CareBot's rule filter (arXiv 2412.15236, section on CPT data).
    """
    return documents.map_batches(_measure, schema=SCHEMA, streamable=True)


def _measure(documents: pl.DataFrame) -> pl.DataFrame:
    from carebot_assets.corpus import counting

    texts = documents["text"]
    counted = pl.concat(
        [
            documents.select("doc_id", "shard", "lang", "text"),
            counting.characters(texts),
            counting.repetition(texts),
            private.find(texts).alias("private_kinds").to_frame(),
        ],
        how="horizontal",
    )
    text, total = pl.col("text"), pl.col("num_chars").clip(1)
    letters = pl.when(pl.col("lang") == "zh").then("num_han").otherwise("num_latin")
    thousands = (pl.col("num_tokens") // 1000).clip(1)
    columns = {
        "special_char_ratio": (pl.col("num_symbol") + pl.col("num_replacement")) / total,
        "digit_ratio": pl.col("num_digit") / total,
        "letter_ratio": letters / total,
        "replacement_ratio": pl.col("num_replacement") / total,
        "mojibake_ratio": _mojibake_chars(text) / total,
        "url_line_ratio": _line_ratio(text, _URL),
        "boilerplate_line_ratio": _line_ratio(text, _BOILERPLATE),
        "num_advert_hits": _hits(text, _ADVERT) // thousands,
        "num_toxic_hits": _hits(text, _ABUSE) // thousands,
        "num_stop_words": _stop_words(text),
    }
    return counted.with_columns(**columns).select(
        pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()
    )


def _any(phrases: tuple[str, ...]) -> str:
    """A pattern of any of the phrases, whole words where a phrase begins or ends with a letter."""
    parts = []
    for phrase in sorted(set(phrases), key=lambda p: (-len(p), p)):
        edges = [
            r"(?-u:\b)" if c.isascii() and c.isalnum() else "" for c in (phrase[0], phrase[-1])
        ]
        parts.append(f"{edges[0]}{pl.escape_regex(phrase)}{edges[1]}")
    return f"(?i){'|'.join(parts)}"


_BOILERPLATE = _any(lexicons.BOILERPLATE_EN + lexicons.BOILERPLATE_ZH)
_ADVERT = _any(lexicons.ADVERTS_EN + lexicons.ADVERTS_ZH)
_ABUSE = _any(lexicons.ABUSE_EN + lexicons.ABUSE_ZH)
_PHRASES = {
    _BOILERPLATE: [*lexicons.BOILERPLATE_EN, *lexicons.BOILERPLATE_ZH],
    _ADVERT: [*lexicons.ADVERTS_EN, *lexicons.ADVERTS_ZH],
    _ABUSE: [*lexicons.ABUSE_EN, *lexicons.ABUSE_ZH],
    _URL: ["http://", "https://", "www."],
}


def _candidates(text: pl.Expr, pattern: str) -> pl.Expr:
    """The text where a phrase of the pattern occurs, else null: counting is dear, this is not."""
    return pl.when(text.str.contains_any(_PHRASES[pattern], ascii_case_insensitive=True)).then(text)


def _hits(text: pl.Expr, pattern: str) -> pl.Expr:
    return _candidates(text, pattern).str.count_matches(pattern).fill_null(0)


def _line_ratio(text: pl.Expr, pattern: str) -> pl.Expr:
    """Share of the lines that are short and match."""
    line = pl.element()
    is_furniture = line.str.contains(pattern) & (line.str.len_chars() <= FURNITURE_CHARS)
    lines = (
        _candidates(text, pattern).str.split("\n").list.eval(line.filter(line.str.len_bytes() > 0))
    )
    return lines.list.eval(is_furniture).list.mean().fill_null(0.0)


def _mojibake_chars(text: pl.Expr) -> pl.Expr:
    """Characters in typical sequences of a wrong decoding (two for one of Latin letters)."""
    latin = pl.when(text.str.contains("[\u00c2-\u00ef]")).then(text).str.count_matches(_AS_LATIN)
    return 2 * latin.fill_null(0) + text.str.count_matches(_AS_GBK)


def _stop_words(text: pl.Expr) -> pl.Expr:
    """Distinct stop words of the language (of the richer one where it is neither)."""
    en = pl.sum_horizontal(
        text.str.contains(f" {word} ", literal=True) for word in lexicons.STOP_WORDS_EN
    )
    zh = pl.sum_horizontal(text.str.contains(word, literal=True) for word in lexicons.STOP_WORDS_ZH)
    lang = pl.col("lang")
    return (
        pl.when(lang == "en")
        .then(en)
        .when(lang == "zh")
        .then(zh)
        .otherwise(pl.max_horizontal(en, zh))
    )
