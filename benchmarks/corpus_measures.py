"""The measures against datatrove's filters: equality of values and decisions, and speed.

    python -m benchmarks.corpus_measures [documents a language]

Real texts of 0.6 to 3 kB from the shared open corpora, half English, half Chinese. Speed is
documents per CPU second of the process, one thread, median of interleaved rounds, compilation left
out.
`stock` is datatrove as it comes (spaCy, jieba through "cmn"), `tuned` has our words and sentences
found by a regular expression put in. Its chain is Gopher repetition, Gopher quality, C4 (English),
FineWeb; it stops at the first failing filter, we compute and decide everything. NeMo Curator's
heuristics are compared with all that we measure and decide; its installation takes 6 GB.
"""

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

for _variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_variable, "1")

import numba  # noqa: E402
import polars as pl  # noqa: E402

from benchmarks import open_data, peers  # noqa: E402
from carebot_assets.corpus import counting, lexicons, measures, rules  # noqa: E402
from carebot_assets.corpus.language import identify  # noqa: E402
from carebot_assets.corpus.normalize import normalize  # noqa: E402
from carebot_assets.corpus.outline import outline  # noqa: E402
from carebot_assets.settings import load_settings  # noqa: E402

ROUNDS = 3
STOCK_TIMED, TUNED_TIMED = 150, 600
GOPHER_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
GOPHER_DUP = dict(zip(range(5, 11), (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True))


def documents(lang: str, count: int) -> pl.DataFrame:
    """Texts of a language with 0.6 to 3 kB, in an order drawn by hash."""
    texts = (
        open_data.documents("corpus")
        .with_columns(normalize(pl.col("text")))
        .filter(pl.col("text").str.len_bytes().is_between(600, 3000))
        .unique("text", maintain_order=True)
    )
    langs = identify(texts["text"], outline(texts["text"]))
    texts = texts.filter(langs == lang).sort(pl.col("text").hash(7)).head(count)
    return texts.select(
        doc_id=pl.int_range(pl.len()).cast(pl.String).str.zfill(32),
        shard=pl.lit("bench"),
        lang=pl.lit(lang),
        text="text",
    )


def comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """Our measures and the decisions of datatrove's four filters, published thresholds."""
    found = counting.measures(frame["text"], frame["lang"])
    tokens = pl.col("num_tokens")
    is_zh = bool((frame["lang"] == "zh").any())
    mean_length = pl.col("num_unit_chars") / tokens
    repetition = [
        pl.col("dup_paragraph_ratio") > 0.3,
        pl.col("dup_paragraph_char_ratio") > 0.2,
        pl.col("dup_line_ratio") > 0.3,
        pl.col("dup_line_char_ratio") > 0.2,
        *(pl.col(f"top_{n}gram_ratio") > limit for n, limit in GOPHER_TOP.items()),
        *(pl.col(f"dup_{n}gram_ratio") > limit for n, limit in GOPHER_DUP.items()),
    ]
    quality = [
        ~tokens.is_between(50, 100_000),
        mean_length > 10,
        pl.col("num_hashes") / tokens > 0.1,
        pl.col("num_ellipses") / tokens > 0.1,
        pl.col("bullet_line_ratio") > 0.9,
        pl.col("ellipsis_line_ratio") > 0.3,
        pl.col("num_alpha") / tokens < 0.8,
        *([] if is_zh else [mean_length < 3, pl.col("stop_words_en") < 2]),
    ]
    c4 = [
        pl.col("num_lorem_ipsum_lines") > 0,
        pl.col("num_curly_lines") > 0,
        pl.col("num_c4_sentences") < 5,
    ]
    fineweb = [
        pl.col("line_punctuation_ratio") < 0.12,
        pl.col("short_line_ratio") > 0.67,
        pl.col("char_dup_ratio") > 0.01,
        pl.col("num_newlines") / tokens > 0.3,
    ]
    judges = {"gopher_repetition": repetition, "gopher_quality": quality, "fineweb": fineweb}
    if not is_zh:
        judges["c4"] = c4
    return found.with_columns(**{name: pl.any_horizontal(*how) for name, how in judges.items()})


def agreement(frame: pl.DataFrame, answer: dict[str, Any]) -> dict[str, Any]:
    """Decisions that differ by filter, and the largest difference of a value."""
    ours = comparable(frame)
    differing = {
        name: int(((pl.Series(reasons) != "") != ours[name]).sum())
        for name, reasons in answer["reasons"].items()
    }
    dropped = {name: int(ours[name].sum()) for name in answer["reasons"]}
    result: dict[str, Any] = {"documents": frame.height, "dropped": dropped, "differ": differing}
    if "values" in answer:
        gaps = {n: float((pl.Series(v) - ours[n]).abs().max()) for n, v in answer["values"].items()}  # type: ignore[arg-type]
        result["max_difference"] = max(gaps.values())
        result["worst"] = max(gaps, key=lambda name: gaps[name])
    return result


def rate(frame: pl.DataFrame, work: Callable[[pl.DataFrame], object]) -> float:
    started = time.process_time()
    work(frame)
    return frame.height / (time.process_time() - started)


def whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Everything: all measures, lexicons, private information, all rules."""
    return rules.decide(measures.measure(frame.lazy()), load_settings("demo", {}).rules).collect()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    report: dict[str, Any] = {
        "versions": {
            "python": platform.python_version(),
            "polars": pl.__version__,
            "numba": numba.__version__,
        },
        "load": os.getloadavg(),
    }
    for lang in ("en", "zh"):
        frame = documents(lang, count)
        # Datatrove folds no case: its stop words are compared on the same, folded text.
        request = {"job": "measures", "lang": lang, "stop_words": [*lexicons.STOP_WORDS_EN]}
        names = ("comparable", "whole", "stock", "tuned", "nemo")
        rates: dict[str, list[float]] = {name: [] for name in names}
        whole(frame.head(50)), comparable(frame.head(50))
        many = pl.concat([frame] * max(1, 6000 // frame.height))
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "texts.parquet")
            frame.select("text").write_parquet(file)
            for number in range(ROUNDS):
                rates["comparable"].append(rate(many, comparable))
                rates["whole"].append(rate(many, whole))
                for name, tokenizer, timed in (
                    ("stock", "stock", STOCK_TIMED),
                    ("tuned", "light", TUNED_TIMED),
                ):
                    wants_all = number == 0
                    answer = peers.run(
                        "datatrove",
                        request
                        | {"file": file, "tokenizer": tokenizer, "timed": timed}
                        | {"decide": wants_all, "values": wants_all and name == "tuned"},
                    )
                    rates[name].append(min(timed, frame.height) / answer["seconds"])
                    report["versions"] |= answer["versions"]
                    if wants_all:
                        report[f"{lang}_agreement_{name}"] = agreement(frame, answer)
                answer = peers.run("nemo", {"file": file, "lang": lang, "timed": STOCK_TIMED})
                rates["nemo"].append(min(STOCK_TIMED, frame.height) / answer["seconds"])
                report["versions"] |= answer["versions"]
        middle = {name: median(values) for name, values in rates.items()}
        report[lang] = {
            "mean_bytes": round(float(frame["text"].str.len_bytes().mean() or 0)),  # type: ignore[arg-type]
            "per_cpu_second": {name: round(value) for name, value in middle.items()},
            "spread": {n: round(max(v) / min(v), 2) for n, v in rates.items()},
            "comparable_to_stock": round(middle["comparable"] / middle["stock"]),
            "comparable_to_tuned": round(middle["comparable"] / middle["tuned"]),
            "comparable_to_nemo": round(middle["comparable"] / middle["nemo"]),
            "whole_to_nemo": round(middle["whole"] / middle["nemo"]),
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
