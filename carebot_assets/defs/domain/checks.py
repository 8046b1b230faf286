"""Checks of the domain stage."""

from collections.abc import Mapping
from typing import Any

from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.expectations import Finding
from carebot_assets.raters import guards, long_tail
from carebot_assets.teacher import agreement

table_checks(
    "domain_seed_sample",
    "domain_seed_labels",
    "domain_long_tail",
    "domain_verdicts",
    "domain_backbones",
)


@check("domain_seed_labels", blocking=True)
def label_coverage(shelf: Shelf) -> Finding:
    """The teacher answered both rounds for nearly every document of the sample."""
    return guards.floor(
        "coverage_ratio", agreement.agreement(shelf.scan()), shelf.settings.domain.min_coverage
    )


@check("domain_seed_labels")
def label_agreement(shelf: Shelf) -> Finding:
    """The two rounds give the same label often enough for labels to mean something."""
    return guards.floor(
        "agreement_ratio", agreement.agreement(shelf.scan()), shelf.settings.domain.min_agreement
    )


@check("domain_seed_labels", severity="WARN")
def label_kappa(shelf: Shelf) -> Finding:
    """Agreement of the two rounds beyond chance (Cohen's kappa) reaches its floor."""
    return guards.floor("kappa", agreement.agreement(shelf.scan()), shelf.settings.domain.min_kappa)


@check("domain_seed_labels", severity="WARN")
def class_minimum(shelf: Shelf) -> Finding:
    """Every label of the profile has enough agreed documents to be learned."""
    domain = shelf.settings.domain
    return guards.class_minimum(shelf.scan(), domain.labels, domain.min_class_documents)


@check("domain_seed_sample", severity="WARN")
def judged_by_people_found(shelf: Shelf) -> Finding:
    """Documents that people labelled are in the corpus and were not dropped before."""
    return guards.none_left_out(shelf.manifest().metadata)


@check("domain_long_tail", blocking=True)
def marked_as_synthetic(shelf: Shelf) -> Finding:
    """Every document that the teacher wrote is marked as synthetic, in its id too."""
    return long_tail.is_marked(shelf.scan())


@check("domain_long_tail", severity="WARN")
def long_tail_filled(shelf: Shelf) -> Finding:
    """Every label reaches its minimum with what was written for it."""
    domain, labels = shelf.settings.domain, shelf.scan("domain_seed_labels")
    return long_tail.fills(shelf.scan(), labels, domain.labels, domain.long_tail_documents)


@check("domain_verdicts", blocking=True)
def nothing_synthetic(shelf: Shelf) -> Finding:
    """No document that the teacher wrote is on its way into a corpus."""
    return long_tail.not_among(shelf.scan())


@check("domain_classifier", blocking=True)
def medical_f1(shelf: Shelf) -> Finding:
    """F1 of the medical labels on validation reaches its floor."""
    return guards.floor(
        "medical_f1", shelf.manifest().metadata, shelf.settings.domain.min_medical_f1
    )


@check("domain_classifier", blocking=True)
def not_collapsed(shelf: Shelf) -> Finding:
    """The classifier has not collapsed to one label."""
    return guards.not_collapsed(shelf.manifest().metadata)


@check("domain_verdicts", blocking=True)
def domain_follows_threshold(shelf: Shelf) -> Finding:
    """Every verdict follows from the probability and the threshold beside it."""
    return guards.follows_threshold(shelf.scan(), "p_medical")


@check("domain_verdicts", severity="WARN")
def medical_share(shelf: Shelf) -> Finding:
    """The share of judged documents found to be medical lies in its band."""
    return guards.keep_rate(shelf.scan(), shelf.settings.domain.keep_band)


@check("domain_verdicts", blocking=True)
def prefilter_recall(shelf: Shelf) -> Finding:
    """What the prefilter stopped in this shard is not medical, as far as the audit can tell."""
    return _prefilter_recall(shelf, shelf.manifest().metadata, guards.MIN_MISSED)


@check("quality_seed_sample", blocking=True)
def prefilter_recall_of_all_shards(shelf: Shelf) -> Finding:
    """What the prefilter stopped in all shards is not medical, as far as the audits can tell."""
    shards = [manifest.metadata for manifest in shelf.manifests("domain_verdicts")]
    return _prefilter_recall(shelf, guards.all_shards(shards), 1)


def _prefilter_recall(shelf: Shelf, report: Mapping[str, Any], least: int) -> Finding:
    minimum = shelf.settings.domain.prefilter.min_recall
    chosen_on = shelf.manifest("domain_prefilter").metadata
    lowest = chosen_on.get("lowest_recall", minimum)
    return guards.prefilter_recall(report, minimum, lowest, least)
