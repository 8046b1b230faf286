"""Settings of the meta-learned rater."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from carebot_assets.settings.base import Count, Positive, Ratio, Section
from carebot_assets.settings.training import TrainSettings


class MetaModelSettings(Section):
    """A small transformer: width of its states, blocks, attention heads."""

    width: Positive
    layers: Positive
    heads: Positive

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "MetaModelSettings":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class ShowdownSettings(Section):
    """Trainings of one small model on what different raters keep, for the same tokens.

    Attributes:
        seeds: trainings of each arm, with the sequences in another order.
        tokens: of each arm's mix.
        discards: further shares that the value rater drops, tried with the first seed.
        model: folder or hub name of a small model to start from; the base model if not given.
    """

    seeds: Positive = 3
    tokens: Positive
    train: TrainSettings
    discards: list[Annotated[float, Field(gt=0, lt=1)]] = []
    model: str | None = None
    revision: str | None = None


class ValueSettings(Section):
    """DeepMind's DataRater; defaults are small enough for a processor.

    Attributes:
        documents: drawn for training it, besides them a share `outer_share` held out from the inner
            models; up to `rows_per_document` rows of each.
        target: what the held-out text is: documents that the other judges keep, or, as in the
            paper, more of the same text.
        planted_share: of the rows that are spoilt on purpose, to see that the rater finds them.
        pretrain_steps: of masked tokens, with which the rater learns to read.
        settle_steps: plain steps of an inner model after each reset; it lives `lifetime` meta-steps
            (the population's resets are staggered) and is differentiated through `unroll` steps.
            A young or overfitted model gains from text that merely flattens its predictions:
            many steps and text enough for them matter more than meta-steps.
        score_penalty: keeps scores from drifting: only their differences within a batch matter.
        micro_batch: with `kept_rows` trades time for memory, see `raters.meta.gradients`.
        discard: lowest share of documents that is dropped, by the whole batch of `keep_batch`
            (`top_k`) or each on its own with the same expectation (`pointwise`).
        min_planted_auc: of clean rows against planted ones, and the other floors and ceilings:
            beyond them checks warn.
    """

    documents: Positive = 2000
    target: Literal["kept", "same"] = "kept"
    rows_per_document: Positive = 4
    sequence_length: Annotated[int, Field(ge=8)] = 48
    min_row_tokens: Annotated[int, Field(ge=4)] = 16
    outer_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    planted_share: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    rater: MetaModelSettings = MetaModelSettings(width=64, layers=2, heads=4)
    inner: MetaModelSettings = MetaModelSettings(width=64, layers=2, heads=4)
    pretrain_steps: Count = 400
    pretrain_learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    population: Positive = 3
    unroll: Positive = 2
    batch_size: Annotated[int, Field(ge=2)] = 24
    outer_batch_size: Positive = 48
    meta_steps: Positive = 80
    lifetime: Positive = 80
    settle_steps: Count = 200
    inner_learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    inner_weight_decay: Annotated[float, Field(ge=0)] = 0.0
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    warmup_steps: Count = 10
    max_grad_norm: Annotated[float, Field(gt=0)] = 0.01
    score_penalty: Annotated[float, Field(ge=0)] = 1e-3
    engine: Literal["adjoint", "unrolled"] = "adjoint"
    micro_batch: Positive | None = None
    kept_rows: Count = 0
    probe_rows: Positive = 512
    eval_steps: Positive = 10
    save_steps: Positive = 20
    discard: Annotated[float, Field(ge=0, lt=1)] = 0.5
    keep_rule: Literal["pointwise", "top_k"] = "pointwise"
    keep_batch: Annotated[int, Field(ge=2)] = 256
    min_rank_stability: Ratio = 0.8
    min_planted_auc: Ratio = 0.6
    max_length_correlation: Ratio = 0.4
    showdown: ShowdownSettings | None = None
