"""Can the domain classifier tell medical text in sources it has not seen? On real data.

    python -m benchmarks.domain_on_real_data [backbone ...]

Labels are the data sets' own. Data sets are dealt into four folds, those of the same languages and
labels evenly; the classifier's head learns from three folds and judges the fourth, so that of no
data set a part is learned from and another judged. Six deals. A data set has up to 250 documents of
a language and label, of those long enough for the rule filter. Prints tables and one JSON line:
precision, recall and F1 of medicine by language, mean, lowest and highest of the deals.
"""

import json
import re
import sys
import time
from typing import Any

import numpy as np
import polars as pl

from benchmarks import open_data
from benchmarks.encoded import encoded
from carebot_assets.raters import classifier
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.settings import EncoderSettings

BACKBONES = {
    "char_ngram": EncoderSettings(backend="char_ngram", features=1 << 18, max_chars=600),
    "word_ngram": EncoderSettings(backend="word_ngram", features=1 << 18, max_chars=600),
    "minilm": EncoderSettings(backend="sentence_transformers", max_tokens=128, max_chars=600),
    "hybrid": EncoderSettings(backend="hybrid", features=1 << 18, max_tokens=128, max_chars=600),
}
FOLDS, DEALS, TIMED = 4, 6, 300
PER_SOURCE, MIN_PER_SOURCE, PIECE = 250, 20, 1200
MIN_HAN, MIN_WORDS = 40, 30

MEDICINE_ZH = {"中医学/中药学", "基础医学/临床医学", "药学", "口腔医学", "公共卫生与预防医学"}
# Neither clearly medicine nor clearly not: left out.
BORDER_ZH = {"生物学/生物科学与工程", "心理学", "畜牧学/兽医学", "食品科学与工程", "体育学",
             "化学/化学工程与技术"}  # fmt: skip
MEDICINE_EXAMS = {"anatomy", "clinical_knowledge", "college_medicine", "genetics", "nutrition",
                  "traditional_chinese_medicine", "virology", "medical_genetics",
                  "professional_medicine"}  # fmt: skip
BORDER_EXAMS = {"college_medical_statistics", "professional_psychology", "human_sexuality",
                "high_school_biology", "college_biology", "sports_science", "food_science",
                "human_aging", "high_school_psychology"}  # fmt: skip
HEALTH = re.compile(
    r"医|病|药|健康|营养|睡眠|疫|medic|health|disease|doctor|patient|vitamin|diet|sleep|covid|"
    r"symptom|cancer|drug",
    re.IGNORECASE,
)

# Data set -> whether it is medical (None: by `is_medical`, record by record).
SOURCES: dict[str, bool | None] = {
    **dict.fromkeys(("disease_kb_zh", "drug_monographs_zh", "tcm_ancient_books", "huatuo26m_test",
                     "toyhom_internal_medicine", "cmtmedqa_test", "bentsao", "medical_abstracts",
                     "gutenberg_medicine", "chatdoctor5k", "medalpaca_wikidoc_small",
                     "mts_dialog", "pubmedqa", "medquad"), True),
    **dict.fromkeys(("fewclue_tnews_iflytek", "rust_book_zh_en", "cncf_glossary", "news_en_ag",
                     "gutenberg_fiction", "openstax_political_science"), False),
    **dict.fromkeys(("csl", "cmmlu", "mmlu", "agieval_subset", "llamafactory_demo",
                     "plos_articles", "self_instruct_user"), None),
}  # fmt: skip


def load(per_source: int = PER_SOURCE) -> pl.DataFrame:
    """Documents of labelled sources: `dataset`, `source`, `lang`, `medical`, `text`.

    A source is what a data set has of one language and label.
    """
    rows = []
    for role in ("corpus", "sft_sources", "benchmarks"):
        for entry in open_data.manifest(role):
            name = entry["dataset"]
            if name not in SOURCES or "labels" in entry["path"]:
                continue
            for record in open_data.records(entry):
                medical = SOURCES[name]
                if medical is None:
                    medical = is_medical(name, entry["path"], record)
                if medical is None:
                    continue
                text = "\n".join(open_data.leaves(_without_label(name, record)))
                for start in range(0, max(1, len(text) - PIECE), 4 * PIECE):
                    piece = text[start : start + PIECE].strip()
                    lang = "zh" if len(re.findall("[一-鿿]", piece)) > len(piece) / 5 else "en"
                    label = "medical" if medical else "other"
                    rows.append((name, f"{name} {lang} {label}", lang, medical, piece))
    frame = pl.DataFrame(
        rows, orient="row",
        schema={"dataset": pl.String, "source": pl.String, "lang": pl.String,
                "medical": pl.Boolean, "text": pl.String},
    )  # fmt: skip
    han = pl.col("text").str.count_matches(r"\p{Han}")
    words = pl.col("text").str.count_matches(r"[A-Za-z]+")
    frame = frame.filter(
        pl.when(pl.col("lang") == "zh").then(han >= MIN_HAN).otherwise(words >= MIN_WORDS)
    )
    order = pl.col("text").hash(7)
    frame = frame.filter(order.rank("ordinal").over("source") <= per_source)
    return frame.filter(pl.len().over("source") >= MIN_PER_SOURCE).sort("source", order)


