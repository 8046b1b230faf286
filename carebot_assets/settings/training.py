"""Settings of training, from the base model to preference optimisation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from carebot_assets.settings.base import Count, Positive, Ratio, Section


class TrainSettings(Section):
    """One training stage, whatever the launcher.

    Attributes:
        batch_size: sequences of one process and forward pass.
        keep_checkpoints: the newest ones a training keeps to go on from; all are removed when it
            is done.
    """

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
    keep_checkpoints: Positive = 2
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
    the second; `zh_share` holds inside each.

    Attributes:
        shortage: what becomes of a kind and language with too little text: it is repeated up to
            `max_epochs` times, the whole mix shrinks, first the one and then the other, or the mix
            is refused. Where that does not help it is refused too.
        tolerance: by how much the tokens of a kind and language may miss those asked for, as a
            share of these.
        memory_limit_mb: of the sort of the documents.
    """

    tokens: Positive
    primary_share: Ratio
    zh_share: Ratio
    shortage: Literal["repeat_then_shrink", "repeat", "shrink", "refuse"] = "repeat_then_shrink"
    max_epochs: Annotated[float, Field(ge=1)] = 4.0
    tolerance: Ratio = 0.01
    memory_limit_mb: Annotated[int, Field(ge=64)] = 512


class RatioSearchSettings(Section):
    """A small sweep of both ratios of the stable mix: every pair is trained `seeds` times.

    Attributes:
        model: folder or hub name of a small model to train; the profile's base model if not given.
        tokens: of each mix.
    """

    primary_shares: Annotated[list[Ratio], Field(min_length=1)]
    zh_shares: Annotated[list[Ratio], Field(min_length=1)]
    seeds: Positive = 1
    tokens: Positive
    train: TrainSettings
    model: str | None = None
    revision: str | None = None


class PretrainingSettings(Section):
    """Continued pre-training.

    Attributes:
        max_held_out_overlap: a document that shares this part of its own or a held-out text's
            8-grams with it goes into no mix.
        isolate_documents: attention stays inside a document of a packed sequence.
        comparison_seeds: trainings of the boost stage and of its control, the stable mix for as
            many tokens; those beyond the first are made only to be compared.
        ratio_search: what is tried to find the ratios of a mix; nothing if not given.
        max_general_loss_rise: of any later checkpoint above the base model, nats a token, beyond
            which a check warns of forgetting.
        max_zh_tokens_per_character: of the base model's tokenizer, above which a check warns.
    """

    sequence_length: Positive
    held_out_share: Ratio = 0.02
    held_out_documents: Positive = 200
    max_held_out_overlap: Annotated[float, Field(gt=0, le=1)] = 0.5
    isolate_documents: bool = True
    max_zh_tokens_per_character: Annotated[float, Field(gt=0)] = 1.2
    base: BaseModelSettings
    stable_mix: MixSettings
    stable: TrainSettings
    boost_mix: MixSettings
    boost: TrainSettings
    comparison_seeds: Positive = 1
    ratio_search: RatioSearchSettings | None = None
    max_general_loss_rise: Annotated[float, Field(ge=0)] = 0.5
    ignore_failed_checks: bool = False

    @property
    def one_stage_mix(self) -> MixSettings:
        """The stable mix with the tokens of the boost mix: what boosting is compared with."""
        return self.stable_mix.model_copy(update={"tokens": self.boost_mix.tokens})


class LauncherSettings(Section):
    """How training processes are started: a file of `training/launch/` and the process count.

    Attributes:
        num_processes: of all machines together.
        main_process_ip: of machine 0, where the others meet it.
    """

    config: str = "cpu"
    num_processes: Positive = 1
    num_machines: Positive = 1
    machine_rank: Count = 0
    main_process_ip: str | None = None
    main_process_port: Positive | None = None

    @model_validator(mode="after")
    def _machines_can_meet(self) -> "LauncherSettings":
        if self.num_processes % self.num_machines:
            raise ValueError(
                f"num_processes ({self.num_processes}) are of all machines together: give a "
                f"multiple of num_machines ({self.num_machines})"
            )
        if self.machine_rank >= self.num_machines:
            raise ValueError(f"machine_rank is 0 to {self.num_machines - 1}")
        if self.num_machines > 1 and None in (self.main_process_ip, self.main_process_port):
            raise ValueError("several machines need main_process_ip and main_process_port")
        return self
