"""What both judges that learn from a teacher do with their seeds."""

from typing import Any

import polars as pl

from carebot_assets.defs.artifact import Step
from carebot_assets.defs.guard import refuse_if_failed
from carebot_assets.defs.launcher import Launcher
from carebot_assets.raters import long_tail


def agreed_seeds(step: Step, stage: str, target: str) -> pl.DataFrame:
    """Text, language, source, teacher and target of the seeds that both rounds agree on or that
    people judged; for the domain also what the teacher wrote, marked by `synthetic`.

    Refused while a blocking check of the seeds fails: too few answers are no ground to learn from.
    """
    answers = {"domain": "domain_seed_labels", "quality": "quality_seed_scores"}[stage]
    refuse_if_failed(step, [answers])
    agreed = (
        step.scan(answers)
        .filter(pl.col("status") == "agreed")
        .select("doc_id", target, "teacher")
        .join(_sample(step, stage, answers), on="doc_id", maintain_order="left")
    )
    if stage == "domain":
        written = long_tail.training_rows(step.scan("domain_long_tail"))
        agreed = pl.concat([agreed.with_columns(synthetic=False), written], how="diagonal")
    return agreed.collect()


def _sample(step: Step, stage: str, answers: str) -> pl.LazyFrame:
    """The seed sample; the agreed ones of a source and language stand for the others as well."""
    sample = step.scan(f"{stage}_seed_sample")
    agreed = step.scan(answers).filter(pl.col("status") == "agreed").select("doc_id")
    is_agreed = pl.col("doc_id").is_in(agreed.collect()["doc_id"].implode())
    drawn = pl.col("stands_for")
    share = drawn.filter(is_agreed).sum() / drawn.sum()
    return sample.with_columns(drawn / share.over("source", "lang"))


def tune_encoder(
    step: Step,
    launcher: Launcher,
    seeds: pl.DataFrame,
    target: pl.Expr,
    num_labels: int,
    validation_ratio: float,
) -> dict[str, Any]:
    """Train the encoder itself, if the profile says so, into the folder beside the head.

    The rows it is stopped by are those the head will be measured on: early stopping has seen them,
    which the report says.
    """
    from carebot_assets.raters import classifier
    from carebot_assets.raters.encoder import packaged_model
    from carebot_assets.raters.head import TUNED_DIR

    encoder = step.settings.encoder
    if encoder.fine_tune is None:
        return {}
    held_out = classifier.split(seeds, validation_ratio, step.settings.seed)
    data = step.work_dir / "seeds.parquet"
    seeds.select("text", target.alias("target"), pl.Series("validation", held_out)).write_parquet(
        data
    )
    output = step.draft.dir / TUNED_DIR
    report = launcher.train(
        step,
        "encoder",
        {
            "model": encoder.model or packaged_model(),
            "data": data,
            "output": output,
            "train": encoder.fine_tune.model_dump(mode="json"),
            "num_labels": num_labels,
            "max_tokens": encoder.max_tokens,
        },
    )
    return {"fine_tuning": report, "stopped_by_validation": True}
