"""Language of a document: zh, en or other."""

import polars as pl

from carebot_assets.corpus import lexicons

HEAD_CHARS = 2000
MIN_HAN_RATIO = 0.2
MAX_KANA_RATIO = 0.1
MIN_LATIN_RATIO = 0.8
MIN_STOP_WORD_RATIO = 0.04
SHORT_WORDS = 12
_STOP_WORD = rf"(?i)(?-u:\b)(?:{'|'.join(lexicons.STOP_WORDS_EN)})(?-u:\b)"


def language(text: pl.Expr) -> pl.Expr:
    """Language by script shares and stop words, over the columns of `counting.characters`.

    zh: at least a fifth of the letters is Han (one Han character carries about as much as a word
    of Latin letters) and kana are rarer than a tenth of Han and kana. en: at least four fifths of
    the letters are Latin and, among the first 2000 characters, at least 4 % of the words are
    English stop words; of a text of fewer than 12 words only ASCII letters are asked.
    """
    han, kana, latin = pl.col("num_han"), pl.col("num_kana"), pl.col("num_latin")
    letters = han + kana + latin + pl.col("num_other_letter")
    head = text.str.head(HEAD_CHARS)
    words = head.str.count_matches(r"[A-Za-z]+")
    stops = pl.when(latin > han).then(head).str.count_matches(_STOP_WORD).fill_null(0)
    accented = head.str.contains(r"[\u00c0-\u024f]")
    is_english = (
        pl.when(words < SHORT_WORDS).then(~accented).otherwise(stops >= MIN_STOP_WORD_RATIO * words)
    )
    return (
        pl.when(
            (han >= MIN_HAN_RATIO * letters) & (han > 0) & (kana <= MAX_KANA_RATIO * (han + kana))
        )
        .then(pl.lit("zh"))
        .when((latin >= MIN_LATIN_RATIO * letters) & (latin > 0) & is_english)
        .then(pl.lit("en"))
        .otherwise(pl.lit("other"))
    )
