"""From a sample of public files, as their publishers laid them out, to the scorecard."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from assets_tests.end_to_end.conftest import HERE, Place
from carebot_assets.defs.partitions import CHECKPOINTS

# Few files of the large sources; everything of the small ones.
SAMPLED = {"tcm_ancient_books": "[01]*.txt", "csl": "dev.tsv", "gutenberg_fiction": "1342.txt"}


def _profile(folder: Path) -> Path:
    """The sizes of tiny.yaml over the sources of open_data.yaml."""
    tiny = yaml.safe_load((HERE / "tiny.yaml").read_text("utf-8"))
    real = yaml.safe_load((HERE / "open_data.yaml").read_text("utf-8"))
    for name, pattern in SAMPLED.items():
        source = real["corpus"]["sources"][name]
        source["path"] = str(Path(source["path"]).parent / pattern)
    _anchor(real)
    for source in real["instruction"]["sources"].values():
        source["limit"] = 60
    for suite in real["evaluation"]["benchmarks"].values():
        suite["limit"] = 12
    profile = tiny | {"sample_world": None}
    for section in ("corpus", "instruction", "evaluation"):
        profile[section] = tiny[section] | real[section]
    # Real files come in one shard a source; labels by rules of thumb are what they are.
    profile["corpus"]["shard_bytes"] = 100_000_000
    profile["domain"] = tiny["domain"] | {
        "seed_documents": 400,
        "min_medical_f1": 0.5,
        "min_agreement": 0.5,
    }
    profile["quality"] = tiny["quality"] | real["quality"]
    # Real text is harder than the sample world's: more and smaller steps until the loss falls.
    slower = {"max_steps": 48, "learning_rate": 0.001, "eval_steps": 48, "save_steps": 24}
    for stage in ("stable", "boost"):
        profile["pretraining"][stage] |= slower
    path = folder / "real.yaml"
    path.write_text(yaml.safe_dump(profile, allow_unicode=True), "utf-8")
    return path


def _anchor(values: dict[str, Any]) -> None:
    for value in values.values():
        if isinstance(value, dict):
            if isinstance(value.get("path"), str):
                value["path"] = str((HERE / value["path"]).resolve())
            _anchor(value)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("real")
    place = Place(folder, _profile(folder))
    done = place.run("carebot", "run", "scorecard")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return place


def test_from_files_to_scores(real: Place) -> None:
    assert real.store.require("scorecard")
    scores = real.store.scan("benchmark_scores").collect()
    assert set(scores["suite"]) == {"cmmlu_med", "medqa", "pubmedqa"}
    assert set(scores["checkpoint"]) == set(CHECKPOINTS)


def test_dirt_does_not_survive_and_medicine_does(real: Place) -> None:
    read = dict(real.store.scan("documents").group_by("source").len().collect().iter_rows())
    kept = dict(real.store.scan("filtered_corpus").group_by("source").len().collect().iter_rows())
    for dirt in ("sms_spam_en", "spam_reviews_zh"):
        assert kept.get(dirt, 0) <= 0.05 * read[dirt], dirt
    assert kept["medical_abstracts"] >= 0.3 * read["medical_abstracts"]
    assert kept.get("gutenberg_fiction", 0) == 0


def test_every_judge_accounts_for_every_document(real: Place) -> None:
    num_documents = real.store.scan("documents").select(pl.len()).collect().item()
    for judge in ("rule_verdicts", "duplicate_verdicts", "domain_verdicts", "quality_scores"):
        assert real.store.scan(judge).select(pl.len()).collect().item() == num_documents, judge
