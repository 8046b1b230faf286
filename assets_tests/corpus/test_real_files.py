"""Every public file of the corpus and noise folders is read, with its publisher's count."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.corpus.test_manifest import plan_settings
from carebot_assets.corpus import manifest
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.settings import Settings

# How a profile describes each data set: for every glob its source settings.
CSL = {"text": "text", "columns": ["task", "text", "label"]}
SQUAD = {"text": "data[].paragraphs[].context"}
LINES = {"format": "lines"}
DATA_SETS: dict[str, dict[str, dict[str, Any]]] = {
    "corpus/cmrc2018_wiki": {"*.json": SQUAD},
    "corpus/cncf_glossary": {"**/*.md": {}},
    "corpus/csl": {"**/*.tsv": CSL},
    "corpus/disease_kb_zh": {"*.csv": {"text": ["name", "symptom", "drug"]}},
    "corpus/drcd_wiki_tc": {"*.json": SQUAD | {"id": "id"}},
    "corpus/drug_monographs_zh": {"*.json": {"text": "[]"}},
    "corpus/fewclue_tnews_iflytek": {"*.json": {"text": "sentence", "id": "id"}},
    "corpus/gutenberg_fiction": {"*.txt": {}},
    "corpus/gutenberg_medicine": {"*.txt": {}},
    "corpus/how_to_live_longer": {"*.md": {}},
    "corpus/lexicon_thuocl": {"*.txt": {"format": "tsv", "columns": ["word", "n"], "text": "word"}},
    "corpus/medical_abstracts": {
        "*test.csv": {"text": "medical_abstract"},
        "*labels.csv": {"text": "condition_name"},
    },
    "corpus/news_en_ag": {
        "*.csv": {"text": ["title", "body"], "columns": ["label", "title", "body"]}
    },
    "corpus/news_zh_titles_thucnews": {"*.txt": LINES},
    "corpus/openstax_political_science": {"*.cnxml": {"id": ""}},
    "corpus/openstax_psychology": {"*.cnxml": {"id": ""}},
    "corpus/plos_articles": {"*.xml": {"id": "doi"}},
    "corpus/rust_book_zh_en": {"**/*.md": {}},
    "corpus/tcm_ancient_books": {"*.txt": {}},
    "corpus/warc_samples": {"*": {"id": "WARC-Target-URI"}},
    "corpus/web_en_c4_demo": {"*.jsonl": {}},
    "corpus/web_html_en": {"html/*.html.gz": {}, "*.json": {"text": "[].articleBody"}},
    "corpus/web_html_zh": {"*.html": {}},
    "corpus/wikipedia_en_demo": {"*.txt": LINES},
    "noise/badwords": {"*.txt": LINES},
    "noise/offensive_en_davidson": {"*.csv": {"text": "tweet"}},
    "noise/offensive_zh_cold": {"*.csv": {"text": "TEXT"}},
    "noise/pii_synthetic_en": {"*.json": {"text": "full_text"}},
    "noise/sms_spam_en": {"*.csv": {"text": "v2"}},
    "noise/spam_reviews_zh": {"*.txt": LINES},
    "noise/spam_sms_zh_fbs": {"*.txt": LINES},
}
# Data sets whose publisher counts something else: the records read, and why they differ.
OTHER_COUNTS = {
    "corpus/drcd_wiki_tc": (338, "counts articles; a passage is a record here"),
    "corpus/lexicon_thuocl": (53619, "counts line feeds; the last line of one file has none"),
}


@pytest.fixture(scope="module")
def published(shared_data: Path) -> pl.DataFrame:
    rows = [json.loads(row) for row in (shared_data / "MANIFEST.jsonl").open(encoding="utf-8")]
    wanted = [row for row in rows if row["role"] in ("corpus", "noise")]
    return pl.DataFrame(wanted, schema=["role", "dataset", "sha256", "records"], strict=False)


def test_every_data_set_is_read(published: pl.DataFrame) -> None:
    found = set(published.select(pl.format("{}/{}", "role", "dataset")).to_series())
    assert found == set(DATA_SETS)


@pytest.mark.parametrize("name", DATA_SETS)
def test_counts(demo: Settings, shared_data: Path, published: pl.DataFrame, name: str) -> None:
    sources = {
        f"part{i}": {"path": str(shared_data / name / pattern), **source}
        for i, (pattern, source) in enumerate(DATA_SETS[name].items())
    }
    config = plan_settings(demo, **sources)
    corpus = config.corpus.model_copy(update={"max_record_chars": 5_000_000})
    plan = manifest.scan(config)
    expected = published.filter(pl.format("{}/{}", "role", "dataset") == name)
    assert sorted(plan["sha256"]) == sorted(expected["sha256"]), "every file is planned"
    bad, documents, num_records = [], [], 0
    for _, rows in plan.group_by("shard", maintain_order=True):
        reader = ShardReader(rows, corpus)
        documents.append(reader.documents().collect())
        bad.append(reader.quarantine())
        num_records += reader.num_records
    quarantine, texts = pl.concat(bad), pl.concat(documents)
    count, reason = OTHER_COUNTS.get(name, (expected["records"].sum(), ""))
    assert num_records == count, reason
    assert quarantine.is_empty()
    assert texts["doc_id"].is_unique().all()
    assert not texts["text"].str.contains("\U0010ffff", literal=True).any()
    if "id" in next(iter(sources.values())):
        assert texts["source_id"].null_count() == 0
