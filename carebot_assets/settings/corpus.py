"""Settings from the raw files to the filtered corpus."""

from typing import Annotated, Literal

from pydantic import Field

from carebot_assets.settings.base import Count, Lang, Positive, Ratio, Section


class SampleWorldSettings(Section):
    """Size of the embedded sample world; see `carebot_assets.sample`."""

    documents: Positive
    dialogues: Positive
    questions: Positive


class CorpusSource(Section):
    """Where one source's files lie and how a record of it becomes a document.

    `path` is a glob, of local files or of any location of fsspec (`s3://bucket/x/*.parquet`);
    relative paths start at the profile file's folder and `{sample}` stands for the sample world.
    `text` names the columns (or the JSON path `a.b`, or `[]` steps as in
    `data[].paragraphs[].context`) joined by a blank line; `columns` names the fields of a file
    without header; `where` keeps records whose columns have these values; `id` names the column of
    the source's own id (of WARC a header, of XML a kind of identifier such as `doi`). A `txt`,
    `html` or `xml` file is one record.
    """

    path: str
    text: str | list[str] = "text"
    columns: list[str] | None = None
    where: dict[str, str] | None = None
    id: str | None = None
    format: Literal[
        "auto", "jsonl", "json", "csv", "tsv", "parquet", "txt", "lines", "html", "xml", "warc"
    ] = "auto"
    encoding: str = "auto"
    license: str = "unknown"


class WatchSettings(Section):
    """The sensor on the sources' folders: whether it starts by itself, and what it asks for."""

    enabled: bool = False
    interval_seconds: Positive = 60
    materialize: bool = False


class CorpusSettings(Section):
    """Sources and the limits on reading them.

    A shard fails when more of its records are bad than both `max_bad_ratio` of them and
    `max_bad_records`. A compressed file may grow to `max_expansion` times its size.
    """

    sources: dict[str, CorpusSource] = {}
    shard_bytes: Positive = 1_000_000_000
    max_record_chars: Positive = 1_000_000
    max_bad_ratio: Ratio = 0.05
    max_bad_records: Count = 5
    max_expansion: Positive = 200
    watch: WatchSettings = WatchSettings()
    export: Literal["gz", "zst"] = "gz"


Lexicon = Literal[
    "boilerplate_zh", "boilerplate_en", "advert_zh", "advert_en",
    "medical_advert_zh", "medical_advert_en", "abuse_zh", "abuse_en",
]  # fmt: skip
Below0 = Annotated[float, Field(le=0.0)]
Above0 = Annotated[float, Field(ge=0.0)]


class RuleThresholds(Section):
    """Thresholds of one language; a rule fails a document when its measure is outside.

    A threshold of null switches its rule off. Tokens are words and single CJK characters.
    """

    min_tokens: Count
    max_tokens: Count
    min_chars: Count | None = None
    max_chars: Count | None = None
    max_special_char_ratio: Ratio
    max_punctuation_ratio: Ratio | None = None
    max_digit_ratio: Ratio
    min_letter_ratio: Ratio
    max_mixed_script_ratio: Ratio | None = None
    max_traditional_ratio: Ratio | None = None
    max_url_line_ratio: Ratio
    max_boilerplate_line_ratio: Ratio
    max_bullet_line_ratio: Ratio | None = None
    max_ellipsis_line_ratio: Ratio | None = None
    max_unterminated_ratio: Ratio
    max_dup_line_ratio: Ratio
    max_dup_line_char_ratio: Ratio | None = None
    max_dup_paragraph_ratio: Ratio | None = None
    max_dup_paragraph_char_ratio: Ratio | None = None
    max_dup_sentence_ratio: Ratio
    max_top_2gram_ratio: Ratio | None = None
    max_top_3gram_ratio: Ratio | None = None
    max_top_4gram_ratio: Ratio | None = None
    max_dup_5gram_ratio: Ratio | None = None
    max_dup_6gram_ratio: Ratio | None = None
    max_dup_7gram_ratio: Ratio | None = None
    max_dup_8gram_ratio: Ratio | None = None
    max_dup_9gram_ratio: Ratio | None = None
    max_dup_10gram_ratio: Ratio | None = None
    max_symbol_word_ratio: Ratio | None = None
    min_alpha_word_ratio: Ratio | None = None
    min_mean_word_length: Above0 | None = None
    max_mean_word_length: Above0 | None = None
    min_stop_words: Count
    min_mean_log_probability: Below0 | None = None
    min_unique_char_ratio: Ratio
    min_c4_sentences: Count | None = None
    min_c4_line_ratio: Ratio | None = None
    max_lorem_ipsum_lines: Count | None = None
    max_curly_lines: Count | None = None
    max_javascript_line_ratio: Ratio | None = None
    min_line_punctuation_ratio: Ratio | None = None
    max_short_line_ratio: Ratio | None = None
    max_char_dup_ratio: Ratio | None = None
    max_newline_ratio: Ratio | None = None
    max_replacement_ratio: Ratio
    max_mojibake_ratio: Ratio
    max_advert_hits: Count
    max_medical_advert_hits: Count | None = 1
    max_toxic_hits: Count