def _without_label(name: str, record: Any) -> Any:
    """What a reader of the text would see: not the answer."""
    if name == "csl":
        return record[1]
    if isinstance(record, dict):
        return {key: value for key, value in record.items() if not key.startswith("label")}
    return record


def is_medical(name: str, path: str, record: Any) -> bool | None:
    if name == "csl":
        label = record[2]
        return (
            True if label in MEDICINE_ZH else None if label in BORDER_ZH or "ctg" in path else False
        )
    if name == "plos_articles":  # of medicine, and of tropical diseases; the others may be either
        return True if re.search("journal.(pmed|pntd)", path) else None
    if name == "agieval_subset":
        return False if re.search("history|sat-en", path) else None
    if name in ("cmmlu", "mmlu"):
        subject = re.sub(r"_(test|dev|val)$", "", path.rpartition("/")[2].removesuffix(".csv"))
        return True if subject in MEDICINE_EXAMS else None if subject in BORDER_EXAMS else False
    return None if HEALTH.search(json.dumps(record, ensure_ascii=False)) else False


def deal(frame: pl.DataFrame, seed: int) -> np.ndarray:
    """Fold of every document: a data set in one, data sets of the same kinds dealt evenly."""
    rng = np.random.default_rng(seed)
    kinds = frame.group_by("dataset").agg(kinds=pl.struct("lang", "medical").unique().sort())
    names: list[str] = []
    for _, group in kinds.sort("dataset").group_by("kinds", maintain_order=True):
        names += rng.permutation(group["dataset"].to_numpy()).tolist()
    fold = {name: (seed + i) % FOLDS for i, name in enumerate(names)}
    return frame["dataset"].replace_strict(fold).to_numpy()


def judge(vectors: Any, frame: pl.DataFrame, folds: np.ndarray) -> np.ndarray:
    """Verdict on every document by the classifier's head, which has not seen its data set."""
    truth = frame["medical"].to_numpy()
    found = np.zeros(len(truth), bool)
    for fold in range(FOLDS):
        learn = folds != fold
        weight, bias = classifier.fit(vectors[learn], truth[learn].astype(int), 2)
        outputs = np.asarray(vectors[~learn] @ weight.T) + bias
        found[~learn] = outputs[:, 1] > outputs[:, 0]
    return found


def main() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    frame = load()
    names = sys.argv[1:] or list(BACKBONES)
    print(
        frame.group_by("lang", "medical")
        .agg(pl.len(), pl.col("source").n_unique())
        .sort("lang", "medical")
    )
    result: dict[str, Any] = {"documents": frame.height, "data_sets": frame["dataset"].n_unique()}
    for name in names:
        texts = frame["text"].to_list()
        encoder = open_encoder(BACKBONES[name])
        encoder.encode(texts[:2])
        started = time.process_time()
        encoder.encode(texts[:TIMED])
        speed = TIMED / (time.process_time() - started)
        vectors = encoded(BACKBONES[name], texts)
        found: dict[str, Any] = {"documents_per_cpu_second": round(speed, 1)}
        by_source: dict[str, list[float]] = {}
        deals: dict[str, list[Any]] = {"zh": [], "en": []}
        for seed in range(DEALS):
            verdicts = judge(vectors, frame, deal(frame, seed))
            for lang in ("zh", "en"):
                rows = (frame["lang"] == lang).to_numpy()
                numbers = precision_recall_fscore_support(
                    frame["medical"].to_numpy()[rows], verdicts[rows], average="binary"
                )[:3]
                deals[lang].append(numbers)
            for source in frame["source"].unique():
                rows = (frame["source"] == source).to_numpy()
                by_source.setdefault(source, []).append(float(verdicts[rows].mean()))
        for lang, numbers in deals.items():
            parts = zip(("precision", "recall", "f1"), np.array(numbers).T, strict=True)
            found[lang] = {
                part: [round(float(x), 3) for x in (values.mean(), values.min(), values.max())]
                for part, values in parts
            }
        print(name, found)
        print({k: round(float(np.mean(v)), 2) for k, v in sorted(by_source.items())}, flush=True)
        result[name] = found
    print(json.dumps(result))


if __name__ == "__main__":
    main()
