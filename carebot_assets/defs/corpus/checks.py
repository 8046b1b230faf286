"""Checks of the assets from raw files to the rule filter's verdicts."""

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import locations, rules, screening
from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.expectations import Finding, conforms, unique

table_checks(
    "corpus_manifest",
    "documents",
    "text_measures",
    "rule_verdicts",
)

MIN_KNOWN_LANGUAGE = 0.95


@check("corpus_manifest", blocking=True)
def files_in_place(shelf: Shelf) -> Finding:
    """Every planned file is still there with its size."""
    parts = shelf.scan().group_by("file", maintain_order=True)
    plan = parts.agg(bytes=pl.col("stop").max()).collect()
    sizes = [locations.size(file) for file in plan["file"]]
    return screening.same_sizes(plan, pl.Series(sizes, dtype=pl.Int64))


@check("corpus_manifest", blocking=True)
def sources_planned(shelf: Shelf) -> Finding:
    """Every configured source has files, and no other source does."""
    planned = set(shelf.scan().select("source").collect()["source"])
    return screening.same_names("sources", planned, set(shelf.settings.corpus.sources))


@check("documents", blocking=True)
def records_accounted(shelf: Shelf) -> Finding:
    """Records read = documents + quarantined records."""
    return screening.records_accounted(
        shelf.manifest().metadata["num_records"],
        shelf.scan(),
        shelf.scan(side_table="quarantine"),
    )


@check("documents", blocking=True)
def quarantine_schema(shelf: Shelf) -> Finding:
    """The quarantine has the declared columns and types."""
    return conforms(tables.BY_NAME["quarantine"], shelf.scan(side_table="quarantine"))


@check("documents", blocking=True)
def quarantine_unique(shelf: Shelf) -> Finding:
    """No record is quarantined twice."""
    return unique(shelf.scan(side_table="quarantine"), tables.BY_NAME["quarantine"].key)


@check("documents", severity="WARN")
def quarantine_ratio(shelf: Shelf) -> Finding:
    """The share of records that could not become documents is as low as the profile asks."""
    num_bad = shelf.scan(side_table="quarantine").select(pl.len()).collect().item()
    num_good = shelf.scan().select(pl.len()).collect().item()
    limit = shelf.settings.corpus.max_bad_ratio
    return screening.share("quarantined records", num_bad, num_good + num_bad, 0.0, limit)


@check("documents", severity="WARN")
def language_known(shelf: Shelf) -> Finding:
    """At least 95 % of the documents are Chinese or English."""
    return screening.share_of(
        "documents in zh or en",
        shelf.scan(),
        pl.col("lang").is_in(["zh", "en"]),
        MIN_KNOWN_LANGUAGE,
    )


@check("text_measures", blocking=True)
def measures_in_range(shelf: Shelf) -> Finding:
    """No measure is missing, ratios lie in 0..1 and counts are not negative."""
    return screening.in_range(shelf.scan())


@check("rule_verdicts", blocking=True)
def reasons_known(shelf: Shelf) -> Finding:
    """Every reason is a rule of this version, with its evidence."""
    return screening.known_reasons(shelf.scan(), rules.RULE_NAMES)


@check("rule_verdicts")
def drop_rate(shelf: Shelf) -> Finding:
    """The share of documents dropped by rules lies inside its band."""
    low, high = shelf.settings.rules.drop_band
    return screening.share_of(
        "documents dropped", shelf.scan(), pl.col("verdict").eq("drop"), low, high
    )
