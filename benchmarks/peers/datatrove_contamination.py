"""datatrove's n-gram decontamination over texts (see `benchmarks.corpus_contamination`)."""

import tempfile
import time
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.decont import n_grams
from datatrove.utils.text import ngrams, simplify_text
from datatrove_minhash import LANGUAGES, LightTokenizer

NGRAM = 13


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Speed of the filter, and the documents it drops; the index is written as it writes it."""
    if request["tokenizer"] == "light":
        n_grams.load_word_tokenizer = lambda _: LightTokenizer()
    config = n_grams.NGramsDecontConfig(n_grams=NGRAM)
    texts = pq.read_table(request["file"])["text"].to_pylist()[: request["timed"]]
    items = pq.read_table(request["items"])["text"].to_pylist()
    documents = [Document(text=text, id=str(i)) for i, text in enumerate(texts)]
    with tempfile.TemporaryDirectory() as folder:
        judge = n_grams.NGramsDecontFilter(folder, config, language=LANGUAGES[request["lang"]])
        hashes = set()
        # The indexer itself needs lighteval; these are its lines.
        for item in items:
            tokens = judge.tokenizer.word_tokenize(simplify_text(item, config.norm_config))
            hashes |= set(map(judge.hash_func, map(" ".join, ngrams(tokens, NGRAM))))
        kind = np.dtype(config.hash_config.np_descr)
        np.array(sorted(hashes), kind).tofile(f"{folder}/items.index.hashes")
        judge.filter(Document(text="warm up", id=""))
        started = time.process_time()
        kept = [judge.filter(document) is True for document in documents]
        seconds = time.process_time() - started
    return {
        "seconds": seconds,
        "num_documents": len(texts),
        "num_index": len(hashes),
        "dropped": [i for i, is_kept in enumerate(kept) if not is_kept],
    }
