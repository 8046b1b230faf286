"""Tables of the judges that learn from a teacher: domain and quality."""

import polars as pl

from carebot_assets.tables.base import DOC, DOC_ID, SHARD, VERDICT_COLUMNS, Table, score_columns

TABLES = [
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
        | score_columns("grammar", "information", "coherence", "relevance"),
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
]
