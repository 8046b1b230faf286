"""Data for pre-training: speed of tokenising and packing, and the memory of a large mix.

    python -m benchmarks.pretraining_data [--rounds 5]
    python -m benchmarks.pretraining_data --limit-mb 320 --times 10

Speed: real documents of both languages, a byte-level BPE of 16,000 tokens trained on them. `bare`
is `Tokenizer.encode_batch_fast` over the same batches and nothing else; `pool` is what a mix does
with a text: the same in threads, with end tokens, into a file; `mix` is all of `build_mix`, with a
search for held-out texts. Medians of interleaved rounds, tokens per CPU second of the process; and
`pool` by the clock, which on a busy machine says little.

Memory: a mix of `--times` as many bytes of token file as a process may add to its memory, out of
shards of generated sentences, each document used up to four times. What counts is the peak of all
resident memory, file pages included, above that of a process that has packed a small mix. Prints
one JSON line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.corpus import mix_audit, mixing, packing, token_audit
from carebot_assets.corpus.overlap import HeldOut
from carebot_assets.settings import MixSettings, ScratchModel, TrainSettings

SEED = 7
SENTENCES = 30
SHARD_DOCUMENTS = 8_192
HELD_OUT = 200
ZH_SHARE = 0.4
EPOCHS = 4
# Row groups as the store writes them.
ROW_GROUP = 4096


def write_tokenizer(folder: Path, texts: list[str], vocab_size: int) -> None:
    from carebot_assets.training import scratch

    train = TrainSettings(max_steps=1, batch_size=1, learning_rate=1.0)
    scratch.write_model(
        folder, texts, ScratchModel(vocab_size=vocab_size, tokens=1, train=train), 64
    )


def build(
    folder: Path, frame: pl.LazyFrame, settings: MixSettings, held_out: HeldOut
) -> mixing.Mix:
    return mixing.build_mix(
        frame,
        frame.with_columns(doc_id=pl.lit("s") + pl.col("doc_id")),
        settings,
        held_out=held_out,
        model_dir=folder,
        sequence_length=1024,
        seed=SEED,
        folder=folder,
    )


def speed(rounds: int) -> dict[str, Any]:
    """Tokens per CPU second of the bare tokenizer, of the pool and of a whole mix."""
    from benchmarks.domain_on_real_data import load

    frame = load().with_row_index("doc_id").with_columns(
        pl.col("doc_id").cast(pl.String), n_tokens=pl.col("text").str.len_chars()
    ).sample(fraction=1.0, shuffle=True, seed=SEED)  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tokenizer(folder, frame["text"].to_list()[::3], 16_000)
        held_out = HeldOut(frame["text"].tail(HELD_OUT), 0.5)
        frame = frame.head(frame.height - HELD_OUT)
        texts = frame["text"].to_list()
        tokenizer, _ = packing.load_tokenizer(folder)
        batches = packing._batches(texts)
        tokens = sum(len(e) for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False))

        def bare() -> int:
            # Anew, as in the others: it remembers words.
            tokenizer, _ = packing.load_tokenizer(folder)
            for batch in batches:
                tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            return tokens

        def pool() -> int:
            made = packing.Pool(folder, folder / "pool")
            made.append(texts)
            made.close()
            return tokens

        def mix() -> int:
            # Every text once: both kinds are the same ones.
            parts = MixSettings(tokens=tokens, primary_share=1.0, zh_share=zh, shortage="shrink")
            return int(build(folder, frame.lazy(), parts, held_out).receipts["num_tokens"])

        counts = dict(frame.group_by("lang").agg(pl.col("text").str.join()).rows())
        zh = len(tokenizer.encode(counts["zh"]).ids) / tokens
        jobs: dict[str, Callable[[], int]] = {"bare": bare, "pool": pool, "mix": mix}
        rates: dict[str, list[float]] = {key: [] for key in [*jobs, "pool_by_clock"]}
        for number in range(rounds + 1):
            for key, job in jobs.items():
                clock, started = time.monotonic(), time.process_time()
                done = job()
                if number:
                    rates[key].append(done / (time.process_time() - started))
                    if key == "pool":
                        rates["pool_by_clock"].append(done / (time.monotonic() - clock))
    found = {key: round(median(values)) for key, values in rates.items()}
    return {
        "documents": frame.height,
        "bytes": int(frame["text"].str.len_bytes().sum()),
        "tokens": tokens,
        "cores": packing._num_cores(),
        "tokens_per_second": found,
        "pool_over_bare": round(found["pool"] / found["bare"], 3),
        "mix_over_bare": round(found["mix"] / found["bare"], 3),
    }


def write_shards(folder: Path, num_tokens: int) -> None:
    """Shards of documents of random sentences, enough for so many tokens in `EPOCHS` epochs."""
    rng = np.random.default_rng(SEED)
    words = {
        "en": [f"w{i}" for i in range(3000)],
        "zh": [chr(0x4E00 + i) + chr(0x4E00 + 7 * i % 5000) for i in range(3000)],
    }
    sentences = {
        lang: [
            (" " if lang == "en" else "").join(rng.choice(pool, 12))
            + (". " if lang == "en" else "。")
            for _ in range(20_000)
        ]
        for lang, pool in words.items()
    }
    write_tokenizer(folder, sentences["en"][:3000] + sentences["zh"][:3000], 8_000)
    tokenizer, _ = packing.load_tokenizer(folder)
    written, shard = {"en": 0, "zh": 0}, 0
    whole = 1.3 * num_tokens / EPOCHS
    wanted = {"en": whole * (1 - ZH_SHARE), "zh": whole * ZH_SHARE}
    while lang := next((name for name in wanted if written[name] < wanted[name]), None):
        picks = rng.integers(0, len(sentences[lang]), (SHARD_DOCUMENTS, SENTENCES))
        texts = ["".join(sentences[lang][i] for i in row) for row in picks]
        sample = tokenizer.encode_batch_fast(texts[:200], add_special_tokens=False)
        written[lang] += sum(len(e) + 1 for e in sample) * SHARD_DOCUMENTS // 200
        ids = [f"{rng.integers(1 << 62):016x}{shard:08x}{i:08x}" for i in range(len(texts))]
        pl.DataFrame({"doc_id": ids, "text": texts}).with_columns(
            source=pl.lit(f"{lang}_{shard % 5}"), lang=pl.lit(lang),
            n_tokens=pl.col("text").str.len_chars(),
        ).write_parquet(folder / f"shard-{shard:05}.parquet", row_group_size=ROW_GROUP)  # fmt: skip
        shard += 1


def watched(folder: Path, num_tokens: int, memory_limit_mb: int) -> dict[str, Any]:
    """Growth of the peak memory over that of a small mix; runs in a process of its own."""
    import resource

    def peak_mb() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    shards = list(folder.glob("shard-*.parquet"))
    frame = pl.scan_parquet(sorted(shards))
    held_out = HeldOut(frame.head(HELD_OUT).select("text").collect()["text"], 0.5)
    values = {"primary_share": 0.95, "zh_share": ZH_SHARE, "memory_limit_mb": memory_limit_mb}
    small = MixSettings(tokens=1_000_000, **values)
    ends = [min(shards), max(shards)]
    build(folder, pl.scan_parquet(ends), small, held_out)
    before, started = peak_mb(), time.process_time()
    plan = MixSettings(tokens=num_tokens, shortage="repeat", max_epochs=EPOCHS, **values)
    # Two kinds of text out of one set of documents, each of its own half.
    is_first = pl.col("doc_id").str.slice(0, 1).is_in(["0"])
    mix = mixing.build_mix(
        frame.filter(~is_first),
        frame.filter(is_first),
        plan,
        held_out=held_out,
        model_dir=folder,
        sequence_length=1024,
        seed=SEED,
        folder=folder,
    )
    packed, seconds = peak_mb(), time.process_time() - started
    file = token_audit.open_tokens(folder)
    _, eos_id = packing.load_tokenizer(folder)
    cut = mix.receipts["num_cut_documents"]
    findings = [
        mix_audit.ratios_hold(mix.spans, plan),
        mix_audit.tiled(mix.spans, file.tokens.shape),
        token_audit.boundaries_recorded(file, mix.spans, eos_id, cut),
        token_audit.holds_no_text(file, mix.spans, held_out.texts, folder),
    ]
    return {
        "tokens": mix.receipts["num_tokens"],
        "repeated_tokens": mix.receipts["num_repeated_tokens"],
        "spans": mix.spans.select(pl.len()).collect().item(),
        "token_file_mb": round(file.tokens.nbytes / 2**20, 1),
        "base_mb": round(before, 1),
        "grown_mb": round(packed - before, 1),
        "grown_with_checks_mb": round(peak_mb() - before, 1),
        "tokens_per_cpu_second": round(mix.receipts["num_tokens"] / seconds),
        "check_cpu_seconds": round(time.process_time() - started - seconds, 1),
        "checks": [finding.description for finding in findings],
        "passed": all(finding.passed for finding in findings),
        "num_held_out_documents": mix.receipts["num_held_out_documents"],
    }


def memory(limit_mb: int, times: int, folder: Path) -> dict[str, Any]:
    """A mix of `times` the limit, packed in a process of its own."""
    num_tokens = limit_mb * times * 2**20 // 4
    write_shards(folder, num_tokens)
    environ = os.environ | {
        "POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
        # Freed memory goes back at once and does not count.
        "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0", "MALLOC_ARENA_MAX": "2",
    }  # fmt: skip
    command = ["--watched", str(folder), str(num_tokens), str(max(64, limit_mb // 4))]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.pretraining_data", *command],
        env=environ, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"limit_mb": limit_mb} | found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit-mb", type=int)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--watched", nargs=3)
    given = parser.parse_args()
    if given.watched:
        folder, num_tokens, limit = given.watched
        answer = watched(Path(folder), int(num_tokens), int(limit))
    elif given.limit_mb:
        with tempfile.TemporaryDirectory() as name:
            answer = memory(given.limit_mb, given.times, Path(name))
    else:
        answer = speed(given.rounds)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
