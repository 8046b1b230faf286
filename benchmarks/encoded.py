"""Encoded texts that are kept between runs: sentence vectors of many documents take minutes.

A vector depends on its own text and the encoder only, so it is found again by the hash of both.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from carebot_assets.raters.encoder import PACKAGED_SHA256, WORD_WEIGHT, open_encoder
from carebot_assets.settings import EncoderSettings

FOLDER = Path(os.environ.get("CAREBOT_BENCHMARK_CACHE", tempfile.gettempdir())) / "carebot-encoded"
CHUNK = 1000


def encoded(settings: EncoderSettings, texts: list[str]) -> Any:
    """What `open_encoder(settings).encode(texts)` gives, with known sentence vectors reused."""
    if settings.backend == "hybrid":
        from scipy.sparse import csr_matrix, hstack

        parts = [
            encoded(settings.model_copy(update={"backend": backend}), texts)
            for backend in ("word_ngram", "sentence_transformers")
        ]
        return hstack([WORD_WEIGHT * parts[0], csr_matrix(parts[1])]).tocsr()
    if settings.backend != "sentence_transformers":
        return open_encoder(settings).encode(texts)
    relevant = settings.model_dump(include={"max_tokens", "max_chars", "dtype", "batch_tokens"})
    mind = hashlib.sha256(f"{PACKAGED_SHA256} {sorted(relevant.items())}".encode())
    file = FOLDER / f"{mind.hexdigest()[:24]}.safetensors"
    known = load_file(file) if file.is_file() else {}
    keys = [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32] for text in texts]
    missing = [i for key, i in dict(zip(keys, range(len(keys)), strict=True)).items()
               if key not in known]  # fmt: skip
    if missing:
        FOLDER.mkdir(parents=True, exist_ok=True)
        encoder = open_encoder(settings)
        for start in range(0, len(missing), CHUNK):
            part = missing[start : start + CHUNK]
            vectors = encoder.encode([texts[i] for i in part])
            known |= {keys[i]: vector for i, vector in zip(part, vectors, strict=True)}
            save_file(known, file.with_suffix(".tmp"))
            file.with_suffix(".tmp").replace(file)
    return np.stack([known[key] for key in keys])
