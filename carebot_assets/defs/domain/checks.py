"""Checks of the domain stage."""

from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.expectations import Finding
from carebot_assets.raters import guards
from carebot_assets.teacher import consensus

table_checks(
    "domain_seed_sample",
    "domain_seed_labels",
    "domain_verdicts",
)


@check("domain_seed_labels", blocking=True)
def label_coverage(shelf: Shelf) -> Finding:
    """The teacher answered both rounds for nearly every document of the sample."""
    return guards.floor(
        "coverage_ratio", consensus.agreement(shelf.scan()), shelf.settings.domain.min_coverage
    )


@check("domain_seed_labels")
def label_agreement(shelf: Shelf) -> Finding:
    """The two rounds give the same label often enough for labels to mean something."""
    return guards.floor(
        "agreement_ratio", consensus.agreement(shelf.scan()), shelf.settings.domain.min_agreement
    )


@check("domain_seed_labels", severity="WARN")
def label_kappa(shelf: Shelf) -> Finding:
    """Agreement of the two rounds beyond chance (Cohen's kappa) reaches its floor."""
    return guards.floor("kappa", consensus.agreement(shelf.scan()), shelf.settings.domain.min_kappa)


@check("domain_seed_labels", severity="WARN")
def class_minimum(shelf: Shelf) -> Finding:
    """Every label of the profile has enough agreed documents to be learned."""
    domain = shelf.settings.domain
    return guards.class_minimum(shelf.scan(), domain.labels, domain.min_class_documents)


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
