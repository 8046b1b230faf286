"""A linear head on an encoder: the trained part of a rater, and how it is kept and applied."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters.encoder import Encoder, open_encoder
from carebot_assets.settings import EncoderSettings

WEIGHTS_FILE, CARD_FILE = "head.safetensors", "rater.json"
# Scores are rounded to what single precision can promise, so that tables compare equal.
DECIMALS = 5
BATCH_ROWS = 512


@dataclass
class Head:
    """Weights of a linear model, one row an output, with its encoder's settings and its card.

    Attributes:
        card: what a person or a later stage must know: kind, labels, calibration, metrics.
    """

    weight: np.ndarray
    bias: np.ndarray
    encoder: EncoderSettings
    card: dict[str, Any]

    def outputs(self, vectors: Any) -> np.ndarray:
        """One row of raw outputs a text."""
        return np.asarray(vectors @ self.weight.T, dtype=np.float64) + self.bias

    def save(self, folder: Path) -> None:
        """Write weights and card; the folder is all that is needed to load the head again."""
        from safetensors.numpy import save_file

        tensors = {
            "weight": np.ascontiguousarray(self.weight, dtype=np.float32),
            "bias": np.ascontiguousarray(self.bias, dtype=np.float32),
        }
        save_file(tensors, folder / WEIGHTS_FILE)
        card = {"encoder": json.loads(self.encoder.model_dump_json()), **self.card}
        text = json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True)
        (folder / CARD_FILE).write_text(text, "utf-8")


def load_head(folder: Path, kind: str) -> Head:
    """A saved head.

    Raises:
        ValueError: the folder does not hold a head of that kind.
    """
    from safetensors.numpy import load_file

    try:
        card = json.loads((folder / CARD_FILE).read_text("utf-8"))
        tensors = load_file(folder / WEIGHTS_FILE)
        if card["kind"] != kind:
            raise ValueError(f"kind is {card['kind']!r}, expected {kind!r}")
        encoder = EncoderSettings(**card.pop("encoder"))
        weight, bias = tensors["weight"], tensors["bias"]
        if weight.ndim != 2 or weight.shape[0] != bias.shape[0]:
            raise ValueError(f"weight {weight.shape} does not fit bias {bias.shape}")
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{folder} holds no {kind}: {error}") from None
    return Head(weight, bias, encoder, card)


def outputs_of(head: Head, texts: pl.LazyFrame) -> tuple[pl.Series, np.ndarray]:
    """Raw outputs for every row of `doc_id`, `text`, read in batches of fixed size.

    The size of a batch does not depend on the machine, so neither do the last digits of a score.
    """
    encoder: Encoder = open_encoder(head.encoder)
    ids, found = [pl.Series("doc_id", [], dtype=pl.String)], [np.zeros((0, len(head.bias)))]
    batches = texts.select("doc_id", "text").collect_batches(
        chunk_size=BATCH_ROWS, maintain_order=True
    )
    for batch in batches:
        if batch.height:
            ids.append(batch["doc_id"])
            found.append(head.outputs(encoder.encode(batch["text"].fill_null("").to_list())))
    return pl.concat(ids), np.concatenate(found)
