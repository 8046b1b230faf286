"""A linear head on an encoder: the trained part of a rater, how it is kept and applied."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters.encoder import Encoder, open_encoder
from carebot_assets.raters.writing import Writing
from carebot_assets.settings import EncoderSettings

WEIGHTS_FILE, CARD_FILE, TUNED_DIR = "head.safetensors", "rater.json", "encoder"
WRITING_FILE = "writing.safetensors"
# Scores are rounded to what single precision can promise, so that tables compare equal.
DECIMALS = 5
# Documents between two savings of work done; batches of similar length are made inside.
CHUNK_ROWS = 4096


@dataclass
class Head:
    """Weights of a linear model, one row an output, with its encoder's settings and its card.

    Attributes:
        card: what a person or a later stage must know: kind, labels, calibration, metrics.
        writing: measures of how a text is written, which stand beside the encoder's vectors.
    """

    weight: np.ndarray
    bias: np.ndarray
    encoder: EncoderSettings
    card: dict[str, Any]
    writing: Writing | None = None

    def vectors(self, encoder: Encoder, texts: pl.Series) -> Any:
        """What the weights are for, one row a text."""
        rows = encoder.encode(texts.to_list())
        return beside(rows, self.writing.encode(texts)) if self.writing else rows

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
        if self.writing:
            save_file(self.writing.tensors(), folder / WRITING_FILE)
        card = {"encoder": json.loads(self.encoder.model_dump_json()), **self.card}
        text = json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True)
        (folder / CARD_FILE).write_text(text, "utf-8")


@dataclass
class Trained:
    """A head with what validation says about it.

    Attributes:
        predicted: probabilities of every label, or scores, of the validation rows.
        truth: their labels (index; -1 for one never trained) or scores.
        weights: how much each of them counts.
    """

    head: Head
    metrics: dict[str, Any]
    predicted: np.ndarray
    truth: np.ndarray
    weights: np.ndarray


def load_head(folder: Path, kind: str) -> Head:
    """A saved head; an encoder that was trained with it lies beside it.

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
        kept = folder / WRITING_FILE
        writing = Writing.of_tensors(load_file(kept)) if kept.is_file() else None
        if weight.ndim != 2 or weight.shape[0] != bias.shape[0]:
            raise ValueError(f"weight {weight.shape} does not fit bias {bias.shape}")
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{folder} holds no {kind}: {error}") from None
    return Head(weight, bias, tuned(encoder, folder), card, writing)


def beside(one: Any, two: Any) -> Any:
    """Two matrices side by side."""
    from scipy.sparse import csr_matrix, hstack

    return hstack([csr_matrix(one), csr_matrix(two)]).tocsr()


def tuned(encoder: EncoderSettings, folder: Path) -> EncoderSettings:
    """The encoder as it is found in a rater's folder: the one trained there, where it was."""
    if encoder.fine_tune is None:
        return encoder
    return encoder.model_copy(update={"model": str(folder / TUNED_DIR)})


def outputs_of(
    head: Head, texts: pl.LazyFrame, work: Path | None = None
) -> tuple[pl.Series, np.ndarray]:
    """Raw outputs for every row of `doc_id`, `text`, read in chunks of fixed size.

    The size of a chunk does not depend on the machine, so neither do the last digits of a score.

    Args:
        head: weights and encoder.
        texts: streamed; memory is bounded by a chunk.
        work: folder where finished chunks are kept, so that a killed run goes on where it was.
    """
    encoder: Encoder | None = None
    ids, found = [pl.Series("doc_id", [], dtype=pl.String)], [np.zeros((0, len(head.bias)))]
    chunks = texts.select("doc_id", "text").collect_batches(
        chunk_size=CHUNK_ROWS, maintain_order=True
    )
    for number, chunk in enumerate(filter(len, chunks)):
        ids.append(chunk["doc_id"])
        done = work / f"{number:06d}.parquet" if work else None
        kept = _kept(done, ids[-1]) if done else None
        if kept is None:
            encoder = encoder or open_encoder(head.encoder)
            kept = head.outputs(head.vectors(encoder, chunk["text"].fill_null("")))
            if done:
                _keep(done, ids[-1], kept)
        found.append(kept)
    return pl.concat(ids), np.concatenate(found)


def _kept(path: Path, ids: pl.Series) -> np.ndarray | None:
    """Outputs kept by an earlier run, if they are of the same documents."""
    if not path.is_file():
        return None
    frame = pl.read_parquet(path)
    return frame["outputs"].to_numpy() if frame["doc_id"].equals(ids) else None


def _keep(path: Path, ids: pl.Series, outputs: np.ndarray) -> None:
    """Atomically: a file that is there is whole."""
    draft = path.with_suffix(".tmp")
    pl.DataFrame({"doc_id": ids, "outputs": outputs}).write_parquet(draft)
    draft.replace(path)
