"""From rule-passing documents to the corpora: duplicates, contamination, filtering, the funnel."""

from typing import Any

from carebot_assets.corpus import contamination, duplicates, filtering, funnel, held_out, minhash
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.tables import JUDGES


@artifact(
    inputs=["documents", "rule_verdicts"],
    settings=["duplicates.ngram", "duplicates.bands", "duplicates.rows"],
    partitions="shard",
    kinds={"polars", "numba"},
)
def minhash_signatures(step: Step) -> dict[str, Any]:
    """MinHash signatures of a shard's documents that pass the rules, with a hash of each text.

    Shingles of 5 words (5 characters where the text is Chinese), 112 minima in 14 bands of 8.
    Texts are compared as they would be published, private information masked, so that documents
    that differ in a phone number only are duplicates. The metadata say how likely a pair of a
    given similarity is found.
    """
    documents = filtering.publishable(step.scan("documents"), step.scan("rule_verdicts"))
    step.write(minhash.signatures(documents, step.settings.duplicates))
    return minhash.summarize(step.written(), step.settings.duplicates)


@artifact(
    inputs=["minhash_signatures"],
    settings=["duplicates"],
    kinds={"duckdb", "numba"},
)
def duplicate_clusters(step: Step) -> dict[str, Any]:
    """Documents removed as duplicates over all shards, each with the one kept in its place.

    Exact duplicates share the text but for white space and case, near ones an estimated Jaccard
    similarity of at least `duplicates.min_similarity`. The longest text survives, then the first
    by source name and doc_id. Nothing is removed for resembling a document that is itself removed.
    Joined band by band in DuckDB within `duplicates.memory_limit_mb`.
    """
    step.write(duplicates.cluster(step.scan("minhash_signatures"), step.settings.duplicates))
    return duplicates.summarize(step.written())


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


@artifact(inputs=["benchmark_items"], settings=["contamination"], kinds={"polars", "numba"})
def benchmark_ngrams(step: Step) -> dict[str, Any]:
    """Hashed n-grams of every benchmark item: what no training document may repeat.

    Taken of each item: context or case, question, options and reference turns; not the abstracts
    of PubMedQA, which are published literature. 13-grams of words in English, of characters in
    Chinese. Items too short to be told from ordinary text are left out and counted.
    """
    items = step.scan("benchmark_items")
    step.write(contamination.ngrams(items, step.settings.contamination))
    return contamination.summarize_ngrams(step.written(), items)


@artifact(
    inputs=["documents", "duplicate_verdicts", "benchmark_ngrams"],
    settings=["contamination"],
    partitions="shard",
    kinds={"polars", "numba"},
)
def contamination_verdicts(step: Step) -> dict[str, Any]:
    """Overlap of each surviving document of a shard with the benchmark item it shares most with.

    Dropped are documents that share several distinct n-grams, or a large share of the n-grams, of
    one item; a single shared n-gram (a name, a set phrase) is recorded and not dropped.
    """
    earlier, ngrams = step.scan("duplicate_verdicts"), step.scan("benchmark_ngrams")
    settings = step.settings.contamination
    step.write(contamination.verdicts(step.scan("documents"), earlier, ngrams, settings))
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


@artifact(inputs=["documents", *JUDGES], kinds={"polars", "matplotlib"})
def quality_funnel(step: Step) -> dict[str, Any]:
    """Documents and tokens that each judge kept and dropped, by source, language and reason.

    A document dropped for two reasons counts in both rows; the plot counts documents once.
    """
    documents, stages = step.scan("documents"), {name: step.scan(name) for name in JUDGES}
    step.write(funnel.funnel(documents, stages))
    totals = funnel.totals(documents, stages)
    return {
        "num_documents": int(totals["keep"][0]),
        "num_left": int(totals["keep"][-1]),
        "judges": funnel.as_markdown(totals),
        "plot": funnel.plot(totals),
    }


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
