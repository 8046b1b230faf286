"""Continued pre-training (or training from random weights) on packed token sequences.

Run as `accelerate launch --config_file ... -m carebot_assets.training.pretrain --config FILE`.
"""

import numpy as np
import polars as pl
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

from carebot_assets.training import losses, session
from carebot_assets.training.config import PretrainConfig, TrainingError
from carebot_assets.training.reporter import Reporter


class PackedTokens(torch.utils.data.Dataset):
    """Rows of a memory-mapped token file; every token is a label."""

    def __init__(self, path: str) -> None:
        self.tokens = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.from_numpy(self.tokens[index].astype(np.int64))
        return {"input_ids": ids, "labels": ids}


def load_model(config: PretrainConfig) -> PreTrainedModel:
    """The starting weights: a checkpoint's, or drawn from the seed."""
    if not config.from_scratch:
        return session.load_model(config.model)
    set_seed(config.seed % 2**32)
    return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(config.model))


def train(config: PretrainConfig, reporter: Reporter) -> None:
    """Train on `config.data` and write the checkpoint."""
    arguments = session.arguments(TrainingArguments, config, config.train)
    data = PackedTokens(str(config.data))
    if len(data) == 0:
        raise TrainingError(f"{config.data} holds no sequence")
    model, tokenizer = load_model(config), AutoTokenizer.from_pretrained(config.model)
    largest = int(data.tokens.max())
    if largest >= model.config.vocab_size:
        raise TrainingError(
            f"{config.data} holds token {largest}, the model has {model.config.vocab_size}: it was "
            "packed with another tokenizer"
        )
    held_out = {}
    if config.held_out:
        frame = pl.read_parquet(config.held_out, columns=["stratum", "text"])
        held_out = losses.held_out_rows(frame, tokenizer, config.held_out_tokens)
    medical = ["medical"] if any(name.startswith("medical_") for name in held_out) else []
    trainer = Trainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
    session.fit(
        trainer,
        config,
        config.train,
        reporter,
        held_out=held_out,
        objective=config.objective or medical or ["train"],
        counts={"num_sequences": len(data), "sequence_length": data.tokens.shape[1]},
    )


if __name__ == "__main__":
    session.run_script(PretrainConfig, train)
