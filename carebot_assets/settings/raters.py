"""Settings of the teacher and of the judges that learn from it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from carebot_assets.settings.base import Count, Positive, Ratio, Section


class FineTuneSettings(Section):
    """Training of a whole encoder before its head. The values are CareBot's but for `epochs`."""

    epochs: Positive = 2
    batch_size: Positive = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    warmup_ratio: Ratio = 0.1
    bf16: bool = False


class EncoderSettings(Section):
    """Backend that turns text into vectors.

    `char_word_ngram` is both kinds of n-grams, `hybrid` words beside sentence vectors. `model` is a
    path or hub name of a sentence model; without one the packaged all-MiniLM-L6-v2 is used.
    `batch_tokens` are padded tokens a batch; `dtype` auto is bfloat16 where the processor has it.
    `fine_tune` trains the encoder itself first, which wants a GPU.
    """

    backend: Literal[
        "char_ngram", "word_ngram", "char_word_ngram", "sentence_transformers", "hybrid"
    ] = "char_ngram"
    model: str | None = None
    max_tokens: Positive = 256
    max_chars: Positive = 2000
    features: Positive = 65_536
    batch_tokens: Positive = 4096
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    fine_tune: FineTuneSettings | None = None

    @model_validator(mode="after")
    def _only_transformers_are_tuned(self) -> "EncoderSettings":
        if self.fine_tune and self.backend not in ("sentence_transformers", "hybrid"):
            raise ValueError(f"fine_tune needs a sentence model, which {self.backend} has not")
        return self


class PrefilterSettings(Section):
    """The cheap model in front of the classifier; `audit_documents` of what it drops in a shard
    are shown to the classifier, to measure what it costs: half of them those closest to pass."""

    enabled: bool = True
    documents: Positive = 10_000
    features: Positive = 262_144
    min_recall: Annotated[float, Field(gt=0, lt=1)] = 0.995
    audit_documents: Positive = 100


class DomainSettings(Section):
    """Labels and their seeds.

    `human_labels` is a file of labels from people, which win over the teacher's. A class with fewer
    agreed seeds than `long_tail_documents` is filled up with documents that the teacher writes.
    """

    labels: list[str]
    medical_labels: list[str]
    seed_documents: Positive
    threshold: Ratio = 0.5
    validation_ratio: Ratio = 0.2
    human_labels: str | None = None
    min_class_documents: Count = 5
    long_tail_documents: Count = 12
    min_agreement: Ratio = 0.6
    min_coverage: Ratio = 0.95
    min_kappa: Annotated[float, Field(ge=-1, le=1)] = 0.6
    min_medical_f1: Ratio = 0.8
    prefilter: PrefilterSettings = PrefilterSettings()
    backbones: dict[str, EncoderSettings] = {}
    keep_band: tuple[Ratio, Ratio] = (0.005, 1.0)

    @model_validator(mode="after")
    def _medical_labels_are_labels(self) -> "DomainSettings":
        unknown = sorted(set(self.medical_labels) - set(self.labels))
        if unknown:
            raise ValueError(f"medical_labels {unknown} are not among labels {self.labels}")
        return self


class QualitySettings(Section):
    """Seeds of the quality rater and where its scores are cut.

    From every seed `planted_faults` spoilt twins are made, from which the rater learns what is
    worse; there are five faults. `planted_weight` is what all twins say, beside what the teacher
    says of all seeds. By default clean texts are above their corruptions in 0.92 (en) and 0.90 (zh)
    of the pairs of `benchmarks.quality_on_real_data`, and the Spearman correlation with the teacher
    is 0.53; without twins 0.69, 0.63 and 0.60.
    """

    seed_documents: Positive
    human_scores: str | None = None
    max_round_gap: Annotated[float, Field(gt=0)] = 2.0
    keep_score: Annotated[float, Field(ge=0, le=5)] = 3.0
    very_high_score: Annotated[float, Field(ge=0, le=5)] = 4.0
    validation_ratio: Ratio = 0.2
    min_coverage: Ratio = 0.95
    min_agreement: Ratio = 0.6
    min_kappa: Annotated[float, Field(ge=-1, le=1)] = 0.4
    min_spearman: Annotated[float, Field(ge=-1, le=1)] = 0.3
    max_length_correlation: Ratio = 0.5
    planted_faults: Annotated[int, Field(ge=0, le=50)] = 5
    planted_weight: Annotated[float, Field(gt=0)] = 3.0
    min_planted_won: Ratio = 0.7
    backbones: dict[str, EncoderSettings] = {}
    keep_band: tuple[Ratio, Ratio] = (0.05, 1.0)


class FaultSettings(Section):
    """How the offline teacher misbehaves on purpose, for tests and rehearsals of a long run.

    The ratios are shares of the requests, chosen by hash; a chosen request fails its first
    `num_times` times and is served well after that.
    """

    rate_limit_ratio: Ratio = 0.0
    server_error_ratio: Ratio = 0.0
    hang_ratio: Ratio = 0.0
    broken_response_ratio: Ratio = 0.0
    truncated_ratio: Ratio = 0.0
    invalid_ratio: Ratio = 0.0
    batch_error_ratio: Ratio = 0.0
    batch_duplicate_ratio: Ratio = 0.0
    batch_expired_ratio: Ratio = 0.0
    num_times: Positive = 1
    slow_seconds: Annotated[float, Field(ge=0)] = 0.0
    retry_after_seconds: Annotated[float, Field(gt=0)] = 0.05


class OfflineTeacherSettings(Section):
    """Behaviour of the heuristic stand-in for a teacher model; port 0 means any free one."""

    disagreement_rate: Ratio = 0.08
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    faults: FaultSettings = FaultSettings()


class TokenPrice(Section):
    """US dollars a million tokens; `batch_factor` is what the batch transport costs of it."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    batch_factor: Ratio = 0.5


class BatchSettings(Section):
    """Sizes of the batch transport; the upper bounds are those of the OpenAI API."""

    max_requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000
    max_file_mb: Annotated[float, Field(gt=0, le=200)] = 150.0
    max_open: Positive = 4
    poll_seconds: Annotated[float, Field(gt=0)] = 30.0


class TeacherSettings(Section):
    """An OpenAI-compatible endpoint; without `base_url` the offline heuristic server is started.

    `budget_usd` is for everything in the store's call ledger and needs the model's price in
    `prices`. Without `temperature` the endpoint's own default holds, which is all that some
    reasoning models accept. `requests_per_minute` counts every HTTP request, repeated ones too.
    """

    base_url: str | None = None
    model: str = "offline-heuristic-teacher"
    api_key_variable: str = "OPENAI_API_KEY"
    transport: Literal["direct", "batch"] = "direct"
    concurrency: Positive = 8
    requests_per_minute: Positive | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    max_retries: Count = 5
    max_chars: Positive = 6000
    max_output_tokens: Positive = 2048
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    prices: dict[str, TokenPrice] = {}
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    batch: BatchSettings = BatchSettings()
    offline: OfflineTeacherSettings = OfflineTeacherSettings()

    @property
    def is_offline(self) -> bool:
        return self.base_url is None

    @property
    def price(self) -> TokenPrice | None:
        """What the model costs; None where the profile does not say."""
        free = TokenPrice(input=0, output=0) if self.is_offline else None
        return self.prices.get(self.model, free)

    @model_validator(mode="after")
    def _budget_needs_a_price(self) -> "TeacherSettings":
        if self.budget_usd is not None and self.price is None:
            raise ValueError(
                f"budget_usd needs the price of model {self.model!r} in prices; there are prices "
                f"of {sorted(self.prices) or 'no model'}"
            )
        return self
