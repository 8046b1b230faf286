"""Every stage of the corpus group on four times as much text as the process may add to its memory.

What counts is anonymous resident memory, sampled, above that of a process that has run the whole
group once, with its libraries and compiled kernels. A shard holds about 35 MB of text. Polars needs
some 300 MB for it whatever the size of the corpus, so four times that are minutes of work: the test
runs where SLOW_TESTS is set.
The system holds the process to `CAP_MB` of further private memory (RLIMIT_DATA): it counts what is
reserved, resident or not, which is about twice as much.
The checks are left out: they are no stages, and audits by sample have a fixed need of their own.
"""

import os
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import corpus_group

pytestmark = pytest.mark.skipif(
    not os.environ.get("SLOW_TESTS"), reason="takes minutes: set SLOW_TESTS=1"
)
LIMIT_MB = 352
CAP_MB = 2 * LIMIT_MB
SHARDS_PER_LANGUAGE = 20
SENTENCES = 24
COPIES = 50


def write_large(folder: Path, small: Path) -> int:
    """Shards of sentences of the small world in random order, the same `COPIES` documents in each
    of a language's; the bytes of text."""
    per_shard = 4 * LIMIT_MB * 2**20 // (2 * SHARDS_PER_LANGUAGE)
    num_bytes = 0
    for seed, lang in enumerate(("en", "zh")):
        texts = pl.read_parquet(small / "corpus" / lang)["text"]
        found = re.findall(r"[^.。\n]{8,}[.。]", "\n".join(texts))
        sentences = np.array(sorted(set(found)), dtype=object)
        rng = np.random.default_rng(seed)

        def document(pool: np.ndarray = sentences, rng: np.random.Generator = rng) -> str:
            return " ".join(pool[rng.integers(0, len(pool), SENTENCES)])

        copies = [document() for _ in range(COPIES)]
        (folder / "corpus" / lang).mkdir(parents=True)
        for shard in range(SHARDS_PER_LANGUAGE):
            rows, written = list(copies), 0
            while written < per_shard:
                rows.append(document())
                written += len(rows[-1].encode())
            num_bytes += written
            frame = pl.DataFrame({"text": rows})
            path = folder / "corpus" / lang / f"part-{shard:05d}.parquet"
            frame.write_parquet(path, row_group_size=500)
    (folder / "benchmarks").symlink_to(small / "benchmarks")
    return num_bytes


def test_a_corpus_of_four_times_the_memory(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("memory")
    small, large = folder / "small", folder / "large"
    corpus_group.write_world(small, 2_000, 1)
    assert write_large(large, small) >= 4 * LIMIT_MB * 2**20
    for world in (small, large):
        corpus_group.write_profile(world, memory_limit_mb=LIMIT_MB // 2)
    answer = corpus_group.child(
        "--watched",
        *(str(small), str(large), str(CAP_MB)),
        DAGSTER_HOME=str(folder / "dagster"),
        POLARS_MAX_THREADS="2",
        OMP_NUM_THREADS="1",
        # Freed memory goes back at once and does not count.
        _RJEM_MALLOC_CONF="dirty_decay_ms:0,muzzy_decay_ms:0,retain:false",
    )
    assert answer["grown_mb"] <= LIMIT_MB, answer["grown_mb_by_part"]
    assert answer["shards"] == 2 * SHARDS_PER_LANGUAGE
    assert 0 < answer["kept"] < answer["documents"]
    removed = pl.scan_parquet(large / "store" / "duplicate_clusters" / "data.parquet")
    exact = removed.filter("exact").group_by("kept_id").len().collect()
    # Of the copies the rules drop some, and all of each.
    assert COPIES < exact.height <= 2 * COPIES
    assert set(exact["len"]) == {SHARDS_PER_LANGUAGE - 1}
