"""NeMo Curator's heuristics over a Parquet file of texts (see `benchmarks.corpus_measures`).

All filters of its two modules of heuristics that need nothing but text, the n-gram ones at the
lengths of Gopher; every filter scores every text, as a pipeline that annotates does.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import pyarrow.parquet as pq
from nemo_curator.stages.text.filters.heuristic import repetition, string

WITH_LANGUAGE = (
    string.SymbolsToWordsFilter,
    string.LongWordFilter,
    string.WordCountFilter,
    string.MeanWordLengthFilter,
    string.WordsWithoutAlphabetsFilter,
)
PLAIN = (
    string.NonAlphaNumericFilter,
    string.NumbersFilter,
    string.UrlsFilter,
    string.BulletsFilter,
    string.WhiteSpaceFilter,
    string.ParenthesesFilter,
    string.BoilerPlateStringFilter,
    string.PunctuationFilter,
    string.EllipsisFilter,
    string.CommonEnglishWordsFilter,
    string.PornographicUrlsFilter,
    repetition.RepeatedLinesFilter,
    repetition.RepeatedParagraphsFilter,
    repetition.RepeatedLinesByCharFilter,
    repetition.RepeatedParagraphsByCharFilter,
)


def run(request: dict[str, Any]) -> dict[str, Any]:
    texts = pq.read_table(request["file"])["text"].to_pylist()[: request["timed"]]
    lang = request["lang"]
    judges = [
        *(judge() for judge in PLAIN),
        *(judge(lang=lang) for judge in WITH_LANGUAGE),
        *(repetition.RepeatingTopNGramsFilter(n=n, lang=lang) for n in range(2, 5)),
        *(repetition.RepeatingDuplicateNGramsFilter(n=n, lang=lang) for n in range(5, 11)),
    ]
    failed = set()

    def score(some: list[str]) -> float:
        started = time.process_time()
        for text in some:
            for judge in judges:
                try:
                    judge.keep_document(judge.score_document(text))
                except ZeroDivisionError:  # some divide by a number of words that may be none
                    failed.add(type(judge).__name__)
        return time.process_time() - started

    score(texts[:5])
    return {
        "seconds": score(texts),
        "num_filters": len(judges),
        "failed": sorted(failed),
        "versions": {"nemo-curator": version("nemo-curator")},
    }


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
