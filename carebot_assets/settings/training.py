"""Settings of training, from the base model to preference optimisation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from carebot_assets.settings.base import Count, Positive, Ratio, Section


class TrainSettings(Section):
    """One training stage, whatever the launcher."""

    max_steps: Positive
    batch_size: Positive
    gradient_accumulation: Positive = 1
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_ratio: Ratio = 0.05
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    log_steps: Positive = 10
    eval_steps: Positive = 100
    save_steps: Positive = 100
    bf16: bool = False
    activation_checkpointing: bool = False


class DpoSettings(TrainSettings):
    beta: Annotated[float, Field(gt=0)] = 0.1
    prompts: Positive = 64
    max_new_tokens: Positive = 96
    max_length: Positive = 512
    min_order_consistency: Ratio = 0.5
    max_length_ratio: Annotated[float, Field(ge=1)] = 4.0


class SftSettings(TrainSettings):
    max_length: Positive = 512


class ScratchModel(Section):
    """A small Llama and byte-level BPE tokenizer trained from the general corpus."""

    vocab_size: Positive = 8192
    hidden_size: Positive = 128
    layers: Positive = 4
    heads: Positive = 4
    intermediate_size: Positive = 384
    tokens: Positive
    train: TrainSettings


class BaseModelSettings(Section):
    """Either `path` (hub name with `revision`, or a folder) or `scratch`."""

    path: str | None = None
    revision: str | None = None
    scratch: ScratchModel | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "BaseModelSettings":
        if (self.path is None) == (self.scratch is None):
            raise ValueError("give exactly one of `path` and `scratch`")
        return self


class MixSettings(Section):
    """Token shares of a mix. `primary_share` is of the first kind of text (medical), the rest of
    the second; `zh_share` holds inside each."""

    tokens: Positive
    primary_share: Ratio
    zh_share: Ratio
    max_epochs: Annotated[float, Field(ge=1)] = 4.0
    tolerance: Ratio = 0.01


class PretrainingSettings(Section):
    sequence_length: Positive
    held_out_share: Ratio = 0.02
    held_out_documents: Positive = 200
    base: BaseModelSettings
    stable_mix: MixSettings
    stable: TrainSettings
    boost_mix: MixSettings
    boost: TrainSettings
    max_general_loss_rise: Annotated[float, Field(ge=0)] = 0.5
    ignore_failed_checks: bool = False


class LauncherSettings(Section):
    """How training processes are started: a file of `training/launch/` and the process count."""

    config: str = "cpu"
    num_processes: Positive = 1
    num_machines: Positive = 1
    machine_rank: Count = 0
    main_process_ip: str | None = None
    main_process_port: Positive | None = None
