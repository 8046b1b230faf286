"""What became of the documents: tallies of the shards, the funnel, drift over shards."""

from typing import Any

from carebot_assets.corpus import drift, funnel, pictures, summaries
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.tables import JUDGES


@artifact(inputs=["documents", *JUDGES], partitions="shard", kinds={"polars"})
def shard_tally(step: Step) -> dict[str, Any]:
    """Documents and tokens of a shard at every judge, by source, language and reason.

    The only place where verdicts meet documents to be counted: the funnel and the drift over shards
    add tallies up, so that a new shard costs no second look at the old ones. Every number is a sum.
    """
    stages = {name: step.scan(name) for name in JUDGES}
    quarantine = step.scan("documents", side_table="quarantine")
    step.write(funnel.tally(step.partition or "", step.scan("documents"), quarantine, stages))
    totals = funnel.totals(funnel.added(step.written()))
    return {"judges": summaries.markdown(totals)}


@artifact(
    inputs=["shard_tally", "filtered_corpus", "text_measures"],
    kinds={"polars", "matplotlib"},
    version="2",
)
def quality_funnel(step: Step) -> dict[str, Any]:
    """Documents and tokens that each judge kept and dropped, by source, language and reason.

    A document dropped for two reasons counts in both rows; the plots of judges and sources count
    documents once. `cause` tells drops that the profile asks for (language, length, domain, score,
    benchmarks, private information) from defects of the text. Kept documents have a row for every
    judge, source and language, be it zero. `private_information` says how many documents hold which
    kinds of it, and how often, by source and language, before any masking.
    """
    tallies = step.scan("shard_tally")
    total = funnel.added(tallies)
    table = funnel.funnel(total)
    step.write(table)
    measured = step.scan("text_measures").join(funnel.sources(tallies), on="shard")
    return {
        **funnel.summarize(total, table),
        "judges": summaries.markdown(funnel.totals(total)),
        "private_information": summaries.private_information(measured, "source", "lang"),
        "plot": pictures.left(total),
        "plot_by_source": pictures.by_source(total),
        "plot_of_reasons": pictures.reasons(table),
    }


@artifact(inputs=["shard_tally"], settings=["drift"], kinds={"polars", "matplotlib"})
def shard_drift(step: Step) -> dict[str, Any]:
    """How every shard's documents differ from those of its source's other shards, by language.

    Compared are length, quality, the share of the language and of unreadable records, and the share
    of documents that each judge drops, and for each reason, with the median over the shards of the
    source. The robust z-score takes in the shards' own spread and what chance does to a shard of
    its size; `deviations` names the measures beyond the profile's limits.
    """
    limits = step.settings.drift
    measured = drift.measures(step.scan("shard_tally"))
    scored = drift.score(measured, limits)
    step.write(drift.table(measured, scored))
    return {**drift.summarize(step.written()), "plot": pictures.drift(scored, limits.max_score)}
