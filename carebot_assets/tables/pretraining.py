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
            ("one_stage_mix", "More text like the stable mix's, packed for the boost's control"),
        )
    ),
    *(
        Table(
            name,
            description,
            {
                "arm": (
                    pl.String,
                    "what is compared: a mix, ratios, or who chose the text",
                ),
                "seed": (pl.Int64, "seed of the order of the sequences"),
                "step": (pl.Int64, "optimiser step"),
                "name": (pl.String, "loss (of training) or held_out_..._loss"),
                "value": (pl.Float64, "nats a token"),
            },
            key=("arm", "seed", "step", "name"),
        )
        for name, description in (
            ("two_stage_comparison", "Losses of the boost stage and of its one-stage control"),
            ("mix_ratio_search", "Losses of trainings on mixes of different ratios"),
            ("rater_showdown", "Losses of trainings on what different raters keep"),
        )
    ),
    Table(
        "training_log",
        "Losses and speed of one training, by step (kept beside each checkpoint)",
        {
            "step": (pl.Int64, "optimiser step"),
            "name": (pl.String, "loss, grad_norm, held_out_general_loss, tokens_per_second, ..."),
            "value": (pl.Float64, "value"),
        },
        key=("step", "name"),
    ),
]
