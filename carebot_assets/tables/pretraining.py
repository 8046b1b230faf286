"""Tables of pre-training."""

import polars as pl

from carebot_assets.tables.base import Table

TABLES = [
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
]
