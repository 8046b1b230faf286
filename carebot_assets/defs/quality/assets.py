"""How good the medical documents are: scored samples, the rater, its scores."""

from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import chain, filtering
from carebot_assets.defs import seed_samples
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.domain.assets import TEACHER
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.resources import TeacherResource
from carebot_assets.defs.seeds import agreed_seeds, tune_encoder
from carebot_assets.raters import people, seed_items, verdicts
from carebot_assets.settings import EncoderSettings, QualitySettings, current_settings
from carebot_assets.teacher import agreement, consensus, roles


def _human_scores(_: str | None) -> list[Path]:
    return people.files(current_settings().quality.human_scores)


@artifact(
    inputs=["documents", "rule_verdicts", "domain_verdicts"],
    settings=["quality.seed_documents", "quality.human_scores", "teacher.max_chars",
              "rules.private_information"],
    kinds={"polars"},
    outside=_human_scores,
    version="4",
)  # fmt: skip
def quality_seed_sample(step: Step) -> dict[str, Any]:
    """Stratified sample of medical documents that the teacher scores for quality.

    Drawn from what the domain classifier keeps, evenly over sources and languages, by the hash of
    the document id. Documents that people scored (`quality.human_scores`) come on top. Private
    information is masked, then texts are cut to `teacher.max_chars`.
    """
    quality = step.settings.quality
    records = people.read_scores(quality.human_scores)
    return seed_samples.draw(step, "domain_verdicts", quality.seed_documents, records)


