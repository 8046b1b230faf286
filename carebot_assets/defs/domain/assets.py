"""Which documents are medical: labelled samples, the classifier, its verdicts."""

from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import chain, filtering
from carebot_assets.defs import seed_samples
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.resources import TeacherResource
from carebot_assets.defs.seeds import agreed_seeds, tune_encoder
from carebot_assets.raters import long_tail, people, sampling, seed_items, verdicts
from carebot_assets.settings import EncoderSettings, current_settings
from carebot_assets.teacher import agreement, consensus, roles

# Of the teacher's settings only these decide an answer.
TEACHER = ["teacher.base_url", "teacher.model", "teacher.max_chars", "teacher.max_output_tokens",
           "teacher.temperature", "teacher.offline.disagreement_rate"]  # fmt: skip


def _human_labels(_: str | None) -> list[Path]:
    return people.files(current_settings().domain.human_labels)


@artifact(
    inputs=["documents", "rule_verdicts", "contamination_verdicts"],
    settings=["domain.seed_documents", "domain.human_labels", "domain.labels", "teacher.max_chars",
              "rules.private_information"],
    kinds={"polars"},
    outside=_human_labels,
    version="4",
)  # fmt: skip
def domain_seed_sample(step: Step) -> dict[str, Any]:
    """Stratified sample of clean documents that the teacher labels by domain.

    Drawn from what survives rules, deduplication and decontamination: the same number from every
    source and language as far as there are enough, by the hash of the document id. Documents that
    people labelled (`domain.human_labels`) come on top. Private information is masked before
    anything leaves for a teacher, then texts are cut to `teacher.max_chars`.
    """
    domain = step.settings.domain
    records = people.read_labels(domain.human_labels, domain.labels)
    return seed_samples.draw(step, "contamination_verdicts", domain.seed_documents, records)


