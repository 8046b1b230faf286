"""MedDialog, processed form: each dialogue a list of utterances with the speaker in front."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, clean
from carebot_assets.dialogue.adapters.records import extract

SPEAKER = r"(?i)^\s*(病人|患者|patient|医生|doctor)\s*[：:]"
DOCTOR = r"(?i)^(?:医生|doctor)$"


def build(records: pl.DataFrame) -> pl.LazyFrame:
    dialogues = extract(
        records, {}, lists={"bare": "$ VARCHAR[]", "keyed": "$.utterances VARCHAR[]"}
    )
    frame = dialogues.lazy().select("position", texts=pl.coalesce("bare", "keyed"))
    speaker = pl.col("texts").str.extract(SPEAKER)
    spoken = (
        frame.explode("texts", empty_as_null=False)
        .with_columns(
            role=pl.when(speaker.str.contains(DOCTOR))
            .then(pl.lit("assistant"))
            .when(speaker.is_not_null())
            .then(pl.lit("user")),
            text=clean(pl.col("texts")),
        )
        .with_columns(is_nameless=pl.col("role").is_null().any().over("position"))
    )
    # Doctors answer in bursts: what one says in a row is one turn.
    bursts = (
        spoken.with_columns(
            burst=pl.col("role").rle_id().over("position"),
        )
        .group_by("position", "burst", maintain_order=True)
        .agg(
            pl.col("role").first(),
            pl.col("text").str.join("\n"),
            pl.col("is_nameless").first(),
        )
    )
    # A doctor's words before any question, and a question without answer, teach nothing.
    first, last = pl.col("burst").min().over("position"), pl.col("burst").max().over("position")
    useful = (
        bursts.filter(
            ~((pl.col("burst") == first) & (pl.col("role") == "assistant")),
            ~((pl.col("burst") == last) & (pl.col("role") == "user")),
        )
        .group_by("position")
        .agg(turns=pl.struct("role", "text"))
    )
    nameless = spoken.filter("is_nameless").select("position").unique()
    error = (
        pl.when(pl.col("texts").is_null())
        .then(pl.lit("not a list of utterances"))
        .when("is_nameless")
        .then(pl.lit("an utterance without 病人：/医生： or Patient:/Doctor: in front"))
        .when(pl.col("turns").is_null())
        .then(pl.lit("no question with an answer"))
    )
    return (
        frame.join(useful, on="position", how="left")
        .join(nameless.with_columns(is_nameless=True), on="position", how="left")
        .select("position", "turns", error=error)
        .sort("position")
    )


ADAPTER = Adapter("meddialog", "JSON: lists of utterances that begin with 病人：/医生：", build)
