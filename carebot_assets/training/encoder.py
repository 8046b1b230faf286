"""Fine-tuning of a whole text encoder, with a linear head that is thrown away afterwards.

Run as `accelerate launch --config_file ... -m carebot_assets.training.encoder --config FILE`.
Source: CareBot 4.1 trains bge-m3 in full (learning rate 1e-5, batch 64, 2048 tokens).
"""

import json
import time
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_callback import PrinterCallback

from carebot_assets.training import resume, session
from carebot_assets.training.config import EncoderConfig, TrainingError
from carebot_assets.training.reporter import Reporter

PATIENCE = 3
KEEP = 2
EVALUATIONS_AN_EPOCH = 4


class Rater(torch.nn.Module):
    """An encoder with a head: `num_labels` classes, or one score where there is 1.

    Args:
        encoder: what is trained.
        num_labels: outputs of the head.
        weights: what a row of each class counts in the loss; None where all count alike.
    """

    # The loss is a mean over rows: the trainer must not multiply it by the number of processes.
    accepts_loss_kwargs = False

    def __init__(
        self, encoder: SentenceTransformer, num_labels: int, weights: torch.Tensor | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.get_embedding_dimension() or 0, num_labels)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, labels: torch.Tensor, **tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs = self.head(self.encoder(dict(tokens))["sentence_embedding"])
        if outputs.shape[1] == 1:
            loss = torch.nn.functional.mse_loss(outputs[:, 0], labels.float())
        else:
            # Not torch's own weighted mean: it divides by the weights of the batch, so that a class
            # alone in its batch would not be weighted at all.
            loss = torch.nn.functional.cross_entropy(
                outputs, labels.long(), weight=self.weights, reduction="none"
            ).mean()
        return {"loss": loss, "logits": outputs}


def class_weights(targets: pl.Series, num_labels: int) -> torch.Tensor:
    """Weights with which all classes that occur count alike, and a row counts 1 in the mean.

    Inverse frequencies, as the head on a frozen encoder has them. A class that does not occur
    counts nothing: there is nothing to learn of it, and validation is not to wait for it.
    """
    counts = torch.bincount(targets.cast(pl.Int64).to_torch(), minlength=num_labels)
    weights = counts.sum() / (counts.count_nonzero() * counts)
    return torch.where(counts > 0, weights, 0.0)


class Tell(TrainerCallback):
    """Passes what the trainer logs on to whoever launched it."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if state.is_world_process_zero and logs:
            shown = {k: round(v, 6) for k, v in logs.items() if isinstance(v, float)}
            self.reporter.say(f"step {state.global_step}: {shown}")


def train(config: EncoderConfig, reporter: Reporter) -> None:
    """Train on the rows of `config.data` without `validation`, stop early by those with it.

    All classes weigh alike. Kept is the encoder with the lowest loss on validation, which is looked
    at four times an epoch; after three times without a lower one the training stops.
    """
    frame = pl.read_parquet(config.data, columns=["text", "target", "validation"])
    parts = [frame.filter(~pl.col("validation")), frame.filter("validation")]
    if not all(part.height for part in parts):
        raise TrainingError(f"{config.data}: no rows to train on, or none to validate on")
    plan = config.train
    arguments = session.together(
        TrainingArguments(
            output_dir=str(config.work_dir / "checkpoints"),
            num_train_epochs=plan.epochs,
            per_device_train_batch_size=plan.batch_size,
            per_device_eval_batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            warmup_steps=plan.warmup_ratio,
            bf16=plan.bf16,
            eval_strategy="steps",
            save_strategy="steps",
            eval_steps=1 / (plan.epochs * EVALUATIONS_AN_EPOCH),
            save_steps=1 / (plan.epochs * EVALUATIONS_AN_EPOCH),
            load_best_model_at_end=True,
            metric_for_best_model="loss",
            logging_steps=0.05,
            seed=config.seed % 2**32,
            use_cpu=session.on_cpu(),
            dataloader_pin_memory=not session.on_cpu(),
            disable_tqdm=True,
            report_to="none",
            log_level="error",
            remove_unused_columns=False,
            ddp_backend=session.backend(),
        )
    )
    # The trainer seeds after the head has been drawn.
    set_seed(arguments.seed)
    encoder = SentenceTransformer(str(config.model), trust_remote_code=False)
    encoder.max_seq_length = min(encoder.max_seq_length or config.max_tokens, config.max_tokens)
    weights = (
        class_weights(parts[0]["target"], config.num_labels) if config.num_labels > 1 else None
    )
    trainer = Trainer(
        model=Rater(encoder, config.num_labels, weights),
        args=arguments,
        train_dataset=_rows(encoder, parts[0], config),
        eval_dataset=_rows(encoder, parts[1], config),
        data_collator=DataCollatorWithPadding(encoder.tokenizer),
        callbacks=[EarlyStoppingCallback(PATIENCE), Tell(reporter), resume.Sealing(KEEP)],
    )
    trainer.remove_callback(PrinterCallback)
    last = resume.last_good(config.work_dir / "checkpoints", reporter.say)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    if not trainer.is_world_process_zero():
        return
    encoder.save(str(config.output), create_model_card=False)
    report = {
        "stage": config.stage,
        "steps": trainer.state.global_step,
        "best_validation_loss": trainer.state.best_metric,
        "resumed_from": last.name if last else None,
        "num_parameters": sum(p.numel() for p in encoder.parameters()),
        "seconds": {"training": round(time.monotonic() - started, 2)},
    }
    (config.output / "report.json").write_text(json.dumps(report, indent=1), "utf-8")
    reporter.send({"report": report})


def _rows(encoder: SentenceTransformer, frame: pl.DataFrame, config: EncoderConfig) -> Dataset:
    tokens = encoder.tokenizer(
        frame["text"].to_list(), truncation=True, max_length=encoder.max_seq_length
    )
    return Dataset.from_dict({**tokens, "labels": frame["target"].to_list()})


if __name__ == "__main__":
    session.run_script(EncoderConfig, train)
