"""Floors of decontamination on the public dialogues, beside the overlaps known to be there."""

from pathlib import Path

import pytest

from benchmarks import contamination_on_real_data as real


def test_known_overlaps_are_found_and_the_rest_is_clean(shared_data: Path) -> None:
    if not (shared_data / "_truth" / "benchmark_overlap.jsonl").is_file():
        pytest.skip("real data is absent: _truth/benchmark_overlap.jsonl")
    found = real.measured("sft_sources")
    passages = [row for row in found["recall"] if row["kind"] == "passage"]
    assert {row["dataset"] for row in passages} >= {"medec_ms_test", "pulse_eval_tasks"}
    assert {row["suite"] for row in passages} >= {"cmexam_val", "medqa_us_4opt_test"}, "zh and en"
    assert all(row["found"] == row["pairs"] for row in passages), passages
    for lang, longest in found["longest_passage_missed"].items():
        assert longest < real.REAL_PASSAGE[lang]
    assert found["num_dropped"] > 400
    assert found["num_confirmed"] >= 0.98 * found["num_dropped"]
    assert found["num_left_by_audit"] == 0
