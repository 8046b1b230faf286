"""Supervised fine-tuning on dialogues; only the assistant's tokens carry the loss.

Run as `accelerate launch --config_file ... -m carebot_assets.training.sft --config FILE`.
Source: CareBot 1.3 (CareBot-Chat), with TRL's SFTTrainer.
"""

from typing import Any

import polars as pl
from datasets import Dataset
from transformers import AutoTokenizer
from trl import SFTConfig as TrlSftConfig
from trl import SFTTrainer

from carebot_assets.training import chat, losses, session
from carebot_assets.training.config import SftConfig, TrainingError
from carebot_assets.training.reporter import Reporter


def read_dialogues(config: SftConfig) -> pl.DataFrame:
    """The records to train on, in the order of their ids."""
    frame = pl.scan_parquet(config.data)
    columns = frame.collect_schema().names()
    if "verdict" in columns:
        frame = frame.filter(pl.col("verdict") == "keep")
    if "split" in columns:
        frame = frame.filter(pl.col("split") == "sft")
    return frame.select("record_id", "turns").sort("record_id").collect()


def train(config: SftConfig, reporter: Reporter) -> None:
    """Train on `config.data` and write the checkpoint."""
    tokenizer: Any = AutoTokenizer.from_pretrained(config.model)
    tokenizer.chat_template = chat.training_template(tokenizer.chat_template)
    frame = read_dialogues(config)
    encoded = chat.encode(tokenizer, frame["turns"].to_list(), config.train.max_length)
    counts = {
        "num_dialogues": frame.height,
        "num_truncated": encoded.num_truncated,
        "num_untrainable": encoded.num_untrainable,
        "num_tokens": sum(len(row["input_ids"]) for row in encoded.rows),
        "num_trainable_tokens": sum(
            label != chat.IGNORED for row in encoded.rows for label in row["labels"]
        ),
    }
    if not encoded.rows:
        raise TrainingError(f"{config.data} holds no dialogue to learn from: {counts}")
    arguments = session.arguments(
        TrlSftConfig,
        config,
        config.train,
        max_length=None,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = SFTTrainer(
        model=session.load_model(config.model),
        args=arguments,
        train_dataset=Dataset.from_list(encoded.rows),
        processing_class=tokenizer,
    )
    held_out = {"sft": encoded.rows[: config.sample_rows]}
    if config.held_out:
        texts = pl.read_parquet(config.held_out, columns=["stratum", "text"])
        held_out |= losses.held_out_rows(texts, tokenizer, config.held_out_tokens)
    session.fit(
        trainer,
        config,
        config.train,
        reporter,
        held_out=held_out,
        objective=["sft"],
        counts=counts,
    )


if __name__ == "__main__":
    session.run_script(SftConfig, train)
