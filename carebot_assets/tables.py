"""Every table of the store: its columns, their types and their meaning, in one place.

A table is keyed by its first column. Tables of verdicts share `VERDICT_COLUMNS`; `skip` means an
earlier judge had already dropped the document, `failed` that this judge could not decide.
"""

from dataclasses import dataclass

import polars as pl

VERDICTS = ("keep", "drop", "skip", "failed")

# The judges of documents, cheap ones first: each sees only what every earlier one kept.
JUDGES = (
    "rule_verdicts",
    "duplicate_verdicts",
    "contamination_verdicts",
    "domain_verdicts",
    "quality_scores",
)

Columns = dict[str, tuple[pl.DataType | type[pl.DataType], str]]


@dataclass(frozen=True)
class Table:
    """Name, meaning and schema of one table.

    `partitioned_by` names the dimensions of its partitions; `rows_of` the table with which it has
    row parity (same `key` values in the same partition).
    """

    name: str
    description: str
    columns: Columns
    partitioned_by: tuple[str, ...] = ()
    rows_of: str | None = None
    key: tuple[str, ...] = ("doc_id",)

    @property
    def schema(self) -> pl.Schema:
        return pl.Schema({name: dtype for name, (dtype, _) in self.columns.items()})

    @property
    def is_verdict(self) -> bool:
        return VERDICT_COLUMNS.keys() <= self.columns.keys()


DOC_ID: Columns = {"doc_id": (pl.String, "128-bit hash of source and record position, hex")}
DOC: Columns = DOC_ID | {"shard": (pl.String, "shard of the document")}
VERDICT_COLUMNS: Columns = {
    "verdict": (pl.String, "keep, drop, skip (an earlier judge dropped it) or failed"),
    "reasons": (pl.List(pl.String), "all failing rules; empty when kept"),
}
TURNS = pl.List(pl.Struct({"role": pl.String, "text": pl.String}))
SHARD = ("shard",)


def _scores(*names: str) -> Columns:
    return {name: (pl.Float64, name.replace("_", " ")) for name in names}