class RuleSettings(Section):
    """`unigrams` names files of a language's own word or character counts (`unit<TAB>count`),
    `lexicons` files of further phrases, one a line, which count beside the built-in ones. A kind of
    private information that `private_information` does not name is masked. With `tokenizer` (a
    checkpoint's folder or its `tokenizer.json`) limits on tokens are in tokens of that model."""

    zh: RuleThresholds
    en: RuleThresholds
    tokenizer: str | None = None
    unigrams: dict[Lang, str] = {}
    lexicons: dict[Lexicon, str] = {}
    private_information: dict[str, Literal["drop", "mask", "keep"]]
    drop_band: tuple[Ratio, Ratio] = (0.0, 0.95)


class DuplicateSettings(Section):
    """MinHash LSH; `bands` x `rows` hashes over n-gram shingles (words in en, characters in zh).

    `against` names earlier corpora (stores, or globs of Parquet or JSONL files, relative to the
    profile file): what resembles a document of theirs is removed. Of others the source first in
    `prefer_sources` survives, then the highest `best_by` (a numeric column of `documents` or
    `text_measures`; the lowest with a leading minus), then the first by source name and doc_id.
    `memory_limit_mb` is DuckDB's share of the memory, beyond which it spills to disk; an eighth of
    it is used besides for counting hashes, and 200 to 300 MB for reading and comparing signatures.
    """

    ngram: Positive = 5
    bands: Positive = 14
    rows: Positive = 8
    hash_seed: Count = 0
    min_similarity: Ratio = 0.7
    best_by: str = "n_chars"
    prefer_sources: list[str] = []
    against: list[str] = []
    max_removed_ratio: Ratio = 0.6
    max_cluster_ratio: Ratio = 0.1
    memory_limit_mb: Positive = 1024


class ContaminationSettings(Section):
    """What makes a document repeat a benchmark item; units are words and CJK characters.

    `min_hits` specific n-grams are a passage of `ngram + min_hits - 1` units; half as many suffice
    where the document holds `min_item_share` of the question.
    """

    ngram_en: Positive = 8
    ngram_zh: Positive = 8
    min_hits_en: Positive = 20
    min_hits_zh: Positive = 20
    min_item_share: Ratio = 0.6
    min_item_units: Positive = 8
    phrase_units: Positive = 5
    max_items_per_phrase: Positive = 5


class DriftSettings(Section):
    """When a shard counts as deviating from the others of its source and language: the robust
    z-score of a measure and the shift itself (of a ratio; of a mean, relative to it) are large."""

    max_score: Annotated[float, Field(gt=0.0)] = 6.0
    min_ratio_shift: Ratio = 0.03
    min_mean_shift: Ratio = 0.2
    min_documents: Positive = 50
    min_shards: Annotated[int, Field(ge=3)] = 3


class AuditSettings(Section):
    """How many pairs of documents that share a sentence are compared over all shards; of more
    documents than that, sentences are chosen by hash. All else is tested on every document."""

    max_pairs: Positive = 20_000
