"""Checks of the quality stage."""

from typing import Any

from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.expectations import Finding, inside
from carebot_assets.raters import guards
from carebot_assets.teacher import agreement

table_checks(
    "quality_seed_sample",
    "quality_seed_scores",
    "quality_scores",
    "quality_backbones",
)


def _agreement(shelf: Shelf) -> dict[str, Any]:
    return agreement.agreement(shelf.scan(), shelf.settings.quality.max_round_gap)


@check("quality_seed_sample", severity="WARN")
def scored_by_people_found(shelf: Shelf) -> Finding:
    """Documents that people scored are among the medical ones of the corpus."""
    return guards.none_left_out(shelf.manifest().metadata)


@check("quality_seed_scores", blocking=True)
def score_coverage(shelf: Shelf) -> Finding:
    """The teacher answered both rounds for nearly every document of the sample."""
    return guards.floor("coverage_ratio", _agreement(shelf), shelf.settings.quality.min_coverage)


@check("quality_seed_scores")
def score_agreement(shelf: Shelf) -> Finding:
    """The two rounds are close often enough for scores to mean something."""
    return guards.floor("agreement_ratio", _agreement(shelf), shelf.settings.quality.min_agreement)


@check("quality_seed_scores", severity="WARN")
def score_kappa(shelf: Shelf) -> Finding:
    """Quadratically weighted kappa of the two rounds reaches its floor."""
    return guards.floor("weighted_kappa", _agreement(shelf), shelf.settings.quality.min_kappa)


@check("quality_rater", blocking=True)
def rater_spearman(shelf: Shelf) -> Finding:
    """Rank correlation of rater and teacher on validation reaches its floor."""
    return guards.floor("spearman", shelf.manifest().metadata, shelf.settings.quality.min_spearman)


@check("quality_rater", severity="WARN")
def not_a_ruler(shelf: Shelf) -> Finding:
    """The rater does not merely measure length: given the teacher's score, length tells little."""
    found = shelf.manifest().metadata.get("length_correlation")
    limit = shelf.settings.quality.max_length_correlation
    return inside("length correlation", found, -limit, limit)


@check("quality_rater", severity="WARN")
def faults_are_seen(shelf: Shelf) -> Finding:
    """A good text is mostly rated above the same text with a planted fault."""
    quality, metadata = shelf.settings.quality, shelf.manifest().metadata
    return guards.faults_are_seen(metadata, quality.planted_faults, quality.min_planted_won)


@check("quality_scores", blocking=True)
def scores_not_constant(shelf: Shelf) -> Finding:
    """The scores of a shard differ between documents."""
    return guards.not_constant(shelf.scan(), "score")


@check("quality_scores", blocking=True)
def quality_follows_threshold(shelf: Shelf) -> Finding:
    """Every verdict follows from the score and the threshold beside it."""
    return guards.follows_threshold(shelf.scan(), "score")


@check("quality_scores", severity="WARN")
def quality_keep_rate(shelf: Shelf) -> Finding:
    """The share of judged documents good enough to keep lies in its band."""
    return guards.keep_rate(shelf.scan(), shelf.settings.quality.keep_band)
