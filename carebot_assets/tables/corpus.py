"""Tables from the raw files to the verdicts of the judges that need no model."""

import polars as pl

from carebot_assets.tables.base import DOC, DOC_ID, SHARD, VERDICT_COLUMNS, Table

SPANS = pl.List(pl.Struct({"kind": pl.String, "start": pl.Int64, "length": pl.Int64}))

TABLES = [
    Table(
        "corpus_manifest",
        "Plan of shards: every file of every source, huge ones in parts, pinned by content",
        {
            "file": (pl.String, "absolute path, or location of a remote file"),
            "source": (pl.String, "name of the source"),
            "shard": (pl.String, "shard that reads this file"),
            "name": (pl.String, "path inside the source"),
            "format": (pl.String, "file format"),
            "encoding": (pl.String, "text encoding, declared or detected"),
            "license": (pl.String, "licence of the source"),
            "recipe": (pl.String, "text, columns, where and id of the source"),
            "start": (pl.Int64, "first byte of the file that this shard reads"),
            "stop": (pl.Int64, "end of these bytes"),
            "first": (pl.Int64, "number of their first record among those of the file"),
            "bytes": (pl.Int64, "number of these bytes"),
            "sha256": (pl.String, "hash of these bytes"),
        },
        key=("file", "source", "start"),
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
            "source_id": (pl.String, "the source's own id, where its settings name one"),
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
            "num_chars": (pl.Int64, "characters"),
            "num_tokens": (pl.Int64, "words and single CJK characters"),
            "special_char_ratio": (pl.Float64, "characters that are no letter, number or space"),
            "punctuation_ratio": (pl.Float64, "punctuation marks among characters"),
            "digit_ratio": (pl.Float64, "digits among characters"),
            "letter_ratio": (pl.Float64, "letters of the document's script among characters"),
            "mixed_script_ratio": (
                pl.Float64,
                "letters neither Han, Latin nor Greek among letters",
            ),
            "traditional_ratio": (
                pl.Float64,
                "traditional among characters of one way of writing only",
            ),
            "url_line_ratio": (pl.Float64, "short lines with a URL among lines"),
            "boilerplate_line_ratio": (pl.Float64, "navigation, cookie, copyright lines"),
            "bullet_line_ratio": (pl.Float64, "lines that begin with a bullet (Gopher)"),
            "ellipsis_line_ratio": (pl.Float64, "lines that end in an ellipsis (Gopher)"),
            "unterminated_ratio": (pl.Float64, "lines without closing mark, of four or more"),
            "dup_line_ratio": (pl.Float64, "repeated among lines (Gopher)"),
            "dup_line_char_ratio": (pl.Float64, "characters of repeated lines (Gopher)"),
            "dup_paragraph_ratio": (pl.Float64, "repeated among paragraphs (Gopher)"),
            "dup_paragraph_char_ratio": (pl.Float64, "characters of repeated paragraphs"),
            "dup_sentence_ratio": (pl.Float64, "characters in repeated sentences"),
            "top_2gram_ratio": (pl.Float64, "characters of the most frequent 2-gram (Gopher)"),
            "top_3gram_ratio": (pl.Float64, "characters of the most frequent 3-gram (Gopher)"),
            "top_4gram_ratio": (pl.Float64, "characters of the most frequent 4-gram (Gopher)"),
            "dup_5gram_ratio": (pl.Float64, "characters of repeated 5-grams (Gopher)"),
            "dup_6gram_ratio": (pl.Float64, "characters of repeated 6-grams (Gopher)"),
            "dup_7gram_ratio": (pl.Float64, "characters of repeated 7-grams (Gopher)"),
            "dup_8gram_ratio": (pl.Float64, "characters of repeated 8-grams (Gopher)"),
            "dup_9gram_ratio": (pl.Float64, "characters of repeated 9-grams (Gopher)"),
            "dup_10gram_ratio": (pl.Float64, "characters of repeated 10-grams (Gopher)"),
            "symbol_word_ratio": (pl.Float64, "hash signs, or ellipses, a token (Gopher)"),
            "alpha_word_ratio": (pl.Float64, "tokens with a letter among tokens (Gopher)"),
            "mean_word_length": (pl.Float64, "characters a token (Gopher)"),
            "num_stop_words": (pl.Int64, "distinct stop words of the language"),
            "mean_log_probability": (
                pl.Float64,
                "mean unigram log-probability of words, characters",
            ),
            "unique_char_ratio": (pl.Float64, "distinct among the first 200 characters"),
            "num_c4_sentences": (pl.Int64, "sentences of the lines that C4 keeps"),
            "c4_line_ratio": (pl.Float64, "lines that C4 keeps among lines"),
            "num_lorem_ipsum_lines": (pl.Int64, "lines with `lorem ipsum` (C4)"),
            "num_curly_lines": (pl.Int64, "lines with a curly bracket (C4)"),
            "javascript_line_ratio": (pl.Float64, "lines with `javascript` (C4)"),
            "line_punctuation_ratio": (pl.Float64, "lines that end a sentence (FineWeb)"),
            "short_line_ratio": (pl.Float64, "short lines among lines (FineWeb)"),
            "char_dup_ratio": (pl.Float64, "characters of repeated lines (FineWeb)"),
            "newline_ratio": (pl.Float64, "line ends a token (FineWeb)"),
            "replacement_ratio": (pl.Float64, "U+FFFD among characters"),
            "mojibake_ratio": (pl.Float64, "typical mis-decoded sequences among characters"),
            "num_advert_hits": (pl.Int64, "advert phrases, per 1000 tokens; double under 60"),
            "num_medical_advert_hits": (pl.Int64, "phrases of medical adverts, likewise"),
            "num_toxic_hits": (pl.Int64, "phrases of abuse, likewise"),
            "private_kinds": (pl.List(pl.String), "kinds of private information found"),
            "private_counts": (pl.List(pl.Int64), "how often each of them occurs"),
            "private_spans": (SPANS, "where: kind, first character, characters; never the value"),
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
            "masks": (SPANS, "where each mask goes in the text of `documents`, and its kind"),
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
            "score": (pl.Float64, "what `duplicates.best_by` says: the highest survives"),
            "method": (pl.String, "parameters of shingles and hashes"),
            "text_hash": (pl.String, "128-bit hash of the text without white space and case"),
            "num_shingles": (pl.Int64, "n-grams"),
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
            "kept_in": (pl.String, "earlier corpus that holds it; null for this one"),
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
            "kept_in": (pl.String, "earlier corpus that holds it; null for this one"),
            "similarity": (pl.Float64, "estimated Jaccard similarity to it"),
        },
        SHARD,
        rows_of="documents",
    ),
    Table(
        "benchmark_ngrams",
        "Hashed n-grams of every benchmark item",
        {
            "item_id": (pl.String, "item"),
            "position": (pl.Int64, "its first unit: a word or CJK character of the item"),
            "suite": (pl.String, "suite"),
            "lang": (pl.String, "language of the item"),
            "ngram": (pl.UInt64, "hash of the n-gram"),
            "num_units": (pl.Int64, "units of the n-gram"),
            "stem_units": (pl.Int64, "units of the stem, with which an item begins; 0 for none"),
            "is_phrase": (pl.Boolean, "set phrase of many items: no evidence by itself"),
        },
        key=("item_id", "position"),
    ),
    Table(
        "contamination_verdicts",
        "Overlap of each surviving document with a benchmark",
        DOC
        | VERDICT_COLUMNS
        | {
            "suite": (pl.String, "suite of the best matching item"),
            "item_id": (pl.String, "best matching item"),
            "evidence": (
                pl.String,
                "whole: its stem is there; window: much of it; null: too little",
            ),
            "num_hits": (pl.Int64, "specific n-grams of the longest passage shared with it"),
            "item_share": (pl.Float64, "share of its stem's units found"),
        },
        SHARD,
        rows_of="documents",
    ),
]
