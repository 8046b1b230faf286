"""What the token file of a mix must fulfil: it agrees with the span table and with the text, and
holds no held-out text. Files are read memory-mapped, a part at a time."""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from carebot_assets.corpus import mix_audit, packing
from carebot_assets.expectations import MAX_OFFENDERS, Finding

if TYPE_CHECKING:
    import numpy as np

WINDOW = 16
PART_TOKENS = 1 << 20
# The mix leaves out what holds half of a text, in finer units: what holds so much is a leak.
LEAK = 0.8
NUM_SAMPLED = 64
HARDLY_ANY = 0.05
MAX_UNKNOWN = 0.01
_FACTOR = 0x9E3779B97F4A7C15


class TokenFile(NamedTuple):
    """The memory-mapped files of a mix."""

    tokens: "np.ndarray"
    starts: "np.ndarray"

    @property
    def flat(self) -> "np.ndarray":
        return self.tokens.reshape(-1)


def open_tokens(folder: Path) -> TokenFile:
    """Token file and starts of a packed mix."""
    import numpy as np

    tokens, starts = (np.load(folder / n, mmap_mode="r") for n in (packing.TOKENS, packing.STARTS))
    return TokenFile(tokens, starts)


def boundaries_recorded(
    file: TokenFile, spans: pl.LazyFrame, eos_id: int, num_cut_documents: int
) -> Finding:
    """Documents end exactly where the span table says.

    The file of starts is that of the span table; what follows an end-of-text token is a start; and
    there are as many of these tokens as uses of documents, but for those that were cut.
    """
    import numpy as np

    done = num_wrong = num_uses = 0
    length = file.tokens.shape[1]
    for batch in mix_audit.batches(spans, "sequence", "position", "start"):
        place = (batch["sequence"] * length + batch["position"]).to_numpy()
        found = file.starts[done : done + batch.height]
        num_wrong += int((found != place[: len(found)]).sum()) + batch.height - len(found)
        num_uses += int((batch["start"] == 0).sum())
        done += batch.height
    num_wrong += len(file.starts) - min(done, len(file.starts))
    num_ends = num_unrecorded = 0
    for low, part in _parts(file.tokens):
        ends = np.flatnonzero(part == eos_id) + low + 1
        num_ends += len(ends)
        ends = ends[ends < file.flat.size]
        at = np.searchsorted(file.starts, ends)
        num_unrecorded += int((file.starts[at.clip(0, len(file.starts) - 1)] != ends).sum())
    missing = num_uses - num_cut_documents - num_ends
    passed = not num_wrong and not num_unrecorded and not missing
    text = (
        f"{num_uses} uses of documents, {num_ends} ends of text, {num_cut_documents} cut"
        if passed
        else f"{num_wrong} starts differ from the span table, {num_unrecorded} ends of text inside "
        f"a span, {num_uses} uses of documents but {num_ends} ends and {num_cut_documents} cut"
    )
    return Finding(
        passed,
        text,
        {
            "num_uses": num_uses,
            "num_ends": num_ends,
            "num_cut_documents": num_cut_documents,
            "num_wrong_starts": num_wrong,
            "num_unrecorded": num_unrecorded,
        },
    )


def agrees_with_text(
    file: TokenFile, spans: pl.LazyFrame, documents: pl.LazyFrame, model_dir: Path
) -> Finding:
    """The tokens of sampled documents, first use, are those of their text, from its start on.

    Args:
        file: the token file.
        spans: its span table.
        documents: `doc_id` and `text` of whatever may be in the mix.
        model_dir: checkpoint whose tokenizer it was made with.
    """
    import numpy as np

    first = spans.filter(pl.col("epoch") == 0)
    ids = (
        first.filter(pl.col("start") == 0)
        .select("doc_id")
        .bottom_k(NUM_SAMPLED, by=pl.col("doc_id").hash(0))
        .collect(engine="streaming")["doc_id"]
    )
    sampled = pl.col("doc_id").is_in(ids.implode())
    texts = dict(documents.filter(sampled).select("doc_id", "text").collect().iter_rows())
    tokenizer, eos_id = packing.load_tokenizer(model_dir)
    wrong = []
    rows = first.filter(sampled).sort("doc_id", "start").collect()
    for (doc_id,), own in rows.group_by("doc_id", maintain_order=True):
        found = np.concatenate(
            [
                file.tokens[row["sequence"], row["position"] : row["position"] + row["num_tokens"]]
                for row in own.iter_rows(named=True)
            ]
        )
        text = texts.get(doc_id)
        ids_of_text = tokenizer.encode(text, add_special_tokens=False).ids if text else []
        if text is None or found.tolist() != [*ids_of_text, eos_id][: len(found)]:
            wrong.append(doc_id)
    text = (
        f"{len(wrong)} of {ids.len()} sampled documents have other tokens than their text"
        if wrong
        else f"tokens of {ids.len()} sampled documents are those of their text"
    )
    examples = sorted(wrong)[:MAX_OFFENDERS]
    return Finding(not wrong, text, {"num_sampled": ids.len(), "examples": examples})


