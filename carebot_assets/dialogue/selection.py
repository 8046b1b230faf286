"""Which fit records go into the instruction set, and which are held out for preference pairs.

Source: CareBot 1.3 (Deita score of a round, mean over rounds; ConFilter band for multi-turn). The
thresholds are not published.
"""

from typing import Any

import polars as pl

from carebot_assets.settings import InstructionSettings

FAILED = {"instruction_score_failed_v1", "confilter_missing_v1"}


def fit(dialogues: pl.LazyFrame, verdicts: pl.LazyFrame) -> pl.LazyFrame:
    """The records that are fit for training, in order."""
    kept = verdicts.filter(pl.col("verdict") == "keep").select("record_id")
    return dialogues.join(kept, on="record_id", how="semi", maintain_order="left")


def select(
    dialogues: pl.LazyFrame,
    verdicts: pl.LazyFrame,
    deita: pl.LazyFrame,
    confilter: pl.LazyFrame,
    settings: InstructionSettings,
) -> pl.DataFrame:
    """Table `sft_set`: a verdict on every fit record; only kept ones carry their turns.

    A missing score is never a keep. Records of one question are all trained on or all held out.
    """
    low, high = settings.confilter_band
    kind, cf, score = pl.col("kind"), pl.col("cf"), pl.col("deita")
    failing = {
        "instruction_score_failed_v1": (kind != "choice") & score.is_null(),
        "deita_v1": (kind != "choice") & (score < settings.min_deita_score),
        "confilter_missing_v1": (kind == "multi") & ~pl.col("has_confilter"),
        "confilter_undefined_v1": (kind == "multi") & pl.col("has_confilter") & cf.is_null(),
        "confilter_unrelated_v1": (kind == "multi") & (cf > high),
        "confilter_redundant_v1": (kind == "multi") & (cf < low),
    }
    reasons = pl.concat_list(
        pl.when(failed).then(pl.lit(name)) for name, failed in failing.items()
    ).list.drop_nulls()
    is_kept, has_failed = (
        pl.col("reasons").list.len() == 0,
        pl.col("reasons").list.set_intersection(sorted(FAILED)).list.len() > 0,
    )
    return (
        fit(dialogues, verdicts)
        .join(
            deita.select("record_id", deita="score"),
            on="record_id",
            how="left",
            maintain_order="left",
        )
        .join(
            confilter.select("record_id", "cf", has_confilter=True),
            on="record_id",
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("has_confilter").fill_null(False))
        .with_columns(reasons=reasons)
        .with_columns(
            verdict=pl.when(is_kept)
            .then(pl.lit("keep"))
            .when(has_failed)
            .then(pl.lit("failed"))
            .otherwise(pl.lit("drop")),
            split=pl.when(hashed_share(pl.col("question_key")) < settings.preference_share)
            .then(pl.lit("preference"))
            .otherwise(pl.lit("sft")),
            turns=pl.when(is_kept).then("turns"),
        )
        .select(
            "record_id",
            "source",
            "lang",
            "kind",
            "verdict",
            "reasons",
            "deita",
            "cf",
            "split",
            "turns",
            "answer_key",
            "options",
            "department",
        )
        .collect()
    )


def hashed_share(key: pl.Expr) -> pl.Expr:
    """A number in 0..1 from an md5 in hex, the same on every machine and version."""
    return key.str.slice(0, 8).str.to_integer(base=16, dtype=pl.Int64) / float(16**8)


def summarize(chosen: pl.LazyFrame) -> dict[str, Any]:
    """Counts by source, language, kind and department, for metadata."""
    frame = chosen.collect()
    kept = frame.filter(pl.col("verdict") == "keep")
    return {
        "num_candidates": frame.height,
        "num_kept": kept.height,
        "kept_ratio": kept.height / max(frame.height, 1),
        "num_failed": int((frame["verdict"] == "failed").sum()),
        "num_sft": int((kept["split"] == "sft").sum()),
        "num_preference": int((kept["split"] == "preference").sum()),
        "num_by_language": dict(kept.group_by("lang").len().sort("lang").rows()),
        "num_by_kind": dict(kept.group_by("kind").len().sort("kind").rows()),
        "sources": _table(frame, "source"),
        "departments": _table(kept.filter(pl.col("department").is_not_null()), "department"),
    }


def _table(frame: pl.DataFrame, column: str, num_rows: int = 15) -> str:
    """Markdown table of candidates and kept records by a column, the largest groups first."""
    is_kept = pl.col("verdict") == "keep"
    counts = (
        frame.group_by(column)
        .agg(pl.len(), is_kept.sum().alias("kept"), pl.col("deita").mean(), pl.col("cf").mean())
        .sort("len", column, descending=[True, False])
        .head(num_rows)
    )
    lines = [f"| {column} | records | kept | mean Deita | mean CF |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {name} | {total} | {kept} | {_shown(deita)} | {_shown(cf)} |"
        for name, total, kept, deita, cf in counts.rows()
    ]
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
