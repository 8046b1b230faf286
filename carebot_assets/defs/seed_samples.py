"""What both seed samples do: draw, mask, cut, and add what people judged."""

from functools import partial
from typing import Any

import polars as pl

from carebot_assets.corpus import chain, filtering, private
from carebot_assets.defs.artifact import Step
from carebot_assets.raters import people, sampling

MAX_LISTED = 20


def draw(step: Step, judge: str, num_documents: int, records: pl.DataFrame) -> dict[str, Any]:
    """Write the seed sample from what a judge kept, shard by shard; returns its metadata.

    Args:
        step: of the seed sample.
        judge: the last of the judges before it.
        num_documents: drawn; what people judged comes on top.
        records: labels or scores from people.
    """
    parts, seed = list(step.scan_parts("documents", judge, "rule_verdicts")), step.settings.seed
    alive = [chain.survivors(documents, verdicts) for documents, verdicts, _ in parts]
    wanted = records.filter(pl.col("text").is_null())["doc_id"].to_list()
    chosen = sampling.choose(alive, num_documents, seed, wanted)
    documents = [
        filtering.publishable(sampling.taken(alive[number], chosen, number), parts[number][2])
        for number in chosen["part"].unique().sort()
    ]
    columns = ["doc_id", "shard", "source", "lang", "text"]
    drawn = pl.concat(
        [pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))]
        + [frame.select(columns) for frame in documents]
    ).join(chosen.lazy().select("doc_id", "stands_for"), on="doc_id")
    own = people.texts(records, _masked(step)).lazy()
    sample = pl.concat([drawn, own.select(*columns, "stands_for")])
    step.write(
        sample.with_columns(pl.col("text").str.head(step.settings.teacher.max_chars)).sort("doc_id")
    )
    unknown = sorted(set(wanted) - set(chosen["doc_id"]))
    if unknown:
        step.log.warning(
            f"{len(unknown)} documents that people judged are not among those {judge} kept, and "
            f"are left out: {', '.join(unknown[:MAX_LISTED])}"
        )
    return {
        "strata": sampling.strata_counts(step.written()),
        "num_judged_by_people": records.height - len(unknown),
        "num_judged_by_people_left_out": len(unknown),
        "left_out": unknown[:MAX_LISTED],
    }


def _masked(step: Step) -> Any:
    actions = step.settings.rules.private_information
    hidden = [kind for kind in private.BY_NAME if actions.get(kind) != "keep"]
    return partial(private.mask, kinds=hidden)
