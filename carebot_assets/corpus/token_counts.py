"""Token counts by a model's tokenizer, made only where cheap bounds do not decide.

A token of the vocabulary covers so many words and Chinese characters at most, and a text has no
more tokens than it grows bytes. Between these bounds lies the count; a text that they place inside
the limits is not tokenised.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from carebot_assets import tables
from carebot_assets.settings import RuleSettings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SCHEMA = tables.BY_NAME["text_measures"].schema
# Marks and control characters may be taken out of a word, so none of them ends one.
_INNER = r"[[\p{L}\p{N}\p{M}\p{C}]--[\t\n\r]]"
WORD = rf"{_INNER}*[\p{{L}}\p{{N}}]{_INNER}*"
# WordPiece makes one unknown token of all that stands between blanks, or of less.
CHUNK = r"[^\t\n\r\p{Z}]*[\p{L}\p{N}][^\t\n\r\p{Z}]*"
HAN = r"\p{Han}"
# The most that NFKC or NFKD make a text of UTF-8 grow (Unicode FAQ on normalization), by U+FDFA.
NORMALIZED_GROWTH = 11
# A space that a tokenizer may put before a text, as bytes of the character that stands for it.
MARGIN = 3
# What deletes no letter and no digit.
HARMLESS = {
    "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Prepend",
    "Sequence", "Strip", "StripAccents",
}  # fmt: skip


@dataclass(frozen=True)
class TokenCounter:
    """A tokenizer with what its vocabulary proves about counts.

    Attributes:
        words, han: the most runs of letters and digits (begun in it) and the most Chinese
            characters that one token covers; None where the tokenizer may drop or fuse text, so
            that nothing is proved.
        growth: the most tokens a byte of text becomes.
        word: pattern of such a run.
    """

    tokenizer: "Tokenizer"
    words: int | None
    han: int | None
    growth: int
    word: str = WORD

    def bounds(self, texts: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Fewest and most tokens that each text can have."""
        lower = pl.zeros(len(texts), dtype=pl.Int64, eager=True)
        for pattern, most in ((self.word, self.words), (HAN, self.han)):
            if most is not None:
                found = texts.str.count_matches(pattern).cast(pl.Int64)
                fewest = (found + most - 1) // most
                lower = pl.select(pl.max_horizontal(lower, fewest)).to_series()
        upper = texts.str.len_bytes().cast(pl.Int64) * self.growth + MARGIN
        return lower, upper

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text, without those a model adds around it."""
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [len(encoding) for encoding in encodings]


def exact(
    measures: pl.LazyFrame, documents: pl.LazyFrame, settings: RuleSettings, tokenizer: Path
) -> pl.LazyFrame:
    """Measures whose `num_tokens` are the tokenizer's.

    Exact wherever a bound lies beyond a limit of the document's language; else a lower bound, which
    with the upper bound lies inside both limits.

    Args:
        measures: table `text_measures`.
        documents: the same documents; only `doc_id` and `text` are read.
        settings: the limits `min_tokens` and `max_tokens` of each language.
        tokenizer: see `load`.
    """
    counter = load(tokenizer)
    texts = documents.select("doc_id", "text")
    return measures.join(texts, on="doc_id", how="left", maintain_order="left").map_batches(
        lambda batch: _recount(batch, settings, counter), schema=SCHEMA, streamable=True
    )


def _recount(batch: pl.DataFrame, settings: RuleSettings, counter: TokenCounter) -> pl.DataFrame:
    texts, lang = batch["text"].fill_null(""), pl.col("lang")
    tokens, upper = counter.bounds(texts)
    limits = [
        pl.when(lang == "zh").then(zh).when(lang == "en").then(en).otherwise(other)
        for zh, en, other in (
            (settings.zh.min_tokens, settings.en.min_tokens,
             min(settings.zh.min_tokens, settings.en.min_tokens)),
            (settings.zh.max_tokens, settings.en.max_tokens,
             max(settings.zh.max_tokens, settings.en.max_tokens)),
        )
    ]  # fmt: skip
    fewest, most = batch.select(fewest=limits[0], most=limits[1])
    unsure = (tokens < fewest) | (upper > most)
    if unsure.any():
        counted = pl.Series(counter.count(texts.filter(unsure).to_list()), dtype=pl.Int64)
        tokens = tokens.scatter(unsure.arg_true(), counted)
    known = pl.col("num_tokens").is_not_null()
    kept = pl.when(known).then(tokens).alias("num_tokens").cast(SCHEMA["num_tokens"])
    return batch.drop("text").with_columns(kept)


def load(path: Path) -> TokenCounter:
    """The counter of a checkpoint folder or of a `tokenizer.json`.

    Raises:
        ValueError: names the file that is missing or is no tokenizer.
    """
    file = file_of(path)
    return _load(file, file.stat().st_mtime_ns)


def file_of(path: Path) -> Path:
    """The file of a tokenizer that is named by its folder or itself.

    Raises:
        ValueError: there is no such file.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"setting rules.tokenizer: {file} does not exist")
    return file


@lru_cache(maxsize=4)
def _load(file: Path, _changed: int) -> TokenCounter:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing more specific
        raise ValueError(f"setting rules.tokenizer: {file} is no tokenizer: {error}") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    parts = json.loads(tokenizer.to_str())
    words, han = _coverage(tokenizer, parts)
    # Alone a byte-level tokenizer that leaves the text as it is has no token without a byte.
    plain = parts["normalizer"] is None and _kinds(parts["pre_tokenizer"]) >= {"ByteLevel"}
    growth = 1 if plain else NORMALIZED_GROWTH
    word = CHUNK if parts["model"]["type"] == "WordPiece" else WORD
    return TokenCounter(tokenizer, words, han, growth, word)


def _coverage(tokenizer: "Tokenizer", parts: dict[str, Any]) -> tuple[int | None, int | None]:
    model = parts["model"]
    every_byte = bool(model.get("byte_fallback")) or "ByteLevel" in _kinds(parts["pre_tokenizer"])
    if not _deletes_nothing(parts["normalizer"]):
        return None, None
    if model["type"] == "WordPiece":
        return 1, None
    if not every_byte:
        return None, None
    ids = tokenizer.get_vocab(with_added_tokens=True).values()
    spelled = pl.Series(tokenizer.decode_batch([[i] for i in ids], skip_special_tokens=False))
    # Broken bytes at the end of a token begin a character, and a word unless they go on with one.
    begun = rf"(?:^|[^{_INNER}\x{{fffd}}])\x{{fffd}}+$", r"\x{fffd}+$"
    words, han = (
        max(1, *(spelled.str.count_matches(p) + spelled.str.contains(more)).to_list())
        for p, more in zip((WORD, HAN), begun, strict=True)
    )
    return words, han


def _deletes_nothing(normalizer: Any) -> bool:
    if normalizer is None:
        return True
    parts = normalizer.get("normalizers", [])
    harmless = normalizer["type"] in HARMLESS or (
        normalizer["type"] == "Replace" and normalizer["pattern"] == {"String": " "}
    )
    return harmless and all(map(_deletes_nothing, parts))


def _kinds(part: Any) -> set[str]:
    """Types of a pre-tokenizer and of those it is a sequence of."""
    if not isinstance(part, dict):
        return set()
    return {part["type"]}.union(*map(_kinds, part.get("pretokenizers", [])))
