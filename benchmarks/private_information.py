"""Throughput of the search for private information on clean text, as one JSON line.

    python -m benchmarks.private_information [folder of the public data]

Real medical text where the public data are there, in pieces of about 1.35 kB, else made-up text;
what is found is left out. Medians of five rounds per second of CPU time of the whole process. The
patterns are compiled anew for every batch, so that small batches are slower.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import polars as pl

from benchmarks import open_data, real_texts
from benchmarks.corpus_kernels import make_documents
from carebot_assets.corpus import private

PIECE_BYTES, ROUNDS, DOCUMENTS = 1350, 5, 20_000
EN = ("medical_abstracts", "openstax_psychology", "gutenberg_medicine", "wikipedia_en_demo")
ZH = ("csl", "drug_monographs_zh", "tcm_ancient_books", "cmrc2018_wiki", "disease_kb_zh")


def pieces(texts: pl.Series) -> Iterator[str]:
    """Lines joined to pieces of about a document's size."""
    piece, size = [], 0
    for line in texts.str.replace_all(". ", ".\n", literal=True).str.split("\n").explode():
        piece.append(line)
        size += len(line.encode()) + 1
        if size >= PIECE_BYTES:
            yield "\n".join(piece)
            piece, size = [], 0


def clean_documents(data: Path, names: tuple[str, ...], made_up: pl.Series) -> pl.Series:
    """Documents without private information, repeated up to the number wanted."""
    found = [
        real_texts.documents_of(data, name) for name in names if real_texts.is_there(data, name)
    ]
    texts = pl.Series(list(pieces(pl.concat(found)))) if found else made_up
    clean = texts.filter(private.find(texts).list.len() == 0)
    return pl.concat([clean] * (DOCUMENTS // len(clean) + 1)).head(DOCUMENTS)


def rate(texts: pl.Series, batch: int) -> float:
    """Documents per second of CPU time, in batches."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for start in range(0, len(texts), batch):
            private.tally(texts.slice(start, batch))
        seconds.append(time.process_time() - started)
    return round(len(texts) / median(seconds))


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else open_data.OPEN
    made_up = make_documents(DOCUMENTS)["text"]
    figures: dict[str, object] = {"polars": pl.__version__, "documents": DOCUMENTS}
    for lang, names, half in (("en", EN, made_up[1::2]), ("zh", ZH, made_up[::2])):
        texts = clean_documents(data, names, half)
        figures[f"mean_bytes_{lang}"] = round(texts.str.len_bytes().mean())  # type: ignore[arg-type]
        for batch in (DOCUMENTS, 2000):
            figures[f"documents_per_cpu_second_{lang}_batch_{batch}"] = rate(texts, batch)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
