"""Direct preference optimisation on chosen and rejected answers.

Run as `accelerate launch --config_file ... -m carebot_assets.training.dpo --config FILE`.
Source: CareBot 1.4 (CareBot-Chat RL), with TRL's DPOTrainer.
"""

import os
from typing import Any

import polars as pl
from datasets import Dataset
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer

from carebot_assets.training import chat, losses, session
from carebot_assets.training.config import DpoConfig, TrainingError
from carebot_assets.training.reporter import Reporter


def read_pairs(config: DpoConfig) -> pl.DataFrame:
    """The pairs to train on, in the order of their ids."""
    frame = pl.scan_parquet(config.data)
    if "verdict" in frame.collect_schema().names():
        frame = frame.filter(pl.col("verdict") == "keep")
    return frame.select("record_id", "prompt", "chosen", "rejected").sort("record_id").collect()


def train(config: DpoConfig, reporter: Reporter) -> None:
    """Train on `config.data` and write the checkpoint."""
    tokenizer: Any = AutoTokenizer.from_pretrained(config.model)
    tokenizer.chat_template = chat.training_template(tokenizer.chat_template)
    frame = read_pairs(config)
    rows, counts = _rows(frame, tokenizer, config.train.max_length)
    if not rows:
        raise TrainingError(f"{config.data} holds no pair to learn from: {counts}")
    arguments = session.arguments(
        DPOConfig,
        config,
        config.train,
        beta=config.train.beta,
        max_length=config.train.max_length,
        # trl keeps the reference's numbers in a cache that only one process can see.
        precompute_ref_log_probs=int(os.environ.get("WORLD_SIZE", "1")) == 1,
    )
    trainer = DPOTrainer(
        model=session.load_model(config.model),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    held_out = {}
    if config.held_out:
        texts = pl.read_parquet(config.held_out, columns=["stratum", "text"])
        held_out = losses.held_out_rows(texts, tokenizer, config.held_out_tokens)
    session.fit(
        trainer,
        config,
        config.train,
        reporter,
        held_out=held_out,
        objective=["train"],
        counts=counts,
    )


def _rows(
    frame: pl.DataFrame, tokenizer: Any, max_length: int
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Pairs in TRL's conversational form; those whose prompt leaves no room are left out."""
    answers = {
        side: [
            [*prompt, {"role": "assistant", "text": text}]
            for prompt, text in frame.select("prompt", side).iter_rows()
        ]
        for side in ("chosen", "rejected")
    }
    encoded = {side: chat.encode(tokenizer, talks, max_length) for side, talks in answers.items()}
    fit = set(encoded["chosen"].kept) & set(encoded["rejected"].kept)
    rows = []
    for position in sorted(fit):
        chosen = chat.messages(answers["chosen"][position], tokenizer)
        rejected = chat.messages(answers["rejected"][position], tokenizer)
        rows.append({"prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]})
    counts = {
        "num_pairs": frame.height,
        "num_truncated": sum(part.num_truncated for part in encoded.values()),
        "num_untrainable": frame.height - len(rows),
    }
    return rows, counts


if __name__ == "__main__":
    session.run_script(DpoConfig, train)
