"""Checks of the tallies, the funnel and drift."""

from carebot_assets.corpus import drift, funnel
from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.expectations import Finding
from carebot_assets.tables import JUDGES

table_checks("shard_tally", "quality_funnel", "shard_drift")


@check("quality_funnel", blocking=True)
@check("shard_tally", blocking=True)
def documents_are_conserved(shelf: Shelf) -> Finding:
    """Every judge accounts for every document and judges what the one before it kept."""
    return funnel.conserved(funnel.added(shelf.scan("shard_tally")))


@check("quality_funnel", blocking=True)
def counts_match_verdicts(shelf: Shelf) -> Finding:
    """The funnel counts what the verdict tables hold."""
    return funnel.matches(shelf.scan().collect(), {name: shelf.scan(name) for name in JUDGES})


@check("quality_funnel", blocking=True)
def filtered_corpus_is_what_is_left(shelf: Shelf) -> Finding:
    """The filtered corpus holds the documents and tokens that the last judge kept."""
    return funnel.fills_the_corpus(shelf.scan().collect(), shelf.scan("filtered_corpus"))


@check("shard_drift", severity="WARN")
def shards_alike(shelf: Shelf) -> Finding:
    """No shard deviates from the other shards of its source and language."""
    return drift.none_deviates(shelf.scan())
