"""Tables of benchmark items and scores."""

import polars as pl

from carebot_assets.tables.base import TURNS, Table, score_columns

TABLES = [
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
        | score_columns("fluency", "relevance", "completeness", "proficiency")
        | {
            "judge": (pl.String, "model that judged"),
            "model": (pl.String, "content hash of the checkpoint"),
        },
        ("checkpoint", "suite"),
        key=("item_id", "turn"),
    ),
]
