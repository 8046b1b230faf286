"""Real public files: every record is accounted for, good text survives the rules, spam does not."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.corpus.test_manifest import plan_settings
from carebot_assets.corpus import manifest, measures, rules
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.settings import Settings

CSL = {"text": "text", "columns": ["task", "text", "label"]}
SOURCES: dict[str, dict[str, Any]] = {
    "medical_abstracts": {"path": "corpus/medical_abstracts/*test.csv", "text": "medical_abstract"},
    "csl_abstracts": {"path": "corpus/csl/cls_dcp/*.tsv", **CSL},
    "csl_titles": {"path": "corpus/csl/cls_ctg/*.tsv", **CSL},
    "tcm_ancient_books": {"path": "corpus/tcm_ancient_books/*.txt"},
    "disease_kb_zh": {"path": "corpus/disease_kb_zh/*.csv", "text": ["name", "symptom", "drug"]},
    "wikipedia_en_demo": {"path": "corpus/wikipedia_en_demo/*.txt", "format": "lines"},
    "web_en_c4_demo": {"path": "corpus/web_en_c4_demo/*.jsonl"},
    "cmrc2018_wiki": {
        "path": "corpus/cmrc2018_wiki/*.json",
        "text": "data[].paragraphs[].context",
    },
    "gutenberg_fiction": {"path": "corpus/gutenberg_fiction/*.txt"},
    "sms_spam_en": {"path": "noise/sms_spam_en/*.csv", "text": "v2"},
    "spam_reviews_zh": {"path": "noise/spam_reviews_zh/*.txt", "format": "lines"},
}
# Lowest and highest share of documents the rules of the demo profile may drop.
DROPS = {
    "medical_abstracts": (0.0, 0.005),
    "csl_abstracts": (0.0, 0.02),
    "tcm_ancient_books": (0.0, 0.0),
    # Records of three short fields: a sixth is too short to be a text.
    "disease_kb_zh": (0.0, 0.18),
    "wikipedia_en_demo": (0.0, 0.0),
    "web_en_c4_demo": (0.0, 0.1),
    "cmrc2018_wiki": (0.0, 0.01),
    "gutenberg_fiction": (0.0, 0.0),
    # Mostly for being too short.
    "sms_spam_en": (0.7, 1.0),
    "spam_reviews_zh": (0.55, 1.0),
}


@pytest.mark.parametrize("name", SOURCES)
def test_real_source(demo: Settings, shared_data: Path, name: str) -> None:
    source = SOURCES[name] | {"path": str(shared_data / SOURCES[name]["path"])}
    if not list(shared_data.glob(SOURCES[name]["path"])):
        pytest.skip(f"real data is absent: {SOURCES[name]['path']}")
    config = plan_settings(demo, **{name: source})
    plan = manifest.scan(config)
    reader = ShardReader(plan, config.corpus)
    documents = reader.documents().collect()
    published = {
        row["sha256"]: row
        for row in map(json.loads, (shared_data / "MANIFEST.jsonl").open(encoding="utf-8"))
    }
    expected = [published[sha256] for sha256 in plan["sha256"]]
    assert reader.num_records == sum(row["records"] for row in expected)
    assert documents.height == reader.num_records
    encodings = {"utf-8": "utf-8", "gb18030": "gb18030", "latin-1": "latin-1"}
    assert plan["encoding"].to_list() == [encodings[row["encoding"]] for row in expected]
    assert documents["lang"].is_in(["zh", "en"]).mean() > (0.9 if name == "sms_spam_en" else 0.99)
    verdicts = rules.decide(measures.measure(documents.lazy()), demo.rules).collect()
    low, high = DROPS.get(name, (0.0, 1.0))
    dropped = verdicts.filter(pl.col("verdict") == "drop")
    reasons = dropped["reasons"].explode().value_counts(sort=True).head(5).rows()
    assert low <= dropped.height / verdicts.height <= high, reasons