ALL = [
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
        "benchmark_items",
        "Every benchmark question in one schema, from the publisher's files",
        {
            "item_id": (pl.String, "suite and position in the publisher's file"),
            "suite": (pl.String, "suite of eval_suites"),
            "lang": (pl.String, "language"),
            "subject": (pl.String, "subject, where the publisher gives one"),
            "context": (pl.String, "abstract or case the question refers to"),
            "question": (pl.String, "question"),
            "options": (pl.List(pl.String), "answer options in order"),
            "answer": (pl.String, "letter(s) or word of the right option"),
            "turns": (TURNS, "reference dialogue of a consultation"),
        },
        key=("item_id",),
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
        "domain_seed_sample",
        "Stratified sample of documents for domain labels",
        DOC
        | {
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "text": (pl.String, "start of the text"),
        },
    ),
    Table(
        "domain_seed_labels",
        "Two independent teacher labels a document and their consensus",
        DOC_ID
        | {
            "lang": (pl.String, "language"),
            "source": (pl.String, "name of the source"),
            "label_1": (pl.String, "first round"),
            "label_2": (pl.String, "second round"),
            "label": (pl.String, "agreed label, null otherwise"),
            "status": (pl.String, "agreed, disagreed or failed"),
            "teacher": (pl.String, "model that labelled"),
        },
        rows_of="domain_seed_sample",
    ),
    Table(
        "domain_verdicts",
        "Domain of each surviving document; medical ones are kept",
        DOC
        | VERDICT_COLUMNS
        | {
            "label": (pl.String, "most probable label"),
            "p_medical": (pl.Float64, "probability of the medical labels"),
            "threshold": (pl.Float64, "p_medical needed to be kept"),
            "model": (pl.String, "content hash of the classifier"),
        },
        SHARD,
        rows_of="documents",
    ),
    Table(
        "quality_seed_sample",
        "Stratified sample of rule-passing medical documents for quality scores",
        DOC
        | {
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "text": (pl.String, "start of the text"),
        },
    ),
    Table(
        "quality_seed_scores",
        "Two independent teacher scores (0..5) a document and their mean",
        DOC_ID
        | {
            "lang": (pl.String, "language"),
            "source": (pl.String, "name of the source"),
            "score_1": (pl.Float64, "first round"),
            "score_2": (pl.Float64, "second round"),
            "score": (pl.Float64, "mean, null when the rounds are too far apart"),
            "status": (pl.String, "agreed, disagreed or failed"),
            "teacher": (pl.String, "model that scored"),
        }
        | _scores("grammar", "information", "coherence", "relevance"),
        rows_of="quality_seed_sample",
    ),
    Table(
        "quality_scores",
        "Quality score of each surviving medical document",
        DOC
        | VERDICT_COLUMNS
        | {
            "score": (pl.Float64, "predicted teacher score, 0..5"),
            "threshold": (pl.Float64, "score needed to be kept"),
            "tier": (pl.String, "very_high, high or low"),
            "model": (pl.String, "content hash of the rater"),
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
    *(
        Table(
            name,
            description,
            {
                "sequence": (pl.Int64, "index of the packed sequence"),
                "position": (pl.Int64, "first token of the span inside the sequence"),
                "doc_id": (pl.String, "document (or dialogue record) the span comes from"),
                "start": (pl.Int64, "first token of the span inside the document"),
                "num_tokens": (pl.Int64, "tokens of the span"),
                "epoch": (pl.Int64, "0 for the first use of the document, 1 for its repeat, ..."),
                "stratum": (pl.String, "primary_zh, primary_en, secondary_zh or secondary_en"),
                "source": (pl.String, "source of the document"),
            },
            key=("sequence", "position"),
        )
        for name, description in (
            ("stable_mix", "Medical and general text packed to sequences for the stable stage"),
            ("boost_mix", "Best medical text and dialogues packed for the boost stage"),
        )
    ),
    Table(
        "training_log",
        "Losses and speed of one training, by step (kept beside each checkpoint)",
        {
            "step": (pl.Int64, "optimiser step"),
            "name": (pl.String, "loss, learning_rate, grad_norm, eval_medical_zh_loss, ..."),
            "value": (pl.Float64, "value"),
        },
        key=("step", "name"),
    ),
    Table(
        "sft_dialogues",
        "Instruction records of a source in one schema",
        {
            "record_id": (pl.String, "hash of source and record position"),
            "source": (pl.String, "name of the source"),
            "license": (pl.String, "licence"),
            "lang": (pl.String, "zh or en"),
            "kind": (pl.String, "single, multi or choice"),
            "turns": (TURNS, "role (user, assistant) and text"),
            "answer_key": (pl.String, "right letter(s) of a choice question"),
            "options": (pl.List(pl.String), "options of a choice question"),
            "department": (pl.String, "department, where the source gives one"),
            "question_key": (pl.String, "md5 of the normalised first question"),
            "pair_key": (pl.String, "md5 of the normalised first question and last answer"),
            "origin": (pl.String, "source/file#record position"),
        },
        ("sft_source",),
        key=("record_id",),
    ),
    Table(
        "sft_quarantine",
        "Records that could not become dialogues (kept beside `sft_dialogues`)",
        {
            "origin": (pl.String, "source/file#record position"),
            "source": (pl.String, "name of the source"),
            "error": (pl.String, "what was wrong"),
            "sample": (pl.String, "start of the record"),
        },
        ("sft_source",),
        key=("origin",),
    ),
    Table(
        "sft_verdicts",
        "Which instruction records are fit for training, and why not",
        {"record_id": (pl.String, "record"), "source": (pl.String, "name of the source")}
        | VERDICT_COLUMNS
        | {
            "num_tokens": (pl.Int64, "length in the target tokenizer"),
            "num_trainable_tokens": (pl.Int64, "assistant tokens inside the maximum length"),
        },
        ("sft_source",),
        rows_of="sft_dialogues",
        key=("record_id",),
    ),
    Table(
        "instruction_scores",
        "Deita complexity and quality (1..6) of each record that is fit",
        {
            "record_id": (pl.String, "record"),
            "source": (pl.String, "name of the source"),
            "complexity": (pl.List(pl.Float64), "one per round"),
            "quality": (pl.List(pl.Float64), "one per round"),
            "score": (pl.Float64, "mean over rounds of complexity x quality"),
            "status": (pl.String, "scored or failed"),
            "teacher": (pl.String, "model that scored"),
        },
        key=("record_id",),
    ),
    Table(
        "confilter_scores",
        "How much history helps each turn of a multi-turn dialogue (ConFilter)",
        {
            "record_id": (pl.String, "record"),
            "source": (pl.String, "name of the source"),
            "conditioned_loss": (pl.List(pl.Float64), "L(t|H) of turns >= 2"),
            "direct_loss": (pl.List(pl.Float64), "L(t) of turns >= 2"),
            "num_tokens": (pl.List(pl.Int64), "tokens of those turns"),
            "cf": (pl.Float64, "mean over turns of L(t|H)/L(t), null when no turn counts"),
            "cf_min": (pl.Float64, "smallest"),
            "cf_max": (pl.Float64, "largest"),
            "model": (pl.String, "content hash of the scoring checkpoint"),
        },
        key=("record_id",),
    ),
    Table(
        "sft_set",
        "Selected instruction records and the verdict on every candidate",
        {
            "record_id": (pl.String, "record"),
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "kind": (pl.String, "single, multi or choice"),
        }
        | VERDICT_COLUMNS
        | {
            "deita": (pl.Float64, "Deita score"),
            "cf": (pl.Float64, "ConFilter score"),
            "split": (pl.String, "sft or preference (held out for DPO prompts)"),
            "turns": (TURNS, "turns of the record"),
            "answer_key": (pl.String, "right letter(s) of a choice question"),
            "options": (pl.List(pl.String), "options of a choice question"),
            "department": (pl.String, "department"),
        },
        key=("record_id",),
    ),
    Table(
        "preference_prompts",
        "Prompts held out from SFT for preference pairs",
        {
            "record_id": (pl.String, "record"),
            "kind": (pl.String, "single, multi or choice"),
            "lang": (pl.String, "language"),
            "prompt": (TURNS, "turns up to the last question"),
            "reference": (pl.String, "last answer of the record"),
            "answer_key": (pl.String, "right letter(s)"),
            "options": (pl.List(pl.String), "options"),
        },
        key=("record_id",),
    ),
    Table(
        "chat_responses",
        "Answers of the SFT checkpoint to the preference prompts",
        {
            "record_id": (pl.String, "record"),
            "response": (pl.String, "generated answer"),
            "num_tokens": (pl.Int64, "generated tokens"),
            "finished": (pl.Boolean, "ended by itself, not by the limit"),
            "model": (pl.String, "content hash of the checkpoint"),
        },
        rows_of="preference_prompts",
        key=("record_id",),
    ),
    Table(
        "dpo_pairs",
        "Chosen and rejected answers, and why a prompt gave no pair",
        {"record_id": (pl.String, "record")}
        | VERDICT_COLUMNS
        | {
            "kind": (pl.String, "subjective or objective"),
            "lang": (pl.String, "language"),
            "prompt": (TURNS, "turns up to the question"),
            "chosen": (pl.String, "preferred answer"),
            "rejected": (pl.String, "other answer"),
            "chosen_from": (pl.String, "teacher, model or key"),
            "votes": (pl.List(pl.String), "judge's winner in each order"),
            "teacher": (pl.String, "model that answered and judged"),
        },
        rows_of="preference_prompts",
        key=("record_id",),
    ),
    Table(
        "benchmark_scores",
        "Answer of a checkpoint to every item of a suite",
        {
            "item_id": (pl.String, "item"),
            "checkpoint": (pl.String, "checkpoint"),
            "suite": (pl.String, "suite"),
            "lang": (pl.String, "language"),
            "answer": (pl.String, "right answer"),
            "prediction": (pl.String, "model's choice"),
            "correct": (pl.Boolean, "prediction is the answer"),
            "model": (pl.String, "content hash of the checkpoint"),
            "suite_version": (pl.String, "task version and prompt hash of lm-eval"),
        },
        ("checkpoint", "suite"),
        key=("item_id",),
    ),
    Table(
        "consultation_scores",
        "Judge's scores (1..5) of a checkpoint's answer to every turn of a consultation",
        {
            "item_id": (pl.String, "dialogue"),
            "turn": (pl.Int64, "round, from 1"),
            "checkpoint": (pl.String, "checkpoint"),
            "suite": (pl.String, "suite"),
            "response": (pl.String, "model's answer"),
            "status": (pl.String, "scored or failed"),
        }
        | _scores("fluency", "relevance", "completeness", "proficiency")
        | {
            "judge": (pl.String, "model that judged"),
            "model": (pl.String, "content hash of the checkpoint"),
        },
        ("checkpoint", "suite"),
        key=("item_id", "turn"),
    ),
]

BY_NAME: dict[str, Table] = {table.name: table for table in ALL}
