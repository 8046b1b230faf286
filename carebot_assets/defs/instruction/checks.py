"""Checks of the instruction stage."""

import polars as pl

from carebot_assets import tables
from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.defs.instruction import assets  # noqa: F401 - checks need their recipes
from carebot_assets.defs.pretraining.checks import checkpoint_checks
from carebot_assets.dialogue import findings, selection
from carebot_assets.expectations import Finding, conforms, inside

table_checks(
    "sft_dialogues",
    "sft_verdicts",
    "instruction_seed_scores",
    "instruction_scores",
    "confilter_scores",
    "sft_set",
)
checkpoint_checks("sft_checkpoint")


def _fit(shelf: Shelf, *kinds: str) -> pl.LazyFrame:
    fit = selection.fit(shelf.scan("sft_dialogues"), shelf.scan("sft_verdicts"))
    return fit.filter(pl.col("kind").is_in(kinds)) if kinds else fit


@check("sft_dialogues", blocking=True)
def records_conserved(shelf: Shelf) -> Finding:
    """Every record of every file is a dialogue or in quarantine."""
    return findings.conserved(shelf.scan(), shelf.scan(side_table="sft_quarantine"))


@check("sft_dialogues", blocking=True)
def quarantine_schema(shelf: Shelf) -> Finding:
    """The side table `sft_quarantine` has the declared columns and types."""
    return conforms(tables.BY_NAME["sft_quarantine"], shelf.scan(side_table="sft_quarantine"))


@check("sft_dialogues", severity="WARN")
def quarantine_rate(shelf: Shelf) -> Finding:
    """Few records of the source are unreadable."""
    ratio = shelf.manifest().metadata["quarantined_ratio"]
    most = shelf.settings.instruction.max_quarantine_ratio
    return inside("share of records in quarantine", ratio, 0.0, most)


@check("sft_dialogues", blocking=True)
def answer_keys_valid(shelf: Shelf) -> Finding:
    """Keys of choice questions name options that are there."""
    return findings.valid_keys(shelf.scan())


@check("sft_verdicts", blocking=True)
def kept_records_alternate(shelf: Shelf) -> Finding:
    """Kept records alternate between user and assistant and end on the assistant."""
    kept = shelf.scan().filter(pl.col("verdict") == "keep")
    return findings.alternate(shelf.scan("sft_dialogues"), kept)


@check("sft_verdicts", blocking=True)
def kept_records_fit_length(shelf: Shelf) -> Finding:
    """Kept records have something to learn inside the training length."""
    longest = shelf.settings.instruction.sft.max_length
    is_wrong = (pl.col("num_tokens") > longest) | (pl.col("num_trainable_tokens") == 0)
    return findings.none_of(
        shelf.scan().filter(pl.col("verdict") == "keep", is_wrong), "kept records that do not fit"
    )


@check("instruction_scores", blocking=True)
def scores_every_open_record(shelf: Shelf) -> Finding:
    """Every fit record but choice questions has a row, scored or failed."""
    return findings.same_records(
        shelf.scan(), _fit(shelf, "single", "multi"), "one row per fit open record"
    )


@check("instruction_seed_scores", blocking=True)
def teacher_failures(shelf: Shelf) -> Finding:
    """The teacher failed to rate few rounds."""
    ratio = shelf.scan().select((pl.col("status") == "failed").mean()).collect().item()
    most = shelf.settings.instruction.max_failed_ratio
    return inside("share of rounds without score", ratio, 0.0, most)


@check("instruction_raters", blocking=True)
def raters_follow_the_teacher(shelf: Shelf) -> Finding:
    """Rank correlation of both raters with the teacher on held-out rounds reaches its floor."""
    found = shelf.manifest().metadata
    values = [found.get(f"{name}_spearman") for name in ("complexity", "quality")]
    known = [value for value in values if value is not None]
    least = min(known) if len(known) == len(values) else None
    return inside("lower spearman", least, shelf.settings.instruction.min_spearman, 1.0)


@check("instruction_scores", severity="WARN")
def scores_are_there(shelf: Shelf) -> Finding:
    """Few records are without a score."""
    ratio = shelf.scan().select((pl.col("status") == "failed").mean()).collect().item()
    most = shelf.settings.instruction.max_failed_ratio
    return inside("share of records without score", ratio, 0.0, most)


@check("confilter_scores", blocking=True)
def scores_every_multi_turn_record(shelf: Shelf) -> Finding:
    """Every fit multi-turn record has a row, with finite positive losses."""
    frame = shelf.scan()
    losses = pl.concat_list("conditioned_loss", "direct_loss")
    broken = losses.list.eval(~pl.element().is_finite() | (pl.element() <= 0)).list.any()
    finite = findings.none_of(frame.filter(broken), "records with losses that are no numbers")
    rows = findings.same_records(frame, _fit(shelf, "multi"), "one row per fit multi-turn record")
    return rows if finite.passed else finite


@check("sft_set", blocking=True)
def verdict_on_every_fit_record(shelf: Shelf) -> Finding:
    """The set has exactly the records that are fit for training."""
    return findings.same_records(shelf.scan(), _fit(shelf), "one row per fit record")


@check("sft_set", blocking=True)
def scores_inside_band(shelf: Shelf) -> Finding:
    """Selected records reach the Deita score; multi-turn ones lie inside the ConFilter band."""
    settings = shelf.settings.instruction
    return findings.thresholds_hold(shelf.scan(), settings.min_deita_score, settings.confilter_band)


@check("sft_set", blocking=True)
def no_duplicates_left(shelf: Shelf) -> Finding:
    """No two selected records of any sources share question and answer."""
    return findings.unique_pairs(shelf.scan(), shelf.scan("sft_dialogues"))


@check("sft_set", blocking=True)
def splits_share_no_question(shelf: Shelf) -> Finding:
    """No question is both trained on and held out for preference pairs."""
    return findings.separate_splits(shelf.scan(), shelf.scan("sft_dialogues"))


@check("sft_set", severity="WARN")
def records_per_language(shelf: Shelf) -> Finding:
    """Every language has enough records."""
    minimum = shelf.settings.instruction.min_records_per_language
    return findings.at_least(shelf.scan(), ["zh", "en"], minimum)
