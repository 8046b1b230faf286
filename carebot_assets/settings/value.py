"""Settings of the meta-learned rater."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from carebot_assets.settings.base import Count, Positive, Ratio, Section


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


class ValueSettings(Section):
    """DeepMind's DataRater; defaults are the demo's sizes (a minute on two cores).

    `documents` are drawn for training it, a share `outer_share` of them held out from the inner
    models. An inner model takes `settle_steps` plain steps after each reset, lives `lifetime`
    meta-steps (the population's resets are staggered) and is differentiated through `unroll` steps.
    `score_penalty` keeps scores from drifting: only their differences within a batch matter.
    `micro_batch` and `kept_rows` trade time for memory, see `raters.meta.gradients`.
    Of documents the lowest share `discard` is dropped, by the whole batch of `keep_batch` (`top_k`)
    or each on its own with the same expectation (`pointwise`).
    """

    documents: Positive = 2000
    sequence_length: Annotated[int, Field(ge=8)] = 64
    min_row_tokens: Annotated[int, Field(ge=4)] = 16
    outer_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    rater: MetaModelSettings = MetaModelSettings(width=64, layers=2, heads=4)
    inner: MetaModelSettings = MetaModelSettings(width=64, layers=2, heads=4)
    population: Positive = 4
    unroll: Positive = 2
    batch_size: Annotated[int, Field(ge=2)] = 16
    outer_batch_size: Positive = 16
    meta_steps: Positive = 120
    lifetime: Positive = 60
    settle_steps: Count = 10
    inner_learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    inner_weight_decay: Annotated[float, Field(ge=0)] = 0.0
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    warmup_steps: Count = 10
    max_grad_norm: Annotated[float, Field(gt=0)] = 0.01
    score_penalty: Annotated[float, Field(ge=0)] = 1e-3
    engine: Literal["adjoint", "unrolled"] = "adjoint"
    micro_batch: Positive | None = None
    kept_rows: Count = 0
    probe_rows: Positive = 512
    eval_steps: Positive = 20
    save_steps: Positive = 40
    min_rank_stability: Ratio = 0.8
    discard: Annotated[float, Field(ge=0, lt=1)] = 0.5
    keep_rule: Literal["pointwise", "top_k"] = "pointwise"
    keep_batch: Positive = 256
