"""Does the meta-learned rater find planted corruption? One JSON line of figures.

    python -m benchmarks.value_planted [--seeds 3] [--data sample open] [--langs en zh] [--controls]

Rows of equal length, each of one document: medical text of the sample world, public English medical
abstracts and an anatomy, public Chinese abstracts of all sciences, encyclopaedia pages and
diseases. A quarter of the rows that the inner models train on are spoilt, in equal parts: tokens
shuffled, characters replaced by noise, pieces of four tokens spliced, such a piece repeated, text
of the other language. Lengths are the same for all, no row is packed, and spoilt rows come from the
same documents as clean ones. The held-out rows are clean. Reported is the area under the curve of
clean against spoilt training rows, for the snapshot that the training itself chose, at the start
and by kind, and how clean rows' scores go with the length of their documents (rank correlation);
`--controls` adds, for the first seed, inner models that stop once settled, and derivatives of the
wrong rows.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import polars as pl
import torch

from carebot_assets.raters.meta import planted, ranks
from carebot_assets.raters.meta.gradients import Found
from carebot_assets.raters.meta.learner import Learner
from carebot_assets.raters.meta.rows import Rows
from carebot_assets.settings import ScratchModel, TrainSettings
from carebot_assets.settings.value import MetaModelSettings, ValueSettings

KINDS = (*planted.KINDS, "other language")
LENGTH, VOCABULARY = 48, 2000
ROWS, OUTER_ROWS, SPOILT = 12000, 2000, 0.25
OPEN = Path(__file__).parents[1].parent / "shared" / "data" / "open" / "corpus"


def texts_of(data: str, lang: str) -> list[str]:
    """Clean texts of a language."""
    if data == "sample":
        return _sample()[lang]
    return _open(lang)


def _sample() -> dict[str, list[str]]:
    from carebot_assets.sample.benchmarks import Benchmarks
    from carebot_assets.sample.corpus import Corpus
    from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge
    from carebot_assets.sample.sources import SOURCES

    kb = KnowledgeBase(load_knowledge())
    # Enough that the inner models hardly see a row twice.
    corpus = Corpus(kb, Benchmarks(kb, 80, 1), 24_000, 1)
    found: dict[str, list[str]] = {"en": [], "zh": []}
    for source in SOURCES:
        for index in range(corpus.counts[source.name]):
            record = corpus.record(source, index)
            if not record.dirt and record.duplicate_of is None and record.entry.medical:
                found[source.lang].append(f"{record.head}\n\n{record.body}")
    return found


def _open(lang: str) -> list[str]:
    if lang == "en":
        abstracts = pl.read_csv(OPEN / "medical_abstracts" / "medical_tc_test.csv")
        book = (OPEN / "gutenberg_medicine" / "747.txt").read_text("utf-8").split("\n\n")
        paragraphs = (" ".join(part.split()) for part in book)
        return [*abstracts["medical_abstract"], *(p for p in paragraphs if len(p) > 300)]
    files = [OPEN / "csl" / "cls_dcp" / name for name in ("dev.tsv", "test.tsv")]
    read = {"separator": "\t", "has_header": False, "quote_char": None}
    abstracts = pl.concat(pl.read_csv(file, **read) for file in files).to_series(1)  # type: ignore[arg-type]
    wiki = json.loads((OPEN / "cmrc2018_wiki" / "cmrc2018_dev.json").read_text("utf-8"))
    diseases = pl.read_csv(OPEN / "disease_kb_zh" / "disease.csv", encoding="gb18030")
    entries = diseases.select(pl.concat_str(pl.all(), separator="\n", ignore_nulls=True))
    pages = [part["context"] for page in wiki["data"] for part in page["paragraphs"]]
    return [*abstracts, *pages, *entries.to_series()]


def tokenizer_of(texts: list[str]) -> Any:
    from carebot_assets.corpus import packing
    from carebot_assets.training import scratch

    train = TrainSettings(max_steps=1, batch_size=1, learning_rate=1.0)
    model = ScratchModel(vocab_size=VOCABULARY, tokens=1, train=train)
    with tempfile.TemporaryDirectory() as folder:
        scratch.write_model(Path(folder), texts, model, 64)
        return packing.load_tokenizer(Path(folder))[0]


def rows_of(texts: list[str], others: list[str], tokenizer: Any, seed: int) -> Rows:
    """Clean and spoilt rows of exactly `LENGTH` tokens."""
    random = np.random.default_rng(seed)

    def encode(some: list[str]) -> list[np.ndarray]:
        found = tokenizer.encode_batch_fast(some, add_special_tokens=False)
        return [np.array(e.ids, np.uint32) for e in found if len(e.ids) >= LENGTH]

    documents, foreign = encode(texts), encode(others)
    random.shuffle(documents)
    number = random.integers(len(documents), size=ROWS + OUTER_ROWS)
    # Rows of the outer part come from documents that no inner row is of.
    edge = int(len(documents) * ROWS / (ROWS + OUTER_ROWS))
    number[:ROWS] %= edge
    number[ROWS:] = edge + number[ROWS:] % (len(documents) - edge)
    kinds = np.array(["clean"] * (ROWS + OUTER_ROWS), object)
    spoilt = random.permutation(ROWS)[: int(SPOILT * ROWS)]
    kinds[spoilt] = np.resize(KINDS, len(spoilt))

    def window(ids: np.ndarray) -> np.ndarray:
        start = random.integers(len(ids) - LENGTH + 1)
        return ids[start : start + LENGTH]

    def row(document: int, kind: str) -> np.ndarray:
        if kind == "other language":
            return window(foreign[random.integers(len(foreign))])
        clean = window(documents[document])
        inner = documents[:edge]
        return clean if kind == "clean" else planted.spoil(kind, clean, inner, tokenizer, random)

    ids = np.stack([row(n, str(k)) for n, k in zip(number, kinds, strict=True)])
    about = pl.DataFrame(
        {
            "kind": kinds.astype(str),
            "split": ["inner"] * ROWS + ["outer"] * OUTER_ROWS,
            "document_tokens": [len(documents[n]) for n in number],
        }
    )
    return Rows(ids, np.full(len(ids), LENGTH), about)


def run(
    rows: Rows, settings: ValueSettings, seed: int, control: str | None = None
) -> dict[str, Any]:
    learner = Learner(settings, rows, VOCABULARY, seed)
    if control == "frozen":
        for inner in learner.population:
            learner.settle(inner)
        learner.inner_optimizer = dataclasses.replace(learner.inner_optimizer, learning_rate=1e-12)
    if control == "shuffled":
        learner.engine = Shuffled(learner.engine, seed)
    inner = np.arange(ROWS)
    kinds = rows.about["kind"].to_numpy()[:ROWS]
    clean = kinds == "clean"
    started, snapshots, falls = time.process_time(), [], []
    learner.pretrain()
    start = learner.scores(inner)
    for number in range(1, settings.meta_steps + 1):
        proposal, numbers = learner.step()
        learner.accept(proposal)
        falls.append(numbers["inner_loss_fall"])
        if number == 1 or number % settings.eval_steps == 0:
            snapshots.append(learner.scores(inner))
    chosen = ranks.choose(snapshots)
    scores = snapshots[chosen]
    return {
        "auc": ranks.auc(scores, clean),
        "auc_start": ranks.auc(start, clean),
        "auc_first_step": ranks.auc(snapshots[0], clean),
        "auc_last": ranks.auc(snapshots[-1], clean),
        "by_kind": {
            k: ranks.auc(scores[clean | (kinds == k)], clean[clean | (kinds == k)]) for k in KINDS
        },
        "length_correlation": ranks.correlation(
            scores[clean], rows.about["document_tokens"].to_numpy()[:ROWS][clean]
        ),
        "rank_stability": ranks.stability(snapshots)[-1],
        "inner_loss_fall": mean(falls[-settings.lifetime :]),
        "cpu_seconds": time.process_time() - started,
    }


class Shuffled:
    """An engine whose weights' derivatives are dealt out at random: nothing can be learnt."""

    def __init__(self, engine: Any, seed: int) -> None:
        self.engine, self.random = engine, torch.Generator().manual_seed(seed)

    def __call__(self, *args: Any) -> Found:
        found = self.engine(*args)
        order = torch.randperm(found.by_weight.shape[1], generator=self.random)
        return found._replace(by_weight=found.by_weight[:, order])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=["sample", "open"])
    parser.add_argument("--langs", nargs="+", default=["en", "zh"])
    parser.add_argument("--controls", action="store_true")
    parser.add_argument("--settings", type=json.loads, default={})
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = MetaModelSettings(width=64, layers=2, heads=4)
    values = {
        "sequence_length": LENGTH, "rater": model, "inner": model, "population": 3,
        "pretrain_steps": 500, "settle_steps": 200, "meta_steps": 120, "lifetime": 120,
        "eval_steps": 10, "learning_rate": 3e-3, "inner_learning_rate": 3e-3, "batch_size": 24,
        "outer_batch_size": 48,
    }  # fmt: skip
    settings = ValueSettings.model_validate(values | arguments.settings)
    found: dict[str, Any] = {}
    for data in arguments.data:
        texts = {lang: texts_of(data, lang) for lang in ("en", "zh")}
        tokenizer = tokenizer_of([t for some in texts.values() for t in some[:3000]])
        for lang in arguments.langs:
            others = texts["zh" if lang == "en" else "en"]
            runs = []
            for seed in range(arguments.seeds):
                rows = rows_of(texts[lang], others, tokenizer, seed)
                runs.append(run(rows, settings, seed))
                print(data, lang, seed, {k: v for k, v in runs[-1].items()}, flush=True)
                if arguments.controls and seed == 0:
                    for control in ("frozen", "shuffled"):
                        found[f"{data}_{lang}_{control}"] = run(rows, settings, seed, control)
                        print(control, found[f"{data}_{lang}_{control}"], flush=True)
            found[f"{data}_{lang}"] = {
                "auc": [round(r["auc"], 3) for r in runs],
                "auc_start": [round(r["auc_start"], 3) for r in runs],
                "auc_first_step": [round(r["auc_first_step"], 3) for r in runs],
                "by_kind": {k: round(mean(r["by_kind"][k] for r in runs), 3) for k in KINDS},
                "length_correlation": [round(r["length_correlation"], 3) for r in runs],
                "cpu_seconds": round(mean(r["cpu_seconds"] for r in runs), 1),
            }
    print(json.dumps({"settings": settings.model_dump(exclude_defaults=True)} | found))


if __name__ == "__main__":
    main()
