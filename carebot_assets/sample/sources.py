"""The sources of the sample corpus: format, share, contents, and the dirt planted in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from carebot_assets.sample.knowledge import Lang

RECORDS_PER_FILE = 2_000


@dataclass(frozen=True)
class Source:
    """One source of the corpus.

    Attributes:
        layout: file suffix, which names the format and its compression.
        fields: the two columns; a source without titles has a `url` in front.
        encoding: of text formats.
        share: of all documents, dirty: of its own records, medical: of its own records.
        forms: form -> weight.
    """

    name: str
    lang: Lang
    layout: str
    fields: tuple[str, str]
    share: float
    medical: float
    dirty: float
    forms: Mapping[str, float]
    encoding: str = "utf-8"

    @property
    def titled(self) -> bool:
        """Whether title and text are apart."""
        return self.fields[0] == "title"

    def file(self, index: int) -> str:
        """Name of the file that holds record `index`."""
        return f"part-{index // RECORDS_PER_FILE:05d}.{self.layout}"

    def place(self, index: int) -> str:
        """Address of record `index` as the truth table writes it: source/file#position."""
        return f"{self.name}/{self.file(index)}#{index % RECORDS_PER_FILE}"


_WEB_FORMS = {"encyclopaedia": 0.2, "patient": 0.2, "news": 0.2, "forum": 0.4}
SOURCES = (
    Source(
        "encyclopedia_en",
        "en",
        "jsonl.gz",
        ("title", "text"),
        0.12,
        0.45,
        0.1,
        {"encyclopaedia": 1},
    ),
    Source(
        "encyclopedia_zh", "zh", "parquet", ("title", "text"), 0.12, 0.45, 0.1, {"encyclopaedia": 1}
    ),
    Source("abstracts_en", "en", "csv", ("title", "abstract"), 0.08, 0.65, 0.1, {"abstract": 1}),
    Source(
        "abstracts_zh",
        "zh",
        "tsv",
        ("title", "abstract"),
        0.08,
        0.65,
        0.1,
        {"abstract": 1},
        "gb18030",
    ),
    Source("patient_zh", "zh", "jsonl", ("title", "text"), 0.08, 1.0, 0.1, {"patient": 1}),
    Source("patient_en", "en", "jsonl.zst", ("title", "text"), 0.08, 1.0, 0.1, {"patient": 1}),
    Source("news_zh", "zh", "csv", ("title", "content"), 0.07, 0.3, 0.12, {"news": 1}, "gb18030"),
    Source("web_en", "en", "jsonl", ("url", "text"), 0.22, 0.34, 0.5, _WEB_FORMS),
    Source("web_zh", "zh", "jsonl", ("url", "text"), 0.15, 0.34, 0.5, _WEB_FORMS),
)
WEB_DIRT = {
    "advert": 14,
    "boilerplate": 12,
    "mojibake": 8,
    "spliced": 8,
    "repetition": 8,
    "exact_duplicate": 12,
    "near_duplicate": 12,
    "private_information": 10,
    "abuse": 6,
    "benchmark_leak": 5,
    "too_short": 5,
    "symbol_noise": 4,
    "malformed_json": 2,
    "undecodable_bytes": 2,
}
CURATED_DIRT = {
    "mojibake": 3,
    "spliced": 2,
    "repetition": 2,
    "exact_duplicate": 4,
    "near_duplicate": 5,
    "private_information": 4,
    "too_short": 2,
    "malformed_json": 1,
    "undecodable_bytes": 1,
}
