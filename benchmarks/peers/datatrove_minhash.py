"""datatrove's MinHash stages and rensa over texts (see `benchmarks.corpus_duplicates`)."""

import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import regex
from datatrove.data import Document
from datatrove.pipeline.dedup import minhash
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.word_tokenizers import WordTokenizer

UNIT = regex.compile(r"\p{Han}|[[\p{L}\p{M}\p{N}]--\p{Han}]+", regex.V1)
LANGUAGES = {"en": "eng", "zh": "cmn"}
NGRAM, BUCKETS, ROWS = 5, 14, 8


class LightTokenizer(WordTokenizer):
    """Words and Chinese characters, found by one regular expression."""

    def word_tokenize(self, text: str) -> list[str]:
        return UNIT.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def _texts(request: dict[str, Any]) -> list[str]:
    return pq.read_table(request["file"])["text"].to_pylist()[: request["timed"]]


def datatrove(request: dict[str, Any]) -> dict[str, Any]:
    """From text to clusters: signatures, buckets, clusters; the stages called directly."""
    if request["tokenizer"] == "light":
        minhash.load_word_tokenizer = lambda _: LightTokenizer()
    config = MinhashConfig(n_grams=NGRAM, num_buckets=BUCKETS, hashes_per_bucket=ROWS)
    documents = [Document(text=text, id=str(i)) for i, text in enumerate(_texts(request))]

    def stages(some: list[Document]) -> tuple[float, int]:
        with tempfile.TemporaryDirectory() as folder:
            signatures, buckets, removed = (f"{folder}/{name}" for name in "sbr")
            language = LANGUAGES[request["lang"]]
            signing = minhash.MinhashDedupSignature(signatures, config, language=language)
            started = time.process_time()
            signing.run(some)
            for bucket in range(BUCKETS):
                pairing = minhash.MinhashDedupBuckets(signatures, buckets, config=config)
                pairing.run(None, rank=bucket, world_size=BUCKETS)
            minhash.MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
            seconds = time.process_time() - started
            # Each removed document is four bytes.
            return seconds, sum(path.stat().st_size for path in Path(removed).glob("*")) // 4

    stages(documents[:5])
    seconds, num_removed = stages(documents)
    return {"seconds": seconds, "num_documents": len(documents), "num_removed": num_removed}


def rensa(request: dict[str, Any]) -> dict[str, Any]:
    """From text to flags of duplicates by the fastest calls there are; shingles cut by Python."""
    from rensa import RMinHash, RMinHashLSH

    texts = _texts(request)
    started = time.process_time()
    sets = []
    for text in texts:
        words = list(text) if request["lang"] == "zh" else text.lower().split()
        joint = "" if request["lang"] == "zh" else " "
        sets.append([joint.join(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1)])
    matrix = RMinHash.digest_matrix_from_token_sets(sets, num_perm=BUCKETS * ROWS, seed=42)
    index = RMinHashLSH(threshold=0.7, num_perm=BUCKETS * ROWS, num_bands=BUCKETS)
    flags = index.query_duplicate_flags_matrix_one_shot(matrix)
    seconds = time.process_time() - started
    return {
        "seconds": seconds,
        "num_documents": len(texts),
        "num_flagged": sum(map(bool, flags)),
        "versions": {name: version(name) for name in ("datatrove", "rensa", "spacy", "jieba")},
    }
