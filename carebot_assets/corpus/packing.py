"""Token ids: a checkpoint's tokenizer in parallel batches, and documents packed to sequences.

Every document ends with the tokenizer's end-of-text token, which belongs to its span. Text that
happens to spell a special token is encoded as ordinary text.
"""

import array
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from mmap import MADV_DONTNEED
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# An encoding takes some hundred bytes a token while the tokenizer holds it.
BATCH_CHARACTERS = 1 << 16
GATHER_TOKENS = 1 << 18
TOKENS, STARTS = "tokens.npy", "document_starts.npy"


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


def coverage(model_dir: Path, texts: list[str]) -> dict[str, float] | None:
    """Tokens a tokenizer spends on a character of these texts, and the share of unknown tokens
    among them; None where there is no text."""
    num_characters = sum(map(len, texts))
    if not num_characters:
        return None
    tokenizer, _ = load_tokenizer(model_dir)
    model = json.loads(tokenizer.to_str())["model"]
    unknown = model.get("unk_id")
    if unknown is None and model.get("unk_token") is not None:
        unknown = tokenizer.token_to_id(model["unk_token"])
    ids = [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    num_tokens = sum(map(len, ids))
    num_unknown = sum(part.count(unknown) for part in ids) if unknown is not None else 0
    return {
        "tokens_per_character": num_tokens / num_characters,
        "unknown_ratio": num_unknown / max(1, num_tokens),
    }


class Pool:
    """A file of token ids that documents are appended to.

    Batches are encoded by the tokenizer's compiled code, one a core at a time: it lets other
    threads run meanwhile.
    """

    def __init__(self, model_dir: Path, path: Path) -> None:
        self.tokenizer, self.eos_id = load_tokenizer(model_dir)
        self.path = path
        self.size = 0
        self.seconds = 0.0
        self._threads = ThreadPoolExecutor(_num_cores())
        path.write_bytes(b"")

    def append(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Tokenise texts; returns where each begins in the file and its length with its end."""
        started = time.monotonic()
        lengths = [np.empty(0, np.int64)]
        with self.path.open("ab") as handle:
            for part, flat in self._threads.map(self._encode, _batches(texts)):
                lengths.append(part)
                handle.write(flat)
        found = np.concatenate(lengths)
        starts = self.size + found.cumsum() - found
        self.size += int(found.sum())
        self.seconds += time.monotonic() - started
        return starts, found

    def close(self) -> None:
        """Remove the file and end the threads."""
        self._threads.shutdown()
        self.path.unlink(missing_ok=True)

    def _encode(self, texts: list[str]) -> tuple[np.ndarray, array.array]:
        ids = [e.ids for e in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        flat = array.array("I")
        for part in ids:
            # Three times as fast as NumPy.
            flat.fromlist(part)
            flat.append(self.eos_id)
        return np.fromiter(map(len, ids), np.int64, len(ids)) + 1, flat


def spans(lengths: np.ndarray, sequence_length: int, first: int = 0) -> dict[str, np.ndarray]:
    """Cut documents of these lengths, laid end to end, at the sequences' boundaries.

    Args:
        lengths: tokens of each document.
        sequence_length: tokens of a sequence.
        first: token of the whole file at which the first document begins.

    Returns:
        Arrays `use` (index of the document), `sequence`, `position` (in the sequence), `start` (in
        the document) and `num_tokens`, in order.
    """
    ends = first + np.cumsum(lengths, dtype=np.int64)
    last = int(ends[-1]) if ends.size else first
    begins = ends - lengths
    rows = np.arange(-(-first // sequence_length) * sequence_length, last, sequence_length)
    cuts = np.union1d(begins[lengths > 0], rows)
    use = np.searchsorted(ends, cuts, side="right")
    return {
        "use": use,
        "sequence": cuts // sequence_length,
        "position": cuts % sequence_length,
        "start": cuts - begins[use],
        "num_tokens": np.diff(np.append(cuts, last)),
    }


class PackedFiles:
    """The token file [num_sequences, sequence_length] and where in it each span begins, as flat
    indices; both are appended to and read memory-mapped."""

    def __init__(self, folder: Path, pool: Path) -> None:
        self.folder = folder
        self._pool: Any = np.memmap(pool, np.uint32, "r")
        self.largest_token = 0
        for name in (TOKENS, STARTS):
            (folder / name).write_bytes(bytes(_HEADER_BYTES))

    def append(self, cut: dict[str, np.ndarray], starts: np.ndarray, sequence_length: int) -> None:
        """Copy spans, in order, from where they begin in the pool."""
        with (self.folder / STARTS).open("ab") as handle:
            (cut["sequence"] * sequence_length + cut["position"]).tofile(handle)
        ends = np.cumsum(cut["num_tokens"])
        shift = starts - (ends - cut["num_tokens"])
        with (self.folder / TOKENS).open("ab") as handle:
            for low in range(0, int(ends[-1]), GATHER_TOKENS):
                where = np.arange(low, min(low + GATHER_TOKENS, int(ends[-1])))
                where += shift[np.searchsorted(ends, where, "right")]
                tokens = self._pool[where]
                self.largest_token = max(self.largest_token, int(tokens.max()))
                tokens.tofile(handle)
                # The pages read would count as this process's memory until others need it.
                self._pool._mmap.madvise(MADV_DONTNEED)

    def close(self, sequence_length: int) -> int:
        """Complete the files; the number of sequences."""
        num_tokens = _finish(self.folder / TOKENS, np.uint32, sequence_length)
        _finish(self.folder / STARTS, np.int64)
        return num_tokens // sequence_length


# NumPy leaves room for the shape to grow: all headers of such files have this length.
_HEADER_BYTES = 128


def _finish(path: Path, dtype: Any, width: int | None = None) -> int:
    """Write the header of a NumPy file whose values have been appended; their number."""
    from io import BytesIO

    count = (path.stat().st_size - _HEADER_BYTES) // np.dtype(dtype).itemsize
    header = BytesIO()
    values = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": (count // width, width) if width else (count,),
    }
    np.lib.format.write_array_header_1_0(header, values)
    with path.open("r+b") as handle:
        handle.write(header.getvalue())
    return count


def _batches(texts: list[str]) -> list[list[str]]:
    """Texts in order, in lists of about `BATCH_CHARACTERS` at most."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    number = (ends - 1).clip(0) // BATCH_CHARACTERS
    bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(texts)]
    return [texts[a:b] for a, b in pairwise(bounds) if b > a]


def _num_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}
