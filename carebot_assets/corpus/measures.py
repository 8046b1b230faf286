"""What the rules need to know of a text, as numbers: the only pass of the rule filter over text."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import phrases, private

if TYPE_CHECKING:
    from carebot_assets.corpus import literals

SCHEMA = tables.BY_NAME["text_measures"].schema
SHORT_TOKENS = 60


def measure(
    documents: pl.LazyFrame,
    unigrams: Mapping[Literal["zh", "en"], str] | None = None,
    lexicons: Mapping[Any, str] | None = None,
) -> pl.LazyFrame:
    """Measures of every document (table `text_measures`), independent of any threshold.

    Args:
        documents: columns doc_id, shard, lang and text.
        unigrams: files of a language's own word or character counts.
        lexicons: files of further phrases, for instance of `abuse_zh`.

    Sources: see `counting.measures` for repetition, lines and C4's and FineWeb's tests; words,
    symbols, bullets, ellipses, stop words - Gopher (Rae et al. 2021, arXiv 2112.11446, section
    A1.1); boilerplate phrases, bad words - C4 (Raffel et al. 2020, arXiv 1910.10683, section 2.2);
    special characters, distinct characters, flagged words - ROOTS (Laurencon et al. 2022, arXiv
    2303.03915, section 3); lines of URLs and digits - RefinedWeb (Penedo et al. 2023, arXiv
    2306.01116, G.2); mean unigram log-probability - peS2o (Soldaini and Lo 2023); tokens, special
    characters, toxicity and private information are CareBot's rule filter (arXiv 2412.15236,
    section on CPT data).
    """
    own = {str(lang): path for lang, path in (unigrams or {}).items()}
    known = phrases.load(lexicons)
    return documents.map_batches(
        lambda batch: _measure(batch, own, known), schema=SCHEMA, streamable=True
    )


def _measure(
    documents: pl.DataFrame, own_unigrams: dict[str, str], known: phrases.Phrases
) -> pl.DataFrame:
    from carebot_assets.corpus import counting, literals, unigrams

    texts = documents["text"]
    held, tables = literals.held(texts, _literals(known)), unigrams.load(own_unigrams)
    counted = pl.concat(
        [
            documents.select("doc_id", "shard", "lang", "text"),
            counting.measures(texts, documents["lang"], tables, held["line"]),
            known.measures(texts, held),
            private.tally(texts, held),
        ],
        how="horizontal",
    )
    lang = pl.col("lang")
    chars, tokens = pl.col("num_chars").clip(1), pl.col("num_tokens").clip(1)
    han = pl.sum_horizontal("num_han", "num_simplified", "num_traditional")
    others = pl.sum_horizontal("num_kana", "num_other_letter")
    letters = pl.sum_horizontal(han, "num_latin", "num_greek", others)
    one_way = pl.sum_horizontal("num_simplified", "num_traditional")
    stops = pl.max_horizontal("stop_words_en", "stop_words_zh")
    columns = {
        "special_char_ratio": pl.sum_horizontal("num_symbol", "num_punctuation", "num_replacement")
        / chars,
        "punctuation_ratio": pl.col("num_punctuation") / chars,
        "digit_ratio": pl.col("num_digit") / chars,
        "letter_ratio": pl.when(lang == "zh").then(han).otherwise("num_latin") / chars,
        "mixed_script_ratio": others / letters.clip(1),
        "traditional_ratio": pl.col("num_traditional") / one_way.clip(1),
        "symbol_word_ratio": (pl.max_horizontal("num_hashes", "num_ellipses") / tokens).clip(0, 1),
        "alpha_word_ratio": pl.col("num_alpha") / tokens,
        "mean_word_length": pl.col("num_unit_chars") / tokens,
        "mean_log_probability": pl.col("log_probability") / pl.col("num_scored").clip(1),
        "num_stop_words": pl.when(lang == "en")
        .then("stop_words_en")
        .otherwise(pl.when(lang == "zh").then("stop_words_zh").otherwise(stops)),
        "newline_ratio": (pl.col("num_newlines") / tokens).clip(0, 1),
        "replacement_ratio": pl.col("num_replacement") / chars,
        "mojibake_ratio": (pl.col("num_mojibake") / chars).clip(0, 1),
        "num_advert_hits": _rate("num_advert"),
        # One phrase of medicine makes a medical advert of what else is an advert.
        "num_medical_advert_hits": pl.when(pl.col("num_medical_advert") > 0)
        .then(_rate("num_medical_advert") + _rate("num_advert"))
        .otherwise(0),
        "num_toxic_hits": _rate("num_abuse"),
    }
    return counted.with_columns(**columns).select(
        pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()
    )


@lru_cache(maxsize=4)
def _literals(known: phrases.Phrases) -> "literals.Literals":
    """What is looked for at once: all phrases, and what private information stands by."""
    from carebot_assets.corpus import line_phrases, literals

    return literals.prepared({**known.lists, "line": line_phrases.PHRASES, **private.HINTS})


def _rate(count: str) -> pl.Expr:
    """Occurrences, per 1000 tokens of a longer text; in a message of a line one counts twice."""
    tokens = pl.col("num_tokens")
    in_short = pl.when(tokens < SHORT_TOKENS).then(2 * pl.col(count))
    return in_short.otherwise(pl.col(count) // (tokens // 1000).clip(1))
