"""What the teacher is asked about the seed samples: one place for the assets and for the bill."""

import polars as pl

from carebot_assets.settings import DomainSettings
from carebot_assets.teacher.roles import join_labels


def domain(sample: pl.LazyFrame, settings: DomainSettings) -> list[dict[str, str]]:
    """Items of role `domain_label`, one a document, in order."""
    return [{"text": text, "labels": join_labels(settings.labels)} for text in _texts(sample)]


def quality(sample: pl.LazyFrame, settings: DomainSettings) -> list[dict[str, str]]:
    """Items of role `quality_score`, one a document, in order."""
    labels = join_labels(settings.medical_labels)
    return [{"text": text, "domain": labels} for text in _texts(sample)]


def _texts(sample: pl.LazyFrame) -> list[str]:
    return sample.select("text").collect()["text"].to_list()
