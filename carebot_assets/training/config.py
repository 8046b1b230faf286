"""What a training script is told: one YAML file, validated before anything heavy is imported.

`python -m carebot_assets.training.sft --config file.yaml` (or through `accelerate launch`) reads
one of these. The same file runs with and without Dagster, on one process and on many.
"""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from carebot_assets.settings import (
    DpoSettings,
    Section,
    SftSettings,
    TrainSettings,
)
from carebot_assets.settings.base import Count, Positive
from carebot_assets.settings.raters import FineTuneSettings


class TrainingError(ValueError):
    """A training that cannot start or go on; the message says what to change."""


class Job(Section):
    """What the launcher tells every script.

    Attributes:
        stage: name of what is made (`stable_checkpoint`), for its manifest.
        output: folder that receives the result; made when missing.
        work_dir: folder for what a resumed run needs; the same folder resumes the same training.
        inputs: content hashes of what went in, for the manifest.
    """

    stage: str
    output: Path
    work_dir: Path
    seed: int
    inputs: dict[str, str] = {}


class TrainingConfig(Job):
    """Settings of one training.

    Attributes:
        model: folder of a transformers checkpoint to start from.
        data: training data; its form is the script's.
        held_out: Parquet file with columns `stratum` and `text`, whose mean losses are logged
            before, during and after training.
        held_out_tokens: longest stretch of a held-out text that is scored.
        receipts: file that says which text the data are made of; its hash goes into the manifest.
    """

    model: Path
    data: Path
    held_out: Path | None = None
    held_out_tokens: Positive = 512
    receipts: Path | None = None


class PretrainConfig(TrainingConfig):
    """`data` is a NumPy file of token ids, uint32, [num_sequences, sequence_length]. With
    `from_scratch` the model folder holds a config and tokenizer but no weights. `objective` names
    the losses the stage must lower: by default those of medical held-out text, none of a control;
    `own_text` is the loss on sequences of the data itself.
    With `isolate_documents` attention stays inside a document: `document_starts.npy` lies beside
    the data."""

    train: TrainSettings
    from_scratch: bool = False
    isolate_documents: bool = True
    objective: list[str] | None = None


class SweepConfig(Job):
    """Pre-trainings to compare, one after the other; a run's `stage` is its arm. Only logs stay."""

    runs: list[PretrainConfig]


class SftConfig(TrainingConfig):
    """`data` is a Parquet file with `record_id` and `turns` (list of role and text). Where it has
    columns `verdict` and `split`, only rows with `keep` and `sft` are used."""

    train: SftSettings
    sample_rows: Count = 64


class DpoConfig(TrainingConfig):
    """`data` is a Parquet file with `record_id`, `prompt` (turns), `chosen` and `rejected`. Where
    it has a column `verdict`, only rows with `keep` are used."""

    train: DpoSettings


class EncoderConfig(TrainingConfig):
    """`data` is a Parquet file with `text`, `target` (number of the label, or a score where
    `num_labels` is 1) and `validation`; `model` a folder or hub name of an encoder."""

    train: FineTuneSettings
    num_labels: Positive
    max_tokens: Positive


Config = TypeVar("Config", bound=Job)


def read_config(path: Path, kind: type[Config]) -> Config:
    """Read and validate a script's YAML file.

    Raises:
        TrainingError: not readable, an unknown key or a value out of range; names the key.
    """
    try:
        values: Any = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f"config {path}: {error}") from None
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise TrainingError(f"config {path}: {'; '.join(wrong)}") from None
