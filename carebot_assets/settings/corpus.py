"""Settings from the raw files to the filtered corpus."""

from typing import Literal

from carebot_assets.settings.base import Count, Positive, Ratio, Section


class SampleWorldSettings(Section):
    """Size of the embedded sample world; see `carebot_assets.sample`."""

    documents: Positive
    dialogues: Positive
    questions: Positive


class CorpusSource(Section):
    """Where one source's files lie and how a record of it becomes a document.

    `path` is a glob; relative paths start at the profile file's folder and `{sample}` stands for
    the sample world. `text` names the columns (or the JSON path `a.b`, or `[]` steps as in
    `data[].paragraphs[].context`) joined by a blank line; `columns` names the fields of a file
    without header.
    """

    path: str
    text: str | list[str] = "text"
    columns: list[str] | None = None
    where: dict[str, str] | None = None
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet", "txt", "lines"] = "auto"
    encoding: str = "auto"
    license: str = "unknown"


class CorpusSettings(Section):
    sources: dict[str, CorpusSource] = {}
    shard_bytes: Positive = 1_000_000_000
    max_record_chars: Positive = 1_000_000
    max_bad_ratio: Ratio = 0.05


class RuleThresholds(Section):
    """Thresholds of one language; a rule fails a document when its measure is outside."""

    min_tokens: Count
    max_tokens: Count
    max_special_char_ratio: Ratio
    max_digit_ratio: Ratio
    min_letter_ratio: Ratio
    max_url_line_ratio: Ratio
    max_boilerplate_line_ratio: Ratio
    max_dup_line_ratio: Ratio
    max_dup_sentence_ratio: Ratio
    max_top_ngram_ratio: Ratio
    max_replacement_ratio: Ratio
    max_mojibake_ratio: Ratio
    max_advert_hits: Count
    max_toxic_hits: Count
    min_stop_words: Count
    min_unique_char_ratio: Ratio
    max_unterminated_ratio: Ratio


class RuleSettings(Section):
    zh: RuleThresholds
    en: RuleThresholds
    private_information: dict[str, Literal["drop", "mask", "keep"]]
    drop_band: tuple[Ratio, Ratio] = (0.0, 0.95)


class DuplicateSettings(Section):
    """MinHash LSH; `bands` x `rows` hashes over n-gram shingles (words in en, characters in zh)."""

    ngram: Positive = 5
    bands: Positive = 14
    rows: Positive = 8
    min_similarity: Ratio = 0.7
    max_removed_ratio: Ratio = 0.6
    max_cluster_ratio: Ratio = 0.1
    memory_limit_mb: Positive = 1024


class ContaminationSettings(Section):
    """`n` shared n-grams in a row are a passage of `ngram + n - 1` words or characters."""

    ngram_en: Positive = 13
    ngram_zh: Positive = 13
    min_hits_en: Positive = 2
    min_hits_zh: Positive = 6
    min_item_share: Ratio = 0.5
    min_item_units: Positive = 8
    max_items_per_ngram: Positive = 20