def holds_no_text(
    file: TokenFile, spans: pl.LazyFrame, texts: pl.Series, model_dir: Path
) -> Finding:
    """No document of the mix holds most of the tokens of one of the texts.

    Compared are windows of `WINDOW` tokens, hashed; texts shorter than that are not looked for.
    Spans that hold hardly any of a text's are not counted: common phrases are no leak.
    """
    import numpy as np

    tokenizer, _ = packing.load_tokenizer(model_dir)
    encodings = tokenizer.encode_batch_fast(texts.to_list(), add_special_tokens=False)
    hashes = [np.unique(_windows(np.array(e.ids, np.uint32))) for e in encodings]
    held = pl.DataFrame(
        {
            "held": np.repeat(np.arange(len(hashes)), [len(h) for h in hashes]),
            "window": np.concatenate([np.empty(0, np.uint64), *hashes]),
        }
    )
    wanted = held["window"].unique().sort().to_numpy()
    marks = np.zeros(1 << 20, np.bool_)
    marks[wanted >> np.uint64(44)] = True
    sizes = held.group_by("held").len("size")
    least = pl.min_horizontal("size", file.tokens.shape[1]) * HARDLY_ANY
    hits = [pl.DataFrame(schema={"span": pl.Int64, "held": pl.Int64, "num_shared": pl.UInt32})]
    for low, part in _parts(file.tokens, overlap=WINDOW - 1):
        windows = _windows(part)
        at = np.flatnonzero(marks[windows >> np.uint64(44)])
        place = np.searchsorted(wanted, windows[at]).clip(0, max(0, len(wanted) - 1))
        at = at[wanted[place] == windows[at]] if len(wanted) else at[:0]
        span = np.searchsorted(file.starts, low + at, side="right") - 1
        hits.append(
            pl.DataFrame({"span": span, "window": windows[at]})
            .unique()
            .join(held, on="window")
            .group_by("span", "held")
            .agg(num_shared=pl.len())
            .join(sizes, on="held")
            .filter(pl.col("num_shared") >= least)
            .drop("size")
        )
    found = pl.concat(hits)
    rows = found["span"].unique().implode()
    named = (
        spans.select("doc_id", "epoch").with_row_index("span").filter(pl.col("span").is_in(rows))
    ).collect(engine="streaming")
    worst = (
        found.join(named.cast({"span": pl.Int64}), on="span")
        .group_by("doc_id", "epoch", "held")
        .agg(pl.col("num_shared").sum())
        .join(sizes, on="held")
        .with_columns(overlap=pl.col("num_shared") / pl.col("size"))
        .group_by("doc_id")
        .agg(pl.col("overlap").max())
        .sort("overlap", "doc_id", descending=[True, False])
    )
    leaked = worst.filter(pl.col("overlap") >= LEAK)["doc_id"]
    largest = float(worst["overlap"].max() or 0.0) if worst.height else 0.0  # type: ignore[arg-type]
    text = (
        f"{leaked.len()} documents repeat held-out text"
        if leaked.len()
        else f"no held-out text in the token file (largest overlap {largest:.0%})"
    )
    return Finding(
        leaked.is_empty(),
        text,
        {
            "num_leaked": leaked.len(),
            "largest_overlap": largest,
            "num_texts": texts.len(),
            "examples": leaked.head(MAX_OFFENDERS).to_list(),
        },
    )


def covers(metadata: Mapping[str, Any], lang: str, maximum: float) -> Finding:
    """A tokenizer spends at most `maximum` tokens on a character of a language, and hardly ever
    the token for what it does not know: a vocabulary without bytes hides what it lacks there."""
    spent = metadata.get(f"tokens_per_character_{lang}")
    unknown = metadata.get(f"unknown_ratio_{lang}")
    if spent is None or unknown is None:
        return Finding(False, f"no held-out text in {lang} to measure the tokenizer on", {})
    text = f"{spent:.2f} tokens a character of {lang} (at most {maximum:g}), {unknown:.1%} unknown"
    return Finding(
        spent <= maximum and unknown <= MAX_UNKNOWN,
        text,
        {"tokens_per_character": spent, "maximum": maximum, "unknown_ratio": unknown},
    )


def _parts(tokens: "np.ndarray", overlap: int = 0) -> Iterator[tuple[int, "np.ndarray"]]:
    flat = tokens.reshape(-1)
    for low in range(0, flat.size, PART_TOKENS):
        yield low, flat[low : low + PART_TOKENS + overlap]
        if hasattr(tokens, "_mmap"):
            # The pages read would count as this process's memory until others need it.
            tokens._mmap.madvise(mmap.MADV_DONTNEED)


def _windows(ids: "np.ndarray") -> "np.ndarray":
    """Hash of every window of `WINDOW` tokens."""
    import numpy as np

    count = max(0, len(ids) - WINDOW + 1)
    hashes = np.zeros(count, np.uint64)
    for i in range(WINDOW):
        hashes *= np.uint64(_FACTOR)
        hashes += ids[i : i + count]
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    return hashes ^ (hashes >> np.uint64(32))
