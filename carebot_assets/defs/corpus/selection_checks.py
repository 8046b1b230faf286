"""Checks of deduplication, decontamination and the corpora."""

from carebot_assets.corpus import audit, canaries, duplicates, held_out, minhash
from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.evaluation.items import with_shipped
from carebot_assets.expectations import Finding

CORPORA = ("filtered_corpus", "general_corpus")

table_checks(
    "minhash_signatures",
    "duplicate_clusters",
    "duplicate_verdicts",
    "benchmark_ngrams",
    "contamination_verdicts",
    "filtered_corpus",
    "general_corpus",
    "held_out_text",
)


@check("duplicate_clusters", blocking=True)
def removal_ceiling(shelf: Shelf) -> Finding:
    """No source, language or cluster loses more documents than its ceiling."""
    signatures = shelf.scan("minhash_signatures")
    return duplicates.removal_ceiling(signatures, shelf.scan(), shelf.settings.duplicates)


@check("duplicate_clusters", blocking=True)
def kept_documents_are_kept(shelf: Shelf) -> Finding:
    """Every document named as kept exists and is itself kept."""
    return duplicates.kept_are_kept(shelf.scan("minhash_signatures"), shelf.scan())


@check("contamination_verdicts", blocking=True)
def canary_recall(shelf: Shelf) -> Finding:
    """Benchmark items planted into documents of the shard are all found."""
    return canaries.recall(
        shelf.scan("documents"),
        with_shipped(shelf.scan("benchmark_items")),
        shelf.scan("benchmark_ngrams"),
        shelf.settings.contamination,
    )


@check("filtered_corpus", blocking=True)
@check("general_corpus", blocking=True)
def no_private_information(shelf: Shelf) -> Finding:
    """No text holds private information of a kind that is masked or dropped."""
    return audit.no_private_information(shelf.scan(), shelf.settings.rules)


@check("filtered_corpus", blocking=True)
@check("general_corpus", blocking=True)
def no_duplicate_text(shelf: Shelf) -> Finding:
    """No two documents of the shard have the same text."""
    return audit.no_duplicate_text(shelf.scan())


@check("filtered_corpus", blocking=True)
@check("general_corpus", blocking=True)
def no_benchmark_text(shelf: Shelf) -> Finding:
    """No document shares more with a benchmark item than the limits allow."""
    items, settings = with_shipped(shelf.scan("benchmark_items")), shelf.settings
    return audit.no_benchmark_text(shelf.scan(), items, settings.contamination)


@check("held_out_text", blocking=True)
def every_stratum(shelf: Shelf) -> Finding:
    """Medical Chinese, medical English and general text are all there."""
    return held_out.every_stratum(shelf.scan())


@check("held_out_text", blocking=True)
def no_duplicate_across_shards(shelf: Shelf) -> Finding:
    """No text occurs twice in the corpora of all shards, so that none held out is trained on."""
    return audit.no_duplicate_text(*shelf.scan_parts(*CORPORA))


@check("held_out_text", blocking=True)
def no_near_duplicate_across_shards(shelf: Shelf) -> Finding:
    """No two texts in the corpora of all shards are nearly the same, and of similar ones no more
    are left than MinHash misses by chance."""
    num_removed = duplicates.num_near(shelf.scan("duplicate_clusters"), audit.LESS_SIMILAR)
    return audit.no_near_duplicate(
        shelf.scan_parts(*CORPORA),
        shelf.settings.audit.max_pairs,
        num_removed,
        minhash.removal_probability(audit.LESS_SIMILAR, shelf.settings.duplicates),
    )
