"""Continued pre-training (or training from random weights) on packed token sequences.

Run as `accelerate launch --config_file ... -m carebot_assets.training.pretrain --config FILE`.
"""

import polars as pl
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

from carebot_assets.training import losses, packed, session
from carebot_assets.training.config import PretrainConfig, TrainingError
from carebot_assets.training.reporter import Reporter

OWN_SEQUENCES = 32


def load_model(config: PretrainConfig) -> PreTrainedModel:
    """The starting weights: a checkpoint's, or drawn from the seed."""
    if not config.from_scratch:
        return session.load_model(config.model)
    set_seed(config.seed % 2**32)
    return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(config.model))


def train(config: PretrainConfig, reporter: Reporter) -> None:
    """Train on `config.data` and write the checkpoint."""
    arguments = session.arguments(TrainingArguments, config, config.train)
    data = packed.PackedTokens(config.data, config.isolate_documents)
    if len(data) == 0:
        raise TrainingError(f"{config.data} holds no sequence")
    model, tokenizer = load_model(config), AutoTokenizer.from_pretrained(config.model)
    largest = data.largest_token()
    if largest >= model.config.vocab_size:
        raise TrainingError(
            f"{config.data} holds token {largest}, the model has {model.config.vocab_size}: it was "
            "packed with another tokenizer"
        )
    if config.isolate_documents:
        packed.require_isolation(model)
    held_out = {}
    if config.held_out:
        frame = pl.read_parquet(config.held_out, columns=["stratum", "text"])
        held_out = losses.held_out_rows(frame, tokenizer, config.held_out_tokens)
    if config.objective and losses.OWN_TEXT in config.objective:
        # The loss of a step is that of a few sequences: too noisy to tell a fall by.
        held_out[losses.OWN_TEXT] = data.sample(OWN_SEQUENCES)
    medical = ["medical"] if any(name.startswith("medical_") for name in held_out) else []
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=packed.collator(model),
        processing_class=tokenizer,
    )
    session.fit(
        trainer,
        config,
        config.train,
        reporter,
        held_out=held_out,
        objective=(medical or ["train"]) if config.objective is None else config.objective,
        counts={"num_sequences": len(data), "sequence_length": data.length},
    )


if __name__ == "__main__":
    session.run_script(PretrainConfig, train)
