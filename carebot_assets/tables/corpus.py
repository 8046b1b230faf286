"""Tables from the raw files to the filtered corpus."""

import polars as pl

from carebot_assets.tables.base import DOC, DOC_ID, SHARD, VERDICT_COLUMNS, Table

TABLES = [
    Table(
        "corpus_manifest",
        "Plan of shards: every file of every source, pinned by content",
        {
            "file": (pl.String, "absolute path"),
            "source": (pl.String, "name of the source"),
            "shard": (pl.String, "shard that reads this file"),
            "name": (pl.String, "path inside the source"),
            "format": (pl.String, "file format"),
            "encoding": (pl.String, "text encoding, declared or detected"),
            "license": (pl.String, "licence of the source"),
            "recipe": (pl.String, "how a record becomes text: text, columns, where of the source"),
            "bytes": (pl.Int64, "size of the file"),
            "sha256": (pl.String, "content hash"),
        },
        key=("file", "source"),
    ),
    Table(
        "documents",
        "Normalised documents of a shard",
        DOC
        | {
            "source": (pl.String, "name of the source"),
            "license": (pl.String, "licence of the source"),
            "lang": (pl.String, "zh, en or other"),
            "text": (pl.String, "normalised text"),
            "n_chars": (pl.Int64, "characters"),
            "n_tokens": (pl.Int64, "estimate: CJK characters + other words"),
            "origin": (pl.String, "source/file#record position"),
        },
        SHARD,
    ),
    Table(
        "quarantine",
        "Records that could not become documents (kept beside `documents`)",
        {
            "origin": (pl.String, "source/file#record position"),
            "shard": (pl.String, "shard that met the record"),
            "error": (pl.String, "what was wrong"),
            "sample": (pl.String, "start of the record, undecodable bytes escaped"),
        },
        SHARD,
        key=("origin",),
    ),
    Table(
        "text_measures",
        "Numbers the rules need, independent of any threshold",
        DOC
        | {
            "lang": (pl.String, "language whose thresholds apply"),
            "num_tokens": (pl.Int64, "estimated tokens"),
            "special_char_ratio": (pl.Float64, "characters that are no letter, digit or space"),
            "digit_ratio": (pl.Float64, "digits among characters"),
            "letter_ratio": (pl.Float64, "letters of the document's script among characters"),
            "url_line_ratio": (pl.Float64, "short lines with a URL among lines"),
            "boilerplate_line_ratio": (pl.Float64, "navigation/cookie/copyright lines"),
            "dup_line_ratio": (pl.Float64, "characters in repeated lines (Gopher)"),
            "dup_sentence_ratio": (pl.Float64, "characters in repeated sentences"),
            "top_ngram_ratio": (pl.Float64, "share of the most frequent 2- to 4-gram (Gopher)"),
            "replacement_ratio": (pl.Float64, "U+FFFD among characters"),
            "mojibake_ratio": (pl.Float64, "typical mis-decoded sequences among characters"),
            "num_advert_hits": (pl.Int64, "advert phrases, per 1000 tokens in a longer text"),
            "num_toxic_hits": (pl.Int64, "abuse in words, per 1000 tokens in a longer text"),
            "num_stop_words": (pl.Int64, "distinct stop words of the language"),
            "unique_char_ratio": (pl.Float64, "distinct among the first 200 characters"),
            "unterminated_ratio": (
                pl.Float64,
                "lines without closing punctuation, of four or more",
            ),
            "private_kinds": (pl.List(pl.String), "kinds of private information found"),
        },
        SHARD,
        rows_of="documents",
    ),
    Table(
        "rule_verdicts",
        "Verdict of the rule filter with every failing rule",
        DOC
        | VERDICT_COLUMNS
        | {
            "evidence": (
                pl.List(
                    pl.Struct({"rule": pl.String, "value": pl.Float64, "threshold": pl.Float64})
                ),
                "value and threshold of each failing rule",
            ),
            "masked_kinds": (pl.List(pl.String), "private information to mask in the text"),
        },
        SHARD,
        rows_of="documents",
    ),
    Table(
        "minhash_signatures",
        "MinHash signatures of the documents that pass the rules",
        DOC
        | {
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "n_chars": (pl.Int64, "characters"),
            "text_hash": (pl.String, "128-bit hash of the text without white space and case"),
            "num_shingles": (pl.Int64, "distinct n-grams"),
            "signature": (pl.List(pl.UInt32), "one minimum per permutation"),
            "bands": (pl.List(pl.UInt64), "one hash per band"),
        },
        SHARD,
    ),
    Table(
        "duplicate_clusters",
        "Documents removed as duplicates and the one kept in their place",
        DOC_ID
        | {
            "kept_id": (pl.String, "surviving document of the cluster"),
            "cluster_size": (pl.Int64, "documents in the cluster"),
            "similarity": (pl.Float64, "estimated Jaccard similarity to the kept document"),
            "exact": (pl.Boolean, "same text after normalisation"),
            "source": (pl.String, "source of the removed document"),
            "lang": (pl.String, "language of the removed document"),
            "shard": (pl.String, "shard of the removed document"),
        },
    ),
    Table(
        "duplicate_verdicts",
        "Who survives deduplication",
        DOC
        | VERDICT_COLUMNS
        | {
            "kept_id": (pl.String, "document kept in its place"),
            "similarity": (pl.Float64, "estimated Jaccard similarity to it"),
        },
        SHARD,
        rows_of="documents",
    ),
    Table(
        "benchmark_ngrams",
        "Hashed n-grams of every benchmark item",
        {
            "ngram": (pl.UInt64, "hash of the n-gram"),
            "suite": (pl.String, "suite"),
            "item_id": (pl.String, "item"),
            "num_units": (pl.Int64, "words or CJK characters of the n-gram"),
            "num_item_ngrams": (pl.Int64, "distinct n-grams of the item"),
            "lang": (pl.String, "language"),
        },
        key=("ngram", "item_id"),
    ),
    Table(
        "contamination_verdicts",
        "Overlap of each surviving document with a benchmark",
        DOC
        | VERDICT_COLUMNS
        | {
            "suite": (pl.String, "suite of the best matching item"),
            "item_id": (pl.String, "best matching item"),
            "num_hits": (pl.Int64, "distinct n-grams shared with it"),
            "item_share": (pl.Float64, "share of the item's n-grams found"),
        },
        SHARD,
        rows_of="documents",
    ),
    Table(
        "filtered_corpus",
        "Medical documents that every judge kept",
        DOC
        | {
            "source": (pl.String, "name of the source"),
            "license": (pl.String, "licence"),
            "lang": (pl.String, "language"),
            "text": (pl.String, "text, private information masked"),
            "n_tokens": (pl.Int64, "estimated tokens"),
            "label": (pl.String, "domain"),
            "p_medical": (pl.Float64, "probability of the medical labels"),
            "quality": (pl.Float64, "quality score"),
            "tier": (pl.String, "very_high or high"),
        },
        SHARD,
    ),
    Table(
        "general_corpus",
        "Documents that every judge kept but for being of another domain",
        DOC
        | {
            "source": (pl.String, "name of the source"),
            "license": (pl.String, "licence"),
            "lang": (pl.String, "language"),
            "text": (pl.String, "text, private information masked"),
            "n_tokens": (pl.Int64, "estimated tokens"),
            "label": (pl.String, "domain"),
            "p_medical": (pl.Float64, "probability of the medical labels"),
        },
        SHARD,
    ),
    Table(
        "quality_funnel",
        "Documents and tokens dropped by each judge, by source, language and reason",
        {
            "stage": (pl.String, "judge"),
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "verdict": (pl.String, "keep, drop, skip or failed"),
            "reason": (pl.String, "rule, empty for documents kept"),
            "num_documents": (pl.Int64, "documents (one with two reasons counts in both)"),
            "num_tokens": (pl.Int64, "estimated tokens"),
        },
        key=("stage", "source", "lang", "verdict", "reason"),
    ),
    Table(
        "held_out_text",
        "Documents kept out of every mix, for losses during training",
        DOC
        | {
            "stratum": (pl.String, "medical_zh, medical_en or general"),
            "lang": (pl.String, "language"),
            "text": (pl.String, "text"),
        },
    ),
]
