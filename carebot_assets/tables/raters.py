"""Tables of the judges that learn from a teacher: domain and quality."""

import polars as pl

from carebot_assets.tables.base import (
    DOC,
    DOC_ID,
    SHARD,
    VERDICT_COLUMNS,
    Columns,
    Table,
    score_columns,
)

SEED: Columns = DOC | {
    "source": (pl.String, "name of the source"),
    "lang": (pl.String, "language"),
    "text": (pl.String, "start of the text"),
    "stands_for": (
        pl.Float64,
        "documents of its source and language for each one drawn; 1 if people chose it",
    ),
}

TABLES = [
    Table(
        "domain_seed_sample",
        "Stratified sample of documents for domain labels",
        SEED,
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
            "label": (pl.String, "agreed label or that of people, null otherwise"),
            "status": (pl.String, "agreed, disagreed or failed"),
            "labeled_by": (pl.String, "whose label it is: teacher or human"),
            "teacher": (pl.String, "model that labelled"),
        },
        rows_of="domain_seed_sample",
    ),
    Table(
        "domain_long_tail",
        "Documents that the teacher wrote for rare labels; for training the classifier only",
        {
            "doc_id": (pl.String, "synthetic- and a hash of what was asked"),
            "label": (pl.String, "label the document was written for"),
            "lang": (pl.String, "language"),
            "source": (pl.String, "synthetic"),
            "form": (pl.String, "form of the text that was asked for"),
            "text": (pl.String, "title and text, null where the call failed"),
            "status": (pl.String, "written, failed, or rejected (wrong language, written before)"),
            "synthetic": (pl.Boolean, "always true"),
            "teacher": (pl.String, "model that wrote"),
        },
    ),
    Table(
        "domain_verdicts",
        "Domain of each surviving document; medical ones are kept",
        DOC
        | VERDICT_COLUMNS
        | {
            "label": (pl.String, "most probable label"),
            "p_medical": (
                pl.Float64,
                "probability of the medical labels, null where the prefilter stopped it",
            ),
            "threshold": (pl.Float64, "p_medical needed to be kept"),
            "model": (pl.String, "content hash of the classifier"),
        },
        SHARD,
        rows_of="documents",
    ),
    Table(
        "quality_seed_sample",
        "Stratified sample of rule-passing medical documents for quality scores",
        SEED,
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
            "score": (
                pl.Float64,
                "mean or score of people, null when the rounds are too far apart",
            ),
            "status": (pl.String, "agreed, disagreed or failed"),
            "labeled_by": (pl.String, "whose score it is: teacher or human"),
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
    Table(
        "value_scores",
        "Value of each document by the meta-learned rater",
        DOC
        | {
            "value": (
                pl.Float64,
                "score: a difference tells, no level does; null below two tokens",
            ),
            "percentile": (pl.Float64, "share of the rater's documents of this language below"),
            "keep_chance": (pl.Float64, "chance to be among those kept of a random batch"),
            "keep": (pl.Boolean, "kept by the profile's rule; advice, nothing is dropped by it"),
        },
        SHARD,
        rows_of="documents",
    ),
    *(
        Table(
            name,
            description,
            {
                "backbone": (pl.String, "name of the encoder in the profile"),
                "lang": (pl.String, "language, empty for all"),
                "metric": (pl.String, "metric of validation"),
                "value": (pl.Float64, "value"),
            },
            key=("backbone", "lang", "metric"),
        )
        for name, description in (
            ("domain_backbones", "The domain classifier's head on several encoders"),
            ("quality_backbones", "The quality rater's head on several encoders"),
        )
    ),
]
