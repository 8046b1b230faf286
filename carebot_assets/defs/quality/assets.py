"""How good the medical documents are: scored samples, the rater, its scores."""

from typing import Any

import polars as pl

from carebot_assets.corpus import chain, filtering
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.domain.assets import TEACHER
from carebot_assets.defs.resources import TeacherResource
from carebot_assets.raters import sampling, verdicts
from carebot_assets.teacher import consensus, roles


@artifact(
    inputs=["documents", "rule_verdicts", "domain_verdicts"],
    settings=["quality.seed_documents", "teacher.max_chars"],
    kinds={"polars"},
)
def quality_seed_sample(step: Step) -> dict[str, Any]:
    """Stratified sample of medical documents that the teacher scores for quality.

    Drawn from what the domain classifier keeps, evenly over sources and languages, by the hash of
    the document id; cut to `teacher.max_chars`, private information masked.
    """
    alive = chain.survivors(step.scan("documents"), step.scan("domain_verdicts"))
    settings = step.settings
    sample = sampling.stratified(
        alive, settings.quality.seed_documents, settings.seed, settings.teacher.max_chars
    )
    step.write(filtering.publishable(sample.lazy(), step.scan("rule_verdicts")))
    return {"strata": sampling.strata_counts(step.written())}


@artifact(
    inputs=["quality_seed_sample"],
    settings=["quality.max_round_gap", "domain.medical_labels", *TEACHER],
    kinds={"openai"},
    extra=lambda: roles.prompt_versions("quality_score"),
)
def quality_seed_scores(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Quality scores (0..5) of the sample: two independent rounds and their mean.

    An additive rubric: grammar (0..1), information (0..2), coherence (0..1), relevance to the
    domain (0..1); the sub-scores are kept, as means of the rounds. Where the rounds are
    `quality.max_round_gap` or more apart there is no consensus. Source: CareBot 4.1 (DataRater:
    20k documents scored twice, gaps of about 2 removed, 15k kept).
    """
    sample = step.scan("quality_seed_sample")
    domain = roles.join_labels(step.settings.domain.medical_labels)
    items = [{"text": text, "domain": domain} for text in sample.select("text").collect()["text"]]
    gap = step.settings.quality.max_round_gap
    with teacher.open() as model:
        rounds = consensus.ask_twice(model, "quality_score", items, step.log)
        step.write(consensus.agreed_scores(sample, rounds, gap, model.model))
        return consensus.report(step.written(), rounds, model.description)


@artifact(
    inputs=["quality_seed_sample", "quality_seed_scores"],
    settings=["quality.validation_ratio", "quality.keep_score", "quality.very_high_score",
              "encoder"],
    kinds={"scikitlearn"},
    pool="gpu",
)  # fmt: skip
def quality_rater(step: Step) -> dict[str, Any]:
    """Quality rater: a ridge head on a frozen encoder that predicts the teacher's score.

    Spearman correlation, mean absolute error and accuracy at the two thresholds are those of
    validation, by language too; texts that begin alike never straddle the split. The scale is
    fitted on validation, scores are clipped to 0..5. Files: head.safetensors, rater.json.
    Source: CareBot 4.1 (DataRater on bge-m3).
    """
    from carebot_assets.raters import plots, regressor

    scored = step.scan("quality_seed_scores").filter(pl.col("status") == "agreed")
    seeds = scored.select("doc_id", "score", "teacher").join(
        step.scan("quality_seed_sample"), on="doc_id", maintain_order="left"
    )
    frame, settings = seeds.collect(), step.settings
    trained = regressor.train(frame, settings.quality, settings.encoder, settings.seed)
    trained.head.save(step.draft.dir)
    return {
        **trained.metrics,
        "teacher": ", ".join(frame["teacher"].unique().sort()),
        "encoder": settings.encoder.backend,
        "by_decile": plots.by_decile(trained.predicted, trained.truth),
    }


@artifact(
    inputs=["documents", "rule_verdicts", "domain_verdicts", "quality_rater"],
    settings=["quality.keep_score", "quality.very_high_score"],
    partitions="shard",
    kinds={"scikitlearn", "polars"},
    pool="gpu",
)
def quality_scores(step: Step) -> dict[str, Any]:
    """Quality score of each medical document of a shard; good ones are kept.

    Kept from `quality.keep_score`, else dropped as `quality_below_threshold_v1`; tier very_high
    from `quality.very_high_score`, high from `quality.keep_score`, low below; `skip` where an
    earlier judge had dropped the document.
    """
    from carebot_assets.raters import regressor

    documents = chain.with_alive(step.scan("documents"), step.scan("domain_verdicts"))
    texts = filtering.publishable(
        documents.filter("alive").drop("alive"), step.scan("rule_verdicts")
    )
    predicted = regressor.predict(step.path("quality_rater"), texts)
    model = step.content_hash("quality_rater")
    step.write(verdicts.quality(documents, predicted, step.settings.quality, model))
    return verdicts.summarize(step.written(), "score")
