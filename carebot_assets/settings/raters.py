"""Settings of the teacher and of the judges that learn from it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from carebot_assets.settings.base import Count, Positive, Ratio, Section


class EncoderSettings(Section):
    """Backend that turns text into vectors; `model` is a path or hub name where one is needed."""

    backend: Literal["char_ngram", "sentence_transformers"] = "char_ngram"
    model: str | None = None
    max_tokens: Positive = 256
    max_chars: Positive = 2000
    features: Positive = 65_536
    batch_size: Positive = 64


class DomainSettings(Section):
    labels: list[str]
    medical_labels: list[str]
    seed_documents: Positive
    threshold: Ratio = 0.5
    validation_ratio: Ratio = 0.2
    min_class_documents: Count = 5
    min_agreement: Ratio = 0.6
    min_coverage: Ratio = 0.95
    min_kappa: Annotated[float, Field(ge=-1, le=1)] = 0.6
    min_medical_f1: Ratio = 0.8
    keep_band: tuple[Ratio, Ratio] = (0.005, 1.0)

    @model_validator(mode="after")
    def _medical_labels_are_labels(self) -> "DomainSettings":
        unknown = sorted(set(self.medical_labels) - set(self.labels))
        if unknown:
            raise ValueError(f"medical_labels {unknown} are not among labels {self.labels}")
        return self


class QualitySettings(Section):
    seed_documents: Positive
    max_round_gap: Annotated[float, Field(gt=0)] = 2.0
    keep_score: Annotated[float, Field(ge=0, le=5)] = 3.0
    very_high_score: Annotated[float, Field(ge=0, le=5)] = 4.0
    validation_ratio: Ratio = 0.2
    min_coverage: Ratio = 0.95
    min_agreement: Ratio = 0.6
    min_kappa: Annotated[float, Field(ge=-1, le=1)] = 0.4
    min_spearman: Annotated[float, Field(ge=-1, le=1)] = 0.3
    keep_band: tuple[Ratio, Ratio] = (0.05, 1.0)


class OfflineTeacherSettings(Section):
    """Behaviour of the heuristic stand-in for a teacher model; port 0 means any free one."""

    disagreement_rate: Ratio = 0.08
    port: Annotated[int, Field(ge=0, le=65535)] = 0


class TeacherSettings(Section):
    """An OpenAI-compatible endpoint; without `base_url` the offline heuristic server is started.

    `budget_usd` is for everything in the store's call ledger. Without `temperature` the endpoint's
    own default holds, which is all that some reasoning models accept.
    """

    base_url: str | None = None
    model: str = "offline-heuristic-teacher"
    api_key_variable: str = "OPENAI_API_KEY"
    concurrency: Positive = 8
    timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    max_retries: Count = 5
    max_chars: Positive = 6000
    max_output_tokens: Positive = 2048
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    usd_per_million_input_tokens: Annotated[float, Field(ge=0)] = 0.0
    usd_per_million_output_tokens: Annotated[float, Field(ge=0)] = 0.0
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    offline: OfflineTeacherSettings = OfflineTeacherSettings()

    @property
    def is_offline(self) -> bool:
        return self.base_url is None
