"""Token ids: a checkpoint's tokenizer in batches, and documents packed to sequences.

Every document ends with the tokenizer's end-of-text token, which belongs to its span. Text that
happens to spell a special token is encoded as ordinary text.
"""

import json
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GATHER_TOKENS = 1 << 22


def load_tokenizer(model_dir: Path) -> tuple["Tokenizer", int]:
    """The tokenizer of a checkpoint folder and the id of its end-of-text token.

    Raises:
        ValueError: no `tokenizer.json`, or no end-of-text token in it.
    """
    from tokenizers import Tokenizer

    path = Path(model_dir) / "tokenizer.json"
    if not path.is_file():
        raise ValueError(f"{path} is missing: the checkpoint needs a fast tokenizer")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    eos: Any = _json(path.with_name("tokenizer_config.json")).get("eos_token")
    token = eos.get("content") if isinstance(eos, dict) else eos
    eos_id = tokenizer.token_to_id(token) if token else None
    if eos_id is None:
        raise ValueError(f"{model_dir}: tokenizer_config.json names no eos_token of the vocabulary")
    return tokenizer, eos_id


def tokens_per_character(model_dir: Path, texts: list[str]) -> float:
    """Tokens a tokenizer spends on a character of these texts."""
    tokenizer, _ = load_tokenizer(model_dir)
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return sum(len(e.ids) for e in encodings) / max(1, sum(map(len, texts)))


class Pool:
    """A file of token ids that documents are appended to."""

    def __init__(self, model_dir: Path, path: Path) -> None:
        self.tokenizer, self.eos_id = load_tokenizer(model_dir)
        self.path = path
        self.size = 0
        path.write_bytes(b"")

    def append(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Tokenise texts; returns where each begins in the file and its length with its end."""
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids)) + 1
        ended = chain.from_iterable(chain(part, (self.eos_id,)) for part in ids)
        flat = np.fromiter(ended, np.uint32, int(lengths.sum()))
        with self.path.open("ab") as handle:
            flat.tofile(handle)
        starts = self.size + lengths.cumsum() - lengths
        self.size += flat.size
        return starts, lengths


def spans(lengths: np.ndarray, sequence_length: int) -> dict[str, np.ndarray]:
    """Cut documents of these lengths, laid end to end, at the sequences' boundaries.

    Returns:
        Arrays `use` (index of the document), `sequence`, `position` (in the sequence), `start` (in
        the document) and `num_tokens`, in order; the tail that fills no sequence is left out.
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) // sequence_length * sequence_length if ends.size else 0
    begins = ends - lengths
    cuts = np.union1d(begins[begins < total], np.arange(0, total, sequence_length, dtype=np.int64))
    use = np.searchsorted(ends, cuts, side="right")
    return {
        "use": use,
        "sequence": cuts // sequence_length,
        "position": cuts % sequence_length,
        "start": cuts - begins[use],
        "num_tokens": np.diff(np.append(cuts, total)),
    }


def gather(
    pool: Path, starts: np.ndarray, lengths: np.ndarray, sequence_length: int, target: Path
) -> None:
    """Copy spans of the pool, in order, to a NumPy file [num_sequences, sequence_length]."""
    source = np.memmap(pool, dtype=np.uint32, mode="r")
    ends = np.cumsum(lengths)
    total = int(ends[-1])
    shape = (total // sequence_length, sequence_length)
    packed = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint32, shape=shape)
    flat = packed.reshape(-1)
    shift = starts - (ends - lengths)
    for low in range(0, total, GATHER_TOKENS):
        where = np.arange(low, min(low + GATHER_TOKENS, total))
        flat[low : low + where.size] = source[where + shift[np.searchsorted(ends, where, "right")]]
    packed.flush()


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}
