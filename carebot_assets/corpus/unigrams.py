"""How frequent words and characters are: the tables behind oddness and stop words.

The default tables are of `word_counts`: the first 30,000 English words, and the characters of
Chinese words, where a traditional character counts as much as its simplified form. A profile may
name files of its own: `unit<TAB>count` lines. Importing this module imports numba; import it inside
functions.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from carebot_assets import word_counts
from carebot_assets.corpus import lexicons
from carebot_assets.corpus.variants import converted, han_variants
from carebot_assets.corpus.wording import fill, word_hashes

# What an unknown word or character gets, as in datatrove's `UnigramLogProbFilter`.
UNKNOWN = float(np.log(1e-9))
NUM_WORDS = 30_000
# Stop words that are written with another character in traditional text.
_TRADITIONAL = dict(zip("与为对将这", "與為對將這", strict=True))


class Unigrams(NamedTuple):
    """Tables for the compiled passes.

    `slots` is an open hash table of words (0 is empty), `words` the log-probability and `stops` the
    number of the stop word (or -1) of a slot; `chars` and `char_stops` say the same of a character.
    """

    slots: NDArray[np.uint64]
    words: NDArray[np.float64]
    stops: NDArray[np.int8]
    chars: NDArray[np.float64]
    char_stops: NDArray[np.int8]


def load(paths: dict[str, str] | None = None) -> Unigrams:
    """Tables of a profile's own files by language, else the built-in ones.

    Raises:
        ValueError: a file is missing or has lines of another form.
    """
    return _load(*((paths or {}).get(lang) for lang in ("en", "zh")))


@lru_cache(maxsize=2)
def _load(english: str | None, chinese: str | None) -> Unigrams:
    words, characters = log_probabilities("en", english), log_probabilities("zh", chinese)
    stops = {word: i for i, word in enumerate(lexicons.STOP_WORDS_EN)}
    names = list(dict.fromkeys([*words, *stops]))
    size = 1 << (2 * len(names)).bit_length()
    slots, keys = np.zeros(size, np.uint64), word_hashes(*_codes(pl.Series(names)))
    places = fill(keys, keys, slots)
    values, numbers = np.full(size, UNKNOWN), np.full(size, -1, np.int8)
    values[places] = [words.get(name, UNKNOWN) for name in names]
    numbers[places] = [stops.get(name, -1) for name in names]
    chars, char_stops = np.full(0x10000, UNKNOWN), np.full(0x10000, -1, np.int8)
    for char, value in characters.items():
        if ord(char) < len(chars):
            chars[ord(char)] = value
    for i, char in enumerate(lexicons.STOP_WORDS_ZH):
        for form in {char, _TRADITIONAL.get(char, char)}:
            char_stops[ord(form)] = i
    return Unigrams(slots, values, numbers, chars, char_stops)


def log_probabilities(lang: str, path: str | None = None) -> dict[str, float]:
    """Natural logarithm of every unit's share of the counts; zh words count for each character.

    Raises:
        ValueError: the file is missing or has lines of another form.
    """
    frame = _default(lang) if path is None else _own(lang, Path(path))
    counts = frame.with_columns(unit=pl.col("unit").str.to_lowercase())
    if lang == "zh":
        counts = _by_character(counts)
    counts = counts.group_by("unit").agg(pl.col("count").sum())
    if lang == "zh" and path is None:
        counts = _with_traditional(counts)
    shares = counts.select("unit", (pl.col("count") / pl.col("count").sum()).log())
    return dict(shares.iter_rows())


def _default(lang: str) -> pl.DataFrame:
    try:
        frame = word_counts.packaged(lang)
    except ValueError as error:
        raise ValueError(f"{error}; install it or give rules.unigrams.{lang}") from None
    return frame.head(NUM_WORDS) if lang == "en" else frame


def _codes(units: pl.Series) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code points of all units in a row, and how many each has."""
    sizes = units.str.len_chars().cast(pl.Int64).to_numpy()
    return np.frombuffer(units.str.join("").item().encode("utf-32-le"), np.uint32), sizes


def _by_character(words: pl.DataFrame) -> pl.DataFrame:
    codes, sizes = _codes(words["unit"])
    counts = np.bincount(codes, np.repeat(words["count"].to_numpy(), sizes))
    found = np.flatnonzero(counts)
    return pl.DataFrame({"unit": [chr(code) for code in found], "count": counts[found]})


def _with_traditional(counts: pl.DataFrame) -> pl.DataFrame:
    """A traditional character counts as much as its simplified form, where that counts more."""
    known = dict(counts.iter_rows())
    traditional = han_variants()["traditional"]
    for char, plain in zip(traditional, converted(traditional, "t2s"), strict=True):
        if plain in known:
            known[char] = max(known.get(char, 0.0), known[plain])
    return pl.DataFrame({"unit": list(known), "count": list(known.values())})


def _own(lang: str, file: Path) -> pl.DataFrame:
    if not file.is_file():
        raise ValueError(f"rules.unigrams.{lang}: {file} does not exist")
    try:
        frame = pl.read_csv(
            file,
            separator="\t",
            has_header=False,
            quote_char=None,
            schema={"unit": pl.String, "count": pl.Float64},
        ).filter(pl.col("count") > 0)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"rules.unigrams.{lang}: {file} must hold lines `unit<TAB>count`: {reason}"
        ) from None
    if frame.is_empty() or frame["unit"].null_count():
        raise ValueError(f"rules.unigrams.{lang}: {file} holds no `unit<TAB>count` lines")
    return frame
