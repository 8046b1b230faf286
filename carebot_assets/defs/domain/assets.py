"""Which documents are medical: labelled samples, the classifier, its verdicts."""

from typing import Any

import polars as pl

from carebot_assets.corpus import chain, filtering
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.resources import TeacherResource
from carebot_assets.raters import sampling, verdicts
from carebot_assets.teacher import consensus, roles

# Of the teacher's settings only these decide an answer.
TEACHER = ["teacher.base_url", "teacher.model", "teacher.max_chars", "teacher.max_output_tokens",
           "teacher.temperature", "teacher.offline.disagreement_rate"]  # fmt: skip


@artifact(
    inputs=["documents", "rule_verdicts", "contamination_verdicts"],
    settings=["domain.seed_documents", "teacher.max_chars"],
    kinds={"polars"},
)
def domain_seed_sample(step: Step) -> dict[str, Any]:
    """Stratified sample of clean documents that the teacher labels by domain.

    Drawn from what survives rules, deduplication and decontamination: the same number from every
    source and language as far as there are enough, by the hash of the document id. Texts are cut
    to `teacher.max_chars` and private information is masked before anything leaves for a teacher.
    """
    alive = chain.survivors(step.scan("documents"), step.scan("contamination_verdicts"))
    settings = step.settings
    sample = sampling.stratified(
        alive, settings.domain.seed_documents, settings.seed, settings.teacher.max_chars
    )
    publishable = filtering.publishable(sample.lazy(), step.scan("rule_verdicts"))
    step.write(publishable)
    return {"strata": sampling.strata_counts(step.written())}


@artifact(
    inputs=["domain_seed_sample"],
    settings=["domain.labels", *TEACHER],
    kinds={"openai"},
    extra=lambda: roles.prompt_versions("domain_label"),
)
def domain_seed_labels(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Domain labels of the sample: two independent rounds of the teacher and what they agree on.

    Documents on which the rounds differ keep both labels but get no consensus; a call that failed
    is `failed`, never a label. Calls are cached in the store's call ledger, so a second run pays
    for failures only. Source: CareBot 4.1 (40k seeds labelled twice, 36k kept).
    """
    sample = step.scan("domain_seed_sample")
    labels = roles.join_labels(step.settings.domain.labels)
    items = [{"text": text, "labels": labels} for text in sample.select("text").collect()["text"]]
    with teacher.open() as model:
        rounds = consensus.ask_twice(model, "domain_label", items, step.log)
        step.write(consensus.agreed_labels(sample, rounds, model.model))
        return consensus.report(step.written(), rounds, model.description)


@artifact(
    inputs=["domain_seed_sample", "domain_seed_labels"],
    settings=["domain.labels", "domain.medical_labels", "domain.validation_ratio",
              "domain.threshold", "encoder"],
    kinds={"scikitlearn"},
    pool="gpu",
)  # fmt: skip
def domain_classifier(step: Step) -> dict[str, Any]:
    """Domain classifier: a class-balanced softmax head on a frozen encoder, calibrated.

    Learned from the agreed seed labels; texts that begin alike never straddle training and
    validation. Precision, recall and F1 by label and language, and of the medical labels at the
    threshold, are those of validation. Files: head.safetensors, rater.json.
    Source: CareBot 4.1 (bge-m3, fine-tuned in full).
    """
    from carebot_assets.raters import classifier, plots, scores

    labels = step.scan("domain_seed_labels").filter(pl.col("status") == "agreed")
    seeds = labels.select("doc_id", "label", "teacher").join(
        step.scan("domain_seed_sample"), on="doc_id", maintain_order="left"
    )
    settings = step.settings
    frame = seeds.collect()
    trained = classifier.train(frame, settings.domain, settings.encoder, settings.seed)
    trained.head.save(step.draft.dir)
    names = trained.head.card["labels"]
    return {
        **trained.metrics,
        "teacher": ", ".join(frame["teacher"].unique().sort()),
        "encoder": settings.encoder.backend,
        "confusion": plots.confusion(trained.probabilities, trained.truth, names),
        "reliability": plots.reliability(scores.reliability(trained.probabilities, trained.truth)),
    }


@artifact(
    inputs=["documents", "rule_verdicts", "contamination_verdicts", "domain_classifier"],
    settings=["domain.threshold", "domain.medical_labels"],
    partitions="shard",
    kinds={"scikitlearn", "polars"},
    pool="gpu",
)
def domain_verdicts(step: Step) -> dict[str, Any]:
    """Domain of each surviving document of a shard; medical ones are kept.

    Kept if the probability of the medical labels together reaches `domain.threshold`, else dropped
    as `domain_not_medical_v1`; `skip` where an earlier judge had dropped the document. The text is
    read as it would be published, private information masked.
    """
    from carebot_assets.raters import classifier

    documents = chain.with_alive(step.scan("documents"), step.scan("contamination_verdicts"))
    texts = filtering.publishable(
        documents.filter("alive").drop("alive"), step.scan("rule_verdicts")
    )
    domain, folder = step.settings.domain, step.path("domain_classifier")
    predicted = classifier.predict(folder, texts, domain.medical_labels)
    model = step.content_hash("domain_classifier")
    step.write(verdicts.domain(documents, predicted, domain, model))
    return verdicts.summarize(step.written(), "p_medical")
