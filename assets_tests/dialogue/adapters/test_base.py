import hashlib
from pathlib import Path

import polars as pl
import pytest

from assets_tests.dialogue.adapters.conftest import Read
from carebot_assets import tables
from carebot_assets.dialogue.adapters import ADAPTERS, normalise, read, summarize
from carebot_assets.expectations import conforms
from carebot_assets.settings import DialogueSource


def test_ids_keys_and_schema(load: Read) -> None:
    records = [
        {"question": "头痛，怎么办？", "answer": "休息。"},
        {"question": "头痛 怎么办", "answer": "休息"},
        {"question": "头痛怎么办", "answer": "吃药"},
    ]
    frame, bad = load("huatuo26m", records)
    assert conforms(tables.BY_NAME["sft_dialogues"], frame.lazy()).passed
    assert conforms(tables.BY_NAME["sft_quarantine"], bad.lazy()).passed
    assert frame["record_id"][1] == hashlib.md5(b"src/a.json#1").hexdigest()
    assert frame["pair_key"].to_list()[0] == frame["pair_key"].to_list()[1]
    assert frame["pair_key"].n_unique() == 2 and frame["question_key"].n_unique() == 1
    report = summarize(frame, bad)
    assert (report["num_records"], report["quarantined_ratio"]) == (3, 0.0)
    assert report["num_by_language"] == {"zh": 3}


def test_limit_damage_and_user_mistakes(load: Read, tmp_path: Path) -> None:
    frame, bad = load(
        "huatuo26m", [{"question": f"q{n}", "answer": "a"} for n in range(5)], limit=3
    )
    assert frame.height == 3 and bad.is_empty()
    _, bad = load("huatuo26m", [{"question": "q\ufffd", "answer": "a"}])
    assert bad["error"].to_list() == ["undecodable bytes (U+FFFD in the text)"]
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    source = DialogueSource(path="*", adapter="huatuo26m")
    _, bad = read("src", source, [tmp_path / "x.parquet"])
    assert bad["error"][0].startswith("file cannot be read")
    with pytest.raises(ValueError, match=r"sources\.src: no file matches"):
        read("src", source, [])
    with pytest.raises(ValueError, match=r"unknown adapter 'alpaca'; one of toyhom, cmtmedqa, "):
        read("src", DialogueSource(path="*", adapter="alpaca"), [tmp_path / "x"])


def test_normalise_folds_width_case_and_punctuation() -> None:
    frame = pl.DataFrame({"t": ["ＡＢ c，１２!", "头 痛？\n", ""]})
    assert frame.select(normalise(pl.col("t"))).to_series().to_list() == ["abc12", "头痛", ""]


def test_every_adapter_is_named_after_its_key() -> None:
    assert all(adapter.name == name and adapter.description for name, adapter in ADAPTERS.items())