@artifact(
    inputs=["quality_seed_sample"],
    settings=["quality.max_round_gap", "quality.human_scores", "domain.medical_labels", *TEACHER],
    kinds={"openai"},
    extra=lambda: roles.prompt_versions("quality_score"),
    outside=_human_scores,
    retry_while="num_failed",
    version="2",
)
def quality_seed_scores(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Quality scores (0..5) of the sample: two independent rounds and their mean.

    An additive rubric: grammar (0..1), information (0..2), coherence (0..1), relevance to the
    domain (0..1); the sub-scores are kept, as means of the rounds. Where the rounds are
    `quality.max_round_gap` or more apart there is no consensus; where people scored a document
    their score wins. While calls have failed, the next run asks those again. Source: CareBot 4.1
    (DataRater: 20k documents scored twice, gaps of about 2 removed, 15k kept).
    """
    from carebot_assets.raters import agreement_plots

    sample, gap = step.scan("quality_seed_sample"), step.settings.quality.max_round_gap
    items = seed_items.quality(sample, step.settings.domain)
    said = people.said(people.read_scores(step.settings.quality.human_scores))
    with teacher.open() as model:
        rounds = consensus.ask_twice(model, "quality_score", items, step.log)
        step.write(consensus.agreed_scores(sample, rounds, gap, model.model, said))
        plots = agreement_plots.scores(step.written(), gap)
        plots |= agreement_plots.groups(agreement.compared(step.written(), gap))
        return agreement.report(step.written(), rounds, model.description, gap) | plots


@artifact(
    inputs=["quality_seed_sample", "quality_seed_scores"],
    settings=["quality.validation_ratio", "quality.keep_score", "quality.very_high_score",
              "quality.planted_faults", "quality.planted_weight", "encoder"],
    kinds={"scikitlearn"},
    pool="gpu",
    version="9",
)  # fmt: skip
def quality_rater(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Quality rater: a linear head on an encoder that predicts the teacher's score.

    Beside the encoder's vectors it sees how a text is written (order of its sentences, passages
    foreign to the rest, oddness, ending; each beside what is usual at the text's length). What sets
    its seeds above spoilt twins of themselves (sentences disordered, passages patched in, adverts,
    misread characters, broken off) is learned from these pairs, the rest from the scores;
    `planted_weight` says how far apart they are set. `planted_won_ratio` is how often a validation
    text is above a spoilt twin of itself.

    Spearman correlation, mean absolute error and agreement at the two thresholds are those of
    validation, by language, source and length too; near-duplicates never straddle the split.
    `length_correlation` shows how far the rater merely measures length. Scores are clipped to
    0..5. With `encoder.fine_tune` the encoder is trained first. Files: head.safetensors,
    rater.json, writing.safetensors, with fine-tuning the folder encoder. Source: CareBot 4.1
    (DataRater on bge-m3).
    """
    from carebot_assets.raters import plots, regressor, rubric, scores

    settings, seeds = step.settings, agreed_seeds(step, "quality", "score")
    ratio = settings.quality.validation_ratio
    report = tune_encoder(step, launcher, seeds, pl.col("score"), 1, ratio)
    trained = regressor.train(
        seeds, rubric.QUALITY, settings.encoder, settings.seed, validation_ratio=ratio,
        cuts=_cuts(settings.quality), folder=step.draft.dir,
        planted_faults=settings.quality.planted_faults,
        planted_weight=settings.quality.planted_weight,
    )  # fmt: skip
    trained.head.save(step.draft.dir)
    return {
        **trained.metrics,
        **report,
        "languages": scores.as_markdown(trained.metrics["by_lang"], "language"),
        "sources": scores.as_markdown(trained.metrics["by_source"], "source"),
        "lengths": scores.as_markdown(trained.metrics["by_length"], "length"),
        "faults": scores.as_markdown(trained.metrics.get("by_fault", {}), "planted fault"),
        "teacher": ", ".join(seeds["teacher"].unique().sort()),
        "encoder": settings.encoder.backend,
        "by_decile": plots.by_decile(trained.predicted, trained.truth),
    }


@artifact(
    inputs=["quality_seed_sample", "quality_seed_scores"],
    settings=["quality.validation_ratio", "quality.keep_score", "quality.very_high_score",
              "quality.planted_faults", "quality.planted_weight", "quality.backbones"],
    kinds={"scikitlearn", "matplotlib"},
    pool="gpu",
    version="6",
)  # fmt: skip
def quality_backbones(step: Step) -> dict[str, Any]:
    """The quality rater's head on several frozen encoders, side by side on the same split.

    Spearman correlation with the teacher on validation, documents encoded a second and memory
    needed of each of `quality.backbones`. Source: CareBot, appendix B (in spirit).
    """
    from carebot_assets.raters import backbones, regressor, rubric

    settings, seeds = step.settings, agreed_seeds(step, "quality", "score")
    plan = settings.quality

    def metrics(encoder: EncoderSettings) -> dict[str, Any]:
        return regressor.train(
            seeds, rubric.QUALITY, encoder, settings.seed,
            validation_ratio=plan.validation_ratio, cuts=_cuts(plan),
            planted_faults=plan.planted_faults, planted_weight=plan.planted_weight,
        ).metrics  # fmt: skip

    table, costs = backbones.compare(seeds, plan.backbones, metrics)
    step.write(table)
    return backbones.summarize(step.written(), costs, "spearman")


@artifact(
    inputs=["documents", "rule_verdicts", "domain_verdicts", "quality_rater"],
    settings=["quality.keep_score", "quality.very_high_score"],
    partitions="shard",
    kinds={"scikitlearn", "polars"},
    pool="gpu",
    version="2",
)
def quality_scores(step: Step) -> dict[str, Any]:
    """Quality score of each medical document of a shard; good ones are kept.

    Kept from `quality.keep_score`, else dropped as `quality_below_threshold_v1`; tier very_high
    from `quality.very_high_score`, high from `quality.keep_score`, low below; `skip` where an
    earlier judge had dropped the document.
    """
    from carebot_assets.raters import regressor, rubric

    documents = chain.with_alive(step.scan("documents"), step.scan("domain_verdicts"))
    texts = filtering.publishable(
        documents.filter("alive").drop("alive"), step.scan("rule_verdicts")
    )
    with step.parts() as work:
        predicted = regressor.predict(step.path("quality_rater"), rubric.QUALITY, texts, work)
        model = step.content_hash("quality_rater")
        step.write(verdicts.quality(documents, predicted, step.settings.quality, model))
    return verdicts.summarize(step.written(), "score")


def _cuts(quality: QualitySettings) -> tuple[float, float]:
    return (quality.keep_score, quality.very_high_score)
