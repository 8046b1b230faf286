"""Phrases of the lexicons in texts: adverts, abuse, page furniture, and the user's own lists.

Matching ignores the case of ASCII letters and respects the bounds of words of ASCII letters and
digits. Texts that hold none are told in one pass (`literals`); in the others all phrases of a kind
are looked for at once (Aho-Corasick).
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from carebot_assets.corpus import lexicons

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = ("boilerplate", "advert", "medical_advert", "abuse")
# A line longer than this is text, whatever phrase it holds.
FURNITURE_CHARS = 120
MAX_PHRASE_CHARS = 100
MAX_FILE_BYTES = 16_000_000


class Phrases:
    """The built-in phrases of every kind with the user's own added to them.

    Args:
        own: files of one phrase a line by `kind_language`, for instance `abuse_zh`.

    Raises:
        ValueError: a file that is absent, not UTF-8 or without a usable phrase.
    """

    def __init__(self, own: Mapping[str, str]) -> None:
        self.num_own: dict[str, int] = {}
        self.lists: dict[str, list[str]] = {}
        for kind in KINDS:
            phrases = [*lexicons.BUILT_IN[kind]]
            for name in (f"{kind}_zh", f"{kind}_en"):
                if name in own:
                    added = read(name, own[name])
                    self.num_own[name] = len(added)
                    phrases += added
            self.lists[kind] = sorted(set(phrases))
        self._marked = {
            kind: pl.DataFrame({"p": phrases}).select(_marked(pl.col("p")))["p"].to_list()
            for kind, phrases in self.lists.items()
        }

    def measures(self, texts: pl.Series, held: Mapping[str, "NDArray[np.bool_]"]) -> pl.DataFrame:
        """`num_advert`, `num_medical_advert` and `num_abuse` (occurrences), and
        `boilerplate_line_ratio` (short lines with a phrase of page furniture) of every text; `held`
        says which hold a phrase of each of `KINDS` at all, bounds of words aside."""
        columns = {}
        for kind in KINDS:
            # Bounds of words are marked in those texts only that hold a phrase at all.
            rows = pl.Series(held[kind]).arg_true()
            some = texts.gather(rows)
            if kind == "boilerplate":
                name, none, found = "boilerplate_line_ratio", 0.0, self._line_ratio(some)
            else:
                name, none, found = f"num_{kind}", 0, self._count(kind, some)
            columns[name] = pl.repeat(none, len(texts), eager=True).scatter(rows, found)
        return pl.DataFrame(columns)

    def _count(self, kind: str, texts: pl.Series) -> pl.Series:
        found = _marked(pl.col("text")).str.extract_many(
            self._marked[kind], ascii_case_insensitive=True, leftmost=True
        )
        return texts.to_frame("text").select(found.list.len().cast(pl.Int64)).to_series()

    def _line_ratio(self, texts: pl.Series) -> pl.Series:
        lines = (
            pl.DataFrame({"text": texts})
            .with_row_index("row")
            .select("row", text=pl.col("text").str.split("\n"))
            .explode("text")
            .filter(pl.col("text").str.len_bytes() > 0)
        )
        holds = _marked(pl.col("text")).str.contains_any(
            self._marked["boilerplate"], ascii_case_insensitive=True
        )
        is_furniture = (pl.col("text").str.len_chars() <= FURNITURE_CHARS) & holds
        lines = lines.select("row", ratio=is_furniture)
        ratios = lines.group_by("row", maintain_order=True).agg(pl.col("ratio").mean())
        rows = pl.DataFrame({"row": pl.int_range(len(texts), dtype=pl.UInt32, eager=True)})
        return rows.join(ratios, on="row", how="left", maintain_order="left")["ratio"]


def files(own: Mapping[str, str]) -> list[Path]:
    """The user's files that are there; for an absent one `load` has a message."""
    return [path for path in map(Path, own.values()) if path.is_file()]


def load(own: Mapping[str, str] | None = None) -> Phrases:
    """The phrases, read once as long as the files stay as they are."""
    files = tuple(sorted((own or {}).items()))
    times = tuple(Path(path).stat().st_mtime_ns if Path(path).is_file() else 0 for _, path in files)
    return _load(files, times)


@lru_cache(maxsize=4)
def _load(files: tuple[tuple[str, str], ...], times: tuple[int, ...]) -> Phrases:
    return Phrases(dict(files))


def read(name: str, file: str) -> list[str]:
    """Phrases of a user's file, one a line; `#` begins a comment line.

    Words of medicine are left out of abuse: in a medical text they are none.
    """
    setting, path = f"rules.lexicons.{name}", Path(file)
    if not path.is_file():
        raise ValueError(f"{setting}: {path} does not exist")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{setting}: {path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{setting}: {path} is not UTF-8: {error.reason}") from None
    phrases = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for number, phrase in enumerate(phrases, 1):
        if len(phrase) > MAX_PHRASE_CHARS:
            raise ValueError(
                f"{setting}: phrase {number} of {path} has {len(phrase)} characters; one phrase a "
                f"line of at most {MAX_PHRASE_CHARS} is expected"
            )
    if name.startswith("abuse"):
        phrases = [phrase for phrase in phrases if phrase.lower() not in lexicons.MEDICAL]
    # A single Chinese character or Latin letter means nothing by itself.
    phrases = [phrase for phrase in phrases if len(phrase) > 1]
    if not phrases:
        raise ValueError(f"{setting}: {path} holds no phrase")
    return phrases


def _marked(text: pl.Expr) -> pl.Expr:
    """Text in which bounds of words are characters, so that only whole words match.

    The mark is a control character, which no document holds.
    """
    return text.str.replace_all(r"[A-Za-z0-9]+", "\x1f$0\x1f")
