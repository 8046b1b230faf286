"""From rule-passing documents to the corpora: duplicates, contamination, filtering."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from carebot_assets.corpus import (
    clustering,
    contamination,
    duplicates,
    earlier,
    filtering,
    held_out,
    minhash,
    protected,
)
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.evaluation import suites
from carebot_assets.evaluation.items import with_shipped
from carebot_assets.settings import current_settings
from carebot_assets.tables import JUDGES


@artifact(
    inputs=["documents", "rule_verdicts", "text_measures"],
    settings=[f"duplicates.{name}" for name in ("ngram", "bands", "rows", "hash_seed", "best_by")],
    partitions="shard",
    kinds={"polars", "numba"},
)
def minhash_signatures(step: Step) -> dict[str, Any]:
    """MinHash signatures of a shard's documents that pass the rules, with a hash of each text.

    Shingles of 5 words (5 characters where the text is Chinese), 112 minima in bands.
    Texts are compared as they would be published, private information masked, so that documents
    that differ in a phone number only are duplicates. `score` says which of two duplicates is
    better. The metadata say how likely a pair of a given similarity is found.
    """
    documents = filtering.publishable(step.scan("documents"), step.scan("rule_verdicts"))
    chosen = step.settings.duplicates
    step.write(minhash.signatures(documents, chosen, step.scan("text_measures")))
    return minhash.summarize(step.written(), chosen)


@artifact(
    inputs=["minhash_signatures"],
    settings=["duplicates"],
    outside=lambda _: earlier.files(current_settings().duplicates.against),
    kinds={"duckdb", "numba"},
)
def duplicate_clusters(step: Step) -> dict[str, Any]:
    """Documents removed as duplicates over all shards, each with the one kept in its place.

    Exact duplicates share the text but for white space and case, near ones an estimated Jaccard
    similarity of at least `duplicates.min_similarity`. What an earlier corpus holds
    (`duplicates.against`) goes; of others the source first in `duplicates.prefer_sources`
    survives, then the best by `duplicates.best_by` (the longest text), then the first by source
    name and doc_id. Nothing is removed for resembling a document that is itself removed. Hashes of
    bands that may be of two documents are joined in DuckDB within `duplicates.memory_limit_mb`.
    """
    chosen = step.settings.duplicates
    with TemporaryDirectory(dir=step.draft.dir) as folder:
        known = earlier.signatures(chosen, Path(folder))
        signatures = step.scan("minhash_signatures")
        found = clustering.cluster(signatures, chosen, Path(folder), known)
        step.write(found.table)
    return duplicates.summarize(step.written()) | minhash.parameters(chosen) | found.report


@artifact(
    inputs=["documents", "rule_verdicts", "duplicate_clusters"],
    slices={"duplicate_clusters": "shard"},
    partitions="shard",
    kinds={"polars"},
)
def duplicate_verdicts(step: Step) -> dict[str, Any]:
    """Verdict of deduplication on every document of a shard, with the document kept instead.

    `skip` where the rules had dropped the document. A change of clusters in other shards leaves
    this shard as it is.
    """
    clusters, rules = step.scan("duplicate_clusters"), step.scan("rule_verdicts")
    step.write(duplicates.verdicts(step.scan("documents"), clusters, rules))
    return duplicates.summarize_verdicts(step.written())


@artifact(
    inputs=["benchmark_items"],
    settings=["contamination"],
    extra=suites.shipped_hashes,
    kinds={"polars", "numba"},
)
def benchmark_ngrams(step: Step) -> dict[str, Any]:
    """Hashed n-grams of every benchmark item: what no training document may repeat.

    Taken of each item, those shipped in `eval_suites` included: context or case, question, options
    and reference turns; not the abstracts of PubMedQA, which are published literature. Units are
    words in English, characters in Chinese, alike in case, width, Traditional or Simplified;
    letters of options are none. N-grams that many items have, numbers aside, are set phrases and no
    evidence. Items that cannot be told from ordinary text are left out and counted by suite.
    """
    items = with_shipped(step.scan("benchmark_items"))
    step.write(protected.ngrams(items, step.settings.contamination))
    return protected.summarize(step.written(), items)


@artifact(
    inputs=["documents", "duplicate_verdicts", "benchmark_ngrams"],
    settings=["contamination"],
    partitions="shard",
    kinds={"polars", "numba"},
)
def contamination_verdicts(step: Step) -> dict[str, Any]:
    """Overlap of each surviving document of a shard with the benchmark item it shares most with.

    Dropped are documents that hold a question whole, or most of a longer one (`evidence` is whole),
    or a passage of any part of an item (window). Smaller overlaps are recorded and not dropped.
    """
    survivors, ngrams = step.scan("duplicate_verdicts"), step.scan("benchmark_ngrams")
    settings = step.settings.contamination
    step.write(contamination.verdicts(step.scan("documents"), survivors, ngrams, settings))
    return contamination.summarize(step.written())


@artifact(inputs=["documents", *JUDGES], partitions="shard", kinds={"polars"})
def filtered_corpus(step: Step) -> dict[str, Any]:
    """Medical documents of a shard that every judge kept, with domain, quality and tier.

    The one place where text is copied; private information is masked in it.
    """
    step.write(filtering.filtered(step.scan("documents"), *(step.scan(name) for name in JUDGES)))
    return filtering.summarize(step.written())


@artifact(inputs=["documents", *JUDGES[:-1]], partitions="shard", kinds={"polars"})
def general_corpus(step: Step) -> dict[str, Any]:
    """Documents of a shard that are clean and were dropped only because they are not medical.

    They are the general part of the training mixes; they have no quality score.
    """
    judges = (step.scan(name) for name in JUDGES[:-1])
    step.write(filtering.general(step.scan("documents"), *judges))
    return filtering.summarize(step.written())


@artifact(
    inputs=["filtered_corpus", "general_corpus"],
    settings=["pretraining.held_out_share", "pretraining.held_out_documents"],
    kinds={"polars"},
)
def held_out_text(step: Step) -> dict[str, Any]:
    """Documents kept out of every mix: medical Chinese, medical English and general text.

    Losses on them are reported during training; the general ones show what is forgotten.
    """
    plan = step.settings.pretraining
    medical, general = step.scan("filtered_corpus"), step.scan("general_corpus")
    step.write(held_out.choose(medical, general, plan.held_out_share, plan.held_out_documents))
    return {**held_out.counts(step.written())}