@artifact(
    inputs=["domain_seed_sample"],
    settings=["domain.labels", "domain.human_labels", *TEACHER],
    kinds={"openai"},
    extra=lambda: roles.prompt_versions("domain_label"),
    outside=_human_labels,
    retry_while="num_failed",
    version="2",
)
def domain_seed_labels(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Domain labels of the sample: two independent rounds of the teacher and what they agree on.

    Documents on which the rounds differ keep both labels but get no consensus; a call that failed
    is `failed`, never a label. Where people labelled a document their label wins. Calls are cached
    in the store's call ledger; while some have failed, the next run asks those again and pays for
    nothing else. Source: CareBot 4.1 (40k seeds labelled twice, 36k kept).
    """
    from carebot_assets.raters import agreement_plots

    sample, domain = step.scan("domain_seed_sample"), step.settings.domain
    items = seed_items.domain(sample, domain)
    said = people.said(people.read_labels(domain.human_labels, domain.labels))
    with teacher.open() as model:
        rounds = consensus.ask_twice(model, "domain_label", items, step.log)
        step.write(consensus.agreed_labels(sample, rounds, model.model, said))
        plots = agreement_plots.labels(step.written())
        plots |= agreement_plots.groups(agreement.compared(step.written()))
        return agreement.report(step.written(), rounds, model.description) | plots


@artifact(
    inputs=["domain_seed_labels"],
    settings=["domain.labels", "domain.long_tail_documents", *TEACHER],
    kinds={"openai"},
    extra=lambda: roles.prompt_versions(long_tail.ROLE),
    retry_while="num_failed",
)
def domain_long_tail(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Synthetic documents for labels with fewer agreed seeds than `domain.long_tail_documents`.

    The teacher writes what is lacking, in both languages and several forms. For training the
    domain classifier alone: marked as synthetic in every table, never validated on, in no corpus.
    Source: CareBot 4.1 (long-tail classes are filled up).
    """
    domain, labels = step.settings.domain, step.scan("domain_seed_labels")
    asked = long_tail.items(labels, domain.labels, domain.long_tail_documents)
    with teacher.open() as model:
        answers = model.ask(long_tail.ROLE, asked, round=1, log=step.log)
        step.write(long_tail.table(asked, answers, model.model))
        return long_tail.summarize(step.written(), labels) | {"teacher": model.description}


@artifact(
    inputs=["domain_seed_sample", "domain_seed_labels", "domain_long_tail"],
    settings=["domain.labels", "domain.medical_labels", "domain.validation_ratio",
              "domain.threshold", "encoder"],
    kinds={"scikitlearn"},
    pool="gpu",
    version="5",
)  # fmt: skip
def domain_classifier(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Domain classifier: a class-balanced softmax head on an encoder, calibrated.

    Learned from the agreed seed labels; near-duplicates never straddle training and validation.
    Temperature and biases, fitted on training rows, correct it to the corpus by what each seed
    stands for. Precision, recall and F1 by label (in each language too), language and source, and
    of the medical labels at the threshold, are those of validation, as of the corpus. With
    `encoder.fine_tune` the encoder is trained first, by the launcher, and its classes weigh alike
    as well. Files: head.safetensors, rater.json, with fine-tuning the folder encoder.
    Source: CareBot 4.1 (bge-m3, fine-tuned in full).
    """
    from carebot_assets.raters import classifier, plots, scores

    settings, seeds = step.settings, agreed_seeds(step, "domain", "label")
    numbers = pl.col("label").replace_strict(
        settings.domain.labels, range(len(settings.domain.labels))
    )
    report = tune_encoder(
        step,
        launcher,
        seeds,
        numbers,
        len(settings.domain.labels),
        settings.domain.validation_ratio,
    )
    trained = classifier.train(
        seeds, settings.domain, settings.encoder, settings.seed, step.draft.dir
    )
    trained.head.save(step.draft.dir)
    names = trained.head.card["labels"]
    medical = classifier.medical_mask(names, settings.domain.medical_labels)
    is_medical = classifier.are_medical(trained.truth, medical)
    known = trained.predicted, trained.truth, trained.weights
    return {
        **trained.metrics,
        **report,
        "labels": scores.as_markdown(trained.metrics["by_label"], "label"),
        "labels_by_language": scores.as_markdown(
            trained.metrics["by_lang_and_label"], "language and label"
        ),
        "languages": scores.as_markdown(trained.metrics["by_lang"], "language"),
        "sources": scores.as_markdown(trained.metrics["by_source"], "source"),
        "teacher": ", ".join(seeds["teacher"].unique().sort()),
        "encoder": settings.encoder.backend,
        "confusion": plots.confusion(trained.predicted, trained.truth, names),
        "reliability": plots.reliability(scores.reliability(*known)),
        "medical": plots.operating_curves(
            trained.predicted[:, medical].sum(axis=1), is_medical, trained.weights
        ),
    }


@artifact(
    inputs=["domain_seed_sample", "domain_seed_labels", "domain_long_tail"],
    settings=["domain.labels", "domain.medical_labels", "domain.validation_ratio",
              "domain.threshold", "domain.backbones"],
    kinds={"scikitlearn", "matplotlib"},
    pool="gpu",
    version="3",
)  # fmt: skip
def domain_backbones(step: Step) -> dict[str, Any]:
    """The domain classifier's head on several frozen encoders, side by side on the same split.

    Macro and medical F1 of validation, documents encoded a second and memory needed of each of
    `domain.backbones`. Source: CareBot, appendix A (in spirit).
    """
    from carebot_assets.raters import backbones, classifier

    settings, seeds = step.settings, agreed_seeds(step, "domain", "label")

    def metrics(encoder: EncoderSettings) -> dict[str, Any]:
        return classifier.train(seeds, settings.domain, encoder, settings.seed).metrics

    table, costs = backbones.compare(seeds, settings.domain.backbones, metrics)
    step.write(table)
    return backbones.summarize(step.written(), costs, "medical_f1")


@artifact(
    inputs=["documents", "rule_verdicts", "contamination_verdicts", "domain_classifier"],
    settings=["domain.prefilter", "domain.threshold", "domain.medical_labels"],
    kinds={"scikitlearn", "polars"},
    pool="gpu",
    version="3",
)
def domain_prefilter(step: Step) -> dict[str, Any]:
    """Cheap model in front of the classifier, distilled from its verdicts on unlabelled documents.

    A linear model on hashed characters and words. Its threshold for a language is the highest that
    keeps `domain.prefilter.min_recall` of what the classifier finds medical among documents the
    model judging them did not learn from (`lowest_recall` is the lower end of what that shows);
    with too few of them it lets everything pass and says so.
    """
    from carebot_assets.raters import classifier, prefilter

    settings, plan = step.settings, step.settings.domain.prefilter
    alive = chain.survivors(step.scan("documents"), step.scan("contamination_verdicts"))
    sample = sampling.stratified(
        alive, plan.documents, settings.seed + 1, prefilter.MAX_CHARS
    ) if plan.enabled else alive.head(0).collect()  # fmt: skip
    texts = filtering.publishable(sample.lazy(), step.scan("rule_verdicts")).collect()
    judged = classifier.predict(
        step.path("domain_classifier"), texts.lazy(), settings.domain.medical_labels
    )
    head = prefilter.distil(texts, judged["p_medical"].to_numpy(), settings.domain.threshold, plan)
    head.save(step.draft.dir)
    return head.card


@artifact(
    inputs=["documents", "rule_verdicts", "contamination_verdicts", "domain_classifier",
            "domain_prefilter"],
    settings=["domain.threshold", "domain.medical_labels", "domain.prefilter.audit_documents"],
    partitions="shard",
    kinds={"scikitlearn", "polars"},
    pool="gpu",
    version="3",
)  # fmt: skip
def domain_verdicts(step: Step) -> dict[str, Any]:
    """Domain of each surviving document of a shard; medical ones are kept.

    Kept if the probability of the medical labels together reaches `domain.threshold`, else dropped
    as `domain_not_medical_v1`; what the prefilter stops is dropped as `domain_prefilter_v1`
    without a label, and some of it is shown to the classifier all the same, to measure what is
    missed; `skip` where an earlier judge had dropped the document. The text is read as it would be
    published, private information masked.
    """
    from carebot_assets.raters import prefilter

    documents = chain.with_alive(step.scan("documents"), step.scan("contamination_verdicts"))
    texts = filtering.publishable(
        documents.filter("alive").drop("alive"), step.scan("rule_verdicts")
    )
    domain, folder = step.settings.domain, step.path("domain_classifier")
    with step.parts() as work:
        predicted, audit = prefilter.predict(
            folder, step.path("domain_prefilter"), texts, domain.medical_labels,
            domain.prefilter.audit_documents, work,
        )  # fmt: skip
        model = step.content_hash("domain_classifier")
        step.write(verdicts.domain(documents, predicted, domain, model))
    found = prefilter.report(predicted, audit, domain.threshold)
    return {**verdicts.summarize(step.written(), "p_medical"), **found}
